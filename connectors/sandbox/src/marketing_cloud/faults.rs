//! Faults on request: what a network or an overloaded vendor does to a client.

use std::time::Duration;

use serde::Deserialize;

use crate::faults::milliseconds;

/// A fault and the requests it hits.
pub type Fault = crate::faults::Fault<FaultKind>;

/// What happens to a request that is hit.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Answered with this status and body; nothing is applied.
    Status {
        /// Status code.
        code: u16,
        /// Body.
        #[serde(default)]
        body: String,
        /// Headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Waits, then goes on as usual, even if the client has gone away.
    Latency {
        /// Milliseconds.
        #[serde(rename = "ms", deserialize_with = "milliseconds")]
        time: Duration,
    },
    /// The connection is closed; nothing is applied.
    CutBefore,
    /// Applied, then the connection is closed without an answer.
    CutAfter,
    /// Applied, then half of the answer is sent and the connection closed.
    Truncated,
    /// A gateway's HTML page with this status; nothing is applied.
    Html {
        /// Status code.
        code: u16,
    },
    /// The token has expired: 401 of REST, a fault of SOAP.
    TokenExpired,
    /// 429 with the seconds to wait.
    Throttled {
        /// Seconds.
        seconds: u64,
    },
    /// 429 without any: requests are blocked.
    Blocked,
    /// A synchronous request fails for reasons of storage (errorcode 10006 without details).
    Storage,
    /// The job of this submission reports a deadlock for its last row, which is stored all the same.
    Deadlock,
    /// The job of this submission says `Error` before it completes.
    ErrorFirst,
    /// The job of this submission is never heard of again; nothing is applied.
    JobLost,
    /// The job of this submission stays `Executing`; nothing is applied.
    JobStuck,
    /// Results come with their count and without their items.
    NoItems,
}

impl FaultKind {
    /// Name in the request log.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Status { .. } => "status",
            FaultKind::Latency { .. } => "latency",
            FaultKind::CutBefore => "cut_before",
            FaultKind::CutAfter => "cut_after",
            FaultKind::Truncated => "truncated",
            FaultKind::Html { .. } => "html",
            FaultKind::TokenExpired => "token_expired",
            FaultKind::Throttled { .. } => "throttled",
            FaultKind::Blocked => "blocked",
            FaultKind::Storage => "storage",
            FaultKind::Deadlock => "deadlock",
            FaultKind::ErrorFirst => "error_first",
            FaultKind::JobLost => "job_lost",
            FaultKind::JobStuck => "job_stuck",
            FaultKind::NoItems => "no_items",
        }
    }
}
