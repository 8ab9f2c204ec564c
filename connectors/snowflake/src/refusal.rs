//! What the server refuses, as errors in our words.
//!
//! The server's own words are repeated only where they can name nothing but parts of the model or of the
//! account: errors of compilation and of access. Messages about values quote them. Codes are those of
//! <https://docs.snowflake.com/en/developer-guide/sql-api/handling-errors> and of the drivers.

use outflow_sdk::{ConnectorError, ErrorKind, ModelPlace};

use crate::config::{Credential, Settings};
use crate::failure::Doing;
use crate::names::NAMING;
use crate::wire::SESSION_GONE;

/// The most of the server's words that is repeated, in characters.
const WORDS: usize = 300;
const TRANSIENT: ErrorKind = ErrorKind::Source { transient: true };

/// A refusal as it came.
pub(crate) struct Refusal<'a> {
    pub(crate) code: &'a str,
    pub(crate) sql_state: &'a str,
    pub(crate) message: &'a str,
    pub(crate) query_id: Option<String>,
}

impl Refusal<'_> {
    /// The refusal in our words.
    pub(crate) fn told(self, settings: &Settings, doing: Doing<'_>) -> ConnectorError {
        let correlation = self.query_id.clone();
        let error = match doing {
            Doing::LoggingIn => self.login(settings),
            _ => self
                .session(settings, doing)
                .or_else(|| self.resources(settings, doing))
                .or_else(|| self.access(settings, doing))
                .unwrap_or_else(|| self.query(settings, doing)),
        };
        error.with_correlation(correlation)
    }

    fn login(&self, settings: &Settings) -> ConnectorError {
        let (address, user) = (settings.address(), settings.user());
        let auth = |code, message: String| ConnectorError::new(ErrorKind::Auth, code, message);
        let words = self.words();
        match self.code {
            "390100" => auth(
                "login_refused",
                format!("{address}: user '{user}' is refused: wrong {}, or there is no such user", secret(settings)),
            )
            .with_hint("check `user:` of the source and its credential"),
            "390144" | "394300" | "394301" | "394302" | "394303" | "394304" | "394305" | "394306" | "394307" => auth(
                "key_refused",
                format!("{address}: user '{user}' is refused with this key: {words}"),
            )
            .with_hint(
                "does `user:` exist, and has it the public half of `private_key:` (ALTER USER … SET RSA_PUBLIC_KEY)? \
                 Is this machine's clock right? SYSTEM$GET_LOGIN_FAILURE_DETAILS tells an administrator which it is",
            ),
            "390303" | "390317" | "390318" => auth(
                "token_refused",
                format!("{address}: the OAuth access token is refused: {words}"),
            )
            .with_hint("get a new one; `oauth:` with a client gets one for every connection"),
            code if code.starts_with("3944") || matches!(settings.credential, Credential::AccessToken(_)) && code.starts_with("39") && !is_about_names(code) => auth(
                "token_refused",
                format!("{address}: the access token of user '{user}' is refused: {words}"),
            )
            .with_hint(
                "has it expired or been removed, and does a network policy apply to the user? \
                 SHOW USER PROGRAMMATIC ACCESS TOKENS tells",
            ),
            "390420" | "390421" | "390422" => auth(
                "network_policy",
                format!("{address}: this machine's address is not let in: {words}"),
            )
            .with_hint("add it to the network policy of the account or of the user"),
            "390189" => ConnectorError::config(
                "missing_role",
                format!(
                    "{address}: there is no role {} for user '{user}'",
                    settings.role.as_deref().unwrap_or("(default)")
                ),
            )
            .with_hint(format!("check `role:` of the source; GRANT ROLE … TO USER {user}")),
            "390201" => ConnectorError::config("missing_object", format!("{address}: {words}")).with_hint(
                "check `warehouse:`, `database:` and `schema:` of the source, and that the role has USAGE on them",
            ),
            "390400" => ConnectorError::config(
                "unknown_account",
                format!("{address}: there is no account {}", settings.account),
            )
            .with_hint("check `account:` (ORGANIZATION-ACCOUNT) of the source"),
            code => auth(
                "login_failed",
                format!("{address}: logging in as '{user}' failed: {words} (code {code})"),
            )
            .with_hint("check `user:` of the source and its credential"),
        }
    }

    fn session(&self, settings: &Settings, doing: Doing<'_>) -> Option<ConnectorError> {
        let gone = SESSION_GONE.contains(&self.code) || self.code == crate::wire::SESSION_EXPIRED;
        gone.then(|| {
            ConnectorError::new(
                TRANSIENT,
                "session_gone",
                format!("{}: the session ended{}", settings.address(), doing.progress()),
            )
            .with_hint("run it again")
        })
    }

    /// Whatever stops a query that is right.
    fn resources(&self, settings: &Settings, doing: Doing<'_>) -> Option<ConnectorError> {
        let label = doing.label(settings);
        let rows = doing.progress();
        Some(match self.code {
            "000606" => ConnectorError::config(
                "no_warehouse",
                format!("{label}: no warehouse is there to run it"),
            )
            .with_hint("name one as `warehouse:` of the source, and GRANT USAGE ON WAREHOUSE … TO ROLE …"),
            "000630" => self.timed_out(&label, &rows),
            "000604" | "000625" if self.mentions("timeout") => self.timed_out(&label, &rows),
            "000604" | "000625" => ConnectorError::new(
                TRANSIENT,
                "query_cancelled",
                format!("{label}: was cancelled at the server{rows}"),
            )
            .with_hint("run it again when whoever cancelled it agrees; QUERY_HISTORY tells who"),
            _ if self.mentions("resource monitor") => ConnectorError::new(
                ErrorKind::QuotaExhausted { until: None },
                "resource_monitor",
                format!("{label}: a resource monitor's quota is used up, and the warehouse cannot be resumed"),
            )
            .with_hint("raise the monitor's quota, name another `warehouse:`, or wait until its period ends"),
            _ if self.mentions("account is suspended") || self.mentions("account has been suspended") => {
                ConnectorError::new(
                    ErrorKind::Auth,
                    "account_suspended",
                    format!("{}: the account is suspended", settings.address()),
                )
                .with_hint("Snowflake suspends accounts whose trial or payment has ended")
            }
            _ if self.mentions("warehouse") && self.mentions("suspended") => ConnectorError::new(
                TRANSIENT,
                "warehouse_suspended",
                format!("{label}: the warehouse is suspended"),
            )
            .with_hint("ALTER WAREHOUSE … RESUME, or let it start by itself: ALTER WAREHOUSE … SET AUTO_RESUME = TRUE"),
            "000603" | "000629" => ConnectorError::new(
                TRANSIENT,
                "server_failed",
                format!("{label}: the server failed (code {}){rows}", self.code),
            )
            .with_hint("run it again; if it stays so, ask Snowflake's support about the query id"),
            _ => return None,
        })
    }

    fn timed_out(&self, label: &str, rows: &str) -> ConnectorError {
        ConnectorError::source(
            "query_timeout",
            format!("{label}: took longer than its time-out{rows}"),
        )
        .with_hint(
            "raise `statement_timeout:` of the source (or STATEMENT_TIMEOUT_IN_SECONDS of the warehouse), or make \
             the model faster",
        )
    }

    fn access(&self, settings: &Settings, doing: Doing<'_>) -> Option<ConnectorError> {
        let denied = self.code == "003001" || self.sql_state == "42501" && !self.mentions("does not exist");
        denied.then(|| {
            ConnectorError::new(
                ErrorKind::Auth,
                "permission_denied",
                format!(
                    "{}: user '{}' lacks a permission: {}",
                    doing.label(settings),
                    settings.user(),
                    self.words()
                ),
            )
            .with_hint(grants(settings, doing))
        })
    }

    /// The model does not fit what there is, or its values do not fit it.
    fn query(&self, settings: &Settings, doing: Doing<'_>) -> ConnectorError {
        let label = doing.label(settings);
        let place = self.place(doing);
        if self.sql_state.starts_with("22") || self.code.starts_with("1000") {
            return ConnectorError::source(
                "value_error",
                format!(
                    "{label}: the server cannot compute a value ({}){}",
                    self.class_22(),
                    doing.progress()
                ),
            )
            .with_hint(
                "the rows decide this: guard the cast or division in the model, such as with TRY_CAST or NULLIF",
            );
        }
        let compiles_not = self.sql_state.starts_with("42")
            || self.sql_state.starts_with("0A")
            || self.sql_state == "02000"
            || self.mentions("SQL compilation error");
        if !compiles_not {
            return ConnectorError::source(
                "query_failed",
                format!(
                    "{label}: the server failed (code {}, SQLSTATE {})",
                    self.code, self.sql_state
                ),
            )
            .with_hint(
                "QUERY_HISTORY has the server's own words; they may quote rows and are not repeated here",
            );
        }
        let (code, hint) = match self.code {
            "002003" | "002043" => (
                "missing_table",
                "check its name, `database:` and `schema:` of the source, and that the role may use them; names in \
                 double quotes mind case",
            ),
            "000904" => (
                "missing_column",
                "check its name; names in double quotes mind case",
            ),
            "000979" | "001104" => ("sql_invalid", "correct the SQL"),
            "001003" => ("sql_syntax", "correct the SQL"),
            _ => ("sql_invalid", "correct the SQL"),
        };
        let told = place.map_or_else(String::new, |place| format!(" at {place}"));
        ConnectorError::source(code, format!("{label}: {}{told}", self.words()))
            .with_hint(hint)
            .with_place(place)
    }

    /// The server's words without what they begin with and without its position.
    fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for line in self.message.lines() {
            let line = line.trim();
            let line = ["SQL compilation error:", "SQL access control error:"]
                .iter()
                .fold(line, |line, prefix| {
                    line.strip_prefix(prefix).unwrap_or(line).trim()
                });
            let plain = match position(line) {
                Some((before, after, ..)) => format!("{} {}", before.trim(), after.trim()),
                None => line.to_owned(),
            };
            let plain = plain.trim().trim_end_matches('.').to_owned();
            // "error line 1 at position 7" says only where; a second syntax error mostly follows from the first.
            if !plain.is_empty() && plain != "error" {
                words.push(plain);
            }
            if words
                .first()
                .is_some_and(|first| first.starts_with("syntax error"))
            {
                break;
            }
        }
        let all = words.join(": ");
        if all.is_empty() {
            return format!("code {}", self.code);
        }
        match all.char_indices().nth(WORDS) {
            Some((end, _)) => format!("{}…", all.get(..end).unwrap_or_default()),
            None => all,
        }
    }

    fn place(&self, doing: Doing<'_>) -> Option<ModelPlace> {
        let Doing::Querying(query, _) = doing else {
            return None;
        };
        let (_, _, line, position) = self.message.lines().find_map(position)?;
        query.place(line, position)
    }

    fn class_22(&self) -> &'static str {
        match (self.code, self.sql_state) {
            ("100051", _) | (_, "22012") => "division by zero",
            ("100046", _) | (_, "22003") => "number out of range",
            ("100078" | "100074", _) | (_, "22001" | "22000") => "text too long for its type",
            ("100035" | "100040" | "100094" | "100095", _) | (_, "22007" | "22008") => {
                "text that is no date or time"
            }
            (_, "22018") => "text that is no value of the type it is cast to",
            ("100069" | "100071", _) => "JSON that does not read, or is of another type",
            _ => "data that do not fit the expression",
        }
    }

    fn mentions(&self, words: &str) -> bool {
        self.message.to_lowercase().contains(&words.to_lowercase())
    }
}

/// The grants that a model's table needs; of a model in SQL it is not known which table lacks one.
fn grants(settings: &Settings, doing: Doing<'_>) -> String {
    let role = settings.role.as_deref().unwrap_or("…");
    let parts = match doing {
        Doing::Querying(query, _) => query.table().unwrap_or_default(),
        _ => &[],
    };
    let names: Vec<String> = parts.iter().map(|part| NAMING.written(part)).collect();
    let database = match names.as_slice() {
        [database, _, _] => database,
        _ => settings.database.as_deref().unwrap_or("…"),
    };
    let (schema, table) = match names.split_last() {
        Some((_, schema)) if !schema.is_empty() => (schema.join("."), names.join(".")),
        Some((table, _)) => ("…".to_owned(), table.clone()),
        None => ("…".to_owned(), "…".to_owned()),
    };
    format!(
        "GRANT USAGE ON DATABASE {database} TO ROLE {role}; GRANT USAGE ON SCHEMA {schema} TO ROLE {role}; GRANT SELECT ON \
         TABLE {table} TO ROLE {role}; the README of this source lists them"
    )
}

/// Codes of a log-in that are about role, warehouse, account or address, not the credential.
fn is_about_names(code: &str) -> bool {
    matches!(
        code,
        "390189" | "390201" | "390400" | "390420" | "390421" | "390422"
    )
}

fn secret(settings: &Settings) -> &'static str {
    match settings.credential {
        Credential::Password(_) => "password",
        Credential::Key(..) => "key",
        _ => "token",
    }
}

/// What stands before and after `line 3 at position 7`, and its numbers.
fn position(text: &str) -> Option<(&str, &str, usize, usize)> {
    let (before, rest) = text.split_once("line ")?;
    let (line, rest) = rest.split_once(" at position ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (position, after) = rest.split_at(digits);
    Some((before, after, line.trim().parse().ok()?, position.parse().ok()?))
}
