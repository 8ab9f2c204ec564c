//! What the daemon must know of each sync's schedule after a restart.

use rusqlite::{OptionalExtension, Row};

use super::{StateError, Store};

/// A sync's place in time, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Since when it has followed its present schedule, milliseconds since 1970.
    pub since_ms: i64,
    /// When a run that could not finish goes on.
    pub owed_ms: Option<i64>,
    /// Who paused it.
    pub paused: Option<Pause>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Since when, milliseconds since 1970.
    pub at_ms: i64,
    /// On whose word.
    pub by: String,
}

impl Store {
    /// The timing of a sync that follows `schedule`; written down if it is new or followed another
    /// schedule until now.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn follow(&self, sync: &str, schedule: &str, now_ms: i64) -> Result<Timing, StateError> {
        self.transact(|transaction| {
            transaction.execute(
                "INSERT INTO timetable (sync, schedule, since_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (sync) DO UPDATE SET schedule = ?2, since_ms = ?3 WHERE schedule <> ?2",
                (sync, schedule, now_ms),
            )?;
            transaction.query_row(
                "SELECT since_ms, owed_ms, paused_ms, paused_by FROM timetable WHERE sync = ?1",
                [sync],
                timing,
            )
        })
    }

    /// The timing of a sync; none when it was never followed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn timing(&self, sync: &str) -> Result<Option<Timing>, StateError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT since_ms, owed_ms, paused_ms, paused_by FROM timetable WHERE sync = ?1",
                )?
                .query_row([sync], timing)
                .optional()
        })
    }

    /// Remembers when a sync that is followed goes on; none when it owes nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn owe(&self, sync: &str, owed_ms: Option<i64>) -> Result<(), StateError> {
        self.transact(|transaction| {
            transaction
                .execute(
                    "UPDATE timetable SET owed_ms = ?2 WHERE sync = ?1 AND owed_ms IS NOT ?2",
                    (sync, owed_ms),
                )
                .map(drop)
        })
    }

    /// Pauses a sync that is followed, or ends its pause.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn pause(&self, sync: &str, pause: Option<&Pause>) -> Result<(), StateError> {
        self.transact(|transaction| {
            transaction
                .execute(
                    "UPDATE timetable SET paused_ms = ?2, paused_by = ?3 WHERE sync = ?1",
                    (sync, pause.map(|one| one.at_ms), pause.map(|one| &one.by)),
                )
                .map(drop)
        })
    }
}

fn timing(row: &Row<'_>) -> rusqlite::Result<Timing> {
    let paused_ms: Option<i64> = row.get(2)?;
    let paused_by: Option<String> = row.get(3)?;
    Ok(Timing {
        since_ms: row.get(0)?,
        owed_ms: row.get(1)?,
        paused: paused_ms.map(|at_ms| Pause {
            at_ms,
            by: paused_by.unwrap_or_default(),
        }),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Access;
    use super::super::fixtures::fixture;
    use super::*;

    #[test]
    fn a_pause_and_a_debt_survive_a_restart_and_another_schedule() {
        let fixture = fixture();
        let new = fixture.store.follow("customers", "@hourly", 100).unwrap();
        assert_eq!(
            new,
            Timing {
                since_ms: 100,
                ..Timing::default()
            }
        );
        let pause = Pause {
            at_ms: 150,
            by: "ana".to_owned(),
        };
        fixture.store.pause("customers", Some(&pause)).unwrap();
        fixture.store.owe("customers", Some(900)).unwrap();
        drop(fixture.store);
        let store = Store::open(fixture.folder.path(), Access::Write).unwrap();
        let mut expected = Timing {
            since_ms: 100,
            owed_ms: Some(900),
            paused: Some(pause),
        };
        assert_eq!(store.follow("customers", "@hourly", 200).unwrap(), expected);
        expected.since_ms = 300;
        assert_eq!(store.follow("customers", "@daily", 300).unwrap(), expected);
        store.pause("customers", None).unwrap();
        store.owe("customers", None).unwrap();
        let cleared = Timing {
            since_ms: 300,
            ..Timing::default()
        };
        assert_eq!(store.follow("customers", "@daily", 400).unwrap(), cleared);
    }
}
