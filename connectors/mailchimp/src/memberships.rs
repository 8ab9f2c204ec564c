//! Tags and static segments: what belongs to this sync, and how it is written.
//!
//! A tag is removed only when this sync owns it: because a field `tag:NAME` stands for it, or because
//! the mapping lists it in `owned_tags`. Everything else somebody tagged by hand stays.

use std::collections::HashSet;

use outflow_sdk::destination::{Action, Operation, Route};

use crate::encode::Object;
use crate::groups::fold;
use crate::layout::Layout;
use crate::target::Kind;
use crate::values::{bool_of, items_of, write_text};

/// Tags to add and to remove, each once, compared without case.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TagChanges {
    changes: Vec<(String, bool)>,
    seen: HashSet<String>,
}

impl TagChanges {
    fn add(&mut self, name: &str, is_on: bool) {
        let name = name.trim();
        if !name.is_empty() && self.seen.insert(fold(name)) {
            self.changes.push((name.to_owned(), is_on));
        }
    }
}

impl Layout {
    /// What is pending of tags.
    pub(crate) fn tag_changes(&self, operation: &Operation) -> TagChanges {
        let mut changes = TagChanges::default();
        let is_pending = |number: u16| operation.pending.binary_search(&number).is_ok();
        for (number, name) in self.tag_fields().filter(|(number, _)| is_pending(*number)) {
            if !self.is_settled_unsent(operation, number) {
                changes.add(name, self.is_on(number, operation));
            }
        }
        let Some(number) = self.tags.filter(|number| is_pending(*number)) else {
            return changes;
        };
        if self.is_settled_unsent(operation, number) {
            return changes;
        }
        let value = operation.record.get(usize::from(number)).and_then(Option::as_ref);
        let wanted = match value {
            Some(value) if operation.action == Action::Write => items_of(value).unwrap_or_default(),
            _ => Vec::new(),
        };
        // A field of its own decides about its tag, whatever the list says.
        for tag in wanted.iter().filter(|tag| !self.has_tag_field(tag)) {
            changes.add(tag, true);
        }
        for tag in self
            .options
            .owned_tags
            .iter()
            .filter(|tag| !self.has_tag_field(tag))
        {
            changes.add(tag, false);
        }
        changes
    }

    /// Pending tag fields of a batch that need no request of their own if the answer shows the member
    /// without those tags. Tags to be added are sent apart: a batch would start automations.
    pub(crate) fn absent_tags(&self, operation: &Operation) -> Vec<u16> {
        let changes = self.tag_changes(operation).changes;
        if changes.is_empty() || changes.iter().any(|(_, is_on)| *is_on) {
            return Vec::new();
        }
        self.carried_apart(operation, |_, kind| is_tag(kind))
    }

    /// Whether a member with these tags is as the batch's [`Layout::absent_tags`] say.
    pub(crate) fn lacks_tags<'a>(
        &self,
        operation: &Operation,
        mut tags: impl Iterator<Item = &'a str>,
    ) -> bool {
        let changes = self.tag_changes(operation);
        !tags.any(|tag| changes.seen.contains(&fold(tag)))
    }

    /// `{"tags":[{"name":…,"status":"active"}],"is_syncing":true}`
    pub(crate) fn write_tags(&self, operation: &Operation, body: &mut Vec<u8>) -> Vec<u16> {
        let mut object = Object::begin(body);
        let out = object.key("tags");
        out.push(b'[');
        for (at, (name, is_on)) in self.tag_changes(operation).changes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            let mut tag = Object::begin(out);
            tag.text("name", name);
            tag.text("status", if *is_on { "active" } else { "inactive" });
            tag.end();
        }
        out.push(b']');
        object.plain("is_syncing", &!self.options.tag_automations);
        object.end();
        self.carried_apart(operation, |_, kind| is_tag(kind))
    }

    /// `{"members_to_add":[…],"members_to_remove":[…]}` for the segment of the route's lane.
    pub(crate) fn encode_segment(&self, route: Route, operations: &[Operation]) -> (Vec<u8>, Vec<Vec<u16>>) {
        let (mut add, mut remove): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        let mut fields = Vec::new();
        let mut seen = HashSet::new();
        for operation in operations.iter().take(route.max_rows) {
            let email = self.email(operation).unwrap_or_default();
            if !seen.insert(fold(email)) {
                break;
            }
            if self.is_on(route.lane, operation) {
                add.push(email);
            } else {
                remove.push(email);
            }
            fields.push(self.carried_apart(operation, |number, _| number == route.lane));
        }
        let mut body = Vec::with_capacity(64 + 32 * fields.len());
        let mut object = Object::begin(&mut body);
        for (name, emails) in [("members_to_add", add), ("members_to_remove", remove)] {
            let out = object.key(name);
            out.push(b'[');
            for (at, email) in emails.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(email, out);
            }
            out.push(b']');
        }
        object.end();
        (body, fields)
    }

    /// The pending fields a request apart from the member settles: those asked for, and those that
    /// need no sending.
    pub(crate) fn carried_apart(
        &self,
        operation: &Operation,
        is_carried: impl Fn(u16, &Kind) -> bool,
    ) -> Vec<u16> {
        operation
            .pending
            .iter()
            .copied()
            .filter(|number| {
                self.field(*number)
                    .is_none_or(|field| is_carried(*number, &field.kind))
                    || self.is_settled_unsent(operation, *number)
            })
            .collect()
    }

    /// Whether the operation wants its member to have what is behind a field.
    pub(crate) fn is_on(&self, field: u16, operation: &Operation) -> bool {
        operation.action == Action::Write
            && operation
                .record
                .get(usize::from(field))
                .and_then(Option::as_ref)
                .and_then(bool_of)
                .unwrap_or(false)
    }
}

fn is_tag(kind: &Kind) -> bool {
    matches!(kind, Kind::Tags | Kind::Tag(_))
}
