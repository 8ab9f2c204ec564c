//! When a sync is due by the clock.
//!
//! **Cron and time zones.** A cron expression is read on the wall clock of its zone. Where daylight
//! saving time skips an hour, a time of day that does not exist (`30 2 * * *`) is due at the first
//! moment after the gap, and times that come round every hour or minute (`*/15 * * * *`) leave the gap
//! out. Where an hour comes twice, a time of day is due once, at the first of the two, and times that
//! come round every hour or minute are due in both.
//!
//! **Jitter.** Syncs with the same times do not all start in the same second: each starts up to 59 s
//! later, and with `every` up to a tenth of the interval, by a delay that follows from its name alone
//! and so is the same every day. An interval under a minute has none.

use std::cmp::Ordering;
use std::time::Duration;

use croner::errors::CronError;
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use croner::{Cron, errors};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use thiserror::Error;

use crate::project::{Schedule, parse_cron};

/// Longest delay of a sync behind its time.
const MOST_JITTER_MS: u64 = 60_000;

/// Shortest interval that has jitter.
const LEAST_JITTERED_MS: i64 = 60_000;

/// A schedule made ready to be asked.
#[derive(Clone, Debug)]
pub enum Rhythm {
    /// Only when someone asks.
    Asked,
    /// At times of a calendar.
    Calendar {
        /// The times of day.
        cron: Box<Cron>,
        /// The zone they are read in.
        zone: TimeZone,
        /// Delay behind each time, milliseconds.
        jitter_ms: i64,
    },
    /// So long after the last start, milliseconds.
    Every {
        /// The interval.
        period_ms: i64,
        /// Delay of the first start.
        jitter_ms: i64,
    },
    /// When each of these has succeeded since the last start.
    After(Vec<String>),
}

/// A schedule that the loader should have refused.
#[derive(Debug, Error)]
pub enum BadSchedule {
    /// The expression.
    #[error("`{0}` is no cron expression: {1}")]
    Cron(String, #[source] errors::CronError),
    /// The zone.
    #[error("there is no time zone `{0}`")]
    Zone(String),
}

impl Rhythm {
    /// The rhythm of a sync with this name and schedule.
    ///
    /// # Errors
    /// When the expression or the zone does not exist.
    pub fn new(sync: &str, schedule: &Schedule) -> Result<Self, BadSchedule> {
        Ok(match schedule {
            Schedule::Manual => Rhythm::Asked,
            Schedule::After(parents) => Rhythm::After(parents.clone()),
            Schedule::Every(period) => {
                let period_ms = whole_ms(*period).max(1);
                let most = if period_ms < LEAST_JITTERED_MS {
                    0
                } else {
                    (period_ms / 10).unsigned_abs().min(MOST_JITTER_MS)
                };
                Rhythm::Every {
                    period_ms,
                    jitter_ms: jitter_ms(sync, most),
                }
            }
            Schedule::Cron {
                expression,
                time_zone,
            } => Rhythm::Calendar {
                cron: Box::new(
                    parse_cron(expression).map_err(|error| BadSchedule::Cron(expression.clone(), error))?,
                ),
                zone: match time_zone {
                    None => TimeZone::UTC,
                    Some(name) => TimeZone::get(name).map_err(|_| BadSchedule::Zone(name.clone()))?,
                },
                jitter_ms: jitter_ms(sync, MOST_JITTER_MS),
            },
        })
    }

    /// When a sync is due that last started then (none = never) and has followed this rhythm since
    /// `since_ms`; milliseconds since 1970. None when the clock does not start it.
    ///
    /// Times that passed while nothing ran count once: the answer may lie in the past.
    pub fn due_ms(&self, last_start_ms: Option<i64>, since_ms: i64) -> Option<i64> {
        match self {
            Rhythm::Asked | Rhythm::After(_) => None,
            Rhythm::Every { period_ms, jitter_ms } => Some(match last_start_ms {
                Some(last) => last.saturating_add(*period_ms),
                None => since_ms.saturating_add(*jitter_ms),
            }),
            Rhythm::Calendar {
                cron,
                zone,
                jitter_ms,
            } => {
                let after = last_start_ms.map_or(since_ms, |last| last.max(since_ms));
                let time = next_time(cron, zone, after.saturating_sub(*jitter_ms))?;
                Some(time.saturating_add(*jitter_ms))
            }
        }
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds below `most_ms`, by the sync's name.
fn jitter_ms(sync: &str, most_ms: u64) -> i64 {
    let seconds = most_ms / 1_000;
    if seconds == 0 {
        return 0;
    }
    let delay = xxhash_rust::xxh3::xxh3_64(sync.as_bytes()) % seconds;
    i64::try_from(delay * 1_000).unwrap_or(0)
}

/// The first time of the calendar after `after_ms`, if there is one before the calendar's end.
fn next_time(cron: &Cron, zone: &TimeZone, after_ms: i64) -> Option<i64> {
    let after = Timestamp::from_millisecond(after_ms).ok()?;
    let after = Moment(after.to_zoned_datetime(zone.clone()));
    let next = cron.find_next_occurrence(&after, false).ok()?;
    Some(next.0.timestamp().as_millisecond())
}

/// An instant in a zone, as the cron library asks for it.
#[derive(Clone)]
struct Moment(ZonedDateTime);

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(at.year().into(), unsigned(at.month()), unsigned(at.day())),
            CivilTime::from_parts_unchecked(
                unsigned(at.hour()),
                unsigned(at.minute()),
                unsigned(at.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(unsigned(self.0.weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let small = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidTime);
        let at = jiff::civil::DateTime::new(
            i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?,
            small(civil.month())?,
            small(civil.day())?,
            small(civil.hour())?,
            small(civil.minute())?,
            small(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(at);
        let one =
            |zoned: Result<ZonedDateTime, jiff::Error>| zoned.map(Moment).map_err(|_| CronError::InvalidTime);
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(one(ambiguous.unambiguous())?),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(one(ambiguous.clone().earlier())?, one(ambiguous.later())?)
            }
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let moved = self.0.checked_add(SignedDuration::from_secs(seconds));
        moved.ok().map(Moment)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

fn unsigned(part: i8) -> u32 {
    u32::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests;
