//! Classify: the rows set aside against the state, one key at a time, in key order.

mod keyed;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use outflow_project::SyncSpec;
use outflow_sdk::destination::{Mode, Removed};
use outflow_sdk::print::{KeyHash, Print};
use outflow_sdk::value::Value;
use outflow_state::{Filter, Lookup, Reject, RejectClass, RunId, Store, StoredRow, SyncState, Tally};

use super::diff::{Change, acknowledged, diff_row};
use super::error::RunError;
use super::held::HeldValues;
use super::map::{Record, value_prints};
use super::packed::PackedValues;
use super::plan::{Immediate, Plan, Planned, PlannedRow, Waves};
use super::renames::Renames;
use super::scan::{SAMPLES, Scan};
use super::spill::{Sequence, SortedSpill, SpillError};

pub(super) use keyed::classify_keys;

/// What the classification of one sync stands on.
pub struct Context<'a> {
    /// The sync.
    pub sync: &'a SyncSpec,
    /// The store.
    pub store: &'a Store,
    /// The sync in the store.
    pub state: &'a SyncState,
    /// Number of the layout of the mapped fields.
    pub layout: u32,
    /// Hash of mapping and destination fields, which rejects sleep by; none = wake all.
    pub schema_print: Option<u64>,
    /// The run.
    pub run: RunId,
    /// Now, milliseconds since 1970.
    pub now_ms: i64,
    /// Folder of temporary files.
    pub folder: &'a Path,
}

/// Turns a complete scan into a plan.
///
/// # Errors
/// When the state or a temporary file cannot be read or written.
pub fn classify(context: &Context<'_>, scan: Scan, filter: &mut Filter) -> Result<Plan, RunError> {
    let null_keys = scan.null_keys;
    let known = filter.len();
    let mut classifier = Classifier::new(context, &scan, known, Some(filter))?;
    classifier.candidates(scan.candidates)?;
    // Rows that a narrowed read did not give may be there.
    if !context.sync.model.is_narrowed() {
        // A row without a readable key may be any of those that seem to be gone: nothing is removed then.
        if context.sync.mode == Mode::Mirror && null_keys == 0 {
            classifier.removals()?;
        }
        classifier.close_rejects()?;
    }
    classifier.finish()
}

struct Classifier<'a> {
    context: &'a Context<'a>,
    /// The filter that rows were looked up in before; none when all of them are candidates.
    filter: Option<&'a mut Filter>,
    fields: Vec<String>,
    /// Numbers of the fields that identify records.
    matches: Vec<u16>,
    lookup: Option<Lookup>,
    layouts: HashMap<u32, Arc<[String]>>,
    /// Keys of the open rejects, ascending.
    rejects: Vec<KeyHash>,
    visited: HashSet<KeyHash>,
    renames: Renames,
    plan: Plan,
}

impl<'a> Classifier<'a> {
    fn new(
        context: &'a Context<'a>,
        scan: &Scan,
        known: u64,
        filter: Option<&'a mut Filter>,
    ) -> Result<Self, RunError> {
        let fields = context.sync.fields.iter().map(|field| field.field.clone());
        Ok(Self {
            lookup: if known > 0 {
                Some(context.store.lookup(context.state.id)?)
            } else {
                None
            },
            layouts: context.store.layouts()?,
            rejects: context.store.reject_keys(context.state.id)?,
            visited: HashSet::new(),
            renames: Renames::new(context.folder),
            plan: Plan {
                rows: Waves::new(context.folder),
                immediate: Sequence::new(context.folder),
                closed: Vec::new(),
                tally: Tally {
                    read: scan.read,
                    unchanged: scan.unchanged,
                    invalid_key: scan.null_keys,
                    ..Tally::default()
                },
                create: 0,
                update: 0,
                remove: 0,
                asleep: 0,
                forgotten: 0,
                known,
                duplicate_keys: Vec::new(),
                null_key_rows: scan.null_key_rows.clone(),
                held: HeldValues::default(),
            },
            context,
            filter,
            matches: match_numbers(context.sync),
            fields: fields.collect(),
        })
    }

    /// The rows set aside, key by key.
    fn candidates(&mut self, rows: SortedSpill) -> Result<(), RunError> {
        // Of a key that many rows have, one is held: none of them is sent.
        let mut group: Option<(Record, u64)> = None;
        for record in rows.sorted::<Record>()? {
            let record = record?;
            match &mut group {
                Some((first, rows)) if first.key == record.key => *rows += 1,
                _ => {
                    if let Some((record, rows)) = group.replace((record, 1)) {
                        self.group(record, rows)?;
                    }
                }
            }
        }
        if let Some((record, rows)) = group {
            self.group(record, rows)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Plan, RunError> {
        self.plan.rows.renames = self.renames.into_waves(self.context.folder)?;
        Ok(self.plan)
    }

    /// One row of a key that was set aside, and how many there are of that key.
    fn group(&mut self, record: Record, rows: u64) -> Result<(), RunError> {
        let stored = match &mut self.lookup {
            Some(lookup) => lookup.get(record.key)?,
            None => None,
        };
        let seen_before = match (&mut self.filter, &stored) {
            (Some(filter), Some(stored)) => filter.mark(stored),
            _ => false,
        };
        if rows > 1 || seen_before {
            // Nobody can say which of the rows is meant, so none is sent; the record stays as it is.
            self.plan.tally.invalid_key += rows + u64::from(seen_before);
            self.plan.tally.unchanged -= u64::from(seen_before);
            // What was refused stays refused until one row alone has the key.
            self.open_reject(record.key)?;
            if self.plan.duplicate_keys.len() < SAMPLES {
                self.plan.duplicate_keys.push(record.key_text.into());
            }
            return Ok(());
        }
        self.row(record, stored)
    }

    fn row(&mut self, record: Record, stored: Option<StoredRow>) -> Result<(), RunError> {
        let change = diff_row(
            &self.fields,
            &record.prints,
            stored.as_ref(),
            &self.layouts,
            self.context.sync.mode,
        );
        let reject = self.open_reject(record.key)?;
        if reject.as_ref().is_some_and(|reject| self.must_be_asked(reject)) {
            self.plan.tally.held += 1;
            return Ok(());
        }
        if let Some(fault) = &record.fault {
            let field = self.fields.get(usize::from(fault.field)).cloned();
            self.plan.tally.rejected += 1;
            self.stays(&record, stored.as_ref());
            if reject
                .as_ref()
                .is_some_and(|reject| reject.print == record.print && reject.code == fault.code)
            {
                return Ok(());
            }
            let reject = self.reject(&record, reject, &fault.code, field, &fault.message)?;
            self.plan.immediate.push(&Immediate::Fault(reject))?;
            return Ok(());
        }
        let known = stored.is_some();
        let before = stored.as_ref().map_or(0, |stored| stored.print);
        let pending = match change {
            Change::Unchanged => {
                self.plan.tally.unchanged += 1;
                if reject.is_some() {
                    self.plan.closed.push(record.key);
                }
                let Some(stored) = stored else { return Ok(()) };
                let mut prints = record.prints;
                self.keep_acknowledged(&mut prints, &stored);
                let row = StoredRow {
                    print: record.print,
                    layout: self.context.layout,
                    prints,
                    ..stored
                };
                if !matches!(self.context.sync.mode, Mode::Create | Mode::Append) {
                    self.plan
                        .immediate
                        .push(&Immediate::Touch { row, before, known })?;
                }
                return Ok(());
            }
            Change::Added(fields) | Change::Changed(fields) => fields,
        };
        if self.context.state.adopt {
            return self.adopt(record, stored);
        }
        if let Some(reject) = &reject
            && self.sleeps(reject, record.print)
        {
            match reject.class {
                RejectClass::Suppressed => self.plan.tally.suppressed += 1,
                _ => self.plan.tally.rejected += 1,
            }
            self.stays(&record, stored.as_ref());
            if reject.key_text.is_empty() {
                self.name(reject.clone(), &record)?;
            }
            return Ok(());
        }
        let planned = if known { Planned::Update } else { Planned::Create };
        if known {
            self.plan.update += 1
        } else {
            self.plan.create += 1
        }
        let acknowledged = match &stored {
            Some(stored) => acknowledged(&self.fields, stored, &self.layouts),
            None => Vec::new(),
        };
        let renamed = known && pending.iter().any(|field| self.matches.contains(field));
        let row = PlannedRow {
            key: record.key,
            key_text: record.key_text,
            print: record.print,
            planned,
            remote: stored.and_then(|stored| stored.remote),
            values: record.values,
            prints: record.prints,
            pending,
            acknowledged,
            stored_print: before,
            tried: reject.map(|reject| (reject.attempts, reject.first_seen_ms)),
        };
        if renamed {
            let of = |prints: &[Print], field: &u16| prints.get(usize::from(*field)).copied().unwrap_or(0);
            let leaves = self.matches.iter().map(|field| of(&row.acknowledged, field));
            let takes = self.matches.iter().map(|field| of(&row.prints, field));
            self.renames.push(&row, leaves, takes)?;
        } else {
            self.plan.rows.writes.push(&row)?;
        }
        Ok(())
    }

    /// A known row that is not sent keeps the match value its record has, if the model says another.
    fn stays(&mut self, record: &Record, stored: Option<&StoredRow>) {
        let Some(stored) = stored else { return };
        let before = acknowledged(&self.fields, stored, &self.layouts);
        let of = |prints: &[Print], field: &u16| prints.get(usize::from(*field)).copied().unwrap_or(0);
        let moved = |field: &u16| of(&before, field) != of(&record.prints, field);
        if self.matches.iter().any(moved) {
            self.plan
                .held
                .stays(self.matches.iter().map(|field| of(&before, field)));
        }
    }

    /// A row whose refusal was learned of without its key, from a job of an earlier process, gets what
    /// a person needs to find it.
    fn name(&mut self, reject: Reject, record: &Record) -> Result<(), RunError> {
        let named = Reject {
            key_text: record.key_text.to_string(),
            match_text: match_text(
                self.context.sync,
                &record.values.unpack().map_err(SpillError::from)?,
            ),
            ..reject
        };
        self.plan.immediate.push(&Immediate::Fault(named))?;
        Ok(())
    }

    /// Fields that are left as they are keep the print that was acknowledged.
    fn keep_acknowledged(&self, prints: &mut [Print], stored: &StoredRow) {
        for (print, before) in prints
            .iter_mut()
            .zip(acknowledged(&self.fields, stored, &self.layouts))
        {
            if *print == 0 {
                *print = before;
            }
        }
    }

    fn adopt(&mut self, record: Record, stored: Option<StoredRow>) -> Result<(), RunError> {
        self.plan.tally.unchanged += 1;
        let known = stored.is_some();
        let before = stored.as_ref().map_or(0, |stored| stored.print);
        let (remote, applied_ms) = stored.map_or((None, 0), |stored| (stored.remote, stored.applied_ms));
        let row = StoredRow {
            key: record.key,
            print: record.print,
            layout: self.context.layout,
            prints: record.prints,
            remote,
            key_text: keeps_key_text(self.context.sync).then(|| record.key_text.into()),
            match_text: None,
            applied_ms,
            run: self.context.run,
        };
        self.plan
            .immediate
            .push(&Immediate::Touch { row, before, known })?;
        Ok(())
    }

    fn open_reject(&mut self, key: KeyHash) -> Result<Option<Reject>, RunError> {
        if self.rejects.binary_search(&key).is_err() {
            return Ok(None);
        }
        let reject = self.context.store.reject(self.context.state.id, key)?;
        if reject.is_some() {
            self.visited.insert(key);
        }
        Ok(reject)
    }

    /// Whether a refused row would be refused again: nothing changed and nobody asked.
    fn sleeps(&self, reject: &Reject, print: Print) -> bool {
        matches!(reject.class, RejectClass::Permanent | RejectClass::Suppressed)
            && reject.print == print
            && self
                .context
                .schema_print
                .is_some_and(|now| now == reject.schema_print)
            && reject.next_retry_ms.is_none_or(|at| at > self.context.now_ms)
    }

    /// Whether the row may have arrived and must not be sent twice.
    fn must_be_asked(&self, reject: &Reject) -> bool {
        let waits = |at| at > self.context.now_ms;
        reject.class == RejectClass::InDoubt && reject.next_retry_ms.is_some_and(waits)
    }

    fn reject(
        &self,
        record: &Record,
        before: Option<Reject>,
        code: &str,
        field: Option<String>,
        message: &str,
    ) -> Result<Reject, SpillError> {
        Ok(Reject {
            key: record.key,
            print: record.print,
            schema_print: 0,
            class: RejectClass::Permanent,
            code: code.to_owned(),
            field,
            message: message.to_owned(),
            key_text: record.key_text.to_string(),
            match_text: match_text(self.context.sync, &record.values.unpack()?),
            attempts: before.as_ref().map_or(0, |before| before.attempts),
            first_seen_ms: before.map_or(self.context.now_ms, |before| before.first_seen_ms),
            last_seen_ms: self.context.now_ms,
            next_retry_ms: None,
        })
    }

    /// Known rows that the complete read did not show.
    fn removals(&mut self) -> Result<(), RunError> {
        let Some(filter) = &self.filter else {
            return Ok(());
        };
        for stored in self.context.store.unseen(self.context.state.id, filter)? {
            self.removal(stored?)?;
        }
        Ok(())
    }

    /// A known row that left the model.
    fn removal(&mut self, stored: StoredRow) -> Result<(), RunError> {
        let rule = self.context.sync.removed.unwrap_or(Removed::Keep);
        let before = stored.print;
        // An adopted record was not written by this sync, so it is not this sync's to remove.
        let ours = stored.applied_ms > 0;
        if rule == Removed::Keep || !ours {
            self.plan.forgotten += 1;
            self.plan.immediate.push(&Immediate::Forget {
                key: stored.key,
                before,
            })?;
            return Ok(());
        }
        let acknowledged = acknowledged(&self.fields, &stored, &self.layouts);
        let of = |field: &u16| acknowledged.get(usize::from(*field)).copied().unwrap_or(0);
        self.plan.held.leaves(self.matches.iter().map(of));
        let reject = self.open_reject(stored.key)?;
        if let Some(reject) = &reject
            && self.sleeps(reject, 0)
        {
            self.plan.asleep += 1;
            match reject.class {
                RejectClass::Suppressed => self.plan.tally.suppressed += 1,
                _ => self.plan.tally.rejected += 1,
            }
            return Ok(());
        }
        self.plan.remove += 1;
        let (values, pending) = self.clearing(rule, &stored);
        let prints = value_prints(self.context.store.printer(), &values, &mut Vec::new()).collect();
        self.plan.rows.removals.push(&PlannedRow {
            key: stored.key,
            key_text: stored.key_text.unwrap_or_default().into(),
            print: 0,
            planned: Planned::Remove(rule),
            remote: stored.remote,
            values: PackedValues::pack(&values).map_err(SpillError::from)?,
            prints,
            pending,
            acknowledged,
            stored_print: before,
            tried: reject.map(|reject| (reject.attempts, reject.first_seen_ms)),
        })?;
        Ok(())
    }

    /// `removed: clear` empties what this sync has written, but for the match: it is the record's name.
    fn clearing(&self, rule: Removed, stored: &StoredRow) -> (Vec<Option<Value>>, Vec<u16>) {
        if rule != Removed::Clear {
            return (vec![None; self.fields.len()], Vec::new());
        }
        let written = acknowledged(&self.fields, stored, &self.layouts);
        let mut pending = Vec::new();
        let values = (0u16..)
            .zip(self.fields.iter().zip(written))
            .map(|(number, (field, written))| {
                let clear = written != 0 && !self.context.sync.match_fields.contains(field);
                clear.then(|| {
                    pending.push(number);
                    Value::Null
                })
            })
            .collect();
        (values, pending)
    }

    /// Rejects whose rows are as acknowledged again, or gone. Those that wait to be asked stay open: a
    /// row that comes back must find its doubt again.
    fn close_rejects(&mut self) -> Result<(), RunError> {
        for key in std::mem::take(&mut self.rejects) {
            self.close_reject(key)?;
        }
        Ok(())
    }

    fn close_reject(&mut self, key: KeyHash) -> Result<(), RunError> {
        if self.visited.contains(&key) {
            return Ok(());
        }
        let reject = self.context.store.reject(self.context.state.id, key)?;
        if !reject.is_some_and(|reject| self.must_be_asked(&reject)) {
            self.plan.closed.push(key);
        }
        Ok(())
    }
}

/// Numbers of the fields that identify records.
pub(super) fn match_numbers(sync: &SyncSpec) -> Vec<u16> {
    (0u16..)
        .zip(&sync.fields)
        .filter(|(_, field)| sync.match_fields.contains(&field.field))
        .map(|(number, _)| number)
        .collect()
}

/// The match value as a person would search for it.
pub fn match_text(sync: &SyncSpec, values: &[Option<Value>]) -> Option<String> {
    let parts: Vec<String> = sync
        .fields
        .iter()
        .zip(values)
        .filter(|(field, _)| sync.match_fields.contains(&field.field))
        .filter_map(|(_, value)| value.as_ref().map(ToString::to_string))
        .collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Whether rows keep their key in clear: only a removal must be able to name it.
pub(crate) fn keeps_key_text(sync: &SyncSpec) -> bool {
    sync.mode == Mode::Mirror && sync.removed.is_some_and(|rule| rule != Removed::Keep)
}
