//! `outflow explain SYNC KEY`: what is known of one row, and why it was or was not sent.

use std::path::Path;

use clap::Args;
use outflow_sdk::print::Print;

use super::arguments::Json;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, moment};
use super::select;
use crate::documents::{Explained, when};
use crate::state::{Access, Store};
use crate::sync::error::Exit;

/// Arguments of `outflow explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow explain customers 4711\n  \
    outflow explain order_lines 4711/2      # parts of a composite key are joined by /")]
pub(crate) struct ExplainArgs {
    /// The sync
    #[arg(value_name = "SYNC")]
    sync: String,
    /// The row's key as the model has it
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Explains one row.
pub(crate) fn run(args: &ExplainArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load_offline(dir)?;
    let store = open::store(&opened.project, Access::Read)?;
    let found = find(&opened, &store, &args.sync, &args.key)?;
    tell(&found, &store, args.json.json, out)?;
    Ok(Exit::Done)
}

/// Looks a key up in a sync's state.
///
/// # Errors
/// When there is no such sync, or the state cannot be read.
pub(crate) fn find(opened: &Opened, store: &Store, sync: &str, key: &str) -> Result<Explained, Failure> {
    match Explained::find(&opened.project, store, sync, key)? {
        Some(found) => Ok(found),
        None => Err(select::unknown_sync(&opened.project, sync)),
    }
}

/// Tells what was found.
///
/// # Errors
/// When the state or stdout fails.
pub(crate) fn tell(found: &Explained, store: &Store, json: bool, out: &mut Output) -> Result<(), Failure> {
    let now_ms = open::now_ms();
    if json {
        return out.json(&found.document(store, now_ms)?);
    }
    let reason = found.reason(store, now_ms)?;
    let title = out.paint(
        Tone::Strong,
        format!("{} {}", found.sync, super::output::printable(&found.key_text)),
    );
    out.line(title);
    out.line(&reason);
    if let Some(row) = &found.row {
        out.headline("acknowledged by the destination");
        out.line(format_args!(
            "  record        {}",
            row.remote.as_deref().unwrap_or("not known")
        ));
        let applied = if row.applied_ms > 0 {
            moment(row.applied_ms)
        } else {
            "adopted, never sent".into()
        };
        out.line(format_args!("  last applied  {applied} (run {})", row.run));
        out.line(format_args!("  layout        {}", row.layout));
        let mut rows = Rows::new(&["  FIELD", "FINGERPRINT"]);
        for (field, print) in found.fields.iter().zip(&row.prints) {
            rows.add([format!("  {field}"), fingerprint(*print)]);
        }
        out.table(&rows);
    }
    if let Some(reject) = &found.reject {
        out.headline("open reject");
        let field = reject
            .field
            .as_ref()
            .map(|field| format!(" on {field}"))
            .unwrap_or_default();
        out.line(format_args!("  {}{field}: {}", reject.code, reject.message));
        out.line(format_args!(
            "  first {}, last {}, tried in {}; tried again: {}",
            moment(reject.first_seen_ms),
            moment(reject.last_seen_ms),
            super::output::counted(u64::from(reject.attempts), "run"),
            when(reject, now_ms)
        ));
    }
    if !found.attempts.is_empty() {
        out.headline("attempts that were not acknowledged");
        let mut rows = Rows::new(&["  AT", "RUN", "OUTCOME", "CODE", "CORRELATION"]);
        for attempt in &found.attempts {
            rows.add([
                format!("  {}", moment(attempt.at_ms)),
                attempt.run.to_string(),
                attempt.outcome.clone(),
                attempt.code.clone(),
                attempt.correlation.clone().unwrap_or_default(),
            ]);
        }
        out.table(&rows);
    }
    Ok(())
}

fn fingerprint(print: Print) -> String {
    match print {
        0 => "never acknowledged".into(),
        print => format!("{print:016x}"),
    }
}
