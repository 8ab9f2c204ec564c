//! Report: how a run ended, with its balanced ledger.

use std::time::Duration;

use super::error::{Exit, RunError};
use crate::state::{RunId, RunStatus, Tally};

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
