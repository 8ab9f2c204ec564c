//! Rows by the value of a field, found by its print: the state holds no value to compare with.

use std::collections::HashMap;

use outflow_sdk::print::{KeyHash, Print};

use super::rows::{damaged, key_of};
use super::{StateError, Store, SyncId};

/// Bytes of one print in a row.
const PRINT: usize = size_of::<Print>();

impl Store {
    /// Keys of the rows that have one of `prints` at the place their layout has in `places`; the first
    /// `most` of them. Looks at every row of the sync, without holding up other readers.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn keys_with_print(
        &self,
        sync: SyncId,
        places: &HashMap<u32, usize>,
        prints: &[Print],
        most: usize,
    ) -> Result<Vec<KeyHash>, StateError> {
        let connection = self.snapshot()?;
        let look = || -> rusqlite::Result<Vec<KeyHash>> {
            let mut found = Vec::new();
            let mut statement = connection.prepare("SELECT key, layout, prints FROM row WHERE sync = ?1")?;
            let mut rows = statement.query([sync])?;
            while found.len() < most
                && let Some(row) = rows.next()?
            {
                let Some(place) = places.get(&row.get::<_, u32>(1)?) else {
                    continue;
                };
                let blob = row.get_ref(2)?.as_blob()?;
                let bytes = blob.get(place * PRINT..(place + 1) * PRINT);
                let bytes = bytes.and_then(|bytes| <[u8; PRINT]>::try_from(bytes).ok());
                let bytes = bytes.ok_or_else(|| damaged("the prints of a row are cut off"))?;
                if prints.contains(&Print::from_le_bytes(bytes)) {
                    found.push(key_of(row, 0)?);
                }
            }
            Ok(found)
        };
        look().map_err(|error| StateError::sql(self.path(), &error))
    }

    /// Keys of the open rejects that have this match value; the first `most` of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejects_with_match(
        &self,
        sync: SyncId,
        value: &str,
        most: usize,
    ) -> Result<Vec<KeyHash>, StateError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read(|connection| {
            connection
                .prepare_cached("SELECT key FROM reject WHERE sync = ?1 AND match_text = ?2 LIMIT ?3")?
                .query_map((sync, value, most), |row| key_of(row, 0))?
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Changes;
    use super::super::fixtures::{fixture, key, reject, row, rows};
    use super::*;

    #[test]
    fn rows_are_found_by_the_print_of_one_field_of_their_layout() {
        let fixture = fixture();
        let mut other_layout = row(key(3), 7);
        other_layout.layout = 2;
        fixture.commit(&rows([row(key(1), 7), row(key(2), 8), other_layout]));
        let find = |places: &[(u32, usize)], prints: &[Print], most| {
            let places = places.iter().copied().collect();
            fixture
                .store
                .keys_with_print(fixture.sync.id, &places, prints, most)
        };
        assert_eq!(find(&[(1, 0)], &[7, 9], 9).unwrap(), [key(1)]);
        assert_eq!(find(&[(2, 0)], &[7], 9).unwrap(), [key(3)]);
        assert_eq!(find(&[(1, 0), (2, 0)], &[7, 8], 2).unwrap().len(), 2);
        assert!(find(&[(1, 1)], &[7], 9).unwrap().is_empty());
        let error = find(&[(1, 3)], &[7], 9).unwrap_err();
        assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
    }

    #[test]
    fn rejects_are_found_by_their_match_value() {
        let fixture = fixture();
        fixture.commit(&Changes {
            rejects: vec![reject(key(1), "a@example.com"), reject(key(2), "b@example.com")],
            ..Changes::default()
        });
        let find = |value: &str| fixture.store.rejects_with_match(fixture.sync.id, value, 9);
        assert_eq!(find("b@example.com").unwrap(), [key(2)]);
        assert!(find("c@example.com").unwrap().is_empty());
    }
}
