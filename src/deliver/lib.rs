//! The only retry loop: limits, retries, breaker, bisection and settled outcomes.
//!
//! [`deliver`] takes planned operations from a [`Feed`], packs them into requests as the sync's
//! [`Binding`] says, sends each inside the limits of its [`Account`], and hands what became of every
//! operation to a [`Ledger`]. It promises:
//!
//! * **Every operation is settled exactly once** with a final [`Fate`], whatever happens (operations
//!   of several stages also settle the earlier ones, with `last: false`). After a stop, what was not
//!   sent settles as deferred, and a job that goes on is left open for the next one. The one exception
//!   is a ledger that cannot be written or a feed that cannot be read: the delivery then ends as
//!   [`End::Failed`].
//! * **Acknowledged means on disk.** A request keeps its place in flight until the ledger has taken
//!   its outcomes, so a crash resends at most what was in flight.
//! * **One record is in flight once**, and later operations on it wait for earlier ones, in order.
//! * **Memory is bounded**: a limited number of operations is held at once.
//!
//! How it is laid out: `feeding` reads and inspects planned operations ahead, `dispatch` is the loop that decides
//! what goes out next, `lane` the queues it chooses from, `ready` the requests that only wait for a place, `send` one
//! request from encoding to the ledger, `interpret` what an answer means for each row, `failure` what an error means
//! for the whole request (retry, bisect, hold, stop), `job` the polling of jobs, of this delivery or left open by an
//! earlier one, `slowest` what took the longest. An [`Account`] is shared by all syncs: `limiter` (window and places in
//! flight), `day` (daily quota), `retry` (backoff and budget), `breaker`.
//!
//! `ask` repeats the few questions that are no deliveries. Connectors never sleep, retry or count;
//! nothing outside this module does either.

mod account;
mod ask;
mod breaker;
mod clock;
mod day;
mod dispatch;
mod failure;
mod feeding;
mod interpret;
mod job;
mod lane;
mod limiter;
mod off_worker;
mod policy;
mod preview;
mod ready;
mod retry;
mod send;
mod slowest;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use compact_str::CompactString;
use futures::future::BoxFuture;
use outflow_sdk::ConnectorError;
use outflow_sdk::destination::{Binding, Effect, Operation, Rejection, Ticket};
use thiserror::Error;
use tokio::sync::watch;

pub use account::{Account, AccountSnapshot, Accounts};
pub use ask::ask;
pub use clock::{Clock, SystemClock, VirtualClock};
pub use job::{JobResult, OpenJob, Resumed, resume};
pub use off_worker::{has_workers, off_worker};
pub use policy::Policy;
pub use preview::{Audience, Preview, preview};
pub use slowest::{SlowRequest, Slowest};

/// A boxed cause of an error that is none of ours.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Set to true, the delivery stops: requests in flight settle, the rest is deferred.
pub type CancellationSignal = watch::Receiver<bool>;

/// Planned operations, in order.
pub trait Feed: Send {
    /// The next operation; none at the end. Called ahead of time by a thread of its own where the runtime
    /// has several, so it may read a file.
    fn next(&mut self) -> Option<Result<Operation, FeedError>>;
}

/// The planned operations cannot be read.
#[derive(Debug, Error)]
#[error("cannot read the planned operations: {0}")]
pub struct FeedError(pub Cause);

/// Where settled operations go.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Writes down what became of these operations, and forgets the job that told it, in one
    /// transaction. A request's place in flight is held until this returns.
    ///
    /// # Errors
    /// When it cannot be written; the delivery then stops.
    async fn settle(&self, settled: Vec<Settled>, finished: Option<JobNumber>) -> Result<(), LedgerError>;

    /// Writes down a job the destination accepted, so that a later process can ask for its result.
    /// Gives the number to [`settle`](Self::settle) it by.
    ///
    /// # Errors
    /// When it cannot be written; the delivery then stops.
    async fn accepted(&self, job: AcceptedJob<'_>) -> Result<JobNumber, LedgerError>;

    /// Told before a request goes out that must not be repeated: what becomes of these operations is
    /// in doubt until they settle, even if the process ends before that.
    ///
    /// # Errors
    /// When it cannot be written; the request is then not sent.
    async fn intend(&self, _operations: &[Operation]) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// Number a ledger gives to a job.
pub type JobNumber = u64;

/// A job the destination accepted just now.
pub struct AcceptedJob<'a> {
    /// Its name at the destination.
    pub ticket: &'a Ticket,
    /// Whether its operations may be sent once more when nobody knows what became of them.
    pub replay_safe: bool,
    /// What it does, in this order.
    pub operations: &'a [Operation],
    /// For each operation, the numbers of the fields it acknowledges when it is applied.
    pub fields: &'a [Vec<u16>],
    /// For each operation, the record's address once it is applied, where that is known already.
    pub addresses: Vec<Option<CompactString>>,
}

/// What became of operations cannot be written down.
#[derive(Debug, Error)]
#[error("cannot write down what the destination acknowledged: {0}")]
pub struct LedgerError(pub Cause);

/// What became of one operation.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The operation, as it is now: its address as far as known, its fields still pending.
    pub operation: Operation,
    /// What became of it.
    pub fate: Fate,
    /// The vendor's id of the last exchange.
    pub correlation: Option<Arc<str>>,
    /// Requests that carried it.
    pub attempts: u32,
}

/// What became of an operation in this delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Acknowledged.
    Applied {
        /// What it did.
        effect: Effect,
        /// The record's address, if known.
        remote: Option<CompactString>,
        /// Numbers of the fields that are at the destination now.
        fields: Vec<u16>,
        /// Nothing of the operation is pending any more. False for all but the last of the
        /// stages; every other fate is final.
        last: bool,
    },
    /// Refused for good.
    Rejected(Rejection),
    /// Refused for consent or compliance.
    Suppressed(Rejection),
    /// Attempts ran out on transient errors.
    Exhausted {
        /// Stable code of the last one.
        code: String,
    },
    /// It may have been applied, nobody knows: the answer was ambiguous, and the request must not be
    /// repeated or was repeated to no avail.
    Held {
        /// Stable code of the reason.
        code: String,
    },
    /// Part of a job that goes on at the destination after this delivery: its result is asked for
    /// before anything else is sent.
    JobOpen,
    /// Not acknowledged, to be sent by the next run: out of quota, or this one stopped.
    Deferred {
        /// Stable code of the reason.
        code: String,
    },
}

impl Fate {
    /// Whether nothing more will be said about the operation.
    pub fn is_final(&self) -> bool {
        !matches!(self, Fate::Applied { last: false, .. })
    }
}

/// Why a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The account's window is full.
    Window,
    /// The destination asked us to slow down.
    Throttled,
    /// The destination is down; it is probed now and then.
    Outage,
    /// A job that an earlier delivery started is not done yet.
    Job,
}

/// Told how a delivery goes on, for people. Methods must return at once.
pub trait Progress: Send + Sync {
    /// A request with so many operations goes out.
    fn sent(&self, _operations: usize) {}

    /// So many operations are settled for good and written down.
    fn settled(&self, _operations: usize) {}

    /// The limits hold the next request back; at most so long, when known.
    fn waiting(&self, _why: Waiting, _at_most: Option<Duration>) {}
}

/// Tells nobody.
impl Progress for () {}

/// How a delivery went.
#[derive(Debug)]
pub struct DeliveryReport {
    /// Requests sent: retries, look-ups and asks for a job's result included.
    pub requests: u64,
    /// How many of them repeated an earlier one.
    pub retries: u64,
    /// Time in which a request was ready and the account's limits held it back.
    pub limiter_wait: Duration,
    /// Its slowest requests.
    pub slowest: Slowest,
    /// How it ended.
    pub end: End,
}

/// How a delivery ended.
#[derive(Debug)]
pub enum End {
    /// Everything was sent.
    Done,
    /// Out of quota; not an error.
    Deferred {
        /// Time until there is quota again, when known.
        until: Option<Duration>,
    },
    /// The destination, the credential or the project stopped it.
    Stopped(ConnectorError),
    /// Somebody cancelled it.
    Cancelled,
    /// We stopped it: something of ours cannot be read or written.
    Failed(Failure),
}

/// What of ours failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The feed.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

/// Delivers everything in `feed`. See the module. Must run inside a tokio runtime; dropping the
/// future abandons the requests in flight.
///
/// The future is boxed so that it is compiled here: that of an `async fn` is compiled by who awaits it.
pub fn deliver(
    binding: Arc<dyn Binding>,
    account: Arc<Account>,
    feed: Box<dyn Feed>,
    ledger: Arc<dyn Ledger>,
    policy: Policy,
    stop: CancellationSignal,
    progress: Arc<dyn Progress>,
) -> BoxFuture<'static, DeliveryReport> {
    let (shared, channels) = send::Shared::new(binding, account, ledger, policy, progress);
    Box::pin(dispatch::Dispatch::new(shared, channels, feed).run(stop))
}
