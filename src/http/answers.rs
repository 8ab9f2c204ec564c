//! What the API answers beside the documents it shares with the command line.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::daemon::timetable::Standing as Timed;
use crate::daemon::{LiveRun, Phase};
use crate::deliver::Waiting;
use crate::documents::time::iso;
use crate::documents::{PlanSummary, RefusedRow, Reject, Run, RunResult, Standing};
use crate::project::{Problem, SyncSpec};
use crate::state::{RunId, Timing};

/// Syncs of the project.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Syncs {
    /// By name.
    pub(super) syncs: Vec<Sync>,
}

/// A sync: how it stands and what comes next.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Sync {
    #[serde(flatten)]
    standing: Standing,
    /// The source it reads.
    source: String,
    /// The destination it writes to.
    destination: String,
    /// The kind of record there.
    object: String,
    /// Its run under way.
    running: Option<Live>,
    /// Since when it has been due and waits for a free place.
    queued_since: Option<String>,
    /// When the clock starts it next.
    next_run: Option<String>,
    /// When a run that the quota deferred goes on.
    resumes: Option<String>,
    /// Who paused it.
    paused: Option<Paused>,
}

/// A pause.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Paused {
    /// Since when.
    since: Option<String>,
    /// The caller who asked for it.
    by: String,
}

impl Sync {
    pub(super) fn of(
        spec: &SyncSpec,
        standing: Standing,
        timed: Option<&Timed>,
        timing: Option<Timing>,
        live: Option<&LiveRun>,
    ) -> Self {
        Self {
            standing,
            source: spec.source.clone(),
            destination: spec.destination.clone(),
            object: spec.object.clone(),
            running: live.map(Live::of),
            queued_since: timed.and_then(|timed| timed.queued_ms).and_then(iso),
            next_run: timed.and_then(|timed| timed.due_ms).and_then(iso),
            resumes: timed.and_then(|timed| timed.owed_ms).and_then(iso),
            paused: timing.and_then(|timing| timing.paused).map(|pause| Paused {
                since: iso(pause.at_ms),
                by: pause.by,
            }),
        }
    }
}

/// Runs under way.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct LiveRuns {
    /// By sync.
    pub(super) runs: Vec<Live>,
}

/// A run under way.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Live {
    /// The sync.
    sync: String,
    /// Number of the run.
    run_id: Option<RunId>,
    /// Why it runs.
    cause: &'static str,
    /// When it started.
    started: Option<String>,
    /// What it is doing.
    phase: &'static str,
    /// Rows read so far.
    read: u64,
    /// Operations planned, once that is known.
    planned: Option<u64>,
    /// Operations settled so far.
    settled: u64,
}

impl Live {
    pub(super) fn of(run: &LiveRun) -> Self {
        Self {
            sync: run.sync.clone(),
            run_id: run.run,
            cause: run.cause.word(),
            started: iso(run.started_ms),
            phase: match run.phase {
                Phase::Reading => "reading",
                Phase::Sending => "sending",
                Phase::Waiting(Waiting::Window) => "waiting_for_window",
                Phase::Waiting(Waiting::Throttled) => "throttled",
                Phase::Waiting(Waiting::Outage) => "waiting_for_destination",
                Phase::Waiting(Waiting::Job) => "waiting_for_job",
            },
            read: run.read,
            planned: run.planned,
            settled: run.settled,
        }
    }
}

/// Past runs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Runs {
    /// The newest first.
    pub(super) runs: Vec<Run>,
}

/// Open rejects.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Rejects {
    /// The oldest of each sync first.
    pub(super) rejects: Vec<Reject>,
}

/// Rejects that are tried again.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Retried {
    /// How many.
    pub(super) retried: u64,
}

/// What a run would do.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Plan {
    #[serde(flatten)]
    pub(super) summary: PlanSummary,
    /// The first rows the destination would refuse unsent.
    pub(super) refused_rows: Vec<RefusedRow>,
    /// The first rows that would be sent.
    #[schemars(with = "Vec<PlannedRow>")]
    pub(super) operations: Vec<Box<RawValue>>,
}

/// A row that would be sent. Written as JSON text, so that numbers keep all their digits.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "describes what `operations` holds")]
struct PlannedRow {
    /// The row's key.
    key: String,
    /// `create`, `update` or `remove`.
    op: String,
    /// The match value.
    #[serde(rename = "match")]
    match_value: Option<String>,
    /// The record's address at the destination.
    remote: Option<String>,
    /// The fields that would be sent, with their values.
    fields: serde_json::Map<String, serde_json::Value>,
}

/// A run that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Triggered {
    /// The sync.
    pub(super) sync: String,
    /// `queued`, `running`, `dropped`, or how the run ended.
    pub(super) status: String,
    /// Number of the run, once it has one.
    pub(super) run_id: Option<RunId>,
    /// How it ended, if it was waited for.
    pub(super) result: Option<RunResult>,
}

/// A sync after it was paused, resumed or cancelled.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Done {
    /// The sync.
    pub(super) sync: String,
    /// What was done: `paused`, `resumed` or `cancelled`.
    pub(super) done: &'static str,
}

/// What a reload did.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reloaded {
    /// Whether the files as they are now are in force.
    pub(super) reloaded: bool,
    /// Why not: the project's errors.
    #[schemars(with = "Vec<ProblemShape>")]
    pub(super) problems: Vec<Problem>,
}

/// A problem of the project.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "describes what `problems` holds")]
struct ProblemShape {
    /// The file, relative to the project.
    file: String,
    /// Line, from 1.
    line: usize,
    /// Column, from 1.
    column: usize,
    /// Stable code.
    code: String,
    /// What is wrong.
    message: String,
    /// What to do.
    hint: Option<String>,
}

/// A hook's call was taken.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Taken {
    /// `accepted`, or `ignored` when the event is none that starts syncs.
    pub(super) status: &'static str,
    /// The syncs that run because of it.
    pub(super) syncs: Vec<String>,
}

/// The daemon's health.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    /// `live`, `ready`, `stopping` or `stuck`.
    pub(super) status: &'static str,
}
