//! Stored rows, read in the order of their keys: looked up one after the other, scanned, or listed
//! where the filter has not seen them.

use std::collections::VecDeque;

use compact_str::CompactString;
use outflow_sdk::print::{KeyHash, Print};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};

use super::filter::{Cells, Filter, Seen};
use super::{StateError, Store, StoredRow, SyncId};

const FORWARD: &str = "SELECT key, print, layout, prints, remote, key_text, match_text, applied_ms, run
    FROM row WHERE sync = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";

const BETWEEN: &str = "SELECT key, print, layout, prints, remote, key_text, match_text, applied_ms, run
    FROM row WHERE sync = ?1 AND key BETWEEN ?2 AND ?3 ORDER BY key";

/// Every row of a sync, by key.
pub(super) const ALL: &str =
    "SELECT key, print, layout, prints, remote, key_text, match_text, applied_ms, run
    FROM row WHERE sync = ?1 ORDER BY key";

/// Most rows read by one look-up.
const MOST_AHEAD: usize = 256;

/// Of so many look-ups that read one row each, one reads two: whether keys are close together again.
const PROBE: u32 = 16;

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
        remote: row.get_ref(4)?.as_str_or_null()?.map(CompactString::from),
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
    /// Rows the next look-up reads; one where keys are far apart, so that none is read in vain.
    ahead: usize,
    /// Look-ups until one probes.
    alone: u32,
}

impl Store {
    /// Starts looking up rows of a sync, as they are at the first look-up.
    ///
    /// # Errors
    /// When the file cannot be opened once more.
    pub fn lookup(&self, sync: SyncId) -> Result<Lookup, StateError> {
        Ok(Lookup {
            store: self.path().to_owned(),
            connection: self.snapshot()?,
            sync,
            block: VecDeque::new(),
            from: KeyHash::MAX,
            whole: false,
            ahead: 2,
            alone: PROBE,
        })
    }

    /// Looks at the address of every stored row of a sync: one pass over all of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn each_remote(&self, sync: SyncId, mut look: impl FnMut(KeyHash, &str)) -> Result<(), StateError> {
        self.read(|connection| {
            let mut rows = connection
                .prepare_cached("SELECT key, remote FROM row WHERE sync = ?1 AND remote IS NOT NULL")?;
            let mut rows = rows.query([sync])?;
            while let Some(row) = rows.next()? {
                let remote = row.get_ref(1)?.as_str()?;
                look(key_of(row, 0)?, remote);
            }
            Ok(())
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
            connection: self.snapshot()?,
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
        } else if self.ahead < MOST_AHEAD {
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
        if self.block.len() * 2 >= self.ahead {
            self.ahead = (self.ahead / 2).max(1);
        }
        if self.ahead == 1 {
            self.alone -= 1;
            if self.alone == 0 {
                (self.ahead, self.alone) = (2, PROBE);
            }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::fixtures::{fixture, key, print, row, rows};
    use super::*;

    #[test]
    fn ascending_look_ups_find_what_is_there_however_far_apart() {
        let fixture = fixture();
        let other = fixture
            .store
            .ensure_sync("other", &super::super::fixtures::identity())
            .unwrap();
        let mut expected = BTreeMap::new();
        for number in 0..3_000 {
            let row = row(key(number), 1 + number as u64);
            expected.insert(row.key, row);
        }
        fixture.commit(&rows(expected.values().cloned()));
        fixture
            .store
            .commit(other.id, [&rows((0..9_000).map(|number| row(key(number), 5)))])
            .unwrap();
        for step in [1, 2, 3, 50, 700] {
            let mut keys: Vec<KeyHash> = (0..9_000).step_by(step).map(key).collect();
            keys.sort_unstable();
            let mut lookup = fixture.store.lookup(fixture.sync.id).unwrap();
            for key in keys {
                assert_eq!(
                    lookup.get(key).unwrap().as_ref(),
                    expected.get(&key),
                    "step {step}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn look_ups_in_any_order_agree_with_a_map(
            stored in prop::collection::btree_set(0u8..80, 0..60),
            asked in prop::collection::vec(0u8..80, 1..200),
        ) {
            let fixture = fixture();
            fixture.commit(&rows(stored.iter().map(|key| row(KeyHash::from(*key), 5))));
            let mut lookup = fixture.store.lookup(fixture.sync.id).unwrap();
            for key in asked {
                let found = lookup.get(KeyHash::from(key)).unwrap();
                prop_assert_eq!(found.map(|row| row.key), stored.get(&key).map(|key| KeyHash::from(*key)));
            }
        }
    }

    #[test]
    fn unseen_rows_come_in_key_order_and_rows_the_filter_does_not_hold_never() {
        let fixture = fixture();
        fixture.add(0..20_000);
        let mut filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
        fixture.add(20_000..20_100);
        let mut expected = Vec::new();
        for number in 0..20_000 {
            // A stretch that nobody saw, and a few here and there.
            if (key(number) >> 125) == 3 || number % 1_000 == 1 {
                expected.push(key(number));
            } else {
                filter.mark(&row(key(number), print(number, 7)));
            }
        }
        expected.sort_unstable();
        assert_eq!(filter.unseen_len(), expected.len() as u64);
        let unseen = fixture.store.unseen(fixture.sync.id, &filter).unwrap();
        let keys: Vec<KeyHash> = unseen.map(|row| row.unwrap().key).collect();
        assert!(keys == expected);
    }

    #[test]
    fn a_value_no_version_writes_is_said_to_be_damage() {
        let fixture = fixture();
        fixture.add(0..1);
        for column in ["key", "prints"] {
            fixture
                .store
                .transact(|connection| connection.execute(&format!("UPDATE row SET {column} = x'0102'"), ()))
                .unwrap();
            let mut lookup = fixture.store.lookup(fixture.sync.id).unwrap();
            let error = lookup.get(0).unwrap_err();
            assert!(matches!(error, StateError::Corrupt { .. }), "{column}: {error}");
        }
    }
}
