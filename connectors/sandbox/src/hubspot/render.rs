//! Records as answers show them.

use super::definitions::{Derived, PropertyId};
use super::json::{iso, raw, string};
use super::record::{Record, Standing};
use super::store::{ObjectStore, Slot};

/// Which properties an answer shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'a> {
    /// A new record: everything it was given, and what the vendor set.
    Created,
    /// An update: what was written, and a few system properties. Not the whole record.
    Written(&'a [PropertyId]),
    /// A read: what was asked for, `null` where unset.
    Asked(&'a [PropertyId]),
}

/// Keys an answer may carry beside the record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside<'a> {
    pub(super) new: Option<bool>,
    pub(super) trace_id: Option<&'a str>,
    /// The account, for the record's address in the vendor's pages.
    pub(super) hub_id: Option<u64>,
}

/// Properties of a new record's answer beside those it was given.
const SOURCE: [&str; 4] = [
    "hs_object_source",
    "hs_object_source_id",
    "hs_object_source_label",
    "hs_all_contact_vids",
];

/// Writes the records of one answer.
#[derive(Debug)]
pub(super) struct Renderer<'s> {
    store: &'s ObjectStore,
    source: Vec<PropertyId>,
    created: Moment,
    updated: Moment,
}

impl<'s> Renderer<'s> {
    pub(super) fn new(store: &'s ObjectStore) -> Self {
        Self {
            store,
            source: SOURCE
                .iter()
                .filter_map(|name| store.definitions.find(name))
                .collect(),
            created: Moment::default(),
            updated: Moment::default(),
        }
    }

    /// Appends one record as JSON.
    pub(super) fn record(&mut self, out: &mut Vec<u8>, slot: Slot, shown: Shown<'_>, beside: Beside<'_>) {
        if let Some(record) = self.store.record(slot) {
            self.write(out, record, shown, beside);
        }
    }

    /// Appends one record, which need not be the stored one: search shows older contents.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, record: &Record, shown: Shown<'_>, beside: Beside<'_>) {
        let id = record.id.to_string();
        let (created, updated) = (
            self.created.text(record.created),
            self.updated.text(record.updated),
        );
        raw(out, "{\"id\":\"");
        raw(out, &id);
        raw(out, "\",\"properties\":{");
        Row {
            out,
            store: self.store,
            source: &self.source,
            record,
            id: &id,
            created,
            updated,
            first: true,
        }
        .properties(shown);
        raw(out, "},\"createdAt\":\"");
        raw(out, created);
        raw(out, "\",\"updatedAt\":\"");
        raw(out, updated);
        match record.standing {
            Standing::Archived(at) => {
                raw(out, "\",\"archived\":true,\"archivedAt\":\"");
                raw(out, &iso(at));
                raw(out, "\"");
            }
            _ => raw(out, "\",\"archived\":false"),
        }
        self.beside(out, &id, beside);
        raw(out, "}");
    }

    fn beside(&self, out: &mut Vec<u8>, id: &str, beside: Beside<'_>) {
        if let Some(new) = beside.new {
            raw(out, if new { ",\"new\":true" } else { ",\"new\":false" });
        }
        if let Some(trace_id) = beside.trace_id {
            raw(out, ",\"objectWriteTraceId\":");
            string(out, trace_id);
        }
        if let Some(hub_id) = beside.hub_id {
            raw(out, ",\"url\":");
            let url = format!(
                "https://app.hubspot.com/contacts/{hub_id}/record/{}/{id}",
                self.store.type_id
            );
            string(out, &url);
        }
    }
}

/// The text of the instant asked for last: the records of an answer mostly share theirs.
#[derive(Debug, Default)]
struct Moment {
    ms: i64,
    text: String,
}

impl Moment {
    fn text(&mut self, ms: i64) -> &str {
        if self.ms != ms || self.text.is_empty() {
            *self = Self { ms, text: iso(ms) };
        }
        &self.text
    }
}

struct Row<'o, 's> {
    out: &'o mut Vec<u8>,
    store: &'s ObjectStore,
    source: &'s [PropertyId],
    record: &'s Record,
    id: &'s str,
    created: &'s str,
    updated: &'s str,
    first: bool,
}

impl Row<'_, '_> {
    fn properties(&mut self, shown: Shown<'_>) {
        let store = self.store;
        let content = &self.record.content;
        match shown {
            Shown::Created => {
                for stored in content.iter().filter(|stored| !stored.text.is_empty()) {
                    self.stored(stored.property, stored.text);
                }
                for property in self.source {
                    self.asked(*property);
                }
            }
            Shown::Written(written) => {
                for property in written {
                    self.stored(*property, content.get(*property).unwrap_or_default());
                }
            }
            Shown::Asked(asked) => {
                for property in asked {
                    self.asked(*property);
                }
                for property in store.system.iter().filter(|property| !asked.contains(property)) {
                    self.asked(*property);
                }
                return;
            }
        }
        for property in &store.system {
            self.asked(*property);
        }
    }

    fn asked(&mut self, property: PropertyId) {
        match self.store.definitions.derived(property) {
            Some(derived) => {
                let text = match derived {
                    Derived::Created => self.created,
                    Derived::Modified => self.updated,
                    Derived::Id => self.id,
                    Derived::Source => "INTEGRATION",
                    Derived::SourceId => "4720001",
                    Derived::SourceLabel => "Integration",
                };
                self.plain(property, text);
            }
            None => match self.record.content.get(property) {
                Some(text) => self.stored(property, text),
                None => {
                    self.member(property);
                    // In place of the text's first quote.
                    self.out.pop();
                    raw(self.out, "null");
                }
            },
        }
    }

    fn stored(&mut self, property: PropertyId, text: &str) {
        if self.record.content.has_escapes() {
            self.member(property);
            self.out.pop();
            string(self.out, text);
        } else {
            self.plain(property, text);
        }
    }

    /// A text without anything to escape.
    fn plain(&mut self, property: PropertyId, text: &str) {
        self.member(property);
        raw(self.out, text);
        self.out.push(b'"');
    }

    /// The beginning of a member, up to the first quote of its text.
    fn member(&mut self, property: PropertyId) {
        let member = self.store.definitions.member(property);
        let comma = usize::from(std::mem::take(&mut self.first));
        raw(self.out, member.get(comma..).unwrap_or_default());
    }
}
