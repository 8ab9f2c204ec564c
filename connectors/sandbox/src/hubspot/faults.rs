//! Faults on request: what a network or an overloaded vendor does to a client.

use std::time::Duration;

use serde::Deserialize;

/// A fault and the requests it hits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Method to hit; any if absent.
    #[serde(default)]
    pub method: Option<String>,
    /// Part of the path to hit; any if absent.
    #[serde(default)]
    pub path: Option<String>,
    /// Matching requests let through first.
    #[serde(default)]
    pub skip: u32,
    /// Matching requests hit.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Hits the next request, whatever it is.
    pub fn next(kind: FaultKind) -> Self {
        Self {
            method: None,
            path: None,
            skip: 0,
            times: 1,
            kind,
        }
    }

    /// Hits the next request whose path contains `path`.
    pub fn on(path: impl Into<String>, kind: FaultKind) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::next(kind)
        }
    }

    /// Hits that many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets that many matching requests through first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|part| path.contains(part))
    }
}

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

fn milliseconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// Faults waiting for their requests, in the order they were queued.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Fault>,
}

impl Queue {
    pub(super) fn push(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.waiting.push(fault);
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The fault that hits this request, if any. Only the first matching fault counts.
    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<FaultKind> {
        let position = self
            .waiting
            .iter()
            .position(|fault| fault.matches(method, path))?;
        let fault = self.waiting.get_mut(position)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        let kind = fault.kind.clone();
        if fault.times == 0 {
            self.waiting.remove(position);
        }
        Some(kind)
    }
}
