//! CSV files (RFC 4180): cells from bytes, and a table of text columns from cells.

use std::fs::File;
use std::io::Read;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use outflow_sdk::ConnectorError;
use outflow_sdk::names::project;
use outflow_sdk::source::Column;

use crate::cell::Cell;
use crate::columns::{Batcher, MAX_CELL};
use crate::config::CsvSettings;
use crate::kind::Kind;
use crate::messages;
use crate::sink::{Cancel, Flow, Sink, Tally};
use crate::stamp::{FileRef, Stamp};

const INPUT_BYTES: usize = 256 << 10;

/// A CSV file whose header has been read.
pub(crate) struct CsvTable {
    file: FileRef,
    stamp: Stamp,
    fields: Fields,
    names: Vec<String>,
    null_text: Option<String>,
    positions: Vec<usize>,
}

impl CsvTable {
    /// Opens `file` and reads its header.
    pub(crate) fn open(
        file: &FileRef,
        settings: &CsvSettings,
        wanted: &[String],
    ) -> Result<Self, ConnectorError> {
        let (handle, stamp) = file.open()?;
        let mut fields = Fields::new(handle, file.label.clone(), settings.delimiter_byte()?);
        let names = header(&mut fields)?;
        let positions = project(&file.label, &names, wanted)?;
        Ok(Self {
            file: file.clone(),
            stamp,
            fields,
            names,
            null_text: settings.null_text.clone(),
            positions,
        })
    }

    /// The wanted columns: all of them text.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.wanted()
            .map(|name| Column {
                name: name.to_owned(),
                type_name: "text".into(),
                arrow_type: Kind::Text.arrow_type(),
            })
            .collect()
    }

    /// The fields of its batches.
    pub(crate) fn fields(&self) -> Vec<arrow_schema::Field> {
        self.wanted().map(|name| Kind::Text.field(name)).collect()
    }

    /// Leaves out the columns that `keep` does not want.
    pub(crate) fn narrow(&mut self, keep: &dyn Fn(&str) -> bool) {
        let names = &self.names;
        self.positions
            .retain(|at| names.get(*at).is_some_and(|name| keep(name)));
    }

    fn wanted(&self) -> impl Iterator<Item = &str> {
        self.positions
            .iter()
            .filter_map(|at| self.names.get(*at).map(String::as_str))
    }

    /// Pushes the rows.
    pub(crate) fn stream(mut self, cancel: &Cancel, sink: &mut dyn Sink) -> Flow<Tally> {
        let mut batcher = Batcher::new(self.wanted().map(|name| (name, Kind::Text)));
        sink.schema(batcher.schema())?;
        let mut targets = vec![None; self.names.len()];
        for (column, at) in self.positions.iter().enumerate() {
            if let Some(target) = targets.get_mut(*at) {
                *target = Some(column);
            }
        }
        let mut tally = Tally::default();
        while self.row(&targets, &mut batcher)? {
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
        tally.bytes = Some(self.fields.bytes);
        Ok(tally)
    }

    /// Reads one row into the batcher; false at the end of the file.
    fn row(&mut self, targets: &[Option<usize>], batcher: &mut Batcher) -> Result<bool, ConnectorError> {
        let mut at = 0;
        let mut line = 0;
        while let Some(field) = self.fields.next()? {
            if at == 0 {
                line = field.line;
            }
            if let Some(Some(target)) = targets.get(at) {
                let cell = cell(&field, self.null_text.as_deref()).map_err(|line| {
                    let name = self.names.get(at).map_or("", String::as_str);
                    invalid_utf8(&self.file.label, line, &format!("column '{name}'"))
                })?;
                batcher
                    .append(*target, &cell)
                    .map_err(|_| malformed(&self.file.label, line, "a cell does not fit"))?;
            }
            at += 1;
            if field.ends_row {
                if at == targets.len() {
                    return Ok(true);
                }
                let words = format!("the row has {at} cells, the header {}", targets.len());
                return Err(malformed(&self.file.label, line, &words)
                    .with_hint("quote cells that hold the delimiter, or set csv.delimiter"));
            }
        }
        Ok(false)
    }
}

fn header(fields: &mut Fields) -> Result<Vec<String>, ConnectorError> {
    let mut names: Vec<String> = Vec::new();
    while let Some(field) = fields.next()? {
        let line = field.line;
        let ends_row = field.ends_row;
        let name = std::str::from_utf8(field.bytes).map(str::to_owned);
        let number = names.len() + 1;
        let name = name.map_err(|_| {
            invalid_utf8(&fields.label, line, &format!("the header, cell {number}"))
                .with_hint("save the file as UTF-8")
        })?;
        if name.trim().is_empty() {
            let words = format!("column {number} has no name in the header");
            return Err(malformed(&fields.label, line, &words));
        }
        if names.contains(&name) {
            let words = format!("the header names column '{name}' twice");
            return Err(malformed(&fields.label, line, &words));
        }
        names.push(name);
        if ends_row {
            return Ok(names);
        }
    }
    Err(malformed(&fields.label, 1, "the file is empty")
        .with_hint("a CSV file begins with a header row, even when it has no rows"))
}

/// The cell, or the line it begins in when it is no UTF-8.
fn cell<'a>(field: &Field<'a>, null_text: Option<&str>) -> Result<Cell<'a>, u64> {
    let text = std::str::from_utf8(field.bytes).map_err(|_| field.line)?;
    if !field.quoted && (text.is_empty() || null_text == Some(text)) {
        return Ok(Cell::Null);
    }
    Ok(Cell::Text(text))
}

fn malformed(label: &str, line: u64, words: &str) -> ConnectorError {
    ConnectorError::source("csv_malformed", format!("{label}:{line}: {words}"))
}

fn invalid_utf8(label: &str, line: u64, place: &str) -> ConnectorError {
    ConnectorError::source(
        "csv_invalid_utf8",
        format!("{label}:{line}: {place} is not UTF-8"),
    )
    .with_hint("write the file as UTF-8, for example with `iconv -f latin1 -t utf-8`")
}

/// One cell of a file.
struct Field<'a> {
    bytes: &'a [u8],
    quoted: bool,
    ends_row: bool,
    line: u64,
}

/// The cells of a file, one after the other.
///
/// `csv-core` takes the cells apart. It accepts anything and forgets the quotes, so the raw bytes of
/// each cell are watched beside it: for whether it was quoted, and whether the quotes were in order.
struct Fields {
    reader: Reader,
    source: File,
    label: String,
    input: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    output: Vec<u8>,
    new_row: bool,
    bytes: u64,
}

/// What the raw bytes of the cell being read were like.
#[derive(Default)]
struct Raw {
    started: bool,
    quoted: bool,
    quotes: usize,
    length: usize,
    last: [u8; 2],
    line: u64,
}

impl Raw {
    fn watch(&mut self, raw: &[u8]) {
        let Some(first) = raw.first() else { return };
        if !self.started {
            self.started = true;
            self.quoted = *first == b'"';
        }
        if self.quoted {
            self.quotes += raw.iter().filter(|byte| **byte == b'"').count();
            self.length += raw.len();
            self.last = match raw {
                [.., before, last] => [*before, *last],
                [only] => [self.last[1], *only],
                [] => self.last,
            };
        }
    }

    /// Whether the quotes enclose the whole cell. `terminated`: a delimiter was read after it.
    fn in_order(&self, terminated: bool, written: usize) -> bool {
        let content = self.length - usize::from(terminated);
        let last = if terminated { self.last[0] } else { self.last[1] };
        self.quotes.is_multiple_of(2) && last == b'"' && content == written + 2 + (self.quotes - 2) / 2
    }
}

impl Fields {
    fn new(source: File, label: String, delimiter: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            source,
            label,
            input: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
            at_end: false,
            output: vec![0; 4 << 10],
            new_row: true,
            bytes: 0,
        }
    }

    fn fill(&mut self) -> Result<(), ConnectorError> {
        loop {
            match self.source.read(&mut self.input) {
                Ok(count) => {
                    self.start = 0;
                    self.end = count;
                    self.at_end = count == 0;
                    self.bytes += count as u64;
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(messages::unreadable(&self.label, &error)),
            }
        }
    }

    fn next(&mut self) -> Result<Option<Field<'_>>, ConnectorError> {
        let mut raw = Raw {
            line: self.reader.line(),
            ..Raw::default()
        };
        let mut written = 0;
        loop {
            if self.start == self.end && !self.at_end {
                let first = self.bytes == 0;
                self.fill()?;
                if first
                    && self
                        .input
                        .get(..self.end)
                        .is_some_and(|input| input.starts_with(b"\xef\xbb\xbf"))
                {
                    self.start = 3;
                }
            }
            let input = self.input.get(self.start..self.end).unwrap_or_default();
            let output = self.output.get_mut(written..).unwrap_or_default();
            let (result, taken, given) = self.reader.read_field(input, output);
            let mut seen = input.get(..taken).unwrap_or_default();
            if self.new_row && !raw.started {
                // The rest of the line end before this row, and blank lines.
                while let [b'\r' | b'\n', rest @ ..] = seen {
                    raw.line += u64::from(seen.starts_with(b"\n"));
                    seen = rest;
                }
            }
            raw.watch(seen);
            self.start += taken;
            written += given;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::OutputFull => self.grow(&raw)?,
                ReadFieldResult::End => return Ok(None),
                ReadFieldResult::Field { record_end } => {
                    self.new_row = record_end;
                    if raw.quoted && !raw.in_order(taken > 0, written) {
                        return Err(self.bad_quotes(&raw));
                    }
                    return Ok(Some(Field {
                        bytes: self.output.get(..written).unwrap_or_default(),
                        quoted: raw.quoted,
                        ends_row: record_end,
                        line: raw.line,
                    }));
                }
            }
        }
    }

    fn grow(&mut self, raw: &Raw) -> Result<(), ConnectorError> {
        let length = self.output.len();
        if length >= MAX_CELL {
            let error = ConnectorError::source(
                "cell_too_large",
                format!(
                    "{}:{}: a cell that begins here is longer than 64 MiB",
                    self.label, raw.line
                ),
            );
            return Err(if raw.quoted {
                error.with_hint("is its closing quote missing?")
            } else {
                error
            });
        }
        self.output.resize((length * 2).min(MAX_CELL), 0);
        Ok(())
    }

    fn bad_quotes(&self, raw: &Raw) -> ConnectorError {
        if raw.quotes % 2 == 1 {
            malformed(
                &self.label,
                raw.line,
                "the quote of a cell that begins here is never closed",
            )
        } else {
            malformed(
                &self.label,
                raw.line,
                "there is something between a closing quote and the next delimiter",
            )
        }
        .with_hint("inside a quoted cell, write each quote twice")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Seek, Write};

    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Fields {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Fields::new(file, "t.csv".into(), b',')
    }

    /// Cells as text, a row a line; NULL as `~`.
    fn rows(bytes: &[u8]) -> Result<String, ConnectorError> {
        let mut fields = fields(bytes);
        let mut all = String::new();
        while let Some(field) = fields.next()? {
            match cell(&field, None).unwrap() {
                Cell::Text(text) => all.push_str(text),
                _ => all.push('~'),
            }
            all.push(if field.ends_row { '\n' } else { '|' });
        }
        Ok(all)
    }

    #[test]
    fn empty_is_null_and_quoted_empty_is_text() {
        assert_eq!(rows(b"a,,\"\"\n\"\",b,").unwrap(), "a|~|\n|b|~\n");
        assert_eq!(rows(b"\"\"\r\n,\r\n").unwrap(), "\n~|~\n");
    }

    #[test]
    fn quotes_line_ends_and_blank_lines_are_read_as_rfc_4180_says() {
        assert_eq!(
            rows(b"\"a\"\"b\",\"c,d\"\r\n\"e\nf\",g").unwrap(),
            "a\"b|c,d\ne\nf|g\n"
        );
        assert_eq!(rows(b"\xef\xbb\xbf\"a\",b\n\n\r\nc,d\n").unwrap(), "a|b\nc|d\n");
        assert_eq!(rows(b"007,1e5,NO, x \n").unwrap(), "007|1e5|NO| x \n");
        assert_eq!(rows(b"\"\"\"\"\n").unwrap(), "\"\n");
    }

    #[test]
    fn quotes_out_of_order_are_an_error_with_a_line() {
        for (bytes, line) in [
            (&b"a,b\n1,\"x\n2,y\n"[..], 2),
            (b"a\n\"x\"y\n", 2),
            (b"a\r\n\r\n\"x\"y\"z\"\r\n", 3),
            (b"a\n\"", 2),
        ] {
            let error = rows(bytes).unwrap_err();
            assert_eq!(error.code, "csv_malformed");
            assert!(
                error.message.starts_with(&format!("t.csv:{line}: ")),
                "{}",
                error.message
            );
        }
    }

    #[test]
    fn lines_count_line_ends_inside_cells() {
        let mut fields = fields(b"a,b\r\n\"x\ny\",z\r\n1,2\r\n");
        let mut lines = Vec::new();
        while let Some(field) = fields.next().unwrap() {
            lines.push(field.line);
        }
        assert_eq!(lines, [1, 1, 2, 3, 4, 4]);
    }

    #[test]
    fn cells_larger_than_every_buffer_are_read() {
        let long = "x\"".repeat(INPUT_BYTES * 3);
        let text = format!("a,\"{}\",b\n", long.replace('"', "\"\""));
        assert_eq!(rows(text.as_bytes()).unwrap(), format!("a|{long}|b\n"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            table in prop::collection::vec(prop::collection::vec(prop::option::of("[a\",\r\né]{0,6}"), 3), 1..8)
        ) {
            let cell = |cell: &Option<String>| {
                cell.as_ref().map_or(String::new(), |text| format!("\"{}\"", text.replace('"', "\"\"")))
            };
            let text: String = table
                .iter()
                .map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n")
                .collect();
            let mut found = vec![vec![]];
            let mut fields = fields(text.as_bytes());
            while let Some(field) = fields.next().unwrap() {
                let text = match super::cell(&field, None).unwrap() {
                    Cell::Text(text) => Some(text.to_owned()),
                    _ => None,
                };
                found.last_mut().unwrap().push(text);
                if field.ends_row {
                    found.push(vec![]);
                }
            }
            found.pop();
            prop_assert_eq!(found, table);
        }
    }

    #[test]
    fn headers_must_have_distinct_names() {
        let message = |bytes: &[u8]| header(&mut fields(bytes)).unwrap_err().message;
        assert_eq!(message(b"a,b,a\n"), "t.csv:1: the header names column 'a' twice");
        assert_eq!(message(b"a,,b\n"), "t.csv:1: column 2 has no name in the header");
        assert_eq!(message(b""), "t.csv:1: the file is empty");
    }
}
