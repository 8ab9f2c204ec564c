//! What the state holds, as plain data.

use std::collections::BTreeMap;

use compact_str::CompactString;
use outflow_sdk::print::{KeyHash, Print};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, JobId};

/// Number of a sync in the store.
pub type SyncId = i64;

/// Number of a run in the store; grows with time.
pub type RunId = i64;

/// What a destination last acknowledged of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRow {
    /// Hash of the key.
    pub key: KeyHash,
    /// The row's print when every mapped field was acknowledged; else `0`.
    pub print: Print,
    /// Number of the layout that names `prints`.
    pub layout: u32,
    /// One print per field of the layout; `0` = never acknowledged.
    pub prints: Vec<Print>,
    /// The record's address at the destination.
    pub remote: Option<CompactString>,
    /// The key as people write it; kept only where removals must name it.
    pub key_text: Option<String>,
    /// The match value; kept only where removal or rename needs it.
    pub match_text: Option<String>,
    /// When it was last acknowledged, milliseconds since 1970.
    pub applied_ms: i64,
    /// The run that last wrote it.
    pub run: RunId,
}

/// [`Reject::next_retry_ms`] of a row that is tried again only when a person asks for it.
pub const WHEN_ASKED: i64 = i64::MAX;

/// Why a row is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectClass {
    /// Refused for good: sleeps until its values, the mapping or the destination's fields change.
    Permanent,
    /// Attempts ran out: tried again by the next run.
    Transient,
    /// Refused for consent or compliance; not a failure.
    Suppressed,
    /// Sent, and nobody knows whether it was applied; tried again by the next run.
    InDoubt,
}

impl RejectClass {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Permanent, Self::Transient, Self::Suppressed, Self::InDoubt];

    /// The word in the state and in `rejects --json`.
    pub fn word(self) -> &'static str {
        match self {
            RejectClass::Permanent => "permanent",
            RejectClass::Transient => "transient",
            RejectClass::Suppressed => "suppressed",
            RejectClass::InDoubt => "in_doubt",
        }
    }

    /// The class a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }
}

/// A row that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// Hash of the key.
    pub key: KeyHash,
    /// The row's print when it was refused.
    pub print: Print,
    /// Hash of mapping and destination fields when it was refused.
    pub schema_print: u64,
    /// Why it is set aside.
    pub class: RejectClass,
    /// Stable code.
    pub code: String,
    /// Destination field, when one is named.
    pub field: Option<String>,
    /// Our own words.
    pub message: String,
    /// The key, so that a person can act.
    pub key_text: String,
    /// The match value, so that a person can act.
    pub match_text: Option<String>,
    /// Runs that tried it so far.
    pub attempts: u32,
    /// When it was refused first, milliseconds since 1970.
    pub first_seen_ms: i64,
    /// When it was refused last.
    pub last_seen_ms: i64,
    /// Not to be tried before; none = sleeps until something changes.
    pub next_retry_ms: Option<i64>,
}

/// One try to send one row that did not end in an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Hash of the key.
    pub key: KeyHash,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// The run.
    pub run: RunId,
    /// `rejected`, `suppressed`, `retry`, `in_doubt`, …
    pub outcome: String,
    /// Stable code.
    pub code: String,
    /// The vendor's id of the exchange.
    pub correlation: Option<String>,
}

/// What one settled batch changes; written in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Rows as acknowledged; their rejects, if any, are closed.
    pub rows: Vec<StoredRow>,
    /// Rows whose record was removed or is no longer followed.
    pub removed: Vec<KeyHash>,
    /// Rows that are set aside.
    pub rejects: Vec<Reject>,
    /// Rejects that are settled without an acknowledgement (the row left the model or is unchanged again).
    pub closed: Vec<KeyHash>,
    /// Tries worth telling about.
    pub attempts: Vec<Attempt>,
    /// Jobs the destination accepted.
    pub jobs: Vec<Job>,
    /// Jobs of which nothing more is to be heard.
    pub finished: Vec<JobId>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.removed.is_empty()
            && self.rejects.is_empty()
            && self.closed.is_empty()
            && self.attempts.is_empty()
            && self.jobs.is_empty()
            && self.finished.is_empty()
    }
}

/// One row's print before and after a change, as the filter must learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterChange {
    /// Hash of the key.
    pub key: KeyHash,
    /// The stored print it had; none when the row was not known.
    pub before: Option<Print>,
    /// The stored print it has now; none when the row is gone.
    pub after: Option<Print>,
}

/// What a sync's state was built with; a change of it needs a person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Columns of the key.
    pub key: Vec<String>,
    /// The destination account (no secret).
    pub account: String,
    /// `object:`, and what else in the options names the target.
    pub object: String,
    /// `match:`.
    pub match_fields: Vec<String>,
}

/// One sync in the store.
#[derive(Clone, Debug)]
pub struct SyncState {
    /// Number.
    pub id: SyncId,
    /// Name.
    pub name: String,
    /// What the state was built with; none before the first run.
    pub identity: Option<Identity>,
    /// Grows with every transaction that changes rows.
    pub generation: u64,
    /// The next run takes the model as what is at the destination already, and sends nothing.
    pub adopt: bool,
    /// Rows known.
    pub rows: u64,
    /// Open rejects that are failures.
    pub rejects: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Under way, or cut off.
    Running,
    /// Everything done.
    Ok,
    /// Done; some rows are rejected.
    Rejects,
    /// Stopped by an error.
    Failed,
    /// Stopped by a guard before the first write.
    Guarded,
    /// Out of quota; goes on by itself later.
    Deferred,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Ok,
        Self::Rejects,
        Self::Failed,
        Self::Guarded,
        Self::Deferred,
    ];

    /// The word in the state and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Ok => "ok",
            RunStatus::Rejects => "rejects",
            RunStatus::Failed => "failed",
            RunStatus::Guarded => "guarded",
            RunStatus::Deferred => "deferred",
        }
    }

    /// The status a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// Rows of a run by what became of them. Every row read, and every removal tried, is in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Rows the model gave.
    pub read: u64,
    /// Already at the destination.
    pub unchanged: u64,
    /// Records created.
    pub created: u64,
    /// Records updated.
    pub updated: u64,
    /// Records removed, cleared, archived.
    pub removed: u64,
    /// Rows refused, now or before.
    pub rejected: u64,
    /// Rows refused for consent.
    pub suppressed: u64,
    /// Rows without a key or with a key that others have too.
    pub invalid_key: u64,
    /// Rows not sent for want of quota, or because the run stopped.
    pub deferred: u64,
    /// Rows in doubt.
    pub held: u64,
    /// HTTP requests, retries included.
    pub requests: u64,
}

impl Tally {
    /// Adds another tally, bucket by bucket.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.unchanged += other.unchanged;
        self.created += other.created;
        self.updated += other.updated;
        self.removed += other.removed;
        self.rejected += other.rejected;
        self.suppressed += other.suppressed;
        self.invalid_key += other.invalid_key;
        self.deferred += other.deferred;
        self.held += other.held;
        self.requests += other.requests;
    }

    /// The sum of the buckets: rows read plus removals tried, or the run is wrong.
    pub fn accounted(&self) -> u64 {
        self.unchanged
            + self.created
            + self.updated
            + self.removed
            + self.rejected
            + self.suppressed
            + self.invalid_key
            + self.deferred
            + self.held
    }
}

/// One run, as history keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Number.
    pub id: RunId,
    /// Sync name.
    pub sync: String,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    /// Milliseconds since 1970; none while it runs or when it was cut off.
    pub finished_ms: Option<i64>,
    /// How it ended.
    pub status: RunStatus,
    /// Of a run that read some rows alone, how many keys it was asked for; none = the whole model.
    pub keys: Option<u64>,
    /// The balanced ledger.
    pub tally: Tally,
    /// Why it failed or stopped: code and words.
    pub error: Option<(String, String)>,
    /// What it took, and which fields it changed.
    pub detail: RunDetail,
}

/// What a run took beside its rows, and which fields it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunDetail {
    /// Requests that were sent again.
    pub retries: u64,
    /// How long the account's limits made it wait, milliseconds.
    pub limiter_wait_ms: u64,
    /// Removals tried; they are no rows of the model.
    pub removals: u64,
    /// In how many records each destination field got another value; fields that changed nowhere are
    /// left out, and so is what a job of an earlier run changed.
    pub fields: BTreeMap<String, u64>,
    /// The few requests that took longest, the slowest first.
    pub slowest: Vec<SlowRequest>,
}

/// A request of a run, and how long it took. Holds no contact value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowRequest {
    /// What it was: a name of the destination's such as `upsert`.
    pub route: String,
    /// Rows it carried.
    pub rows: u64,
    /// From sending to its answer, milliseconds.
    pub took_ms: u64,
    /// When it was sent, milliseconds since 1970.
    pub sent_ms: i64,
    /// Whether it repeated an earlier one.
    pub again: bool,
    /// Stable code of the error it ended with; none when it was answered.
    pub code: Option<String>,
    /// The vendor's id of the exchange, where it told one.
    pub correlation: Option<String>,
}
