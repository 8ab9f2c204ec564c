//! Whether runs came when they had to: found from the history alone, without asking the timetable.

use std::collections::BTreeMap;
use std::ops::Range;

use super::life::{Daemons, Told};
use super::world::{BEGIN, HOUR, MINUTE, SECOND};
use crate::daemon::timetable::Cause;
use crate::state::{RunRecord, RunStatus};

/// Longest jitter.
const JITTER: i64 = MINUTE;

/// How soon after it may a run must start.
const SOON: i64 = 2 * SECOND;

/// Runs at once that use the source.
const PLACES: usize = 2;

/// A run, with a place in time whatever became of it.
pub(super) struct Ran {
    pub(super) record: RunRecord,
    pub(super) span: Range<i64>,
    told: Option<Told>,
}

impl Ran {
    pub(super) fn went_through(&self) -> bool {
        matches!(self.record.status, RunStatus::Ok | RunStatus::Rejects)
    }
}

/// The runs of each sync in their order. One that was cut off ends with its process.
pub(super) fn runs(daemons: &Daemons) -> BTreeMap<String, Vec<Ran>> {
    let told: BTreeMap<i64, Told> = daemons
        .told
        .lock()
        .unwrap()
        .iter()
        .map(|told| (told.run, told.clone()))
        .collect();
    let mut runs: BTreeMap<String, Vec<Ran>> = BTreeMap::new();
    for record in daemons.runs() {
        let start = record.started_ms;
        let life = daemons
            .lives
            .iter()
            .find(|life| life.contains(&start) || life.start == start);
        let end = record.finished_ms.unwrap_or(life.unwrap().end);
        runs.entry(record.sync.clone()).or_default().push(Ran {
            told: told.get(&record.id).cloned(),
            span: start..end,
            record,
        });
    }
    runs
}

/// See the module.
pub(super) struct Times<'a> {
    pub(super) runs: &'a BTreeMap<String, Vec<Ran>>,
    pub(super) lives: &'a [Range<i64>],
    pub(super) end_ms: i64,
}

impl Times<'_> {
    pub(super) fn check(&self) {
        for (sync, runs) in self.runs {
            for pair in runs.windows(2) {
                let (one, next) = (&pair[0].span, &pair[1].span);
                assert!(one.end <= next.start, "{sync} overlaps itself: {one:?} {next:?}");
            }
        }
        self.calendar("people");
        self.interval("visits", 15 * MINUTE);
        self.following("readers", "people");
    }

    /// Every full hour is followed by a run, and no hour by two because of it.
    fn calendar(&self, sync: &str) {
        for hour_ms in (BEGIN + HOUR..self.end_ms).step_by(HOUR as usize) {
            self.must_start(sync, hour_ms, JITTER + SOON, &format!("full hour {hour_ms}"));
        }
        let timed = self.runs[sync].iter().filter(|run| run.caused(Cause::Schedule));
        let timed = timed.count() as i64;
        assert!(
            timed <= (self.end_ms - BEGIN) / HOUR + 1,
            "{sync}: {timed} runs because of the hour"
        );
    }

    /// So long after each start there is another one, and none before because of it.
    fn interval(&self, sync: &str, every_ms: i64) {
        self.must_start(sync, BEGIN, JITTER + SOON, "the first start");
        for pair in self.runs[sync].windows(2) {
            let due_ms = pair[0].span.start + every_ms;
            if due_ms <= pair[1].span.start {
                self.must_start(sync, due_ms, SOON, "the interval");
            } else {
                assert!(
                    !pair[1].caused(Cause::Schedule),
                    "{sync}: too early at {:?}",
                    pair[1].span
                );
            }
        }
    }

    /// Whenever the other has gone through, this one runs.
    fn following(&self, sync: &str, other: &str) {
        let done = self.runs[other].iter().filter(|run| run.went_through());
        let done: Vec<i64> = done.map(|run| run.span.end).collect();
        for end_ms in &done {
            self.must_start(sync, *end_ms, SOON, "what it follows");
        }
        let caused = self.runs[sync]
            .iter()
            .filter(|run| run.caused(Cause::Parents))
            .count();
        assert!(
            caused <= done.len(),
            "{sync}: {caused} runs after {} of {other}",
            done.len()
        );
    }

    /// Between `from_ms` and the next start there is hardly a moment in which the sync could have run.
    fn must_start(&self, sync: &str, from_ms: i64, soon_ms: i64, why: &str) {
        let next = self.runs[sync].iter().find(|run| run.span.start >= from_ms);
        let until_ms = next.map_or(self.end_ms, |run| run.span.start);
        let idle_ms = self.idle_ms(sync, from_ms..until_ms);
        assert!(
            idle_ms <= soon_ms,
            "{sync}: {why}: idle for {idle_ms} ms from {from_ms}, next start {until_ms}"
        );
    }

    /// Milliseconds of a span in which the daemon lived, the sync neither ran nor was put off by a quota,
    /// and there was a place for it.
    fn idle_ms(&self, sync: &str, span: Range<i64>) -> i64 {
        let mut moments = vec![span.start, span.end];
        let mut note = |busy: &Range<i64>| {
            moments.extend([busy.start, busy.end].into_iter().filter(|at| span.contains(at)));
        };
        let near = |runs: &'_ [Ran]| -> Vec<Range<i64>> {
            let touches = |run: &&Ran| run.span.end >= span.start - HOUR * 24 && run.span.start <= span.end;
            runs.iter().filter(touches).map(|run| run.span.clone()).collect()
        };
        let own = near(&self.runs[sync]);
        let others: Vec<Range<i64>> = self
            .runs
            .iter()
            .filter(|(name, _)| *name != sync)
            .flat_map(|(_, runs)| near(runs))
            .collect();
        let put_off: Vec<Range<i64>> = self.runs[sync].iter().filter_map(Ran::put_off).collect();
        for spans in [&own, &others, &put_off] {
            spans.iter().for_each(&mut note);
        }
        self.lives.iter().for_each(&mut note);
        moments.sort_unstable();
        let within = |spans: &[Range<i64>], at: i64| spans.iter().filter(|one| one.contains(&at)).count();
        let idle = moments.windows(2).filter(|pair| {
            within(self.lives, pair[0]) > 0
                && within(&own, pair[0]) == 0
                && within(&put_off, pair[0]) == 0
                && within(&others, pair[0]) < PLACES
        });
        idle.map(|pair| pair[1] - pair[0]).sum()
    }
}

impl Ran {
    fn caused(&self, cause: Cause) -> bool {
        self.told.as_ref().is_some_and(|told| told.cause == cause)
    }

    /// The time for which a quota puts the next run off.
    fn put_off(&self) -> Option<Range<i64>> {
        let told = self.told.as_ref()?;
        let deferred = self.record.status == RunStatus::Deferred && self.record.error.is_none();
        deferred.then(|| self.span.end..told.resumes_ms.unwrap_or(self.span.end + HOUR))
    }
}
