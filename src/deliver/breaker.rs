//! The circuit breaker of an account: while the destination fails whole requests in a row, one
//! probe at a time goes out and everything else waits.

use std::time::Duration;

use outflow_sdk::ConnectorError;
use tokio::time::Instant;

/// Whole requests failing in a row, over all syncs, that open the breaker.
const FAILURES: u32 = 5;

/// Wait before the first probe; doubles with each failed one.
const FIRST_PROBE: Duration = Duration::from_secs(30);

/// Longest wait between probes.
const LONGEST: Duration = Duration::from_secs(120);

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Instant, wait: Duration },
    Probing { wait: Duration },
}

/// Whether a request may go out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// It may.
    Open,
    /// It may, as the one probe.
    Probe,
    /// Not before.
    NotBefore(Instant),
    /// Not while the probe is out.
    ProbeIsOut,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    failures: u32,
    failing: Option<(Instant, ConnectorError)>,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Closed,
            failures: 0,
            failing: None,
        }
    }

    /// Whether a request may go out now. [`Pass::Probe`] counts as taken only after
    /// [`Breaker::probe`].
    pub(super) fn pass(&self, now: Instant) -> Pass {
        match self.state {
            State::Closed => Pass::Open,
            State::Open { until, .. } if until > now => Pass::NotBefore(until),
            State::Open { .. } => Pass::Probe,
            State::Probing { .. } => Pass::ProbeIsOut,
        }
    }

    /// The probe goes out.
    pub(super) fn probe(&mut self) {
        if let State::Open { wait, .. } = self.state {
            self.state = State::Probing { wait };
        }
    }

    /// The probe was not sent after all.
    pub(super) fn probe_unused(&mut self, now: Instant) {
        if let State::Probing { wait } = self.state {
            self.state = State::Open { until: now, wait };
        }
    }

    /// The destination answered something that is no failure of its own.
    pub(super) fn answered(&mut self) {
        self.state = State::Closed;
        self.failures = 0;
        self.failing = None;
    }

    /// A whole request failed.
    pub(super) fn failed(&mut self, probe: bool, error: &ConnectorError, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        match &mut self.failing {
            Some((_, last)) => *last = error.clone(),
            None => self.failing = Some((now, error.clone())),
        }
        match self.state {
            State::Closed if self.failures >= FAILURES => {
                self.state = State::Open {
                    until: now + FIRST_PROBE,
                    wait: FIRST_PROBE,
                };
            }
            State::Probing { wait } if probe => {
                let wait = (wait * 2).min(LONGEST);
                self.state = State::Open {
                    until: now + wait,
                    wait,
                };
            }
            // Requests that were out when it opened tell nothing new.
            _ => {}
        }
    }

    /// When open: since when nothing succeeded, and the last error.
    pub(super) fn down(&self) -> Option<(Instant, &ConnectorError)> {
        match self.state {
            State::Closed => None,
            _ => self.failing.as_ref().map(|(since, error)| (*since, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use outflow_sdk::ErrorKind;

    use super::*;

    fn error() -> ConnectorError {
        ConnectorError::new(ErrorKind::Transient { after: None }, "twin_500", "it fails")
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_probes_come_slower_and_slower() {
        let mut breaker = Breaker::new();
        let start = Instant::now();
        for _ in 0..4 {
            breaker.failed(false, &error(), start);
        }
        breaker.answered();
        for _ in 0..4 {
            breaker.failed(false, &error(), start);
        }
        assert_eq!(
            breaker.pass(start),
            Pass::Open,
            "an answer in between starts the count again"
        );
        breaker.failed(false, &error(), start);

        let mut now = start;
        for wait in [30, 60, 120, 120] {
            let until = now + Duration::from_secs(wait);
            assert_eq!(breaker.pass(now), Pass::NotBefore(until));
            now = until;
            assert_eq!(breaker.pass(now), Pass::Probe);
            breaker.probe();
            assert_eq!(breaker.pass(now), Pass::ProbeIsOut);
            breaker.failed(false, &error(), now);
            assert_eq!(
                breaker.pass(now),
                Pass::ProbeIsOut,
                "stragglers do not count as the probe"
            );
            breaker.failed(true, &error(), now);
        }
        assert_eq!(breaker.down().map(|(since, _)| since), Some(start));
        breaker.answered();
        assert_eq!(breaker.pass(now), Pass::Open);
        assert!(breaker.down().is_none());
    }
}
