//! The day's quota of one account, in the account's own day.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What is left of today.
#[derive(Debug)]
pub(super) struct Day {
    quota: Option<u64>,
    reserve_percent: u8,
    zone: TimeZone,
    ends_ms: i64,
    used: u64,
    left: u64,
    exhausted_until_ms: Option<i64>,
}

impl Day {
    pub(super) fn new(quota: Option<u64>, reserve_percent: u8, now_ms: i64) -> Self {
        let zone = TimeZone::UTC;
        Self {
            quota,
            reserve_percent,
            ends_ms: next_midnight(&zone, now_ms),
            zone,
            used: 0,
            left: quota.unwrap_or(u64::MAX),
            exhausted_until_ms: None,
        }
    }

    /// The zone whose midnight ends the day.
    pub(super) fn set_zone(&mut self, zone: TimeZone, now_ms: i64) {
        // A day that ended under the old zone is over, whatever the new one says.
        self.turn(now_ms);
        self.ends_ms = next_midnight(&zone, now_ms);
        self.zone = zone;
    }

    pub(super) fn tighten(&mut self, quota: Option<u64>, reserve_percent: u8) {
        self.reserve_percent = self.reserve_percent.max(reserve_percent);
        if let Some(quota) = quota {
            let lower = self.quota.map_or(quota, |ours| ours.min(quota));
            self.left = self.left.min(lower.saturating_sub(self.used));
            self.quota = Some(lower);
        }
    }

    fn turn(&mut self, now_ms: i64) {
        if now_ms >= self.ends_ms {
            self.ends_ms = next_midnight(&self.zone, now_ms);
            self.used = 0;
            self.left = self.quota.unwrap_or(u64::MAX);
        }
        if self.exhausted_until_ms.is_some_and(|until| now_ms >= until) {
            self.exhausted_until_ms = None;
        }
    }

    fn reserve(&self) -> u64 {
        let quota = self.quota.unwrap_or(0);
        (u128::from(quota) * u128::from(self.reserve_percent.min(100)) / 100) as u64
    }

    /// Requests we may still send today; none without a quota.
    pub(super) fn remaining(&mut self, now_ms: i64) -> Option<u64> {
        self.turn(now_ms);
        if self.exhausted_until_ms.is_some() {
            return Some(0);
        }
        self.quota?;
        Some(self.left.saturating_sub(self.reserve()))
    }

    /// When nothing is left: how long until something is.
    pub(super) fn gone(&mut self, now_ms: i64) -> Option<Duration> {
        if self.quota.is_none() && self.exhausted_until_ms.is_none() {
            return None;
        }
        if self.remaining(now_ms) != Some(0) {
            return None;
        }
        let until = self.exhausted_until_ms.unwrap_or(self.ends_ms);
        Some(from_ms(until - now_ms))
    }

    /// Time until midnight in the account's zone.
    pub(super) fn rest(&mut self, now_ms: i64) -> Duration {
        self.turn(now_ms);
        from_ms(self.ends_ms - now_ms)
    }

    /// Requests a whole day allows us.
    pub(super) fn allowance(&self) -> Option<u64> {
        self.quota.map(|quota| quota.saturating_sub(self.reserve()))
    }

    /// A request goes out.
    pub(super) fn take(&mut self, now_ms: i64) {
        self.turn(now_ms);
        self.used += 1;
        self.left = self.left.saturating_sub(1);
    }

    /// A request was not sent after all.
    pub(super) fn give_back(&mut self) {
        self.used = self.used.saturating_sub(1);
        self.left = self.left.saturating_add(1);
    }

    /// What the destination says is left. Others may have used some; it never gives back what we
    /// counted, since answers overtake each other.
    pub(super) fn observe(&mut self, remaining: u64, now_ms: i64) {
        self.turn(now_ms);
        if self.quota.is_some() {
            self.left = self.left.min(remaining);
        }
    }

    /// The destination says that the quota is gone, for so long when it is known.
    pub(super) fn exhaust(&mut self, until: Option<Duration>, now_ms: i64) -> Duration {
        self.turn(now_ms);
        let until_ms = match until {
            Some(wait) => now_ms.saturating_add(super::clock::whole_ms(wait)),
            None => self.ends_ms,
        };
        self.exhausted_until_ms = Some(until_ms.max(self.exhausted_until_ms.unwrap_or(until_ms)));
        from_ms(until_ms - now_ms)
    }

    /// The end of the day the count belongs to (milliseconds since 1970), requests sent, requests
    /// left, and until when the destination said that the quota is gone.
    pub(super) fn counts(&self) -> (i64, u64, u64, Option<i64>) {
        (self.ends_ms, self.used, self.left, self.exhausted_until_ms)
    }

    /// Puts back what was counted in a day that ends at `ends_ms`; forgotten if that is over.
    pub(super) fn put_back(
        &mut self,
        ends_ms: i64,
        used: u64,
        left: u64,
        gone_until: Option<i64>,
        now_ms: i64,
    ) {
        self.turn(now_ms);
        if ends_ms > now_ms {
            self.ends_ms = ends_ms.min(self.ends_ms);
            self.used = self.used.max(used);
            let quota = self.quota.unwrap_or(u64::MAX);
            self.left = self.left.min(left).min(quota.saturating_sub(used));
        }
        self.exhausted_until_ms = gone_until.filter(|until| *until > now_ms);
    }
}

fn from_ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// The next midnight in `zone`; a day from now where the calendar ends.
fn next_midnight(zone: &TimeZone, now_ms: i64) -> i64 {
    let midnight = Timestamp::from_millisecond(now_ms)
        .and_then(|now| now.to_zoned_datetime(zone.clone()).tomorrow())
        .and_then(|tomorrow| tomorrow.start_of_day());
    match midnight {
        Ok(midnight) => midnight.timestamp().as_millisecond(),
        Err(_) => now_ms.saturating_add(86_400_000),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// 2026-11-02T22:00:00Z.
    const LATE: i64 = 1_793_656_800_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn the_reserve_is_left_to_others() {
        let mut day = Day::new(Some(100), 5, LATE);
        for _ in 0..95 {
            assert_eq!(day.gone(LATE), None);
            day.take(LATE);
        }
        assert_eq!(
            day.gone(LATE),
            Some(Duration::from_secs(7_200)),
            "until midnight UTC"
        );
        assert_eq!(day.remaining(LATE + 2 * HOUR), Some(95), "a new day");
    }

    #[test]
    fn the_day_is_the_accounts_own() {
        let mut day = Day::new(Some(1), 0, LATE);
        day.set_zone(TimeZone::get("America/New_York").unwrap(), LATE);
        day.take(LATE);
        assert_eq!(
            day.gone(LATE),
            Some(Duration::from_secs(7 * 3_600)),
            "17:00 in New York"
        );
        assert!(day.gone(LATE + 3 * HOUR).is_some());
        assert_eq!(day.gone(LATE + 7 * HOUR), None);
    }

    #[test]
    fn what_the_destination_says_is_left_counts_when_it_is_less() {
        let mut day = Day::new(Some(1_000), 10, LATE);
        day.take(LATE);
        day.observe(998, LATE);
        assert_eq!(day.remaining(LATE), Some(898));
        day.observe(100, LATE);
        assert_eq!(day.remaining(LATE), Some(0));
        day.observe(900, LATE);
        assert_eq!(
            day.remaining(LATE),
            Some(0),
            "an answer that was overtaken gives nothing back"
        );
    }

    #[test]
    fn a_quota_the_destination_calls_gone_stays_gone_until_it_said() {
        let mut day = Day::new(None, 0, LATE);
        assert_eq!(day.gone(LATE), None);
        assert_eq!(
            day.exhaust(Some(Duration::from_secs(60)), LATE),
            Duration::from_secs(60)
        );
        assert_eq!(day.gone(LATE + 30_000), Some(Duration::from_secs(30)));
        assert_eq!(day.gone(LATE + 60_000), None);
        assert_eq!(day.exhaust(None, LATE), Duration::from_secs(7_200));
    }

    #[test]
    fn the_count_survives_a_restart_but_not_the_night() {
        let mut before = Day::new(Some(10), 0, LATE);
        for _ in 0..7 {
            before.take(LATE);
        }
        let (ends, used, left, gone) = before.counts();
        let mut after = Day::new(Some(10), 0, LATE + HOUR);
        after.put_back(ends, used, left, gone, LATE + HOUR);
        assert_eq!(after.remaining(LATE + HOUR), Some(3));
        let mut next = Day::new(Some(10), 0, LATE + 3 * HOUR);
        next.put_back(ends, used, left, gone, LATE + 3 * HOUR);
        assert_eq!(next.remaining(LATE + 3 * HOUR), Some(10));
    }
}
