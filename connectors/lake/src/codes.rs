//! What the codes of this connector mean.

use outflow_sdk::codes::{Code, code};

const REPORT: &str = "Report it: this is a bug in Outflow.";

/// Codes beside those that every connector shares.
#[rustfmt::skip]
pub(crate) const CODES: &[Code] = &[
    code("lake_settings", "The source's settings cannot be used.", "Correct the key the message names."),
    code("lake_remote_path", "`path:` is a URL, and a lake reads local files.", "Mount or copy the files, and write a path."),
    code("path_not_found", "There is no such file or folder.", "Check `path:`; a relative path starts at the project's folder."),
    code("unreadable", "A file or folder may not be read, or reading failed.", "Check permissions and the disk."),
    code("unknown_format", "The file is neither CSV, Parquet, JSON lines nor SQLite by its name.", "Give it the ending of its format."),
    code("no_tables", "The folder holds no tables.", "Check `path:`."),
    code("tables", "The tables that were found.", "Nothing: it is told so that it can be checked."),
    code("ignored_files", "Files that are no tables by their names.", "Nothing, or rename them."),
    code("ambiguous_table", "Several tables have this name.", "Name one of them in full, as the message lists them."),
    code("file_changed", "A file was changed while it was being read; nothing of this read is used.", "Write to a new file and rename it into place between runs."),
    code("csv_delimiter", "`csv.delimiter` is not one character that may stand between cells.", "Write for example `;`."),
    code("csv_malformed", "A line of the CSV file has another number of cells than its header, or a quote is not closed.", "Mend the line the message names."),
    code("csv_invalid_utf8", "The CSV file is not UTF-8.", "Write it as UTF-8, for example with `iconv`."),
    code("cell_too_large", "A cell is longer than 64 MiB.", "Look for a missing closing quote."),
    code("json_malformed", "A line is no JSON object.", "Mend the line the message names."),
    code("parquet_corrupt", "The Parquet file is damaged or cut short.", "Write it anew."),
    code("no_columns", "The file is empty, so nobody knows its columns.", "Write at least the header, or Parquet."),
    code("timestamp_out_of_range", "An instant is beyond the years -9999 to 9999.", "Mend the value in the file."),
    code("sql_empty", "The SQL holds no statement.", "Write a SELECT."),
    code("sql_parameters", "The SQL has parameters, which have no values.", "Write the value itself, or use `vars:`."),
    code("sql_many_statements", "The SQL holds more than one statement.", "A model is one SELECT."),
    code("sql_writes", "The SQL would write.", "A model is one SELECT."),
    code("sql_failed", "SQLite could not run the query.", "See the message."),
    code("query_not_repeatable", "The query gave other types when it was run a second time.", "Give the column a type with CAST(… AS …)."),
    code("sqlite_busy", "The database is locked by another program.", "Nothing: it is tried again. Let the other program commit sooner or use WAL mode."),
    code("sqlite_corrupt", "The file is damaged, or no SQLite database.", "`PRAGMA integrity_check` in the sqlite3 shell says more."),
    code("sqlite_module", "A table or view of the database is full-text or R-tree, or needs another module of SQLite that Outflow does not have.", "Name the table its rows come from, or copy the rows to an ordinary table with the sqlite3 shell."),
    code("sqlite_invalid_utf8", "A text of the database is not UTF-8.", "Mend it in the database, or cast it to a blob."),
    code("disk_full", "There is no room for temporary files.", "Free space, or point SQLITE_TMPDIR elsewhere."),
    code("no_thread", "No thread could be started.", "Raise the limit of threads."),
    code("lake_batch", "Rows do not form a batch.", REPORT),
    code("lake_import", "A value could not be copied for SQL.", REPORT),
    code("lake_reader", "The thread that reads the files ended without an answer.", REPORT),
];
