//! `outflow rejects`: rows that were refused, why, and having them tried again.

use std::path::Path;

use clap::{Args, Subcommand};
use outflow_sdk::print::KeyHash;
use serde_json::json;

use super::arguments::Json;
use super::explain;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, ago, count, counted};
use super::select;
use crate::documents::{self, Explained, when};
use crate::state::{Access, Changes, RejectClass, Store, StoredRow, SyncReject, WHEN_ASKED};
use crate::sync::error::Exit;

/// Arguments of `outflow rejects`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        outflow rejects customers\n  \
        outflow rejects show customers 4711\n  \
        outflow rejects retry customers\n\n\
        A refused row sleeps until its values, the mapping or the destination's fields change, or until\n\
        `retry` asks for it. A retry leaves out rows refused for consent, unless it names the row."
)]
pub(crate) struct RejectsArgs {
    #[command(subcommand)]
    verb: Option<RejectsVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum RejectsVerb {
    /// List open rejects (the default)
    #[command(after_help = "Example:\n  outflow rejects list customers --limit 500 --json")]
    List(ListArgs),
    /// Everything about one refused row
    #[command(after_help = "Example:\n  outflow rejects show customers 4711")]
    Show(ShowArgs),
    /// Have rejects tried again by the next run
    #[command(after_help = "Examples:\n  outflow rejects retry\n  outflow rejects retry customers 4711")]
    Retry(RetryArgs),
    /// Say that an event of which no answer came has arrived: it is not sent again
    #[command(after_help = "Example:\n  outflow rejects arrived orders 4711")]
    Arrived(ShowArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only this sync's rejects
    #[arg(value_name = "SYNC")]
    sync: Option<String>,
    /// Most rejects shown
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The sync
    #[arg(value_name = "SYNC")]
    sync: String,
    /// The row's key; parts of a composite key are joined by `/`
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
struct RetryArgs {
    /// Only this sync's rejects
    #[arg(value_name = "SYNC")]
    sync: Option<String>,
    /// Only this row
    #[arg(value_name = "KEY", requires = "sync", allow_hyphen_values = true)]
    key: Option<String>,
    #[command(flatten)]
    json: Json,
}

impl RejectsArgs {
    /// Whether a JSON document is wanted.
    pub(crate) fn wants_json(&self) -> bool {
        match &self.verb {
            None => self.list.json.json,
            Some(RejectsVerb::List(args)) => args.json.json,
            Some(RejectsVerb::Show(args)) => args.json.json,
            Some(RejectsVerb::Retry(args)) => args.json.json,
            Some(RejectsVerb::Arrived(args)) => args.json.json,
        }
    }
}

/// Lists, shows or wakes rejects.
pub(crate) fn run(args: &RejectsArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    match &args.verb {
        None => list(&args.list, dir, out),
        Some(RejectsVerb::List(args)) => list(args, dir, out),
        Some(RejectsVerb::Show(args)) => show(args, dir, out),
        Some(RejectsVerb::Retry(args)) => retry(args, dir, out),
        Some(RejectsVerb::Arrived(args)) => arrived(args, dir, out),
    }
}

fn list(args: &ListArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Read)?;
    if let Some(name) = &args.sync
        && store.sync(name)?.is_none()
    {
        select::one(&opened.project, name)?;
    }
    let rejects = store.rejects(args.sync.as_deref(), None, args.limit)?;
    if args.json.json {
        let documents: Vec<documents::Reject> = rejects
            .iter()
            .map(|one| documents::Reject::of(&one.sync, &one.reject))
            .collect();
        out.json(&json!({ "rejects": documents }))?;
        return Ok(Exit::Done);
    }
    if rejects.is_empty() {
        let line = out.paint(Tone::Success, "no open rejects");
        out.line(line);
        return Ok(Exit::Done);
    }
    out.table(&table(&rejects, open::now_ms()));
    if rejects.len() >= args.limit {
        out.line(format_args!(
            "\nonly the first {}; see more with --limit",
            count(rejects.len() as u64)
        ));
    }
    Ok(Exit::Done)
}

fn table(rejects: &[SyncReject], now_ms: i64) -> Rows {
    let mut rows = Rows::new(&[
        "SYNC",
        "KEY",
        "MATCH",
        "CODE",
        "FIELD",
        "MESSAGE",
        "SINCE",
        "TRIED AGAIN",
    ]);
    for SyncReject { sync, reject } in rejects {
        rows.add_toned(vec![
            (sync.clone(), None),
            (reject.key_text.clone(), Some(Tone::Strong)),
            (reject.match_text.clone().unwrap_or_default(), None),
            (reject.code.clone(), Some(tone(reject.class))),
            (reject.field.clone().unwrap_or_default(), None),
            (reject.message.clone(), None),
            (ago(now_ms, reject.first_seen_ms), None),
            (when(reject, now_ms), None),
        ]);
    }
    rows
}

fn tone(class: RejectClass) -> Tone {
    match class {
        RejectClass::Permanent => Tone::Error,
        RejectClass::Transient | RejectClass::Suppressed | RejectClass::InDoubt => Tone::Warning,
    }
}

fn show(args: &ShowArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Read)?;
    let found = refused(&opened, &store, &args.sync, &args.key)?;
    explain::tell(&found, &store, args.json.json, out)?;
    Ok(Exit::Done)
}

fn retry(args: &RetryArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Write)?;
    let woken = match (&args.sync, &args.key) {
        (Some(sync), Some(key)) => {
            let found = refused(&opened, &store, sync, key)?;
            wake(&store, sync, &[found.key])?
        }
        (Some(sync), None) => {
            if store.sync(sync)?.is_none() {
                select::one(&opened.project, sync)?;
            }
            wake_failures(&store, sync)?
        }
        (None, _) => {
            let mut woken = 0;
            for state in store.syncs()? {
                woken += wake_failures(&store, &state.name)?;
            }
            woken
        }
    };
    if args.json.json {
        out.json(&json!({ "retried": woken }))?;
    } else if woken == 0 {
        out.line("no open reject to try again");
    } else {
        out.line(format_args!(
            "{} will be tried again by the next run: outflow run{}",
            counted(woken, "reject"),
            args.sync
                .as_ref()
                .map(|sync| format!(" {sync}"))
                .unwrap_or_default()
        ));
    }
    Ok(Exit::Done)
}

/// Remembers an event in doubt as acknowledged.
fn arrived(args: &ShowArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Write)?;
    let found = refused(&opened, &store, &args.sync, &args.key)?;
    let (Some(state), Some(reject)) = (store.sync(&args.sync)?, &found.reject) else {
        return Err(Failure::bug(format!("the reject of sync {} is gone", args.sync)));
    };
    if reject.next_retry_ms != Some(WHEN_ASKED) {
        let message = "that row is not in doubt: the next run can settle it by itself";
        return Err(Failure::config("not_in_doubt", message).hint("use `outflow rejects retry`"));
    }
    let row = StoredRow {
        key: found.key,
        print: reject.print,
        layout: store.layout(&[])?,
        prints: Vec::new(),
        remote: None,
        key_text: None,
        match_text: None,
        applied_ms: open::now_ms(),
        run: 0,
    };
    let changes = Changes {
        rows: vec![row],
        ..Changes::default()
    };
    store.commit(state.id, [&changes])?;
    if args.json.json {
        out.json(&json!({ "arrived": 1 }))?;
    } else {
        out.line("remembered as arrived; it is not sent again");
    }
    Ok(Exit::Done)
}

/// Wakes what failed in a sync.
fn wake_failures(store: &Store, sync: &str) -> Result<u64, Failure> {
    match store.sync(sync)? {
        Some(state) => Ok(store.retry_failures(state.id, open::now_ms())?),
        None => Ok(0),
    }
}

fn wake(store: &Store, sync: &str, keys: &[KeyHash]) -> Result<u64, Failure> {
    match store.sync(sync)? {
        Some(state) => Ok(store.retry(state.id, Some(keys), open::now_ms())?),
        None => Ok(0),
    }
}

/// The refused row of that key.
fn refused(opened: &Opened, store: &Store, sync: &str, key: &str) -> Result<Explained, Failure> {
    let found = explain::find(opened, store, sync, key)?;
    if found.reject.is_none() {
        return Err(Failure::config(
            "no_such_reject",
            format!("sync {sync} has no open reject with that key"),
        )
        .hint(format!(
            "see `outflow rejects {sync}`, or `outflow explain {sync} KEY`"
        )));
    }
    Ok(found)
}
