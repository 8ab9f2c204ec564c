//! Syncs as the store knows them: identity, layouts, notes, and starting anew.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use super::erase::note_erasure;
use super::rows::damaged;
use super::{Identity, StateError, Store, SyncId, SyncState};

const SYNCS: &str = "SELECT id, name, identity, generation, adopt, rows,
    (SELECT count(*) FROM reject WHERE reject.sync = sync.id AND class <> 'suppressed') FROM sync";

/// Number of a layout that a reader cannot write down.
const NO_LAYOUT: u32 = u32::MAX;

impl Store {
    /// One sync, if the store knows it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sync(&self, name: &str) -> Result<Option<SyncState>, StateError> {
        self.read(|connection| sync_named(connection, name))
    }

    /// Every sync the store knows, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn syncs(&self) -> Result<Vec<SyncState>, StateError> {
        self.read(all_syncs)
    }

    /// The sync as the store knows it; written down with `identity` if it is new or was reset. A
    /// reader gets an empty sync with the number 0 instead.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn ensure_sync(&self, name: &str, identity: &Identity) -> Result<SyncState, StateError> {
        let known = self.sync(name)?;
        if let Some(state) = &known
            && (state.identity.is_some() || !self.is_writable())
        {
            return Ok(state.clone());
        }
        if !self.is_writable() {
            return Ok(SyncState {
                id: 0,
                name: name.to_owned(),
                identity: Some(identity.clone()),
                generation: 0,
                adopt: false,
                rows: 0,
                rejects: 0,
            });
        }
        let text = identity_text(identity)?;
        self.transact(|transaction| {
            transaction.execute(
                "INSERT INTO sync (name, identity) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET identity = ?2",
                (name, &text),
            )?;
            sync_named(transaction, name)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
        })
    }

    /// Writes down what the sync's state is built with.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_identity(&self, sync: SyncId, identity: &Identity) -> Result<(), StateError> {
        let text = identity_text(identity)?;
        self.transact(|transaction| {
            transaction
                .execute("UPDATE sync SET identity = ?2 WHERE id = ?1", (sync, &text))
                .map(drop)
        })
    }

    /// Writes down the key and the target the state is built with; nothing if they are known.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn set_target(&self, sync: SyncId, key: &[String], target: &str) -> Result<(), StateError> {
        let known = self.read(|connection| {
            connection
                .query_row(&format!("{SYNCS} WHERE id = ?1"), [sync], sync_state)
                .optional()
        })?;
        let Some(mut identity) = known.and_then(|state| state.identity) else {
            return Err(StateError::Internal(format!("sync {sync} has no identity")));
        };
        if identity.key == key && identity.account == target {
            return Ok(());
        }
        identity.key = key.to_vec();
        target.clone_into(&mut identity.account);
        self.set_identity(sync, &identity)
    }

    /// Whether the next run takes the model as what is at the destination already.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_adopt(&self, sync: SyncId, adopt: bool) -> Result<(), StateError> {
        self.transact(|transaction| {
            transaction
                .execute("UPDATE sync SET adopt = ?2 WHERE id = ?1", (sync, adopt))
                .map(drop)
        })
    }

    /// Forgets the rows, rejects, tries and jobs of a sync, and what it was built with; its history stays.
    /// Gives the number of rows forgotten.
    ///
    /// # Errors
    /// [`StateError::UnknownSync`]; or when the file cannot be written.
    pub fn reset(&self, name: &str, adopt: bool) -> Result<u64, StateError> {
        let Some(state) = self.sync(name)? else {
            return Err(StateError::UnknownSync {
                name: name.to_owned(),
            });
        };
        self.transact(|transaction| empty_sync(transaction, state.id, adopt))?;
        self.checkpoint()?;
        Ok(state.rows)
    }

    /// [`Store::reset`] of every sync; gives the number of rows forgotten.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn reset_all(&self, adopt: bool) -> Result<u64, StateError> {
        let syncs = self.syncs()?;
        self.transact(|transaction| {
            for state in &syncs {
                empty_sync(transaction, state.id, adopt)?;
            }
            Ok(())
        })?;
        self.checkpoint()?;
        Ok(syncs.iter().map(|state| state.rows).sum())
    }

    /// Number of a list of fields, in this order.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn layout(&self, fields: &[String]) -> Result<u32, StateError> {
        let text = serde_json::to_string(fields).map_err(|error| StateError::Internal(error.to_string()))?;
        let find = "SELECT id FROM layout WHERE fields = ?1";
        let known =
            self.read(|connection| connection.query_row(find, [&text], |row| row.get(0)).optional())?;
        match known {
            Some(number) => Ok(number),
            None if !self.is_writable() => Ok(NO_LAYOUT),
            None => self.transact(|transaction| {
                transaction.execute(
                    "INSERT INTO layout (fields) VALUES (?1) ON CONFLICT DO NOTHING",
                    [&text],
                )?;
                transaction.query_row(find, [&text], |row| row.get(0))
            }),
        }
    }

    /// The fields of every layout.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn layouts(&self) -> Result<HashMap<u32, Arc<[String]>>, StateError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, fields FROM layout")?;
            let rows =
                statement.query_map((), |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (number, text) = row?;
                let fields: Vec<String> =
                    serde_json::from_str(&text).map_err(|_| damaged("a layout is no list of fields"))?;
                Ok((number, Arc::from(fields)))
            })
            .collect()
        })
    }

    /// A note another part of the program left for itself.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recall(&self, note: &str) -> Result<Option<String>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT value FROM note WHERE name = ?1")?
                .query_row([note], |row| row.get(0))
                .optional()
        })
    }

    /// What was noted of a sync's last success; a reset forgets it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn success(&self, sync: SyncId) -> Result<Option<String>, StateError> {
        self.recall(&success_note(sync))
    }

    /// Notes a sync's success.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn set_success(&self, sync: SyncId, text: &str) -> Result<(), StateError> {
        self.remember(&success_note(sync), text)
    }

    /// Leaves a note; nothing is written if it says what it said.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn remember(&self, note: &str, text: &str) -> Result<(), StateError> {
        if self.recall(note)?.as_deref() == Some(text) {
            return Ok(());
        }
        self.transact(|transaction| {
            transaction
                .execute(
                    "INSERT INTO note (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = ?2",
                    (note, text),
                )
                .map(drop)
        })
    }

    /// What the limiter of an account left for the next process.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn limiter_load(&self, account: &str) -> Result<Option<String>, StateError> {
        self.recall(&limiter_note(account))
    }

    /// Keeps an account's send times and day's use, so that its window survives a restart.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn limiter_save(&self, account: &str, text: &str) -> Result<(), StateError> {
        self.remember(&limiter_note(account), text)
    }
}

/// The note of a sync's last success.
fn success_note(sync: SyncId) -> String {
    format!("success/{sync}")
}

fn limiter_note(account: &str) -> String {
    format!("limiter/{account}")
}

fn identity_text(identity: &Identity) -> Result<String, StateError> {
    serde_json::to_string(identity).map_err(|error| StateError::Internal(error.to_string()))
}

/// Every sync, by name.
pub(super) fn all_syncs(connection: &Connection) -> rusqlite::Result<Vec<SyncState>> {
    connection
        .prepare_cached(&format!("{SYNCS} ORDER BY name"))?
        .query_map((), sync_state)?
        .collect()
}

fn sync_named(connection: &Connection, name: &str) -> rusqlite::Result<Option<SyncState>> {
    connection
        .prepare_cached(&format!("{SYNCS} WHERE name = ?1"))?
        .query_row([name], sync_state)
        .optional()
}

fn sync_state(row: &Row<'_>) -> rusqlite::Result<SyncState> {
    let identity: Option<String> = row.get(2)?;
    let identity = identity
        .map(|text| {
            serde_json::from_str(&text).map_err(|_| damaged("what a sync was built with cannot be read"))
        })
        .transpose()?;
    Ok(SyncState {
        id: row.get(0)?,
        name: row.get(1)?,
        identity,
        generation: row.get::<_, i64>(3)?.cast_unsigned(),
        adopt: row.get(4)?,
        rows: row.get::<_, i64>(5)?.cast_unsigned(),
        rejects: row.get::<_, i64>(6)?.cast_unsigned(),
    })
}

fn empty_sync(connection: &Connection, sync: SyncId, adopt: bool) -> rusqlite::Result<()> {
    note_erasure(connection)?;
    for table in ["row", "reject", "attempt", "job"] {
        connection.execute(&format!("DELETE FROM {table} WHERE sync = ?1"), [sync])?;
    }
    // What the sync reads from now on, it reads from the beginning.
    connection.execute("DELETE FROM note WHERE name = ?1", [success_note(sync)])?;
    connection
        .execute(
            "UPDATE sync SET generation = generation + 1, rows = 0, identity = NULL, adopt = ?2 WHERE id = ?1",
            (sync, adopt),
        )
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::fixtures::{attempt, fixture, identity, key, reject};
    use super::super::{Access, Changes};
    use super::*;

    #[test]
    fn a_sync_keeps_the_identity_it_began_with_until_it_is_set() {
        let fixture = fixture();
        let mut other = identity();
        other.key = vec!["email".to_owned()];
        let state = fixture.store.ensure_sync("customers", &other).unwrap();
        assert_eq!(state.identity, Some(identity()));
        fixture
            .store
            .set_target(state.id, &other.key, "hubspot:77/contacts")
            .unwrap();
        let found = fixture.state().identity.unwrap();
        assert_eq!(
            (found.key, found.account.as_str()),
            (other.key, "hubspot:77/contacts")
        );
        assert_eq!(found.object, "contacts");
    }

    #[test]
    fn reset_forgets_rows_rejects_tries_and_identity_but_not_the_history() {
        let fixture = fixture();
        fixture.store.begin_run("customers", 1).unwrap();
        fixture.add(0..5);
        fixture.commit(&Changes {
            rejects: vec![reject(key(9), "a@example.com")],
            attempts: vec![attempt(key(9), 1)],
            ..Changes::default()
        });
        let before = fixture.state();
        assert_eq!((before.rows, before.rejects), (5, 1));
        assert_eq!(fixture.store.reset("customers", true).unwrap(), 5);
        let after = fixture.state();
        assert_eq!((after.rows, after.rejects, after.adopt), (0, 0, true));
        assert!(after.identity.is_none() && after.generation > before.generation);
        assert!(fixture.store.attempts(after.id, key(9)).unwrap().is_empty());
        assert_eq!(fixture.store.history(Some("customers"), 9).unwrap().len(), 1);
        let again = fixture.store.ensure_sync("customers", &identity()).unwrap();
        assert_eq!((again.id, again.adopt), (before.id, true));
        assert_eq!(again.identity, Some(identity()));
        fixture.store.set_adopt(again.id, false).unwrap();
        assert!(!fixture.state().adopt);
    }

    #[test]
    fn reset_of_an_unknown_sync_says_where_the_known_ones_are_and_all_means_all() {
        let fixture = fixture();
        let error = fixture.store.reset("customer", false).unwrap_err();
        assert!(error.to_string().contains("outflow status"), "{error}");
        fixture.add(0..5);
        fixture.store.ensure_sync("companies", &identity()).unwrap();
        assert_eq!(fixture.store.reset_all(false).unwrap(), 5);
        assert!(fixture.store.syncs().unwrap().iter().all(|state| state.rows == 0));
    }

    #[test]
    fn a_layout_has_one_number_for_good() {
        let fixture = fixture();
        let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let first = fixture.store.layout(&fields(&["email", "a,b"])).unwrap();
        let second = fixture.store.layout(&fields(&["a,b", "email"])).unwrap();
        assert_ne!(first, second);
        assert_eq!(fixture.store.layout(&fields(&["email", "a,b"])).unwrap(), first);
        let layouts = fixture.store.layouts().unwrap();
        assert_eq!(layouts[&second].as_ref(), fields(&["a,b", "email"]));
        let reader = Store::open(fixture.folder.path(), Access::Read).unwrap();
        assert_eq!(reader.layout(&fields(&["email", "a,b"])).unwrap(), first);
        let new = reader.layout(&fields(&["new"])).unwrap();
        assert!(
            !reader.layouts().unwrap().contains_key(&new),
            "a reader invents none"
        );
    }

    #[test]
    fn notes_and_limiters_survive_a_restart() {
        let fixture = fixture();
        fixture.store.remember("schema/1", "{}").unwrap();
        fixture.store.limiter_save("hubspot:77", "[1]").unwrap();
        fixture.store.limiter_save("hubspot:77", "[1,2]").unwrap();
        let reader = Store::open(fixture.folder.path(), Access::Read).unwrap();
        assert_eq!(reader.recall("schema/1").unwrap().as_deref(), Some("{}"));
        assert_eq!(
            reader.limiter_load("hubspot:77").unwrap().as_deref(),
            Some("[1,2]")
        );
        assert_eq!(reader.recall("other").unwrap(), None);
    }
}
