//! What is known of one row, and why it was or was not sent.

use std::collections::BTreeMap;

use outflow_sdk::print::KeyHash;
use outflow_sdk::value::{Decimal, Value, days_since_epoch};
use schemars::JsonSchema;
use serde::Serialize;

use super::time::{iso, moment};
use super::{Reject, Run, when};
use crate::project::Project;
use crate::state::{self, Attempt, RejectClass, RunId, RunRecord, RunStatus, StateError, Store, StoredRow};

/// Most readings of a key text that are looked up.
const READINGS: usize = 256;

/// Everything that is known of one row. Holds no value but its key, and the match value of a reject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Explanation {
    /// The sync.
    pub sync: String,
    /// The key as it was asked for.
    pub key: String,
    /// Whether the destination has ever acknowledged a row with this key.
    pub known: bool,
    /// When a job that has the row was accepted, if its result is not known yet.
    pub open_job_since: Option<String>,
    /// Why it was or was not sent in the last run, in words.
    pub reason: String,
    /// What the destination last acknowledged.
    pub row: Option<AcknowledgedRow>,
    /// Why it is refused, if it is.
    pub reject: Option<Reject>,
    /// The newest tries that ended without an acknowledgement.
    pub attempts: Vec<TriedOnce>,
    /// The sync's last run of its whole model.
    pub last_run: Option<Run>,
}

/// A row as the destination last acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AcknowledgedRow {
    /// The record's address at the destination.
    pub remote: Option<String>,
    /// When it was last acknowledged; null when it was adopted and never sent.
    pub applied: Option<String>,
    /// The run that last wrote it.
    pub run: RunId,
    /// Number of the list of fields.
    pub layout: u32,
    /// Whether every mapped field is acknowledged.
    pub complete: bool,
    /// Fingerprint of each field; null where it was never acknowledged.
    pub fields: BTreeMap<String, Option<String>>,
}

/// A try that ended without an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TriedOnce {
    /// When.
    pub at: Option<String>,
    /// In which run.
    pub run: RunId,
    /// How it ended.
    pub outcome: String,
    /// Stable code.
    pub code: String,
    /// The destination's id of the exchange.
    pub correlation: Option<String>,
}

/// What the state holds of one key.
pub struct Explained {
    pub(crate) sync: String,
    pub(crate) key: KeyHash,
    pub(crate) key_text: String,
    pub(crate) row: Option<StoredRow>,
    pub(crate) reject: Option<state::Reject>,
    pub(crate) fields: Vec<String>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) last: Option<RunRecord>,
    /// When a job that has the row was accepted, if its result is not known yet.
    pub(crate) job_since_ms: Option<i64>,
}

impl Explained {
    /// Looks a key up in a sync's state.
    ///
    /// Gives none when neither the project nor the state knows the sync.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn find(
        project: &Project,
        store: &Store,
        sync: &str,
        key_text: &str,
    ) -> Result<Option<Self>, StateError> {
        let state = store.sync(sync)?;
        let parts = match (project.sync(sync), state.as_ref()) {
            (Some(spec), _) => spec.key.len(),
            (None, Some(state)) => state.identity.as_ref().map_or(1, |identity| identity.key.len()),
            (None, None) => return Ok(None),
        };
        let printer = store.printer();
        let mut scratch = Vec::new();
        let keys: Vec<KeyHash> = readings(key_text, parts)
            .iter()
            .map(|reading| printer.key(reading, &mut scratch))
            .collect();
        let mut found = Explained {
            sync: sync.to_owned(),
            key: keys.first().copied().unwrap_or_default(),
            key_text: key_text.to_owned(),
            row: None,
            reject: None,
            fields: Vec::new(),
            attempts: Vec::new(),
            last: store.last_whole_run(sync)?,
            job_since_ms: None,
        };
        let Some(state) = state else {
            return Ok(Some(found));
        };
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
        Ok(Some(found))
    }

    /// Why the row was or was not sent in the last run, in words.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn reason(&self, store: &Store, now_ms: i64) -> Result<String, StateError> {
        let found = self;
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
            let again = when(reject, now_ms);
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
        if row.run > last.id {
            return Ok(format!(
                "sent and acknowledged in run {}, after the last run of the whole model ({})",
                row.run, last.id
            ));
        }
        if row.run == last.id {
            return Ok(format!("sent and acknowledged in the last run ({})", last.id));
        }
        let later = store
            .history(Some(&found.sync), 1_000)?
            .iter()
            .filter(|run| run.id > row.run && run.keys.is_none())
            .filter(|run| matches!(run.status, RunStatus::Ok | RunStatus::Rejects))
            .count();
        Ok(format!(
            "not sent in the last run ({}): nothing has changed since run {}, over {}",
            last.id,
            row.run,
            completed(later)
        ))
    }

    /// The document.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn document(&self, store: &Store, now_ms: i64) -> Result<Explanation, StateError> {
        let row = self.row.as_ref().map(|row| AcknowledgedRow {
            remote: row.remote.clone(),
            applied: (row.applied_ms > 0).then(|| iso(row.applied_ms)).flatten(),
            run: row.run,
            layout: row.layout,
            complete: row.print != 0,
            fields: self
                .fields
                .iter()
                .zip(&row.prints)
                .map(|(field, print)| (field.clone(), (*print != 0).then(|| format!("{print:016x}"))))
                .collect(),
        });
        let tried = |attempt: &Attempt| TriedOnce {
            at: iso(attempt.at_ms),
            run: attempt.run,
            outcome: attempt.outcome.clone(),
            code: attempt.code.clone(),
            correlation: attempt.correlation.clone(),
        };
        Ok(Explanation {
            sync: self.sync.clone(),
            key: self.key_text.clone(),
            known: self.row.is_some(),
            open_job_since: self.job_since_ms.and_then(iso),
            reason: self.reason(store, now_ms)?,
            row,
            reject: self.reject.as_ref().map(|reject| Reject::of(&self.sync, reject)),
            attempts: self.attempts.iter().map(tried).collect(),
            last_run: self.last.as_ref().map(Run::of),
        })
    }
}

fn completed(runs: usize) -> String {
    let plural = if runs == 1 { "" } else { "s" };
    format!("{runs} completed run{plural}")
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
