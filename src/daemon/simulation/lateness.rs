//! Whether whoever wanted to know was told of every gap once, and of its end once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::post::Message;
use super::times::Ran;
use super::world::{BEGIN, HOUR, MINUTE};

/// How long after it became late a sync is told as late, if the daemon lives.
const LOOKS: i64 = 5 * MINUTE;

/// When a sync is late that went through last at `fresh_ms`: between these two.
fn late_ms(sync: &str, fresh_ms: i64) -> Range<i64> {
    let full_hour = |at: i64| at - at.rem_euclid(HOUR) + HOUR;
    match sync {
        // Half an hour after it is due, which is up to a minute after the hour.
        "people" => full_hour(fresh_ms - MINUTE) + HOUR / 2..full_hour(fresh_ms) + HOUR / 2 + MINUTE,
        "visits" => fresh_ms + 22 * MINUTE..fresh_ms + 24 * MINUTE,
        _ => fresh_ms + 3 * HOUR..fresh_ms + 3 * HOUR + 1,
    }
}

/// Messages of each sync and trouble, in their order, each once.
fn by_trouble(told: &[Message]) -> BTreeMap<(String, String), Vec<(i64, bool)>> {
    // One whose answer got lost is sent again.
    let once: BTreeSet<&Message> = told.iter().collect();
    let mut troubles: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for message in once {
        let key = (message.sync.clone(), message.trouble.clone());
        let change = (message.at.as_millisecond(), message.recovered);
        troubles.entry(key).or_default().push(change);
    }
    for changes in troubles.values_mut() {
        // What ended and began at one moment ended first.
        changes.sort_by_key(|(at, recovered)| (*at, !*recovered));
    }
    troubles
}

/// Every trouble has a beginning and an end, and nothing is wrong when all is calm.
pub(super) fn balanced(told: &[Message]) {
    for ((sync, trouble), changes) in by_trouble(told) {
        let expected = [false, true].into_iter().cycle();
        for ((at, recovered), expected) in changes.iter().zip(expected) {
            assert_eq!(*recovered, expected, "{sync} {trouble} at {at}: {changes:?}");
        }
        assert!(changes.len() % 2 == 0, "{sync} is left with {trouble}");
    }
}

/// Every gap without success that was longer than it may be was told once, and no other. Gives how many
/// there were.
pub(super) fn gaps(sync: &str, runs: &[Ran], lives: &[Range<i64>], told: &[Message], end_ms: i64) -> usize {
    let changes = by_trouble(told)
        .remove(&(sync.to_owned(), "late".to_owned()))
        .unwrap_or_default();
    let mut late = 0;
    let mut fresh_ms = BEGIN;
    let successes = runs
        .iter()
        .filter(|run| run.went_through())
        .map(|run| run.span.end);
    for next_ms in successes.chain([end_ms]) {
        let within = |(at, recovered): &&(i64, bool)| !recovered && (fresh_ms + 1..=next_ms).contains(at);
        let begun = changes.iter().filter(within).count();
        let late_ms = late_ms(sync, fresh_ms);
        let seen_by = |life: &Range<i64>| late_ms.end.max(life.start) + LOOKS < life.end.min(next_ms);
        if lives.iter().any(seen_by) {
            assert_eq!(
                begun, 1,
                "{sync}: nobody was told of the gap {fresh_ms}..{next_ms}: {changes:?}"
            );
        } else if next_ms <= late_ms.start {
            assert_eq!(begun, 0, "{sync}: there was no gap in {fresh_ms}..{next_ms}");
        }
        assert!(begun <= 1, "{sync}: told {begun} times of {fresh_ms}..{next_ms}");
        if let Some((told_ms, _)) = changes.iter().find(within) {
            let over = |(at, recovered): &(i64, bool)| *recovered && (told_ms + 1..next_ms).contains(at);
            assert!(
                !changes.iter().any(over),
                "{sync}: told as over before {next_ms}: {changes:?}"
            );
        }
        late += begun;
        fresh_ms = next_ms;
    }
    late
}
