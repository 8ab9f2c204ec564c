//! Jobs: a request that was only accepted is asked about until it is done or its deadline passes.
//!
//! The ledger knows of a job before it is asked about for the first time, so that a job outlives the
//! delivery that started it: [`resume`] asks about one that an earlier process left open.

use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::destination::{Answer, Asked, Binding, Operation, Ticket};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::account::{Account, Exchange, Permit};
use super::failure::{Stop, exchange};
use super::send::unwound;
use super::slowest::{Ending, Slowest, Stopwatch, Timed};
use super::{CancellationSignal, End, Policy, Progress, Waiting};

/// Longest wait between two asks.
const MOST_WAIT: Duration = Duration::from_secs(30);

/// What the last ask, at the deadline, is given for its slot and its answer.
const LAST_ASK: Duration = Duration::from_secs(60);

/// How asking for a job's result ended.
pub(super) enum JobEnd {
    /// It is done.
    Answered(Answer),
    /// It failed as a whole, so that nothing of it was applied.
    Failed(ConnectorError),
    /// The deadline passed: nobody knows what became of it.
    Lost,
    /// It goes on, and nobody asks further now.
    Open(Stop),
}

/// Who asks for the result of a job, and how.
pub(super) struct Asker<'a> {
    pub binding: &'a dyn Binding,
    pub account: &'a Arc<Account>,
    pub policy: Policy,
    pub progress: &'a dyn Progress,
    pub stopwatch: &'a Stopwatch,
    /// When the delivery began.
    pub since: Instant,
    /// Turns true when the delivery stops.
    pub stopping: watch::Receiver<bool>,
    /// Whether the place in flight of the request that started the job is still taken.
    pub has_place: bool,
}

/// When to ask for the first time, and until when.
pub(super) struct Times {
    pub first: Duration,
    pub deadline: Instant,
    /// What asks that were begun by the deadline are given to get an answer.
    pub grace: Duration,
}

impl Times {
    /// Those of a job that was accepted right now.
    pub(super) fn of(ticket: &Ticket) -> Self {
        Self {
            first: ticket.poll_every,
            deadline: Instant::now() + ticket.deadline,
            grace: LAST_ASK,
        }
    }
}

impl Asker<'_> {
    /// Asks for the result of a job. Each ask takes a slot of its own; `requests` counts them.
    pub(super) async fn settle(
        &self,
        ticket: &Ticket,
        operations: &[Operation],
        times: Times,
        requests: &mut u64,
    ) -> JobEnd {
        let mut deadline = times.deadline;
        let mut pause = ticket.poll_every;
        let mut wait = times.first;
        // A result comes in parts, at most one for each row, and is not lost while it is read.
        let mut parts = operations.len();
        loop {
            let now = Instant::now();
            let late = now >= deadline;
            let at = if late {
                now + wait
            } else {
                (now + wait).min(deadline)
            };
            let asked = async {
                sleep_until(at).await;
                self.ask(ticket, operations, requests).await
            };
            let asked = tokio::select! {
                biased;
                () = self.stopped() => return JobEnd::Open(Stop::Cancelled),
                asked = asked => asked,
                () = sleep_until(deadline + times.grace) => return JobEnd::Lost,
            };
            pause = (pause * 3 / 2).min(MOST_WAIT.max(ticket.poll_every));
            wait = pause;
            let late = Instant::now() >= deadline;
            match asked {
                Ok(Ok(Asked::Answered(answer))) => return JobEnd::Answered(answer),
                Ok(Ok(Asked::Partly)) if parts > 0 => {
                    parts -= 1;
                    wait = Duration::ZERO;
                    deadline = deadline.max(Instant::now());
                }
                Ok(Ok(Asked::Partly | Asked::Running)) if late => return JobEnd::Lost,
                Ok(Ok(Asked::Partly | Asked::Running)) => {}
                Ok(Err(error)) => match error.kind {
                    ErrorKind::Transient { after } | ErrorKind::RateLimited { after, .. } => {
                        wait = wait.max(after.unwrap_or_default());
                    }
                    ErrorKind::Ambiguous => {}
                    ErrorKind::BatchRejected { .. } => return JobEnd::Failed(error),
                    ErrorKind::QuotaExhausted { until } => {
                        let code = error.code;
                        return JobEnd::Open(Stop::Quota { until, code });
                    }
                    ErrorKind::Contract | ErrorKind::Internal if late => return JobEnd::Lost,
                    _ => return JobEnd::Open(Stop::Error(error)),
                },
                Err(stop) => return JobEnd::Open(stop),
            }
        }
    }

    async fn stopped(&self) {
        // A sender that is gone means the same: nobody waits for this job any more.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }

    async fn permit(&self) -> Result<Permit, Stop> {
        let (since, give_up) = (self.since, self.policy.give_up);
        let permit = if self.has_place {
            self.account.acquire_within(since, give_up, self.progress).await
        } else {
            self.account.acquire(since, give_up, self.progress).await
        };
        Ok(permit?)
    }

    async fn ask(
        &self,
        ticket: &Ticket,
        operations: &[Operation],
        requests: &mut u64,
    ) -> Result<Result<Asked, ConnectorError>, Stop> {
        let mut permit = self.permit().await?;
        *requests += 1;
        permit.sending();
        let timed = Timed::ask(operations.len());
        let asked = unwound(self.binding.settle(ticket, operations)).await;
        self.stopwatch
            .over(timed, Ending::of_ask(&asked, ticket), self.account);
        match &asked {
            Ok(answer) => {
                let seen = match answer {
                    Asked::Answered(answer) => answer.observed.as_ref(),
                    Asked::Partly | Asked::Running => None,
                };
                permit.over(&Exchange::Answered(seen));
            }
            Err(error) => permit.over(&exchange(error)),
        }
        Ok(asked)
    }
}

/// A job an earlier delivery left open.
pub struct OpenJob {
    /// Its name at the destination.
    pub ticket: Ticket,
    /// What it was started with, in that order, as [`Binding::settle`] describes it.
    pub operations: Vec<Operation>,
    /// How long until it counts as lost. It is asked about at least once.
    pub time_left: Duration,
}

/// What is known of a job in the end.
#[derive(Debug)]
pub enum JobResult {
    /// What became of each of its operations.
    Answered(Answer),
    /// It was refused as a whole: nothing of it was applied.
    Refused(ConnectorError),
    /// Its deadline passed: nobody knows what became of it.
    Lost,
    /// It goes on; nothing was heard because the asking ended so.
    Open(End),
}

/// How asking about a job of an earlier delivery went.
#[derive(Debug)]
pub struct Resumed {
    /// What is known of the job.
    pub result: JobResult,
    /// Requests that took.
    pub requests: u64,
    /// The slowest of them.
    pub slowest: Slowest,
}

/// Asks about a job that an earlier delivery left open, inside the account's limits.
pub async fn resume(
    binding: &dyn Binding,
    account: &Arc<Account>,
    job: &OpenJob,
    policy: Policy,
    mut stop: CancellationSignal,
    progress: &dyn Progress,
) -> Resumed {
    let now = Instant::now();
    let (_going_on, stopping) = watch::channel(false);
    let stopwatch = Stopwatch::default();
    let asker = Asker {
        binding,
        account,
        policy,
        progress,
        stopwatch: &stopwatch,
        since: now,
        stopping,
        has_place: false,
    };
    let times = Times {
        first: Duration::ZERO,
        deadline: now + job.time_left,
        // Long enough for a destination that is down to be known as down: its jobs are not lost.
        grace: policy.give_up + LAST_ASK,
    };
    progress.waiting(Waiting::Job, Some(job.time_left));
    let mut requests = 0;
    let cancelled = async {
        if stop.wait_for(|stop| *stop).await.is_err() {
            // Whoever could cancel is gone.
            std::future::pending::<()>().await;
        }
    };
    let end = tokio::select! {
        biased;
        () = cancelled => JobEnd::Open(Stop::Cancelled),
        end = asker.settle(&job.ticket, &job.operations, times, &mut requests) => end,
    };
    let rows = job.operations.len();
    let result = match end {
        JobEnd::Answered(answer) if answer.outcomes.len() == rows => JobResult::Answered(answer),
        JobEnd::Answered(answer) if job.time_left.is_zero() => {
            tracing::warn!(
                outcomes = answer.outcomes.len(),
                rows,
                "a job's result does not match its rows"
            );
            JobResult::Lost
        }
        JobEnd::Answered(answer) => JobResult::Open(End::Stopped(mismatch(&answer, rows))),
        JobEnd::Failed(error) => JobResult::Refused(error),
        JobEnd::Lost => JobResult::Lost,
        JobEnd::Open(stop) => JobResult::Open(stop.into_end()),
    };
    Resumed {
        result,
        requests,
        slowest: stopwatch.take(),
    }
}

/// An answer that does not tell of each row once.
pub(super) fn mismatch(answer: &Answer, rows: usize) -> ConnectorError {
    let message = format!(
        "the answer tells of {} rows, the request had {rows}",
        answer.outcomes.len()
    );
    ConnectorError::new(ErrorKind::Internal, "outcomes_do_not_match", message)
        .with_correlation(answer.correlation.clone())
}
