//! The slowest requests of a delivery: what to look at first when one takes long.
//!
//! Every request is timed, from sending to its answer, on tokio's clock. Only the few that stay are
//! written down: of the others nothing is copied.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::destination::{Asked, Route, Sent, Ticket};
use tokio::time::Instant;

use super::account::Account;

/// Requests kept.
const KEPT: usize = 5;

/// What a request that asks for a job's result is called; the others go by their route.
const JOB_RESULT: &str = "job_result";

/// One request and how long it took. Holds no contact value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowRequest {
    /// Name of its route; `job_result` when it asked for a job's result.
    pub route: &'static str,
    /// Rows it carried, or rows of the job it asked about.
    pub rows: usize,
    /// From sending to its answer.
    pub took: Duration,
    /// When it was sent, milliseconds since 1970.
    pub sent_ms: i64,
    /// Whether it repeated an earlier one.
    pub again: bool,
    /// Stable code of the error it ended with; none = it was answered, whatever the answer said of each row.
    pub code: Option<&'static str>,
    /// The vendor's id of the exchange, where it told one.
    pub correlation: Option<String>,
}

/// The few slowest requests, the slowest first; of equals the earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slowest(Vec<SlowRequest>);

impl Slowest {
    /// The requests, the slowest first.
    pub fn requests(&self) -> &[SlowRequest] {
        &self.0
    }

    /// Takes those of another delivery of the same run in.
    pub fn merge(&mut self, others: Slowest) {
        for other in others.0 {
            if self.takes(other.took) {
                self.keep(other);
            }
        }
    }

    /// Whether a request that took so long is one of the slowest.
    fn takes(&self, took: Duration) -> bool {
        self.0.len() < KEPT || self.0.last().is_some_and(|fastest| took > fastest.took)
    }

    fn keep(&mut self, request: SlowRequest) {
        let at = self.0.partition_point(|known| known.took >= request.took);
        self.0.insert(at, request);
        self.0.truncate(KEPT);
    }
}

/// Times the requests of a delivery, of which several are out at once.
#[derive(Default)]
pub(super) struct Stopwatch(Mutex<Slowest>);

impl Stopwatch {
    /// A request ended just now.
    pub(super) fn over(&self, timed: Timed, ending: Ending<'_>, account: &Account) {
        let took = timed.since.elapsed();
        // A list is whole after every statement: a panic elsewhere does not spoil it.
        let mut slowest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slowest.takes(took) {
            let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
            slowest.keep(SlowRequest {
                route: timed.route,
                rows: timed.rows,
                took,
                sent_ms: account.now_ms().saturating_sub(took_ms),
                again: timed.again,
                code: ending.code,
                correlation: ending.correlation.map(str::to_owned),
            });
        }
    }

    /// What was timed so far.
    pub(super) fn take(&self) -> Slowest {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that goes out right now.
#[derive(Clone, Copy)]
pub(super) struct Timed {
    route: &'static str,
    rows: usize,
    again: bool,
    since: Instant,
}

impl Timed {
    pub(super) fn request(route: Route, rows: usize, again: bool) -> Self {
        Self {
            route: route.name,
            rows,
            again,
            since: Instant::now(),
        }
    }

    /// One that asks for the result of a job of so many rows.
    pub(super) fn ask(rows: usize) -> Self {
        Self {
            route: JOB_RESULT,
            rows,
            again: false,
            since: Instant::now(),
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    code: Option<&'static str>,
    correlation: Option<&'a str>,
}

impl<'a> Ending<'a> {
    pub(super) fn of(sent: &'a Result<Sent, ConnectorError>) -> Self {
        match sent {
            Ok(Sent::Settled(answer)) => Self::answered(answer.correlation.as_deref()),
            Ok(Sent::Accepted(ticket)) => Self::answered(Some(&ticket.id)),
            Err(error) => Self::failed(error),
        }
    }

    pub(super) fn of_ask(asked: &'a Result<Asked, ConnectorError>, ticket: &'a Ticket) -> Self {
        match asked {
            Ok(Asked::Answered(answer)) => Self::answered(answer.correlation.as_deref().or(Some(&ticket.id))),
            Ok(Asked::Partly | Asked::Running) => Self::answered(Some(&ticket.id)),
            Err(error) => Self::failed(error),
        }
    }

    fn answered(correlation: Option<&'a str>) -> Self {
        Self {
            code: None,
            correlation,
        }
    }

    fn failed(error: &'a ConnectorError) -> Self {
        Self {
            code: Some(error.code),
            correlation: error.correlation.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rows: usize, ms: u64) -> SlowRequest {
        SlowRequest {
            route: "upsert",
            rows,
            took: Duration::from_millis(ms),
            sent_ms: 0,
            again: false,
            code: None,
            correlation: None,
        }
    }

    fn slowest(times: &[u64]) -> Slowest {
        let mut slowest = Slowest::default();
        for (rows, ms) in times.iter().enumerate() {
            slowest.merge(Slowest(vec![request(rows, *ms)]));
        }
        slowest
    }

    fn times(slowest: &Slowest) -> Vec<(usize, u128)> {
        let times = slowest.requests().iter();
        times.map(|one| (one.rows, one.took.as_millis())).collect()
    }

    #[test]
    fn the_slowest_stay_in_order_and_of_equals_the_earlier_ones() {
        assert_eq!(
            times(&slowest(&[7, 3, 9, 7, 1, 7, 8, 7])),
            [(2, 9), (6, 8), (0, 7), (3, 7), (5, 7)]
        );
        assert_eq!(times(&slowest(&[1, 2])), [(1, 2), (0, 1)]);
    }

    #[test]
    fn deliveries_of_one_run_are_merged() {
        let mut all = slowest(&[5, 40, 10]);
        all.merge(slowest(&[20, 2, 30, 10]));
        let of_all: Vec<u128> = times(&all).into_iter().map(|(_, ms)| ms).collect();
        assert_eq!(of_all, [40, 30, 20, 10, 10]);
        let before = all.clone();
        all.merge(Slowest::default());
        assert_eq!(all, before);
    }
}
