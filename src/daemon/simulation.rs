//! Thirty virtual days of a project of three syncs: runs that take their time, fail, are deferred or cut off
//! by a restart. Timetable and alarm are the real ones; time, runs and the state are the test's own.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outflow_sdk::{ConnectorError, ErrorKind};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::alarm::{Alarm, late_ms};
use super::rhythm::Rhythm;
use super::timetable::{Cause, Limits, Outcome, Past, Plan, Timetable};
use crate::deliver::Slowest;
use crate::project::{Priority, Schedule, Trouble};
use crate::state::{RunStatus, Tally};
use crate::sync::error::RunError;
use crate::sync::report::RunReport;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const LIMITS: Limits = Limits {
    runs: 2,
    per_connection: 2,
};

/// What would be in the state.
#[derive(Clone, Default)]
struct Kept {
    last_start_ms: Option<i64>,
    fresh_ms: Option<i64>,
    owed_ms: Option<i64>,
    succeeded: BTreeSet<String>,
}

struct World {
    random: StdRng,
    /// Nothing goes wrong any more.
    calm: bool,
    now_ms: i64,
    timetable: Timetable,
    alarm: Alarm,
    kept: BTreeMap<String, Kept>,
    /// Runs under way: when each ends, and how.
    running: BTreeMap<String, (i64, Outcome)>,
    starts: BTreeMap<String, Vec<(i64, Cause)>>,
    told: Vec<(i64, String, Trouble, bool)>,
    looked_ms: i64,
}

fn plans() -> Vec<Plan> {
    let schedules = [
        (
            "hourly",
            Schedule::Cron {
                expression: "@hourly".into(),
                time_zone: Some("Europe/Berlin".into()),
            },
        ),
        ("often", Schedule::Every(Duration::from_secs(900))),
        ("after", Schedule::After(vec!["hourly".into()])),
    ];
    schedules
        .into_iter()
        .map(|(name, schedule)| Plan {
            sync: name.into(),
            rhythm: Rhythm::new(name, &schedule).unwrap(),
            connections: vec!["source db".into(), format!("destination {name}")],
            priority: Priority::Normal,
        })
        .collect()
}

fn report(sync: &str, outcome: Outcome) -> RunReport {
    let (status, error) = match outcome {
        Outcome::Done => (RunStatus::Ok, None),
        Outcome::Deferred(_) => (RunStatus::Deferred, None),
        Outcome::Failed | Outcome::Cancelled => {
            let error = ConnectorError::new(ErrorKind::Transient { after: None }, "down", "down");
            (RunStatus::Failed, Some(RunError::Destination(error)))
        }
    };
    RunReport {
        sync: sync.to_owned(),
        run_id: 1,
        status,
        keys: None,
        tally: Tally::default(),
        removals: 0,
        duration: Duration::ZERO,
        limiter_wait: Duration::ZERO,
        retries: 0,
        slowest: Slowest::default(),
        resumes_in: None,
        error,
        duplicate_keys: Vec::new(),
        null_key_rows: Vec::new(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: StdRng::seed_from_u64(seed),
            calm: false,
            // 2026-10-10: the clocks go back on the 25th.
            now_ms: 1_791_590_400_000,
            timetable: Timetable::new(LIMITS),
            alarm: Alarm::default(),
            kept: plans()
                .into_iter()
                .map(|plan| (plan.sync, Kept::default()))
                .collect(),
            running: BTreeMap::new(),
            starts: BTreeMap::new(),
            told: Vec::new(),
            looked_ms: 0,
        };
        world.restart();
        world
    }

    /// A process that knows what the state kept; runs that were cut off are owed.
    fn restart(&mut self) {
        for (sync, _) in std::mem::take(&mut self.running) {
            self.kept.get_mut(&sync).unwrap().owed_ms = Some(self.now_ms);
        }
        let kept = self.kept.clone();
        self.timetable = Timetable::new(LIMITS);
        self.timetable.adopt(LIMITS, plans(), |plan| {
            let kept = &kept[&plan.sync];
            Past {
                since_ms: 1_791_590_400_000,
                last_start_ms: kept.last_start_ms,
                owed_ms: kept.owed_ms,
                paused: false,
                succeeded: kept.succeeded.clone(),
            }
        });
    }

    fn outcome(&mut self) -> Outcome {
        if self.calm {
            return Outcome::Done;
        }
        match self.random.random_range(0..100) {
            0..8 => Outcome::Failed,
            8..10 => Outcome::Deferred(Some(self.random.random_range(MINUTE..3 * HOUR))),
            _ => Outcome::Done,
        }
    }

    /// What happens at this moment.
    fn step(&mut self, lasts: i64) {
        let over: Vec<String> = self
            .running
            .iter()
            .filter(|(_, (at, _))| *at <= self.now_ms)
            .map(|(sync, _)| sync.clone())
            .collect();
        for sync in over {
            let (_, outcome) = self.running.remove(&sync).unwrap();
            let owed_ms = self.timetable.ended(&sync, outcome, self.now_ms);
            self.kept.get_mut(&sync).unwrap().owed_ms = owed_ms;
            if outcome == Outcome::Done {
                self.kept.get_mut(&sync).unwrap().fresh_ms = Some(self.now_ms);
                if sync == "hourly" {
                    self.kept.get_mut("after").unwrap().succeeded.insert(sync.clone());
                }
            }
            for change in self.alarm.ended(&report(&sync, outcome), self.now_ms) {
                self.told
                    .push((self.now_ms, change.sync.clone(), change.trouble, change.recovered));
            }
        }
        for start in self.timetable.start(self.now_ms) {
            let outcome = self.outcome();
            let ends = self.now_ms + self.random.random_range(1_000..lasts);
            let before = self.running.insert(start.sync.clone(), (ends, outcome));
            assert!(before.is_none(), "{} runs over itself", start.sync);
            let kept = self.kept.get_mut(&start.sync).unwrap();
            kept.last_start_ms = Some(self.now_ms);
            kept.succeeded.clear();
            let starts = self.starts.entry(start.sync).or_default();
            starts.push((self.now_ms, start.cause));
        }
        assert!(self.running.len() <= LIMITS.runs);
    }

    /// What is late is looked at now and then, as the daemon does.
    fn look(&mut self) {
        if self.now_ms < self.looked_ms + 5 * MINUTE {
            return;
        }
        self.looked_ms = self.now_ms;
        for plan in plans() {
            let kept = &self.kept[&plan.sync];
            let late = late_ms(&plan.rhythm, None, kept.fresh_ms, 1_791_590_400_000);
            let change = self.alarm.watch(&plan.sync, kept.fresh_ms, late, self.now_ms);
            if let Some(change) = change {
                self.told
                    .push((self.now_ms, change.sync.clone(), change.trouble, change.recovered));
            }
        }
    }

    /// Goes on until then, event by event.
    fn until(&mut self, end_ms: i64, lasts: i64) {
        while self.now_ms < end_ms {
            self.step(lasts);
            self.look();
            let next = self.timetable.next_ms(self.now_ms);
            let ends = self.running.values().map(|(at, _)| *at);
            let next = ends.chain(next).filter(|at| *at > self.now_ms).min();
            // The driver wakes up now and then, whatever comes.
            self.now_ms = next.unwrap_or(end_ms).min(self.now_ms + MINUTE).min(end_ms);
        }
    }

    /// Starts of a sync between two moments, and how many of them because its time had come.
    fn started(&self, sync: &str, from: i64, to: i64) -> (usize, usize) {
        let starts = self.starts.get(sync).map(Vec::as_slice).unwrap_or_default();
        let within = starts.iter().filter(|(at, _)| (from..to).contains(at));
        let timed = within.clone().filter(|(_, cause)| *cause == Cause::Schedule);
        (within.count(), timed.count())
    }
}

#[test]
fn thirty_days_meet_every_time_and_no_gap_stays_untold() {
    for seed in 0..3 {
        let mut world = World::new(seed);
        let begin = world.now_ms;
        for day in 0..30 {
            let from = world.now_ms;
            // A day now and then on which the process is cut off, and is away for hours.
            let away = world.random.random_bool(0.2);
            if away {
                let until = from + world.random.random_range(HOUR..10 * HOUR);
                world.until(until, 4 * MINUTE);
                world.now_ms += world.random.random_range(HOUR..5 * HOUR);
                world.restart();
                let back = world.now_ms;
                world.until(back + 10 * MINUTE, 4 * MINUTE);
                let (made_up, timed) = world.started("hourly", back, back + 10 * MINUTE);
                // The times that passed count once; the next hour may have come since.
                assert!(timed <= 2, "{seed} {day}: {timed} runs for missed times");
                let owed = world.kept["hourly"].owed_ms.is_some_and(|at| at > back);
                assert!(made_up >= 1 || owed, "{seed} {day}: nothing made up for");
            }
            world.until(from + DAY, 4 * MINUTE);
            let (runs, timed) = world.started("hourly", from, from + DAY);
            assert!(timed <= 25, "{seed} {day}: {timed} times in a day");
            assert!(away || runs >= 15, "{seed} {day}: {runs} runs in a day");
        }
        // Nothing fails any more: in the end everything is fresh, and nobody is left alarmed.
        world.calm = true;
        world.until(world.now_ms + 8 * HOUR, 4 * MINUTE);
        for (sync, kept) in &world.kept {
            let age = world.now_ms - kept.fresh_ms.unwrap();
            assert!(age <= HOUR + 6 * MINUTE, "{seed}: {sync} is {age} ms old");
        }
        let mut open: BTreeSet<(String, Trouble)> = BTreeSet::new();
        for (at, sync, trouble, recovered) in &world.told {
            let key = (sync.clone(), *trouble);
            let changed = if *recovered {
                open.remove(&key)
            } else {
                open.insert(key)
            };
            assert!(
                changed,
                "{seed}: {sync} {trouble:?} told twice, at {}",
                at - begin
            );
        }
        assert!(open.is_empty(), "{seed}: {open:?}");
        assert!(
            world
                .told
                .iter()
                .any(|(_, _, trouble, _)| *trouble == Trouble::Late),
            "gaps were told"
        );
    }
}
