//! What goes wrong at BigQuery, as errors in our words.
//!
//! Its own words are repeated only where they can name nothing but parts of the model, tables and
//! permissions: what it says of a query it has not run (a dry run), of a table that is not there, of a
//! permission that lacks. What it says of a query that ran may quote rows, and is not repeated.

mod telling;

use std::time::Duration;

use outflow_sdk::http::{ExchangeError, HttpResponse};
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::config::Settings;
use crate::query::Query;

use telling::Telling;

/// What was going on when an error came.
#[derive(Clone, Copy)]
pub(crate) enum Doing<'a> {
    /// Looking around: tables, permissions, who we are.
    Looking,
    /// Asking what a query would do.
    DryRun(&'a Query),
    /// Running a query, or a job's state and end.
    Running(&'a Query),
    /// Reading rows, after so many.
    Reading(&'a Query, u64),
}

/// A refusal in BigQuery's words
/// (<https://cloud.google.com/bigquery/docs/error-messages>).
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    /// HTTP status; 200 for a job that failed.
    pub(crate) status: u16,
    /// Stable word, such as `notFound`; empty when the answer has none.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// Least time to wait.
    pub(crate) after: Option<Duration>,
}

/// What BigQuery says of an error, in a job's state and in an answer's body.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ErrorProto {
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct Body {
    error: BodyError,
}

#[derive(Deserialize)]
struct BodyError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<ErrorProto>,
    #[serde(default)]
    status: String,
}

impl Refusal {
    /// The refusal of an answer. A body that is not Google's leaves the status.
    pub(crate) fn of(answer: &HttpResponse) -> Self {
        let mut refusal = Self {
            status: answer.status,
            after: answer.retry_after(),
            ..Self::default()
        };
        if let Ok(Body { error }) = serde_json::from_slice::<Body>(&answer.body) {
            refusal.reason = match error.errors.first() {
                Some(first) => first.reason.clone(),
                None => error.status,
            };
            refusal.message = error.message;
        }
        refusal
    }

    /// The refusal of a job.
    pub(crate) fn of_job(error: &ErrorProto) -> Self {
        Self {
            status: 200,
            reason: error.reason.clone(),
            message: error.message.clone(),
            after: None,
        }
    }

    /// Whether the same request may succeed at once.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "backendError"
                | "internalError"
                | "rateLimitExceeded"
                | "jobRateLimitExceeded"
                | "jobBackendError"
                | "jobInternalError"
                | "tableUnavailable"
                | "UNAVAILABLE"
        ) || self.status >= 500 && self.status != 501
            || self.status == 429
            || self.status == 408
    }
}

/// Why a call came to nothing.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// No answer.
    Exchange(ExchangeError),
    /// An answer that says no.
    Refused(Refusal),
    /// An answer that cannot be read.
    Malformed(&'static str),
    /// No token.
    Token(ConnectorError),
}

impl Fault {
    /// Whether the same call may succeed at once, and the least time to wait.
    pub(crate) fn passing(&self) -> Option<Duration> {
        match self {
            Fault::Exchange(ExchangeError::Invalid(_)) | Fault::Token(_) => None,
            Fault::Exchange(_) | Fault::Malformed(_) => Some(Duration::ZERO),
            Fault::Refused(refusal) if refusal.is_passing() => Some(refusal.after.unwrap_or_default()),
            Fault::Refused(_) => None,
        }
    }

    /// The error of it.
    pub(crate) fn told(&self, settings: &Settings, doing: Doing<'_>) -> ConnectorError {
        let host = settings.host();
        match self {
            Fault::Token(error) => error.clone(),
            Fault::Exchange(error @ ExchangeError::Invalid(_)) => ConnectorError::from(error.clone()),
            Fault::Exchange(ExchangeError::Unreachable { host, reason }) => passing(
                "unreachable",
                format!("{host}: cannot connect: {reason}"),
            )
            .with_hint("check `base_url:` of the source, proxies and firewalls; BigQuery is at bigquery.googleapis.com"),
            Fault::Exchange(ExchangeError::Lost { host, reason }) => {
                passing("connection_lost", format!("{host}: no answer: {reason}{}", so_far(doing)))
                    .with_hint("run it again; if it stays so, look at proxies and firewalls between")
            }
            Fault::Malformed(what) => ConnectorError::new(
                ErrorKind::Contract,
                "unexpected_answer",
                format!("{host}: an answer {what}{}", so_far(doing)),
            )
            .with_hint("is this BigQuery, and no proxy that changes its answers?"),
            Fault::Refused(refusal) => Telling { refusal, settings, doing }.told(),
        }
    }
}

/// An error that may be gone next time.
pub(crate) fn passing(code: &'static str, message: String) -> ConnectorError {
    ConnectorError::new(ErrorKind::Source { transient: true }, code, message)
}

/// Whether a read that failed so may be tried anew at once.
pub(crate) fn is_passing(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::Source { transient: true } && error.code != "query_cancelled"
}

/// ` after 10 rows; nothing of this read is used`, or nothing.
pub(crate) fn so_far(doing: Doing<'_>) -> String {
    match doing {
        Doing::Reading(query, rows) if rows > 0 => {
            format!(
                " after {rows} rows of {}; nothing of this read is used",
                query.label
            )
        }
        _ => String::new(),
    }
}

/// A model that would be billed for more than the source allows.
pub(crate) fn too_many_bytes(label: &str, settings: &Settings, required: Option<u64>) -> ConnectorError {
    let limit = settings.maximum_bytes_billed.map_or_else(
        || "what the project allows".to_owned(),
        |limit| format!("{limit} bytes"),
    );
    let needs = required.map_or_else(String::new, |bytes| format!(": it needs {bytes}"));
    ConnectorError::source(
        "bytes_billed_limit",
        format!("{label}: would be billed for more than {limit}{needs}"),
    )
    .with_hint("raise `maximum_bytes_billed:` of the source, or read less: partitions, columns")
}

#[cfg(test)]
mod tests;
