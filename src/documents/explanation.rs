//! What is known of one row, and why it was or was not sent.

use std::collections::BTreeMap;

use outflow_sdk::print::{KeyHash, Print};
use schemars::JsonSchema;
use serde::Serialize;

use super::readings::{kinds, readings, spellings};
use super::time::{iso, moment};
use super::{Reject, Run, when};
use crate::project::Project;
use crate::state::{
    self, Attempt, RejectClass, RunId, RunRecord, RunStatus, StateError, Store, StoredRow, SyncState,
};

/// Most rows of one match value that are told about.
const SAME_MATCH: usize = 20;

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
        Self::among(store, sync, key_text, state.as_ref(), keys).map(Some)
    }

    /// Looks rows up by their match value, such as an e-mail address, as the mapping has it now; the
    /// first few of them. Their values are not in the state: they are found by their fingerprints, which
    /// takes a look at every row of the sync.
    ///
    /// Gives none when the sync is not in the project, has never run, or matches by several fields.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn find_by_match(
        project: &Project,
        store: &Store,
        sync: &str,
        value: &str,
    ) -> Result<Vec<Self>, StateError> {
        let (Some(spec), Some(state)) = (project.sync(sync), store.sync(sync)?) else {
            return Ok(Vec::new());
        };
        let [match_field] = spec.match_fields.as_slice() else {
            return Ok(Vec::new());
        };
        let places = store.layouts()?.into_iter().filter_map(|(layout, fields)| {
            let place = fields.iter().position(|field| field == match_field)?;
            Some((layout, place))
        });
        let printer = store.printer();
        let mut scratch = Vec::new();
        let prints: Vec<Print> = spellings(value)
            .iter()
            .flat_map(|spelling| kinds(spelling))
            .map(|value| printer.value(&value, &mut scratch).max(1))
            .collect();
        let mut keys = store.keys_with_print(state.id, &places.collect(), &prints, SAME_MATCH)?;
        for spelling in spellings(value) {
            keys.extend(store.rejects_with_match(state.id, &spelling, SAME_MATCH)?);
        }
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter()
            .map(|key| Self::among(store, sync, value, Some(&state), vec![key]))
            .collect()
    }

    /// What the state holds of the first of `keys` that it knows.
    fn among(
        store: &Store,
        sync: &str,
        key_text: &str,
        state: Option<&SyncState>,
        keys: Vec<KeyHash>,
    ) -> Result<Self, StateError> {
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
            return Ok(found);
        };
        let mut ascending = keys;
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

    /// Whether the state holds anything of it.
    pub fn is_known(&self) -> bool {
        self.row.is_some() || self.reject.is_some() || self.job_since_ms.is_some()
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
            remote: row.remote.as_deref().map(str::to_owned),
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
