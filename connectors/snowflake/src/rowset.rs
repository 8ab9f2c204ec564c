//! Rows as JSON: an array of arrays of texts, read without a tree of it in memory.

use std::fmt;
use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use outflow_sdk::ConnectorError;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use crate::batch::Batcher;

/// Why reading stopped before the end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody takes batches any more.
    Unwanted,
    /// It is no rowset, or has another width.
    Malformed,
    /// A value does not fit.
    Failed(ConnectorError),
}

/// Whether whoever takes batches wants more.
pub(crate) type Taken = ControlFlow<()>;

/// Reads `[[…],[…]]` into the batcher and hands on every full batch.
pub(crate) fn read(
    json: &[u8],
    batcher: &mut Batcher,
    take: &mut dyn FnMut(RecordBatch) -> Taken,
) -> Result<(), Stop> {
    let mut stop = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let rows = Rows {
        batcher,
        take,
        stop: &mut stop,
    };
    let read = rows
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match (stop, read) {
        (Some(stop), _) => Err(stop),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) => Err(Stop::Malformed),
    }
}

struct Rows<'a> {
    batcher: &'a mut Batcher,
    take: &'a mut dyn FnMut(RecordBatch) -> Taken,
    stop: &'a mut Option<Stop>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        loop {
            let row = Row {
                batcher: self.batcher,
                stop: self.stop,
            };
            if rows.next_element_seed(row)?.is_none() {
                return Ok(());
            }
            let stop = match self.batcher.end_row() {
                Ok(None) => continue,
                Ok(Some(batch)) => match (self.take)(batch) {
                    Taken::Continue(()) => continue,
                    Taken::Break(()) => Stop::Unwanted,
                },
                Err(error) => Stop::Failed(error),
            };
            *self.stop = Some(stop);
            return Err(A::Error::custom("stopped"));
        }
    }
}

struct Row<'a> {
    batcher: &'a mut Batcher,
    stop: &'a mut Option<Stop>,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        let mut at = 0;
        loop {
            let cell = Cell {
                batcher: self.batcher,
                stop: self.stop,
                at,
            };
            if cells.next_element_seed(cell)?.is_none() {
                break;
            }
            at += 1;
        }
        if at == self.batcher.width() {
            Ok(())
        } else {
            Err(A::Error::invalid_length(at, &self))
        }
    }
}

struct Cell<'a> {
    batcher: &'a mut Batcher,
    stop: &'a mut Option<Stop>,
    at: usize,
}

impl Cell<'_> {
    fn take<E: Error>(self, text: Option<&str>) -> Result<(), E> {
        self.batcher.cell(self.at, text).map_err(|error| {
            *self.stop = Some(Stop::Failed(error));
            E::custom("stopped")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.take(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.take(Some(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::kind::{Kind, Typed};

    fn batcher() -> Batcher {
        let column = |name: &str, kind| Typed {
            name: name.into(),
            kind,
            type_name: "T".into(),
        };
        Batcher::new("table T", &[column("A", Kind::Text), column("B", Kind::Date)])
    }

    fn rows(json: &str) -> Result<u64, Stop> {
        let mut batcher = batcher();
        read(json.as_bytes(), &mut batcher, &mut |_| Taken::Continue(()))?;
        Ok(batcher.total_rows())
    }

    #[test]
    fn rows_are_counted_as_they_come() {
        assert_eq!(rows("[]").unwrap(), 0);
        assert_eq!(rows("[[\"a\\u00e9\", null], [null,\"1\"]]").unwrap(), 2);
    }

    #[test]
    fn what_is_no_rowset_is_refused() {
        for json in [
            "",
            "<html>",
            "{}",
            "[[\"a\"]]",
            "[[\"a\",null,null]]",
            "[[\"a\",null]",
            "[[\"a\",null]] x",
            "[[\"a\",[]]]",
            "[[\"a\",5]]",
        ] {
            assert!(matches!(rows(json), Err(Stop::Malformed)), "{json}");
        }
        assert!(matches!(rows("[[\"a\",\"x\"]]"), Err(Stop::Failed(_))));
    }

    #[test]
    fn reading_stops_when_nobody_takes_batches() {
        let json = format!("[{}]", vec!["[null,null]"; 20_000].join(","));
        let mut batcher = batcher();
        let stop = read(json.as_bytes(), &mut batcher, &mut |_| Taken::Break(()));
        assert!(matches!(stop, Err(Stop::Unwanted)));
        assert!(batcher.total_rows() < 10_000);
    }
}
