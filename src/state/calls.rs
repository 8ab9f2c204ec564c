//! Calls from outside that must not have their effect twice.

use rusqlite::OptionalExtension;

use super::{RunId, StateError, Store};

/// A run someone asked for under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedRun {
    /// The sync.
    pub sync: String,
    /// Hash of what was asked for besides; 0 = nothing.
    pub body: u64,
    /// When, milliseconds since 1970.
    pub asked_ms: i64,
    /// Its number; none as long as it has not started.
    pub run: Option<RunId>,
}

impl Store {
    /// The run that was asked for under this key, if that was after `since_ms`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn asked_run(&self, key: &str, since_ms: i64) -> Result<Option<AskedRun>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT sync, asked_ms, run, body FROM asked WHERE key = ?1 AND asked_ms > ?2",
                )?
                .query_row((key, since_ms), |row| {
                    Ok(AskedRun {
                        sync: row.get(0)?,
                        asked_ms: row.get(1)?,
                        run: row.get(2)?,
                        body: row.get::<_, i64>(3)?.cast_unsigned(),
                    })
                })
                .optional()
        })
    }

    /// Remembers a run that is asked for under a key, and forgets those asked for before `since_ms`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember_asked(&self, key: &str, asked: &AskedRun, since_ms: i64) -> Result<(), StateError> {
        self.transact(|transaction| {
            transaction.execute("DELETE FROM asked WHERE asked_ms <= ?1", [since_ms])?;
            transaction
                .execute(
                    "INSERT OR REPLACE INTO asked (key, sync, asked_ms, run, body) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (
                        key,
                        &asked.sync,
                        asked.asked_ms,
                        asked.run,
                        asked.body.cast_signed(),
                    ),
                )
                .map(drop)
        })
    }

    /// The run asked for under a key has its number.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn number_asked(&self, key: &str, run: RunId) -> Result<(), StateError> {
        self.transact(|transaction| {
            transaction
                .execute("UPDATE asked SET run = ?2 WHERE key = ?1", (key, run))
                .map(drop)
        })
    }

    /// Takes a hook's call unless it was taken before, and with it remembers that each of `syncs` owes
    /// a run, so that the call has its effect even if the process ends now. Calls taken before
    /// `since_ms` are forgotten. False when this one is known.
    ///
    /// # Errors
    /// When the file cannot be written; the call then was not taken.
    pub fn take_call(
        &self,
        hook: &str,
        print: &[u8],
        syncs: &[String],
        now_ms: i64,
        since_ms: i64,
    ) -> Result<bool, StateError> {
        self.transact(|transaction| {
            transaction.execute("DELETE FROM hook_call WHERE taken_ms <= ?1", [since_ms])?;
            let new = transaction.execute(
                "INSERT OR IGNORE INTO hook_call (hook, print, taken_ms) VALUES (?1, ?2, ?3)",
                (hook, print, now_ms),
            )?;
            if new == 0 {
                return Ok(false);
            }
            for sync in syncs {
                transaction.execute(
                    "UPDATE timetable SET owed_ms = min(coalesce(owed_ms, ?2), ?2) WHERE sync = ?1",
                    (sync, now_ms),
                )?;
            }
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Access;
    use super::super::fixtures::fixture;
    use super::*;

    #[test]
    fn a_key_names_its_run_over_a_restart_until_it_is_too_old() {
        let fixture = fixture();
        let mut asked = AskedRun {
            sync: "customers".to_owned(),
            body: u64::MAX,
            asked_ms: 1_000,
            run: None,
        };
        fixture.store.remember_asked("k", &asked, 0).unwrap();
        assert_eq!(fixture.store.asked_run("k", 0).unwrap(), Some(asked.clone()));
        fixture.store.number_asked("k", 7).unwrap();
        drop(fixture.store);
        let store = Store::open(fixture.folder.path(), Access::Write).unwrap();
        asked.run = Some(7);
        assert_eq!(store.asked_run("k", 0).unwrap(), Some(asked.clone()));
        assert_eq!(store.asked_run("k", 1_000).unwrap(), None);
        store.remember_asked("other", &asked, 1_000).unwrap();
        assert_eq!(store.asked_run("k", 0).unwrap(), None, "old ones are forgotten");
    }

    #[test]
    fn a_call_is_taken_once_and_leaves_a_debt() {
        let fixture = fixture();
        let store = &fixture.store;
        store.follow("customers", "@daily", 1).unwrap();
        let syncs = ["customers".to_owned(), "unknown".to_owned()];
        assert!(store.take_call("dbt", b"print", &syncs, 500, 0).unwrap());
        let timing = store.timing("customers").unwrap().unwrap();
        assert_eq!(timing.owed_ms, Some(500));
        store.owe("customers", None).unwrap();
        assert!(!store.take_call("dbt", b"print", &syncs, 600, 0).unwrap());
        assert_eq!(store.timing("customers").unwrap().unwrap().owed_ms, None);
        assert!(
            store.take_call("other", b"print", &syncs, 600, 0).unwrap(),
            "of another hook"
        );
        assert!(store.take_call("dbt", b"new", &[], 9_000, 500).unwrap());
        assert!(
            store.take_call("dbt", b"print", &[], 9_001, 500).unwrap(),
            "it was forgotten, being too old"
        );
    }
}
