//! One request, from encoding to the ledger.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use outflow_sdk::destination::{Answer, Binding, Encoded, Outcome, Sent, Ticket};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::account::{Account, Exchange, Permit};
use super::failure::{self, Stop};
use super::interpret::{Verdict, interpret, repeatable};
use super::job::{Asker, JobEnd, Times, mismatch};
use super::lane::{Item, Parcel};
use super::slowest::{Ending, Stopwatch, Timed};
use super::{AcceptedJob, Fate, Ledger, Policy, Progress};

/// What the requests of a delivery share.
pub(super) struct Shared {
    pub binding: Arc<dyn Binding>,
    pub account: Arc<Account>,
    pub ledger: Arc<dyn Ledger>,
    pub policy: Policy,
    pub progress: Arc<dyn Progress>,
    pub stopwatch: Stopwatch,
    /// When the delivery began.
    pub since: Instant,
    /// Turns true when the delivery stops.
    pub stopping: watch::Receiver<bool>,
    leftovers: mpsc::UnboundedSender<Parcel>,
}

/// The other ends of what [`Shared`] holds.
pub(super) struct Channels {
    pub stopping: watch::Sender<bool>,
    /// What did not fit into a request.
    pub leftovers: mpsc::UnboundedReceiver<Parcel>,
}

impl Shared {
    pub(super) fn new(
        binding: Arc<dyn Binding>,
        account: Arc<Account>,
        ledger: Arc<dyn Ledger>,
        policy: Policy,
        progress: Arc<dyn Progress>,
    ) -> (Arc<Self>, Channels) {
        let (stop, stopping) = watch::channel(false);
        let (sender, leftovers) = mpsc::unbounded_channel();
        let shared = Self {
            binding,
            account,
            ledger,
            policy,
            progress,
            stopwatch: Stopwatch::default(),
            since: Instant::now(),
            stopping,
            leftovers: sender,
        };
        let channels = Channels {
            stopping: stop,
            leftovers,
        };
        (Arc::new(shared), channels)
    }
}

/// A parcel to be sent again, and when.
pub(super) struct Resend {
    pub parcel: Parcel,
    pub at: Instant,
}

/// What a request leaves to the loop.
#[derive(Default)]
pub(super) struct Finished {
    pub left: Vec<u64>,
    pub routed_on: Vec<Item>,
    pub again: Vec<Resend>,
    pub stop: Option<Stop>,
    pub requests: u64,
    pub retries: u64,
    pub waited: Duration,
}

/// Sends a parcel once, reads the answer, writes down what is settled.
pub(super) async fn send(shared: Arc<Shared>, parcel: JoinHandle<Parcel>, mut permit: Permit) -> Finished {
    let parcel = match parcel.await {
        Ok(parcel) => parcel,
        Err(error) => {
            return Finished {
                stop: Some(lost(&error)),
                ..Finished::default()
            };
        }
    };
    let mut requests = 0;
    let retries = u64::from(parcel.again);
    let waited = permit.waited();
    let mut verdict = exchange(&shared, parcel, &mut permit, &mut requests).await;
    if let Err(error) = write_down(&shared, &mut verdict).await {
        verdict.stop = Some(error);
    }
    drop(permit);
    let now = Instant::now();
    let again = verdict.again.into_iter().map(|again| {
        let mut wait = Duration::ZERO;
        if let Some((backoff, failures, floor)) = again.wait {
            wait = shared.account.backoff(backoff, failures, floor);
        }
        if again.charged {
            wait = wait.max(shared.account.charge_retry());
        }
        Resend {
            parcel: again.parcel,
            at: now + wait,
        }
    });
    Finished {
        left: verdict.left,
        routed_on: verdict.routed_on,
        again: again.collect(),
        stop: verdict.stop,
        requests,
        retries: retries.min(requests),
        waited,
    }
}

/// A request whose task broke off: its rows stay unsettled.
pub(super) fn lost(error: &JoinError) -> Stop {
    let message = format!("a request broke off: {error}");
    Stop::Error(ConnectorError::new(ErrorKind::Internal, "request_lost", message))
}

/// Hands settled operations to the ledger, then tells of them.
pub(super) async fn write_down(shared: &Shared, verdict: &mut Verdict) -> Result<(), Stop> {
    let finished = verdict.finished.take();
    if verdict.settled.is_empty() && finished.is_none() {
        return Ok(());
    }
    let settled = std::mem::take(&mut verdict.settled);
    let last = settled.iter().filter(|settled| settled.fate.is_final()).count();
    shared.ledger.settle(settled, finished).await?;
    shared.progress.settled(last);
    Ok(())
}

async fn exchange(shared: &Shared, mut parcel: Parcel, permit: &mut Permit, requests: &mut u64) -> Verdict {
    let encoded = match encode(shared, &mut parcel) {
        Ok(encoded) => encoded,
        Err(error) => return failure::stop(parcel, Stop::Error(error)),
    };
    if parcel.route.writes
        && !parcel.route.replay_safe
        && let Err(error) = shared.ledger.intend(&parcel.operations).await
    {
        return failure::stop(parcel, error.into());
    }
    for note in &mut parcel.notes {
        note.attempts += 1;
    }
    if !parcel.again {
        shared.account.earn_retry();
    }
    *requests += 1;
    permit.sending();
    shared.progress.sent(parcel.len());
    let timed = Timed::request(parcel.route, parcel.len(), parcel.again);
    let sent = unwound(shared.binding.send(&encoded.request, &parcel.operations)).await;
    shared.stopwatch.over(timed, Ending::of(&sent), &shared.account);
    let answer = match sent {
        Ok(Sent::Settled(answer)) => {
            permit.over(&Exchange::Answered(answer.observed.as_ref()));
            answer
        }
        Ok(Sent::Accepted(ticket)) => {
            permit.over(&Exchange::Answered(None));
            return follow(shared, parcel, encoded, &ticket, requests).await;
        }
        Err(error) => {
            permit.over(&failure::exchange(&error));
            return fail(shared, parcel, encoded, error);
        }
    };
    reconcile(shared, parcel, encoded, answer)
}

/// Follows a job to its end. The ledger knows of it first: it may outlive this process.
async fn follow(
    shared: &Shared,
    parcel: Parcel,
    encoded: Encoded,
    ticket: &Ticket,
    requests: &mut u64,
) -> Verdict {
    let times = Times::of(ticket);
    let binding = shared.binding.as_ref();
    let addresses = parcel.operations.iter().map(|one| binding.address(one));
    let job = AcceptedJob {
        ticket,
        replay_safe: repeatable(parcel.route),
        operations: &parcel.operations,
        fields: &encoded.fields,
        addresses: addresses.collect(),
    };
    let number = match shared.ledger.accepted(job).await {
        Ok(number) => number,
        Err(error) => return failure::hold(parcel, "job_unrecorded", Some(error.into())),
    };
    let asker = Asker {
        binding,
        account: &shared.account,
        policy: shared.policy,
        progress: shared.progress.as_ref(),
        stopwatch: &shared.stopwatch,
        since: shared.since,
        stopping: shared.stopping.clone(),
        has_place: true,
    };
    let end = asker.settle(ticket, &parcel.operations, times, requests).await;
    let mut verdict = match end {
        JobEnd::Answered(answer) => reconcile(shared, parcel, encoded, answer),
        JobEnd::Failed(error) => fail(shared, parcel, encoded, error),
        JobEnd::Lost => {
            let lost = Answer {
                outcomes: vec![Outcome::InDoubt; parcel.len()],
                observed: None,
                correlation: Some(ticket.id.clone()),
            };
            reconcile(shared, parcel, encoded, lost)
        }
        JobEnd::Open(stop) => return leave_open(parcel, ticket, stop),
    };
    verdict.finished = Some(number);
    verdict
}

/// A job that goes on while the delivery stops.
fn leave_open(parcel: Parcel, ticket: &Ticket, stop: Stop) -> Verdict {
    let mut verdict = Verdict {
        stop: Some(stop),
        ..Verdict::default()
    };
    let correlation: Arc<str> = ticket.id.as_str().into();
    for (operation, mut note) in parcel.into_items() {
        note.correlation = Some(Arc::clone(&correlation));
        verdict.settle((operation, note), Fate::JobOpen);
    }
    verdict
}

fn reconcile(shared: &Shared, parcel: Parcel, encoded: Encoded, answer: Answer) -> Verdict {
    if answer.outcomes.len() == parcel.len() {
        return interpret(parcel, encoded.fields, answer, &shared.policy);
    }
    let error = mismatch(&answer, parcel.len());
    fail(shared, parcel, encoded, error)
}

/// The request of a parcel. What does not fit goes back to the loop at once.
pub(super) fn encode(shared: &Shared, parcel: &mut Parcel) -> Result<Encoded, ConnectorError> {
    if let Some(encoded) = parcel.encoded.take() {
        return Ok(encoded);
    }
    let encode = AssertUnwindSafe(|| shared.binding.encode(parcel.route, &parcel.operations));
    let encoded = std::panic::catch_unwind(encode).map_err(|_| panicked())?;
    if encoded.taken == 0 || encoded.taken > parcel.len() || encoded.fields.len() != encoded.taken {
        let message = format!(
            "a request was made of {} rows (fields of {}) out of {}",
            encoded.taken,
            encoded.fields.len(),
            parcel.len()
        );
        return Err(ConnectorError::new(
            ErrorKind::Internal,
            "encoding_does_not_match",
            message,
        ));
    }
    if encoded.taken < parcel.len() {
        let rest = parcel.split_off(encoded.taken);
        // The loop outlives its requests; were it gone, nobody would be left to settle with.
        let _ = shared.leftovers.send(rest);
    }
    Ok(encoded)
}

fn fail(shared: &Shared, mut parcel: Parcel, encoded: Encoded, error: ConnectorError) -> Verdict {
    let attempt = parcel.notes.iter().map(|note| note.attempts).max().unwrap_or(0);
    tracing::warn!(
        code = error.code,
        route = parcel.route.name,
        rows = parcel.len(),
        attempt,
        correlation = error.correlation.as_deref(),
        "request failed: {}",
        error.message,
    );
    // An unchanged parcel is sent with the same bytes; splitting one drops them.
    parcel.encoded = Some(encoded);
    failure::failed(parcel, error, &shared.policy)
}

fn panicked() -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Internal,
        "connector_panicked",
        "the connector broke off in the middle of a request",
    )
    .with_hint("this is a bug in Outflow; the log has its place")
}

/// Runs a connector's future; a panic in it becomes an error, so that its rows are still settled.
pub(super) async fn unwound<T>(
    future: impl Future<Output = Result<T, ConnectorError>>,
) -> Result<T, ConnectorError> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(panicked()))
}
