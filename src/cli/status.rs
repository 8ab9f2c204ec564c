//! `outflow status`: how each sync stands.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::arguments::Json;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, ago, count, counted, iso, span};
use super::run::{tone, word};
use crate::project::{Schedule, SyncSpec};
use crate::state::{Access, OpenJobs, RunRecord, RunStatus, Store};
use crate::sync::error::Exit;

/// Arguments of `outflow status`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outflow status --json")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) json: Json,
}

struct Standing {
    sync: String,
    schedule: String,
    last: Option<RunRecord>,
    last_ok_ms: Option<i64>,
    rows: u64,
    rejects: u64,
    jobs: OpenJobs,
}

/// Shows every sync's standing.
pub(crate) fn run(args: &StatusArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Read)?;
    let now_ms = open::now_ms();
    let mut standings = Vec::new();
    for sync in &opened.project.syncs {
        standings.push(standing(&store, sync)?);
    }
    if args.json.json {
        let syncs: Vec<_> = standings.iter().map(|one| document(one, now_ms)).collect();
        out.json(&json!({ "syncs": syncs, "problems": opened.broken() }))?;
        return Ok(Exit::Done);
    }
    opened.tell_broken();
    if standings.is_empty() {
        out.line("the project has no syncs; add one in mappings/");
        return Ok(Exit::Done);
    }
    out.table(&table(&standings, now_ms));
    for one in standings.iter().filter(|one| one.jobs.jobs > 0) {
        let since = one.jobs.since_ms.map(|at| ago(now_ms, at)).unwrap_or_default();
        out.line(format_args!(
            "{}: {} with {} accepted by the destination {since}, result not known yet; the next run settles that first",
            one.sync,
            counted(one.jobs.jobs, "job"),
            counted(one.jobs.rows, "row"),
        ));
    }
    Ok(Exit::Done)
}

fn standing(store: &Store, sync: &SyncSpec) -> Result<Standing, Failure> {
    let state = store.sync(&sync.name)?;
    let mut completed = Vec::new();
    for status in [RunStatus::Ok, RunStatus::Rejects] {
        completed.extend(store.last_run(&sync.name, status)?);
    }
    let last_ok_ms = completed.iter().filter_map(|run| run.finished_ms).max();
    let jobs = match &state {
        Some(state) => OpenJobs::of(&store.open_jobs(state.id)?),
        None => OpenJobs::default(),
    };
    Ok(Standing {
        jobs,
        sync: sync.name.clone(),
        schedule: schedule(&sync.schedule),
        last: store.history(Some(&sync.name), 1)?.into_iter().next(),
        last_ok_ms,
        rows: state.as_ref().map_or(0, |state| state.rows),
        rejects: state.map_or(0, |state| state.rejects),
    })
}

fn table(standings: &[Standing], now_ms: i64) -> Rows {
    let headings = [
        "SYNC",
        "STATUS",
        "LAST RUN",
        "FRESH AS OF",
        "ROWS",
        "REJECTS",
        "SCHEDULE",
    ];
    let mut rows = Rows::new(&headings).numeric([4, 5]);
    for one in standings {
        let status = one.last.as_ref().map(|run| run.status);
        let last = one.last.as_ref().map(|run| ago(now_ms, run.started_ms));
        let fresh = one.last_ok_ms.map(|at| ago(now_ms, at));
        rows.add_toned(vec![
            (one.sync.clone(), Some(Tone::Strong)),
            (status.map_or("never run", word).to_owned(), status.map(tone)),
            (last.unwrap_or_else(|| "-".into()), None),
            (fresh.unwrap_or_else(|| "never".into()), None),
            (count(one.rows), None),
            (count(one.rejects), (one.rejects > 0).then_some(Tone::Warning)),
            (one.schedule.clone(), None),
        ]);
    }
    rows
}

fn document(one: &Standing, now_ms: i64) -> serde_json::Value {
    let last = one.last.as_ref();
    json!({
        "sync": one.sync,
        "status": last.map(|run| run.status),
        "last_run": last.map(|run| run.id),
        "started": last.and_then(|run| iso(run.started_ms)),
        "finished": last.and_then(|run| run.finished_ms).and_then(iso),
        "error": last.and_then(|run| run.error.as_ref()).map(|(code, message)| json!({
            "code": code,
            "message": message,
        })),
        "fresh_as_of": one.last_ok_ms.and_then(iso),
        "age_seconds": one.last_ok_ms.map(|at| now_ms.saturating_sub(at).max(0) / 1_000),
        "rows": one.rows,
        "rejects": one.rejects,
        "open_jobs": one.jobs.jobs,
        "open_job_rows": one.jobs.rows,
        "schedule": one.schedule,
    })
}

/// A schedule in words.
fn schedule(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Manual => "manual".into(),
        Schedule::Cron {
            expression,
            time_zone: None,
        } => expression.clone(),
        Schedule::Cron {
            expression,
            time_zone: Some(zone),
        } => format!("{expression} ({zone})"),
        Schedule::Every(every) => format!("every {}", span(*every)),
        Schedule::After(syncs) => format!("after {}", syncs.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_schedule_reads_as_it_was_meant() {
        assert_eq!(schedule(&Schedule::Manual), "manual");
        assert_eq!(
            schedule(&Schedule::Every(Duration::from_secs(900))),
            "every 15 min"
        );
        let berlin = Schedule::Cron {
            expression: "0 6 * * *".into(),
            time_zone: Some("Europe/Berlin".into()),
        };
        assert_eq!(schedule(&berlin), "0 6 * * * (Europe/Berlin)");
        let after = Schedule::After(vec!["accounts".into(), "orders".into()]);
        assert_eq!(schedule(&after), "after accounts, orders");
    }
}
