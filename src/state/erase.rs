//! Erasing: contact values of closed rejects leave no copy behind.
//!
//! `secure_delete` overwrites what is deleted, but not the copies a B-tree leaves in the free space
//! of its pages when it moves live entries to other pages; such a copy outlives its entry. So the
//! table of rejects is written anew, between runs, when something in it was erased: the pages of the
//! old one are overwritten whole. That costs as much as there are open rejects, mostly nothing.

use rusqlite::{Connection, OptionalExtension};

use super::schema::set_header;
use super::{StateError, Store};

/// Entry of the header that says that text was erased since the table was written anew.
const ERASED: &str = "erased";

/// Notes, in the transaction that erases, that the table is to be written anew.
pub(super) fn note_erasure(connection: &Connection) -> rusqlite::Result<()> {
    set_header(connection, ERASED, 1)
}

impl Store {
    /// Writes the table of rejects anew if text in it was erased.
    pub(super) fn scrub(&self) -> Result<(), StateError> {
        let erased = self.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM header WHERE name = ?1")?
                .query_row([ERASED], |_| Ok(()))
                .optional()
        })?;
        if erased.is_none() {
            return Ok(());
        }
        self.transact(|connection| {
            let table: String =
                connection.query_row("SELECT sql FROM sqlite_schema WHERE name = 'reject'", (), |row| {
                    row.get(0)
                })?;
            let columns = table.find('(').and_then(|at| table.get(at..)).unwrap_or_default();
            connection.execute_batch(&format!(
                "CREATE TABLE rewritten {columns};
                 INSERT INTO rewritten SELECT * FROM reject ORDER BY sync, key;
                 DROP TABLE reject;
                 ALTER TABLE rewritten RENAME TO reject;"
            ))?;
            connection
                .execute("DELETE FROM header WHERE name = ?1", [ERASED])
                .map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::super::fixtures::{Fixture, fixture, key, reject, row, rows};
    use super::super::{Access, Changes};
    use super::*;

    /// Whose e-mail address is in any byte of any file of the state.
    fn left(fixture: &Fixture) -> BTreeSet<i128> {
        fixture.store.checkpoint().unwrap();
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(fixture.folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            for (at, _) in text.match_indices("-secret@example.com") {
                let digits = text[..at].rsplit("person").next().unwrap();
                found.insert(digits.parse().unwrap_or(-1));
            }
        }
        found
    }

    #[test]
    fn no_contact_value_is_left_in_any_file_once_its_reject_is_closed() {
        let fixture = fixture();
        fixture.add(3_000..4_000);
        let numbers: Vec<i128> = (0..3_000).collect();
        for chunk in numbers.chunks(100) {
            let refused = chunk
                .iter()
                .map(|number| reject(key(*number), &format!("person{number}-secret@example.com")));
            fixture.commit(&Changes {
                rejects: refused.collect(),
                ..Changes::default()
            });
        }
        assert_eq!(left(&fixture).len(), 3_000);
        let (odd, even): (Vec<i128>, Vec<i128>) = numbers.iter().partition(|number| *number % 2 == 1);
        for chunk in odd.chunks(70) {
            fixture.commit(&rows(chunk.iter().map(|number| row(key(*number), 5))));
        }
        assert!(left(&fixture) == even.iter().copied().collect());
        let open = fixture.store.reject(fixture.sync.id, key(2)).unwrap();
        assert_eq!(open, Some(reject(key(2), "person2-secret@example.com")));
        fixture.store.reset("customers", false).unwrap();
        assert!(left(&fixture).is_empty());
    }

    #[test]
    fn a_table_written_anew_is_the_same_to_writers_and_readers() {
        let fixture = fixture();
        let reader = Store::open(fixture.folder.path(), Access::Read).unwrap();
        for round in 0..3 {
            fixture.commit(&Changes {
                rejects: vec![reject(key(1), "a@example.com"), reject(key(2), "b@example.com")],
                ..Changes::default()
            });
            assert_eq!(reader.reject_count(fixture.sync.id).unwrap(), 2, "round {round}");
            fixture.commit(&Changes {
                closed: vec![key(1)],
                ..Changes::default()
            });
            fixture.store.checkpoint().unwrap();
            assert_eq!(reader.reject_keys(fixture.sync.id).unwrap(), vec![key(2)]);
        }
        let tables = |store: &Store| {
            store
                .read(|connection| {
                    connection
                        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?
                        .query_map((), |row| row.get::<_, String>(0))?
                        .collect::<rusqlite::Result<Vec<_>>>()
                })
                .unwrap()
        };
        assert_eq!(
            tables(&fixture.store),
            tables(&super::super::fixtures::fixture().store)
        );
    }
}
