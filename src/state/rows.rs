//! Stored rows, read in the order of their keys: looked up one after the other, scanned, or listed
//! where the filter has not seen them.

use std::collections::VecDeque;

use outflow_sdk::print::{KeyHash, Print};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};

use super::filter::{Cells, Filter, Seen};
use super::{StateError, Store, StoredRow, SyncId};

const FORWARD: &str = "SELECT key, print, layout, prints, remote, key_text, match_text, applied_ms, run
    FROM row WHERE sync = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";

const BETWEEN: &str = "SELECT key, print, layout, prints, remote, key_text, match_text, applied_ms, run
    FROM row WHERE sync = ?1 AND key BETWEEN ?2 AND ?3 ORDER BY key";

/// Least and most rows read ahead of a look-up.
const AHEAD: (usize, usize) = (2, 256);

/// Most buckets of the filter that one query of [`Unseen`] spans.
const SPAN: usize = 512;

/// A value that no version of ours writes.
pub(super) fn damaged(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, what.into())
}

/// Reads a key from its column.
pub(super) fn key_of(row: &Row<'_>, column: usize) -> rusqlite::Result<KeyHash> {
    let blob = row.get_ref(column)?.as_blob()?;
    let bytes = <[u8; 16]>::try_from(blob).map_err(|_| damaged("a key is not 16 bytes long"))?;
    Ok(KeyHash::from_be_bytes(bytes))
}

/// Reads a row from the columns key, print, layout, prints, remote, key_text, match_text, applied_ms, run.
pub(super) fn stored_row(row: &Row<'_>) -> rusqlite::Result<StoredRow> {
    let blob = row.get_ref(3)?.as_blob()?;
    let (prints, rest) = blob.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(damaged("the prints of a row are cut off"));
    }
    Ok(StoredRow {
        key: key_of(row, 0)?,
        print: row.get::<_, i64>(1)?.cast_unsigned(),
        layout: row.get(2)?,
        prints: prints.iter().map(|print| Print::from_le_bytes(*print)).collect(),
        remote: row.get(4)?,
        key_text: row.get(5)?,
        match_text: row.get(6)?,
        applied_ms: row.get(7)?,
        run: row.get(8)?,
    })
}

/// Looks rows up by keys that ascend; keys close together are read in one go.
pub struct Lookup {
    store: std::path::PathBuf,
    connection: Connection,
    sync: SyncId,
    /// Rows read ahead: every stored row from `from` to the last of them.
    block: VecDeque<StoredRow>,
    from: KeyHash,
    /// Whether the block reaches the sync's last row.
    whole: bool,
    ahead: usize,
}

impl Store {
    /// Starts looking up rows of a sync. Rows are read somewhat ahead, so commits of the same sync
    /// may be missed meanwhile.
    ///
    /// # Errors
    /// When the file cannot be opened once more.
    pub fn lookup(&self, sync: SyncId) -> Result<Lookup, StateError> {
        Ok(Lookup {
            store: self.path().to_owned(),
            connection: self.connect()?,
            sync,
            block: VecDeque::new(),
            from: KeyHash::MAX,
            whole: false,
            ahead: AHEAD.0,
        })
    }

    /// The stored rows whose print the filter holds and has not seen, in key order.
    ///
    /// A row the filter does not hold is never among them: what was not compared is not removed.
    ///
    /// # Errors
    /// When the file cannot be opened once more.
    pub fn unseen(&self, sync: SyncId, filter: &Filter) -> Result<Unseen, StateError> {
        let (cells, seen) = filter.snapshot();
        Ok(Unseen {
            store: self.path().to_owned(),
            connection: self.connect()?,
            sync,
            cells,
            seen,
            bucket: 0,
            found: VecDeque::new(),
        })
    }
}

impl Lookup {
    /// The stored row of a key. Keys should ascend; others are found too, only slower.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get(&mut self, key: KeyHash) -> Result<Option<StoredRow>, StateError> {
        let covers =
            key >= self.from && (self.whole || self.block.back().is_some_and(|last| last.key >= key));
        if !covers {
            self.read_ahead(key)
                .map_err(|error| StateError::sql(&self.store, &error))?;
        } else if self.ahead < AHEAD.1 {
            self.ahead *= 2;
        }
        while self.block.front().is_some_and(|row| row.key < key) {
            self.block.pop_front();
        }
        self.from = self.from.max(key);
        if self.block.front().is_some_and(|row| row.key == key) {
            // It is given away: asking for it again reads it again.
            self.from = key.saturating_add(1);
            return Ok(self.block.pop_front());
        }
        Ok(None)
    }

    /// Reads from `key` on: as many rows as paid off before.
    fn read_ahead(&mut self, key: KeyHash) -> rusqlite::Result<()> {
        if self.block.len() * 2 > self.ahead {
            self.ahead = (self.ahead / 2).max(AHEAD.0);
        }
        self.block.clear();
        let mut statement = self.connection.prepare_cached(FORWARD)?;
        let rows = statement.query_map((self.sync, key.to_be_bytes(), self.ahead as i64), stored_row)?;
        for row in rows {
            self.block.push_back(row?);
        }
        self.from = key;
        self.whole = self.block.len() < self.ahead;
        Ok(())
    }
}

/// Stored rows the filter has not seen, in key order.
pub struct Unseen {
    store: std::path::PathBuf,
    connection: Connection,
    sync: SyncId,
    cells: std::sync::Arc<Cells>,
    seen: Seen,
    bucket: usize,
    found: VecDeque<StoredRow>,
}

impl Unseen {
    fn has_unseen(&self, bucket: usize) -> bool {
        self.cells.positions(bucket).any(|at| !self.seen.get(at))
    }

    /// Reads the next stretch of buckets that have unseen rows; false at the end.
    fn fill(&mut self) -> rusqlite::Result<bool> {
        let buckets = self.cells.buckets();
        while self.bucket < buckets && !self.has_unseen(self.bucket) {
            self.bucket += 1;
        }
        if self.bucket >= buckets {
            return Ok(false);
        }
        let first = self.bucket;
        while self.bucket < buckets && self.bucket - first < SPAN && self.has_unseen(self.bucket) {
            self.bucket += 1;
        }
        let low = self.cells.first_key(first).to_be_bytes();
        let high = self.cells.last_key(self.bucket - 1).to_be_bytes();
        let mut statement = self.connection.prepare_cached(BETWEEN)?;
        let mut rows = statement.query((self.sync, low, high))?;
        while let Some(row) = rows.next()? {
            let key = key_of(row, 0)?;
            let print = row.get::<_, i64>(1)?.cast_unsigned();
            let unseen = self.cells.find(key, print).is_some_and(|at| !self.seen.get(at));
            if unseen {
                self.found.push_back(stored_row(row)?);
            }
        }
        Ok(true)
    }
}

impl Iterator for Unseen {
    type Item = Result<StoredRow, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.found.pop_front() {
                return Some(Ok(row));
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.bucket = self.cells.buckets();
                    return Some(Err(StateError::sql(&self.store, &error)));
                }
            }
        }
    }
}
