//! `outflow status`: how each sync stands.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::arguments::Json;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, ago, count, counted};
use super::run::{tone, word};
use crate::documents::Standing;
use crate::state::Access;
use crate::sync::error::Exit;

/// Arguments of `outflow status`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outflow status --json")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Shows every sync's standing.
pub(crate) fn run(args: &StatusArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Read)?;
    let now_ms = open::now_ms();
    let mut standings = Vec::new();
    for sync in &opened.project.syncs {
        standings.push(Standing::of(&store, sync, now_ms)?);
    }
    if args.json.json {
        out.json(&json!({ "syncs": standings, "problems": opened.broken() }))?;
        return Ok(Exit::Done);
    }
    opened.tell_broken();
    if standings.is_empty() {
        out.line("the project has no syncs; add one in mappings/");
        return Ok(Exit::Done);
    }
    out.table(&table(&standings, now_ms));
    for one in standings.iter().filter(|one| one.open_jobs > 0) {
        let since = one.jobs_since_ms.map(|at| ago(now_ms, at)).unwrap_or_default();
        out.line(format_args!(
            "{}: {} with {} accepted by the destination {since}, result not known yet; the next run settles that first",
            one.sync,
            counted(one.open_jobs, "job"),
            counted(one.open_job_rows, "row"),
        ));
    }
    Ok(Exit::Done)
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
        let fresh = one.fresh_ms.map(|at| ago(now_ms, at));
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
