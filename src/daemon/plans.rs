//! From a project and its state to what the timetable must know.

use std::collections::BTreeSet;

use super::driver::DaemonError;
use super::rhythm::Rhythm;
use super::timetable::{Limits, Past, Plan};
use crate::project::{Project, SyncSpec};
use crate::state::Store;

/// How much may run at once.
pub(super) fn limits(project: &Project) -> Limits {
    Limits {
        runs: project.daemon.runs,
        per_connection: project.daemon.runs_per_connection,
    }
}

/// A sync as the timetable must know it.
///
/// # Errors
/// When its schedule cannot be read.
pub(super) fn plan(spec: &SyncSpec) -> Result<Plan, DaemonError> {
    let rhythm = Rhythm::new(&spec.name, &spec.schedule)
        .map_err(|error| DaemonError::Schedule(spec.name.clone(), error))?;
    Ok(Plan {
        sync: spec.name.clone(),
        rhythm,
        connections: vec![
            format!("source {}", spec.source),
            format!("destination {}", spec.destination),
        ],
        priority: spec.priority,
    })
}

/// What the state knows of a sync from before.
pub(super) fn past(store: &Store, spec: &SyncSpec, plan: &Plan, now_ms: i64) -> Result<Past, DaemonError> {
    let timing = store.follow(&spec.name, &schedule_text(spec), now_ms)?;
    let last_start_ms = store.last_whole_run(&spec.name)?.map(|run| run.started_ms);
    let mut succeeded = BTreeSet::new();
    if let Rhythm::After(parents) = &plan.rhythm {
        let after = last_start_ms.map_or(timing.since_ms, |last| last.max(timing.since_ms));
        for parent in parents {
            let finished = store.last_completed(parent)?.and_then(|run| run.finished_ms);
            if finished.is_some_and(|at| at > after) {
                succeeded.insert(parent.clone());
            }
        }
    }
    Ok(Past {
        since_ms: timing.since_ms,
        last_start_ms,
        owed_ms: timing.owed_ms,
        paused: timing.paused.is_some(),
        succeeded,
    })
}

/// A schedule as the state remembers it: equal exactly when the schedules are.
pub(super) fn schedule_text(spec: &SyncSpec) -> String {
    format!("{:?}", spec.schedule)
}
