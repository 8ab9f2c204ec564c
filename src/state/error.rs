//! What can go wrong with the store, said so that a person can act.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// The store cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// Another process writes to it.
    #[error("the state in {path} is in use by another outflow{}; wait for it to end, or stop it", named(*pid))]
    Busy {
        /// The other process, if it could be read.
        pid: Option<u32>,
        /// The state's folder.
        path: PathBuf,
    },
    /// A later version of Outflow wrote it.
    #[error(
        "the state in {path} has {what} {found}, but this version knows {known} at most; use the version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// `schema`, `encoding`.
        what: &'static str,
        /// Its version.
        found: i64,
        /// The version this program writes.
        known: i64,
    },
    /// The file is damaged or something else than a state.
    #[error(
        "the state in {path} cannot be read: {reason}; move the file away and restore it with `outflow state import`, or go on without it and adopt what the destination has"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong, in our words.
        reason: String,
    },
    /// The folder or file cannot be made or opened.
    #[error(
        "cannot open the state in {path}: {reason}; check `state:` in outflow.yaml and the permissions of that folder"
    )]
    Open {
        /// The folder or file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// It was opened for reading, or may not be written.
    #[error(
        "the state in {path} cannot be written; check the permissions of that folder and whether its disk is mounted read-only"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// No space is left.
    #[error(
        "the disk of the state in {path} is full; free some space and run again: nothing acknowledged before is lost"
    )]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The disk refuses.
    #[error(
        "the disk of the state in {path} fails: {reason}; nothing acknowledged before is lost, so check the disk and run again"
    )]
    Disk {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// No such sync in the state.
    #[error("the state knows no sync {name}; `outflow status` lists those it knows")]
    UnknownSync {
        /// The name asked for.
        name: String,
    },
    /// An export cannot be read.
    #[error("line {line} of the export: {reason}; nothing was imported")]
    Import {
        /// Line, counted from 1.
        line: u64,
        /// What is wrong, in our words.
        reason: String,
    },
    /// An import would mix two states.
    #[error("the state in {path} is not empty; import into an empty one, or say that it is to be replaced")]
    NotEmpty {
        /// The file.
        path: PathBuf,
    },
    /// An export cannot be written.
    #[error("the export cannot be written: {0}")]
    Export(#[source] std::io::Error),
    /// A statement of ours is wrong.
    #[error("internal error in the state: {0}; please report it")]
    Internal(String),
}

fn named(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl StateError {
    /// Stable code, for history and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            StateError::Busy { .. } => "state_busy",
            StateError::Newer { .. } => "state_newer",
            StateError::Corrupt { .. } => "state_corrupt",
            StateError::Open { .. } => "state_open",
            StateError::ReadOnly { .. } => "state_read_only",
            StateError::Full { .. } => "state_full",
            StateError::Disk { .. } => "state_disk",
            StateError::UnknownSync { .. } => "state_unknown_sync",
            StateError::Import { .. } => "state_import",
            StateError::NotEmpty { .. } => "state_not_empty",
            StateError::Export(_) => "state_export",
            StateError::Internal(_) => "state_internal",
        }
    }

    /// A value in the file that no version of ours writes.
    pub(super) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        StateError::Corrupt {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// What the system says about a folder or file.
    pub(super) fn open(path: &Path, reason: &std::io::Error) -> Self {
        StateError::Open {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Classifies what SQLite says about the file at `path`.
    pub(super) fn sql(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StateError::Corrupt { path, reason }
            }
            Some(ErrorCode::DiskFull) => StateError::Full { path },
            Some(ErrorCode::SystemIoFailure) => StateError::Disk { path, reason },
            Some(ErrorCode::ReadOnly) => StateError::ReadOnly { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => StateError::Open { path, reason },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy { pid: None, path },
            _ => match error {
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => StateError::Corrupt { path, reason },
                _ => StateError::Internal(reason),
            },
        }
    }
}
