//! `outflow state`: look at it, start anew, take it elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::arguments::Json;
use super::failure::Failure;
use super::logging::to_stderr;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, count, counted, size};
use super::select;
use crate::state::{self, Access, Store, SyncState};
use crate::sync::error::Exit;

/// Arguments of `outflow state`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow state show\n  \
    outflow state reset customers --adopt\n  \
    outflow state export backup.jsonl\n  \
    outflow state import backup.jsonl")]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    verb: StateVerb,
}

#[derive(Debug, Subcommand)]
enum StateVerb {
    /// Where the state is, how large, and what it knows of each sync
    #[command(after_help = "Example:\n  outflow state show --json")]
    Show(ShowArgs),
    /// Forget what was acknowledged
    #[command(after_help = "Examples:\n  \
        outflow state reset customers           # the next run sends every row once more\n  \
        outflow state reset customers --adopt   # the next run takes the model as what is there already\n\n\
        History stays. After a reset, no record is removed that was only written before it.")]
    Reset(ResetArgs),
    /// Write the state as JSON lines
    #[command(
        after_help = "Examples:\n  outflow state export backup.jsonl\n  outflow state export > backup.jsonl"
    )]
    Export(ExportArgs),
    /// Read an exported state into an empty one
    #[command(after_help = "Example:\n  outflow state import backup.jsonl")]
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
struct ResetArgs {
    /// The sync
    #[arg(value_name = "SYNC", required_unless_present = "all", conflicts_with = "all")]
    sync: Option<String>,
    /// Every sync of the state
    #[arg(long)]
    all: bool,
    /// Take the model as what is at the destination already: the next run sends nothing
    #[arg(long)]
    adopt: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The file [default: stdout]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace what the state holds
    #[arg(long)]
    replace: bool,
    /// Do not ask
    #[arg(long, requires = "replace")]
    yes: bool,
}

impl StateArgs {
    /// Whether a JSON document is wanted.
    pub(crate) fn wants_json(&self) -> bool {
        match &self.verb {
            StateVerb::Show(args) => args.json.json,
            StateVerb::Reset(args) => args.json.json,
            StateVerb::Export(_) | StateVerb::Import(_) => false,
        }
    }
}

/// Shows, resets, exports or imports the state.
pub(crate) fn run(args: &StateArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    match &args.verb {
        StateVerb::Show(args) => show(args, &opened, out),
        StateVerb::Reset(args) => reset(args, &opened, out),
        StateVerb::Export(args) => export(args, &opened, out),
        StateVerb::Import(args) => import(args, &opened, out),
    }
}

fn show(args: &ShowArgs, opened: &Opened, out: &mut Output) -> Result<Exit, Failure> {
    let store = open::store(&opened.project, Access::Read)?;
    let syncs = store.syncs()?;
    if args.json.json {
        out.json(&json!({
            "path": store.path(),
            "bytes": store.disk_bytes(),
            "schema_version": store.schema_version(),
            "syncs": syncs.iter().map(|sync| document(opened, sync)).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    out.line(format_args!("path            {}", store.path().display()));
    out.line(format_args!("size            {}", size(store.disk_bytes())));
    out.line(format_args!("schema version  {}", store.schema_version()));
    if syncs.is_empty() {
        out.line("\nno sync has run yet");
        return Ok(Exit::Done);
    }
    out.line("");
    let headings = [
        "SYNC",
        "ROWS",
        "REJECTS",
        "GENERATION",
        "KEY",
        "MATCH",
        "TARGET",
        "",
    ];
    let mut rows = Rows::new(&headings).numeric([1, 2, 3]);
    for sync in &syncs {
        let identity = sync.identity.as_ref();
        let mut note = Vec::new();
        if sync.adopt {
            note.push("adopts at the next run");
        }
        if opened.project.sync(&sync.name).is_none() {
            note.push("not in the project");
        }
        rows.add([
            sync.name.clone(),
            count(sync.rows),
            count(sync.rejects),
            sync.generation.to_string(),
            identity
                .map(|identity| identity.key.join(", "))
                .unwrap_or_default(),
            identity
                .map(|identity| identity.match_fields.join(", "))
                .unwrap_or_default(),
            identity
                .map(|identity| identity.account.clone())
                .unwrap_or_default(),
            note.join(", "),
        ]);
    }
    out.table(&rows);
    Ok(Exit::Done)
}

fn document(opened: &Opened, sync: &SyncState) -> Value {
    json!({
        "sync": sync.name,
        "rows": sync.rows,
        "rejects": sync.rejects,
        "generation": sync.generation,
        "adopt": sync.adopt,
        "in_project": opened.project.sync(&sync.name).is_some(),
        "identity": sync.identity,
    })
}

fn reset(args: &ResetArgs, opened: &Opened, out: &mut Output) -> Result<Exit, Failure> {
    let store = open::store(&opened.project, Access::Write)?;
    let chosen = chosen(args, opened, &store)?;
    let rows: u64 = chosen.iter().map(|sync| sync.rows).sum();
    let names: Vec<&str> = chosen.iter().map(|sync| sync.name.as_str()).collect();
    let names = names.join(", ");
    let next = if args.adopt {
        "The next run takes the model as what the destination has already, and sends nothing. Records that\nwere adopted are updated when their rows change, and never removed."
    } else {
        "The next run sends every row once more. Records of rows that have left the model by then stay as\nthey are."
    };
    if !args.yes {
        let what = format!("forget {} of {names}?\n{next}", counted(rows, "acknowledged row"));
        confirm(&what, if args.all { "all" } else { &names })?;
    }
    let forgotten = if args.all {
        store.reset_all(args.adopt)?
    } else {
        let mut forgotten = 0;
        for sync in &chosen {
            forgotten += store.reset(&sync.name, args.adopt)?;
        }
        forgotten
    };
    if args.json.json {
        out.json(&json!({ "forgotten": forgotten, "adopt": args.adopt }))?;
    } else {
        out.line(format_args!("{}: {} forgotten", names, counted(forgotten, "row")));
        out.line(next);
    }
    Ok(Exit::Done)
}

/// The syncs to reset; one of the project that never ran is made known first, so that `--adopt` holds
/// for its first run.
fn chosen(args: &ResetArgs, opened: &Opened, store: &Store) -> Result<Vec<SyncState>, Failure> {
    let Some(name) = &args.sync else {
        return Ok(store.syncs()?);
    };
    if let Some(state) = store.sync(name)? {
        return Ok(vec![state]);
    }
    let sync = select::one(&opened.project, name)?;
    let identity = state::Identity {
        key: sync.key.clone(),
        account: String::new(),
        object: sync.object.clone(),
        match_fields: sync.match_fields.clone(),
    };
    Ok(vec![store.ensure_sync(name, &identity)?])
}

/// Has a person type `word`, if one is there.
fn confirm(what: &str, word: &str) -> Result<(), Failure> {
    let refused = |message: &str| Failure::config("not_confirmed", message.to_owned());
    if !io::stdin().is_terminal() {
        return Err(refused("nothing was changed: this needs a confirmation").hint("say --yes"));
    }
    to_stderr(format!("{what}\nType {word} to go on: ").as_bytes());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    match read {
        Ok(_) if answer.trim() == word => Ok(()),
        _ => Err(refused("nothing was changed")),
    }
}

fn export(args: &ExportArgs, opened: &Opened, out: &mut Output) -> Result<Exit, Failure> {
    let store = open::store(&opened.project, Access::Read)?;
    let Some(path) = &args.file else {
        store.export(&mut BufWriter::new(io::stdout().lock()))?;
        return Ok(Exit::Done);
    };
    let failed = |error: io::Error| {
        Failure::config("export", format!("the export cannot be written: {error}"))
            .at(path.display().to_string())
    };
    // The export holds the project's secret and refused rows' keys: it is for its owner alone.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    let mut writer = BufWriter::new(file);
    store.export(&mut writer)?;
    writer.flush().map_err(failed)?;
    writer.get_ref().sync_all().map_err(failed)?;
    let mark = out.paint(Tone::Success, "exported");
    out.line(format_args!(
        "{mark} to {}; keep it as safe as the state itself",
        path.display()
    ));
    Ok(Exit::Done)
}

fn import(args: &ImportArgs, opened: &Opened, out: &mut Output) -> Result<Exit, Failure> {
    let file = File::open(&args.file).map_err(|error| {
        Failure::config("import", format!("the export cannot be read: {error}"))
            .at(args.file.display().to_string())
    })?;
    let dir = &opened.project.state;
    if args.replace && !args.yes {
        confirm("replace everything the state holds?", "replace")?;
    }
    let imported = Store::import(dir, BufReader::new(file), args.replace)?;
    let mark = out.paint(Tone::Success, "imported");
    out.line(format_args!(
        "{mark} into {}: {}, {}, {}",
        dir.display(),
        counted(imported.syncs, "sync"),
        counted(imported.rows, "row"),
        counted(imported.rejects, "open reject")
    ));
    Ok(Exit::Done)
}
