//! Refusals of BigQuery in our words.

use outflow_sdk::{ConnectorError, ErrorKind, ModelPlace};

use super::{Doing, Refusal, passing, so_far, too_many_bytes};
use crate::config::Settings;

/// A refusal, and what it is about.
pub(super) struct Telling<'a> {
    pub(super) refusal: &'a Refusal,
    pub(super) settings: &'a Settings,
    pub(super) doing: Doing<'a>,
}

impl Telling<'_> {
    /// The error of it.
    pub(super) fn told(&self) -> ConnectorError {
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

    /// Where in the model its words say it is.
    fn place(&self) -> Option<ModelPlace> {
        match self.doing {
            Doing::DryRun(query) => query.place(self.refusal.message.lines().next()?),
            _ => None,
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
        ConnectorError::source(code, format!("{}: {what}", self.label()))
            .with_hint(hint)
            .with_place(self.place())
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
        ConnectorError::source(code, format!("{}: {words}", self.label()))
            .with_hint(hint)
            .with_place(self.place())
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

/// `… limit for bytes billed: 1000. 10485760 or higher required.`
fn required_bytes(message: &str) -> Option<u64> {
    let (before, _) = message.split_once(" or higher required")?;
    before.rsplit(' ').next()?.parse().ok()
}
