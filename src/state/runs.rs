//! History: how every run ended, the one that was cut off included.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::rows::damaged;
use super::run_detail::note_fields;
use super::{RunDetail, RunId, RunRecord, RunStatus, StateError, Store, Tally};

/// Runs kept of each sync.
const KEPT: i64 = 5_000;

/// How a run is told that left no ending.
const CUT_OFF: (&str, &str) = (
    "cut_off",
    "the process ended before the run did; what was acknowledged until then is kept",
);

/// Runs, in the order [`run_record`] reads them.
pub(super) const RUNS: &str =
    "SELECT id, sync, started_ms, finished_ms, status, tally, error_code, error_message, keys FROM run";

impl Store {
    /// Opens a run of the whole model. Earlier runs of the sync that never ended are marked as failed:
    /// there is one writer and it runs a sync once at a time, so nobody is working on them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin_run(&self, sync: &str, now_ms: i64) -> Result<RunId, StateError> {
        self.begin_run_of(sync, now_ms, None)
    }

    /// Opens a run of the whole model, or of so many `keys` alone; as [`Store::begin_run`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin_run_of(&self, sync: &str, now_ms: i64, keys: Option<u64>) -> Result<RunId, StateError> {
        self.transact(|transaction| {
            cut_off(transaction, Some(sync))?;
            // Each kind makes room among its own: runs of some keys may be many, and freshness goes by the others.
            transaction.execute(
                "DELETE FROM run WHERE sync = ?1 AND (keys IS NULL) = ?3 AND id <= (
                    SELECT id FROM run WHERE sync = ?1 AND (keys IS NULL) = ?3
                    ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (sync, KEPT - 1, keys.is_none()),
            )?;
            transaction.execute(
                "INSERT INTO run (sync, started_ms, status, tally, keys) VALUES (?1, ?2, ?3, ?4, ?5)",
                (
                    sync,
                    now_ms,
                    RunStatus::Running.word(),
                    numbers_text(&Tally::default(), &RunDetail::default())?,
                    keys.map(u64::cast_signed),
                ),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// Marks every run that never ended as failed, for a writer that has started none yet. Gives the
    /// names of their syncs.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close_cut_off_runs(&self) -> Result<Vec<String>, StateError> {
        self.transact(|transaction| {
            let syncs = transaction
                .prepare("SELECT DISTINCT sync FROM run WHERE status = ?1 ORDER BY sync")?
                .query_map([RunStatus::Running.word()], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            cut_off(transaction, None)?;
            Ok(syncs)
        })
    }

    /// Writes how a run ended.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish_run(&self, run: &RunRecord) -> Result<(), StateError> {
        self.transact(|transaction| write_run(transaction, run))
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

    /// The newest run of a sync that read, or reads, the whole model.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_whole_run(&self, sync: &str) -> Result<Option<RunRecord>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "{RUNS} WHERE sync = ?1 AND keys IS NULL ORDER BY id DESC LIMIT 1"
                ))?
                .query_row([sync], run_record)
                .optional()
        })
    }

    /// The newest run of a sync's whole model that ended so.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_run(&self, sync: &str, status: RunStatus) -> Result<Option<RunRecord>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "{RUNS} WHERE sync = ?1 AND status = ?2 AND keys IS NULL ORDER BY id DESC LIMIT 1"
                ))?
                .query_row((sync, status.word()), run_record)
                .optional()
        })
    }

    /// A run by its number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn run(&self, id: RunId) -> Result<Option<RunRecord>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("{RUNS} WHERE id = ?1"))?
                .query_row([id], run_record)
                .optional()
        })
    }

    /// Every run above a number, under way or ended, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn runs_after(&self, id: RunId) -> Result<Vec<RunRecord>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("{RUNS} WHERE id > ?1 ORDER BY id"))?
                .query_map([id], run_record)?
                .collect()
        })
    }

    /// The newest run of a sync's whole model that went through, with rejects or without: how fresh its
    /// destination is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_completed(&self, sync: &str) -> Result<Option<RunRecord>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "{RUNS} WHERE sync = ?1 AND status IN (?2, ?3) AND keys IS NULL ORDER BY id DESC LIMIT 1"
                ))?
                .query_row(
                    (sync, RunStatus::Ok.word(), RunStatus::Rejects.word()),
                    run_record,
                )
                .optional()
        })
    }
}

/// Runs that never ended, of one sync or of all, are told as cut off.
fn cut_off(connection: &Connection, sync: Option<&str>) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE run SET status = ?2, error_code = ?3, error_message = ?4
             WHERE (?1 IS NULL OR sync = ?1) AND status = ?5",
            (
                sync,
                RunStatus::Failed.word(),
                CUT_OFF.0,
                CUT_OFF.1,
                RunStatus::Running.word(),
            ),
        )
        .map(drop)
}

/// What the column `tally` holds: the buckets side by side, and the rest under a name of its own.
#[derive(Serialize)]
struct Numbers<'r> {
    #[serde(flatten)]
    tally: &'r Tally,
    detail: &'r RunDetail,
}

/// [`Numbers`] as they are read: earlier versions kept fewer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadNumbers {
    #[serde(flatten)]
    tally: Tally,
    detail: RunDetail,
}

fn numbers_text(tally: &Tally, detail: &RunDetail) -> rusqlite::Result<String> {
    serde_json::to_string(&Numbers { tally, detail })
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Writes a run as it is, new or known.
pub(super) fn write_run(connection: &Connection, run: &RunRecord) -> rusqlite::Result<()> {
    let (code, message) = run.error.as_ref().map_or((None, None), |(code, message)| {
        (Some(code.as_str()), Some(message.as_str()))
    });
    connection
        .prepare_cached(
            "INSERT INTO run (id, sync, started_ms, finished_ms, status, tally, error_code, error_message, keys)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET finished_ms = ?4, status = ?5, tally = ?6, error_code = ?7,
                error_message = ?8",
        )?
        .execute((
            run.id,
            &run.sync,
            run.started_ms,
            run.finished_ms,
            run.status.word(),
            numbers_text(&run.tally, &run.detail)?,
            code,
            message,
            run.keys.map(u64::cast_signed),
        ))?;
    note_fields(connection, run)
}

pub(super) fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let status: String = row.get(4)?;
    let numbers: String = row.get(5)?;
    let numbers: ReadNumbers =
        serde_json::from_str(&numbers).map_err(|_| damaged("the numbers of a run cannot be read"))?;
    let error_code: Option<String> = row.get(6)?;
    let error_message: Option<String> = row.get(7)?;
    Ok(RunRecord {
        id: row.get(0)?,
        sync: row.get(1)?,
        started_ms: row.get(2)?,
        finished_ms: row.get(3)?,
        status: RunStatus::from_word(&status).ok_or_else(|| damaged("a run has an unknown status"))?,
        keys: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
        tally: numbers.tally,
        error: error_code.map(|code| (code, error_message.unwrap_or_default())),
        detail: numbers.detail,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::SlowRequest;
    use super::super::fixtures::fixture;
    use super::*;

    fn finished(id: RunId, status: RunStatus) -> RunRecord {
        RunRecord {
            id,
            sync: "customers".to_owned(),
            started_ms: 100,
            finished_ms: Some(250),
            status,
            keys: None,
            tally: Tally {
                read: 3,
                unchanged: 2,
                rejected: 1,
                ..Tally::default()
            },
            error: None,
            detail: RunDetail {
                retries: 1,
                fields: [("email".to_owned(), 2)].into(),
                slowest: vec![SlowRequest {
                    route: "upsert".to_owned(),
                    rows: 2,
                    took_ms: 40,
                    sent_ms: 120,
                    again: true,
                    code: Some("hubspot_unavailable".to_owned()),
                    correlation: None,
                }],
                ..RunDetail::default()
            },
        }
    }

    #[test]
    fn history_tells_the_newest_run_first_and_how_each_ended() {
        let fixture = fixture();
        let first = fixture.store.begin_run("customers", 100).unwrap();
        fixture.store.finish_run(&finished(first, RunStatus::Ok)).unwrap();
        let second = fixture.store.begin_run("customers", 100).unwrap();
        let mut failed = finished(second, RunStatus::Failed);
        failed.error = Some(("lake_missing".to_owned(), "no such table".to_owned()));
        fixture.store.finish_run(&failed).unwrap();
        let other = fixture.store.begin_run("companies", 300).unwrap();
        let all: Vec<RunId> = fixture
            .store
            .history(None, 9)
            .unwrap()
            .iter()
            .map(|run| run.id)
            .collect();
        assert_eq!(all, vec![other, second, first]);
        let one = fixture.store.history(Some("customers"), 1).unwrap();
        assert_eq!(one, vec![failed]);
        let fresh = fixture.store.last_run("customers", RunStatus::Ok).unwrap();
        assert_eq!(fresh, Some(finished(first, RunStatus::Ok)));
        assert_eq!(
            fixture.store.last_run("customers", RunStatus::Deferred).unwrap(),
            None
        );
        assert_eq!(
            fixture.store.run(first).unwrap(),
            Some(finished(first, RunStatus::Ok))
        );
        assert_eq!(fixture.store.run(99).unwrap(), None);
        let completed = fixture.store.last_completed("customers").unwrap();
        assert_eq!(completed, Some(finished(first, RunStatus::Ok)));
        let third = fixture.store.begin_run("customers", 100).unwrap();
        fixture
            .store
            .finish_run(&finished(third, RunStatus::Rejects))
            .unwrap();
        let completed = fixture.store.last_completed("customers").unwrap();
        assert_eq!(completed.map(|run| run.id), Some(third));
    }

    #[test]
    fn a_run_that_left_no_ending_is_told_as_cut_off_by_the_next() {
        let fixture = fixture();
        fixture.store.begin_run("customers", 100).unwrap();
        let other = fixture.store.begin_run("companies", 100).unwrap();
        fixture.store.begin_run("customers", 200).unwrap();
        let runs = fixture.store.history(Some("customers"), 9).unwrap();
        assert_eq!(runs[0].status, RunStatus::Running);
        assert_eq!((runs[1].status, runs[1].finished_ms), (RunStatus::Failed, None));
        assert_eq!(runs[1].error.as_ref().unwrap().0, "cut_off");
        let others = fixture.store.history(Some("companies"), 9).unwrap();
        assert_eq!((others[0].id, others[0].status), (other, RunStatus::Running));
    }

    #[test]
    fn a_run_of_some_keys_is_history_and_says_nothing_of_freshness() {
        let fixture = fixture();
        let store = &fixture.store;
        let whole = store.begin_run("customers", 100).unwrap();
        store.finish_run(&finished(whole, RunStatus::Ok)).unwrap();
        let keyed = store.begin_run_of("customers", 100, Some(2)).unwrap();
        let mut ended = finished(keyed, RunStatus::Ok);
        ended.keys = Some(2);
        store.finish_run(&ended).unwrap();
        assert_eq!(store.history(Some("customers"), 1).unwrap(), [ended]);
        let id = |run: Option<RunRecord>| run.map(|run| run.id);
        assert_eq!(id(store.last_whole_run("customers").unwrap()), Some(whole));
        assert_eq!(id(store.last_completed("customers").unwrap()), Some(whole));
        assert_eq!(
            id(store.last_run("customers", RunStatus::Ok).unwrap()),
            Some(whole)
        );
    }

    #[test]
    fn many_runs_of_some_keys_do_not_push_out_the_run_that_freshness_goes_by() {
        let fixture = fixture();
        let store = &fixture.store;
        let whole = store.begin_run("customers", 100).unwrap();
        store.finish_run(&finished(whole, RunStatus::Ok)).unwrap();
        store
            .transact(|connection| {
                for id in 1..=KEPT + 10 {
                    let mut keyed = finished(whole + id, RunStatus::Ok);
                    keyed.keys = Some(1);
                    write_run(connection, &keyed)?;
                }
                Ok(())
            })
            .unwrap();
        store.begin_run_of("customers", 200, Some(1)).unwrap();
        let runs = store.history(Some("customers"), usize::MAX).unwrap();
        assert_eq!(runs.iter().filter(|run| run.keys.is_some()).count() as i64, KEPT);
        let last = store.last_whole_run("customers").unwrap();
        assert_eq!(last.map(|run| run.id), Some(whole));
    }

    #[test]
    fn a_writer_that_starts_closes_all_runs_that_were_cut_off() {
        let fixture = fixture();
        fixture.store.begin_run("customers", 100).unwrap();
        fixture.store.begin_run("companies", 100).unwrap();
        let done = fixture.store.begin_run("companies", 200).unwrap();
        fixture
            .store
            .finish_run(&RunRecord {
                sync: "companies".to_owned(),
                ..finished(done, RunStatus::Ok)
            })
            .unwrap();
        assert_eq!(fixture.store.close_cut_off_runs().unwrap(), ["customers"]);
        let runs = fixture.store.history(None, 9).unwrap();
        assert!(runs.iter().all(|run| run.status != RunStatus::Running));
        assert!(fixture.store.close_cut_off_runs().unwrap().is_empty());
    }

    #[test]
    fn the_oldest_runs_beyond_those_kept_are_forgotten() {
        let fixture = fixture();
        fixture
            .store
            .transact(|connection| {
                for id in 1..=KEPT + 10 {
                    write_run(connection, &finished(id, RunStatus::Ok))?;
                }
                Ok(())
            })
            .unwrap();
        fixture.store.begin_run("customers", 1).unwrap();
        let runs = fixture.store.history(Some("customers"), usize::MAX).unwrap();
        assert_eq!(runs.len() as i64, KEPT);
    }

    fn set(store: &Store, id: RunId, numbers: &str) {
        store
            .transact(|connection| {
                connection.execute("UPDATE run SET tally = ?2 WHERE id = ?1", (id, numbers))
            })
            .unwrap();
    }

    #[test]
    fn numbers_of_an_earlier_version_are_read_with_zeros_for_what_it_did_not_count() {
        let fixture = fixture();
        let id = fixture.store.begin_run("customers", 1).unwrap();
        let text = r#"{"read":5,"unchanged":5,"detail":{"retries":2,"fields":{"email":1}}}"#;
        set(&fixture.store, id, text);
        let run = &fixture.store.history(None, 1).unwrap()[0];
        assert_eq!((run.tally.read, run.tally.held), (5, 0));
        assert_eq!((run.detail.retries, run.detail.fields.len()), (2, 1));
        assert!(run.detail.slowest.is_empty());
        let plain = r#"{"read":5,"unchanged":5}"#;
        let later = r#"{"read":5,"unchanged":5,"melted":1,"detail":{"retries":0,"weather":"fine"}}"#;
        for text in [plain, later] {
            set(&fixture.store, id, text);
            let run = fixture.store.run(id).unwrap().unwrap();
            assert_eq!((run.tally.read, run.detail), (5, RunDetail::default()), "{text}");
        }
        for text in ["", "[]", r#"{"read":-1}"#, r#"{"detail":5}"#] {
            set(&fixture.store, id, text);
            let error = fixture.store.run(id).unwrap_err();
            assert!(error.to_string().contains("the numbers of a run"), "{error}");
        }
    }
}
