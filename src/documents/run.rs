//! A run, as history keeps it and as it ended.

use schemars::JsonSchema;
use serde::Serialize;

use super::Wrong;
use super::time::iso;
use crate::state::{self, RunId, RunRecord, RunStatus, Tally};
use crate::sync::report::RunReport;

/// A run's rows by what became of them, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Buckets {
    /// Rows the model gave.
    pub read: u64,
    /// Rows that are at the destination already.
    pub unchanged: u64,
    /// Records created.
    pub created: u64,
    /// Records updated.
    pub updated: u64,
    /// Records removed.
    pub removed: u64,
    /// Rows refused, now or before.
    pub rejected: u64,
    /// Rows refused for consent or compliance.
    pub suppressed: u64,
    /// Rows without a key of their own.
    pub invalid_key: u64,
    /// Rows not sent for want of quota, or because the run stopped.
    pub deferred: u64,
    /// Rows in doubt.
    pub held: u64,
    /// HTTP requests, retries included.
    pub requests: u64,
}

impl From<&Tally> for Buckets {
    fn from(tally: &Tally) -> Self {
        Self {
            read: tally.read,
            unchanged: tally.unchanged,
            created: tally.created,
            updated: tally.updated,
            removed: tally.removed,
            rejected: tally.rejected,
            suppressed: tally.suppressed,
            invalid_key: tally.invalid_key,
            deferred: tally.deferred,
            held: tally.held,
            requests: tally.requests,
        }
    }
}

/// A request of a run, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SlowRequest {
    /// What it was: a name of the destination's such as `upsert`; `job_result` asked for a job's result.
    pub route: String,
    /// Rows it carried.
    pub rows: u64,
    /// From sending to its answer, milliseconds; what the account's limits made it wait before is not in it.
    pub duration_ms: u64,
    /// When it was sent.
    pub sent: Option<String>,
    /// Whether it repeated an earlier one.
    pub retry: bool,
    /// Stable code of the error it ended with; null when it was answered.
    pub code: Option<String>,
    /// The destination's own id of the exchange, where it told one.
    pub correlation: Option<String>,
}

impl From<state::SlowRequest> for SlowRequest {
    fn from(request: state::SlowRequest) -> Self {
        Self {
            route: request.route,
            rows: request.rows,
            duration_ms: request.took_ms,
            sent: iso(request.sent_ms),
            retry: request.again,
            code: request.code,
            correlation: request.correlation,
        }
    }
}

/// A run of the history, with its balanced ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Run {
    /// The sync.
    pub sync: String,
    /// Number of the run.
    pub run_id: RunId,
    /// How it ended, or that it goes on.
    pub status: RunStatus,
    /// When it started.
    pub started: Option<String>,
    /// When it ended; null while it runs, and when it was cut off.
    pub finished: Option<String>,
    /// How many keys it was asked for; null when it read the whole model.
    pub keys: Option<u64>,
    #[serde(flatten)]
    /// The balanced ledger.
    pub rows: Buckets,
    /// How long it took, milliseconds.
    pub duration_ms: Option<i64>,
    /// The few requests that took longest, the slowest first.
    pub slowest_requests: Vec<SlowRequest>,
    /// Why it failed or stopped.
    pub error: Option<Wrong>,
}

impl Run {
    /// The document of a run.
    pub fn of(run: &RunRecord) -> Self {
        let took = |finished: i64| finished.saturating_sub(run.started_ms).max(0);
        Self {
            sync: run.sync.clone(),
            run_id: run.id,
            status: run.status,
            started: iso(run.started_ms),
            finished: run.finished_ms.and_then(iso),
            keys: run.keys,
            rows: (&run.tally).into(),
            duration_ms: run.finished_ms.map(took),
            slowest_requests: run.detail.slowest.iter().cloned().map(Into::into).collect(),
            error: run.error.as_ref().map(Wrong::of),
        }
    }
}

/// How a run ended, as it is told at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunResult {
    /// The sync.
    pub sync: String,
    /// Number of the run.
    pub run_id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// How many keys it was asked for; null when it read the whole model.
    pub keys: Option<u64>,
    #[serde(flatten)]
    /// The balanced ledger.
    pub rows: Buckets,
    /// Removals tried; they are no rows of the model.
    pub removals_tried: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// Of that, how long the account's limits made it wait, milliseconds.
    pub limiter_wait_ms: u64,
    /// The few requests that took longest, the slowest first.
    pub slowest_requests: Vec<SlowRequest>,
    /// Why it failed or stopped.
    pub error: Option<Stopped>,
}

/// Why a run failed or stopped, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stopped {
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl RunResult {
    /// The document of a report.
    pub fn of(report: &RunReport) -> Self {
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            sync: report.sync.clone(),
            run_id: report.run_id,
            status: report.status,
            keys: report.keys,
            rows: (&report.tally).into(),
            removals_tried: report.removals,
            retries: report.retries,
            duration_ms: ms(report.duration),
            limiter_wait_ms: ms(report.limiter_wait),
            slowest_requests: report.slow_requests().map(Into::into).collect(),
            error: report.error.as_ref().map(|error| Stopped {
                code: error.code().to_owned(),
                message: error.to_string(),
                hint: error.hint().map(str::to_owned),
            }),
        }
    }
}
