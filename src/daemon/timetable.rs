//! Which sync runs when: a synchronous state machine over an explicit clock.
//!
//! It is told what happens ([`Timetable::ended`], [`Timetable::ask`], [`Timetable::pause`], …) and
//! asked what starts now ([`Timetable::start`]) and when to ask again ([`Timetable::next_ms`]). It
//! promises:
//!
//! * Runs of one sync never overlap, and at most so many run at once, in all and per connection.
//! * A time that passed, however often and for whatever reason, is made up for by one run.
//! * A sync that is due starts sooner or later, however busy the others are (see [`super::queue`]).
//! * A paused sync starts nothing, whoever asks; what was due meanwhile runs once after it is resumed.
//! * A run that the quota deferred goes on at the reset, and the times until then are part of it.
//! * A run of some rows alone takes its turn like any other, before a run of the whole model that is due too,
//!   but never twice in a row before it. It moves no time: what was due stays due.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::queue::{self, Candidate};
use super::rhythm::Rhythm;
use crate::project::Priority;

/// A deferred run whose reset nobody knows goes on after this long.
const RETRY_MS: i64 = 3_600_000;

/// Why a sync starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time came.
    Schedule,
    /// The syncs it follows have succeeded.
    Parents,
    /// An earlier run could not finish.
    Resumed,
    /// Someone asked.
    Asked,
    /// Someone asked for some of its rows.
    Rows,
}

impl Cause {
    /// The word in logs and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Schedule => "schedule",
            Cause::Parents => "after",
            Cause::Resumed => "resumed",
            Cause::Asked => "asked",
            Cause::Rows => "rows",
        }
    }
}

/// How a run ended, as far as the timetable is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It went through, with rejects or without.
    Done,
    /// It did not; the next time tries again.
    Failed,
    /// It goes on by itself, after so many milliseconds where that is known.
    Deferred(Option<i64>),
    /// Someone stopped it.
    Cancelled,
}

/// At most so many runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub runs: usize,
    /// That use one connection, as source or destination.
    pub per_connection: usize,
}

/// A sync as the timetable must know it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name.
    pub sync: String,
    /// Its schedule.
    pub rhythm: Rhythm,
    /// The connections it uses.
    pub connections: Vec<String>,
    /// Who goes first when several are due.
    pub priority: Priority,
}

/// What is known of a sync from before.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Since when it follows its schedule, milliseconds since 1970.
    pub since_ms: i64,
    /// When its last run started.
    pub last_start_ms: Option<i64>,
    /// When a run that could not finish goes on.
    pub owed_ms: Option<i64>,
    /// Whether someone paused it.
    pub paused: bool,
    /// Of the syncs it follows, those that have succeeded since its last run.
    pub succeeded: BTreeSet<String>,
}

/// How a sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It runs.
    pub running: bool,
    /// It is paused.
    pub paused: bool,
    /// Since when it has been due and waits for a free place, milliseconds since 1970.
    pub queued_ms: Option<i64>,
    /// When it is due next, if that is known; in the past while it waits.
    pub due_ms: Option<i64>,
    /// When a deferred run goes on.
    pub owed_ms: Option<i64>,
}

/// Nobody may start or stop that now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The project has no such sync.
    Unknown,
    /// It is paused.
    Paused,
}

/// A run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The sync.
    pub sync: String,
    /// Why.
    pub cause: Cause,
}

#[derive(Clone, Debug)]
struct Entry {
    plan: Plan,
    past: Past,
    running: bool,
    asked_ms: Option<i64>,
    /// When the last of the syncs it follows succeeded.
    followed_ms: i64,
    /// It was owed while it ran: what it owes, the run under way does not settle.
    owed_again: bool,
    rows: RowsAsked,
}

/// Runs of some rows alone.
#[derive(Clone, Copy, Debug, Default)]
struct RowsAsked {
    /// From when on the next one may start; none when no rows are asked for.
    from_ms: Option<i64>,
    /// Whether the run under way, or the last one, is one.
    latest: bool,
}

/// The state machine. See the module.
#[derive(Clone, Debug)]
pub struct Timetable {
    limits: Limits,
    entries: BTreeMap<String, Entry>,
    /// Runs of syncs that have left the project meanwhile: they still use their connections.
    leaving: BTreeMap<String, Vec<String>>,
    /// When each connection was last given a run: a counter, not a time.
    served: HashMap<String, u64>,
    turn: u64,
}

impl Timetable {
    /// A timetable without syncs.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            leaving: BTreeMap::new(),
            served: HashMap::new(),
            turn: 0,
        }
    }

    /// Takes up a project: `past` is asked about syncs that are new or follow another schedule. Runs
    /// under way go on, and syncs that are gone start no more.
    pub fn adopt(&mut self, limits: Limits, plans: Vec<Plan>, mut past: impl FnMut(&Plan) -> Past) {
        self.limits = limits;
        let mut before = std::mem::take(&mut self.entries);
        for plan in plans {
            let known = before.remove(&plan.sync);
            let (running, asked_ms, owed_again, rows) = match &known {
                Some(entry) => (entry.running, entry.asked_ms, entry.owed_again, entry.rows),
                None => {
                    let running = self.leaving.remove(&plan.sync).is_some();
                    (running, None, false, RowsAsked::default())
                }
            };
            let mut past = past(&plan);
            if let Some(known) = known {
                past.last_start_ms = past.last_start_ms.max(known.past.last_start_ms);
                past.succeeded.extend(known.past.succeeded);
            }
            if let Rhythm::After(parents) = &plan.rhythm {
                past.succeeded.retain(|parent| parents.contains(parent));
            } else {
                past.succeeded.clear();
            }
            let entry = Entry {
                followed_ms: past.since_ms,
                owed_again,
                plan,
                past,
                running,
                asked_ms,
                rows,
            };
            self.entries.insert(entry.plan.sync.clone(), entry);
        }
        for (sync, entry) in before {
            if entry.running {
                self.leaving.insert(sync, entry.plan.connections);
            }
        }
    }

    /// Has a sync run as soon as it may; one that runs now runs once more afterwards.
    ///
    /// # Errors
    /// When there is no such sync, or it is paused.
    pub fn ask(&mut self, sync: &str, now_ms: i64) -> Result<(), Refused> {
        let entry = self.entries.get_mut(sync).ok_or(Refused::Unknown)?;
        if entry.past.paused {
            return Err(Refused::Paused);
        }
        entry.asked_ms.get_or_insert(now_ms);
        Ok(())
    }

    /// Has a sync run for some rows that somebody else keeps, from `from_ms` on, or earlier if others were
    /// asked for before. What is asked `through_pause` waits for its end.
    ///
    /// # Errors
    /// When there is no such sync, or it is paused.
    pub fn ask_rows(&mut self, sync: &str, from_ms: i64, through_pause: bool) -> Result<(), Refused> {
        let entry = self.entries.get_mut(sync).ok_or(Refused::Unknown)?;
        if entry.past.paused && !through_pause {
            return Err(Refused::Paused);
        }
        entry.rows.from_ms.get_or_insert(from_ms);
        Ok(())
    }

    /// No rows of a sync are asked for any more.
    pub fn withdraw_rows(&mut self, sync: &str) {
        if let Some(entry) = self.entries.get_mut(sync) {
            entry.rows.from_ms = None;
        }
    }

    /// Has a sync run as soon as it may, and after the pause if it is paused: something changed that
    /// must not be missed.
    ///
    /// # Errors
    /// When there is no such sync.
    pub fn owe(&mut self, sync: &str, now_ms: i64) -> Result<(), Refused> {
        let entry = self.entries.get_mut(sync).ok_or(Refused::Unknown)?;
        let owed_ms = entry.past.owed_ms.get_or_insert(now_ms);
        *owed_ms = now_ms.min(*owed_ms);
        entry.owed_again |= entry.running;
        Ok(())
    }

    /// Pauses a sync, or has it go on. A run under way goes on either way; what was asked for is
    /// dropped when it is paused.
    ///
    /// # Errors
    /// When there is no such sync.
    pub fn pause(&mut self, sync: &str, paused: bool) -> Result<(), Refused> {
        let entry = self.entries.get_mut(sync).ok_or(Refused::Unknown)?;
        entry.past.paused = paused;
        if paused {
            entry.asked_ms = None;
        }
        Ok(())
    }

    /// Drops what was asked of a sync and did not start yet; whether there was anything.
    pub fn withdraw(&mut self, sync: &str) -> bool {
        self.entries
            .get_mut(sync)
            .is_some_and(|entry| entry.asked_ms.take().is_some())
    }

    /// A run of the sync ended. Gives when a deferred one goes on, milliseconds since 1970.
    pub fn ended(&mut self, sync: &str, outcome: Outcome, now_ms: i64) -> Option<i64> {
        self.leaving.remove(sync);
        let mut owed_ms = None;
        if let Some(entry) = self.entries.get_mut(sync) {
            entry.running = false;
            if let Outcome::Deferred(after) = outcome {
                owed_ms = Some(now_ms.saturating_add(after.unwrap_or(RETRY_MS)));
            }
            let owed_again = std::mem::take(&mut entry.owed_again);
            if entry.rows.latest {
                // What the whole model owed before, some rows do not settle.
                entry.past.owed_ms = [owed_ms, entry.past.owed_ms].into_iter().flatten().min();
                return entry.past.owed_ms;
            }
            if owed_again {
                owed_ms = Some(owed_ms.unwrap_or(now_ms).min(now_ms));
            }
            entry.past.owed_ms = owed_ms;
        }
        if outcome == Outcome::Done {
            for entry in self.entries.values_mut() {
                if let Rhythm::After(parents) = &entry.plan.rhythm
                    && parents.iter().any(|parent| parent == sync)
                {
                    entry.past.succeeded.insert(sync.to_owned());
                    entry.followed_ms = now_ms;
                }
            }
        }
        owed_ms
    }

    /// The runs that start now. Each counts as running until it is told to have ended.
    pub fn start(&mut self, now_ms: i64) -> Vec<Start> {
        let mut starts = Vec::new();
        loop {
            let candidates = self.candidates(now_ms);
            let Some(chosen) = queue::choose(&candidates, &self.load(), self.limits, now_ms) else {
                return starts;
            };
            let (sync, cause) = (chosen.sync.to_owned(), chosen.cause);
            self.turn += 1;
            let Some(entry) = self.entries.get_mut(&sync) else {
                return starts;
            };
            entry.running = true;
            entry.rows.latest = cause == Cause::Rows;
            if cause == Cause::Rows {
                entry.rows.from_ms = None;
            } else {
                entry.asked_ms = None;
                entry.past.owed_ms = None;
                entry.past.last_start_ms = Some(now_ms);
                entry.past.succeeded.clear();
            }
            for connection in &entry.plan.connections {
                self.served.insert(connection.clone(), self.turn);
            }
            starts.push(Start { sync, cause });
        }
    }

    /// When something becomes due that is not due yet; none when only an event can change anything.
    pub fn next_ms(&self, now_ms: i64) -> Option<i64> {
        self.entries
            .values()
            .filter(|entry| !entry.running && !entry.past.paused)
            .flat_map(|entry| [entry.timed_ms(now_ms), entry.rows.from_ms])
            .flatten()
            .filter(|at| *at > now_ms)
            .min()
    }

    /// How a sync stands.
    pub fn standing(&self, sync: &str, now_ms: i64) -> Option<Standing> {
        let entry = self.entries.get(sync)?;
        let due = entry.due(now_ms);
        Some(Standing {
            running: entry.running,
            paused: entry.past.paused,
            queued_ms: due.map(|(_, since)| since),
            due_ms: match due {
                Some((_, since)) => Some(since),
                None if entry.past.paused => None,
                None => entry.timed_ms(now_ms),
            },
            owed_ms: entry.past.owed_ms,
        })
    }

    /// Runs under way.
    pub fn running(&self) -> usize {
        self.entries.values().filter(|entry| entry.running).count() + self.leaving.len()
    }

    /// Syncs that are due and wait for a free place.
    pub fn waiting(&self, now_ms: i64) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.due(now_ms).is_some())
            .count()
    }

    /// What the runs under way use.
    fn load(&self) -> HashMap<&str, usize> {
        let running = self.entries.values().filter(|entry| entry.running);
        let connections = running
            .map(|entry| &entry.plan.connections)
            .chain(self.leaving.values());
        let mut load = HashMap::new();
        for connections in connections {
            *load.entry(queue::ALL).or_default() += 1;
            for connection in connections {
                *load.entry(connection.as_str()).or_default() += 1;
            }
        }
        load
    }

    fn candidates(&self, now_ms: i64) -> Vec<Candidate<'_>> {
        let served = |connection: &String| self.served.get(connection).copied().unwrap_or(0);
        self.entries
            .values()
            .filter_map(|entry| {
                let (cause, since_ms) = entry.due(now_ms)?;
                Some(Candidate {
                    sync: &entry.plan.sync,
                    cause,
                    since_ms,
                    priority: entry.plan.priority,
                    connections: &entry.plan.connections,
                    served: entry.plan.connections.iter().map(served).min().unwrap_or(0),
                })
            })
            .collect()
    }
}

impl Entry {
    /// Why and since when it should run.
    fn due(&self, now_ms: i64) -> Option<(Cause, i64)> {
        if self.running || self.past.paused {
            return None;
        }
        let whole = self.due_whole(now_ms);
        match self.rows.from_ms.filter(|from_ms| *from_ms <= now_ms) {
            Some(from_ms) if whole.is_none() || !self.rows.latest => Some((Cause::Rows, from_ms)),
            _ => whole,
        }
    }

    /// Why and since when the whole model should run.
    fn due_whole(&self, now_ms: i64) -> Option<(Cause, i64)> {
        if let Some(asked_ms) = self.asked_ms {
            return Some((Cause::Asked, asked_ms));
        }
        if let Some(owed_ms) = self.past.owed_ms {
            return (owed_ms <= now_ms).then_some((Cause::Resumed, owed_ms));
        }
        if let Rhythm::After(parents) = &self.plan.rhythm {
            let all = parents.iter().all(|parent| self.past.succeeded.contains(parent));
            return all.then_some((Cause::Parents, self.followed_ms));
        }
        let due_ms = self.clock_ms(now_ms)?;
        (due_ms <= now_ms).then_some((Cause::Schedule, due_ms))
    }

    /// When the clock starts it, if it does.
    fn timed_ms(&self, now_ms: i64) -> Option<i64> {
        self.past.owed_ms.or_else(|| self.clock_ms(now_ms))
    }

    fn clock_ms(&self, now_ms: i64) -> Option<i64> {
        // A clock that was set back must not put the next time off.
        let last_ms = self.past.last_start_ms.map(|last| last.min(now_ms));
        self.plan.rhythm.due_ms(last_ms, self.past.since_ms.min(now_ms))
    }
}

#[cfg(test)]
mod tests;
