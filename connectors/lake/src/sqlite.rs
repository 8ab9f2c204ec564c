//! Rows of SQLite: a table of a database, or any statement that only reads.

use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::keys::{Keys, place};
use outflow_sdk::names::project;
use outflow_sdk::source::Column;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement};

use crate::cell::Cell;
use crate::columns::Batcher;
use crate::kind::{Declared, Kind, Observed};
use crate::messages;
use crate::narrow::{self, Scope};
use crate::sink::{Cancel, Flow, Look, Sink, Tally};
use crate::stamp::FileRef;

/// How long a locked database is waited for.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(5);
/// The longest row SQLite reads or makes, in bytes: two cells of the largest size.
const MAX_ROW: i32 = 128 << 20;
/// Steps of SQLite's virtual machine between two looks at whether anybody still wants the read.
const STEPS_BETWEEN_CHECKS: i32 = 20_000;
/// Rows between two such looks.
const ROWS_BETWEEN_CHECKS: u64 = 4_096;

/// How SQLite begins the SQL of a virtual table in a schema, whatever it was created with.
pub(crate) const VIRTUAL: &str = "CREATE VIRTUAL TABLE ";

/// Opens a database for reading only.
pub(crate) fn connect(file: &FileRef) -> Result<Connection, ConnectorError> {
    // Looking only: to open and close a database's file would drop the locks that other reads of
    // this process hold on it.
    file.stamp()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error: rusqlite::Error| messages::sqlite(&file.label, &error);
    let connection = Connection::open_with_flags(&file.path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    Ok(connection)
}

/// Bounds what a statement may use: its rows' length, and its time once `cancel` is set.
pub(crate) fn bound(connection: &mut Connection, cancel: &Cancel) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_ROW)?;
    let cancel = cancel.clone();
    connection.progress_handler(STEPS_BETWEEN_CHECKS, Some(move || cancel.is_cancelled()))
}

/// Names of a database's tables and views.
pub(crate) fn table_names(file: &FileRef) -> Result<Vec<String>, ConnectorError> {
    let connection = connect(file)?;
    let names = || -> rusqlite::Result<Vec<String>> {
        connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') \
                 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    names().map_err(|error| messages::sqlite(&file.label, &error))
}

/// Virtual tables of a database that SQLite cannot read for want of their modules, and why.
pub(crate) fn unreadable_tables(file: &FileRef) -> Result<Vec<(String, ConnectorError)>, ConnectorError> {
    let connection = connect(file)?;
    let failed = |error: rusqlite::Error| messages::sqlite(&file.label, &error);
    let virtual_tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE ?1 || '%' ORDER BY name")
        .and_then(|mut names| names.query_map([VIRTUAL], |row| row.get(0))?.collect())
        .map_err(failed)?;
    let mut unreadable = Vec::new();
    for table in virtual_tables {
        if let Err(error) = connection.prepare(&format!("SELECT * FROM {}", quoted(&table))) {
            let error = messages::sqlite(&format!("{} table '{table}'", file.label), &error);
            unreadable.push((table, error));
        }
    }
    Ok(unreadable)
}

/// A name quoted for SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A column of a statement's result that is wanted.
#[derive(Clone, Debug)]
struct Selected {
    at: usize,
    name: String,
    declaration: Option<String>,
    declared: Declared,
}

/// A statement that is known to read only, on an open connection inside a read transaction.
pub(crate) struct Query<'a> {
    connection: &'a Connection,
    label: &'a str,
    cancel: &'a Cancel,
    sql: String,
    /// Of these rows alone, where some were asked for.
    narrowed: Option<String>,
    selected: Vec<Selected>,
    kinds: Vec<Kind>,
}

impl<'a> Query<'a> {
    /// Prepares a read of `table`.
    pub(crate) fn table(
        connection: &'a Connection,
        label: &'a str,
        table: &str,
        wanted: &[String],
        scope: Scope<'_>,
        cancel: &'a Cancel,
    ) -> Flow<Self> {
        let table = quoted(table);
        let all = format!("SELECT * FROM {table}");
        let names = {
            let statement = prepare(connection, label, &all, cancel)?;
            select(label, &statement, wanted)?
        };
        let list = names
            .iter()
            .map(|column| quoted(&column.name))
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!("SELECT {list} FROM {table}");
        let narrowed = scope.keys.map(|keys| {
            let names = key_names(keys, names.iter().map(|column| column.name.as_str()));
            format!("{sql} WHERE {}", narrow::condition(keys, &names))
        });
        Self::new(connection, label, sql, narrowed, &[], scope, cancel)
    }

    /// Prepares a read of `sql`'s `wanted` columns, which looks through the result once where
    /// declared types do not settle what it holds.
    pub(crate) fn statement(
        connection: &'a Connection,
        label: &'a str,
        sql: String,
        wanted: &[String],
        scope: Scope<'_>,
        cancel: &'a Cancel,
    ) -> Flow<Self> {
        let Some(keys) = scope.keys else {
            return Self::new(connection, label, sql, None, wanted, scope, cancel);
        };
        let failed = |error: rusqlite::Error| messages::sqlite_halt(label, &error, cancel);
        let names: Vec<String> = {
            let statement = prepare(connection, label, &sql, cancel)?;
            let names = statement.columns();
            names.map(|column| column.name().to_owned()).collect()
        };
        let names = key_names(keys, names.iter().map(String::as_str));
        let inner = narrow::as_subquery(connection, &sql).map_err(failed)?;
        // The model may end in a comment.
        let narrowed = format!(
            "SELECT * FROM (\n{inner}\n) AS outflow_rows WHERE {}",
            narrow::condition(keys, &names)
        );
        Self::new(connection, label, sql, Some(narrowed), wanted, scope, cancel)
    }

    fn new(
        connection: &'a Connection,
        label: &'a str,
        sql: String,
        narrowed: Option<String>,
        wanted: &[String],
        scope: Scope<'_>,
        cancel: &'a Cancel,
    ) -> Flow<Self> {
        let selected = {
            let statement = prepare(connection, label, &sql, cancel)?;
            select(label, &statement, wanted)?
        };
        let mut query = Self {
            connection,
            label,
            cancel,
            sql,
            narrowed,
            selected,
            kinds: Vec::new(),
        };
        query.kinds = query.observe(scope)?;
        Ok(query)
    }

    /// The columns' types, from what they are declared as and what they hold.
    fn observe(&self, scope: Scope<'_>) -> Flow<Vec<Kind>> {
        let new = || {
            let columns = self.selected.iter();
            columns.map(|column| Observed::new(column.declared)).collect()
        };
        let mut model = format!("{}\n{}", self.label, self.sql);
        for column in &self.selected {
            model.push('\n');
            model.push_str(&column.name);
            model.push_str(column.declaration.as_deref().unwrap_or_default());
        }
        let known = match &self.narrowed {
            Some(narrowed) => scope.remembered.get(&model).map(|known| (narrowed, known)),
            None => None,
        };
        let observed = match known {
            Some((narrowed, known)) => self.look_through(narrowed, known, scope.look)?,
            None => {
                let observed = self.look_through(&self.sql, new(), scope.look)?;
                if scope.look == Look::Whole {
                    scope.remembered.set(model, observed.clone());
                }
                observed
            }
        };
        Ok(observed.iter().map(Observed::decide).collect())
    }

    /// Adds what the rows of `sql` hold to what was observed before.
    fn look_through(&self, sql: &str, mut observed: Vec<Observed>, look: Look) -> Flow<Vec<Observed>> {
        if !self.selected.iter().all(|column| column.declared.is_certain()) {
            let failed = |error: rusqlite::Error| messages::sqlite_halt(self.label, &error, self.cancel);
            let mut statement = prepare(self.connection, self.label, sql, self.cancel)?;
            let mut rows = statement.query([]).map_err(failed)?;
            let mut count = 0;
            while count < look.rows() {
                let Some(row) = rows.next().map_err(failed)? else {
                    break;
                };
                count += 1;
                for (column, observed) in self.selected.iter().zip(&mut observed) {
                    if !column.declared.is_certain() {
                        observed.add(&self.cell(row.get_ref(column.at).map_err(failed)?, column, count)?);
                    }
                }
                if count.is_multiple_of(ROWS_BETWEEN_CHECKS) {
                    self.cancel.check()?;
                }
            }
        }
        Ok(observed)
    }

    fn cell<'v>(&self, value: ValueRef<'v>, column: &Selected, row: u64) -> Result<Cell<'v>, ConnectorError> {
        Ok(match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Integer(value),
            ValueRef::Real(value) => Cell::Real(value),
            ValueRef::Text(bytes) => Cell::Text(std::str::from_utf8(bytes).map_err(|_| {
                ConnectorError::source(
                    "sqlite_invalid_utf8",
                    format!(
                        "{}: column '{}' is not UTF-8 in row {row}",
                        self.label, column.name
                    ),
                )
            })?),
            ValueRef::Blob(_) => Cell::Blob,
        })
    }

    /// The wanted columns.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.selected
            .iter()
            .zip(&self.kinds)
            .map(|(column, kind)| Column {
                name: column.name.clone(),
                type_name: column
                    .declaration
                    .clone()
                    .unwrap_or_else(|| kind.arrow_type().to_string().to_lowercase()),
                arrow_type: kind.arrow_type(),
            })
            .collect()
    }

    /// Pushes the rows.
    pub(crate) fn stream(&self, sink: &mut dyn Sink) -> Flow<Tally> {
        let failed = |error: rusqlite::Error| messages::sqlite_halt(self.label, &error, self.cancel);
        let mut columns = self.selected.iter().zip(&self.kinds);
        if let Some((column, _)) = columns.find(|(_, kind)| **kind == Kind::Blob) {
            return Err(messages::unsupported_column(self.label, &column.name, "BLOBs").into());
        }
        let names = self.selected.iter().map(|column| column.name.as_str());
        let mut batcher = Batcher::new(names.zip(self.kinds.iter().copied()));
        sink.schema(batcher.schema())?;
        let sql = self.narrowed.as_ref().unwrap_or(&self.sql);
        let mut statement = prepare(self.connection, self.label, sql, self.cancel)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut tally = Tally::default();
        while let Some(row) = rows.next().map_err(failed)? {
            tally.rows += 1;
            for (column, selected) in self.selected.iter().enumerate() {
                let cell = self.cell(row.get_ref(selected.at).map_err(failed)?, selected, tally.rows)?;
                batcher
                    .append(column, &cell)
                    .map_err(|_| self.unfit(&cell, selected))?;
            }
            if let Some(batch) = batcher.end_row()? {
                self.cancel.check()?;
                sink.batch(batch)?;
            }
        }
        if let Some(batch) = batcher.rest()? {
            sink.batch(batch)?;
        }
        Ok(tally)
    }

    /// A value unlike those seen a moment ago in the same snapshot.
    fn unfit(&self, cell: &Cell<'_>, column: &Selected) -> ConnectorError {
        if matches!(cell, Cell::Blob) {
            return messages::unsupported_column(self.label, &column.name, "BLOBs");
        }
        ConnectorError::source(
            "query_not_repeatable",
            format!(
                "{}: column '{}' gave other types when the query was run a second time",
                self.label, column.name
            ),
        )
        .with_hint("the SQL depends on chance or on the time; give the column a type with CAST(… AS …)")
    }
}

/// The key's columns as the model spells them; one it does not have stays as it was asked for, and is
/// told as missing by whoever wants its values.
fn key_names<'n>(keys: &Keys, names: impl Iterator<Item = &'n str> + Clone) -> Vec<String> {
    let spelt = |wanted: &String| place(names.clone(), wanted).and_then(|at| names.clone().nth(at));
    let columns = keys.columns.iter();
    columns
        .map(|wanted| spelt(wanted).unwrap_or(wanted).to_owned())
        .collect()
}

fn prepare<'c>(connection: &'c Connection, label: &str, sql: &str, cancel: &Cancel) -> Flow<Statement<'c>> {
    connection
        .prepare(sql)
        .map_err(|error| messages::sqlite_halt(label, &error, cancel))
}

fn select(
    label: &str,
    statement: &Statement<'_>,
    wanted: &[String],
) -> Result<Vec<Selected>, ConnectorError> {
    let all: Vec<Selected> = statement
        .columns()
        .enumerate()
        .map(|(at, column)| Selected {
            at,
            name: column.name().to_owned(),
            declaration: column.decl_type().map(str::to_owned),
            declared: Declared::parse(column.decl_type()),
        })
        .collect();
    let names: Vec<String> = all.iter().map(|column| column.name.clone()).collect();
    let positions = project(label, &names, wanted)?;
    Ok(positions
        .into_iter()
        .filter_map(|at| all.get(at).cloned())
        .collect())
}
