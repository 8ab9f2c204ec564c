//! What is wrong with syncs, and messages about it that are still to be sent.

use rusqlite::Row;

use super::{StateError, Store};

/// Something that is wrong with a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The sync.
    pub sync: String,
    /// What is wrong: a word of the caller's.
    pub trouble: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number, 0 before it is written down.
    pub id: i64,
    /// Whom to.
    pub target: String,
    /// What it says.
    pub text: String,
    /// Since when it waits, milliseconds since 1970.
    pub written_ms: i64,
}

impl Store {
    /// Everything that is wrong.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn alerts(&self) -> Result<Vec<Alert>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT sync, trouble, since_ms FROM alert ORDER BY sync, trouble")?
                .query_map((), |row| {
                    Ok(Alert {
                        sync: row.get(0)?,
                        trouble: row.get(1)?,
                        since_ms: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// Writes down that something is wrong or over, together with the messages about it: whoever is to
    /// be told is told once, whatever happens in between.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn change_alerts(
        &self,
        opened: &[Alert],
        closed: &[Alert],
        notices: &[Notice],
    ) -> Result<(), StateError> {
        self.transact(|transaction| {
            for alert in opened {
                transaction.execute(
                    "INSERT OR REPLACE INTO alert (sync, trouble, since_ms) VALUES (?1, ?2, ?3)",
                    (&alert.sync, &alert.trouble, alert.since_ms),
                )?;
            }
            for alert in closed {
                transaction.execute(
                    "DELETE FROM alert WHERE sync = ?1 AND trouble = ?2",
                    (&alert.sync, &alert.trouble),
                )?;
            }
            for notice in notices {
                transaction.execute(
                    "INSERT INTO notice (target, text, written_ms) VALUES (?1, ?2, ?3)",
                    (&notice.target, &notice.text, notice.written_ms),
                )?;
            }
            Ok(())
        })
    }

    /// Messages to be sent, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn notices(&self) -> Result<Vec<Notice>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT id, target, text, written_ms FROM notice ORDER BY id")?
                .query_map((), notice)?
                .collect()
        })
    }

    /// Forgets a message: it was sent, or is too old to be of use.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_notice(&self, id: i64) -> Result<(), StateError> {
        self.transact(|transaction| {
            transaction
                .execute("DELETE FROM notice WHERE id = ?1", [id])
                .map(drop)
        })
    }
}

fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    Ok(Notice {
        id: row.get(0)?,
        target: row.get(1)?,
        text: row.get(2)?,
        written_ms: row.get(3)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Access;
    use super::super::fixtures::fixture;
    use super::*;

    #[test]
    fn alerts_and_unsent_messages_survive_a_restart() {
        let fixture = fixture();
        let failed = Alert {
            sync: "customers".to_owned(),
            trouble: "failed".to_owned(),
            since_ms: 5,
        };
        let message = |text: &str| Notice {
            id: 0,
            target: "team".to_owned(),
            text: text.to_owned(),
            written_ms: 5,
        };
        let store = fixture.store;
        store
            .change_alerts(
                std::slice::from_ref(&failed),
                &[],
                &[message("one"), message("two")],
            )
            .unwrap();
        drop(store);
        let store = Store::open(fixture.folder.path(), Access::Write).unwrap();
        assert_eq!(store.alerts().unwrap(), std::slice::from_ref(&failed));
        let waiting = store.notices().unwrap();
        assert_eq!(waiting.len(), 2);
        store.forget_notice(waiting[0].id).unwrap();
        store.change_alerts(&[], &[failed], &[]).unwrap();
        assert!(store.alerts().unwrap().is_empty());
        assert_eq!(store.notices().unwrap()[0].text, "two");
    }
}
