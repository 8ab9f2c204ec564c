//! Commit: what the destination acknowledged, and what it refused, in one transaction.
//!
//! Several settled batches share a transaction, because the disk's flush costs the same for one as
//! for many; each of them is told only after it.

use outflow_sdk::print::{KeyHash, Print};
use rusqlite::{Connection, OptionalExtension};

use super::{Attempt, Changes, Reject, StateError, Store, StoredRow, SyncId};

/// Tries kept of each row.
pub const ATTEMPTS_KEPT: usize = 20;

impl Store {
    /// Writes settled batches, all of them or none, and gives the sync's generation after it.
    ///
    /// # Errors
    /// When the file cannot be written; nothing of `changes` is in it then.
    pub fn commit(&self, sync: SyncId, changes: &[&Changes]) -> Result<u64, StateError> {
        self.transact(|connection| {
            let mut writer = BatchWriter {
                connection,
                sync,
                has_rejects: has_rejects(connection, sync)?,
                added: 0,
                prints: Vec::new(),
            };
            for batch in changes {
                writer.write(batch)?;
            }
            let moved = changes
                .iter()
                .any(|batch| !batch.rows.is_empty() || !batch.removed.is_empty());
            let generation: i64 = connection.query_row(
                "UPDATE sync SET generation = generation + ?2, rows = rows + ?3 WHERE id = ?1 RETURNING generation",
                (sync, i64::from(moved), writer.added),
                |row| row.get(0),
            )?;
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
    added: i64,
    prints: Vec<u8>,
}

impl BatchWriter<'_> {
    fn write(&mut self, batch: &Changes) -> rusqlite::Result<()> {
        for row in &batch.rows {
            self.row(row)?;
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
        for reject in &batch.rejects {
            insert_reject(self.connection, self.sync, reject)?;
            self.has_rejects = true;
        }
        for attempt in &batch.attempts {
            insert_attempt(self.connection, self.sync, attempt)?;
        }
        Ok(())
    }

    fn row(&mut self, row: &StoredRow) -> rusqlite::Result<()> {
        blob(&row.prints, &mut self.prints);
        if insert_row(self.connection, self.sync, row, &self.prints)? {
            self.added += 1;
            return Ok(());
        }
        self.connection
            .prepare_cached(
                "UPDATE row SET print = ?3, layout = ?4, prints = ?5, remote = ?6, key_text = ?7,
                    match_text = ?8, applied_ms = ?9, run = ?10
                 WHERE sync = ?1 AND key = ?2",
            )?
            .execute((
                self.sync,
                row.key.to_be_bytes(),
                row.print.cast_signed(),
                row.layout,
                &self.prints,
                &row.remote,
                &row.key_text,
                &row.match_text,
                row.applied_ms,
                row.run,
            ))?;
        Ok(())
    }

    fn close(&self, key: KeyHash) -> rusqlite::Result<()> {
        if self.has_rejects {
            self.delete("DELETE FROM reject WHERE sync = ?1 AND key = ?2", key)?;
        }
        Ok(())
    }

    fn delete(&self, sql: &str, key: KeyHash) -> rusqlite::Result<usize> {
        self.connection
            .prepare_cached(sql)?
            .execute((self.sync, key.to_be_bytes()))
    }
}

/// The prints of a row as its column holds them.
pub(super) fn blob(prints: &[Print], out: &mut Vec<u8>) {
    out.clear();
    for print in prints {
        out.extend_from_slice(&print.to_le_bytes());
    }
}

/// Inserts a row; false when its key is there already.
pub(super) fn insert_row(
    connection: &Connection,
    sync: SyncId,
    row: &StoredRow,
    prints: &[u8],
) -> rusqlite::Result<bool> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO row (sync, key, print, layout, prints, remote, key_text, match_text, applied_ms, run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )?
        .execute((
            sync,
            row.key.to_be_bytes(),
            row.print.cast_signed(),
            row.layout,
            prints,
            &row.remote,
            &row.key_text,
            &row.match_text,
            row.applied_ms,
            row.run,
        ))?;
    Ok(inserted == 1)
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
