//! Runs under way, as they may be watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::timetable::Cause;
use crate::deliver::Waiting;
use crate::state::{RunId, RunRecord};
use crate::sync::progress::Progress;
use crate::sync::report::RunReport;

/// How far a run is that someone follows.
#[derive(Clone, Debug)]
pub enum Stage {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running(RunId),
    /// It ended.
    Ended(Arc<Ended>),
    /// It ended in a process before this one.
    Past(Arc<RunRecord>),
    /// It will not run, or was given up; nobody knows more than the history says.
    Dropped,
}

/// A run that ended.
#[derive(Debug)]
pub struct Ended {
    /// Why it ran.
    pub cause: Cause,
    /// The destination's name in the project.
    pub destination: String,
    /// When it ended, milliseconds since 1970.
    pub finished_ms: i64,
    /// How it ended.
    pub report: RunReport,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It reads the model.
    Reading,
    /// It sends.
    Sending,
    /// It waits, for this reason.
    Waiting(Waiting),
}

/// A run under way.
#[derive(Clone, Debug)]
pub struct LiveRun {
    /// The sync.
    pub sync: String,
    /// Its number, once it has one.
    pub run: Option<RunId>,
    /// Why it runs.
    pub cause: Cause,
    /// When it started, milliseconds since 1970.
    pub started_ms: i64,
    /// What it is doing.
    pub phase: Phase,
    /// Rows read so far.
    pub read: u64,
    /// Operations planned, once that is known.
    pub planned: Option<u64>,
    /// Operations settled so far.
    pub settled: u64,
}

/// Listens to all runs.
pub struct Live {
    runs: Mutex<BTreeMap<String, (LiveRun, watch::Sender<Stage>)>>,
    version: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            runs: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }
}

impl Live {
    fn runs(&self) -> MutexGuard<'_, BTreeMap<String, (LiveRun, watch::Sender<Stage>)>> {
        // Numbers are valid after every statement.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, sync: &str, act: impl FnOnce(&mut LiveRun, &watch::Sender<Stage>)) {
        if let Some((run, stage)) = self.runs().get_mut(sync) {
            act(run, stage);
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// A run starts; who follows it is told through `stage`.
    pub(super) fn begin(&self, sync: &str, cause: Cause, started_ms: i64, stage: watch::Sender<Stage>) {
        let run = LiveRun {
            sync: sync.to_owned(),
            run: None,
            cause,
            started_ms,
            phase: Phase::Reading,
            read: 0,
            planned: None,
            settled: 0,
        };
        self.runs().insert(sync.to_owned(), (run, stage));
        self.with(sync, |_, _| {});
    }

    /// A run is over.
    pub(super) fn end(&self, sync: &str, stage: Stage) {
        if let Some((_, told)) = self.runs().remove(sync) {
            told.send_replace(stage);
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// The runs under way, by sync.
    pub fn now(&self) -> Vec<LiveRun> {
        self.runs().values().map(|(run, _)| run.clone()).collect()
    }

    /// Changes whenever something about a run does.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

impl Progress for Live {
    fn started(&self, sync: &str, number: RunId) {
        self.with(sync, |run, stage| {
            run.run = Some(number);
            stage.send_replace(Stage::Running(number));
        });
    }

    fn read(&self, sync: &str, rows: u64) {
        self.with(sync, |run, _| run.read = rows);
    }

    fn planned(&self, sync: &str, operations: u64) {
        self.with(sync, |run, _| {
            run.planned = Some(operations);
            run.phase = Phase::Sending;
        });
    }

    fn settled(&self, sync: &str, operations: u64) {
        self.with(sync, |run, _| {
            run.settled += operations;
            run.phase = Phase::Sending;
        });
    }

    fn waiting(&self, sync: &str, why: Waiting, _: Option<Duration>) {
        self.with(sync, |run, _| run.phase = Phase::Waiting(why));
    }
}
