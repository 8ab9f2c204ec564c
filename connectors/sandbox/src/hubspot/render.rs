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

/// Appends one record as JSON.
pub(super) fn record(
    out: &mut Vec<u8>,
    store: &ObjectStore,
    slot: Slot,
    shown: Shown<'_>,
    beside: Beside<'_>,
) {
    if let Some(record) = store.record(slot) {
        write(out, store, record, shown, beside);
    }
}

/// Appends one record, which need not be the stored one: search shows older contents.
pub(super) fn write(
    out: &mut Vec<u8>,
    store: &ObjectStore,
    record: &Record,
    shown: Shown<'_>,
    beside: Beside<'_>,
) {
    let id = record.id.to_string();
    let (created, updated) = (iso(record.created), iso(record.updated));
    raw(out, "{\"id\":\"");
    raw(out, &id);
    raw(out, "\",\"properties\":{");
    let mut row = Row {
        out,
        store,
        record,
        id: &id,
        created: &created,
        updated: &updated,
        first: true,
    };
    row.properties(shown);
    let out = row.out;
    raw(out, "},\"createdAt\":\"");
    raw(out, &created);
    raw(out, "\",\"updatedAt\":\"");
    raw(out, &updated);
    match record.standing {
        Standing::Archived(at) => {
            raw(out, "\",\"archived\":true,\"archivedAt\":\"");
            raw(out, &iso(at));
            raw(out, "\"");
        }
        _ => raw(out, "\",\"archived\":false"),
    }
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
            store.type_id
        );
        string(out, &url);
    }
    raw(out, "}");
}

struct Row<'o, 's> {
    out: &'o mut Vec<u8>,
    store: &'s ObjectStore,
    record: &'s Record,
    id: &'s str,
    created: &'s str,
    updated: &'s str,
    first: bool,
}

impl Row<'_, '_> {
    fn properties(&mut self, shown: Shown<'_>) {
        let store = self.store;
        match shown {
            Shown::Created => {
                for stored in self
                    .record
                    .content
                    .iter()
                    .filter(|stored| !stored.text.is_empty())
                {
                    self.text(stored.property, stored.text);
                }
                for name in [
                    "hs_object_source",
                    "hs_object_source_id",
                    "hs_object_source_label",
                    "hs_all_contact_vids",
                ] {
                    if let Some(property) = store.definitions.find(name) {
                        self.asked(property);
                    }
                }
            }
            Shown::Written(written) => {
                for property in written {
                    self.text(*property, self.record.content.get(*property).unwrap_or_default());
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
                self.text(property, text);
            }
            None => match self.record.content.get(property) {
                Some(text) => self.text(property, text),
                None => {
                    self.name(property);
                    raw(self.out, "null");
                }
            },
        }
    }

    fn name(&mut self, property: PropertyId) {
        if !std::mem::take(&mut self.first) {
            raw(self.out, ",");
        }
        // Names are lower-case letters, digits and underscores: nothing to escape.
        raw(self.out, "\"");
        raw(self.out, self.store.definitions.name(property));
        raw(self.out, "\":");
    }

    fn text(&mut self, property: PropertyId, text: &str) {
        self.name(property);
        string(self.out, text);
    }
}
