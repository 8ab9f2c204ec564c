//! Import: the store from [lines of JSON](super::lines), all of them or none.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use outflow_sdk::print::ENCODING_VERSION;
use rusqlite::Connection;

use super::commit::{insert_attempt, insert_reject};
use super::erase::note_erasure;
use super::jobs::{Job, JobId, JobRow, JobRowLine, insert_job};
use super::lines::{FORMAT, Hex, Line, RejectLine, RowLine, Transferred};
use super::row_writes::{INSERT_ROW, write_row};
use super::runs::write_run;
use super::{Access, Attempt, RunRecord, StateError, Store, SyncId, schema};

impl Store {
    /// Fills the store in `dir` from an export, in one transaction: all of it or nothing.
    ///
    /// # Errors
    /// [`StateError::NotEmpty`] unless `replace`; [`StateError::Newer`] for an export of a later
    /// version; [`StateError::Import`] with the line that is wrong.
    pub fn import(dir: &Path, input: impl BufRead, replace: bool) -> Result<Transferred, StateError> {
        let store = Self::open(dir, Access::Write)?;
        let moved = store.transaction(|transaction| {
            let mut import = Import {
                store: &store,
                connection: transaction,
                syncs: HashMap::new(),
                moved: Transferred::default(),
            };
            import.make_room(replace)?;
            import.all(input)?;
            Ok(import.moved)
        })?;
        store.checkpoint()?;
        Ok(moved)
    }
}

struct Import<'a> {
    store: &'a Store,
    connection: &'a Connection,
    /// Rows of each sync so far.
    syncs: HashMap<SyncId, i64>,
    moved: Transferred,
}

/// Why a line cannot be taken.
enum Refusal {
    Words(String),
    Sql(rusqlite::Error),
    State(StateError),
}

impl From<String> for Refusal {
    fn from(words: String) -> Self {
        Refusal::Words(words)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => {
                Refusal::Words("it names something that is there already".to_owned())
            }
            _ => Refusal::Sql(error),
        }
    }
}

impl Import<'_> {
    /// An empty store, or the one that is to be replaced without its contents. Its number changes, so
    /// that no print cache of the old contents fits.
    fn make_room(&self, replace: bool) -> Result<(), StateError> {
        let sql = |error: rusqlite::Error| self.store.sql(&error);
        let used: bool = self
            .connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sync) OR EXISTS (SELECT 1 FROM run)",
                (),
                |row| row.get(0),
            )
            .map_err(sql)?;
        if used && !replace {
            return Err(StateError::NotEmpty {
                path: self.store.path().to_owned(),
            });
        }
        note_erasure(self.connection).map_err(sql)?;
        for table in [
            "row",
            "reject",
            "attempt",
            "job",
            "run",
            "field_change",
            "sync",
            "layout",
            "note",
        ] {
            self.connection
                .execute(&format!("DELETE FROM {table}"), ())
                .map_err(sql)?;
        }
        schema::set_header(self.connection, "store", rand::random::<u64>().cast_signed()).map_err(sql)
    }

    fn all(&mut self, input: impl BufRead) -> Result<(), StateError> {
        let mut number = 0u64;
        let mut ended = false;
        for text in input.lines() {
            number += 1;
            let failed = |reason: String| StateError::Import { line: number, reason };
            let text = text.map_err(|error| failed(format!("it cannot be read: {error}")))?;
            if ended {
                return Err(failed("there is more after the end".to_owned()));
            }
            // The parser's own words could quote a value.
            let line: Line = serde_json::from_str(&text)
                .map_err(|error| failed(format!("column {} is not as in an export", error.column())))?;
            if (number == 1) != matches!(line, Line::Header { .. }) {
                return Err(failed("the header must be the first line, once".to_owned()));
            }
            if let Line::End { lines } = line {
                if lines != number {
                    return Err(failed(format!("the export had {lines} lines")));
                }
                ended = true;
                continue;
            }
            self.line(line).map_err(|refusal| match refusal {
                Refusal::Words(words) => failed(words),
                Refusal::Sql(error) => self.store.sql(&error),
                Refusal::State(error) => error,
            })?;
        }
        if !ended {
            return Err(StateError::Import {
                line: number + 1,
                reason: "the export is cut off here".to_owned(),
            });
        }
        for (sync, rows) in &self.syncs {
            self.connection
                .execute("UPDATE sync SET rows = ?2 WHERE id = ?1", (sync, rows))
                .map_err(|error| self.store.sql(&error))?;
        }
        Ok(())
    }

    fn line(&mut self, line: Line) -> Result<(), Refusal> {
        match line {
            Line::Header {
                format,
                schema,
                encoding,
                seed,
            } => self.header(format, schema, encoding, &seed)?,
            Line::Layout { id, fields } => {
                let text = serde_json::to_string(&fields).map_err(|error| error.to_string())?;
                self.connection
                    .execute("INSERT INTO layout (id, fields) VALUES (?1, ?2)", (id, text))?;
            }
            Line::Sync {
                id,
                name,
                identity,
                generation,
                adopt,
            } => {
                let identity = identity
                    .map(|identity| serde_json::to_string(&identity))
                    .transpose()
                    .map_err(|error| error.to_string())?;
                self.connection.execute(
                    "INSERT INTO sync (id, name, identity, generation, adopt) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (id, name, identity, generation.cast_signed(), adopt),
                )?;
                self.syncs.insert(id, 0);
                self.moved.syncs += 1;
            }
            Line::Row(line) => self.row(line)?,
            Line::Reject(line) => self.reject(line)?,
            Line::Attempt {
                sync,
                key,
                at_ms,
                run,
                outcome,
                code,
                correlation,
            } => {
                self.known(sync)?;
                let attempt = Attempt {
                    key: key.to_key()?,
                    at_ms,
                    run,
                    outcome,
                    code,
                    correlation,
                };
                insert_attempt(self.connection, sync, &attempt)?;
            }
            Line::Job {
                sync,
                run,
                number,
                ticket,
                replay_safe,
                layout,
                schema_print,
                accepted_ms,
                rows,
            } => {
                self.known(sync)?;
                let rows: Result<Vec<JobRow>, String> = rows.into_iter().map(JobRowLine::into_row).collect();
                let job = Job {
                    id: JobId { run, number },
                    ticket,
                    replay_safe,
                    layout,
                    schema_print: schema_print.to_print()?,
                    accepted_ms,
                    rows: rows?,
                };
                insert_job(self.connection, sync, &job)?;
            }
            Line::Run {
                id,
                sync,
                started_ms,
                finished_ms,
                status,
                keys,
                tally,
                error,
                detail,
            } => {
                let run = RunRecord {
                    id,
                    sync,
                    started_ms,
                    finished_ms,
                    status,
                    keys,
                    tally,
                    error,
                    detail,
                };
                write_run(self.connection, &run)?;
                self.moved.runs += 1;
            }
            Line::Note { name, value } => {
                self.connection
                    .execute("INSERT INTO note (name, value) VALUES (?1, ?2)", (name, value))?;
            }
            Line::End { .. } => {}
        }
        Ok(())
    }

    fn header(&self, format: u32, schema: i64, encoding: u32, seed: &Hex) -> Result<(), Refusal> {
        let versions = [
            ("export format", i64::from(format), i64::from(FORMAT)),
            ("schema", schema, schema::version()),
            ("encoding", i64::from(encoding), i64::from(ENCODING_VERSION)),
        ];
        for (what, found, known) in versions {
            if found > known {
                return Err(Refusal::State(StateError::Newer {
                    path: self.store.path().to_owned(),
                    what,
                    found,
                    known,
                }));
            }
        }
        schema::set_header(self.connection, "seed", seed.to_print()?.cast_signed())?;
        Ok(())
    }

    fn known(&self, sync: SyncId) -> Result<(), Refusal> {
        if self.syncs.contains_key(&sync) {
            Ok(())
        } else {
            Err(Refusal::Words(format!(
                "sync {sync} is not in the export before this line"
            )))
        }
    }

    fn row(&mut self, line: RowLine) -> Result<(), Refusal> {
        let sync = line.sync;
        self.known(sync)?;
        let row = line.into_row()?;
        let mut insert = self.connection.prepare_cached(INSERT_ROW)?;
        if !write_row(&mut insert, sync, &row)? {
            return Err(Refusal::Words("a row is there already".to_owned()));
        }
        *self.syncs.entry(sync).or_default() += 1;
        self.moved.rows += 1;
        Ok(())
    }

    fn reject(&mut self, line: RejectLine) -> Result<(), Refusal> {
        let sync = line.sync;
        self.known(sync)?;
        let reject = line.into_reject()?;
        insert_reject(self.connection, sync, &reject)?;
        self.moved.rejects += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tempfile::TempDir;

    use super::super::fixtures::{Fixture, attempt, fixture, job, key, reject, row, rows};
    use super::super::{Changes, Filter, Probe, RunDetail, RunStatus, Tally};
    use super::*;

    fn filled() -> Fixture {
        let fixture = fixture();
        fixture.store.layout(&["email".to_owned()]).unwrap();
        let mut named = row(key(1), 0);
        named.key_text = Some("1".to_owned());
        named.match_text = Some("\u{fc}\"\n@example.com".to_owned());
        fixture.commit(&rows([named, row(key(2), u64::MAX)]));
        fixture.commit(&Changes {
            rejects: vec![reject(key(3), "a@example.com")],
            attempts: vec![attempt(key(3), 1), attempt(key(3), 2)],
            jobs: vec![job(3, 1), job(3, 2)],
            ..Changes::default()
        });
        let id = fixture.store.begin_run("customers", 5).unwrap();
        let run = RunRecord {
            id,
            sync: "customers".to_owned(),
            started_ms: 5,
            finished_ms: Some(6),
            status: RunStatus::Failed,
            keys: Some(2),
            tally: Tally::default(),
            error: Some(("code".to_owned(), "words".to_owned())),
            detail: RunDetail {
                limiter_wait_ms: 7,
                ..RunDetail::default()
            },
        };
        fixture.store.finish_run(&run).unwrap();
        fixture.store.limiter_save("hubspot:77", "[1]").unwrap();
        fixture
    }

    fn exported(store: &Store) -> String {
        let mut out = Vec::new();
        store.export(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn import(dir: &TempDir, text: &str, replace: bool) -> Result<Transferred, StateError> {
        Store::import(dir.path(), text.as_bytes(), replace)
    }

    #[test]
    fn what_is_exported_and_imported_is_the_same_state() {
        let fixture = filled();
        let text = exported(&fixture.store);
        let dir = tempfile::tempdir().unwrap();
        let moved = import(&dir, &text, false).unwrap();
        let expected = Transferred {
            syncs: 1,
            rows: 2,
            rejects: 1,
            runs: 1,
        };
        assert_eq!(moved, expected);
        let copy = Store::open(dir.path(), Access::Write).unwrap();
        assert_eq!(exported(&copy), text);
        assert_eq!(copy.printer().integer(1), fixture.store.printer().integer(1));
        let mut filter = Filter::load(&copy, &copy.sync("customers").unwrap().unwrap()).unwrap();
        assert_eq!(filter.probe(key(2), u64::MAX), Probe::Seen);
    }

    #[test]
    fn a_state_in_use_is_replaced_only_when_that_is_said() {
        let fixture = filled();
        let text = exported(&fixture.store);
        let Fixture { store, folder, sync } = fixture;
        Filter::rebuild(&store, sync.id).unwrap();
        store.commit(sync.id, [&rows([row(key(9), 9)])]).unwrap();
        drop(store);
        let error = import(&folder, &text, false).unwrap_err();
        assert!(matches!(error, StateError::NotEmpty { .. }), "{error}");
        import(&folder, &text, true).unwrap();
        let store = Store::open(folder.path(), Access::Write).unwrap();
        assert_eq!(exported(&store), text);
        let filter = Filter::load(&store, &store.sync("customers").unwrap().unwrap()).unwrap();
        assert!(
            !filter.is_kept,
            "a print cache made before the import is not used"
        );
    }

    #[test]
    fn an_export_that_is_not_whole_or_not_right_changes_nothing() {
        let text = exported(&filled().store);
        let lines: Vec<&str> = text.lines().collect();
        let without_last = lines[..lines.len() - 1].join("\n");
        let row = lines.iter().find(|line| line.starts_with("{\"row\"")).unwrap();
        let cases = [
            (String::new(), "cut off"),
            (without_last, "cut off"),
            (text[..text.len() / 2].to_owned(), "not as in an export"),
            (lines[1..].join("\n"), "header must be the first line"),
            (text.replacen(row, &format!("{row}\n{row}"), 1), "there already"),
            (text.replacen(&format!("{row}\n"), "", 1), "lines"),
            (text.replace("\"sync\":1,", "\"sync\":2,"), "not in the export"),
            (
                text.replace(&format!("{:032x}", key(2)), "12"),
                "32 hexadecimal digits",
            ),
            (
                text.replace("ffffffffffffffff", "fffffffffffffffg"),
                "16 hexadecimal digits",
            ),
            (text.clone() + "{}\n", "after the end"),
            ("key,email\n1,a@example.com\n".to_owned(), "not as in an export"),
        ];
        for (bad, words) in cases {
            let dir = tempfile::tempdir().unwrap();
            let error = import(&dir, &bad, false).unwrap_err();
            let said = error.to_string();
            assert!(
                said.contains(words) && said.contains("nothing was imported"),
                "{words}: {said}"
            );
            assert!(!said.contains("example.com"), "{said}");
            let store = Store::open(dir.path(), Access::Read).unwrap();
            assert!(store.syncs().unwrap().is_empty(), "{words}");
        }
    }

    #[test]
    fn an_export_of_a_later_version_is_refused() {
        let text = exported(&filled().store);
        for (part, version) in [("format", 1), ("schema", schema::version()), ("encoding", 1)] {
            let now = format!("\"{part}\":{version}");
            let later = text.replacen(&now, &format!("\"{part}\":{}", version + 1), 1);
            let dir = tempfile::tempdir().unwrap();
            let error = import(&dir, &later, false).unwrap_err();
            assert!(
                matches!(
                    error,
                    StateError::Newer { found, known, .. } if (found, known) == (version + 1, version)
                ),
                "{part}: {error}"
            );
        }
    }

    #[test]
    fn an_export_of_version_1_is_taken() {
        let text = exported(&filled().store);
        let jobs = text.lines().filter(|line| !line.starts_with("{\"job\"")).count();
        let lines = text.lines().count();
        let old: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("{\"job\""))
            .collect();
        let old = old.join("\n").replacen("\"schema\":2", "\"schema\":1", 1);
        let old = old.replacen(
            &format!("{{\"lines\":{lines}}}"),
            &format!("{{\"lines\":{jobs}}}"),
            1,
        );
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(import(&dir, &old, false).unwrap().rows, 2);
    }
}
