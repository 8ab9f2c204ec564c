//! Jobs: a request that was only accepted is asked about until it is done or its deadline passes.

use std::time::Duration;

use outflow_sdk::destination::{Answer, Asked, Operation, Outcome, Ticket};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::time::{Instant, sleep_until};

use super::account::Exchange;
use super::failure::{Stop, exchange};
use super::send::{Shared, unwound};

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
    /// Nobody knows what became of it, and asking further is no use.
    Unknown { code: String, stop: Option<Stop> },
}

/// Asks for the result of a job. Keeps the place in flight of the request that started it; each ask
/// takes a slot of its own. `requests` counts them.
pub(super) async fn settle(
    shared: &Shared,
    ticket: &Ticket,
    operations: &[Operation],
    requests: &mut u64,
) -> JobEnd {
    let deadline = Instant::now() + ticket.deadline;
    let mut pause = ticket.poll_every;
    let mut wait = pause;
    loop {
        let at = (Instant::now() + wait).min(deadline);
        let asked = async {
            sleep_until(at).await;
            ask(shared, ticket, operations, requests).await
        };
        let asked = tokio::select! {
            biased;
            () = stopped(shared) => return unknown("job_unfinished", None),
            asked = asked => asked,
            () = sleep_until(deadline + LAST_ASK) => return doubt(operations),
        };
        pause = (pause * 3 / 2).min(MOST_WAIT.max(ticket.poll_every));
        wait = pause;
        match asked {
            Ok(Ok(Asked::Answered(answer))) => return JobEnd::Answered(answer),
            Ok(Ok(Asked::Partly)) => wait = Duration::ZERO,
            Ok(Ok(Asked::Running)) => {}
            Ok(Err(error)) => match error.kind {
                ErrorKind::Transient { after } | ErrorKind::RateLimited { after, .. } => {
                    wait = wait.max(after.unwrap_or_default());
                }
                ErrorKind::Ambiguous => {}
                ErrorKind::BatchRejected { .. } => return JobEnd::Failed(error),
                ErrorKind::QuotaExhausted { until } => {
                    let code = error.code;
                    return unknown(code, Some(Stop::Quota { until, code }));
                }
                _ => return unknown(error.code, Some(Stop::Error(error))),
            },
            Err(stop) => return unknown("job_unfinished", Some(stop)),
        }
        if Instant::now() >= deadline {
            return doubt(operations);
        }
    }
}

async fn stopped(shared: &Shared) {
    // A sender that is gone means the same: nobody waits for this job any more.
    let _ = shared.stopping.clone().wait_for(|stopping| *stopping).await;
}

async fn ask(
    shared: &Shared,
    ticket: &Ticket,
    operations: &[Operation],
    requests: &mut u64,
) -> Result<Result<Asked, ConnectorError>, Stop> {
    let mut permit = shared
        .account
        .acquire_within(shared.since, shared.policy.give_up, shared.progress.as_ref())
        .await?;
    *requests += 1;
    permit.sending();
    let asked = unwound(shared.binding.settle(ticket, operations)).await;
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

fn unknown(code: &str, stop: Option<Stop>) -> JobEnd {
    JobEnd::Unknown {
        code: code.to_owned(),
        stop,
    }
}

/// The deadline passed: every row is in doubt.
fn doubt(operations: &[Operation]) -> JobEnd {
    JobEnd::Answered(Answer {
        outcomes: vec![Outcome::InDoubt; operations.len()],
        observed: None,
        correlation: None,
    })
}
