//! What goes wrong with files and SQLite, in our words. Never a cell's contents.

use std::io;
use std::path::Path;

use outflow_sdk::{ConnectorError, ErrorKind};
use rusqlite::ErrorCode;

use crate::sink::{Cancel, Halt};

/// A file that cannot be opened or read.
pub(crate) fn unreadable(label: &str, error: &io::Error) -> ConnectorError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            ConnectorError::source("path_not_found", format!("{label}: no such file or folder"))
                .with_hint("check `path:` of the source; a relative path starts at the project's folder")
        }
        io::ErrorKind::PermissionDenied => {
            ConnectorError::source("unreadable", format!("{label}: permission denied"))
                .with_hint("let the user that runs outflow read it")
        }
        _ => ConnectorError::source("unreadable", format!("{label}: cannot be read: {error}")),
    }
}

/// A file that is not what it was when the read began.
pub(crate) fn file_changed(label: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Source { transient: true },
        "file_changed",
        format!("{label}: was changed or replaced while it was being read; nothing of this read is used"),
    )
    .with_hint("write to a new file and rename it into place between runs")
}

/// An error of SQLite while it opened or read `label`.
pub(crate) fn sqlite(label: &str, error: &rusqlite::Error) -> ConnectorError {
    let code = error.sqlite_error_code();
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ConnectorError::new(
            ErrorKind::Source { transient: true },
            "sqlite_busy",
            format!("{label}: is locked by another program"),
        )
        .with_hint("it is tried again on the next run; let the other program commit sooner or use WAL mode"),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => ConnectorError::source(
            "sqlite_corrupt",
            format!("{label}: is damaged or no SQLite database"),
        )
        .with_hint("`PRAGMA integrity_check` in the sqlite3 shell says more"),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            ConnectorError::source("unreadable", format!("{label}: SQLite cannot open it")).with_hint(
                "the user that runs outflow must be able to read it (and, in WAL mode, to write beside it)",
            )
        }
        Some(ErrorCode::DiskFull) => ConnectorError::new(
            ErrorKind::Source { transient: true },
            "disk_full",
            "no room left for SQLite's temporary files",
        )
        .with_hint("free space or point SQLITE_TMPDIR elsewhere"),
        Some(ErrorCode::TooBig) => {
            ConnectorError::source("cell_too_large", format!("{label}: a row is longer than 128 MiB"))
        }
        _ => {
            let words = sqlite_words(error);
            match missing_module(&words) {
                Some(module) => ConnectorError::source(
                    "sqlite_module",
                    format!("{label}: needs SQLite's module '{module}', which is no part of Outflow"),
                )
                .with_hint(
                    "full-text and R-tree tables cannot be read: name the table their rows come from, or copy \
                     the rows to an ordinary table with the sqlite3 shell",
                ),
                None => ConnectorError::source("sql_failed", format!("{label}: {words}")),
            }
        }
    }
}

/// The module of a virtual table that SQLite was built without.
pub(crate) fn missing_module(words: &str) -> Option<&str> {
    words.strip_prefix("no such module: ")
}

/// SQLite's own words, which name tables, columns and functions but no values.
pub(crate) fn sqlite_words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// Like [`sqlite`], but an interrupted statement of a read nobody wants is no error.
pub(crate) fn sqlite_halt(label: &str, error: &rusqlite::Error, cancel: &Cancel) -> Halt {
    if cancel.is_cancelled() && error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        Halt::Cancelled
    } else {
        Halt::Failed(sqlite(label, error))
    }
}

/// A column whose type no destination can take.
pub(crate) fn unsupported_column(label: &str, column: &str, type_name: &str) -> ConnectorError {
    ConnectorError::source(
        "unsupported_type",
        format!("{label}: column '{column}' holds {type_name}, which cannot be sent anywhere"),
    )
    .with_hint("leave the column out, or turn it into text in a `sql:` model")
}

/// The path as messages show it: relative to the project where it lies inside.
pub(crate) fn label(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_database_is_worth_another_try() {
        let busy =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
        let error = sqlite("shop.db", &busy);
        assert_eq!(error.code, "sqlite_busy");
        assert_eq!(error.kind, ErrorKind::Source { transient: true });
    }

    #[test]
    fn a_file_without_permission_says_whose_move_it_is() {
        let error = unreadable("data/a.csv", &io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(
            (error.code, error.message.as_str()),
            ("unreadable", "data/a.csv: permission denied")
        );
        assert_eq!(
            error.hint.as_deref(),
            Some("let the user that runs outflow read it")
        );
    }
}
