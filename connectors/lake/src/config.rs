//! Settings of a `lake` source.

use std::path::PathBuf;

use outflow_sdk::ConnectorError;
use schemars::JsonSchema;
use serde::Deserialize;

/// Local files as a source. Every CSV (`.csv`), Parquet (`.parquet`, `.pq`) and JSON lines
/// (`.jsonl`, `.ndjson`) file is a table named like the file without its ending; tables and views of
/// SQLite databases (`.sqlite`, `.sqlite3`, `.db`) go by their own name or by `FILE.TABLE`. Where two
/// tables share a name, a file's full name (`contacts.csv`) or `FILE.TABLE` says which one is meant.
///
/// Types: Parquet files have their own. JSON lines columns are looked through once: whole numbers,
/// decimals, booleans and text stay what they are, nested values become JSON. In SQLite the declared
/// type counts (`BOOLEAN`, `DATE`, `TIMESTAMP`, `DECIMAL(12,2)`, `JSON`, …) as long as every value
/// fits it; timestamps without zone are UTC. A column in which numbers and text meet is text. CSV
/// columns are text: say `as:` in the mapping where a number or a date is meant.
///
/// `sql:` models are SQLite's SQL, one statement that only reads. Databases are read in place; of the
/// files it names, the columns it names are copied to a private database on disk that vanishes with
/// the read (under `SQLITE_TMPDIR`, else `TMPDIR`, else `/var/tmp`). A database's full-text and R-tree
/// tables cannot be read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LakeSettings {
    /// A folder of files, one such file, or one SQLite database. A relative path starts at the
    /// project's folder. Folders inside it and names that begin with a dot are not looked at.
    #[schemars(example = &"./data")]
    pub path: PathBuf,
    /// How CSV files are written, if not in the usual way.
    #[serde(default)]
    pub csv: CsvSettings,
}

/// How CSV files are written. They follow RFC 4180, are UTF-8 (a byte order mark is fine) and begin
/// with a header row. Every column is text, so that `007`, `1e5` and `NO` stay as they are. An empty
/// cell is NULL; an empty cell in quotes (`""`) is empty text. Blank lines are skipped; a row with
/// more or fewer cells than the header is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvSettings {
    /// The character between cells: one ASCII character.
    #[schemars(example = &";", example = &"\t")]
    pub delimiter: String,
    /// Text that also means NULL when a cell holds it without quotes.
    #[schemars(example = &"\\N", example = &"NULL")]
    pub null_text: Option<String>,
}

impl Default for CsvSettings {
    fn default() -> Self {
        Self {
            delimiter: ",".into(),
            null_text: None,
        }
    }
}

impl CsvSettings {
    /// The delimiter as a byte.
    ///
    /// # Errors
    /// When it is not one ASCII character, or one that CSV needs for itself.
    pub(crate) fn delimiter_byte(&self) -> Result<u8, ConnectorError> {
        match self.delimiter.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(*byte),
            _ => Err(ConnectorError::config(
                "csv_delimiter",
                "csv.delimiter is not one ASCII character that may stand between cells",
            )
            .with_hint("write for example \";\" or \"\\t\"")),
        }
    }
}
