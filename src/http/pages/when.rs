//! Times as people say them.

use std::time::Duration;

use serde::Serialize;

use crate::documents::time::{iso, moment, span};

/// An instant, for programs, in full, and in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct When {
    /// ISO 8601, UTC.
    iso: String,
    /// UTC, to the second.
    moment: String,
    /// How long ago, or from now.
    words: String,
}

impl When {
    pub(super) fn of(ms: i64, now_ms: i64) -> Self {
        let (rough, is_past) = (rough(ms.abs_diff(now_ms)), ms <= now_ms);
        let words = match (rough, is_past) {
            (None, true) => "just now".into(),
            (None, false) => "in a moment".into(),
            (Some(time), true) => format!("{time} ago"),
            (Some(time), false) => format!("in {time}"),
        };
        Self {
            iso: iso(ms).unwrap_or_default(),
            moment: moment(ms),
            words,
        }
    }

    /// How long ago, or from now.
    pub(super) fn words(&self) -> &str {
        &self.words
    }
}

/// A length of time in one unit; none when it is shorter than a person looks.
fn rough(ms: u64) -> Option<String> {
    let seconds = ms / 1_000;
    Some(match seconds {
        0..10 => return None,
        10..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", (seconds + 30) / 60),
        5_400..129_600 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    })
}

/// How long something took.
pub(super) fn took(ms: i64) -> String {
    span(Duration::from_millis(ms.max(0).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_in_one_unit() {
        const NOW: i64 = 1_000_000_000_000;
        let words = |after_ms: i64| When::of(NOW + after_ms, NOW).words;
        assert_eq!(words(0), "just now");
        assert_eq!(words(3_000), "in a moment");
        assert_eq!(words(-12_000), "12 s ago");
        assert_eq!(words(-100_000), "2 min ago");
        assert_eq!(words(720_000), "in 12 min");
        assert_eq!(words(-5_400_000), "2 h ago");
        assert_eq!(words(-3 * 86_400_000), "3 days ago");
        assert_eq!(When::of(NOW, NOW).moment, "2001-09-09 01:46:40Z");
    }
}
