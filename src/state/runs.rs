//! History: how every run ended, the one that was cut off included.

use rusqlite::{OptionalExtension, Row};

use super::rows::damaged;
use super::{RunId, RunRecord, RunStatus, StateError, Store, Tally};

/// Runs kept of each sync.
const KEPT: i64 = 5_000;

/// How a run is told that left no ending.
const CUT_OFF: (&str, &str) = (
    "cut_off",
    "the process ended before the run did; what was acknowledged until then is kept",
);

const RUNS: &str =
    "SELECT id, sync, started_ms, finished_ms, status, tally, error_code, error_message FROM run";

impl Store {
    /// Opens a run. Earlier runs of the sync that never ended are marked as failed: there is one
    /// writer and it runs a sync once at a time, so nobody is working on them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin_run(&self, sync: &str, now_ms: i64) -> Result<RunId, StateError> {
        let tally = tally_text(&Tally::default())?;
        self.transact(|transaction| {
            transaction.execute(
                "UPDATE run SET status = ?2, error_code = ?3, error_message = ?4
                 WHERE sync = ?1 AND status = ?5",
                (
                    sync,
                    RunStatus::Failed.word(),
                    CUT_OFF.0,
                    CUT_OFF.1,
                    RunStatus::Running.word(),
                ),
            )?;
            transaction.execute(
                "DELETE FROM run WHERE sync = ?1 AND id <= (
                    SELECT id FROM run WHERE sync = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (sync, KEPT - 1),
            )?;
            transaction.execute(
                "INSERT INTO run (sync, started_ms, status, tally) VALUES (?1, ?2, ?3, ?4)",
                (sync, now_ms, RunStatus::Running.word(), &tally),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// Writes how a run ended.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish_run(&self, run: &RunRecord) -> Result<(), StateError> {
        let tally = tally_text(&run.tally)?;
        let (code, message) = run.error.as_ref().map_or((None, None), |(code, message)| {
            (Some(code.as_str()), Some(message.as_str()))
        });
        self.transact(|transaction| {
            transaction
                .execute(
                    "UPDATE run SET finished_ms = ?2, status = ?3, tally = ?4, error_code = ?5,
                        error_message = ?6
                     WHERE id = ?1",
                    (run.id, run.finished_ms, run.status.word(), &tally, code, message),
                )
                .map(drop)
        })
    }

    /// The newest runs first, of one sync or of all.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn history(&self, sync: Option<&str>, limit: usize) -> Result<Vec<RunRecord>, StateError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| match sync {
            Some(sync) => connection
                .prepare_cached(&format!("{RUNS} WHERE sync = ?1 ORDER BY id DESC LIMIT ?2"))?
                .query_map((sync, limit), run_record)?
                .collect(),
            None => connection
                .prepare_cached(&format!("{RUNS} ORDER BY id DESC LIMIT ?1"))?
                .query_map([limit], run_record)?
                .collect(),
        })
    }

    /// The newest run of a sync that ended so; how fresh the destination is, for [`RunStatus::Ok`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_run(&self, sync: &str, status: RunStatus) -> Result<Option<RunRecord>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "{RUNS} WHERE sync = ?1 AND status = ?2 ORDER BY id DESC LIMIT 1"
                ))?
                .query_row((sync, status.word()), run_record)
                .optional()
        })
    }
}

pub(super) fn tally_text(tally: &Tally) -> Result<String, StateError> {
    serde_json::to_string(tally).map_err(|error| StateError::Internal(error.to_string()))
}

fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let status: String = row.get(4)?;
    let tally: String = row.get(5)?;
    let error_code: Option<String> = row.get(6)?;
    let error_message: Option<String> = row.get(7)?;
    Ok(RunRecord {
        id: row.get(0)?,
        sync: row.get(1)?,
        started_ms: row.get(2)?,
        finished_ms: row.get(3)?,
        status: RunStatus::from_word(&status).ok_or_else(|| damaged("a run has an unknown status"))?,
        tally: serde_json::from_str(&tally).map_err(|_| damaged("the numbers of a run cannot be read"))?,
        error: error_code.map(|code| (code, error_message.unwrap_or_default())),
    })
}
