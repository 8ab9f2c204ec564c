//! `outflow run`: send what changed, sync after sync.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use futures::StreamExt;

use super::arguments::Json;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, count, span};
use super::results::Results;
use super::stop::Stop;
use super::{logging, select};
use crate::documents::RunResult;
use crate::project::SyncSpec;
use crate::state::{Access, Reject, RejectClass, RunStatus, Store, Tally};
use crate::sync::asked::AskedKeys;
use crate::sync::error::Exit;
use crate::sync::report::{RunReport, overall_exit};

/// Rejects shown after a run.
const SHOWN_REJECTS: usize = 5;

/// Arguments of `outflow run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow run\n  \
    outflow run customers\n  \
    outflow run customers --key 42 --key 43\n  \
    outflow run 'crm_*' --json\n\n\
    Exits 1 while a reject of its syncs is open, and 7 when it was stopped or is out of quota; the\n\
    next run goes on from there.")]
pub(crate) struct RunArgs {
    /// Syncs by name or pattern [default: all]
    #[arg(value_name = "SYNC")]
    syncs: Vec<String>,
    /// Bring the row with this key alone up to date, of one sync; parts of a composite key are joined by `/`
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// Syncs under way at the same time; they share their accounts' limits
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Runs the chosen syncs and tells how they ended.
pub(crate) async fn run(args: &RunArgs, dir: &Path, out: &mut Output, stop: &Stop) -> Result<Exit, Failure> {
    let opened = Opened::load(dir)?;
    let syncs = select::select(&opened, &args.syncs)?;
    let keys = keys(&args.keys, &syncs)?;
    let runner = open::runner(&opened, Access::Write, stop)?;
    opened.tell_broken();
    let project = &opened.project;
    let results = Results::begin(project, &runner.stage.store)?;
    let asked = stop.asked();
    let mut reports: Vec<(Arc<SyncSpec>, RunReport)> = Vec::new();
    let mut running = futures::stream::iter(&syncs)
        .take_while(|_| std::future::ready(!*asked.borrow()))
        .map(|sync| async {
            tracing::info!(sync = %sync.name, "run starts");
            let report = match &keys {
                Some(keys) => runner.run_keys(sync, keys).await,
                None => runner.run(sync).await,
            };
            results.note(&report);
            tracing::info!(
                sync = %sync.name,
                run = report.run_id,
                status = word(report.status),
                requests = report.tally.requests,
                "run ended"
            );
            (Arc::clone(sync), report)
        })
        .buffered(usize::from(args.jobs));
    while let Some((sync, report)) = running.next().await {
        if report.error.is_some() {
            logging::to_stderr(opened.explain(&sync, &report).as_bytes());
        }
        reports.push((sync, report));
    }
    drop(running);
    results.deliver();
    let store = &runner.stage.store;
    if args.json.json {
        let documents: Vec<RunResult> = reports.iter().map(|(_, report)| RunResult::of(report)).collect();
        out.json(&serde_json::json!({ "syncs": documents, "problems": opened.broken() }))?;
    } else {
        tell(out, &reports, syncs.len(), store)?;
    }
    let mut exits: Vec<Exit> = Vec::new();
    for (sync, report) in &reports {
        exits.push(report.exit());
        if open_rejects(store, &sync.name)? > 0 {
            exits.push(Exit::Rejects);
        }
    }
    if reports.len() < syncs.len() {
        exits.push(Exit::Deferred);
    }
    if args.syncs.is_empty() && !opened.broken().is_empty() {
        exits.push(Exit::Config);
    }
    Ok(overall_exit(exits))
}

/// The rows that are asked for, which are those of one sync.
fn keys(texts: &[String], syncs: &[Arc<SyncSpec>]) -> Result<Option<AskedKeys>, Failure> {
    if texts.is_empty() {
        return Ok(None);
    }
    let [sync] = syncs else {
        let what = format!("--key is for one sync, and {} are named", syncs.len());
        return Err(Failure::config("one_sync", what).hint("name the sync whose key it is"));
    };
    let mut keys = AskedKeys::new(&sync.key);
    for text in texts {
        keys.add_text(text).map_err(|bad| {
            Failure::config("bad_key", format!("a --key {bad}")).hint(format!(
                "the key of {} is {}",
                sync.name,
                sync.key.join("/")
            ))
        })?;
    }
    if !keys.fit_one_run() {
        return Err(Failure::config(
            "number_of_keys",
            "these are too many keys for one run",
        ));
    }
    Ok(Some(keys))
}

fn open_rejects(store: &Store, sync: &str) -> Result<u64, Failure> {
    Ok(store.sync(sync)?.map_or(0, |state| state.rejects))
}

fn tell(
    out: &mut Output,
    reports: &[(Arc<SyncSpec>, RunReport)],
    wanted: usize,
    store: &Store,
) -> Result<(), Failure> {
    if reports.is_empty() && wanted == 0 {
        out.line("the project has no syncs; add one in mappings/");
        return Ok(());
    }
    out.table(&table(reports.iter().map(|(_, report)| report)));
    for (sync, report) in reports {
        tell_keys(out, report);
        tell_rejects(out, store, &sync.name)?;
        if let (RunStatus::Deferred, None, Some(after)) = (report.status, &report.error, report.resumes_in) {
            out.line(format_args!(
                "\n{}: out of quota; goes on in {}",
                report.sync,
                span(after)
            ));
        }
    }
    let left = wanted.saturating_sub(reports.len());
    if left > 0 {
        out.line(format_args!(
            "\nstopped before {left} more; `outflow run` goes on from here"
        ));
    }
    Ok(())
}

/// A column of the ledger.
struct Bucket {
    heading: &'static str,
    rows: fn(&Tally) -> u64,
    /// Shown even when nothing is in it.
    always: bool,
    tone: Option<Tone>,
}

const fn usual(heading: &'static str, rows: fn(&Tally) -> u64) -> Bucket {
    Bucket {
        heading,
        rows,
        always: true,
        tone: None,
    }
}

const fn rare(heading: &'static str, rows: fn(&Tally) -> u64, tone: Tone) -> Bucket {
    Bucket {
        heading,
        rows,
        always: false,
        tone: Some(tone),
    }
}

const BUCKETS: [Bucket; 11] = [
    usual("READ", |tally| tally.read),
    usual("UNCHANGED", |tally| tally.unchanged),
    usual("CREATED", |tally| tally.created),
    usual("UPDATED", |tally| tally.updated),
    usual("REMOVED", |tally| tally.removed),
    Bucket {
        always: true,
        ..rare("REJECTED", |tally| tally.rejected, Tone::Error)
    },
    rare("SUPPRESSED", |tally| tally.suppressed, Tone::Warning),
    rare("INVALID KEY", |tally| tally.invalid_key, Tone::Error),
    rare("DEFERRED", |tally| tally.deferred, Tone::Warning),
    rare("HELD", |tally| tally.held, Tone::Warning),
    usual("REQUESTS", |tally| tally.requests),
];

/// The balanced ledger of each run. Columns of rare buckets are shown when something is in them.
pub(crate) fn table<'a>(reports: impl Iterator<Item = &'a RunReport>) -> Rows {
    let reports: Vec<&RunReport> = reports.collect();
    let shown: Vec<&Bucket> = BUCKETS
        .iter()
        .filter(|bucket| bucket.always || reports.iter().any(|report| (bucket.rows)(&report.tally) > 0))
        .collect();
    let mut headings = vec!["SYNC", "STATUS"];
    headings.extend(shown.iter().map(|bucket| bucket.heading));
    headings.push("TIME");
    let numeric = 2..headings.len();
    let mut rows = Rows::new(&headings).numeric(numeric);
    for report in reports {
        let mut cells = vec![
            (report.sync.clone(), Some(Tone::Strong)),
            (word(report.status).to_owned(), Some(tone(report.status))),
        ];
        cells.extend(shown.iter().map(|bucket| {
            let rows = (bucket.rows)(&report.tally);
            (count(rows), bucket.tone.filter(|_| rows > 0))
        }));
        cells.push((span(report.duration), None));
        rows.add_toned(cells);
    }
    rows
}

/// The status in the words of the JSON contract.
pub(crate) fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Ok => "ok",
        RunStatus::Rejects => "rejects",
        RunStatus::Failed => "failed",
        RunStatus::Guarded => "guarded",
        RunStatus::Deferred => "deferred",
    }
}

/// The colour of a status.
pub(crate) fn tone(status: RunStatus) -> Tone {
    match status {
        RunStatus::Ok => Tone::Success,
        RunStatus::Running => Tone::Hint,
        RunStatus::Rejects | RunStatus::Deferred => Tone::Warning,
        RunStatus::Failed | RunStatus::Guarded => Tone::Error,
    }
}

fn tell_keys(out: &mut Output, report: &RunReport) {
    if report.duplicate_keys.is_empty() && report.null_key_rows.is_empty() {
        return;
    }
    let duplicates = report.duplicate_keys.join(", ");
    if !duplicates.is_empty() {
        out.line(format_args!(
            "\n{}: several rows have the same key, so none of them was sent: {duplicates}",
            report.sync
        ));
    }
    if !report.null_key_rows.is_empty() {
        let rows: Vec<String> = report.null_key_rows.iter().map(ToString::to_string).collect();
        out.line(format_args!(
            "\n{}: rows without a key were not sent: row {} of the model; nothing is removed while there are any",
            report.sync,
            rows.join(", ")
        ));
    }
    let hint = out.paint(Tone::Hint, "hint:");
    out.line(format_args!(
        "  {hint} make `key:` unique and never NULL in the model"
    ));
}

/// The newest open rejects of a sync, and where to see all of them.
pub(crate) fn tell_rejects(out: &mut Output, store: &Store, sync: &str) -> Result<(), Failure> {
    let open = open_rejects(store, sync)?;
    if open == 0 {
        return Ok(());
    }
    let mut rejects = Vec::new();
    // Suppressed rows are no failures, and do not count as open.
    for class in RejectClass::ALL
        .into_iter()
        .filter(|class| *class != RejectClass::Suppressed)
    {
        rejects.extend(store.rejects(Some(sync), Some(class), SHOWN_REJECTS)?);
    }
    let shown = rejects.iter().take(SHOWN_REJECTS);
    let failures: Vec<&Reject> = shown.map(|one| &one.reject).collect();
    let title = format!("{sync}: {}", super::output::counted(open, "open reject"));
    let title = out.paint(Tone::Warning, title);
    out.line(format_args!("\n{title}"));
    out.table(&reject_table(&failures));
    out.line(format_args!("all of them: outflow rejects {sync}"));
    Ok(())
}

fn reject_table(rejects: &[&Reject]) -> Rows {
    let mut rows = Rows::new(&["  KEY", "FIELD", "CODE", "MESSAGE"]);
    for reject in rejects {
        rows.add([
            format!("  {}", reject.key_text),
            reject.field.clone().unwrap_or_default(),
            reject.code.clone(),
            reject.message.clone(),
        ]);
    }
    rows
}
