//! The destination traits: capabilities as data, requests as values, one outcome for every row.
//!
//! A [`Destination`] is a connection. [`Destination::bind`] ties it to one sync's object and live
//! fields and gives a [`Binding`], which knows how to turn operations into requests. `route` and
//! `encode` are pure and deterministic: `outflow plan --requests` prints what they give and a run
//! sends the same bytes. `send` performs exactly one exchange.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::error::ConnectorError;
use crate::value::Value;

/// What a sync may do at the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Create records that are missing, update the others.
    Upsert,
    /// Update records that exist; create none.
    Update,
    /// Create records that are missing; leave the others alone.
    Create,
    /// Upsert, and apply `removed:` to records whose row left the model.
    Mirror,
    /// Send one event for every new key; none is changed, repeated or removed.
    Append,
}

/// What happens to a record whose row left the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Removed {
    /// Nothing; the row is forgotten.
    Keep,
    /// The mapped fields are emptied.
    Clear,
    /// The record is archived (restorable).
    Archive,
    /// The record is deleted.
    Delete,
    /// The contact is unsubscribed.
    Unsubscribe,
}

/// What a destination can do with one kind of object.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Modes it offers.
    pub modes: Vec<Mode>,
    /// Removal rules it offers.
    pub removed: Vec<Removed>,
    /// Fields that can be `match:` without asking the live schema; others are checked by `bind`.
    pub match_fields: Vec<String>,
    /// Whether an update may carry the changed fields alone once the record is known.
    pub partial_records: bool,
    /// Whether `bind` can create missing fields (`create_fields: true`).
    pub creates_fields: bool,
    /// Every route its bindings have, all in lane 0: how many rows a request of each takes, and whether
    /// it may be sent again when its answer got lost.
    pub routes: Vec<Route>,
    /// Most bytes in the body of one request.
    pub max_body: usize,
    /// What people should know beside the above: whole sentences in Markdown, one subject each.
    pub notes: Vec<&'static str>,
}

/// Request limits of one account. `None` means no such limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests allowed in any window of the given length.
    pub window: Option<(u32, Duration)>,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// Requests a day.
    pub daily: Option<u64>,
    /// Share of the daily quota left to others, in per cent.
    pub reserve_percent: u8,
}

/// What an answer's headers say about the account's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateObservation {
    /// The window's allowance and length.
    pub window: Option<(u32, Duration)>,
    /// What is left of the window.
    pub window_remaining: Option<u32>,
    /// The day's allowance.
    pub daily: Option<u64>,
    /// What is left of the day.
    pub daily_remaining: Option<u64>,
}

/// Type of a destination field, as far as values need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Any text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A calendar date.
    Date,
    /// An instant.
    Timestamp,
    /// One of the options.
    Choice,
    /// Any number of the options.
    Choices,
    /// A membership or another switch that takes a boolean or a list.
    Membership,
}

/// One live field of a destination object.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    /// Internal name, as mappings spell it.
    pub name: String,
    /// Name a marketer sees.
    pub label: String,
    /// Type.
    pub field_type: FieldType,
    /// Allowed values of choices.
    pub options: Vec<String>,
    /// Longest text, in characters.
    pub max_length: Option<usize>,
    /// Whether we may write it.
    pub writable: bool,
    /// Whether it identifies records.
    pub unique: bool,
    /// Whether a new record needs it.
    pub required: bool,
}

/// One mapped field, as the binding needs to know it.
#[derive(Clone, Debug)]
pub struct MappedField {
    /// Destination field.
    pub name: String,
    /// Type its values have, when known before the run (from `as:` or the column).
    pub value_type: Option<FieldType>,
}

/// One sync's object at a destination.
#[derive(Clone, Debug)]
pub struct ObjectSpec {
    /// Sync name.
    pub sync: String,
    /// `object:` of the mapping.
    pub object: String,
    /// `match:`; one or more field names.
    pub match_fields: Vec<String>,
    /// `mode:`.
    pub mode: Mode,
    /// `removed:`, in mode mirror.
    pub removed: Option<Removed>,
    /// Mapped fields in mapping order; positions here are the field numbers of operations.
    pub fields: Vec<MappedField>,
    /// The mapping's keys for this destination alone, as its schema describes them.
    pub options: serde_json::Value,
}

/// A mapping that does not fit the live object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The mapped field, or none when it is about the object or the match.
    pub field: Option<String>,
    /// Stable code.
    pub code: &'static str,
    /// Our words.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether rows can still be sent.
    pub warning: bool,
}

/// Who the credential belongs to.
#[derive(Clone, Debug, Serialize)]
pub struct AccountInfo {
    /// Name or id a person recognises.
    pub label: String,
    /// The account's time zone (IANA name), if known: its day is the quota's day.
    pub time_zone: Option<String>,
}

/// What is to be done with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Create or update, as the mode allows.
    Write,
    /// The row left the model.
    Remove(Removed),
}

/// One planned change of one record.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Number of the operation in this run.
    pub row: u64,
    /// The key, for messages to people. Never logged.
    pub key: CompactString,
    /// What to do.
    pub action: Action,
    /// The record's address at the destination, once known.
    pub remote: Option<CompactString>,
    /// Values by field number; `None` = leave as it is. A removal needs the match fields alone, and
    /// those only while the record's address is unknown; otherwise it may be empty.
    pub record: Arc<[Option<Value>]>,
    /// Numbers of the fields that are still to be sent, ascending.
    pub pending: Vec<u16>,
}

/// Where a request goes: operations with the same route may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Name such as `upsert`.
    pub name: &'static str,
    /// Tells apart routes of one name, such as one list's memberships from another's; name and lane
    /// are unique within a binding.
    pub lane: u16,
    /// Most operations in one request.
    pub max_rows: usize,
    /// Whether the request changes anything.
    pub writes: bool,
    /// Whether sending it twice does the same as sending it once.
    pub replay_safe: bool,
}

/// One HTTP request, ready to send and to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The route it belongs to.
    pub route: Route,
    /// Method.
    pub method: &'static str,
    /// Path and query, relative to the connection's base.
    pub path: String,
    /// Content type of the body.
    pub content_type: &'static str,
    /// Body.
    pub body: Bytes,
}

/// A request and how many of the operations offered it took (the first ones, at least one).
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The request.
    pub request: Request,
    /// Operations taken.
    pub taken: usize,
    /// For each operation taken, the numbers of the fields (ascending) that an
    /// [`Outcome::Applied`] acknowledges: those the request carries, and pending ones that need no
    /// sending. Empty for look-ups and for removals that do not go field by field.
    pub fields: Vec<Vec<u16>>,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A record was created.
    Created,
    /// A record was updated.
    Updated,
    /// A record was archived, deleted, cleared or unsubscribed.
    Removed,
    /// Nothing was to do: the mode does not touch this record (mode create: it exists; mode
    /// update: it does not). The operation is over, whatever was pending.
    Untouched,
}

/// Why one row was refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Stable code such as `invalid_option`.
    pub code: String,
    /// The destination field, when one is named.
    pub field: Option<String>,
    /// Our own words; never the vendor's text with a value in it.
    pub message: String,
}

/// What became of one operation. Every request answers with one for each of its operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The operation's [`Encoded::fields`] are at the destination now.
    Applied {
        /// What it did.
        effect: Effect,
        /// The record's address, if the answer tells it.
        remote: Option<CompactString>,
    },
    /// A look-up found the record; the operation goes on with this address.
    Resolved {
        /// The record's address.
        remote: CompactString,
    },
    /// Refused; sleeps until its values, the mapping or the fields change.
    Rejected(Rejection),
    /// Refused for consent or compliance; not a failure.
    Suppressed(Rejection),
    /// The stored address leads nowhere any more: forget it and route again.
    StaleRemote,
    /// This row alone should be tried again.
    Retry {
        /// Stable code of the reason.
        code: String,
        /// Least time to wait.
        after: Option<Duration>,
    },
    /// The answer does not say; try again alone if the route is replay-safe, else hold.
    InDoubt,
}

/// The settled answer to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// One per operation, in the operations' order.
    pub outcomes: Vec<Outcome>,
    /// What the headers said.
    pub observed: Option<RateObservation>,
    /// The vendor's id of the exchange.
    pub correlation: Option<String>,
}

/// A job that goes on at the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The destination's id of the job.
    pub id: String,
    /// Wait before asking the first time; it grows from one ask to the next.
    pub poll_every: Duration,
    /// Give up (rows in doubt) after this long. Counted from its acceptance, also over a restart.
    pub deadline: Duration,
}

/// What asking for a job's result gave.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The job is done.
    Answered(Answer),
    /// Part of the result is here; ask for the rest at once.
    Partly,
    /// The job still runs.
    Running,
}

/// What sending gave.
#[derive(Clone, Debug)]
pub enum Sent {
    /// Done, with outcomes.
    Settled(Answer),
    /// Accepted; ask again with [`Binding::settle`].
    Accepted(Ticket),
}

/// A connection to a destination account.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What can be done with `object`.
    ///
    /// # Errors
    /// `Config` when there is no such object.
    fn capabilities(&self, object: &str) -> Result<Capabilities, ConnectorError>;

    /// Identifies the account whose quota is spent: equal for all connections that share it. No secret.
    fn account_key(&self) -> String;

    /// Limits by settings and tier.
    fn limits(&self) -> Limits;

    /// Whether the credential works.
    async fn check(&self) -> Result<AccountInfo, ConnectorError>;

    /// Live fields of an object.
    async fn describe(&self, object: &str) -> Result<Vec<Field>, ConnectorError>;

    /// Reads what the sync needs to know of the live object. Creates missing fields only when
    /// `create_missing` and the mapping says so.
    async fn bind(&self, spec: ObjectSpec, create_missing: bool) -> Result<Arc<dyn Binding>, ConnectorError>;
}

/// A destination bound to one sync.
#[async_trait]
pub trait Binding: Send + Sync {
    /// Names the account and the object for good (`portal 1234, contacts`): addresses of records are
    /// valid there and nowhere else. No secret.
    fn target(&self) -> String;

    /// The account's time zone (IANA name), if known: its midnight ends the daily quota's day.
    fn time_zone(&self) -> Option<String> {
        None
    }

    /// Hash of the live fields this mapping uses: rejects wake up when it changes.
    fn schema_print(&self) -> u64;

    /// Where the mapping does not fit. Any that is no warning stops the sync before its first write.
    fn problems(&self) -> Vec<FieldProblem>;

    /// Most requests of this binding in flight at once; a job counts until it is settled. For objects
    /// that parallel writers get in each other's way at.
    fn parallel(&self) -> usize {
        usize::MAX
    }

    /// Hash of the record an address leads to, whatever else is noted in it. Records that a living row
    /// describes are not removed for the sake of one that left.
    fn record_of(&self, remote: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(remote.as_bytes())
    }

    /// Stage of a field: fields of stage 1 (memberships, tags) go out after those of stage 0 are
    /// acknowledged and may use the record's address.
    fn stage(&self, _field: u16) -> u8 {
        0
    }

    /// Refuses a row that cannot be valid (bad e-mail, unknown option) before a request is spent on it.
    fn inspect(&self, operation: &Operation) -> Result<(), Rejection>;

    /// Refuses a value that a field cannot have in any row: [`inspect`](Self::inspect) would refuse each.
    /// A mapping's constants are asked for before the first row.
    fn inspect_value(&self, field: u16, value: &Value) -> Result<(), Rejection>;

    /// Hash of the record an operation means, ignoring what the destination ignores (case, spaces).
    /// Two operations with one identity are never in flight together.
    fn identity(&self, operation: &Operation) -> u64;

    /// Where this operation goes next, for the lowest stage among its pending fields.
    fn route(&self, operation: &Operation) -> Route;

    /// One request from the first of `operations` (all of one route) that fit its byte limit.
    fn encode(&self, route: Route, operations: &[Operation]) -> Encoded;

    /// Sends once and reads the answer. `operations` are those in the request.
    ///
    /// # Errors
    /// Anything that concerns the request as a whole, classified.
    async fn send(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError>;

    /// The address the record has once `operation` is applied, where that follows from the operation
    /// alone. A job remembers it, because its result may be read when the values are gone.
    fn address(&self, _operation: &Operation) -> Option<CompactString> {
        None
    }

    /// Asks for a job's result: one exchange.
    ///
    /// `operations` are those the job was started with, in that order. A later process may ask: its
    /// operations have the action, the address and the number they had, but no values, nothing
    /// pending and a key only where the state keeps it; and this binding did not send them. So rows
    /// are told apart by their place alone, and an address that the answer does not give is left out.
    ///
    /// # Errors
    /// As [`send`](Self::send); `BatchRejected` when the job failed and nothing of it was applied.
    async fn settle(&self, ticket: &Ticket, _operations: &[Operation]) -> Result<Asked, ConnectorError> {
        Err(ConnectorError::new(
            crate::ErrorKind::Internal,
            "no_jobs",
            format!("this destination gave job {} but does not settle jobs", ticket.id),
        ))
    }
}
