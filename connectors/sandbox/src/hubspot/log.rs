//! The log of requests: what a test asks "what was sent?".

use std::collections::VecDeque;

use bytes::Bytes;

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
    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The latest requests.
#[derive(Debug)]
pub(super) struct Log {
    requests: VecDeque<LoggedRequest>,
    keep: usize,
    body_bytes: usize,
    issued: u64,
    cleared: u64,
    in_flight: usize,
    most_in_flight: usize,
}

impl Log {
    pub(super) fn new(keep: usize, body_bytes: usize) -> Self {
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
    pub(super) fn begin(&mut self) {
        self.issued += 1;
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
    }

    /// Counts a request as over.
    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Whether requests are kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.keep > 0
    }

    /// Keeps a request and gives its number.
    pub(super) fn keep(&mut self, mut request: LoggedRequest) -> u64 {
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
    pub(super) fn settle(&mut self, n: u64, status: u16) {
        if let Some(request) = self.requests.iter_mut().rev().find(|request| request.n == n) {
            request.status = status;
        }
    }

    pub(super) fn clear(&mut self) {
        self.requests.clear();
        self.cleared = self.issued;
        self.most_in_flight = self.in_flight;
    }

    pub(super) fn all(&self) -> Vec<LoggedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(super) fn latest(&self, count: usize) -> impl Iterator<Item = &LoggedRequest> {
        self.requests.iter().rev().take(count)
    }

    pub(super) fn count(&self) -> u64 {
        self.issued - self.cleared
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn most_in_flight(&self) -> usize {
        self.most_in_flight
    }
}
