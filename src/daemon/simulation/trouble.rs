//! What goes wrong, where and when: drawn before the first day, so that nothing the daemon does moves it.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::Rng;
use rand::rngs::StdRng;

use super::world::{DAY, HOUR, MINUTE};

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Nothing answers: no connection, or no query.
    Down,
    /// Credentials are refused.
    Locked,
    /// Half of the requests end as server errors.
    Failing,
    /// Most requests are throttled, and told for how long.
    Throttling,
    /// Answers are lost, mostly after what was asked for was done.
    Lossy,
    /// The day's quota is gone.
    Exhausted,
    /// Single rows are not answered for, or are to be tried again.
    Picky,
    /// Reads end in the middle, in several ways.
    Cut,
    /// Reads take a long time.
    Slow,
    /// The model is empty for a while, as when a job rebuilds it.
    Empty,
}

/// Where and what, and between how many minutes it lasts.
const KINDS: [(&str, What, Range<i64>); 17] = [
    ("shop", What::Down, 10..240),
    ("shop", What::Cut, 20..150),
    ("shop", What::Slow, 20..240),
    ("shop", What::Empty, 10..80),
    ("crm", What::Down, 10..360),
    ("crm", What::Locked, 60..61),
    ("crm", What::Failing, 20..180),
    ("crm", What::Throttling, 20..120),
    ("crm", What::Lossy, 20..240),
    ("crm", What::Exhausted, 60..300),
    ("crm", What::Picky, 20..240),
    ("news", What::Down, 10..360),
    ("news", What::Locked, 60..61),
    ("news", What::Failing, 20..180),
    ("news", What::Lossy, 20..240),
    ("news", What::Picky, 20..240),
    ("team", What::Lossy, 20..240),
];

/// When each trouble is at each place: several a day.
pub(super) fn episodes(
    random: &mut StdRng,
    begin_ms: i64,
    end_ms: i64,
) -> BTreeMap<(String, What), Vec<Range<i64>>> {
    let mut episodes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for day_ms in (begin_ms + HOUR..end_ms).step_by(DAY as usize) {
        for _ in 0..random.random_range(2..7) {
            let (place, what, minutes) = KINDS[random.random_range(0..KINDS.len())].clone();
            let from_ms = day_ms + random.random_range(0..DAY);
            let to_ms = from_ms + random.random_range(minutes) * MINUTE;
            let spans = episodes.entry((place.to_owned(), what)).or_default();
            spans.push(from_ms.min(end_ms)..to_ms.min(end_ms));
        }
    }
    episodes
}
