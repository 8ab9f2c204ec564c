//! `outflow history`: past runs, newest first.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::arguments::Json;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, count, moment, span};
use super::run::{tone, word};
use super::select;
use crate::documents::Run;
use crate::state::{Access, RunRecord};
use crate::sync::error::Exit;

/// Arguments of `outflow history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  outflow history\n  outflow history customers --limit 100 --json")]
pub(crate) struct HistoryArgs {
    /// Only this sync's runs
    #[arg(value_name = "SYNC")]
    sync: Option<String>,
    /// Most runs shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Lists past runs.
pub(crate) fn run(args: &HistoryArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Read)?;
    if let Some(name) = &args.sync
        && store.sync(name)?.is_none()
    {
        // A sync that left the project keeps its history, so the state is asked first.
        select::one(&opened.project, name)?;
    }
    let runs = store.history(args.sync.as_deref(), args.limit)?;
    if args.json.json {
        let runs: Vec<Run> = runs.iter().map(Run::of).collect();
        out.json(&json!({ "runs": runs }))?;
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        out.line("no run yet; start one with `outflow run`");
        return Ok(Exit::Done);
    }
    out.table(&table(&runs));
    let last_error = runs
        .iter()
        .find_map(|run| run.error.as_ref().map(|error| (run, error)));
    if let Some((run, (code, message))) = last_error {
        let title = out.paint(Tone::Error, format!("run {} of {} ({code})", run.id, run.sync));
        out.line(format_args!("\n{title}: {message}"));
    }
    Ok(Exit::Done)
}

fn table(runs: &[RunRecord]) -> Rows {
    let headings = [
        "RUN", "SYNC", "STARTED", "TIME", "STATUS", "READ", "CREATED", "UPDATED", "REMOVED", "REJECTED",
        "REQUESTS",
    ];
    let mut rows = Rows::new(&headings).numeric([0, 3, 5, 6, 7, 8, 9, 10]);
    for run in runs {
        let read = match run.keys {
            Some(keys) => format!("{} of {} keys", count(run.tally.read), count(keys)),
            None => count(run.tally.read),
        };
        let tally = &run.tally;
        let time = run.finished_ms.map(|finished| {
            let passed = u64::try_from(finished.saturating_sub(run.started_ms)).unwrap_or(0);
            span(Duration::from_millis(passed))
        });
        rows.add_toned(vec![
            (run.id.to_string(), None),
            (run.sync.clone(), Some(Tone::Strong)),
            (moment(run.started_ms), None),
            (time.unwrap_or_else(|| "-".into()), None),
            (word(run.status).into(), Some(tone(run.status))),
            (read, None),
            (count(tally.created), None),
            (count(tally.updated), None),
            (count(tally.removed), None),
            (count(tally.rejected), None),
            (count(tally.requests), None),
        ]);
    }
    rows
}
