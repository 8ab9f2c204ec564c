//! Jobs that a destination accepted and has not told the result of: what a later process needs to
//! ask for it, and to write down what the result acknowledges.
//!
//! A job's rows lie together, in the order they were sent in, because a result names them by their
//! place. They hold hashes, and of texts only what the row's own entry holds.

use std::time::Duration;

use outflow_sdk::destination::{Removed, Ticket};
use outflow_sdk::print::{KeyHash, Print};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use super::lines::{Hex, prints_of, prints_text};
use super::rows::damaged;
use super::{RunId, StateError, Store, SyncId};

/// Columns of a job, in the order [`job_of`] reads them.
pub(super) const JOB: &str =
    "run, number, ticket, replay_safe, layout, schema_print, accepted_ms, rows FROM job";

/// Names a job of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobId {
    /// The run that started it.
    pub run: RunId,
    /// Its number in that run.
    pub number: u64,
}

/// A job a destination accepted and has not told the result of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name here.
    pub id: JobId,
    /// Its name at the destination.
    pub ticket: Ticket,
    /// Whether what it does may be sent once more when nobody knows what became of it.
    pub replay_safe: bool,
    /// Number of the layout that names the fields of `rows`.
    pub layout: u32,
    /// Hash of mapping and destination fields, for rows it refuses.
    pub schema_print: u64,
    /// When it was accepted, milliseconds since 1970.
    pub accepted_ms: i64,
    /// Its rows, in their order.
    pub rows: Vec<JobRow>,
}

/// One row of a job, and what is written when it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Hash of the key.
    pub key: KeyHash,
    /// The row's print as the model had it; `0` for removals.
    pub print: Print,
    /// None for a write.
    pub removed: Option<Removed>,
    /// Whether the job does all that was to be done: a write leaves the row as the model has it.
    pub complete: bool,
    /// Numbers of the fields it acknowledges, by the job's layout.
    pub fields: Vec<u16>,
    /// The prints of those fields.
    pub prints: Vec<Print>,
    /// The record's address when it was sent.
    pub remote: Option<String>,
    /// The record's address once it is applied, where that was known before.
    pub address: Option<String>,
    /// The key as people write it; kept only where removals must name it.
    pub key_text: Option<String>,
}

impl Job {
    /// When it counts as lost, milliseconds since 1970.
    pub fn deadline_ms(&self) -> i64 {
        let deadline = i64::try_from(self.ticket.deadline.as_millis()).unwrap_or(i64::MAX);
        self.accepted_ms.saturating_add(deadline)
    }

    /// How long that is from now; nothing when it has passed.
    pub fn time_left(&self, now_ms: i64) -> Duration {
        let left = self.deadline_ms().saturating_sub(now_ms);
        // A wall clock that was set back must not make a job wait longer than it ever should.
        Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(self.ticket.deadline)
    }
}

/// How much is out in jobs whose result is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenJobs {
    /// Jobs.
    pub jobs: u64,
    /// Their rows.
    pub rows: u64,
    /// When the oldest was accepted, milliseconds since 1970.
    pub since_ms: Option<i64>,
}

impl OpenJobs {
    /// Counts jobs, the oldest first.
    pub fn of(jobs: &[Job]) -> Self {
        Self {
            jobs: jobs.len() as u64,
            rows: jobs.iter().map(|job| job.rows.len() as u64).sum(),
            since_ms: jobs.iter().map(|job| job.accepted_ms).min(),
        }
    }
}

/// A row of a job as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobRowLine {
    key: Hex,
    print: Hex,
    removed: Option<Removed>,
    complete: bool,
    fields: Vec<u16>,
    prints: String,
    remote: Option<String>,
    address: Option<String>,
    key_text: Option<String>,
}

impl JobRowLine {
    pub(super) fn new(row: &JobRow) -> Self {
        Self {
            key: Hex::key(row.key),
            print: Hex::print(row.print),
            removed: row.removed,
            complete: row.complete,
            fields: row.fields.clone(),
            prints: prints_text(&row.prints),
            remote: row.remote.clone(),
            address: row.address.clone(),
            key_text: row.key_text.clone(),
        }
    }

    /// The row, or what is wrong with it.
    pub(super) fn into_row(self) -> Result<JobRow, String> {
        let prints = prints_of(&self.prints)?;
        if prints.len() != self.fields.len() {
            return Err("a job's row has not one print for each of its fields".to_owned());
        }
        Ok(JobRow {
            key: self.key.to_key()?,
            print: self.print.to_print()?,
            removed: self.removed,
            complete: self.complete,
            fields: self.fields,
            prints,
            remote: self.remote,
            address: self.address,
            key_text: self.key_text,
        })
    }
}

impl Store {
    /// The jobs of a sync whose result is not known yet, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_jobs(&self, sync: SyncId) -> Result<Vec<Job>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {JOB} WHERE sync = ?1 ORDER BY run, number"))?
                .query_map([sync], job_of)?
                .collect()
        })
    }
}

/// Reads a job from the columns of [`JOB`].
pub(super) fn job_of(row: &Row<'_>) -> rusqlite::Result<Job> {
    let ticket: String = row.get(2)?;
    let rows: String = row.get(7)?;
    let lines: Vec<JobRowLine> =
        serde_json::from_str(&rows).map_err(|_| damaged("the rows of a job cannot be read"))?;
    let rows: Result<Vec<JobRow>, String> = lines.into_iter().map(JobRowLine::into_row).collect();
    Ok(Job {
        id: JobId {
            run: row.get(0)?,
            number: row.get::<_, i64>(1)?.cast_unsigned(),
        },
        ticket: serde_json::from_str(&ticket).map_err(|_| damaged("the ticket of a job cannot be read"))?,
        replay_safe: row.get(3)?,
        layout: row.get(4)?,
        schema_print: row.get::<_, i64>(5)?.cast_unsigned(),
        accepted_ms: row.get(6)?,
        rows: rows.map_err(|_| damaged("a row of a job cannot be read"))?,
    })
}

/// Writes a job down.
pub(super) fn insert_job(connection: &Connection, sync: SyncId, job: &Job) -> rusqlite::Result<()> {
    let text = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    let ticket = serde_json::to_string(&job.ticket).map_err(text)?;
    let lines: Vec<JobRowLine> = job.rows.iter().map(JobRowLine::new).collect();
    let rows = serde_json::to_string(&lines).map_err(text)?;
    connection
        .prepare_cached(
            "INSERT INTO job (sync, run, number, ticket, replay_safe, layout, schema_print, accepted_ms, rows)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            sync,
            job.id.run,
            job.id.number.cast_signed(),
            ticket,
            job.replay_safe,
            job.layout,
            job.schema_print.cast_signed(),
            job.accepted_ms,
            rows,
        ))
        .map(drop)
}

/// Forgets a job.
pub(super) fn delete_job(connection: &Connection, sync: SyncId, job: JobId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM job WHERE sync = ?1 AND run = ?2 AND number = ?3")?
        .execute((sync, job.run, job.number.cast_signed()))
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::fixtures::{fixture, job, key, row, rows};
    use super::super::{Access, Changes};
    use super::*;

    #[test]
    fn a_job_is_read_as_it_was_written_also_by_the_next_process() {
        let fixture = fixture();
        let (first, second) = (job(3, 1), job(3, 2));
        fixture.commit(&Changes {
            jobs: vec![second.clone(), first.clone()],
            ..Changes::default()
        });
        assert_eq!(fixture.store.open_jobs(77).unwrap(), vec![]);
        let (folder, sync) = (fixture.folder, fixture.sync.id);
        drop(fixture.store);
        let store = Store::open(folder.path(), Access::Read).unwrap();
        assert_eq!(store.open_jobs(sync).unwrap(), vec![first, second]);
    }

    #[test]
    fn a_job_is_forgotten_with_the_acknowledgement_of_its_rows_or_not_at_all() {
        let fixture = fixture();
        let before = fixture.commit(&Changes {
            jobs: vec![job(3, 1), job(3, 2)],
            ..Changes::default()
        });
        assert_eq!(before, fixture.state().generation, "an open job changes no row");
        let acknowledged = Changes {
            finished: vec![job(3, 1).id],
            ..rows([row(key(1), 5)])
        };
        let twice = Changes {
            jobs: vec![job(3, 2)],
            ..Changes::default()
        };
        let both = fixture.store.commit(fixture.sync.id, [&acknowledged, &twice]);
        assert!(both.is_err(), "a job is there already");
        assert_eq!(fixture.store.open_jobs(fixture.sync.id).unwrap().len(), 2);
        assert_eq!(fixture.state().rows, 0);
        fixture.commit(&acknowledged);
        assert_eq!(fixture.store.open_jobs(fixture.sync.id).unwrap(), vec![job(3, 2)]);
        assert_eq!(fixture.state().rows, 1);
    }

    #[test]
    fn a_reset_forgets_the_jobs_of_its_sync() {
        let fixture = fixture();
        fixture.commit(&Changes {
            jobs: vec![job(3, 1)],
            ..Changes::default()
        });
        fixture.store.reset("customers", false).unwrap();
        assert_eq!(fixture.store.open_jobs(fixture.sync.id).unwrap(), vec![]);
    }

    #[test]
    fn time_is_left_until_the_deadline_and_never_more_than_the_job_was_given() {
        let job = job(3, 1);
        assert_eq!(job.time_left(job.accepted_ms + 20_000), Duration::from_secs(40));
        assert_eq!(job.time_left(job.accepted_ms + 61_000), Duration::ZERO);
        assert_eq!(job.time_left(0), job.ticket.deadline);
    }

    #[test]
    fn rows_that_do_not_add_up_are_damage() {
        let fixture = fixture();
        fixture.commit(&Changes {
            jobs: vec![job(3, 1)],
            ..Changes::default()
        });
        for broken in ["no json", r#"[{"key":1}]"#] {
            fixture
                .store
                .transact(|connection| connection.execute("UPDATE job SET rows = ?1", [broken]))
                .unwrap();
            let error = fixture.store.open_jobs(fixture.sync.id).unwrap_err();
            assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
        }
    }
}
