//! `outflow plan`: what a run would do. Nothing is written, neither here nor at the destination.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use outflow_sdk::destination::{Binding, Operation, Rejection, Request};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::arguments::Json;
use super::failure::Failure;
use super::logging::to_stderr;
use super::open::{self, Opened};
use super::output::{Output, Tone, count, counted, printable, span};
use super::plan_rows::{self, Shown};
use super::select;
use crate::deliver::{Audience, Preview, preview};
use crate::project::SyncSpec;
use crate::state::Access;
use crate::sync::error::{Exit, RunError};
use crate::sync::plan::{Plan, PlannedRow};
use crate::sync::prepare::Stage;
use crate::sync::quota::Quotas;
use crate::sync::report::overall_exit;

/// Refused rows that are named.
const SHOWN_REFUSED: usize = 100;

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

/// A plan, and what carrying it out takes.
pub(crate) struct Forecast {
    pub(crate) plan: Plan,
    pub(crate) binding: Option<Arc<dyn Binding>>,
    pub(crate) preview: Preview,
    pub(crate) refused: Vec<(String, Rejection)>,
    refused_creates: u64,
    refused_updates: u64,
    refused_removals: u64,
    pub(crate) time: Duration,
}

impl Forecast {
    fn create(&self) -> u64 {
        self.plan.create.saturating_sub(self.refused_creates)
    }

    fn update(&self) -> u64 {
        self.plan.update.saturating_sub(self.refused_updates)
    }

    fn remove(&self) -> u64 {
        self.plan.remove.saturating_sub(self.refused_removals)
    }
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
        let mut lines = RequestLines {
            out: args.requests.then_some(&mut *out),
            ..RequestLines::counting(&sync.name)
        };
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
        let problems = serde_json::to_string(&opened.broken()).map_err(|error| Failure::bug(error.to_string()))?;
        out.raw(&format!("],\"problems\":{problems}}}\n"));
    } else if syncs.is_empty() {
        to_stderr(b"the project has no syncs; add one in mappings/\n");
    }
    Ok(overall_exit(exits))
}

/// Plans one sync and packs it into requests.
///
/// # Errors
/// Whatever would stop a run before its first write.
pub(crate) async fn forecast(
    stage: &Stage,
    quotas: &Quotas,
    sync: &Arc<SyncSpec>,
    lines: &mut RequestLines<'_>,
) -> Result<Forecast, RunError> {
    let mut prepared = stage.prepare(sync, 0).await?;
    let mut forecast = Forecast {
        plan: prepared.plan,
        binding: None,
        preview: Preview::default(),
        refused: Vec::new(),
        refused_creates: 0,
        refused_updates: 0,
        refused_removals: 0,
        time: Duration::ZERO,
    };
    if forecast.plan.operations() == 0 {
        return Ok(forecast);
    }
    let binding = match prepared.binding.take() {
        Some(binding) => binding,
        None => stage.bind(sync, &prepared.state, false).await?,
    };
    let problems: Vec<_> = binding.problems().into_iter().filter(|problem| !problem.warning).collect();
    if !problems.is_empty() {
        return Err(RunError::Fields(problems));
    }
    let operations = forecast
        .plan
        .rows
        .rows::<PlannedRow>()?
        .zip(0u64..)
        .map(|(row, number)| row.map(|row| row.operation(number)).map_err(RunError::from));
    forecast.preview = preview(binding.as_ref(), operations, lines)?;
    let noted = std::mem::take(&mut lines.plan);
    forecast.refused = noted.refused;
    // Which kind a refused operation was is known to the row alone.
    if !noted.numbers.is_empty() {
        let mut numbers = noted.numbers.into_iter().peekable();
        for (row, number) in forecast.plan.rows.rows::<PlannedRow>()?.zip(0u64..) {
            let row = row?;
            if numbers.next_if_eq(&number).is_some() {
                match row.planned.word() {
                    "create" => forecast.refused_creates += 1,
                    "update" => forecast.refused_updates += 1,
                    _ => forecast.refused_removals += 1,
                }
            }
        }
    }
    let destination = stage.destination(sync)?;
    let account = quotas.account(destination.as_ref())?;
    forecast.time = account.forecast(forecast.preview.requests);
    forecast.binding = Some(binding);
    Ok(forecast)
}

/// What is noted while a plan is packed.
#[derive(Default)]
struct Noted {
    refused: Vec<(String, Rejection)>,
    /// Numbers of all refused operations, ascending.
    numbers: Vec<u64>,
}

/// Prints each request as a JSON line, if there is somewhere to print.
pub(crate) struct RequestLines<'a> {
    out: Option<&'a mut Output>,
    sync: &'a str,
    plan: Noted,
}

impl<'a> RequestLines<'a> {
    /// Counts and prints nothing.
    pub(crate) fn counting(sync: &'a str) -> Self {
        Self {
            out: None,
            sync,
            plan: Noted::default(),
        }
    }
}

#[derive(serde::Serialize)]
struct RequestLine<'a> {
    sync: &'a str,
    method: &'a str,
    path: &'a str,
    body: Box<RawValue>,
}

impl Audience<RunError> for RequestLines<'_> {
    fn request(&mut self, request: &Request, _: &[Operation]) -> Result<(), RunError> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let line = RequestLine {
            sync: self.sync,
            method: request.method,
            path: &request.path,
            body: body(&request.body)?,
        };
        let text = serde_json::to_string(&line).map_err(|error| RunError::Internal(error.to_string()))?;
        out.line(text);
        Ok(())
    }

    fn refused(&mut self, operation: &Operation, rejection: &Rejection) -> Result<(), RunError> {
        self.plan.numbers.push(operation.row);
        if self.plan.refused.len() < SHOWN_REFUSED {
            self.plan.refused.push((operation.key.to_string(), rejection.clone()));
        }
        Ok(())
    }
}

/// A body byte for byte when it is JSON, else as a JSON text.
fn body(bytes: &Bytes) -> Result<Box<RawValue>, RunError> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let raw = if text.is_empty() {
        RawValue::from_string("null".into())
    } else {
        RawValue::from_string(text.clone())
            .or_else(|_| RawValue::from_string(Value::from(text).to_string()))
    };
    raw.map_err(|error| RunError::Internal(error.to_string()))
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
            out.line(format_args!("  … and {} (see them with --limit)", counted(left, "more row")));
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
        out.line(format_args!("{name}: {nothing}, {} unchanged", count(tally.unchanged)));
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
        out.line(format_args!("  {}, {time}", counted(forecast.preview.requests, "request")));
    }
    let set_aside = [
        (forecast.preview.refused, "would be refused before sending"),
        (tally.rejected, "refused before or not fit to be sent, left as they are"),
        (tally.suppressed, "suppressed"),
        (tally.invalid_key, "without a key of their own"),
    ];
    for (number, what) in set_aside.into_iter().filter(|(number, _)| *number > 0) {
        let text = out.paint(Tone::Warning, format!("{} {what}", counted(number, "row")));
        out.line(format_args!("  {text}"));
    }
    for (key, rejection) in forecast.refused.iter().take(5) {
        let field = rejection.field.as_ref().map(|field| format!(" {field}:")).unwrap_or_default();
        out.line(format_args!("    {}:{field} {}", printable(key), rejection.message));
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
    requests: u64,
    seconds: f64,
}

fn document(args: &PlanArgs, sync: &SyncSpec, forecast: &mut Forecast, out: &mut Output) -> Result<(), Failure> {
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
        plan_rows::documents(sync, forecast, args.limit.unwrap_or(u64::MAX), &mut |text, first| {
            if !first {
                out.raw(",");
            }
            out.raw(text);
        })?;
        out.raw("]");
    }
    out.raw("}");
    Ok(())
}

/// A row is shown unless it would be refused.
pub(crate) fn shown(forecast: &Forecast, row: &PlannedRow, number: u64) -> Shown {
    let operation = row.operation(number);
    match forecast.binding.as_ref().map(|binding| binding.inspect(&operation)) {
        Some(Err(_)) => Shown::Refused,
        _ => Shown::Sent,
    }
}
