//! Rows that are set aside, and the tries that led there.

use outflow_sdk::print::KeyHash;
use rusqlite::{OptionalExtension, Row};

use super::rows::{damaged, key_of};
use super::{Attempt, Reject, RejectClass, RunRecord, StateError, Store, SyncId, WHEN_ASKED};

/// Columns of a reject, in the order [`reject_of`] reads them.
pub(super) const REJECT: &str = "key, print, schema_print, class, code, field, message, key_text, match_text,
    attempts, first_seen_ms, last_seen_ms, next_retry_ms";

/// An open reject with the name of its sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReject {
    /// The sync.
    pub sync: String,
    /// The reject.
    pub reject: Reject,
}

impl Store {
    /// Open rejects, the oldest of each sync first; of one sync, of one class.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejects(
        &self,
        sync: Option<&str>,
        class: Option<RejectClass>,
        limit: usize,
    ) -> Result<Vec<SyncReject>, StateError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let sql = format!(
                "SELECT {REJECT}, sync.name FROM reject JOIN sync ON sync.id = reject.sync
                 WHERE (?1 IS NULL OR sync.name = ?1) AND (?2 IS NULL OR class = ?2)
                 ORDER BY sync.name, first_seen_ms, key LIMIT ?3"
            );
            connection
                .prepare_cached(&sql)?
                .query_map((sync, class.map(RejectClass::word), limit), |row| {
                    Ok(SyncReject {
                        sync: row.get(13)?,
                        reject: reject_of(row)?,
                    })
                })?
                .collect()
        })
    }

    /// Open rejects that a run set aside, in the order of their keys, of those after a key. Whatever the
    /// sync's next run sets aside is no longer among them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejects_of_run(
        &self,
        run: &RunRecord,
        after: Option<KeyHash>,
        limit: usize,
    ) -> Result<Vec<Reject>, StateError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let last_ms = run.finished_ms.unwrap_or(i64::MAX);
        let after = after.map(KeyHash::to_be_bytes);
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {REJECT} FROM reject WHERE sync = (SELECT id FROM sync WHERE name = ?1)
                     AND last_seen_ms BETWEEN ?2 AND ?3 AND (?4 IS NULL OR key > ?4) ORDER BY key LIMIT ?5"
                ))?
                .query_map((&run.sync, run.started_ms, last_ms, after, limit), reject_of)?
                .collect()
        })
    }

    /// The open reject of a key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reject(&self, sync: SyncId, key: KeyHash) -> Result<Option<Reject>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {REJECT} FROM reject WHERE sync = ?1 AND key = ?2"
                ))?
                .query_row((sync, key.to_be_bytes()), reject_of)
                .optional()
        })
    }

    /// Number of open rejects, suppressed rows included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reject_count(&self, sync: SyncId) -> Result<u64, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT count(*) FROM reject WHERE sync = ?1")?
                .query_row([sync], |row| row.get::<_, i64>(0))
                .map(i64::cast_unsigned)
        })
    }

    /// The keys of all open rejects of a sync, ascending.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reject_keys(&self, sync: SyncId) -> Result<Vec<KeyHash>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT key FROM reject WHERE sync = ?1 ORDER BY key")?
                .query_map([sync], |row| key_of(row, 0))?
                .collect()
        })
    }

    /// Has the next run try open rejects again, whatever they wait for: those of `keys`, or all.
    /// Gives how many there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn retry(&self, sync: SyncId, keys: Option<&[KeyHash]>, now_ms: i64) -> Result<u64, StateError> {
        self.transact(|transaction| {
            let Some(keys) = keys else {
                let woken = transaction.execute(
                    "UPDATE reject SET next_retry_ms = ?2 WHERE sync = ?1",
                    (sync, now_ms),
                )?;
                return Ok(woken as u64);
            };
            let mut one = transaction
                .prepare_cached("UPDATE reject SET next_retry_ms = ?2 WHERE sync = ?1 AND key = ?3")?;
            let mut woken = 0;
            for key in keys {
                woken += one.execute((sync, now_ms, key.to_be_bytes()))? as u64;
            }
            Ok(woken)
        })
    }

    /// Has the next run try again what failed. Rows refused for consent stay asleep, and so do events
    /// in doubt: only a person may ask for one of them, by its key. Gives how many there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn retry_failures(&self, sync: SyncId, now_ms: i64) -> Result<u64, StateError> {
        self.transact(|transaction| {
            let woken = transaction.execute(
                "UPDATE reject SET next_retry_ms = ?2
                 WHERE sync = ?1 AND class <> ?3 AND next_retry_ms IS NOT ?4",
                (sync, now_ms, RejectClass::Suppressed.word(), WHEN_ASKED),
            )?;
            Ok(woken as u64)
        })
    }

    /// The newest tries of a key that ended without an acknowledgement, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn attempts(&self, sync: SyncId, key: KeyHash) -> Result<Vec<Attempt>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT key, at_ms, run, outcome, code, correlation FROM attempt
                     WHERE sync = ?1 AND key = ?2 ORDER BY id",
                )?
                .query_map((sync, key.to_be_bytes()), attempt_of)?
                .collect()
        })
    }
}

/// Reads a reject from the columns of [`REJECT`].
pub(super) fn reject_of(row: &Row<'_>) -> rusqlite::Result<Reject> {
    let class: String = row.get(3)?;
    Ok(Reject {
        key: key_of(row, 0)?,
        print: row.get::<_, i64>(1)?.cast_unsigned(),
        schema_print: row.get::<_, i64>(2)?.cast_unsigned(),
        class: RejectClass::from_word(&class).ok_or_else(|| damaged("a reject has an unknown class"))?,
        code: row.get(4)?,
        field: row.get(5)?,
        message: row.get(6)?,
        key_text: row.get(7)?,
        match_text: row.get(8)?,
        attempts: row.get(9)?,
        first_seen_ms: row.get(10)?,
        last_seen_ms: row.get(11)?,
        next_retry_ms: row.get(12)?,
    })
}

/// Reads a try from key, time, run, outcome, code, correlation.
pub(super) fn attempt_of(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        key: key_of(row, 0)?,
        at_ms: row.get(1)?,
        run: row.get(2)?,
        outcome: row.get(3)?,
        code: row.get(4)?,
        correlation: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Changes;
    use super::super::fixtures::{Fixture, fixture, identity, key, reject};
    use super::*;

    fn with_rejects() -> Fixture {
        let fixture = fixture();
        let mut suppressed = reject(key(2), "b@example.com");
        suppressed.class = RejectClass::Suppressed;
        suppressed.first_seen_ms = 5;
        fixture.commit(&Changes {
            rejects: vec![reject(key(1), "a@example.com"), suppressed],
            ..Changes::default()
        });
        let other = fixture.store.ensure_sync("companies", &identity()).unwrap();
        let rejects = Changes {
            rejects: vec![reject(key(1), "c@example.com")],
            ..Changes::default()
        };
        fixture.store.commit(other.id, [&rejects]).unwrap();
        fixture
    }

    #[test]
    fn rejects_are_listed_by_sync_and_class() {
        let fixture = with_rejects();
        let found = |sync, class, limit| {
            let rejects = fixture.store.rejects(sync, class, limit).unwrap();
            rejects
                .into_iter()
                .map(|one| (one.sync, one.reject.match_text.unwrap()))
                .collect::<Vec<_>>()
        };
        let of = |sync: &str, email: &str| (sync.to_owned(), email.to_owned());
        let (a, b, c) = (
            of("customers", "a@example.com"),
            of("customers", "b@example.com"),
            of("companies", "c@example.com"),
        );
        assert_eq!(found(None, None, 9), vec![c, b.clone(), a.clone()]);
        assert_eq!(found(Some("customers"), None, 1), vec![b.clone()]);
        assert_eq!(
            found(Some("customers"), Some(RejectClass::Suppressed), 9),
            vec![b]
        );
        assert_eq!(found(Some("customers"), Some(RejectClass::Permanent), 9), vec![a]);
        assert_eq!(found(None, Some(RejectClass::InDoubt), 9), vec![]);
    }

    #[test]
    fn a_suppressed_row_is_open_but_no_failure() {
        let fixture = with_rejects();
        assert_eq!(fixture.state().rejects, 1);
        assert_eq!(fixture.store.reject_count(fixture.sync.id).unwrap(), 2);
    }

    #[test]
    fn a_reject_is_read_as_it_was_written() {
        let fixture = with_rejects();
        let found = fixture.store.reject(fixture.sync.id, key(1)).unwrap();
        assert_eq!(found, Some(reject(key(1), "a@example.com")));
        assert_eq!(fixture.store.reject(fixture.sync.id, key(8)).unwrap(), None);
    }

    #[test]
    fn retry_wakes_the_named_rejects_or_all() {
        let fixture = with_rejects();
        let due = |number| {
            let reject = fixture.store.reject(fixture.sync.id, key(number)).unwrap();
            reject.unwrap().next_retry_ms
        };
        let named = [key(1), key(8)];
        assert_eq!(fixture.store.retry(fixture.sync.id, Some(&named), 50).unwrap(), 1);
        assert_eq!((due(1), due(2)), (Some(50), None));
        assert_eq!(fixture.store.retry(fixture.sync.id, None, 60).unwrap(), 2);
        assert_eq!((due(1), due(2)), (Some(60), Some(60)));
    }
}
