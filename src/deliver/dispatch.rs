//! The loop: takes operations from the feed, decides what goes out next, takes up what comes back.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

use super::account::{Permit, Refusal};
use super::failure::Stop;
use super::feeding::{Fed, Feeding};
use super::interpret::Verdict;
use super::lane::{Flush, Item, Lanes, Note, Parcel, Records};
use super::ready::Ready;
use super::send::{Channels, Finished, Shared, lost, send, write_down};
use super::{CancellationSignal, DeliveryReport, End, Failure, Fate, Feed};

/// Most operations taken from the feed in one go.
const CHUNK: usize = 512;

/// Most operations held, unless one request takes more than half of that.
const MOST: usize = 20_000;

type Acquiring = Pin<Box<dyn Future<Output = Result<Permit, Refusal>> + Send>>;

/// A delivery under way.
pub(super) struct Dispatch {
    shared: Arc<Shared>,
    stopping: tokio::sync::watch::Sender<bool>,
    leftovers: mpsc::UnboundedReceiver<Parcel>,
    feed: Feeding,
    lanes: Lanes,
    ready: Ready,
    records: Records,
    requests_out: JoinSet<Finished>,
    /// Operations between the feed and their final fate.
    held: usize,
    /// Most rows any route seen so far takes.
    rows: usize,
    concurrency: usize,
    stop: Option<Stop>,
    /// Batches sent so far; the log names each by its number.
    batches: u64,
    requests: u64,
    retries: u64,
    waited: Duration,
}

impl Dispatch {
    pub(super) fn new(shared: Arc<Shared>, channels: Channels, feed: Box<dyn Feed>) -> Self {
        let concurrency = shared.account.concurrency().min(shared.binding.parallel().max(1));
        let feed = Feeding::new(feed, Arc::clone(&shared.binding));
        Self {
            shared,
            stopping: channels.stopping,
            leftovers: channels.leftovers,
            feed,
            lanes: Lanes::default(),
            ready: Ready::default(),
            records: Records::default(),
            requests_out: JoinSet::new(),
            held: 0,
            rows: 1,
            concurrency,
            stop: None,
            batches: 0,
            requests: 0,
            retries: 0,
            waited: Duration::ZERO,
        }
    }

    pub(super) async fn run(mut self, mut cancel: CancellationSignal) -> DeliveryReport {
        let cancelled = async move {
            if cancel.wait_for(|cancel| *cancel).await.is_err() {
                // Whoever could cancel is gone.
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(cancelled);
        let mut acquiring: Option<Acquiring> = None;
        loop {
            self.fill().await;
            if self.stop.is_some() {
                break;
            }
            self.take_leftovers();
            let wake = self.lanes.wake(Instant::now());
            self.make_ready();
            let flush = self.flush();
            let has_room = self.requests_out.len() < self.shared.binding.parallel().max(1);
            let is_wanted = !self.ready.is_empty() || self.lanes.sendable(flush);
            if acquiring.is_none() && has_room && is_wanted {
                acquiring = Some(self.acquire());
            }
            if acquiring.is_none() && wake.is_none() && self.requests_out.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = &mut cancelled => self.stop(Stop::Cancelled),
                Some(parcel) = self.leftovers.recv() => self.lanes.push_front(parcel),
                Some(finished) = self.requests_out.join_next() => self.take_up(finished),
                permit = granted(&mut acquiring) => {
                    acquiring = None;
                    self.launch(permit, flush);
                }
                () = until(wake) => {}
            }
        }
        drop(acquiring);
        self.finish().await
    }

    /// What a request could not take: it may have come after the last look, just before the request
    /// ended.
    fn take_leftovers(&mut self) {
        while let Ok(parcel) = self.leftovers.try_recv() {
            self.lanes.push_front(parcel);
        }
    }

    /// Most operations held at once.
    fn limit(&self) -> usize {
        self.shared
            .policy
            .look_ahead
            .max(2)
            .saturating_mul(self.rows)
            .saturating_mul(self.concurrency)
            .min(MOST.max(self.rows.saturating_mul(2)))
    }

    /// Reads from the feed while there is room and something to gain.
    async fn fill(&mut self) {
        let mut verdict = Verdict::default();
        while self.feed.is_open() && self.stop.is_none() {
            let limit = self.limit();
            let enough = self.held > limit / 2 && (self.lanes.full() || !self.ready.has_room());
            if enough || self.held >= limit {
                break;
            }
            let chunk = self.read(CHUNK.min(limit - self.held)).await;
            for fed in chunk {
                self.admit(fed, &mut verdict);
            }
            if verdict.settled.len() >= CHUNK {
                self.write_down(&mut verdict).await;
            }
        }
        self.write_down(&mut verdict).await;
    }

    async fn write_down(&mut self, verdict: &mut Verdict) {
        if let Err(stop) = write_down(&self.shared, verdict).await {
            self.stop(stop);
        }
    }

    async fn read(&mut self, count: usize) -> Vec<Fed> {
        match self.feed.read(count).await {
            Ok(fed) => fed,
            Err(error) => {
                self.stop(Stop::Failed(Failure::Feed(error)));
                Vec::new()
            }
        }
    }

    fn admit(&mut self, Fed { operation, identity }: Fed, verdict: &mut Verdict) {
        let identity = match identity {
            Ok(identity) => identity,
            Err(rejection) => {
                return verdict.settle((operation, Note::default()), Fate::Rejected(rejection));
            }
        };
        let note = Note {
            identity,
            ..Note::default()
        };
        self.held += 1;
        if let Some(item) = self.records.enter((operation, note)) {
            self.route(item);
        }
    }

    fn route(&mut self, item: Item) {
        let route = self.shared.binding.route(&item.0);
        self.rows = self.rows.max(route.max_rows);
        self.lanes.push(route, item);
    }

    fn flush(&self) -> Flush {
        if !self.feed.is_open() {
            Flush::End {
                idle: self.requests_out.is_empty(),
            }
        } else if self.held >= self.limit() {
            Flush::Crammed
        } else {
            Flush::No
        }
    }

    fn acquire(&self) -> Acquiring {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let give_up = shared.policy.give_up;
            shared
                .account
                .acquire(shared.since, give_up, shared.progress.as_ref())
                .await
        })
    }

    fn launch(&mut self, permit: Result<Permit, Refusal>, flush: Flush) {
        let permit = match permit {
            Ok(permit) => permit,
            Err(refusal) => return self.stop(refusal.into()),
        };
        if self.ready.is_empty()
            && let Some(parcel) = self.lanes.take(flush)
        {
            self.ready.make(Arc::clone(&self.shared), parcel);
        }
        if let Some(parcel) = self.ready.next() {
            self.batches += 1;
            let span = tracing::warn_span!("batch", batch = self.batches);
            let request = send(Arc::clone(&self.shared), parcel, permit);
            self.requests_out.spawn(request.instrument(span));
        }
    }

    /// Has full requests encoded before there is a place for them.
    fn make_ready(&mut self) {
        while self.ready.has_room() && self.lanes.full() {
            let Some(parcel) = self.lanes.take(Flush::No) else {
                return;
            };
            self.ready.make(Arc::clone(&self.shared), parcel);
        }
    }

    fn take_up(&mut self, finished: Result<Finished, JoinError>) {
        let finished = match finished {
            Ok(finished) => finished,
            Err(error) => return self.stop(lost(&error)),
        };
        self.requests += finished.requests;
        self.retries += finished.retries;
        self.waited += finished.waited;
        if let Some(stop) = finished.stop {
            self.stop(stop);
        }
        let now = Instant::now();
        for resend in finished.again {
            self.lanes.push_parcel(resend.parcel, resend.at, now);
        }
        for item in finished.routed_on {
            self.route(item);
        }
        self.held = self.held.saturating_sub(finished.left.len());
        for identity in finished.left {
            if let Some(next) = self.records.leave(identity) {
                self.route(next);
            }
        }
    }

    fn stop(&mut self, stop: Stop) {
        if self.stop.as_ref().is_none_or(|before| stop.outweighs(before)) {
            self.stop = Some(stop);
        }
        self.stopping.send_replace(true);
    }

    /// Lets requests in flight settle, then defers what was not sent.
    async fn finish(mut self) -> DeliveryReport {
        while let Some(finished) = self.requests_out.join_next().await {
            self.take_up(finished);
        }
        let now = Instant::now();
        while let Some(parcel) = self.ready.next() {
            match parcel.await {
                Ok(parcel) => self.lanes.push_parcel(parcel, now, now),
                Err(error) => self.stop(lost(&error)),
            }
        }
        self.take_leftovers();
        if let Some(code) = self.stop.as_ref().map(Stop::code) {
            self.defer_rest(code).await;
        }
        DeliveryReport {
            requests: self.requests,
            retries: self.retries,
            limiter_wait: self.waited,
            slowest: self.shared.stopwatch.take(),
            end: self.stop.map_or(End::Done, Stop::into_end),
        }
    }

    async fn defer_rest(&mut self, code: &'static str) {
        let mut rest = self.lanes.drain();
        rest.append(&mut self.records.drain());
        rest.sort_by_key(|(operation, _)| operation.row);
        let mut rest = rest.into_iter();
        loop {
            // A ledger that failed is not asked again.
            if matches!(self.stop, Some(Stop::Failed(Failure::Ledger(_)))) {
                return;
            }
            let mut items: Vec<Item> = rest.by_ref().take(CHUNK).collect();
            if items.is_empty() {
                let read = self.read(CHUNK).await;
                items.extend(read.into_iter().map(|fed| (fed.operation, Note::default())));
            }
            if items.is_empty() && !self.feed.is_open() {
                return;
            }
            let mut verdict = Verdict::default();
            for item in items {
                let code = code.to_owned();
                let fate = match item.1.in_doubt {
                    true => Fate::Held { code },
                    false => Fate::Deferred { code },
                };
                verdict.settle(item, fate);
            }
            self.write_down(&mut verdict).await;
        }
    }
}

async fn granted(acquiring: &mut Option<Acquiring>) -> Result<Permit, Refusal> {
    match acquiring {
        Some(acquiring) => acquiring.await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
