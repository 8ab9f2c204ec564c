//! Held: match values that records have still, for which other rows must wait.
//!
//! In one read a row may take the match value that another row has just given up. If that other row is
//! refused, or not delivered, its record has the value still: a rename would be refused for good, and a new
//! row, found by this value, would overwrite a record that is not its own. So who takes such a value
//! is set aside for this run, without a request.

use std::collections::HashSet;

use outflow_project::SyncSpec;
use outflow_sdk::print::{Print, Printer};
use outflow_state::{Changes, Reject, RejectClass};

use super::classify::{match_numbers, match_text};
use super::error::RunError;
use super::plan::{Planned, PlannedRow};
use super::renames::joined;
use super::run::{Course, Facts, Runner};
use super::spill::{Sequence, SpillError};

/// Match values that are not free, as prints.
#[derive(Debug, Default)]
pub struct HeldValues {
    /// Of records whose row has another value in the model, which they will not get in this run.
    staying: HashSet<Print>,
    /// Of records that this run removes at its end: a new row takes such a record over, a rename cannot.
    leaving: HashSet<Print>,
}

impl HeldValues {
    /// A record keeps the match value that was acknowledged, given as one print for each match field.
    pub fn stays(&mut self, acknowledged: impl Iterator<Item = Print>) {
        self.staying.extend(one(acknowledged));
    }

    /// A record keeps it until the run removes it.
    pub fn leaves(&mut self, acknowledged: impl Iterator<Item = Print>) {
        self.leaving.extend(one(acknowledged));
    }

    /// Takes over what others hold.
    pub fn extend(&mut self, more: HeldValues) {
        self.staying.extend(more.staying);
        self.leaving.extend(more.leaving);
    }

    fn is_empty(&self) -> bool {
        self.staying.is_empty() && self.leaving.is_empty()
    }

    fn keep(&self, planned: Planned, takes: Print) -> bool {
        self.staying.contains(&takes) || planned == Planned::Update && self.leaving.contains(&takes)
    }
}

/// The print of a match value; none when part of it was never acknowledged.
fn one(prints: impl Iterator<Item = Print>) -> Option<Print> {
    let prints: Vec<Print> = prints.collect();
    (!prints.is_empty() && !prints.contains(&0)).then(|| joined(prints.into_iter()))
}

/// The print of the match value a row gets, if it gets one.
fn takes(row: &PlannedRow, matches: &[u16], printer: Printer) -> Result<Option<Print>, SpillError> {
    let is_new = row.planned == Planned::Create;
    if !is_new && !row.pending.iter().any(|field| matches.contains(field)) {
        return Ok(None);
    }
    let values = row.values.unpack()?;
    let mut scratch = Vec::new();
    let prints = matches.iter().map(|field| {
        let value = values.get(usize::from(*field)).and_then(Option::as_ref);
        value.map_or(0, |value| printer.value(value, &mut scratch).max(1))
    });
    Ok(one(prints))
}

impl Runner {
    /// The rows whose match value is free; the others are set aside until the next run.
    pub(super) fn hold_back(
        &self,
        facts: &Facts<'_>,
        schema_print: u64,
        mut rows: Sequence,
        course: &mut Course,
        generation: &mut Option<u64>,
    ) -> Result<Sequence, RunError> {
        if course.held.is_empty() || rows.is_empty() {
            return Ok(rows);
        }
        let (stage, sync) = (&self.stage, facts.sync);
        let (matches, printer) = (match_numbers(sync), stage.store.printer());
        let mut free = Sequence::new(&stage.folder());
        let mut changes = Changes::default();
        for row in rows.rows::<PlannedRow>()? {
            let row = row?;
            match takes(&row, &matches, printer)? {
                Some(taken) if course.held.keep(row.planned, taken) => {
                    let now_ms = stage.clock.now_ms();
                    changes.rejects.push(waiting(sync, &row, schema_print, now_ms)?);
                    course.held.stays(acknowledged(&row, &matches));
                }
                _ => free.push(&row)?,
            }
        }
        if changes.rejects.is_empty() {
            return Ok(rows);
        }
        let written = stage.store.commit(facts.state.id, [&changes])?;
        *generation = (*generation).max(Some(written));
        course.tally.rejected += changes.rejects.len() as u64;
        Ok(free)
    }
}

/// What was acknowledged of a row's match fields.
fn acknowledged(row: &PlannedRow, matches: &[u16]) -> impl Iterator<Item = Print> {
    let of = |field: &u16| row.acknowledged.get(usize::from(*field)).copied().unwrap_or(0);
    matches.iter().map(of)
}

fn waiting(sync: &SyncSpec, row: &PlannedRow, schema_print: u64, now_ms: i64) -> Result<Reject, SpillError> {
    let (attempts, first_seen_ms) = row.tried.unwrap_or((0, now_ms));
    let values = row.values.unpack()?;
    Ok(Reject {
        key: row.key,
        print: row.print,
        schema_print,
        class: RejectClass::Transient,
        code: "match_value_held".to_owned(),
        field: sync.match_fields.first().cloned(),
        message: "another record has this value still, and could not be given its new one or removed yet; the next run tries again"
            .to_owned(),
        key_text: row.key_text.to_string(),
        match_text: match_text(sync, &values),
        attempts,
        first_seen_ms,
        last_seen_ms: now_ms,
        next_retry_ms: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_was_never_acknowledged_is_held_by_nobody() {
        let mut held = HeldValues::default();
        held.stays([3, 0].into_iter());
        held.leaves(std::iter::empty());
        assert!(held.is_empty());
    }

    #[test]
    fn a_new_row_may_take_what_leaves_but_not_what_stays() {
        let mut held = HeldValues::default();
        held.leaves([5].into_iter());
        held.stays([7].into_iter());
        let may = |planned, takes| !held.keep(planned, takes);
        assert!(may(Planned::Create, 5) && !may(Planned::Update, 5));
        assert!(!may(Planned::Create, 7) && !may(Planned::Update, 7));
        assert!(may(Planned::Create, 9) && may(Planned::Update, 9));
    }
}
