//! JSON lines files: looked through once for their columns and types, then read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use outflow_sdk::ConnectorError;
use outflow_sdk::names::project;
use outflow_sdk::source::Column;
use outflow_sdk::value::Decimal;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cell::Cell;
use crate::columns::{Batcher, MAX_CELL};
use crate::kind::{Declared, Kind, Observed};
use crate::messages;
use crate::sink::{Cancel, Flow, Look, Sink, Tally};
use crate::stamp::{FileRef, Stamp};

/// As many columns as SQLite takes; more is a file whose keys are data.
const MAX_COLUMNS: usize = 2_000;
/// Rows between two looks at whether anybody still wants the read.
const ROWS_BETWEEN_CHECKS: u64 = 4_096;

/// A JSON lines file whose columns are known.
pub(crate) struct JsonlTable {
    file: FileRef,
    stamp: Stamp,
    names: Vec<String>,
    kinds: Vec<Kind>,
    positions: Vec<usize>,
}

impl JsonlTable {
    /// Opens `file` and looks through it.
    pub(crate) fn open(file: &FileRef, wanted: &[String], look: Look, cancel: &Cancel) -> Flow<Self> {
        let (handle, stamp) = file.open()?;
        let mut lines = Lines::new(handle, &file.label);
        let mut index = Index::default();
        let mut observed: Vec<Observed> = Vec::new();
        let mut rows = 0;
        while rows < look.rows() && lines.advance()? {
            lines.each(&mut index, rows, |at, cell| {
                if at >= observed.len() {
                    observed.push(Observed::new(Declared::Nothing));
                }
                if let Some(column) = observed.get_mut(at) {
                    column.add(&cell);
                }
            })?;
            rows += 1;
            if rows.is_multiple_of(ROWS_BETWEEN_CHECKS) {
                cancel.check()?;
            }
        }
        let names = index.names;
        let positions = project(&file.label, &names, wanted)?;
        let kinds = observed.iter().map(Observed::decide).collect();
        Ok(Self {
            file: file.clone(),
            stamp,
            names,
            kinds,
            positions,
        })
    }

    /// The fields of its batches.
    pub(crate) fn fields(&self) -> Vec<arrow_schema::Field> {
        self.wanted().map(|(name, kind)| kind.field(name)).collect()
    }

    /// Leaves out the columns that `keep` does not want.
    pub(crate) fn narrow(&mut self, keep: &dyn Fn(&str) -> bool) {
        let names = &self.names;
        self.positions
            .retain(|at| names.get(*at).is_some_and(|name| keep(name)));
    }

    fn wanted(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.positions.iter().filter_map(|at| {
            let name = self.names.get(*at)?;
            Some((name.as_str(), *self.kinds.get(*at)?))
        })
    }

    /// The wanted columns.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.wanted()
            .map(|(name, kind)| Column {
                name: name.to_owned(),
                type_name: type_name(kind).into(),
                arrow_type: kind.arrow_type(),
            })
            .collect()
    }

    /// Pushes the rows.
    pub(crate) fn stream(self, cancel: &Cancel, sink: &mut dyn Sink) -> Flow<Tally> {
        let mut batcher = Batcher::new(self.wanted());
        sink.schema(batcher.schema())?;
        let (handle, stamp) = self.file.open()?;
        if stamp != self.stamp {
            return Err(messages::file_changed(&self.file.label).into());
        }
        let mut targets = vec![None; self.names.len()];
        for (column, at) in self.positions.iter().enumerate() {
            if let (Some(target), Some(kind)) = (targets.get_mut(*at), self.kinds.get(*at)) {
                *target = Some((column, *kind));
            }
        }
        let mut lines = Lines::new(handle, &self.file.label);
        let mut index = Index::of(&self.names);
        let mut filled = vec![false; self.positions.len()];
        let mut unescaped = String::new();
        let mut tally = Tally::default();
        while lines.advance()? {
            filled.fill(false);
            let mut fits = true;
            lines.each_raw(&mut index, tally.rows, |at, raw| {
                let Some(target) = targets.get(at) else {
                    fits = false;
                    return Ok(());
                };
                let Some((column, kind)) = *target else {
                    return Ok(());
                };
                let cell = cell_of(raw, &mut unescaped, kind == Kind::Json)?;
                fits = fits && batcher.append(column, &cell).is_ok();
                if let Some(done) = filled.get_mut(column) {
                    *done = true;
                }
                Ok(())
            })?;
            for (column, _) in filled.iter().enumerate().filter(|(_, done)| !**done) {
                fits = fits && batcher.append(column, &Cell::Null).is_ok();
            }
            if !fits {
                return Err(messages::file_changed(&self.file.label).into());
            }
            tally.rows += 1;
            if let Some(batch) = batcher.end_row()? {
                cancel.check()?;
                sink.batch(batch)?;
            }
        }
        self.file.unchanged_since(self.stamp)?;
        if let Some(batch) = batcher.rest()? {
            sink.batch(batch)?;
        }
        tally.bytes = Some(lines.bytes);
        Ok(tally)
    }
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Integer => "integer",
        Kind::Float | Kind::Decimal { .. } => "number",
        Kind::Json => "json",
        Kind::Text | Kind::Date | Kind::Timestamp | Kind::Blob => "string",
    }
}

/// Column names and their positions, in order of appearance.
#[derive(Default)]
struct Index {
    names: Vec<String>,
    positions: HashMap<String, usize>,
    /// Number of the row (from 1) in which a column was met last.
    met: Vec<u64>,
}

impl Index {
    fn of(names: &[String]) -> Self {
        Self {
            names: names.to_vec(),
            positions: names.iter().cloned().zip(0..).collect(),
            met: vec![0; names.len()],
        }
    }

    /// The position of `name`, which usually is `guess`.
    fn position(&mut self, name: &str, guess: usize) -> Result<usize, &'static str> {
        if self.names.get(guess).is_some_and(|known| known == name) {
            return Ok(guess);
        }
        if let Some(at) = self.positions.get(name) {
            return Ok(*at);
        }
        if self.names.len() >= MAX_COLUMNS {
            return Err("brings more than 2000 different keys; keys seem to be data here");
        }
        let at = self.names.len();
        self.names.push(name.to_owned());
        self.positions.insert(name.to_owned(), at);
        self.met.push(0);
        Ok(at)
    }

    /// Notes that the column was met in `row`; false if it already was.
    fn meet(&mut self, at: usize, row: u64) -> bool {
        self.met
            .get_mut(at)
            .is_some_and(|met| std::mem::replace(met, row + 1) != row + 1)
    }
}

/// The cell a raw JSON value is. `unescaped` holds it if it is a string with escapes.
fn cell_of<'a>(raw: &'a str, unescaped: &'a mut String, as_json: bool) -> Result<Cell<'a>, &'static str> {
    let first = raw.as_bytes().first().copied().unwrap_or_default();
    Ok(match first {
        b'n' => Cell::Null,
        _ if as_json => Cell::Json(raw),
        b't' => Cell::Bool(true),
        b'f' => Cell::Bool(false),
        b'{' | b'[' => Cell::Json(raw),
        b'"' => match raw.get(1..raw.len().saturating_sub(1)) {
            Some(inner) if !inner.contains('\\') => Cell::Text(inner),
            _ => {
                *unescaped = serde_json::from_str(raw).map_err(|_| "holds an escape that is no character")?;
                Cell::Text(unescaped)
            }
        },
        _ => match raw.parse() {
            Ok(integer) => Cell::Integer(integer),
            Err(_) if Decimal::parse(raw).is_some() => Cell::Number(raw),
            Err(_) => return Err("holds a number that is out of range"),
        },
    })
}

/// The lines of a file that are not blank.
struct Lines<'a> {
    reader: BufReader<File>,
    label: &'a str,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<'a> Lines<'a> {
    fn new(file: File, label: &'a str) -> Self {
        Self {
            reader: BufReader::with_capacity(256 << 10, file),
            label,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// Goes to the next line that is not blank; false at the end.
    fn advance(&mut self) -> Result<bool, ConnectorError> {
        loop {
            self.line.clear();
            let limit = MAX_CELL as u64 + 1;
            let count = self
                .reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.line)
                .map_err(|error| messages::unreadable(self.label, &error))?;
            if count == 0 {
                return Ok(false);
            }
            self.number += 1;
            self.bytes += count as u64;
            if count as u64 == limit {
                return Err(ConnectorError::source(
                    "cell_too_large",
                    format!("{}:{}: the line is longer than 64 MiB", self.label, self.number),
                ));
            }
            if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Gives the line's cells by column position.
    fn each(
        &self,
        index: &mut Index,
        row: u64,
        mut take: impl FnMut(usize, Cell<'_>),
    ) -> Result<(), ConnectorError> {
        let mut unescaped = String::new();
        self.each_raw(index, row, |at, raw| {
            take(at, cell_of(raw, &mut unescaped, false)?);
            Ok(())
        })
    }

    /// Gives the line's raw values by column position.
    fn each_raw(
        &self,
        index: &mut Index,
        row: u64,
        mut take: impl FnMut(usize, &str) -> Result<(), &'static str>,
    ) -> Result<(), ConnectorError> {
        let mut guess = 0;
        let mut problem = None;
        let object = Object(|key: &str, raw: &str| {
            if problem.is_some() {
                return;
            }
            let step = index.position(key, guess).and_then(|at| {
                guess = at + 1;
                if !index.meet(at, row) {
                    return Err("has a key twice");
                }
                take(at, raw)
            });
            problem = step.err().map(|words| (key.to_owned(), words));
        });
        let text = std::str::from_utf8(&self.line).map_err(|_| self.malformed("is not UTF-8"))?;
        let mut parser = serde_json::Deserializer::from_str(text);
        let parsed = parser.deserialize_map(object).and_then(|()| parser.end());
        if let Err(error) = parsed {
            return Err(if error.is_data() {
                self.malformed("is not a JSON object")
            } else {
                self.malformed(&format!("is not JSON (at column {})", error.column()))
            });
        }
        match problem {
            Some((key, words)) => Err(self.malformed(&format!("{words}: key '{key}'"))),
            None => Ok(()),
        }
    }

    fn malformed(&self, words: &str) -> ConnectorError {
        ConnectorError::source(
            "json_malformed",
            format!("{}:{}: the line {words}", self.label, self.number),
        )
        .with_hint("every line is one JSON object, such as {\"id\": 1}")
    }
}

/// Walks through an object without building it.
struct Object<F>(F);

impl<'de, F: FnMut(&str, &str)> Visitor<'de> for Object<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let raw: &RawValue = map.next_value()?;
            (self.0)(&key, raw.get());
        }
        Ok(())
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sink::Halt;

    fn open(text: &str) -> Result<Vec<(String, Kind)>, ConnectorError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        std::fs::write(&path, text).unwrap();
        let file = FileRef::new(&path, folder.path());
        match JsonlTable::open(&file, &[], Look::Whole, &Cancel::default()) {
            Ok(table) => Ok(table
                .wanted()
                .map(|(name, kind)| (name.to_owned(), kind))
                .collect()),
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Cancelled) => unreachable!("nobody cancels"),
        }
    }

    #[test]
    fn types_come_from_all_lines() {
        let columns = open(concat!(
            "\u{feff}{\"id\": 0, \"price\": 19.99, \"who\": {\"a\": 1}, \"mixed\": 1}\n",
            "\n",
            "{\"id\": 7, \"ok\": true, \"who\": null, \"mixed\": \"x\", \"none\": null}"
        ))
        .unwrap();
        let kinds: Vec<_> = columns
            .iter()
            .map(|(name, kind)| (name.as_str(), *kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("id", Kind::Integer),
                (
                    "price",
                    Kind::Decimal {
                        precision: 38,
                        scale: 2
                    }
                ),
                ("who", Kind::Json),
                ("mixed", Kind::Text),
                ("ok", Kind::Boolean),
                ("none", Kind::Text),
            ]
        );
    }

    #[test]
    fn a_bad_line_is_named_without_its_contents() {
        for (text, words) in [
            (
                "{\"a\":1}\n{\"a\":",
                "t.jsonl:2: the line is not JSON (at column 5)",
            ),
            ("{\"a\":1}\n\n[1,2]\n", "t.jsonl:3: the line is not a JSON object"),
            ("\"secret\"\n", "t.jsonl:1: the line is not a JSON object"),
            (
                "{\"a\":1,\"a\":2}\n",
                "t.jsonl:1: the line has a key twice: key 'a'",
            ),
            (
                "{\"a\":1} {\"a\":2}\n",
                "t.jsonl:1: the line is not JSON (at column 9)",
            ),
            (
                "{\"a\":1e9999}\n",
                "t.jsonl:1: the line holds a number that is out of range: key 'a'",
            ),
            (
                "{\"a\":\"\\ud800\"}\n",
                "t.jsonl:1: the line holds an escape that is no character: key 'a'",
            ),
        ] {
            let error = open(text).unwrap_err();
            assert_eq!(error.code, "json_malformed");
            assert_eq!(error.message, words);
        }
    }
}
