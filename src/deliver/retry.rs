//! When to try again: full jitter, and a budget that keeps an outage from being amplified.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;

/// Longest wait between two attempts, unless the vendor asks for more.
const CAP: Duration = Duration::from_secs(60);

/// An exponential backoff with full jitter: before attempt `n + 1` a wait drawn evenly from zero to
/// `base × 2^(n - 1)`, at most [`CAP`].
///
/// Our own five lines: `backon` adds its jitter on top of the interval (so that no wait is shorter
/// than the base) and cannot draw from a seeded generator that several requests share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    base: Duration,
}

impl Backoff {
    /// After an error that says nothing of load.
    pub(super) const TRANSIENT: Self = Self {
        base: Duration::from_millis(250),
    };

    /// After the destination asked to slow down.
    pub(super) const THROTTLED: Self = Self {
        base: Duration::from_secs(2),
    };

    /// The wait after `failures` failed attempts; never less than `floor`, what the vendor asked for.
    pub(super) fn wait(self, failures: u32, floor: Option<Duration>, random: &mut StdRng) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let ceiling = self.base.saturating_mul(1 << doublings).min(CAP);
        let jittered = ceiling.mul_f64(random.random_range(0.0..=1.0));
        jittered.max(floor.unwrap_or_default())
    }
}

/// Retries allowed beyond the share of requests that earns them.
const BURST: f64 = 10.0;

/// What each first attempt earns.
const EARNED: f64 = 0.2;

/// What a second earns: retries beyond the budget go out at this pace.
const PER_SECOND: f64 = 1.0;

/// The account's retry budget: one retry for every five requests, ten to begin with. Retries beyond
/// it are not lost but paced, one a second over the whole account.
#[derive(Debug)]
pub(super) struct RetryBudget {
    tokens: f64,
    at: Instant,
}

impl RetryBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            at: now,
        }
    }

    /// A request goes out for the first time.
    pub(super) fn earn(&mut self) {
        self.tokens = (self.tokens + EARNED).min(BURST);
    }

    /// Charges a retry; the wait until the budget covers it.
    pub(super) fn spend(&mut self, now: Instant) -> Duration {
        let idle = now.saturating_duration_since(self.at).as_secs_f64();
        if self.tokens < 0.0 {
            // Time only pays debts: a quiet hour does not buy a storm.
            self.tokens = (self.tokens + idle * PER_SECOND).min(0.0);
        }
        self.at = now;
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(-self.tokens / PER_SECOND)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn waits_spread_from_zero_to_a_doubling_ceiling() {
        let mut random = StdRng::seed_from_u64(1);
        for (failures, ceiling) in [
            (1, 250),
            (2, 500),
            (3, 1_000),
            (6, 8_000),
            (12, 60_000),
            (99, 60_000),
        ] {
            let waits: Vec<u128> = (0..500)
                .map(|_| Backoff::TRANSIENT.wait(failures, None, &mut random).as_millis())
                .collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*least < ceiling / 20, "{failures}: {least}");
            assert!(*most <= ceiling && *most > ceiling * 9 / 10, "{failures}: {most}");
        }
    }

    #[test]
    fn what_the_vendor_asks_for_is_a_floor() {
        let mut random = StdRng::seed_from_u64(1);
        let asked = Duration::from_secs(90);
        assert_eq!(Backoff::THROTTLED.wait(1, Some(asked), &mut random), asked);
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_budget_retries_are_paced_one_a_second() {
        let mut budget = RetryBudget::new(Instant::now());
        for _ in 0..10 {
            assert_eq!(budget.spend(Instant::now()), Duration::ZERO);
        }
        assert_eq!(budget.spend(Instant::now()), Duration::from_secs(1));
        assert_eq!(budget.spend(Instant::now()), Duration::from_secs(2));
        for _ in 0..15 {
            budget.earn();
        }
        assert_eq!(
            budget.spend(Instant::now()).as_secs_f64().round(),
            0.0,
            "15 requests pay 3 retries"
        );
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert!(
            budget.spend(Instant::now()) > Duration::ZERO,
            "time alone saves up nothing"
        );
    }
}
