//! Whose turn it is, when more syncs are due than may run.
//!
//! Higher priority goes first, and someone who asks counts one step higher; every ten minutes of
//! waiting count one step too, so that nobody waits for ever. Among equals the turn goes to the sync
//! whose connections were served longest ago, so that twenty syncs of one account do not hold up the
//! one of another, then to the one that has waited longest.

use std::collections::{HashMap, HashSet};

use super::timetable::{Cause, Limits};
use crate::project::Priority;

/// Waiting that counts as one step of priority, milliseconds.
const STEP_MS: i64 = 600_000;

/// Under this name all runs are counted together; no connection can have it.
pub(super) const ALL: &str = "";

/// A sync that is due.
pub(super) struct Candidate<'a> {
    pub(super) sync: &'a str,
    pub(super) cause: Cause,
    /// Since when, milliseconds since 1970.
    pub(super) since_ms: i64,
    pub(super) priority: Priority,
    pub(super) connections: &'a [String],
    /// Turn in which its connections were last served.
    pub(super) served: u64,
}

impl Candidate<'_> {
    fn steps_waited(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.since_ms).max(0) / STEP_MS
    }

    fn rank(&self, now_ms: i64) -> i64 {
        let priority = match self.priority {
            Priority::Low => 0,
            Priority::Normal => 1,
            Priority::High => 2,
        };
        let asked = matches!(self.cause, Cause::Asked | Cause::Rows);
        priority + i64::from(asked) + self.steps_waited(now_ms)
    }
}

/// The candidate to start, if any may; `load` counts the runs under way by connection.
pub(super) fn choose<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    load: &HashMap<&str, usize>,
    limits: Limits,
    now_ms: i64,
) -> Option<&'c Candidate<'a>> {
    let busy = |name: &str| load.get(name).copied().unwrap_or(0);
    if busy(ALL) >= limits.runs {
        return None;
    }
    let mut line: Vec<&Candidate<'_>> = candidates.iter().collect();
    line.sort_by_key(|one| {
        (
            std::cmp::Reverse(one.rank(now_ms)),
            one.served,
            one.since_ms,
            one.sync,
        )
    });
    // One who has waited long keeps its connections from those behind it, or it could wait for two of
    // them at the same time for ever.
    let mut kept: HashSet<&str> = HashSet::new();
    for candidate in line {
        let free = candidate.connections.iter().all(|connection| {
            busy(connection) < limits.per_connection && !kept.contains(connection.as_str())
        });
        if free {
            return Some(candidate);
        }
        if candidate.steps_waited(now_ms) > 0 {
            kept.extend(candidate.connections.iter().map(String::as_str));
        }
    }
    None
}
