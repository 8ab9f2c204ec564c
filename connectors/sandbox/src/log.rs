//! The log of requests: what a test asks "what was sent?".

use std::collections::VecDeque;

use bytes::Bytes;

use crate::server::Asked;

/// One request as it came in and how it was answered.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// Number, from 1, never reused.
    pub n: u64,
    /// Milliseconds since the twin started, by its clock.
    pub at_ms: u64,
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query without the question mark.
    pub query: String,
    /// Status of the answer; 0 if the connection was cut.
    pub status: u16,
    /// Body, up to the kept length.
    pub body: Bytes,
    /// Length of the whole body.
    pub body_bytes: usize,
    /// The fault it was hit by.
    pub fault: Option<&'static str>,
}

impl LoggedRequest {
    /// A request that came in `at_ms` after the twin's start; its number and status are set later.
    pub(crate) fn new(at_ms: u64, asked: &Asked, fault: Option<&'static str>) -> Self {
        Self {
            n: 0,
            at_ms,
            method: asked.method.to_string(),
            path: asked.uri.path().to_owned(),
            query: asked.uri.query().unwrap_or_default().to_owned(),
            status: 0,
            body: asked.body.clone(),
            body_bytes: asked.body.len(),
            fault,
        }
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The request as control answers show it.
    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::json!({
            "n": self.n,
            "at_ms": self.at_ms,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "body": String::from_utf8_lossy(&self.body),
            "body_bytes": self.body_bytes,
            "fault": self.fault,
        })
    }
}

/// The latest requests.
#[derive(Debug)]
pub(crate) struct Log {
    requests: VecDeque<LoggedRequest>,
    keep: usize,
    body_bytes: usize,
    issued: u64,
    cleared: u64,
    in_flight: usize,
    most_in_flight: usize,
}

impl Log {
    pub(crate) fn new(keep: usize, body_bytes: usize) -> Self {
        Self {
            requests: VecDeque::new(),
            keep,
            body_bytes,
            issued: 0,
            cleared: 0,
            in_flight: 0,
            most_in_flight: 0,
        }
    }

    /// Counts a request that came in.
    pub(crate) fn begin(&mut self) {
        self.issued += 1;
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
    }

    /// Counts a request as over.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Whether requests are kept at all.
    pub(crate) fn keeps(&self) -> bool {
        self.keep > 0
    }

    /// Keeps a request and gives its number.
    pub(crate) fn keep(&mut self, mut request: LoggedRequest) -> u64 {
        request.n = self.issued;
        if request.body.len() > self.body_bytes {
            request.body.truncate(self.body_bytes);
        }
        if self.requests.len() >= self.keep {
            self.requests.pop_front();
        }
        let n = request.n;
        self.requests.push_back(request);
        n
    }

    /// Sets the status of a kept request once it is known.
    pub(crate) fn settle(&mut self, n: u64, status: u16) {
        if let Some(request) = self.requests.iter_mut().rev().find(|request| request.n == n) {
            request.status = status;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.requests.clear();
        self.cleared = self.issued;
        self.most_in_flight = self.in_flight;
    }

    pub(crate) fn all(&self) -> Vec<LoggedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn latest(&self, count: usize) -> impl Iterator<Item = &LoggedRequest> {
        self.requests.iter().rev().take(count)
    }

    pub(crate) fn count(&self) -> u64 {
        self.issued - self.cleared
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight
    }
}
