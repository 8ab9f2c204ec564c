//! Faults on request: which requests are hit, and in what order. What happens to them is each vendor's own.

use std::time::Duration;

use serde::Deserialize;

/// A fault and the requests it hits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault<K> {
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
    pub kind: K,
}

fn once() -> u32 {
    1
}

impl<K> Fault<K> {
    /// Hits the next request, whatever it is.
    pub fn next(kind: K) -> Self {
        Self {
            method: None,
            path: None,
            skip: 0,
            times: 1,
            kind,
        }
    }

    /// Hits the next request whose path contains `path`.
    pub fn on(path: impl Into<String>, kind: K) -> Self {
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

/// A duration given in whole milliseconds.
pub(crate) fn milliseconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// Faults waiting for their requests, in the order they were queued.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    waiting: Vec<Fault<K>>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { waiting: Vec::new() }
    }
}

impl<K: Clone> Queue<K> {
    pub(crate) fn push(&mut self, fault: Fault<K>) {
        if fault.times > 0 {
            self.waiting.push(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The fault that hits this request, if any. Only the first matching fault counts.
    pub(crate) fn take(&mut self, method: &str, path: &str) -> Option<K> {
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
