//! What the history can tell beside the ledgers: when each field last changed anything, and what a
//! run's tries were refused for.

use rusqlite::Connection;

use super::{RunId, RunRecord, RunStatus, StateError, Store, SyncId};

/// The newest run that changed a destination field anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// The run.
    pub run: RunId,
    /// Whether the history has it still.
    pub kept: bool,
    /// When that run ended, milliseconds since 1970.
    pub at_ms: Option<i64>,
    /// In how many records it got another value.
    pub records: u64,
}

/// Tries of one run that ended alike without an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// How they ended: `rejected`, `suppressed`, `retry`, `in_doubt`, …
    pub outcome: String,
    /// Stable code.
    pub code: String,
    /// How many there were.
    pub tries: u64,
}

/// Writes down which fields a run changed, beside the run itself.
pub(super) fn note_fields(connection: &Connection, run: &RunRecord) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO field_change (sync, field, run, at_ms, records) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (sync, field) DO UPDATE SET run = ?3, at_ms = ?4, records = ?5 WHERE ?3 >= run",
    )?;
    for (field, records) in &run.detail.fields {
        statement.execute((&run.sync, field, run.id, run.finished_ms, records.cast_signed()))?;
    }
    Ok(())
}

impl Store {
    /// For each destination field of a sync, the newest run that changed it anywhere.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn field_changes(&self, sync: &str) -> Result<Vec<FieldChange>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT field, field_change.run, run.id IS NOT NULL, at_ms, records
                     FROM field_change LEFT JOIN run ON run.id = field_change.run
                     WHERE field_change.sync = ?1 ORDER BY field",
                )?
                .query_map([sync], |row| {
                    Ok(FieldChange {
                        field: row.get(0)?,
                        run: row.get(1)?,
                        kept: row.get(2)?,
                        at_ms: row.get(3)?,
                        records: row.get::<_, i64>(4)?.cast_unsigned(),
                    })
                })?
                .collect()
        })
    }

    /// Records that runs of some keys removed since the last run of the whole model that went through; all of
    /// them, if none has. Removals that such a run left to a job, or in doubt, count as well; what a run
    /// removed that was cut off is not known.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn removed_by_keys(&self, sync: &str) -> Result<u64, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT coalesce(sum(removed + max(0, min(removals - removed, held))), 0) FROM (
                        SELECT coalesce(json_extract(tally, '$.removed'), 0) AS removed,
                            coalesce(json_extract(tally, '$.held'), 0) AS held,
                            coalesce(json_extract(tally, '$.detail.removals'), 0) AS removals FROM run
                     WHERE sync = ?1 AND keys IS NOT NULL AND id > coalesce((
                        SELECT id FROM run WHERE sync = ?1 AND keys IS NULL AND status IN (?2, ?3)
                        ORDER BY id DESC LIMIT 1), 0))",
                )?
                .query_row((sync, RunStatus::Ok.word(), RunStatus::Rejects.word()), |row| {
                    row.get::<_, i64>(0)
                })
                .map(i64::cast_unsigned)
        })
    }

    /// What tries of a run ended with that were not acknowledged, the most frequent first. Tries of rows
    /// that were acknowledged since, or tried too often since, are forgotten.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn refusals(&self, sync: SyncId, run: RunId) -> Result<Vec<Refusals>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT outcome, code, count(*) FROM attempt WHERE sync = ?1 AND run = ?2
                     GROUP BY outcome, code ORDER BY count(*) DESC, outcome, code",
                )?
                .query_map((sync, run), |row| {
                    Ok(Refusals {
                        outcome: row.get(0)?,
                        code: row.get(1)?,
                        tries: row.get::<_, i64>(2)?.cast_unsigned(),
                    })
                })?
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::fixtures::{attempt, fixture, key};
    use super::super::{Changes, RunDetail, RunRecord, RunStatus, Tally};
    use super::*;

    #[test]
    fn a_field_changed_last_in_the_newest_run_that_counts_it() {
        let fixture = fixture();
        let run = |sync: &str, finished_ms: i64, fields: &[(&str, u64)]| {
            let id = fixture.store.begin_run(sync, 1).unwrap();
            let fields = fields.iter().map(|(name, count)| ((*name).to_owned(), *count));
            let record = RunRecord {
                id,
                sync: sync.to_owned(),
                started_ms: 1,
                finished_ms: Some(finished_ms),
                status: RunStatus::Ok,
                tally: Tally::default(),
                error: None,
                keys: None,
                detail: RunDetail {
                    fields: fields.collect(),
                    ..RunDetail::default()
                },
            };
            fixture.store.finish_run(&record).unwrap();
            id
        };
        let first = run("customers", 10, &[("email", 5), ("\"it's\".<b>", 5)]);
        let second = run("customers", 20, &[("email", 2)]);
        run("customers", 30, &[]);
        run("companies", 40, &[("email", 9)]);
        let change = |field: &str, run, at_ms, records| FieldChange {
            field: field.to_owned(),
            run,
            kept: true,
            at_ms: Some(at_ms),
            records,
        };
        assert_eq!(
            fixture.store.field_changes("customers").unwrap(),
            [
                change("\"it's\".<b>", first, 10, 5),
                change("email", second, 20, 2)
            ]
        );
        assert!(fixture.store.field_changes("nobody").unwrap().is_empty());
        // As an import in any order would: what is known already stays.
        let mut again = fixture.store.run(first).unwrap().unwrap();
        again.detail.fields = [("email".to_owned(), 7)].into();
        fixture.store.finish_run(&again).unwrap();
        let changes = fixture.store.field_changes("customers").unwrap();
        assert_eq!(changes[1], change("email", second, 20, 2));
        // The history is bounded, and what it knew of the field is not lost with the run.
        fixture
            .store
            .transact(|connection| connection.execute("DELETE FROM run WHERE id = ?1", [first]))
            .unwrap();
        let gone = FieldChange {
            kept: false,
            ..change("\"it's\".<b>", first, 10, 5)
        };
        assert_eq!(fixture.store.field_changes("customers").unwrap()[0], gone);
    }

    #[test]
    fn removals_by_keys_count_since_the_last_whole_run_that_went_through() {
        let fixture = fixture();
        let store = &fixture.store;
        let removed = || store.removed_by_keys("customers").unwrap();
        let run_with = |keys: Option<u64>, status: RunStatus, tally: Tally, removals: u64| {
            let id = store.begin_run_of("customers", 1, keys).unwrap();
            let mut record = RunRecord {
                status,
                finished_ms: Some(2),
                tally,
                ..store.run(id).unwrap().unwrap()
            };
            record.detail.removals = removals;
            store.finish_run(&record).unwrap();
        };
        let run = |keys, status, removed| {
            let tally = Tally {
                removed,
                ..Tally::default()
            };
            run_with(keys, status, tally, removed);
        };
        assert_eq!(removed(), 0);
        run(Some(3), RunStatus::Ok, 2);
        run(Some(1), RunStatus::Failed, 1);
        run(None, RunStatus::Guarded, 0);
        assert_eq!(removed(), 3);
        run(None, RunStatus::Rejects, 50);
        assert_eq!(removed(), 0);
        run(Some(1), RunStatus::Rejects, 1);
        store.begin_run_of("customers", 1, Some(1)).unwrap();
        assert_eq!((removed(), store.removed_by_keys("companies").unwrap()), (1, 0));
        // Of five rows that were held, as in a job that goes on, two were to be removed; one more was refused.
        let held = Tally {
            held: 5,
            removed: 1,
            rejected: 1,
            ..Tally::default()
        };
        run_with(Some(9), RunStatus::Rejects, held, 3);
        assert_eq!(removed(), 1 + 3);
    }

    #[test]
    fn tries_of_a_run_are_counted_by_how_they_ended() {
        let fixture = fixture();
        let mut held = attempt(key(3), 7);
        held.outcome = "in_doubt".to_owned();
        let mut other = attempt(key(4), 7);
        other.run = 4;
        fixture.commit(&Changes {
            attempts: vec![attempt(key(1), 5), attempt(key(2), 6), held, other],
            ..Changes::default()
        });
        let found = fixture.store.refusals(fixture.sync.id, 3).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.outcome.as_str(), one.tries))
            .collect();
        assert_eq!(found, [("rejected", 2), ("in_doubt", 1)]);
    }
}
