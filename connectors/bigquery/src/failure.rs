//! What goes wrong at BigQuery, as errors in our words.
//!
//! Its own words are repeated only where they can name nothing but parts of the model, tables and
//! permissions: what it says of a query it has not run (a dry run), of a table that is not there, of a
//! permission that lacks. What it says of a query that ran may quote rows, and is not repeated.

use std::time::Duration;

use outflow_sdk::http::{ExchangeError, HttpResponse};
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::config::Settings;
use crate::query::Query;

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

struct Telling<'a> {
    refusal: &'a Refusal,
    settings: &'a Settings,
    doing: Doing<'a>,
}

impl Telling<'_> {
    fn told(&self) -> ConnectorError {
        let host = self.settings.host();
        match self.refusal.reason.as_str() {
            "notFound" | "NOT_FOUND" => return self.missing(),
            "accessDenied" | "PERMISSION_DENIED" | "forbidden" | "insufficientPermissions" => {
                return self.denied();
            }
            "invalidQuery" | "invalid" | "invalidParameter" | "badRequest" => return self.invalid(),
            "quotaExceeded" => {
                return ConnectorError::new(
                    ErrorKind::QuotaExhausted { until: None },
                    "quota_exceeded",
                    format!("{}: a quota of project {} is used up", self.label(), self.settings.project),
                )
                .with_hint("daily quotas begin anew at midnight Pacific time; see IAM & Admin > Quotas, and custom query quotas");
            }
            "bytesBilledLimitExceeded" => return self.too_many_bytes(),
            "billingNotEnabled" | "billingTierLimitExceeded" => {
                return ConnectorError::source(
                    "billing_disabled",
                    format!("project {} has no billing for this", self.settings.project),
                )
                .with_hint("enable billing of the project that runs the jobs");
            }
            "responseTooLarge" => {
                return ConnectorError::source(
                    "result_too_large",
                    format!("{}: the result is larger than 10 GB compressed", self.label()),
                )
                .with_hint(
                    "write it to a table (CREATE TABLE … AS) before the run, and use `model: { table: … }`",
                );
            }
            "resourcesExceeded" => {
                return ConnectorError::source(
                    "query_too_heavy",
                    format!(
                        "{}: the query needs more than BigQuery gives one query",
                        self.label()
                    ),
                )
                .with_hint("leave out ORDER BY over all rows, and join or group less at once");
            }
            "stopped" | "cancelled" => return self.stopped(),
            "timeout" => return self.timed_out(),
            "rateLimitExceeded" | "jobRateLimitExceeded" => {
                return passing("rate_limited", format!("{host}: asks for fewer requests"))
                    .with_hint("run it again later, or fewer syncs at once");
            }
            _ => {}
        }
        match self.refusal.status {
            401 => ConnectorError::new(
                ErrorKind::Auth,
                "credentials_refused",
                format!("{host}: the access token is refused"),
            )
            .with_hint("check `credentials:` of the source; with a `base_url`, that it is BigQuery"),
            403 => self.denied(),
            429 | 408 | 500.. => passing(
                "warehouse_unavailable",
                format!("{host}: answers with HTTP {}{}", self.refusal.status, so_far(self.doing)),
            )
            .with_hint("run it again later; https://status.cloud.google.com tells of outages"),
            200 if self.refusal.is_passing() => {
                passing("warehouse_unavailable", format!("{}: BigQuery failed to run it", self.label()))
                    .with_hint("run it again later; https://status.cloud.google.com tells of outages")
            }
            200 => ConnectorError::source("query_failed", format!("{}: the query failed ({})", self.label(), self.word()))
                .with_hint("the job's page in the console has BigQuery's own words; they may quote rows and are not repeated here"),
            404 if self.refusal.reason.is_empty() => ConnectorError::config(
                "not_bigquery",
                format!("{host}: answers with HTTP 404 and without a word of BigQuery's"),
            )
            .with_hint("check `base_url:` of the source: scheme and host alone"),
            status => ConnectorError::new(
                ErrorKind::Contract,
                "unexpected_answer",
                format!("{host}: answers with HTTP {status} ({})", self.word()),
            )
            .with_hint("is this BigQuery, and no proxy that changes its answers?"),
        }
    }

    fn label(&self) -> &str {
        match self.doing {
            Doing::Looking => self.settings.host(),
            Doing::DryRun(query) | Doing::Running(query) | Doing::Reading(query, _) => &query.label,
        }
    }

    /// The reason, as far as it is a word.
    fn word(&self) -> &str {
        let reason = self.refusal.reason.as_str();
        let is_word = !reason.is_empty()
            && reason.len() <= 40
            && reason.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        if is_word { reason } else { "no reason given" }
    }

    /// BigQuery's words up to the end of their first line, placed in the model.
    fn words(&self) -> String {
        let line = self.refusal.message.lines().next().unwrap_or_default();
        match self.doing {
            Doing::DryRun(query) => query.placed(line),
            _ => line.to_owned(),
        }
    }

    fn missing(&self) -> ConnectorError {
        let words = self.words();
        let lower = words.to_lowercase();
        let is = |what: &str| lower.contains(&format!("not found: {what}"));
        let (code, hint) = if is("table") || is("view") {
            (
                "missing_table",
                self.elsewhere("check the table's name and dataset, and that the principal may read it"),
            )
        } else if is("dataset") {
            ("missing_dataset", self.elsewhere("check the dataset's name"))
        } else if is("project") {
            (
                "missing_project",
                "check `project:` of the source: the id, not the name".to_owned(),
            )
        } else if is("job") {
            let label = self.label();
            return passing(
                "job_lost",
                format!("{label}: BigQuery does not know the job any more"),
            )
            .with_hint("run it again; with a `location:`, check that it is the data's");
        } else {
            ("not_found", "check the names in the model".to_owned())
        };
        let what = if words.is_empty() {
            "it is not there".to_owned()
        } else {
            words
        };
        ConnectorError::source(code, format!("{}: {what}", self.label())).with_hint(hint)
    }

    /// A table in another location looks like one that is not there.
    fn elsewhere(&self, hint: &str) -> String {
        match &self.settings.location {
            Some(location) => format!("{hint}; jobs of this source run in {location}: is the data there?"),
            None => format!("{hint}; where it is in a region, give the source its `location:`"),
        }
    }

    fn denied(&self) -> ConnectorError {
        let words = self.words();
        let hint = if words.contains("bigquery.jobs.create") || matches!(self.doing, Doing::Looking) {
            "grant the principal roles/bigquery.jobUser on the project of `project:`, and check its id"
        } else if words.contains("bigquery.readsessions") {
            "grant the principal roles/bigquery.readSessionUser on the project of `project:`"
        } else if words.contains("API has not been used") || words.contains("is disabled") {
            "enable the BigQuery API in the project"
        } else {
            "grant the principal roles/bigquery.dataViewer on the dataset; the README of this source lists the grants"
        };
        let what = if words.is_empty() {
            "a permission lacks".to_owned()
        } else {
            words
        };
        ConnectorError::new(
            ErrorKind::Auth,
            "permission_denied",
            format!("{}: {what}", self.label()),
        )
        .with_hint(hint)
    }

    /// A query that is wrong, or whose values are.
    fn invalid(&self) -> ConnectorError {
        let words = self.words();
        if words.contains("bytes billed") {
            return self.too_many_bytes();
        }
        if words.contains("timed out") {
            return self.timed_out();
        }
        if words.contains("Invalid project ID") || words.contains("ProjectId must be") {
            return ConnectorError::config(
                "missing_project",
                format!("'{}' is no project id", self.settings.project),
            )
            .with_hint("check `project:` of the source: the id, not the name");
        }
        if !matches!(self.doing, Doing::DryRun(_)) {
            return self.failed_value();
        }
        let lower = words.to_lowercase();
        let (code, hint) = if [
            "unrecognized name",
            "not found inside",
            "column not found",
            "not found in from clause",
        ]
        .iter()
        .any(|sign| lower.contains(sign))
        {
            ("missing_column", "check its name, and which table has it")
        } else if lower.contains("is ambiguous") {
            ("ambiguous_column", "say whose it is, or rename one with AS")
        } else if lower.contains("duplicate column names") {
            ("ambiguous_column", "rename one of them with AS")
        } else if lower.contains("must be qualified with a dataset") {
            (
                "missing_table",
                "write `dataset.table`, or give the source a `dataset:`",
            )
        } else if lower.contains("syntax error") || lower.contains("parser error") {
            ("sql_syntax", "correct the SQL")
        } else {
            ("sql_invalid", "correct the SQL")
        };
        ConnectorError::source(code, format!("{}: {words}", self.label())).with_hint(hint)
    }

    /// What went wrong with values, without them.
    fn failed_value(&self) -> ConnectorError {
        let lower = self.refusal.message.to_lowercase();
        let what = if lower.contains("division by zero") {
            "division by zero"
        } else if lower.contains("overflow") || lower.contains("out of range") {
            "number or date out of range"
        } else if lower.contains("bad ") || lower.contains("could not cast") || lower.contains("invalid ") {
            "text that is no value of the type it is cast to"
        } else if lower.contains("more than one element") {
            "a subquery with more than one row"
        } else {
            "values that do not fit the query"
        };
        ConnectorError::source(
            "value_error",
            format!("{}: BigQuery cannot compute a value ({what})", self.label()),
        )
        .with_hint(
            "the rows decide this: guard it in the model, such as with SAFE_CAST, SAFE_DIVIDE or NULLIF",
        )
    }

    fn too_many_bytes(&self) -> ConnectorError {
        too_many_bytes(self.label(), self.settings, required_bytes(&self.refusal.message))
    }

    fn stopped(&self) -> ConnectorError {
        if self.refusal.message.to_lowercase().contains("timed out") {
            return self.timed_out();
        }
        passing(
            "query_cancelled",
            format!("{}: the job was cancelled at BigQuery", self.label()),
        )
        .with_hint("run it again when whoever cancelled it agrees")
    }

    fn timed_out(&self) -> ConnectorError {
        ConnectorError::source(
            "query_timeout",
            format!("{}: took longer than its time-out", self.label()),
        )
        .with_hint("raise `job_timeout:` of the source, or make the model faster")
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

/// `… limit for bytes billed: 1000. 10485760 or higher required.`
fn required_bytes(message: &str) -> Option<u64> {
    let (before, _) = message.split_once(" or higher required")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
