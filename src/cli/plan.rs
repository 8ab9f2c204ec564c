//! `outflow plan`: what a run would do. Nothing is written, neither here nor at the destination.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::arguments::Json;
use super::failure::Failure;
use super::forecast::{Forecast, RequestLines, forecast};
use super::logging::to_stderr;
use super::open::{self, Opened};
use super::output::{Output, Tone, count, counted, printable, span};
use super::plan_rows;
use super::select;
use crate::project::SyncSpec;
use crate::state::Access;
use crate::sync::error::Exit;
use crate::sync::report::overall_exit;

/// Arguments of `outflow plan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow plan\n  \
    outflow plan customers --limit 50\n  \
    outflow plan customers --requests > requests.jsonl\n  \
    outflow plan --json --summary\n\n\
    The source is read and the destination's fields are looked at; nothing is written anywhere.")]
pub(crate) struct PlanArgs {
    /// Syncs by name or pattern [default: all]
    #[arg(value_name = "SYNC")]
    syncs: Vec<String>,
    /// Print every request a run would send first, one JSON line each
    #[arg(long, conflicts_with_all = ["json", "summary", "limit"])]
    requests: bool,
    /// Leave the rows out, count only
    #[arg(long)]
    summary: bool,
    /// Rows shown of each sync [default: 10; with --json: all]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Plans the chosen syncs.
pub(crate) async fn run(args: &PlanArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load(dir)?;
    let syncs = select::select(&opened, &args.syncs)?;
    let stage = open::stage(&opened, Access::Read)?;
    let quotas = open::quotas(&stage);
    opened.tell_broken();
    let mut exits = Vec::new();
    if args.syncs.is_empty() && !opened.broken().is_empty() {
        exits.push(Exit::Config);
    }
    if args.json.json {
        out.raw("{\"syncs\":[");
    }
    for (number, sync) in syncs.iter().enumerate() {
        let mut lines = RequestLines::counting(&sync.name);
        lines.out = args.requests.then_some(&mut *out);
        let forecast = forecast(&stage, &quotas, sync, &mut lines).await;
        stage.progress.done(&sync.name);
        if args.json.json && number > 0 {
            out.raw(",");
        }
        match forecast {
            Ok(mut forecast) => {
                exits.push(Exit::Done);
                show(args, sync, &mut forecast, out)?;
            }
            Err(error) => {
                let failure = opened.failure(sync, &error);
                exits.push(failure.exit);
                to_stderr(failure.render(open::stderr_colour()).as_bytes());
                if args.json.json {
                    let mut document = failure.json();
                    if let Some(object) = document.as_object_mut() {
                        object.insert("sync".into(), json!(sync.name));
                    }
                    out.raw(&document.to_string());
                }
            }
        }
    }
    if args.json.json {
        let problems =
            serde_json::to_string(&opened.broken()).map_err(|error| Failure::bug(error.to_string()))?;
        out.raw(&format!("],\"problems\":{problems}}}\n"));
    } else if syncs.is_empty() {
        to_stderr(b"the project has no syncs; add one in mappings/\n");
    }
    Ok(overall_exit(exits))
}

fn show(args: &PlanArgs, sync: &SyncSpec, forecast: &mut Forecast, out: &mut Output) -> Result<(), Failure> {
    if args.requests {
        return Ok(());
    }
    if args.json.json {
        return document(args, sync, forecast, out);
    }
    summary(sync, forecast, out);
    if !args.summary && forecast.plan.operations() > 0 {
        let limit = args.limit.unwrap_or(10);
        let left = plan_rows::show(sync, forecast, limit, out)?;
        if left > 0 {
            out.line(format_args!(
                "  … and {} (see them with --limit)",
                counted(left, "more row")
            ));
        }
    }
    Ok(())
}

/// One paragraph: what would happen, in how many requests, how long that takes.
pub(crate) fn summary(sync: &SyncSpec, forecast: &Forecast, out: &mut Output) {
    let name = out.paint(Tone::Strong, &sync.name);
    let tally = &forecast.plan.tally;
    if forecast.plan.operations() == 0 {
        let nothing = out.paint(Tone::Success, "nothing to send");
        out.line(format_args!(
            "{name}: {nothing}, {} unchanged",
            count(tally.unchanged)
        ));
    } else {
        out.line(format_args!(
            "{name}: {} to create, {} to update, {} to remove, {} unchanged",
            count(forecast.create()),
            count(forecast.update()),
            count(forecast.remove()),
            count(tally.unchanged)
        ));
        let time = if forecast.time < Duration::from_secs(1) {
            "no wait for the account's limits".to_owned()
        } else {
            format!("about {} within the account's limits", span(forecast.time))
        };
        out.line(format_args!(
            "  {}, {time}",
            counted(forecast.preview.requests, "request")
        ));
    }
    if forecast.open_jobs.jobs > 0 {
        let text = format!(
            "{} with {} is not settled yet: a run asks about it first, and sends of those rows only what it did not apply",
            counted(forecast.open_jobs.jobs, "job"),
            counted(forecast.open_jobs.rows, "row"),
        );
        let text = out.paint(Tone::Warning, text);
        out.line(format_args!("  {text}"));
    }
    let set_aside = [
        (forecast.preview.refused, "would be refused before sending"),
        (
            tally.rejected,
            "refused before or not fit to be sent, left as they are",
        ),
        (tally.suppressed, "suppressed"),
        (tally.invalid_key, "without a key of their own"),
    ];
    for (number, what) in set_aside.into_iter().filter(|(number, _)| *number > 0) {
        let text = out.paint(Tone::Warning, format!("{} {what}", counted(number, "row")));
        out.line(format_args!("  {text}"));
    }
    for (key, rejection) in forecast.refused.iter().take(5) {
        out.line(format_args!("    {}: {}", printable(key), rejection.message));
    }
}

#[derive(serde::Serialize)]
struct Head<'a> {
    sync: &'a str,
    create: u64,
    update: u64,
    remove: u64,
    unchanged: u64,
    read: u64,
    rejected: u64,
    refused: u64,
    suppressed: u64,
    invalid_key: u64,
    open_jobs: u64,
    open_job_rows: u64,
    requests: u64,
    seconds: f64,
}

fn document(
    args: &PlanArgs,
    sync: &SyncSpec,
    forecast: &mut Forecast,
    out: &mut Output,
) -> Result<(), Failure> {
    let tally = forecast.plan.tally;
    let head = Head {
        sync: &sync.name,
        create: forecast.create(),
        update: forecast.update(),
        remove: forecast.remove(),
        unchanged: tally.unchanged,
        read: tally.read,
        rejected: tally.rejected + forecast.preview.refused,
        refused: forecast.preview.refused,
        suppressed: tally.suppressed,
        invalid_key: tally.invalid_key,
        open_jobs: forecast.open_jobs.jobs,
        open_job_rows: forecast.open_jobs.rows,
        requests: forecast.preview.requests,
        seconds: forecast.time.as_secs_f64(),
    };
    let text = serde_json::to_string(&head).map_err(|error| Failure::bug(error.to_string()))?;
    let open = text.strip_suffix('}').unwrap_or(&text);
    out.raw(open);
    if !args.summary {
        let refused: Vec<Value> = forecast
            .refused
            .iter()
            .map(|(key, rejection)| {
                json!({
                    "key": key,
                    "code": rejection.code,
                    "field": rejection.field,
                    "message": rejection.message,
                })
            })
            .collect();
        out.raw(&format!(",\"refused_rows\":{}", Value::from(refused)));
        out.raw(",\"operations\":[");
        plan_rows::documents(
            sync,
            forecast,
            args.limit.unwrap_or(u64::MAX),
            &mut |text, first| {
                if !first {
                    out.raw(",");
                }
                out.raw(text);
            },
        )?;
        out.raw("]");
    }
    out.raw("}");
    Ok(())
}
