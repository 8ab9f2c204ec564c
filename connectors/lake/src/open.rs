//! One file as a table, whatever its format.

use outflow_sdk::source::Column;

use crate::config::CsvSettings;
use crate::csv::CsvTable;
use crate::jsonl::JsonlTable;
use crate::parquet::ParquetTable;
use crate::projection::Columns;
use crate::sink::{Cancel, Flow, Look, Sink, Tally};
use crate::stamp::FileRef;

/// Formats of files that are one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Jsonl,
    Parquet,
}

impl Format {
    /// The format a file name's ending stands for.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "parquet" | "pq" => Some(Format::Parquet),
            _ => None,
        }
    }
}

/// A file that is open and whose columns are known.
pub(crate) enum FileTable {
    Csv(Box<CsvTable>),
    Jsonl(JsonlTable),
    Parquet(Box<ParquetTable>),
}

impl FileTable {
    /// Opens `file` for some of its columns.
    pub(crate) fn open(
        file: &FileRef,
        format: Format,
        csv: &CsvSettings,
        columns: Columns<'_>,
        look: Look,
        cancel: &Cancel,
    ) -> Flow<Self> {
        Ok(match format {
            Format::Csv => FileTable::Csv(Box::new(CsvTable::open(file, csv, columns.wanted())?)),
            Format::Jsonl => FileTable::Jsonl(JsonlTable::open(file, columns.wanted(), look, cancel)?),
            Format::Parquet => FileTable::Parquet(Box::new(ParquetTable::open(file, columns)?)),
        })
    }

    /// Leaves out the columns that `keep` does not want.
    pub(crate) fn narrow(&mut self, keep: &dyn Fn(&str) -> bool) {
        match self {
            FileTable::Csv(table) => table.narrow(keep),
            FileTable::Jsonl(table) => table.narrow(keep),
            FileTable::Parquet(table) => table.narrow(keep),
        }
    }

    /// The wanted columns.
    pub(crate) fn columns(&self) -> Vec<Column> {
        match self {
            FileTable::Csv(table) => table.columns(),
            FileTable::Jsonl(table) => table.columns(),
            FileTable::Parquet(table) => table.columns(),
        }
    }

    /// The fields as the batches will have them.
    pub(crate) fn fields(&self) -> Vec<arrow_schema::Field> {
        match self {
            FileTable::Csv(table) => table.fields(),
            FileTable::Jsonl(table) => table.fields(),
            FileTable::Parquet(table) => table
                .schema()
                .fields()
                .iter()
                .map(|field| field.as_ref().clone())
                .collect(),
        }
    }

    /// Pushes the rows into `sink`.
    pub(crate) fn stream(self, cancel: &Cancel, sink: &mut dyn Sink) -> Flow<Tally> {
        match self {
            FileTable::Csv(table) => table.stream(cancel, sink),
            FileTable::Jsonl(table) => table.stream(cancel, sink),
            FileTable::Parquet(table) => table.stream(cancel, sink),
        }
    }
}
