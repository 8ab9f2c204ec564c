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
        /// Body; the vendor's problem document if absent.
        #[serde(default)]
        body: Option<String>,
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
    /// A proxy's HTML page with this status; nothing is applied.
    Html {
        /// Status code.
        code: u16,
    },
    /// 200 with three empty arrays; nothing is applied.
    EmptyOk,
    /// A batch's last member is neither written nor mentioned in the answer.
    OmitLast,
    /// 429 of the simultaneous connections.
    #[serde(rename = "connections_429")]
    Connections429,
    /// 429 without JSON, as at high volume.
    #[serde(rename = "edge_429")]
    Edge429,
    /// 403 without JSON, as at high volume: throttling, not authorisation.
    #[serde(rename = "edge_403")]
    Edge403,
    /// 503 of the firewall in front, with a reference number.
    #[serde(rename = "blocked_503")]
    Blocked503,
    /// 500 *Internal Server Error*.
    #[serde(rename = "internal_500")]
    Internal500,
    /// 403 *User Disabled*.
    #[serde(rename = "user_disabled_403")]
    UserDisabled403,
    /// 503 *Compliance Related*: the method is disabled for the account.
    #[serde(rename = "method_disabled_503")]
    MethodDisabled503,
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
            FaultKind::EmptyOk => "empty_ok",
            FaultKind::OmitLast => "omit_last",
            FaultKind::Connections429 => "connections_429",
            FaultKind::Edge429 => "edge_429",
            FaultKind::Edge403 => "edge_403",
            FaultKind::Blocked503 => "blocked_503",
            FaultKind::Internal500 => "internal_500",
            FaultKind::UserDisabled403 => "user_disabled_403",
            FaultKind::MethodDisabled503 => "method_disabled_503",
        }
    }
}
