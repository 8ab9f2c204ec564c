//! What a twin is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a HubSpot twin. Every behaviour the vendor leaves open is an option here; the
/// default is what is hardest on a client.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Credentials that are accepted.
    pub tokens: Vec<Token>,
    /// OAuth grants whose refresh tokens can be exchanged.
    pub grants: Vec<Grant>,
    /// How long an access token from the OAuth endpoint lives.
    pub access_token_life: Duration,
    /// Request limits; none by default.
    pub rate: Option<Rate>,
    /// The account's time zone (IANA name): its midnight resets the day's quota.
    pub time_zone: String,
    /// Time every request waits before it is looked at.
    pub latency: Duration,
    /// Whether results repeat the input's `objectWriteTraceId`.
    pub echo_trace_ids: bool,
    /// Whether batch results come in another order than the inputs.
    pub shuffle: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// The account's number.
    pub hub_id: u64,
    /// A folder where records, definitions and lists are kept between two runs.
    pub data: Option<PathBuf>,
    /// Requests kept for [`super::Twin::requests`]; 0 turns the log off.
    pub log_requests: usize,
    /// Bytes kept of each request's body.
    pub log_body_bytes: usize,
    /// How far search lags behind writes.
    pub index_lag: Duration,
    /// Whether a batch write answers 423 while another one in progress names one of its records. Only
    /// to be seen with latency.
    pub lock_records: bool,
    /// Whether a merge keeps the primary's id (a beta of the vendor) or gives a new one.
    pub merge_keeps_primary_id: bool,
    /// How a traced batch is answered of which no input could be written.
    pub all_failed: AllFailed,
    /// What `null` does as a property value.
    pub null_value: NullValue,
    /// What an upsert keyed by a secondary address does.
    pub secondary_email: SecondaryEmail,
    /// What a step back in `lifecyclestage` does.
    pub lifecycle_backward: LifecycleBackward,
    /// How an update to another contact's address is refused.
    pub email_conflict: EmailConflict,
    /// Whether unique values other than e-mails ignore case.
    pub unique_ignores_case: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tokens: vec![Token::new("pat-na1-sandbox")],
            grants: vec![Grant::new(
                "sandbox-client",
                "sandbox-secret",
                "na1-sandbox-refresh",
            )],
            access_token_life: Duration::from_secs(1800),
            rate: None,
            time_zone: "UTC".into(),
            latency: Duration::ZERO,
            echo_trace_ids: false,
            shuffle: true,
            seed: 7,
            hub_id: 4_720_001,
            data: None,
            log_requests: 20_000,
            log_body_bytes: 1 << 20,
            index_lag: Duration::from_secs(3),
            lock_records: false,
            merge_keeps_primary_id: false,
            all_failed: AllFailed::MultiStatus,
            null_value: NullValue::Refuse,
            secondary_email: SecondaryEmail::Match,
            lifecycle_backward: LifecycleBackward::Drop,
            email_conflict: EmailConflict::Validation,
            unique_ignores_case: false,
        }
    }
}

/// A static credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What stands behind `Bearer`.
    pub secret: String,
    /// Granted scopes; `None` grants all.
    pub scopes: Option<Vec<String>>,
}

impl Token {
    /// A credential with every scope.
    pub fn new(secret: impl Into<String>) -> Self {
        Self {
            secret: secret.into(),
            scopes: None,
        }
    }

    /// A credential with these scopes alone.
    pub fn with_scopes<S: Into<String>>(
        secret: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            secret: secret.into(),
            scopes: Some(scopes.into_iter().map(Into::into).collect()),
        }
    }
}

/// An OAuth installation of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The app's id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: String,
    /// The installation's refresh token.
    pub refresh_token: String,
    /// A code that `grant_type=authorization_code` exchanges once.
    pub code: Option<String>,
    /// Granted scopes; `None` grants all.
    pub scopes: Option<Vec<String>>,
}

impl Grant {
    /// An installation with every scope.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        refresh_token: impl Into<String>,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            refresh_token: refresh_token.into(),
            code: None,
            scopes: None,
        }
    }
}

/// Request limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests per rolling window and app.
    pub requests: u32,
    /// Length of the window.
    pub per: Duration,
    /// Requests per day and account.
    pub daily: Option<u64>,
    /// Search requests per second and account.
    pub search_per_second: u32,
}

impl Rate {
    /// The limits of a Free or Starter account.
    pub fn starter() -> Self {
        Self {
            requests: 100,
            per: Duration::from_secs(10),
            daily: Some(250_000),
            search_per_second: 5,
        }
    }

    /// The limits of a Professional account.
    pub fn professional() -> Self {
        Self {
            requests: 190,
            daily: Some(625_000),
            ..Self::starter()
        }
    }

    /// The limits of an Enterprise account.
    pub fn enterprise() -> Self {
        Self {
            requests: 190,
            daily: Some(1_000_000),
            ..Self::starter()
        }
    }

    /// The limits of a tier by name: `starter`, `professional` or `enterprise`.
    pub fn tier(name: &str) -> Option<Self> {
        match name {
            "free" | "starter" => Some(Self::starter()),
            "professional" => Some(Self::professional()),
            "enterprise" => Some(Self::enterprise()),
            _ => None,
        }
    }
}

/// How a traced batch is answered of which no input could be written (the vendor does not say).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllFailed {
    /// 207 with empty `results`.
    MultiStatus,
    /// 400, as if no trace ids had been given.
    BadRequest,
}

/// What `null` does as a property value (the vendor does not say).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullValue {
    /// 400 for the whole request.
    Refuse,
    /// The property is cleared.
    Clear,
    /// The property is left as it is.
    Ignore,
}

/// What an upsert keyed by a secondary address does (the vendor does not say).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondaryEmail {
    /// It updates the contact that owns the address; its primary address stays.
    Match,
    /// It is refused: another contact already has that value.
    Refuse,
}

/// What a step back in `lifecyclestage` does (the vendor does not say).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleBackward {
    /// The value is dropped without a word.
    Drop,
    /// The value is refused.
    Refuse,
}

/// How an update to another contact's address is refused (both were seen).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailConflict {
    /// 400 that names both records.
    Validation,
    /// 409.
    Conflict,
}
