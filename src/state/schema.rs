//! The tables, the steps that bring an older file up to date, and the header that says what wrote it.
//!
//! `PRAGMA user_version` is the schema's version, `application_id` tells our files from other
//! SQLite files, and the table `header` keeps the version of the canonical encoding, the project's
//! secret and the store's own random number.

use std::path::Path;

use outflow_sdk::print::ENCODING_VERSION;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::StateError;

/// `OUTF`.
const APPLICATION_ID: i64 = 0x4f55_5446;

/// Each step brings a file from the version of its place to the next. Steps that were released are
/// never edited.
pub(super) const STEPS: &[&str] = &[V1, V2, V3, V4, V5, V6, V7];

const V1: &str = "
CREATE TABLE header (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- AUTOINCREMENT: a number is never used again, so a print cache of a forgotten sync cannot fit.
CREATE TABLE sync (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    identity   TEXT,
    generation INTEGER NOT NULL DEFAULT 0,
    adopt      INTEGER NOT NULL DEFAULT 0,
    rows       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE layout (
    id     INTEGER PRIMARY KEY,
    fields TEXT NOT NULL UNIQUE
) STRICT;

-- key: 16 bytes, big endian, so that rows lie in the order of their hashes.
-- prints: one 64-bit print per field of the layout, little endian.
CREATE TABLE row (
    sync       INTEGER NOT NULL,
    key        BLOB NOT NULL,
    print      INTEGER NOT NULL,
    layout     INTEGER NOT NULL,
    prints     BLOB NOT NULL,
    remote     TEXT,
    key_text   TEXT,
    match_text TEXT,
    applied_ms INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    PRIMARY KEY (sync, key)
) WITHOUT ROWID, STRICT;

CREATE TABLE reject (
    sync          INTEGER NOT NULL,
    key           BLOB NOT NULL,
    print         INTEGER NOT NULL,
    schema_print  INTEGER NOT NULL,
    class         TEXT NOT NULL,
    code          TEXT NOT NULL,
    field         TEXT,
    message       TEXT NOT NULL,
    key_text      TEXT NOT NULL,
    match_text    TEXT,
    attempts      INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    next_retry_ms INTEGER,
    PRIMARY KEY (sync, key)
) WITHOUT ROWID, STRICT;

CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY,
    sync        INTEGER NOT NULL,
    key         BLOB NOT NULL,
    at_ms       INTEGER NOT NULL,
    run         INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    code        TEXT NOT NULL,
    correlation TEXT
) STRICT;
CREATE INDEX attempt_of_key ON attempt (sync, key, id);

CREATE TABLE run (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    sync          TEXT NOT NULL,
    started_ms    INTEGER NOT NULL,
    finished_ms   INTEGER,
    status        TEXT NOT NULL,
    tally         TEXT NOT NULL,
    error_code    TEXT,
    error_message TEXT
) STRICT;
CREATE INDEX run_of_sync ON run (sync, id);

CREATE TABLE note (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;
";

const V2: &str = "
-- Jobs a destination has accepted and not told the result of. ticket, rows: JSON.
CREATE TABLE job (
    sync         INTEGER NOT NULL,
    run          INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    ticket       TEXT NOT NULL,
    replay_safe  INTEGER NOT NULL,
    layout       INTEGER NOT NULL,
    schema_print INTEGER NOT NULL,
    accepted_ms  INTEGER NOT NULL,
    rows         TEXT NOT NULL,
    PRIMARY KEY (sync, run, number)
) STRICT;
";

const V3: &str = "
-- What the daemon keeps of each sync: since when it has followed this schedule, when a run that could
-- not finish goes on, and who paused it.
CREATE TABLE timetable (
    sync      TEXT PRIMARY KEY,
    schedule  TEXT NOT NULL,
    since_ms  INTEGER NOT NULL,
    owed_ms   INTEGER,
    paused_ms INTEGER,
    paused_by TEXT
) WITHOUT ROWID, STRICT;
";

const V4: &str = "
-- Runs that callers asked for under a key of their own, by the key's hash.
CREATE TABLE asked (
    key      TEXT PRIMARY KEY,
    sync     TEXT NOT NULL,
    asked_ms INTEGER NOT NULL,
    run      INTEGER
) WITHOUT ROWID, STRICT;
CREATE INDEX asked_by_time ON asked (asked_ms);

-- Calls of hooks that were taken, by what their signature signs; none is taken twice.
CREATE TABLE hook_call (
    hook     TEXT NOT NULL,
    print    BLOB NOT NULL,
    taken_ms INTEGER NOT NULL,
    PRIMARY KEY (hook, print)
) WITHOUT ROWID, STRICT;
CREATE INDEX hook_call_by_time ON hook_call (taken_ms);
";

const V5: &str = "
-- What is wrong with syncs, and messages about it that are still to be sent.
CREATE TABLE alert (
    sync     TEXT NOT NULL,
    trouble  TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (sync, trouble)
) WITHOUT ROWID, STRICT;
CREATE TABLE notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    target     TEXT NOT NULL,
    text       TEXT NOT NULL,
    written_ms INTEGER NOT NULL
) STRICT;
";

const V6: &str = "
-- keys: of a run that read some rows alone, how many keys it was asked for.
ALTER TABLE run ADD COLUMN keys INTEGER;
-- body: hash of what a call asked for besides its sync; 0 = nothing.
ALTER TABLE asked ADD COLUMN body INTEGER NOT NULL DEFAULT 0;
";

const V7: &str = "
-- In which run each destination field last changed anything; no run need be looked through for it.
CREATE TABLE field_change (
    sync    TEXT NOT NULL,
    field   TEXT NOT NULL,
    run     INTEGER NOT NULL,
    at_ms   INTEGER,
    records INTEGER NOT NULL,
    PRIMARY KEY (sync, field)
) WITHOUT ROWID, STRICT;
-- Beside max(), SQLite gives the other columns of the row that has it.
INSERT INTO field_change (sync, run, field, at_ms, records)
SELECT run.sync, max(run.id), field.key, run.finished_ms, field.value
FROM run, json_each(iif(json_valid(run.tally), run.tally, '{}'), '$.detail.fields') AS field
WHERE typeof(field.value) = 'integer'
GROUP BY run.sync, field.key;
";

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Secret of the project's prints.
    pub(super) seed: u64,
    /// Random number of this store; caches made from another one do not fit.
    pub(super) store: u64,
}

/// The schema version this program writes.
pub(super) fn version() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The schema version of a file; refuses files of later versions and of other programs. Writes nothing.
///
/// # Errors
/// [`StateError::Newer`], [`StateError::Corrupt`].
pub(super) fn check(connection: &Connection, path: &Path, known: i64) -> Result<i64, StateError> {
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|error| StateError::sql(path, &error))
    };
    let found = pragma("user_version")?;
    let application = pragma("application_id")?;
    let empty = found == 0 && application == 0 && pragma("schema_version")? == 0;
    if !empty && application != APPLICATION_ID {
        return Err(StateError::corrupt(path, "it is a database of another program"));
    }
    if found > known {
        return Err(StateError::Newer {
            path: path.to_owned(),
            what: "schema",
            found,
            known,
        });
    }
    Ok(found)
}

/// Brings a file to the last of `steps`, in one transaction; a new file gets its header.
///
/// # Errors
/// When the file is of a later version, damaged, or cannot be written.
pub(super) fn migrate(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), StateError> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let sql = |error: rusqlite::Error| StateError::sql(path, &error);
    if check(connection, path, known)? == known {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sql)?;
    // Read again under the lock: another process may have been faster.
    let found = check(&transaction, path, known)?;
    let done = usize::try_from(found).unwrap_or(0);
    for step in steps.iter().skip(done) {
        transaction.execute_batch(step).map_err(sql)?;
    }
    if found == 0 {
        let header = [
            ("encoding", i64::from(ENCODING_VERSION)),
            ("seed", rand::random::<u64>().cast_signed()),
            ("store", rand::random::<u64>().cast_signed()),
        ];
        for (name, value) in header {
            set_header(&transaction, name, value).map_err(sql)?;
        }
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(sql)?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .map_err(sql)?;
    transaction.commit().map_err(sql)
}

/// Writes one entry of the header.
pub(super) fn set_header(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT INTO header (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            (name, value),
        )
        .map(drop)
}

/// Reads the header of a file that is up to date.
///
/// # Errors
/// When its values are hashed in a way this program does not know, or entries are missing.
pub(super) fn header(connection: &Connection, path: &Path) -> Result<Header, StateError> {
    let entry = |name: &str| {
        connection
            .query_row("SELECT value FROM header WHERE name = ?1", [name], |row| {
                row.get::<_, i64>(0)
            })
            .optional()
            .map_err(|error| StateError::sql(path, &error))?
            .ok_or_else(|| StateError::corrupt(path, format!("its header has no {name}")))
    };
    let encoding = entry("encoding")?;
    if encoding > i64::from(ENCODING_VERSION) {
        return Err(StateError::Newer {
            path: path.to_owned(),
            what: "encoding",
            found: encoding,
            known: i64::from(ENCODING_VERSION),
        });
    }
    Ok(Header {
        seed: entry("seed")?.cast_unsigned(),
        store: entry("store")?.cast_unsigned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PATH: &str = "state.db";

    fn open() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn a_file_of_an_earlier_version_is_brought_up_to_date_and_keeps_its_rows() {
        let mut connection = open();
        let path = Path::new(PATH);
        migrate(&mut connection, path, &[V1]).unwrap();
        connection
            .execute("INSERT INTO sync (name) VALUES ('customers')", ())
            .unwrap();
        let before = header(&connection, path).unwrap();
        let later = [
            V1,
            "ALTER TABLE sync ADD COLUMN paused INTEGER NOT NULL DEFAULT 0",
        ];
        migrate(&mut connection, path, &later).unwrap();
        let (name, paused): (String, i64) = connection
            .query_row("SELECT name, paused FROM sync", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!((name.as_str(), paused), ("customers", 0));
        assert_eq!(header(&connection, path).unwrap(), before, "the secret is kept");
        migrate(&mut connection, path, &later).unwrap();
        let error = migrate(&mut connection, path, &[V1]).unwrap_err();
        assert!(
            matches!(
                error,
                StateError::Newer {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_file_of_version_1_gains_the_later_tables_and_keeps_everything_else() {
        let mut connection = open();
        let path = Path::new(PATH);
        migrate(&mut connection, path, &[V1]).unwrap();
        let filled = "INSERT INTO sync (name, rows) VALUES ('customers', 1);
             INSERT INTO row VALUES (1, x'00', 5, 1, x'', 'r', NULL, NULL, 7, 3);
             INSERT INTO reject VALUES (1, x'01', 5, 6, 'transient', 'c', NULL, 'm', 'k', NULL, 1, 2, 3, NULL);
             INSERT INTO note VALUES ('limiter/a', '[]');";
        connection.execute_batch(filled).unwrap();
        let count = |connection: &Connection, table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, (), |row| row.get(0)).unwrap()
        };
        assert!(connection.prepare("SELECT * FROM job").is_err());
        migrate(&mut connection, path, STEPS).unwrap();
        assert_eq!(check(&connection, path, version()).unwrap(), 7);
        let tables = [
            ("sync", 1),
            ("row", 1),
            ("reject", 1),
            ("note", 1),
            ("job", 0),
            ("timetable", 0),
            ("asked", 0),
            ("hook_call", 0),
            ("alert", 0),
            ("notice", 0),
            ("field_change", 0),
        ];
        for (table, rows) in tables {
            assert_eq!(count(&connection, table), rows, "{table}");
        }
        let mut new = open();
        migrate(&mut new, path, STEPS).unwrap();
        let tables = |connection: &Connection| -> Vec<Option<String>> {
            let mut statement = connection
                .prepare("SELECT sql FROM sqlite_schema ORDER BY name")
                .unwrap();
            let found = statement.query_map((), |row| row.get(0)).unwrap();
            found.map(Result::unwrap).collect()
        };
        assert_eq!(tables(&new), tables(&connection));
    }

    #[test]
    fn a_file_of_version_6_learns_when_fields_changed_from_the_runs_it_has() {
        let mut connection = open();
        let path = Path::new(PATH);
        migrate(&mut connection, path, &STEPS[..6]).unwrap();
        let runs = r#"INSERT INTO run (id, sync, started_ms, finished_ms, status, tally) VALUES
            (1, 'customers', 1, 10, 'ok', '{"read":5,"detail":{"fields":{"email":5,"city":4}}}'),
            (2, 'customers', 1, 20, 'ok', '{"read":5,"detail":{"fields":{"email":2}}}'),
            (3, 'customers', 1, 30, 'ok', '{"read":5}'),
            (4, 'companies', 1, NULL, 'failed', '{"detail":{"fields":{"email":9,"odd":"x"}}}'),
            (5, 'companies', 1, 50, 'ok', 'damaged');"#;
        connection.execute_batch(runs).unwrap();
        migrate(&mut connection, path, STEPS).unwrap();
        let mut statement = connection
            .prepare("SELECT sync, field, run, at_ms, records FROM field_change")
            .unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            let (sync, field): (String, String) = (row.get(0)?, row.get(1)?);
            let numbers: (i64, Option<i64>, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok((format!("{sync}.{field}"), numbers))
        };
        let found: Vec<_> = statement
            .query_map((), row)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            found,
            [
                ("companies.email".to_owned(), (4, None, 9)),
                ("customers.city".to_owned(), (1, Some(10), 4)),
                ("customers.email".to_owned(), (2, Some(20), 2)),
            ]
        );
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = open();
        let path = Path::new(PATH);
        migrate(&mut connection, path, &[V1]).unwrap();
        let broken = [
            V1,
            "ALTER TABLE sync ADD COLUMN a INTEGER; ALTER TABLE nothing ADD COLUMN b",
        ];
        assert!(migrate(&mut connection, path, &broken).is_err());
        assert_eq!(check(&connection, path, 1).unwrap(), 1);
        migrate(
            &mut connection,
            path,
            &[V1, "ALTER TABLE sync ADD COLUMN a INTEGER"],
        )
        .unwrap();
    }

    #[test]
    fn an_encoding_of_a_later_version_is_refused() {
        let mut connection = open();
        let path = Path::new(PATH);
        migrate(&mut connection, path, STEPS).unwrap();
        set_header(&connection, "encoding", i64::from(ENCODING_VERSION) + 1).unwrap();
        let error = header(&connection, path).unwrap_err();
        assert!(error.to_string().contains("encoding 2"), "{error}");
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let mut connection = open();
        connection.execute_batch("CREATE TABLE theirs (a)").unwrap();
        let error = migrate(&mut connection, Path::new(PATH), STEPS).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
    }
}
