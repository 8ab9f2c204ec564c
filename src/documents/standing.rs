//! How a sync stands.

use schemars::JsonSchema;
use serde::Serialize;

use super::Wrong;
use super::time::{iso, span};
use crate::project::{Schedule, SyncSpec};
use crate::state::{OpenJobs, RunId, RunRecord, RunStatus, StateError, Store};

/// A sync's last run of its whole model, freshness and open rejects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Standing {
    /// The sync.
    pub sync: String,
    /// How its last run ended; null before the first.
    pub status: Option<RunStatus>,
    /// Number of its last run.
    pub last_run: Option<RunId>,
    /// When its last run started.
    pub started: Option<String>,
    /// When its last run ended.
    pub finished: Option<String>,
    /// Why its last run failed or stopped.
    pub error: Option<Wrong>,
    /// When a run last went through, with rejects or without.
    pub fresh_as_of: Option<String>,
    /// How long ago that is, seconds.
    pub age_seconds: Option<i64>,
    /// Rows known to be at the destination.
    pub rows: u64,
    /// Open rejects.
    pub rejects: u64,
    /// Jobs the destination has accepted whose result is not known yet.
    pub open_jobs: u64,
    /// Their rows.
    pub open_job_rows: u64,
    /// Its schedule, in words.
    pub schedule: String,
    #[serde(skip)]
    pub(crate) last: Option<RunRecord>,
    #[serde(skip)]
    pub(crate) fresh_ms: Option<i64>,
    #[serde(skip)]
    pub(crate) jobs_since_ms: Option<i64>,
}

impl Standing {
    /// How a sync stands, by the state.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn of(store: &Store, sync: &SyncSpec, now_ms: i64) -> Result<Self, StateError> {
        let state = store.sync(&sync.name)?;
        let last = store.last_whole_run(&sync.name)?;
        let fresh_ms = store.last_completed(&sync.name)?.and_then(|run| run.finished_ms);
        let jobs = match &state {
            Some(state) => OpenJobs::of(&store.open_jobs(state.id)?),
            None => OpenJobs::default(),
        };
        Ok(Self {
            sync: sync.name.clone(),
            status: last.as_ref().map(|run| run.status),
            last_run: last.as_ref().map(|run| run.id),
            started: last.as_ref().and_then(|run| iso(run.started_ms)),
            finished: last.as_ref().and_then(|run| run.finished_ms).and_then(iso),
            error: last.as_ref().and_then(|run| run.error.as_ref()).map(Wrong::of),
            fresh_as_of: fresh_ms.and_then(iso),
            age_seconds: fresh_ms.map(|at| now_ms.saturating_sub(at).max(0) / 1_000),
            rows: state.as_ref().map_or(0, |state| state.rows),
            rejects: state.map_or(0, |state| state.rejects),
            open_jobs: jobs.jobs,
            open_job_rows: jobs.rows,
            schedule: schedule(&sync.schedule),
            last,
            fresh_ms,
            jobs_since_ms: jobs.since_ms,
        })
    }
}

/// A schedule in words.
pub fn schedule(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Manual => "manual".into(),
        Schedule::Cron {
            expression,
            time_zone: None,
        } => expression.clone(),
        Schedule::Cron {
            expression,
            time_zone: Some(zone),
        } => format!("{expression} ({zone})"),
        Schedule::Every(every) => format!("every {}", span(*every)),
        Schedule::After(syncs) => format!("after {}", syncs.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_schedule_reads_as_it_was_meant() {
        assert_eq!(schedule(&Schedule::Manual), "manual");
        assert_eq!(
            schedule(&Schedule::Every(Duration::from_secs(900))),
            "every 15 min"
        );
        let berlin = Schedule::Cron {
            expression: "0 6 * * *".into(),
            time_zone: Some("Europe/Berlin".into()),
        };
        assert_eq!(schedule(&berlin), "0 6 * * * (Europe/Berlin)");
        let after = Schedule::After(vec!["accounts".into(), "orders".into()]);
        assert_eq!(schedule(&after), "after accounts, orders");
    }
}
