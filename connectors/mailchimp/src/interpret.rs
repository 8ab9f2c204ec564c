//! What a batch's answer means for every row in it.
//!
//! A batch is answered with 200 even when every member in it failed. Members are found by address,
//! and a row that the answer does not account for is in doubt, never taken as done.

use std::borrow::Cow;
use std::collections::HashMap;

use outflow_sdk::CompactString;
use outflow_sdk::destination::{Action, Effect, Operation, Outcome, Rejection};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::capabilities::{MATCH, Verb};
use crate::groups::fold;
use crate::layout::{Layout, Mark, is_hash, marked};
use crate::refusal::Refusal;
use crate::target::Kind;
use crate::values::Status;

/// The part of a batch's answer that matters.
#[derive(Deserialize)]
pub(crate) struct BatchAnswer<'a> {
    #[serde(borrow, default)]
    new_members: Option<Vec<Member<'a>>>,
    #[serde(borrow, default)]
    updated_members: Option<Vec<Member<'a>>>,
    #[serde(default)]
    errors: Option<Vec<BatchError>>,
}

/// A member as answers show it.
#[derive(Deserialize)]
pub(crate) struct Member<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    email_address: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    merge_fields: Option<&'a RawValue>,
    #[serde(default)]
    tags: Option<Vec<Tag>>,
    #[serde(default)]
    tags_count: Option<u64>,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct BatchError {
    #[serde(default)]
    email_address: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    field_message: Option<String>,
}

/// Reads a batch's answer; none when it is not one.
pub(crate) fn parse(body: &[u8]) -> Option<BatchAnswer<'_>> {
    serde_json::from_slice(body).ok()
}

impl Member<'_> {
    /// The member's address at Mailchimp.
    fn hash(&self) -> Option<&str> {
        self.id.as_deref().filter(|id| is_hash(id))
    }

    /// A mapped merge field that the member, which shows all of the audience's, does not show.
    pub(crate) fn lacks_field<'l>(&self, layout: &'l Layout) -> Option<&'l str> {
        let shown: serde_json::Map<String, Json> = serde_json::from_str(self.merge_fields?.get()).ok()?;
        if shown.is_empty() {
            return None;
        }
        let mut fields = layout.fields.iter();
        fields
            .find(|field| matches!(field.kind, Kind::Merge(_)) && !shown.contains_key(&field.name))
            .map(|field| field.name.as_str())
    }

    /// All tags, when the answer shows all of them.
    fn tags(&self) -> Option<impl Iterator<Item = &str>> {
        let tags = self.tags.as_ref()?;
        let is_whole = self.tags_count.is_some_and(|count| count == tags.len() as u64);
        is_whole.then(|| tags.iter().map(|tag| tag.name.as_str()))
    }
}

impl<'a> BatchAnswer<'a> {
    fn members(&self) -> impl Iterator<Item = (&Member<'a>, bool)> {
        let new = self.new_members.iter().flatten().map(|member| (member, true));
        let updated = self
            .updated_members
            .iter()
            .flatten()
            .map(|member| (member, false));
        new.chain(updated)
    }

    /// A mapped merge field the audience no longer has: its values were dropped without a word.
    pub(crate) fn dropped_field<'l>(&self, layout: &'l Layout) -> Option<&'l str> {
        let (member, _) = self.members().next()?;
        member.lacks_field(layout)
    }
}

/// One outcome for every operation of a batch's answer 2xx.
pub(crate) fn settle(
    answer: &BatchAnswer<'_>,
    verb: Verb,
    layout: &Layout,
    operations: &[Operation],
) -> Vec<Outcome> {
    let mut rows = Rows::new(layout, operations);
    for (member, is_new) in answer.members() {
        if let Some(at) = rows.find(member) {
            let outcome = rows.confirmed(at, verb, member, is_new);
            rows.put(at, outcome);
        }
    }
    let mut unplaced = Vec::new();
    for error in answer.errors.iter().flatten() {
        let outcome = error.outcome(verb, layout);
        match error
            .email_address
            .as_deref()
            .and_then(|email| rows.addressed(email))
        {
            Some(at) => rows.put(at, outcome),
            None => unplaced.push(outcome),
        }
    }
    rows.put_unplaced(unplaced);
    rows.slots
        .into_iter()
        .map(|slot| slot.unwrap_or(Outcome::InDoubt))
        .collect()
}

impl BatchError {
    fn outcome(&self, verb: Verb, layout: &Layout) -> Outcome {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let refusal = Refusal::of_batch(
            &text(&self.error_code),
            &text(&self.error),
            &text(&self.field),
            &text(&self.field_message),
        );
        refusal.outcome(verb, layout)
    }
}

struct Rows<'a> {
    layout: &'a Layout,
    operations: &'a [Operation],
    by_email: HashMap<String, usize>,
    by_hash: HashMap<String, usize>,
    slots: Vec<Option<Outcome>>,
}

impl<'a> Rows<'a> {
    fn new(layout: &'a Layout, operations: &'a [Operation]) -> Self {
        let mut by_email = HashMap::with_capacity(operations.len());
        let mut by_hash = HashMap::with_capacity(operations.len());
        for (at, operation) in operations.iter().enumerate() {
            if let Some(email) = layout.email(operation) {
                by_email.insert(fold(email), at);
            }
            by_hash.insert(layout.hash(operation), at);
        }
        Self {
            layout,
            operations,
            by_email,
            by_hash,
            slots: vec![None; operations.len()],
        }
    }

    /// The row with this address. Error items have been seen with escaped quotes in theirs.
    fn addressed(&self, email: &str) -> Option<usize> {
        let folded = fold(email);
        let plain = || folded.replace('\\', "");
        self.by_email
            .get(&folded)
            .or_else(|| self.by_email.get(&plain()))
            .copied()
    }

    fn find(&self, member: &Member<'_>) -> Option<usize> {
        let by_email = member
            .email_address
            .as_deref()
            .and_then(|email| self.addressed(email));
        by_email.or_else(|| self.by_hash.get(member.hash()?).copied())
    }

    fn put(&mut self, at: usize, outcome: Outcome) {
        if let Some(slot) = self.slots.get_mut(at) {
            // Twice, and not the same: believe neither.
            *slot = Some(match slot.take() {
                Some(before) if before != outcome => Outcome::InDoubt,
                _ => outcome,
            });
        }
    }

    /// One error that names no row, and one row that nothing names, belong together.
    fn put_unplaced(&mut self, mut unplaced: Vec<Outcome>) {
        let mut open = (0..).zip(&self.slots).filter(|(_, slot)| slot.is_none());
        if let (Some((at, _)), None, 1) = (open.next(), open.next(), unplaced.len()) {
            let slot = self.slots.get_mut(at);
            if let (Some(slot), Some(outcome)) = (slot, unplaced.pop()) {
                *slot = Some(outcome);
            }
        }
    }

    /// What a member in the answer says of its row.
    fn confirmed(&self, at: usize, verb: Verb, member: &Member<'_>, is_new: bool) -> Outcome {
        let Some(operation) = self.operations.get(at) else {
            return Outcome::InDoubt;
        };
        let own = self.layout.hash(operation);
        let hash = member.hash().unwrap_or(&own);
        if verb == Verb::Subscribe
            && let Some(outcome) = judge(self.layout, operation, member, hash, is_new)
        {
            return outcome;
        }
        Outcome::Applied {
            effect: if is_new { Effect::Created } else { Effect::Updated },
            remote: Some(CompactString::from(hash)),
        }
    }
}

/// What is left to do for a member whose fields were written; none when that was all.
fn judge(
    layout: &Layout,
    operation: &Operation,
    member: &Member<'_>,
    hash: &str,
    is_new: bool,
) -> Option<Outcome> {
    let status = member.status.as_deref();
    if let Some(outcome) = consent(layout, operation, status, hash, is_new) {
        return Some(outcome);
    }
    if is_new || layout.absent_tags(operation).is_empty() {
        return None;
    }
    let lacks_them = member
        .tags()
        .is_some_and(|tags| layout.lacks_tags(operation, tags));
    (!lacks_them).then(|| on(hash, Mark::Seen))
}

/// What a member's own status means for the row's: none when there is nothing to change.
pub(crate) fn consent(
    layout: &Layout,
    operation: &Operation,
    status: Option<&str>,
    hash: &str,
    is_new: bool,
) -> Option<Outcome> {
    if status == Some("archived") {
        return Some(if layout.options.revive_archived {
            on(hash, Mark::Archived)
        } else {
            Outcome::Suppressed(archived())
        });
    }
    let wanted = layout.pending_status(operation)?;
    let Some(status) = status.and_then(Status::parse) else {
        return Some(Outcome::InDoubt);
    };
    if is_new || satisfies(status, wanted) {
        return None;
    }
    Some(if status.is_opted_out() {
        Outcome::Suppressed(opted_out(layout, status))
    } else {
        on(hash, Mark::Seen)
    })
}

fn on(hash: &str, mark: Mark) -> Outcome {
    Outcome::Resolved {
        remote: CompactString::from(marked(hash, mark)),
    }
}

fn archived() -> Rejection {
    Rejection {
        code: "archived".into(),
        field: Some(MATCH.into()),
        message: "the member is archived, and may have unsubscribed before; `revive_archived: true` brings \
                  archived members back"
            .into(),
    }
}

fn opted_out(layout: &Layout, status: Status) -> Rejection {
    let field = layout
        .status
        .and_then(|number| layout.field(number))
        .map(|field| field.name.clone());
    Rejection {
        code: "opted_out".into(),
        field,
        message: format!(
            "the member is {} at Mailchimp, and nobody is subscribed again by a sync",
            status.word()
        ),
    }
}

/// Whether a member has the status wanted; of the two that are never mailed, either will do.
pub(crate) fn satisfies(shown: Status, wanted: Status) -> bool {
    shown == wanted || (shown.is_opted_out() && wanted.is_opted_out())
}

/// What a write of one member did.
pub(crate) fn effect(verb: Verb, operation: &Operation) -> Effect {
    match (verb, operation.action) {
        (_, Action::Remove(_)) => Effect::Removed,
        (Verb::Create, _) => Effect::Created,
        _ => Effect::Updated,
    }
}

#[cfg(test)]
mod tests;
