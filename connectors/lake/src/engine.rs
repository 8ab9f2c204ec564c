//! SQL over everything there is.
//!
//! The statement is prepared on a private temporary database. Each table SQLite does not know is
//! looked up in the catalogue: a database is attached read-only, a file becomes an empty table of
//! its columns. Once the statement prepares under an authorizer that allows reading alone, the files
//! it names (and no others) are copied in, and it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use outflow_sdk::ConnectorError;
use outflow_sdk::names::choices_hint;
use outflow_sdk::source::Column;
use outflow_sdk::statement::place_of;
use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Batch, Connection, ErrorCode, Statement};

use crate::catalogue::{Catalogue, Database, Place};
use crate::config::CsvSettings;
use crate::import;
use crate::mentioned::Mentioned;
use crate::messages;
use crate::narrow::Scope;
use crate::open::FileTable;
use crate::projection::Columns;
use crate::sink::{Cancel, Flow, Halt, Sink, Tally};
use crate::sqlite::{self, BUSY_WAIT, Query};
use crate::stamp::{FileRef, Stamp};

/// The statement's name in messages.
const LABEL: &str = "the model's SQL";

/// What a statement is run with.
pub(crate) struct Engine<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) csv: &'a CsvSettings,
    pub(crate) scope: Scope<'a>,
    pub(crate) cancel: &'a Cancel,
}

/// What to do with the prepared statement.
pub(crate) enum Purpose<'a> {
    Describe(&'a mut Vec<Column>),
    Read(&'a mut dyn Sink),
}

impl Engine<'_> {
    /// Runs `sql` for its `wanted` columns.
    pub(crate) fn run(&self, sql: &str, wanted: &[String], purpose: Purpose<'_>) -> Flow<Tally> {
        let failed = |error: rusqlite::Error| messages::sqlite_halt(LABEL, &error, self.cancel);
        // An empty name is a private database on disk that vanishes with its connection.
        let mut connection = Connection::open("").map_err(failed)?;
        connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
        connection
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768")
            .map_err(failed)?;
        // Else a misspelt "column" would silently be the text 'column', sent to everybody.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)
            .map_err(failed)?;
        sqlite::bound(&mut connection, self.cancel).map_err(failed)?;
        let guard = Guard::default();
        guard.watch(&mut connection).map_err(failed)?;

        let mut session = Session {
            engine: self,
            connection: &connection,
            guard,
            files: Vec::new(),
            attached: BTreeMap::new(),
            tried: BTreeSet::new(),
            mentioned: Mentioned::by(sql),
        };
        session.resolve(sql)?;
        let mut bytes = if session.attached.is_empty() {
            Some(0)
        } else {
            None
        };
        for (table, file) in std::mem::take(&mut session.files) {
            let read = import::fill(&connection, &table, file, self.scope.look, self.cancel)?;
            bytes = bytes.zip(read).map(|(sum, read)| sum + read);
        }
        connection.execute_batch("BEGIN").map_err(failed)?;
        let query = Query::statement(
            &connection,
            LABEL,
            sql.to_owned(),
            wanted,
            self.scope,
            self.cancel,
        )?;
        match purpose {
            Purpose::Describe(columns) => {
                *columns = query.columns();
                Ok(Tally::default())
            }
            Purpose::Read(sink) => {
                let tally = query.stream(sink)?;
                for (file, before) in session.attached.values() {
                    file.same_file_as(*before)?;
                }
                Ok(Tally { bytes, ..tally })
            }
        }
    }
}

struct Session<'a> {
    engine: &'a Engine<'a>,
    connection: &'a Connection,
    guard: Guard,
    files: Vec<(String, FileTable)>,
    attached: BTreeMap<String, (FileRef, Stamp)>,
    tried: BTreeSet<String>,
    mentioned: Mentioned,
}

impl Session<'_> {
    /// Prepares `sql` again and again, supplying what it names, until it is found good or wrong.
    fn resolve(&mut self, sql: &str) -> Flow {
        loop {
            self.engine.cancel.check()?;
            let mut statements = Batch::new(self.connection, sql);
            self.guard.begin();
            let prepared = statements.next();
            let (denied, reads) = self.guard.end();
            if let Some(what) = denied {
                return Err(writes(what).into());
            }
            match prepared {
                Ok(None) => {
                    return Err(ConnectorError::source("sql_empty", "the SQL holds no statement")
                        .with_hint("a model is one SELECT")
                        .into());
                }
                Ok(Some(statement)) => {
                    inspect(&statement)?;
                    if !matches!(statements.next(), Ok(None)) {
                        return Err(many_statements().into());
                    }
                    return self.refuse_ambiguous(&reads);
                }
                Err(error) => match missing_table(&error) {
                    Some(name) => self.supply(name)?,
                    None => return Err(self.refused(sql, &error)),
                },
            }
        }
    }

    /// Brings in the table SQLite missed.
    fn supply(&mut self, name: &str) -> Flow {
        let catalogue = self.engine.catalogue;
        let plain = name.strip_prefix("main.").unwrap_or(name);
        let table = catalogue.find(plain)?;
        if !self.tried.insert(name.to_owned()) {
            return Err(catalogue
                .missing(name)
                .with_hint("write the table's name alone, or in double quotes if it has a dot")
                .into());
        }
        match &table.place {
            Place::File { file, format } => {
                let engine = self.engine;
                let mut file = FileTable::open(
                    file,
                    *format,
                    engine.csv,
                    Columns::Sendable,
                    engine.scope.look,
                    engine.cancel,
                )?;
                self.mentioned.narrow(plain, &mut file);
                import::create(self.connection, plain, &file)?;
                self.files.push((plain.to_owned(), file));
                Ok(())
            }
            Place::Database { database, .. } => self.attach(database),
        }
    }

    fn attach(&mut self, database: &Database) -> Flow {
        if self.attached.contains_key(&database.name) {
            return Ok(());
        }
        let stamp = database.file.stamp()?;
        self.attached
            .insert(database.name.clone(), (database.file.clone(), stamp));
        let path = database.file.path.to_string_lossy();
        let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let schema = schema_name(&database.name);
        self.connection
            .execute("ATTACH ?1 AS ?2", [&format!("file:{path}?mode=ro"), &schema])
            .map_err(|error| messages::sqlite_halt(&database.file.label, &error, self.engine.cancel))?;
        Ok(())
    }

    /// A table of an attached database may be read although the statement does not say which of
    /// several tables of that name it means: SQLite takes the first it knows.
    fn refuse_ambiguous(&self, reads: &BTreeSet<(String, String)>) -> Flow {
        for (schema, table) in reads {
            let full = format!("{schema}.{table}").to_lowercase();
            if schema != "main" && !self.engine.catalogue.is_unique(table) && !self.mentioned.has(&full) {
                self.engine.catalogue.find(table)?;
            }
        }
        Ok(())
    }

    /// SQLite's refusal in our words, with its position.
    fn refused(&self, sql: &str, error: &rusqlite::Error) -> Halt {
        let about_sql = matches!(error, rusqlite::Error::SqlInputError { .. })
            || error.sqlite_error_code() == Some(ErrorCode::Unknown);
        let words = messages::sqlite_words(error);
        if !about_sql || messages::missing_module(&words).is_some() {
            return messages::sqlite_halt(LABEL, error, self.engine.cancel);
        }
        let problem = if let Some(name) = words.strip_prefix("no such column: ") {
            let columns = self.known_columns();
            let bare = name.rsplit('.').next().unwrap_or(name);
            ConnectorError::source("missing_column", format!("there is no column '{name}'"))
                .with_hint(choices_hint(bare, "columns", columns.iter().map(String::as_str)))
        } else if words.starts_with("ambiguous column name") {
            ConnectorError::source("ambiguous_column", words)
                .with_hint("say whose column it is: TABLE.COLUMN")
        } else {
            ConnectorError::source("sql_syntax", words)
        };
        at_position(problem, sql, error).into()
    }

    /// Columns of all tables that were brought in.
    fn known_columns(&self) -> Vec<String> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut columns = Vec::new();
            let mut schemas = self.connection.prepare("SELECT name FROM pragma_database_list")?;
            let schemas: Vec<String> = schemas
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for schema in schemas {
                let sql = format!(
                    "SELECT DISTINCT c.name FROM {}.sqlite_schema AS t, pragma_table_info(t.name, ?1) AS c \
                     WHERE t.sql NOT LIKE '{}%'",
                    sqlite::quoted(&schema),
                    sqlite::VIRTUAL
                );
                let mut statement = self.connection.prepare(&sql)?;
                let names = statement.query_map([&schema], |row| row.get(0))?;
                columns.extend(names.collect::<Result<Vec<String>, _>>()?);
            }
            Ok(columns)
        };
        // For a hint only: without it the error is as true.
        read().unwrap_or_default()
    }
}

/// Names SQLite keeps for itself.
fn schema_name(database: &str) -> String {
    if database.eq_ignore_ascii_case("main") || database.eq_ignore_ascii_case("temp") {
        format!("{database}_db")
    } else {
        database.to_owned()
    }
}

/// What has to be true of a statement that SQLite accepts.
fn inspect(statement: &Statement<'_>) -> Result<(), ConnectorError> {
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(writes("a statement that changes something"));
    }
    if statement.parameter_count() > 0 {
        return Err(
            ConnectorError::source("sql_parameters", "the SQL has parameters, which have no values")
                .with_hint("a name that begins with ?, :, @ or $ is a parameter; write the value itself"),
        );
    }
    Ok(())
}

/// The table SQLite says is missing.
fn missing_table(error: &rusqlite::Error) -> Option<&str> {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg)) => {
            msg.strip_prefix("no such table: ")
        }
        _ => None,
    }
}

/// Adds the place in the model's SQL where SQLite tells it.
fn at_position(mut error: ConnectorError, sql: &str, cause: &rusqlite::Error) -> ConnectorError {
    if let rusqlite::Error::SqlInputError { offset, .. } = cause
        && let Ok(offset) = usize::try_from(*offset)
    {
        let place = place_of(sql, offset);
        error.message = format!("{} at {place}", error.message);
        error.place = Some(place);
    }
    error
}

fn many_statements() -> ConnectorError {
    ConnectorError::source("sql_many_statements", "the SQL holds more than one statement")
        .with_hint("a model is one SELECT; WITH and subqueries may come before or inside it")
}

fn writes(what: &str) -> ConnectorError {
    ConnectorError::source(
        "sql_writes",
        format!("the SQL holds {what}; a model may only read"),
    )
    .with_hint("a model is one SELECT")
}

#[derive(Default)]
struct Seen {
    active: bool,
    denied: Option<&'static str>,
    reads: BTreeSet<(String, String)>,
}

/// Watches what the model's statement wants to do while it is prepared.
#[derive(Clone, Default)]
struct Guard(Arc<Mutex<Seen>>);

impl Guard {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let guard = self.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| guard.judge(&context)))
    }

    fn begin(&self) {
        *self.seen() = Seen {
            active: true,
            ..Seen::default()
        };
    }

    fn end(&self) -> (Option<&'static str>, BTreeSet<(String, String)>) {
        let seen = std::mem::take(&mut *self.seen());
        (seen.denied, seen.reads)
    }

    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        let mut seen = self.seen();
        if !seen.active {
            return Authorization::Allow;
        }
        match context.action {
            AuthAction::Select | AuthAction::Recursive => {}
            AuthAction::Function { function_name } if function_name != "load_extension" => {}
            AuthAction::Read { table_name, .. } => {
                if let (Some(schema), None) = (context.database_name, context.accessor) {
                    seen.reads.insert((schema.to_owned(), table_name.to_owned()));
                }
            }
            action => {
                seen.denied.get_or_insert(name_of(&action));
                return Authorization::Deny;
            }
        }
        Authorization::Allow
    }
}

fn name_of(action: &AuthAction<'_>) -> &'static str {
    match action {
        AuthAction::Insert { .. } => "an INSERT",
        AuthAction::Update { .. } => "an UPDATE",
        AuthAction::Delete { .. } => "a DELETE",
        AuthAction::DropTable { .. } | AuthAction::DropView { .. } | AuthAction::DropIndex { .. } => "a DROP",
        AuthAction::CreateTable { .. } | AuthAction::CreateView { .. } | AuthAction::CreateIndex { .. } => {
            "a CREATE"
        }
        AuthAction::AlterTable { .. } => "an ALTER",
        AuthAction::Attach { .. } => "an ATTACH",
        AuthAction::Pragma { .. } => "a PRAGMA",
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => "transaction control",
        AuthAction::Function { .. } => "a call of load_extension",
        _ => "a statement that changes something",
    }
}
