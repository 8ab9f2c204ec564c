//! `outflow explain SYNC KEY`: what is known of one row, and why it was or was not sent.

use std::path::Path;

use clap::Args;
use outflow_sdk::print::{KeyHash, Print};
use outflow_sdk::value::{Decimal, Value, days_since_epoch};
use serde_json::json;

use super::arguments::Json;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Rows, Tone, iso, moment};
use super::{history, rejects, select};
use crate::state::{Access, Attempt, Reject, RejectClass, RunRecord, RunStatus, Store, StoredRow};
use crate::sync::error::Exit;

/// Most readings of a key text that are looked up.
const READINGS: usize = 256;

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

/// What the state holds of one key.
pub(crate) struct Found {
    pub(crate) sync: String,
    pub(crate) key: KeyHash,
    key_text: String,
    row: Option<StoredRow>,
    pub(crate) reject: Option<Reject>,
    fields: Vec<String>,
    attempts: Vec<Attempt>,
    last: Option<RunRecord>,
    /// When a job that has the row was accepted, if its result is not known yet.
    job_since_ms: Option<i64>,
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
pub(crate) fn find(opened: &Opened, store: &Store, sync: &str, key_text: &str) -> Result<Found, Failure> {
    let state = store.sync(sync)?;
    let parts = match (opened.project.sync(sync), state.as_ref()) {
        (Some(spec), _) => spec.key.len(),
        (None, Some(state)) => state.identity.as_ref().map_or(1, |identity| identity.key.len()),
        (None, None) => select::one(&opened.project, sync)?.key.len(),
    };
    let printer = store.printer();
    let mut scratch = Vec::new();
    let keys: Vec<KeyHash> = readings(key_text, parts)
        .iter()
        .map(|reading| printer.key(reading, &mut scratch))
        .collect();
    let mut found = Found {
        sync: sync.to_owned(),
        key: keys.first().copied().unwrap_or_default(),
        key_text: key_text.to_owned(),
        row: None,
        reject: None,
        fields: Vec::new(),
        attempts: Vec::new(),
        last: store.history(Some(sync), 1)?.into_iter().next(),
        job_since_ms: None,
    };
    let Some(state) = state else { return Ok(found) };
    let mut ascending = keys.clone();
    ascending.sort_unstable();
    let mut lookup = store.lookup(state.id)?;
    let jobs = store.open_jobs(state.id)?;
    for key in ascending {
        let row = lookup.get(key)?;
        let reject = store.reject(state.id, key)?;
        let mut holding = jobs
            .iter()
            .filter(|job| job.rows.iter().any(|row| row.key == key));
        let job = holding.next();
        if row.is_none() && reject.is_none() && job.is_none() {
            continue;
        }
        found.key = key;
        found.job_since_ms = job.map(|job| job.accepted_ms);
        found.attempts = store.attempts(state.id, key)?;
        if let Some(row) = &row {
            let layouts = store.layouts()?;
            found.fields = layouts
                .get(&row.layout)
                .map(|fields| fields.to_vec())
                .unwrap_or_default();
        }
        found.row = row;
        found.reject = reject;
        break;
    }
    Ok(found)
}

/// The values a key text may stand for, most likely first: a model's key may be a number, a text, a
/// date or a boolean, and a part of a composite key may hold a slash itself.
fn readings(text: &str, parts: usize) -> Vec<Vec<Value>> {
    let mut all: Vec<Vec<Value>> = Vec::new();
    for split in splits(text, parts.max(1)) {
        let mut combined: Vec<Vec<Value>> = vec![Vec::new()];
        for part in split {
            let kinds = kinds(part);
            combined = combined
                .into_iter()
                .flat_map(|before| {
                    kinds.iter().map(move |kind| {
                        let mut next = before.clone();
                        next.push(kind.clone());
                        next
                    })
                })
                .take(READINGS)
                .collect();
        }
        all.extend(combined);
        if all.len() >= READINGS {
            break;
        }
    }
    all
}

/// Every way to cut `text` at slashes into `parts` pieces.
fn splits(text: &str, parts: usize) -> Vec<Vec<&str>> {
    if parts == 1 {
        return vec![vec![text]];
    }
    let mut all = Vec::new();
    for (at, _) in text.match_indices('/') {
        let (head, tail) = (&text[..at], &text[at + 1..]);
        for mut rest in splits(tail, parts - 1) {
            rest.insert(0, head);
            all.push(rest);
            if all.len() >= READINGS {
                return all;
            }
        }
    }
    all
}

fn kinds(part: &str) -> Vec<Value> {
    let mut kinds = Vec::new();
    if let Some(number) = Decimal::parse(part) {
        kinds.push(Value::Number(number));
    }
    kinds.push(Value::text(part));
    if let Ok(date) = part.parse::<jiff::civil::Date>() {
        kinds.push(Value::Date(days_since_epoch(date)));
    }
    if let Ok(instant) = part.parse::<jiff::Timestamp>() {
        kinds.push(Value::Timestamp(instant.as_microsecond()));
    }
    match part.to_ascii_lowercase().as_str() {
        "true" => kinds.push(Value::Bool(true)),
        "false" => kinds.push(Value::Bool(false)),
        _ => {}
    }
    kinds
}

/// Tells what was found.
///
/// # Errors
/// When the state or stdout fails.
pub(crate) fn tell(found: &Found, store: &Store, json: bool, out: &mut Output) -> Result<(), Failure> {
    let now_ms = open::now_ms();
    let reason = reason(found, store, now_ms)?;
    if json {
        return out.json(&document(found, &reason));
    }
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
            rejects::when(reject, now_ms)
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

/// Why the row was or was not sent in the last run, in words.
fn reason(found: &Found, store: &Store, now_ms: i64) -> Result<String, Failure> {
    let Some(last) = &found.last else {
        return Ok("no run of this sync yet, so nothing was sent".into());
    };
    if let Some(since_ms) = found.job_since_ms {
        return Ok(format!(
            "sent in a job that the destination accepted at {}; its result is not known yet, and the next run asks for it first",
            moment(since_ms)
        ));
    }
    if let Some(reject) = &found.reject {
        let again = rejects::when(reject, now_ms);
        let tried = found.attempts.iter().any(|attempt| attempt.run == last.id);
        return Ok(match reject.class {
            RejectClass::Permanent if tried => format!("refused in the last run ({}); tried again: {again}", last.id),
            RejectClass::Permanent => format!(
                "not sent in the last run ({}): it was refused before and nothing has changed; tried again: {again}",
                last.id
            ),
            RejectClass::Suppressed => {
                "not sent: the destination refuses it for consent or compliance, and it is not tried again until its values change".into()
            }
            RejectClass::Transient => "sent without success; the next run tries again".into(),
            RejectClass::InDoubt => format!(
                "sent, and no answer says whether it was applied; tried again: {again}"
            ),
        });
    }
    let Some(row) = &found.row else {
        let pending = match last.status {
            RunStatus::Deferred => ", or it waits for the quota",
            RunStatus::Failed | RunStatus::Guarded | RunStatus::Running => {
                ", or the last run stopped before it was sent"
            }
            RunStatus::Ok | RunStatus::Rejects => "",
        };
        return Ok(format!(
            "not known: the destination never acknowledged a row with this key; the model may not have it{pending}"
        ));
    };
    if row.applied_ms <= 0 {
        return Ok("not sent: its values were adopted as what the destination has already".into());
    }
    if row.print == 0 {
        return Ok(format!(
            "sent in part in run {}; the fields without a fingerprint are sent by the next run",
            row.run
        ));
    }
    if row.run == last.id {
        return Ok(format!("sent and acknowledged in the last run ({})", last.id));
    }
    let later = store
        .history(Some(&found.sync), 1_000)?
        .iter()
        .filter(|run| run.id > row.run && matches!(run.status, RunStatus::Ok | RunStatus::Rejects))
        .count();
    Ok(format!(
        "not sent in the last run ({}): nothing has changed since run {}, over {}",
        last.id,
        row.run,
        super::output::counted(later as u64, "completed run")
    ))
}

fn document(found: &Found, reason: &str) -> serde_json::Value {
    let row = found.row.as_ref().map(|row| {
        let fields: serde_json::Map<String, serde_json::Value> = found
            .fields
            .iter()
            .zip(&row.prints)
            .map(|(field, print)| {
                let print = (*print != 0).then(|| format!("{print:016x}"));
                (field.clone(), json!(print))
            })
            .collect();
        json!({
            "remote": row.remote,
            "applied": (row.applied_ms > 0).then(|| iso(row.applied_ms)).flatten(),
            "run": row.run,
            "layout": row.layout,
            "complete": row.print != 0,
            "fields": fields,
        })
    });
    let attempts: Vec<_> = found
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "at": iso(attempt.at_ms),
                "run": attempt.run,
                "outcome": attempt.outcome,
                "code": attempt.code,
                "correlation": attempt.correlation,
            })
        })
        .collect();
    json!({
        "sync": found.sync,
        "key": found.key_text,
        "known": found.row.is_some(),
        "open_job_since": found.job_since_ms.and_then(iso),
        "reason": reason,
        "row": row,
        "reject": found.reject.as_ref().map(|reject| rejects::document(&found.sync, reject)),
        "attempts": attempts,
        "last_run": found.last.as_ref().map(history::document),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_text_is_read_as_every_kind_a_model_may_have() {
        assert_eq!(
            readings("42", 1),
            [vec![Value::Number(Decimal::from(42))], vec![Value::text("42")]]
        );
        assert_eq!(readings("NO", 1), [vec![Value::text("NO")]]);
        assert!(readings("2026-11-02", 1).contains(&vec![Value::Date(20_759)]));
        assert!(readings("True", 1).contains(&vec![Value::Bool(true)]));
        assert!(readings("-7.50", 1).contains(&vec![Value::Number(Decimal::new(-75, 1))]));
    }

    #[test]
    fn a_composite_key_may_hold_slashes_of_its_own() {
        assert_eq!(splits("a/b/c", 2), [vec!["a", "b/c"], vec!["a/b", "c"]]);
        assert_eq!(splits("a", 2), Vec::<Vec<&str>>::new());
        let wanted = vec![Value::text("eu/west"), Value::Number(Decimal::from(7))];
        assert!(readings("eu/west/7", 2).contains(&wanted));
        assert!(readings(&"1/".repeat(60), 30).len() <= 2 * READINGS, "bounded");
    }
}
