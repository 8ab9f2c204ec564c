//! The vendor's request limits: a rolling window per app, a day's quota per account, searches per second.

use std::collections::{HashMap, VecDeque};

use hyper::StatusCode;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::server::Answer;

use super::auth::Identity;
use super::options::Rate;

/// Which limit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Window,
    Search,
    Daily,
}

impl Policy {
    /// The 429 answer; the vendor gives no `Retry-After`.
    pub(super) fn refuse(self, correlation: &str, request: &str) -> Answer {
        let (name, words) = match self {
            Policy::Window => ("TEN_SECONDLY_ROLLING", "ten_secondly_rolling"),
            Policy::Search => ("SECONDLY", "secondly"),
            Policy::Daily => ("DAILY", "daily"),
        };
        let body = json!({
            "status": "error",
            "message": format!("You have reached your {words} limit."),
            "errorType": "RATE_LIMIT",
            "correlationId": correlation,
            "policyName": name,
            "requestId": request,
        });
        Answer::new(
            StatusCode::TOO_MANY_REQUESTS,
            "application/json;charset=utf-8",
            body.to_string(),
        )
    }
}

/// What a request was counted against.
#[derive(Debug)]
pub(super) struct Meter {
    rate: Option<Rate>,
    zone: TimeZone,
    windows: HashMap<String, VecDeque<i64>>,
    searches: VecDeque<i64>,
    day: Date,
    used: u64,
}

/// Values of the rate headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    max: u32,
    remaining: u32,
    interval_ms: u128,
    daily: Option<(u64, u64)>,
}

impl Allowance {
    pub(super) fn put(&self, answer: &mut Answer) {
        answer.set("x-hubspot-ratelimit-max", &self.max.to_string());
        answer.set("x-hubspot-ratelimit-remaining", &self.remaining.to_string());
        answer.set(
            "x-hubspot-ratelimit-interval-milliseconds",
            &self.interval_ms.to_string(),
        );
        // Deprecated and not enforced, but still sent.
        answer.set("x-hubspot-ratelimit-secondly", &(self.max / 10).to_string());
        answer.set(
            "x-hubspot-ratelimit-secondly-remaining",
            &(self.remaining / 10).to_string(),
        );
        if let Some((daily, remaining)) = self.daily {
            answer.set("x-hubspot-ratelimit-daily", &daily.to_string());
            answer.set("x-hubspot-ratelimit-daily-remaining", &remaining.to_string());
        }
    }
}

impl Meter {
    pub(super) fn new(rate: Option<Rate>, zone: TimeZone) -> Self {
        Self {
            rate,
            zone,
            windows: HashMap::new(),
            searches: VecDeque::new(),
            day: Date::default(),
            used: 0,
        }
    }

    pub(super) fn set_rate(&mut self, rate: Option<Rate>) {
        self.rate = rate;
    }

    pub(super) fn reset(&mut self) {
        self.windows.clear();
        self.searches.clear();
        self.used = 0;
    }

    /// Sets how many requests the account has used today.
    pub(super) fn set_used(&mut self, used: u64, now: i64) {
        self.roll_day(now);
        self.used = used;
    }

    /// Admits a request, or names the limit that refuses it. Refused requests are not counted.
    /// Searches count against the second and the day, not against the window, and have no headers.
    pub(super) fn admit(
        &mut self,
        identity: &Identity,
        is_search: bool,
        now: i64,
    ) -> Result<Option<Allowance>, (Policy, Option<Allowance>)> {
        let Some(rate) = self.rate else { return Ok(None) };
        self.roll_day(now);
        let exhausted = rate.daily.is_some_and(|daily| self.used >= daily);
        if is_search {
            if exhausted {
                return Err((Policy::Daily, None));
            }
            drop_before(&mut self.searches, now - 1000);
            if self.searches.len() >= rate.search_per_second as usize {
                return Err((Policy::Search, None));
            }
            self.searches.push_back(now);
            self.used += 1;
            return Ok(None);
        }
        let length = i64::try_from(rate.per.as_millis()).unwrap_or(i64::MAX / 4);
        let window = self.windows.entry(identity.app.clone()).or_default();
        drop_before(window, now - length);
        let full = window.len() >= rate.requests as usize;
        if !full && !exhausted {
            window.push_back(now);
            self.used += 1;
        }
        let taken = u32::try_from(window.len()).unwrap_or(u32::MAX);
        let allowance = Allowance {
            max: rate.requests,
            remaining: rate.requests.saturating_sub(taken),
            interval_ms: rate.per.as_millis(),
            daily: rate
                .daily
                .filter(|_| !identity.oauth)
                .map(|daily| (daily, daily.saturating_sub(self.used))),
        };
        if exhausted {
            Err((Policy::Daily, Some(allowance)))
        } else if full {
            Err((Policy::Window, Some(allowance)))
        } else {
            Ok(Some(allowance))
        }
    }

    fn roll_day(&mut self, now: i64) {
        let Ok(instant) = jiff::Timestamp::from_millisecond(now) else {
            return;
        };
        let today = instant.to_zoned_datetime(self.zone.clone()).date();
        if today != self.day {
            self.day = today;
            self.used = 0;
        }
    }
}

fn drop_before(times: &mut VecDeque<i64>, horizon: i64) {
    while times.front().is_some_and(|time| *time <= horizon) {
        times.pop_front();
    }
}
