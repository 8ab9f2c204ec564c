//! Report: how a run ended, with its balanced ledger.

use std::time::Duration;

use outflow_deliver::Slowest;
use outflow_project::SyncSpec;
use outflow_state::{RunDetail, RunId, RunStatus, SlowRequest, Tally};

use super::error::{Exit, RunError};

/// How one sync's run ended.
#[derive(Debug)]
pub struct RunReport {
    /// Sync name.
    pub sync: String,
    /// Number of the run.
    pub run_id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// Of a run that read some rows alone, how many keys it was asked for; none = the whole model.
    pub keys: Option<u64>,
    /// Rows by bucket.
    pub tally: Tally,
    /// Removals tried; they are no rows of the model.
    pub removals: u64,
    /// Wall time.
    pub duration: Duration,
    /// Time spent waiting for the account's limits.
    pub limiter_wait: Duration,
    /// Requests that were sent again.
    pub retries: u64,
    /// Its slowest requests.
    pub slowest: Slowest,
    /// When a deferred run can go on, if the destination said so.
    pub resumes_in: Option<Duration>,
    /// Why it stopped.
    pub error: Option<RunError>,
    /// A few keys that more than one row has.
    pub duplicate_keys: Vec<String>,
    /// Where the first rows without a key stand in the model.
    pub null_key_rows: Vec<u64>,
}

impl RunReport {
    /// The exit code of a process that ran this sync alone.
    pub fn exit(&self) -> Exit {
        match (&self.error, self.status) {
            (Some(error), _) => error.exit(),
            (None, RunStatus::Deferred) => Exit::Deferred,
            (None, RunStatus::Rejects) => Exit::Rejects,
            _ => Exit::Done,
        }
    }

    /// What the history keeps beside the rows; `fields` counts changes in mapping order.
    pub(super) fn detail(&self, sync: &SyncSpec, fields: &[u64]) -> RunDetail {
        let changed = sync
            .fields
            .iter()
            .zip(fields)
            .filter(|(_, records)| **records > 0);
        RunDetail {
            retries: self.retries,
            limiter_wait_ms: whole_ms(self.limiter_wait),
            removals: self.removals,
            fields: changed
                .map(|(mapped, records)| (mapped.field.clone(), *records))
                .collect(),
            slowest: self.slow_requests().collect(),
        }
    }

    /// Its slowest requests, as the history keeps them.
    pub fn slow_requests(&self) -> impl Iterator<Item = SlowRequest> {
        self.slowest.requests().iter().map(|one| SlowRequest {
            route: one.route.to_owned(),
            rows: one.rows as u64,
            took_ms: whole_ms(one.took),
            sent_ms: one.sent_ms,
            again: one.again,
            code: one.code.map(str::to_owned),
            correlation: one.correlation.clone(),
        })
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The exit code of a process that ran several syncs: the gravest of them.
pub fn overall_exit(exits: impl IntoIterator<Item = Exit>) -> Exit {
    exits
        .into_iter()
        .max_by_key(|exit| match exit {
            Exit::Done => 0,
            Exit::Rejects => 1,
            Exit::Deferred => 2,
            Exit::Guard => 3,
            Exit::Source => 4,
            Exit::Destination => 5,
            Exit::Credentials => 6,
            Exit::Config => 7,
            Exit::Bug => 8,
        })
        .unwrap_or(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_exit_wins_and_a_deferred_run_is_graver_than_rejects() {
        assert_eq!(overall_exit([]), Exit::Done);
        assert_eq!(
            overall_exit([Exit::Rejects, Exit::Deferred, Exit::Done]),
            Exit::Deferred
        );
        assert_eq!(
            overall_exit([Exit::Credentials, Exit::Bug, Exit::Guard]),
            Exit::Bug
        );
    }
}
