//! The closed set of things that can go wrong in a connector.
//!
//! A connector classifies an error once, where it happens. Everything above decides by
//! [`ErrorKind`] alone; the message is for a person and never carries a secret or a contact value.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Which limit refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitScope {
    /// A window of seconds; the whole account slows down.
    Window,
    /// A lock or overload on the objects being written; lower concurrency helps.
    Concurrency,
}

/// What kind of error it is: whose move it is and whether a retry can help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The project is wrong; the ops engineer acts. Never retried.
    Config,
    /// The credential is missing, wrong or lacks a permission. The connection stops.
    Auth,
    /// Slow down. `after` is a floor when the vendor gave one.
    RateLimited {
        /// What was exceeded.
        scope: LimitScope,
        /// Least time to wait, if the answer said so.
        after: Option<Duration>,
    },
    /// The day's quota is gone. `until` counts from now, when known.
    QuotaExhausted {
        /// Time until the quota resets.
        until: Option<Duration>,
    },
    /// Nothing was applied, trying again may work (connect refused, 5xx).
    Transient {
        /// Least time to wait, if the answer said so.
        after: Option<Duration>,
    },
    /// The request was sent and no usable answer came: it may have been applied.
    Ambiguous,
    /// The request as a whole was refused because of some row in it: split it.
    BatchRejected {
        /// Stable code of the refusal, used if a single row is left.
        code: String,
        /// The destination field it names, when it names one.
        field: Option<String>,
    },
    /// The answer does not follow the vendor's contract. The connection stops.
    Contract,
    /// The model could not be read (to the end).
    Source {
        /// Whether the same read may succeed later without a change of the project.
        transient: bool,
    },
    /// An invariant of ours is broken.
    Internal,
}

/// A place in a model's SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelPlace {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for ModelPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {} of the model", self.line, self.column)
    }
}

/// One classified error: a stable code, a message for people, and what to do next.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// Stable code such as `hubspot_unauthorized`.
    pub code: &'static str,
    /// Our own words; no secret, no contact value.
    pub message: String,
    /// What the reader can do next.
    pub hint: Option<String>,
    /// The vendor's own id of the exchange, for their support.
    pub correlation: Option<String>,
    /// Where in the model's SQL it is. The message says so too: not every reader has the file at hand.
    pub place: Option<ModelPlace>,
}

impl ConnectorError {
    /// An error of `kind` with a stable `code` and a message in our own words.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
            hint: None,
            correlation: None,
            place: None,
        }
    }

    /// Adds what the reader can do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the vendor's id of the exchange.
    #[must_use]
    pub fn with_correlation(mut self, correlation: Option<String>) -> Self {
        self.correlation = correlation;
        self
    }

    /// Adds where in the model's SQL it is.
    #[must_use]
    pub fn with_place(mut self, place: Option<ModelPlace>) -> Self {
        self.place = place;
        self
    }

    /// A setting or mapping is wrong.
    pub fn config(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, code, message)
    }

    /// The model cannot be read; the project or the data must change first.
    pub fn source(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Source { transient: false }, code, message)
    }
}
