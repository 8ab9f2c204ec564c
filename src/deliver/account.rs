//! One account at a destination: its window, places in flight, day's quota, retry budget and
//! breaker, shared by every sync that writes to it.
//!
//! All counting is done under one short lock; waiting is done outside it, first come first served,
//! on tokio's clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use outflow_sdk::destination::{Limits, RateObservation};
use outflow_sdk::{ConnectorError, ErrorKind};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::breaker::{Breaker, Pass};
use super::clock::{Clock, whole_ms};
use super::day::Day;
use super::limiter::{Places, Released, Slot, Window};
use super::retry::{Backoff, RetryBudget};
use super::{Progress, Waiting};

/// What an account must remember so that its limits survive a restart. Holds no contact value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSnapshot {
    /// When each request of the last window was answered, milliseconds since 1970. Requests still
    /// out count as answered at the moment of the snapshot.
    pub answered_ms: Vec<i64>,
    /// End of the day the counts below belong to, milliseconds since 1970.
    pub day_ends_ms: i64,
    /// Requests sent that day.
    pub used: u64,
    /// Requests the account had left that day, reserve included.
    pub left: u64,
    /// Until when the destination called the quota gone.
    pub exhausted_until_ms: Option<i64>,
}

/// Why an account sends nothing more for now.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// The day's quota is gone for so long.
    Quota(Duration),
    /// The destination has been failing for too long.
    Down(ConnectorError),
}

/// Limits, breaker and retry budget of one account. See the module.
pub struct Account {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Only the first in line asks; the others queue here in order. Places and slots have a line
    /// each: who waits for a place must not keep a job that has one from asking for its result.
    place_line: tokio::sync::Mutex<()>,
    slot_line: tokio::sync::Mutex<()>,
    /// Something changed that the first in line may wait for.
    place_changed: Notify,
    slot_changed: Notify,
}

struct State {
    window: Window,
    places: Places,
    day: Day,
    breaker: Breaker,
    budget: RetryBudget,
    random: StdRng,
    paused_until: Option<Instant>,
    /// Times in a row that the window's limit was hit.
    throttled: u32,
}

enum Step {
    Granted(Released, bool),
    Refused(Refusal),
    Wait(Waiting, Option<Instant>),
}

/// A place in flight; given back when dropped.
struct Place(Arc<Account>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state().places.give_back();
        self.0.place_changed.notify_one();
    }
}

impl Account {
    /// An account with these limits and nothing sent yet. `seed` makes the jitter reproducible.
    /// Call it inside a tokio runtime.
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, seed: u64) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            window: Window::new(limits.window),
            places: Places::new(limits.concurrency),
            day: Day::new(limits.daily, limits.reserve_percent, clock.now_ms()),
            breaker: Breaker::new(),
            budget: RetryBudget::new(now),
            random: StdRng::seed_from_u64(seed),
            paused_until: None,
            throttled: 0,
        };
        Arc::new(Self {
            clock,
            state: Mutex::new(state),
            place_line: tokio::sync::Mutex::new(()),
            slot_line: tokio::sync::Mutex::new(()),
            place_changed: Notify::new(),
            slot_changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts are valid after every statement: a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lowers the limits to `limits` where those are stricter.
    pub fn tighten(&self, limits: &Limits) {
        let mut state = self.state();
        state.window.tighten(limits.window);
        state.places.tighten(limits.concurrency);
        state.day.tighten(limits.daily, limits.reserve_percent);
    }

    /// Tells the account's time zone (IANA name): its midnight ends the quota's day. False when
    /// there is no such zone; the day then ends at midnight UTC.
    pub fn set_time_zone(&self, name: &str) -> bool {
        match TimeZone::get(name) {
            Ok(zone) => {
                self.state().day.set_zone(zone, self.clock.now_ms());
                true
            }
            Err(_) => false,
        }
    }

    /// Requests in flight at once.
    pub fn concurrency(&self) -> usize {
        self.state().places.limit()
    }

    /// Requests we may still send today, the reserve left out; none without a daily quota.
    pub fn quota_remaining(&self) -> Option<u64> {
        self.state().day.remaining(self.clock.now_ms())
    }

    /// Least time that `requests` take at the limits, from now: what the window holds back, and the
    /// nights the day's quota makes it wait for. Latency is not counted.
    pub fn forecast(&self, requests: u64) -> Duration {
        let now_ms = self.clock.now_ms();
        let now = Instant::now();
        let mut state = self.state();
        let mut left = requests;
        let mut time = Duration::ZERO;
        if let (Some(today), Some(a_day)) = (state.day.remaining(now_ms), state.day.allowance())
            && left > today
        {
            left -= today;
            time = state.day.rest(now_ms);
            let nights = (left - 1).checked_div(a_day).unwrap_or(0);
            time += Duration::from_secs(86_400).saturating_mul(u32::try_from(nights).unwrap_or(u32::MAX));
            left -= nights * a_day;
        }
        if let Some((allowed, per)) = state.window.limit() {
            let used = if time.is_zero() { state.window.used(now) } else { 0 };
            let before = left.saturating_add(used as u64).saturating_sub(1) / u64::from(allowed.max(1));
            time += per.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        }
        time
    }

    /// What must be remembered over a restart.
    pub fn snapshot(&self) -> AccountSnapshot {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        let ages = state.window.ages(Instant::now());
        let (day_ends_ms, used, left, exhausted_until_ms) = state.day.counts();
        AccountSnapshot {
            answered_ms: ages.into_iter().map(|age| now_ms - whole_ms(age)).collect(),
            day_ends_ms,
            used,
            left,
            exhausted_until_ms,
        }
    }

    /// Takes up what an earlier process remembered. Call it before the first request.
    pub fn restore(&self, snapshot: AccountSnapshot) {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        // A wall clock that was set back must not keep the window shut: no age is below zero.
        let age = |at: &i64| Duration::from_millis(u64::try_from(now_ms.saturating_sub(*at)).unwrap_or(0));
        let ages = snapshot.answered_ms.iter().map(age).collect();
        state.window.put_back(ages, Instant::now());
        state.day.put_back(
            snapshot.day_ends_ms,
            snapshot.used,
            snapshot.left,
            snapshot.exhausted_until_ms,
            now_ms,
        );
    }

    /// Waits for a place in flight, then until the limits let a request go out. `since` is when the
    /// caller began: a breaker that was open before is given `give_up` from then on.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        since: Instant,
        give_up: Duration,
        progress: &dyn Progress,
    ) -> Result<Permit, Refusal> {
        let place = self.place().await;
        let mut permit = self.acquire_within(since, give_up, progress).await?;
        permit.place = Some(place);
        Ok(permit)
    }

    /// Like [`Account::acquire`], for another request of one that has a place in flight already.
    pub(super) async fn acquire_within(
        self: &Arc<Self>,
        since: Instant,
        give_up: Duration,
        progress: &dyn Progress,
    ) -> Result<Permit, Refusal> {
        let asked = Instant::now();
        let _first = self.slot_line.lock().await;
        loop {
            let now = Instant::now();
            match self.step(since, give_up, now) {
                Step::Granted(released, probe) => {
                    return Ok(Permit {
                        account: Arc::clone(self),
                        released_at: now,
                        released,
                        probe,
                        place: None,
                        counts: true,
                        sent: false,
                        waited: now - asked,
                    });
                }
                Step::Refused(refusal) => return Err(refusal),
                Step::Wait(why, until) => {
                    progress.waiting(why, until.map(|at| at.saturating_duration_since(now)));
                    match until {
                        Some(at) => tokio::select! {
                            () = tokio::time::sleep_until(at) => {}
                            () = self.slot_changed.notified() => {}
                        },
                        None => self.slot_changed.notified().await,
                    }
                }
            }
        }
    }

    async fn place(self: &Arc<Self>) -> Place {
        let _first = self.place_line.lock().await;
        while !self.state().places.take() {
            self.place_changed.notified().await;
        }
        Place(Arc::clone(self))
    }

    fn step(&self, since: Instant, give_up: Duration, now: Instant) -> Step {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        if let Some(rest) = state.day.gone(now_ms) {
            return Step::Refused(Refusal::Quota(rest));
        }
        let mut deadline = None;
        if let Some((failing, error)) = state.breaker.down() {
            let until = failing.max(since) + give_up;
            if now >= until {
                return Step::Refused(Refusal::Down(down(error, now - failing)));
            }
            deadline = Some(until);
        }
        let probe = match state.breaker.pass(now) {
            Pass::Open => false,
            Pass::Probe => true,
            Pass::NotBefore(at) => {
                let at = deadline.map_or(at, |deadline| deadline.min(at));
                return Step::Wait(Waiting::Outage, Some(at));
            }
            Pass::ProbeIsOut => return Step::Wait(Waiting::Outage, deadline),
        };
        if let Some(until) = state.paused_until {
            if now < until {
                return Step::Wait(Waiting::Throttled, Some(until));
            }
            state.paused_until = None;
        }
        match state.window.slot(now) {
            Slot::Free => {}
            Slot::At(at) => return Step::Wait(Waiting::Window, Some(at)),
            Slot::AfterAnAnswer => return Step::Wait(Waiting::Window, None),
        }
        if probe {
            state.breaker.probe();
        }
        state.day.take(now_ms);
        Step::Granted(state.window.release(now), probe)
    }

    /// The wait before another attempt after so many failed ones, at least `floor`.
    pub(super) fn backoff(&self, backoff: Backoff, failures: u32, floor: Option<Duration>) -> Duration {
        backoff.wait(failures, floor, &mut self.state().random)
    }

    /// Charges a retry to the budget; what it must wait for beyond its backoff.
    pub(super) fn charge_retry(&self) -> Duration {
        self.state().budget.spend(Instant::now())
    }

    /// Wall time, milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// A request goes out for the first time.
    pub(super) fn earn_retry(&self) {
        self.state().budget.earn();
    }
}

fn down(error: &ConnectorError, failing: Duration) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Transient { after: None },
        "destination_down",
        format!(
            "the destination has answered no request for {} s; last error: {} ({})",
            failing.as_secs(),
            error.message,
            error.code
        ),
    )
    .with_hint("look at the destination's status page; the next run sends what is left")
    .with_correlation(error.correlation.clone())
}

/// How an exchange went, as far as the account is concerned.
pub(super) enum Exchange<'a> {
    /// The destination answered; its headers.
    Answered(Option<&'a RateObservation>),
    /// The request failed as a whole, or no answer came.
    Failed(&'a ConnectorError),
    /// The window's limit was hit.
    Throttled(Option<Duration>),
    /// The request was in the way of others.
    Crowded,
    /// The day's quota is gone.
    Exhausted(Option<Duration>),
}

/// A slot in the window and a place in flight; given back when dropped.
pub(super) struct Permit {
    account: Arc<Account>,
    released_at: Instant,
    released: Released,
    probe: bool,
    place: Option<Place>,
    counts: bool,
    sent: bool,
    waited: Duration,
}

impl Permit {
    /// How long the limits (not the places in flight) made it wait.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// The request goes out now.
    pub(super) fn sending(&mut self) {
        self.sent = true;
    }

    /// The exchange is over: the slot leaves the window in time, and the account learns from it. The
    /// place in flight stays taken until the permit is dropped.
    pub(super) fn over(&mut self, exchange: &Exchange<'_>) {
        if !std::mem::take(&mut self.counts) {
            return;
        }
        let now = Instant::now();
        let now_ms = self.account.clock.now_ms();
        let mut state = self.account.state();
        state.window.answered(now);
        match exchange {
            Exchange::Failed(error) => state.breaker.failed(self.probe, error, now),
            Exchange::Answered(seen) => {
                state.breaker.answered();
                state.places.calm(now);
                state.throttled = 0;
                if let Some(seen) = seen {
                    state.window.observe(seen, self.released, now);
                    if let Some(left) = seen.daily_remaining {
                        state.day.observe(left, now_ms);
                    }
                }
            }
            Exchange::Throttled(after) => {
                state.breaker.answered();
                state.pause(*after, self.released_at, now);
            }
            Exchange::Crowded => {
                state.breaker.answered();
                state.places.crowded(self.released_at, now);
            }
            Exchange::Exhausted(until) => {
                state.breaker.answered();
                state.day.exhaust(*until, now_ms);
            }
        }
        drop(state);
        self.account.slot_changed.notify_one();
    }
}

impl State {
    fn pause(&mut self, after: Option<Duration>, released: Instant, now: Instant) {
        // Requests that were out together are refused together: that is one time, not many.
        let again = self.paused_until.is_some_and(|until| released < until);
        let wait = if again {
            after.unwrap_or_default()
        } else {
            self.throttled = self.throttled.saturating_add(1);
            Backoff::THROTTLED.wait(self.throttled, after, &mut self.random)
        };
        let until = now + wait;
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.counts {
            return;
        }
        // Not sent after all, or abandoned with no answer read.
        let now = Instant::now();
        let mut state = self.account.state();
        if self.sent {
            state.window.answered(now);
        } else {
            state.window.take_back();
            state.day.give_back();
        }
        if self.probe {
            state.breaker.probe_unused(now);
        }
        drop(state);
        self.account.slot_changed.notify_one();
    }
}

/// The accounts of a process, by [`account_key`](outflow_sdk::destination::Destination::account_key).
pub struct Accounts {
    clock: Arc<dyn Clock>,
    seed: u64,
    known: Mutex<HashMap<String, Arc<Account>>>,
}

impl Accounts {
    /// No account yet. `seed` makes the jitter of all of them reproducible.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            clock,
            seed,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// The account with this key. The first call makes it; connections that share an account but
    /// disagree about its limits are held to the strictest.
    pub fn account(&self, key: &str, limits: &Limits) -> Arc<Account> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = known.get(key) {
            account.tighten(limits);
            return Arc::clone(account);
        }
        let seed = self.seed ^ xxhash_rust::xxh3::xxh3_64(key.as_bytes());
        let account = Account::new(limits.clone(), Arc::clone(&self.clock), seed);
        known.insert(key.to_owned(), Arc::clone(&account));
        account
    }
}
