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
        /// Body; the vendor's error envelope if absent.
        #[serde(default)]
        body: Option<String>,
        /// Headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Waits, then goes on as usual.
    Latency {
        /// Milliseconds.
        #[serde(rename = "ms", deserialize_with = "milliseconds")]
        time: Duration,
    },
    /// Applied at once, and answered this late.
    Late {
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
    /// A proxy's HTML page with this status; nothing is applied.
    Html {
        /// Status code.
        code: u16,
    },
    /// 200 with neither results nor errors; nothing is applied.
    EmptyOk,
    /// 423: the records are locked by heavy writing (lasts 2 s at the vendor).
    #[serde(rename = "locked_423")]
    Locked423,
    /// 477: the account is being moved to another data centre.
    #[serde(rename = "migrating_477")]
    Migrating477 {
        /// Seconds in `Retry-After`.
        retry_after: u64,
    },
    /// 429 of the day's quota.
    #[serde(rename = "daily_429")]
    Daily429,
    /// 429 of the ten-second window.
    #[serde(rename = "window_429")]
    Window429,
}

impl FaultKind {
    /// Name in the request log.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Status { .. } => "status",
            FaultKind::Latency { .. } => "latency",
            FaultKind::Late { .. } => "late",
            FaultKind::CutBefore => "cut_before",
            FaultKind::CutAfter => "cut_after",
            FaultKind::Truncated => "truncated",
            FaultKind::Html { .. } => "html",
            FaultKind::EmptyOk => "empty_ok",
            FaultKind::Locked423 => "locked_423",
            FaultKind::Migrating477 { .. } => "migrating_477",
            FaultKind::Daily429 => "daily_429",
            FaultKind::Window429 => "window_429",
        }
    }
}
