//! Why a run did not end well, and whose move it is.

use outflow_deliver::Failure;
use outflow_sdk::destination::FieldProblem;
use outflow_sdk::{ConnectorError, ErrorKind};
use outflow_state::StateError;
use thiserror::Error;

use super::guard::GuardStop;
use super::map::ColumnProblem;
use super::spill::SpillError;

/// A run or plan that stopped.
#[derive(Debug, Error)]
pub enum RunError {
    /// The mapping names columns the model does not have.
    #[error("the mapping does not fit the model: {}", list(.0.iter().map(|problem| &problem.message)))]
    Columns(Vec<ColumnProblem>),
    /// The mapping does not fit the destination.
    #[error("the mapping does not fit the destination: {}", list(.0.iter().map(|problem| &problem.message)))]
    Fields(Vec<FieldProblem>),
    /// The model could not be read.
    #[error("{0}")]
    Source(ConnectorError),
    /// The destination could not be used.
    #[error("{0}")]
    Destination(ConnectorError),
    /// A guard stopped it before the first write.
    #[error("{0}")]
    Guard(#[from] GuardStop),
    /// The state could not be read or written.
    #[error("{0}")]
    State(#[from] StateError),
    /// Rows could not be set aside.
    #[error("{0}")]
    Spill(#[from] SpillError),
    /// What of ours delivery could not read or write.
    #[error("{0}")]
    Delivery(Failure),
    /// Someone asked to stop; what was in flight is settled.
    #[error("stopped on request; the next run goes on from here")]
    Cancelled,
    /// An invariant of ours is broken.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

fn list<'a>(messages: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<&str> = messages.map(String::as_str).collect();
    all.join("; ")
}

/// Process exit codes, as the command line promises them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Done, with rejects.
    Rejects = 1,
    /// Usage or configuration.
    Config = 2,
    /// Credentials.
    Credentials = 3,
    /// The source.
    Source = 4,
    /// The destination.
    Destination = 5,
    /// A guard.
    Guard = 6,
    /// Out of quota; resumes by itself.
    Deferred = 7,
    /// A bug.
    Bug = 70,
}

impl Exit {
    /// Every exit code.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Rejects,
        Self::Config,
        Self::Credentials,
        Self::Source,
        Self::Destination,
        Self::Guard,
        Self::Deferred,
        Self::Bug,
    ];
}

impl RunError {
    /// A read that ended without its receipt, or with one that does not add up.
    pub(crate) fn cut_read(rows: u64) -> Self {
        let message = format!("the model was cut off after {rows} rows, so nothing was compared or removed");
        let error = ConnectorError::new(ErrorKind::Source { transient: true }, "incomplete_read", message);
        RunError::Source(error.with_hint("run it again; if it stays so, look at the source's own log"))
    }

    /// The exit code it means.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Columns(_) | RunError::Fields(_) => Exit::Config,
            RunError::Source(error) => connector_exit(error, Exit::Source),
            RunError::Destination(error) => connector_exit(error, Exit::Destination),
            RunError::Guard(_) => Exit::Guard,
            RunError::State(StateError::Internal(_)) => Exit::Bug,
            RunError::State(_) => Exit::Config,
            RunError::Spill(_) | RunError::Delivery(_) => Exit::Config,
            RunError::Cancelled => Exit::Deferred,
            RunError::Internal(_) => Exit::Bug,
        }
    }

    /// Stable code, for history and JSON.
    pub fn code(&self) -> &str {
        match self {
            RunError::Columns(_) => "columns",
            RunError::Fields(_) => "fields",
            RunError::Source(error) | RunError::Destination(error) => error.code,
            RunError::Guard(stop) => stop.code(),
            RunError::State(error) => error.code(),
            RunError::Spill(_) => "temporary_file",
            RunError::Delivery(_) => "state",
            RunError::Cancelled => "cancelled",
            RunError::Internal(_) => "internal",
        }
    }

    /// What the reader can do next.
    pub fn hint(&self) -> Option<&str> {
        match self {
            RunError::Source(error) | RunError::Destination(error) => error.hint.as_deref(),
            _ => None,
        }
    }
}

fn connector_exit(error: &ConnectorError, otherwise: Exit) -> Exit {
    match error.kind {
        ErrorKind::Config => Exit::Config,
        ErrorKind::Auth => Exit::Credentials,
        ErrorKind::QuotaExhausted { .. } => Exit::Deferred,
        ErrorKind::Internal => Exit::Bug,
        _ => otherwise,
    }
}
