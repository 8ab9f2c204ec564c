//! Commit: what the destination acknowledged, and what it refused, in one transaction.
//!
//! Several settled batches share a transaction, because the disk's flush costs the same for one as
//! for many; each of them is told only after it.

use std::borrow::Borrow;

use outflow_sdk::print::KeyHash;
use rusqlite::{Connection, OptionalExtension};

use super::erase::note_erasure;
use super::jobs::{delete_job, insert_job};
use super::row_writes::{COLUMNS, INSERT_ROW, INSERT_ROWS, TOGETHER, UPDATE_ROW, bind_row, write_row};
use super::{Attempt, Changes, Reject, StateError, Store, StoredRow, SyncId};

/// Tries kept of each row.
pub const ATTEMPTS_KEPT: usize = 20;

impl Store {
    /// Writes settled batches, all of them or none, and gives the sync's generation after it.
    ///
    /// # Errors
    /// When the file cannot be written; nothing of `changes` is in it then.
    pub fn commit<C: Borrow<Changes>>(
        &self,
        sync: SyncId,
        changes: impl IntoIterator<Item = C>,
    ) -> Result<u64, StateError> {
        self.transact(|connection| {
            let mut writer = BatchWriter::new(connection, sync)?;
            for batch in changes {
                writer.write(batch.borrow())?;
            }
            if writer.erased {
                note_erasure(connection)?;
            }
            let generation: i64 = connection
                .prepare_cached(
                    "UPDATE sync SET generation = generation + ?2, rows = rows + ?3 WHERE id = ?1 RETURNING generation",
                )?
                .query_row((sync, i64::from(writer.moved), writer.added), |row| row.get(0))?;
            Ok(generation.cast_unsigned())
        })
    }
}

fn has_rejects(connection: &Connection, sync: SyncId) -> rusqlite::Result<bool> {
    let any = connection
        .prepare_cached("SELECT 1 FROM reject WHERE sync = ?1 LIMIT 1")?
        .query_row([sync], |_| Ok(()))
        .optional()?;
    Ok(any.is_some())
}

struct BatchWriter<'a> {
    connection: &'a Connection,
    sync: SyncId,
    /// Spares a look for the reject of every row of a first sync.
    has_rejects: bool,
    /// Whether a reject's text is gone.
    erased: bool,
    /// Whether rows changed.
    moved: bool,
    added: i64,
}

impl<'a> BatchWriter<'a> {
    fn new(connection: &'a Connection, sync: SyncId) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            sync,
            has_rejects: has_rejects(connection, sync)?,
            erased: false,
            moved: false,
            added: 0,
        })
    }

    fn write(&mut self, batch: &Changes) -> rusqlite::Result<()> {
        let (groups, rest) = batch.rows.as_chunks::<TOGETHER>();
        for rows in groups {
            self.rows(rows)?;
        }
        for row in rest {
            self.row(row)?;
        }
        for row in &batch.rows {
            self.close(row.key)?;
        }
        for key in &batch.removed {
            self.added -= i64::try_from(self.delete("DELETE FROM row WHERE sync = ?1 AND key = ?2", *key)?)
                .unwrap_or(0);
            self.delete("DELETE FROM attempt WHERE sync = ?1 AND key = ?2", *key)?;
            self.close(*key)?;
        }
        for key in &batch.closed {
            self.close(*key)?;
        }
        self.moved |= !batch.rows.is_empty() || !batch.removed.is_empty();
        // A reject that is written again takes the place of one with perhaps another text.
        self.erased |= self.has_rejects && !batch.rejects.is_empty();
        for reject in &batch.rejects {
            insert_reject(self.connection, self.sync, reject)?;
            self.has_rejects = true;
        }
        for attempt in &batch.attempts {
            insert_attempt(self.connection, self.sync, attempt)?;
        }
        for job in &batch.jobs {
            insert_job(self.connection, self.sync, job)?;
        }
        for job in &batch.finished {
            delete_job(self.connection, self.sync, *job)?;
        }
        Ok(())
    }

    fn rows(&mut self, rows: &[StoredRow; TOGETHER]) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(&INSERT_ROWS)?;
        let places = (0..).step_by(COLUMNS);
        for (place, row) in places.zip(rows) {
            bind_row(&mut insert, place, self.sync, row)?;
        }
        let added = insert.raw_execute()?;
        self.added += i64::try_from(added).unwrap_or(0);
        if added < rows.len() {
            // It does not say which of them were there.
            rows.iter().try_for_each(|row| self.update(row))?;
        }
        Ok(())
    }

    fn row(&mut self, row: &StoredRow) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(INSERT_ROW)?;
        if write_row(&mut insert, self.sync, row)? {
            self.added += 1;
            return Ok(());
        }
        self.update(row)
    }

    fn update(&self, row: &StoredRow) -> rusqlite::Result<()> {
        let mut update = self.connection.prepare_cached(UPDATE_ROW)?;
        write_row(&mut update, self.sync, row).map(drop)
    }

    fn close(&mut self, key: KeyHash) -> rusqlite::Result<()> {
        if self.has_rejects {
            self.erased |= self.delete("DELETE FROM reject WHERE sync = ?1 AND key = ?2", key)? > 0;
        }
        Ok(())
    }

    fn delete(&self, sql: &str, key: KeyHash) -> rusqlite::Result<usize> {
        self.connection
            .prepare_cached(sql)?
            .execute((self.sync, key.to_be_bytes()))
    }
}

/// Sets a row aside, or again.
pub(super) fn insert_reject(connection: &Connection, sync: SyncId, reject: &Reject) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO reject (sync, key, print, schema_print, class, code, field, message,
                key_text, match_text, attempts, first_seen_ms, last_seen_ms, next_retry_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute((
            sync,
            reject.key.to_be_bytes(),
            reject.print.cast_signed(),
            reject.schema_print.cast_signed(),
            reject.class.word(),
            &reject.code,
            &reject.field,
            &reject.message,
            &reject.key_text,
            &reject.match_text,
            reject.attempts,
            reject.first_seen_ms,
            reject.last_seen_ms,
            reject.next_retry_ms,
        ))
        .map(drop)
}

/// Adds a try and forgets the oldest beyond [`ATTEMPTS_KEPT`].
pub(super) fn insert_attempt(
    connection: &Connection,
    sync: SyncId,
    attempt: &Attempt,
) -> rusqlite::Result<()> {
    let key = attempt.key.to_be_bytes();
    connection
        .prepare_cached(
            "INSERT INTO attempt (sync, key, at_ms, run, outcome, code, correlation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            sync,
            key,
            attempt.at_ms,
            attempt.run,
            &attempt.outcome,
            &attempt.code,
            &attempt.correlation,
        ))?;
    connection
        .prepare_cached(
            "DELETE FROM attempt WHERE sync = ?1 AND key = ?2 AND id <= (
                SELECT id FROM attempt WHERE sync = ?1 AND key = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        )?
        .execute((sync, key, ATTEMPTS_KEPT as i64))
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::fixtures::{attempt, fixture, key, reject, row, rows};
    use super::super::rows::ALL;
    use super::super::rows::stored_row;
    use super::*;

    fn stored(store: &Store, sync: SyncId) -> Vec<StoredRow> {
        store
            .read(|connection| connection.prepare(ALL)?.query_map([sync], stored_row)?.collect())
            .unwrap()
    }

    #[test]
    fn rows_come_back_as_they_were_acknowledged_in_the_order_of_their_keys() {
        let fixture = fixture();
        let mut full = row(key(1), u64::MAX);
        full.key_text = Some("1".to_owned());
        full.match_text = Some("a@example.com".to_owned());
        let mut empty = row(key(2), 0);
        empty.prints = Vec::new();
        empty.remote = None;
        fixture.commit(&rows([full.clone(), empty.clone()]));
        let mut expected = vec![full, empty];
        expected.sort_by_key(|row| row.key);
        assert_eq!(stored(&fixture.store, fixture.sync.id), expected);
    }

    #[test]
    fn several_batches_are_written_in_their_order_and_counted() {
        let fixture = fixture();
        let changes = [
            rows([row(key(1), 5), row(key(2), 5)]),
            rows([row(key(1), 6)]),
            Changes {
                removed: vec![key(2), key(99)],
                ..Changes::default()
            },
        ];
        let all: Vec<&Changes> = changes.iter().collect();
        let generation = fixture.store.commit(fixture.sync.id, all).unwrap();
        let state = fixture.state();
        assert_eq!((state.rows, state.generation), (1, generation));
        assert_eq!(stored(&fixture.store, fixture.sync.id), vec![row(key(1), 6)]);
    }

    #[test]
    fn rows_that_are_written_together_may_be_there_and_may_come_twice() {
        let fixture = fixture();
        fixture.commit(&rows([row(key(3), 1), row(key(70), 1)]));
        let mut many: Vec<StoredRow> = (0..70).map(|number| row(key(number), 2)).collect();
        // One in the same statement as the row before it, one in another.
        many.insert(10, row(key(4), 3));
        many.push(row(key(5), 3));
        fixture.commit(&rows(many));
        let expected = (0..71).map(|number| {
            let print = match number {
                4 | 5 => 3,
                70 => 1,
                _ => 2,
            };
            row(key(number), print)
        });
        let mut expected: Vec<StoredRow> = expected.collect();
        expected.sort_by_key(|row| row.key);
        assert_eq!(stored(&fixture.store, fixture.sync.id), expected);
        assert_eq!(fixture.state().rows, 71);
    }

    #[test]
    fn the_generation_grows_with_rows_and_not_with_rejects() {
        let fixture = fixture();
        let first = fixture.commit(&rows([row(key(1), 5)]));
        let rejects = Changes {
            rejects: vec![reject(key(2), "a@example.com")],
            ..Changes::default()
        };
        assert_eq!(fixture.commit(&rejects), first);
        assert_eq!(fixture.commit(&rows([row(key(1), 6)])), first + 1);
    }

    #[test]
    fn a_commit_that_fails_half_way_leaves_nothing_of_any_batch() {
        let fixture = fixture();
        fixture.commit(&rows([row(key(1), 5)]));
        let before = fixture.state();
        let bad = format!(
            "CREATE TRIGGER bad BEFORE INSERT ON row WHEN new.key = x'{:032x}'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            key(3)
        );
        fixture
            .store
            .transact(|connection| connection.execute_batch(&bad))
            .unwrap();
        let (good, bad) = (rows([row(key(1), 6), row(key(2), 6)]), rows([row(key(3), 6)]));
        assert!(fixture.store.commit(fixture.sync.id, [&good, &bad]).is_err());
        assert_eq!(stored(&fixture.store, fixture.sync.id), vec![row(key(1), 5)]);
        assert_eq!(fixture.state().generation, before.generation);
        assert_eq!(fixture.state().rows, 1);
    }

    #[test]
    fn an_acknowledgement_closes_the_reject_and_a_later_refusal_opens_it_again() {
        let fixture = fixture();
        let refused = Changes {
            rejects: vec![reject(key(1), "a@example.com"), reject(key(2), "b@example.com")],
            ..Changes::default()
        };
        fixture.commit(&refused);
        assert_eq!(fixture.store.reject_count(fixture.sync.id).unwrap(), 2);
        fixture.commit(&rows([row(key(1), 5)]));
        assert_eq!(fixture.store.reject_keys(fixture.sync.id).unwrap(), vec![key(2)]);
        let partly = Changes {
            rows: vec![row(key(1), 0)],
            rejects: vec![reject(key(1), "a@example.com")],
            closed: vec![key(2)],
            ..Changes::default()
        };
        fixture.commit(&partly);
        assert_eq!(fixture.store.reject_keys(fixture.sync.id).unwrap(), vec![key(1)]);
    }

    #[test]
    fn only_the_newest_tries_of_a_row_are_kept() {
        let fixture = fixture();
        for at in 0..25 {
            fixture.commit(&Changes {
                attempts: vec![attempt(key(1), at), attempt(key(2), at / 24)],
                ..Changes::default()
            });
        }
        let kept = fixture.store.attempts(fixture.sync.id, key(1)).unwrap();
        assert_eq!(kept.len(), ATTEMPTS_KEPT);
        assert_eq!((kept[0].at_ms, kept[19].at_ms), (5, 24));
        fixture.commit(&Changes {
            removed: vec![key(1)],
            ..Changes::default()
        });
        assert!(
            fixture
                .store
                .attempts(fixture.sync.id, key(1))
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            fixture.store.attempts(fixture.sync.id, key(2)).unwrap().len(),
            ATTEMPTS_KEPT
        );
    }

    #[test]
    fn an_unknown_sync_is_an_error_and_writes_nothing() {
        let fixture = fixture();
        assert!(fixture.store.commit(77, [&rows([row(key(1), 5)])]).is_err());
        assert!(stored(&fixture.store, 77).is_empty());
    }
}
