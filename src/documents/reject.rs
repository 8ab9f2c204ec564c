//! A row that was refused.

use schemars::JsonSchema;
use serde::Serialize;

use super::time::{iso, moment};
use crate::state::{self, RejectClass, WHEN_ASKED};

/// A refused row: where it is, why, and what becomes of it. Holds its key and match value, so that a
/// person can act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reject {
    /// The sync.
    pub sync: String,
    /// The row's key.
    pub key: String,
    /// The row's match value.
    #[serde(rename = "match")]
    pub match_value: Option<String>,
    /// Stable code.
    pub code: String,
    /// The destination field, when one is named.
    pub field: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// Why it is set aside.
    pub class: RejectClass,
    /// Runs that tried it so far.
    pub attempts: u32,
    /// When it was refused first.
    pub first_seen: Option<String>,
    /// When it was refused last.
    pub last_seen: Option<String>,
    /// When it is tried again, if time decides that.
    pub next_retry: Option<String>,
}

impl Reject {
    /// The document of a reject.
    pub fn of(sync: &str, reject: &state::Reject) -> Self {
        Self {
            sync: sync.to_owned(),
            key: reject.key_text.clone(),
            match_value: reject.match_text.clone(),
            code: reject.code.clone(),
            field: reject.field.clone(),
            message: reject.message.clone(),
            class: reject.class,
            attempts: reject.attempts,
            first_seen: iso(reject.first_seen_ms),
            last_seen: iso(reject.last_seen_ms),
            next_retry: reject.next_retry_ms.filter(|at| *at != WHEN_ASKED).and_then(iso),
        }
    }
}

/// When a reject is tried again, in a few words.
pub fn when(reject: &state::Reject, now_ms: i64) -> String {
    match (reject.next_retry_ms, reject.class) {
        (Some(at), _) if at <= now_ms => "next run".into(),
        (Some(WHEN_ASKED), _) => "when its key is named".into(),
        (Some(at), _) => format!("after {}", moment(at)),
        (None, RejectClass::Transient | RejectClass::InDoubt) => "next run".into(),
        (None, RejectClass::Permanent) => "when it changes".into(),
        (None, RejectClass::Suppressed) => "never by itself".into(),
    }
}
