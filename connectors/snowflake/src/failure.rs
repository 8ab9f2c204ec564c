//! What goes wrong on the way to the server and back, as errors in our words.

use outflow_sdk::http::ExchangeError;
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::config::Settings;
use crate::query::Query;

/// What was going on when an error came.
#[derive(Clone, Copy)]
pub(crate) enum Doing<'a> {
    /// Logging in.
    LoggingIn,
    /// Looking around in a session.
    Looking,
    /// A query, after so many rows.
    Querying(&'a Query, u64),
}

impl Doing<'_> {
    /// What messages begin with.
    pub(crate) fn label(self, settings: &Settings) -> String {
        match self {
            Doing::Querying(query, _) => query.label.clone(),
            _ => settings.address().to_owned(),
        }
    }

    /// ` after 12 rows of table T; nothing of this read is used`, or nothing.
    pub(crate) fn progress(self) -> String {
        match self {
            Doing::Querying(query, rows) if rows > 0 => {
                format!(
                    " after {rows} rows of {}; nothing of this read is used",
                    query.label
                )
            }
            _ => String::new(),
        }
    }
}

const TRANSIENT: ErrorKind = ErrorKind::Source { transient: true };

/// No answer came.
pub(crate) fn no_answer(settings: &Settings, doing: Doing<'_>, error: ExchangeError) -> ConnectorError {
    let address = settings.address();
    match error {
        ExchangeError::Unreachable { reason, .. } => ConnectorError::new(
            TRANSIENT,
            "unreachable",
            format!("{address}: cannot connect: {reason}{}", doing.progress()),
        )
        .with_hint("check `account:` and `base_url:` of the source, and the network's firewalls and proxies"),
        ExchangeError::Lost { reason, .. } => ConnectorError::new(
            TRANSIENT,
            "connection_lost",
            format!("{address}: no answer: {reason}{}", doing.progress()),
        )
        .with_hint("run it again; if it stays so, look at time-outs of the network between"),
        ExchangeError::Invalid(reason) => {
            ConnectorError::config("warehouse_settings", format!("{address}: {reason}"))
                .with_hint("check `account:` and `base_url:` of the source")
        }
    }
}

/// An answer came that is none of this API's: only its status says something.
pub(crate) fn not_an_answer(settings: &Settings, doing: Doing<'_>, status: u16) -> ConnectorError {
    let address = settings.address();
    match (status, doing) {
        (408 | 429 | 500..=599, _) => ConnectorError::new(
            TRANSIENT,
            "server_busy",
            format!(
                "{address}: the server is busy or failing (HTTP {status}){}",
                doing.progress()
            ),
        )
        .with_hint("run it again; https://status.snowflake.com tells of outages"),
        (400 | 401 | 403 | 404, Doing::LoggingIn) => ConnectorError::config(
            "unknown_account",
            format!("{address}: no Snowflake account answers here (HTTP {status})"),
        )
        .with_hint("check `account:` (ORGANIZATION-ACCOUNT) or `base_url:` of the source"),
        _ => ConnectorError::new(
            ErrorKind::Contract,
            "unexpected_answer",
            format!(
                "{address}: the answer (HTTP {status}) is not one of Snowflake's{}",
                doing.progress()
            ),
        )
        .with_hint("is there a proxy or a log-in page between? If not, report this"),
    }
}

/// An answer does not hold together.
pub(crate) fn astray(settings: &Settings, doing: Doing<'_>, what: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Contract,
        "unexpected_answer",
        format!(
            "{}: the server's answer has {what}; nothing of this read is used",
            doing.label(settings)
        ),
    )
    .with_hint("is there a proxy that changes answers? If not, report this")
}

/// Whether the same read may succeed at once, in a new session: worth another try before the first row.
/// What the network keeps from us was tried several times already.
pub(crate) fn is_passing(error: &ConnectorError) -> bool {
    error.kind == TRANSIENT && matches!(error.code, "session_gone" | "server_failed")
}
