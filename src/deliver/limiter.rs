//! The rolling window and the places in flight of one account.
//!
//! A destination counts a request when it arrives, somewhere between our releasing it and our
//! reading its answer. A slot therefore counts from the release until one window after the answer:
//! then no window at the destination can hold more than the limit, whatever the latencies. (A token
//! bucket of the same size can put nearly twice the limit into one window.) The price is one
//! latency per window: 2 % of HubSpot's ten seconds at 200 ms.

use std::collections::VecDeque;
use std::time::Duration;

use outflow_sdk::destination::RateObservation;
use tokio::time::Instant;

/// Added to the window: timers and clocks differ by a millisecond.
const MARGIN: Duration = Duration::from_millis(1);

/// Whether a slot is free.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// One is.
    Free,
    /// One will be.
    At(Instant),
    /// Every slot's request is still out: one will be a window after an answer.
    AfterAnAnswer,
}

/// The requests of the last window.
#[derive(Debug)]
pub(super) struct Window {
    limit: Option<(u32, Duration)>,
    out: usize,
    answered: VecDeque<Instant>,
    released: u64,
    /// What others were seen to use, and when; falling, so that the first is the most.
    others: VecDeque<(Instant, u64)>,
}

/// What a request must remember for reading the answer's headers: how many of ours counted when it
/// went out, how many of those were answered, and how many had been released before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Released {
    ours: u64,
    answered: u64,
    released: u64,
}

impl Window {
    pub(super) fn new(limit: Option<(u32, Duration)>) -> Self {
        Self {
            limit,
            out: 0,
            answered: VecDeque::new(),
            released: 0,
            others: VecDeque::new(),
        }
    }

    /// The limit.
    pub(super) fn limit(&self) -> Option<(u32, Duration)> {
        self.limit
    }

    /// Lowers the limit to `other`, when that allows less.
    pub(super) fn tighten(&mut self, other: Option<(u32, Duration)>) {
        let rate = |(requests, per): (u32, Duration)| f64::from(requests) / per.as_secs_f64().max(1e-9);
        self.limit = match (self.limit, other) {
            (Some(ours), Some(other)) if rate(other) < rate(ours) => Some(other),
            (None, other) => other,
            (ours, _) => ours,
        };
    }

    /// Our requests that count at `now`.
    fn ours(&mut self, now: Instant) -> usize {
        if let Some((_, per)) = self.limit {
            while self.answered.front().is_some_and(|at| *at + per + MARGIN <= now) {
                self.answered.pop_front();
            }
            while self
                .others
                .front()
                .is_some_and(|(at, _)| *at + per + MARGIN <= now)
            {
                self.others.pop_front();
            }
        }
        self.out + self.answered.len()
    }

    /// Requests that count at `now`, those of others included.
    pub(super) fn used(&mut self, now: Instant) -> usize {
        let ours = self.ours(now);
        let others = self.others.front().map_or(0, |(_, count)| *count);
        ours.saturating_add(usize::try_from(others).unwrap_or(usize::MAX))
    }

    /// Whether a request may be released at `now`.
    pub(super) fn slot(&mut self, now: Instant) -> Slot {
        let Some((requests, per)) = self.limit else {
            return Slot::Free;
        };
        let used = self.used(now);
        let allowed = requests.max(1) as usize;
        if used < allowed {
            return Slot::Free;
        }
        // As many as are too many must leave the window first, or others be seen to use less.
        let enough_left = self.answered.get(used - allowed);
        let others_left = self.others.front().map(|(at, _)| at);
        match enough_left.into_iter().chain(others_left).min() {
            Some(at) => Slot::At(*at + per + MARGIN),
            None => Slot::AfterAnAnswer,
        }
    }

    /// A request goes out.
    pub(super) fn release(&mut self, now: Instant) -> Released {
        self.out += 1;
        self.released += 1;
        Released {
            ours: self.ours(now) as u64,
            answered: self.answered.len() as u64,
            released: self.released,
        }
    }

    /// A request was not sent after all.
    pub(super) fn take_back(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    /// The answer came (or was given up).
    pub(super) fn answered(&mut self, now: Instant) {
        self.out = self.out.saturating_sub(1);
        if self.limit.is_some() {
            self.answered.push_back(now);
        }
    }

    /// What the answer's headers say. When the destination counts more requests than we can have
    /// sent, others use the account: what they use is left to them until no answer of the last window
    /// tells of it.
    pub(super) fn observe(&mut self, seen: &RateObservation, request: Released, now: Instant) {
        let Some((requests, per)) = self.limit else {
            return;
        };
        let allowed = match seen.window {
            Some((allowed, length)) if length == per && allowed > 0 => {
                self.limit = Some((allowed.min(requests), per));
                allowed
            }
            Some(_) => return,
            None => requests,
        };
        let Some(remaining) = seen.window_remaining else {
            return;
        };
        let counted = u64::from(allowed.saturating_sub(remaining));
        // The most of ours that can have been counted: what counted when this request was released,
        // and everything released since.
        let most = request.ours + (self.released - request.released);
        if counted <= most {
            return;
        }
        // There are others. How many lies between this and what ignores our requests that were out
        // and may not have arrived; the larger keeps us from being refused.
        let others = counted - request.answered.min(counted) - 1;
        while self.others.back().is_some_and(|(_, count)| *count <= others) {
            self.others.pop_back();
        }
        self.others.push_back((now, others));
    }

    /// How long ago each request that counts was answered; those still out count as just now.
    pub(super) fn ages(&mut self, now: Instant) -> Vec<Duration> {
        self.ours(now);
        let answered = self.answered.iter().map(|at| now.saturating_duration_since(*at));
        answered
            .chain(std::iter::repeat_n(Duration::ZERO, self.out))
            .collect()
    }

    /// Puts back requests that were answered so long ago.
    pub(super) fn put_back(&mut self, mut ages: Vec<Duration>, now: Instant) {
        let Some((_, per)) = self.limit else {
            return;
        };
        ages.retain(|age| *age <= per);
        ages.sort_unstable_by(|a, b| b.cmp(a));
        let mut all: VecDeque<Instant> = ages.into_iter().filter_map(|age| now.checked_sub(age)).collect();
        all.append(&mut self.answered);
        self.answered = all;
    }
}

/// How long a lowered concurrency stays before it grows again.
const CALM: Duration = Duration::from_secs(10);

/// Requests in flight: halved when the destination says that they get in each other's way, then
/// raised by one for every round of good answers.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    allowed: usize,
    taken: usize,
    lowered: Option<Instant>,
    good: usize,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self {
            limit,
            allowed: limit,
            taken: 0,
            lowered: None,
            good: 0,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn tighten(&mut self, other: usize) {
        self.limit = self.limit.min(other.max(1));
        self.allowed = self.allowed.min(self.limit);
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&mut self) -> bool {
        let free = self.taken < self.allowed;
        self.taken += usize::from(free);
        free
    }

    pub(super) fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// A good answer.
    pub(super) fn calm(&mut self, now: Instant) {
        if self.allowed == self.limit || self.lowered.is_some_and(|at| now < at + CALM) {
            return;
        }
        self.good += 1;
        if self.good >= self.allowed {
            self.good = 0;
            self.allowed += 1;
        }
    }

    /// The destination refused a request because of others in flight. Only requests released after
    /// the last halving count: those that were out with it say the same thing again.
    pub(super) fn crowded(&mut self, released: Instant, now: Instant) {
        if self.lowered.is_some_and(|at| released < at) {
            return;
        }
        self.allowed = (self.allowed / 2).max(1);
        self.lowered = Some(now);
        self.good = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn seen(remaining: u32) -> RateObservation {
        RateObservation {
            window: Some((100, TEN)),
            window_remaining: Some(remaining),
            ..RateObservation::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_free_again_one_window_after_its_answer() {
        let start = Instant::now();
        let mut window = Window::new(Some((2, TEN)));
        window.release(start);
        window.release(start);
        assert_eq!(window.slot(start), Slot::AfterAnAnswer);
        let answer = start + Duration::from_secs(4);
        window.answered(answer);
        assert_eq!(window.slot(answer), Slot::At(answer + TEN + MARGIN));
        assert_eq!(window.slot(answer + TEN + MARGIN), Slot::Free);
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_no_wait_and_no_memory() {
        let now = Instant::now();
        let mut window = Window::new(None);
        for _ in 0..10_000 {
            assert_eq!(window.slot(now), Slot::Free);
            window.release(now);
            window.answered(now);
        }
        assert_eq!(window.answered.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_use_of_the_account_is_left_to_them() {
        let now = Instant::now();
        let mut window = Window::new(Some((100, TEN)));
        let request = window.release(now);
        window.answered(now);
        window.observe(&seen(99), request, now);
        assert_eq!(window.used(now), 1, "only we are there");
        let request = window.release(now);
        window.answered(now);
        window.observe(&seen(40), request, now);
        assert_eq!(window.used(now), 60, "58 of somebody else");
        let later = now + TEN / 2;
        let request = window.release(later);
        window.answered(later);
        window.observe(&seen(39), request, later);
        assert_eq!(window.used(now + TEN + MARGIN), 1 + 58, "they are still there");
        assert_eq!(window.used(later + TEN + MARGIN), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_allowance_in_the_headers_is_believed() {
        let now = Instant::now();
        let mut window = Window::new(Some((190, TEN)));
        let request = window.release(now);
        window.answered(now);
        window.observe(&seen(99), request, now);
        assert_eq!(window.limit(), Some((100, TEN)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_can_be_put_away_and_put_back() {
        let start = Instant::now();
        let mut window = Window::new(Some((3, TEN)));
        for _ in 0..3 {
            window.release(start);
        }
        window.answered(start);
        let now = start + Duration::from_secs(6);
        window.answered(now);
        let ages = window.ages(now);
        let mut after = Window::new(Some((3, TEN)));
        after.put_back(ages, now);
        assert_eq!(after.slot(now), Slot::At(start + TEN + MARGIN));
        assert_eq!(after.used(start + TEN + MARGIN), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn crowding_halves_once_and_grows_back_one_by_one() {
        let start = Instant::now();
        let mut places = Places::new(8);
        let later = start + Duration::from_secs(1);
        places.crowded(start, later);
        places.crowded(start, later);
        assert_eq!(places.allowed, 4);
        places.calm(later);
        assert_eq!((places.allowed, places.good), (4, 0), "not before it is calm");
        let calm = later + CALM;
        for _ in 0..4 {
            places.calm(calm);
        }
        assert_eq!(places.allowed, 5);
        for _ in 0..200 {
            places.calm(calm);
        }
        assert_eq!(places.allowed, 8);
    }
}
