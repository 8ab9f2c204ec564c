//! What goes wrong on the wire and in the server, as errors in our words.
//!
//! The server's own words are repeated only where they can name nothing but parts of the model: the
//! errors of SQL's syntax and of names (SQLSTATE classes 42 and 3F). Messages about values quote them.

use std::error::Error as StdError;
use std::io;

use outflow_sdk::{ConnectorError, ErrorKind, ModelPlace};
use rustls::CertificateError;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::config::Settings;
use crate::dialect::Dialect;
use crate::query::Query;

/// What was going on when an error came.
#[derive(Clone, Copy)]
pub(crate) enum Doing<'a> {
    /// Connecting and logging in.
    Connecting,
    /// Setting the session up, or looking around in it.
    Looking,
    /// A query with these columns (all when `None`), after so many rows.
    Querying(&'a Query, Option<&'a [String]>, u64),
}

/// Turns the driver's error into ours.
pub(crate) fn classify(
    error: &tokio_postgres::Error,
    settings: &Settings,
    doing: Doing<'_>,
) -> ConnectorError {
    let address = settings.address();
    if let Some(refusal) = error.as_db_error() {
        return Refusal {
            error: refusal,
            settings,
            doing,
        }
        .told();
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return tls_failed(&address, tls);
    }
    let words = innermost(error);
    if words.contains("unknown authentication tag") {
        return ConnectorError::new(
            ErrorKind::Auth,
            "password_sha256",
            format!(
                "{address}: asks for a way to log in that is not supported; Redshift does so for users whose \
                 password is stored as SHA-256"
            ),
        )
        .with_hint(
            "store it as MD5 (ALTER USER … PASSWORD 'md5…' or with plain text), or log in with `iam:`",
        );
    }
    if error.to_string().starts_with("authentication error") || words.contains("password missing") {
        return ConnectorError::new(
            ErrorKind::Auth,
            "login_failed",
            format!("{address}: logging in as '{}' failed: {words}", settings.user()),
        )
        .with_hint("check `user:` and `password:` of the source");
    }
    if words.contains("server does not support TLS") {
        return ConnectorError::config("tls_unsupported", format!("{address}: the server speaks no TLS"))
            .with_hint("turn TLS on at the server, or write `tls: disable` where the network is trusted");
    }
    lost(error, settings, doing, &words)
}

fn lost(error: &tokio_postgres::Error, settings: &Settings, doing: Doing<'_>, words: &str) -> ConnectorError {
    let address = settings.address();
    let transient = ErrorKind::Source { transient: true };
    match doing {
        Doing::Connecting => unreachable(settings, words),
        _ if error.is_closed() || cause::<io::Error>(error).is_some() => {
            let after = match doing {
                Doing::Querying(query, _, rows) if rows > 0 => {
                    format!(
                        " after {rows} rows of {}; nothing of this read is used",
                        query.label
                    )
                }
                _ => String::new(),
            };
            ConnectorError::new(
                transient,
                "connection_lost",
                format!("{address}: the connection was cut{after}"),
            )
            .with_hint("run it again; if it stays so, look at the server's log and at time-outs of the network between")
        }
        _ => ConnectorError::new(
            ErrorKind::Contract,
            "unexpected_answer",
            format!("{address}: an answer does not follow the protocol: {words}"),
        )
        .with_hint(format!(
            "is this {} (and no proxy that changes its answers)?",
            settings.dialect.title()
        )),
    }
}

/// The server did not take the connection, or not in time.
pub(crate) fn unreachable(settings: &Settings, words: &str) -> ConnectorError {
    let hint = match settings.dialect {
        Dialect::Redshift => {
            "check `host:` and `port:`, that the cluster is not paused, and that its security group lets this machine in"
        }
        Dialect::Postgres => "check `host:` and `port:`, that the server runs, and firewalls",
    };
    ConnectorError::new(
        ErrorKind::Source { transient: true },
        "unreachable",
        format!("{}: cannot connect: {words}", settings.address()),
    )
    .with_hint(hint)
}

fn tls_failed(address: &str, error: &rustls::Error) -> ConnectorError {
    let (what, hint) = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => (
                "its certificate is not signed by an authority that is trusted here".to_owned(),
                "name the authority's certificate as `ca_file:`",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                "its certificate is made out to another host".to_owned(),
                "write the `host:` the certificate names, or `tls: require` where that cannot be",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "its certificate has expired".to_owned(),
                "renew it at the server, and check the clock of this machine",
            ),
            other => (
                format!("its certificate is not valid: {other}"),
                "look at the server's certificate",
            ),
        },
        other => (
            format!("TLS failed: {other}"),
            "check that the port is the server's own, and its TLS settings",
        ),
    };
    ConnectorError::config("tls_failed", format!("{address}: {what}")).with_hint(hint)
}

struct Refusal<'a> {
    error: &'a DbError,
    settings: &'a Settings,
    doing: Doing<'a>,
}

impl Refusal<'_> {
    fn told(&self) -> ConnectorError {
        let state = self.error.code();
        let code = state.code();
        if let Some(error) = self.login() {
            return error;
        }
        if let Some(error) = self.interrupted() {
            return error;
        }
        match code.get(..2) {
            Some("42" | "3F" | "0A") => self.sql(),
            Some("25") if *state == SqlState::READ_ONLY_SQL_TRANSACTION => ConnectorError::config(
                "model_writes",
                format!("{}: it would write, and models only read", self.label()),
            )
            .with_hint("leave out what writes, or call no function that does"),
            Some("22") => ConnectorError::source(
                "value_error",
                format!(
                    "{}: the server cannot compute a value{} ({})",
                    self.label(),
                    self.place(),
                    class_22(code)
                ),
            )
            .with_hint(
                "the rows decide this: guard the cast or division in the model, such as with CASE or NULLIF",
            )
            .with_place(self.model_place()),
            _ if self.mentions(&["serializable isolation"]) => self.conflict(),
            _ if self.mentions(&["usage limit"]) => ConnectorError::new(
                ErrorKind::QuotaExhausted { until: None },
                "usage_limit",
                format!(
                    "{}: the warehouse's usage limit is reached",
                    self.settings.address()
                ),
            )
            .with_hint("raise the limit, or wait until its period ends"),
            _ => ConnectorError::source(
                "query_failed",
                format!(
                    "{}: the server failed{} (SQLSTATE {code})",
                    self.label(),
                    self.place()
                ),
            )
            .with_hint("the server's log has its own words; they may quote rows and are not repeated here"),
        }
    }

    fn login(&self) -> Option<ConnectorError> {
        let (address, user) = (self.settings.address(), self.settings.user());
        let auth = |code, message: String| ConnectorError::new(ErrorKind::Auth, code, message);
        let state = self.error.code();
        Some(match *state {
            SqlState::INVALID_PASSWORD => auth(
                "login_refused",
                format!("{address}: user '{user}' is refused: wrong password, or there is no such user"),
            )
            .with_hint("check `user:` and `password:` of the source"),
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION if self.mentions(&["no pg_hba.conf entry"]) => auth(
                "login_refused",
                format!(
                    "{address}: the server lets user '{user}' into database '{}' from this machine neither so nor \
                     otherwise (pg_hba.conf)",
                    self.settings.database
                ),
            )
            .with_hint("if it only takes encrypted connections, write `tls: require`"),
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION => auth(
                "login_refused",
                format!("{address}: user '{user}' may not log in, or does not exist"),
            )
            .with_hint("check `user:` of the source, and that the role has LOGIN"),
            SqlState::INVALID_CATALOG_NAME => ConnectorError::source(
                "missing_database",
                format!("{address}: there is no database '{}'", self.settings.database),
            )
            .with_hint("check `database:` of the source"),
            SqlState::INSUFFICIENT_PRIVILEGE => auth(
                "permission_denied",
                format!(
                    "{}: user '{user}' lacks a permission: {}",
                    self.label(),
                    self.error.message()
                ),
            )
            .with_hint(self.grants()),
            _ => return None,
        })
    }

    fn interrupted(&self) -> Option<ConnectorError> {
        let transient = ErrorKind::Source { transient: true };
        let address = self.settings.address();
        let rows = match self.doing {
            Doing::Querying(_, _, rows) if rows > 0 => {
                format!(" after {rows} rows; nothing of this read is used")
            }
            _ => String::new(),
        };
        let state = self.error.code();
        let code = state.code();
        Some(match code {
            "57014" if self.mentions(&["timeout"]) => ConnectorError::source(
                "query_timeout",
                format!("{}: took longer than its time-out{rows}", self.label()),
            )
            .with_hint("raise `statement_timeout:` of the source (or the role's), or make the model faster"),
            "57014" if self.settings.dialect == Dialect::Redshift => ConnectorError::source(
                "query_cancelled",
                format!("{}: was cancelled at the server{rows}", self.label()),
            )
            .with_hint("by a person, `statement_timeout`, or a query monitoring rule of WLM: STL_WLM_RULE_ACTION tells"),
            "57014" => ConnectorError::new(
                transient,
                "query_cancelled",
                format!("{}: was cancelled at the server{rows}", self.label()),
            )
            .with_hint("run it again when whoever cancelled it agrees"),
            "57P01" | "57P02" | "57P03" | "57P05" => ConnectorError::new(
                transient,
                "server_restarting",
                format!("{address}: the server is shutting down or starting{rows}"),
            )
            .with_hint("run it again when the server is up"),
            "57P04" => ConnectorError::source(
                "missing_database",
                format!("{address}: database '{}' was dropped{rows}", self.settings.database),
            ),
            "40001" | "40P01" | "55P03" => self.conflict(),
            _ => match code.get(..2) {
                Some("53") => ConnectorError::new(
                    transient,
                    "server_busy",
                    format!("{address}: the server has no {} left{rows}", scarce(code)),
                )
                .with_hint("run it again later, or give the server more room"),
                Some("08") => ConnectorError::new(
                    transient,
                    "connection_lost",
                    format!("{address}: the connection was cut{rows}"),
                )
                .with_hint("run it again; if it stays so, look at the server's log"),
                _ => return None,
            },
        })
    }

    fn conflict(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Source { transient: true },
            "conflict",
            format!("{}: another transaction was in the way", self.label()),
        )
        .with_hint("run it again")
    }

    /// The model does not fit what there is: told with the server's words and its position.
    fn sql(&self) -> ConnectorError {
        let state = self.error.code();
        let message = self.error.message();
        let at_end = message.ends_with("at or near \")\"") && self.is_behind_the_model();
        let words = if at_end {
            "syntax error at its end"
        } else {
            message
        };
        let (code, hint) = match *state {
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME => (
                "missing_table",
                "check its name and schema, and that the role may use the schema",
            ),
            SqlState::UNDEFINED_COLUMN => (
                "missing_column",
                "check its name; names in double quotes mind case",
            ),
            SqlState::AMBIGUOUS_COLUMN => ("ambiguous_column", "say whose it is, or rename one with AS"),
            SqlState::SYNTAX_ERROR => ("sql_syntax", "correct the SQL"),
            _ => ("sql_invalid", "correct the SQL"),
        };
        // The server's own hints name columns and functions, as its message does.
        let hint = self.error.hint().map_or(hint, |own| own);
        ConnectorError::source(code, format!("{}: {words}{}", self.label(), self.place()))
            .with_hint(hint)
            .with_place(self.model_place())
    }

    fn is_behind_the_model(&self) -> bool {
        self.place().is_empty()
            || self.position().is_some_and(|position| match self.doing {
                Doing::Querying(query, columns, _) => query.is_behind(columns, position),
                _ => false,
            })
    }

    fn position(&self) -> Option<u32> {
        match self.error.position() {
            Some(ErrorPosition::Original(position)) => Some(*position),
            _ => None,
        }
    }

    fn label(&self) -> String {
        match self.doing {
            Doing::Querying(query, _, _) => query.label.clone(),
            _ => self.settings.address(),
        }
    }

    /// ` at line 2, column 3 of the model`, or nothing.
    fn place(&self) -> String {
        self.model_place()
            .map_or_else(String::new, |place| format!(" at {place}"))
    }

    fn model_place(&self) -> Option<ModelPlace> {
        let Doing::Querying(query, columns, _) = self.doing else {
            return None;
        };
        query.place(columns, self.position()?)
    }

    /// The grants that a model's table needs; of a model in SQL it is not known which table lacks one.
    fn grants(&self) -> String {
        let user = self.settings.user();
        let table = match self.doing {
            Doing::Querying(query, ..) => query.schema_and_table(),
            _ => None,
        };
        let (schema, table) = match table {
            Some((schema, table)) => (schema, table),
            None => (Some("…".to_owned()), "…".to_owned()),
        };
        let usage = schema.map_or_else(String::new, |schema| {
            format!("GRANT USAGE ON SCHEMA {schema} TO {user}; ")
        });
        format!("{usage}GRANT SELECT ON {table} TO {user}; the README of this source lists them")
    }

    fn mentions(&self, words: &[&str]) -> bool {
        let message = self.error.message().to_lowercase();
        words.iter().any(|word| message.contains(word))
    }
}

fn class_22(code: &str) -> &'static str {
    match code {
        "22012" => "division by zero",
        "22003" => "number out of range",
        "22P02" | "22018" => "text that is no value of the type it is cast to",
        "22007" | "22008" => "text that is no date or time",
        "22001" => "text too long for its type",
        "22021" | "22P05" => "text in another encoding",
        _ => "data that do not fit the expression",
    }
}

fn scarce(code: &str) -> &'static str {
    match code {
        "53100" => "disk space",
        "53200" => "memory",
        "53300" => "connections",
        _ => "resources",
    }
}

/// Whether the same call may succeed at once: worth another try before the first row.
pub(crate) fn is_passing(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::Source { transient: true } && error.code != "query_cancelled"
        || matches!(error.kind, ErrorKind::Transient { .. })
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error gives the source of what it wraps, not what it wraps.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}
