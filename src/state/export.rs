//! Export: everything the store holds, as [lines of JSON](super::lines).

use std::io::Write;

use outflow_sdk::print::ENCODING_VERSION;
use rusqlite::{Connection, Row};

use super::jobs::{JOB, job_of};
use super::lines::{FORMAT, Hex, Line, Transferred, attempt_line, job_line, reject_line, row_line, run_line};
use super::rejects::{REJECT, attempt_of, reject_of};
use super::rows::{ALL, stored_row};
use super::runs::{RUNS, run_record};
use super::syncs::all_syncs;
use super::{StateError, Store, SyncId, schema};

impl Store {
    /// Writes everything the store holds, as of one instant.
    ///
    /// # Errors
    /// When the store cannot be read or `out` cannot be written.
    pub fn export(&self, out: impl Write) -> Result<Transferred, StateError> {
        let snapshot = self.snapshot()?;
        let mut export = Export {
            store: self,
            connection: &snapshot,
            out,
            lines: 0,
            moved: Transferred::default(),
        };
        export.all()?;
        Ok(export.moved)
    }
}

struct Export<'a, W> {
    store: &'a Store,
    connection: &'a Connection,
    out: W,
    lines: u64,
    moved: Transferred,
}

impl<W: Write> Export<'_, W> {
    fn all(&mut self) -> Result<(), StateError> {
        self.line(&Line::Header {
            format: FORMAT,
            schema: schema::version(),
            encoding: ENCODING_VERSION,
            seed: Hex::print(self.store.seed()),
        })?;
        let mut layouts: Vec<_> = self.store.layouts()?.into_iter().collect();
        layouts.sort();
        for (id, fields) in layouts {
            self.line(&Line::Layout {
                id,
                fields: fields.to_vec(),
            })?;
        }
        let syncs = all_syncs(self.connection).map_err(|error| self.store.sql(&error))?;
        for state in syncs {
            self.moved.syncs += 1;
            self.line(&Line::Sync {
                id: state.id,
                name: state.name,
                identity: state.identity,
                generation: state.generation,
                adopt: state.adopt,
            })?;
            self.rows_of(state.id)?;
        }
        self.moved.runs = self.each(&format!("{RUNS} ORDER BY id"), None, |row| {
            run_record(row).map(run_line)
        })?;
        self.each("SELECT name, value FROM note ORDER BY name", None, |row| {
            Ok(Line::Note {
                name: row.get(0)?,
                value: row.get(1)?,
            })
        })?;
        self.line(&Line::End {
            lines: self.lines + 1,
        })?;
        self.out.flush().map_err(StateError::Export)
    }

    fn rows_of(&mut self, sync: SyncId) -> Result<(), StateError> {
        self.moved.rows += self.each(ALL, Some(sync), |row| {
            stored_row(row).map(|row| row_line(sync, row))
        })?;
        let rejects = format!("SELECT {REJECT} FROM reject WHERE sync = ?1 ORDER BY key");
        self.moved.rejects += self.each(&rejects, Some(sync), |row| {
            reject_of(row).map(|reject| reject_line(sync, reject))
        })?;
        let attempts =
            "SELECT key, at_ms, run, outcome, code, correlation FROM attempt WHERE sync = ?1 ORDER BY id";
        self.each(attempts, Some(sync), |row| {
            attempt_of(row).map(|attempt| attempt_line(sync, attempt))
        })?;
        let jobs = format!("SELECT {JOB} WHERE sync = ?1 ORDER BY run, number");
        self.each(&jobs, Some(sync), |row| {
            job_of(row).map(|job| job_line(sync, job))
        })?;
        Ok(())
    }

    /// Writes a line for each row of a query; gives their number.
    fn each(
        &mut self,
        sql: &str,
        sync: Option<SyncId>,
        line: impl Fn(&Row<'_>) -> rusqlite::Result<Line>,
    ) -> Result<u64, StateError> {
        let store = self.store;
        let mut statement = self.connection.prepare(sql).map_err(|error| store.sql(&error))?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(sync))
            .map_err(|error| store.sql(&error))?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(|error| store.sql(&error))? {
            self.line(&line(row).map_err(|error| store.sql(&error))?)?;
            count += 1;
        }
        Ok(count)
    }

    fn line(&mut self, line: &Line) -> Result<(), StateError> {
        self.lines += 1;
        serde_json::to_writer(&mut self.out, line).map_err(|error| StateError::Export(error.into()))?;
        self.out.write_all(b"\n").map_err(StateError::Export)
    }
}
