//! The records of one object type and their indexes.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::definitions::{Definitions, PropertyId};
use super::record::{Content, Record, Standing};
use super::records::Records;
use super::unique::{Identity, UniqueIndex};

/// Number of a record within its store; never reused.
pub(super) type Slot = u32;

/// What kind of object it is: the vendor's own ones have rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Contact,
    Company,
    Custom,
}

/// A rule of the account's administrator, enforced on 2026-09 paths alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequiredRule {
    /// A new record needs the property.
    OnCreate(PropertyId),
    /// A record whose `when` has this value needs the property.
    When {
        property: PropertyId,
        when: PropertyId,
        value: String,
    },
}

/// A record's content as it was before a write: what a lagging search index still shows.
#[derive(Debug)]
pub(super) struct Overwritten {
    pub(super) at: i64,
    pub(super) slot: Slot,
    pub(super) standing: Standing,
    pub(super) content: Content,
    pub(super) updated: i64,
}

/// The records of one object type.
#[derive(Debug)]
pub(super) struct ObjectStore {
    /// Type id such as `0-1`.
    pub(super) type_id: String,
    /// Names accepted in paths.
    pub(super) names: Vec<String>,
    /// Name in messages, such as `CONTACT`.
    pub(super) label: String,
    pub(super) kind: Kind,
    pub(super) definitions: Definitions,
    /// Properties the schema requires of a new record.
    pub(super) required: Vec<PropertyId>,
    pub(super) rules: Vec<RequiredRule>,
    /// `email` of contacts.
    pub(super) email: Option<PropertyId>,
    pub(super) additional_emails: Option<PropertyId>,
    pub(super) merged_ids: Option<PropertyId>,
    pub(super) lifecycle: Option<PropertyId>,
    pub(super) unique_ignores_case: bool,
    /// How long overwritten contents are kept, in milliseconds.
    pub(super) lag: i64,
    /// Properties read when none are asked for.
    pub(super) defaults: Vec<PropertyId>,
    /// Properties in every answer: creation, change, id.
    pub(super) system: Vec<PropertyId>,
    records: Records,
    unique: Vec<(PropertyId, UniqueIndex)>,
    overwritten: VecDeque<Overwritten>,
    live: usize,
    next_id: u64,
}

impl ObjectStore {
    pub(super) fn new(
        type_id: &str,
        names: &[&str],
        kind: Kind,
        definitions: Definitions,
        first_id: u64,
    ) -> Self {
        let (label, defaults): (&str, &[&str]) = match kind {
            Kind::Contact => (
                "CONTACT",
                &[
                    "createdate",
                    "email",
                    "firstname",
                    "hs_object_id",
                    "lastmodifieddate",
                    "lastname",
                ],
            ),
            Kind::Company => (
                "COMPANY",
                &[
                    "name",
                    "domain",
                    "createdate",
                    "hs_lastmodifieddate",
                    "hs_object_id",
                ],
            ),
            Kind::Custom => (type_id, &["hs_createdate", "hs_lastmodifieddate", "hs_object_id"]),
        };
        let defaults = defaults
            .iter()
            .filter_map(|name| definitions.find(name))
            .collect();
        let system = [
            "createdate",
            "hs_createdate",
            "hs_object_id",
            "lastmodifieddate",
            "hs_lastmodifieddate",
        ]
        .iter()
        .filter_map(|name| definitions.find(name))
        .collect();
        let contact = kind == Kind::Contact;
        let mut store = Self {
            type_id: type_id.into(),
            names: names.iter().map(|name| (*name).into()).collect(),
            label: label.into(),
            kind,
            email: definitions.find("email").filter(|_| contact),
            additional_emails: definitions.find("hs_additional_emails").filter(|_| contact),
            merged_ids: definitions.find("hs_merged_object_ids"),
            lifecycle: definitions.find("lifecyclestage"),
            definitions,
            required: Vec::new(),
            rules: Vec::new(),
            unique_ignores_case: false,
            lag: 0,
            defaults,
            system,
            records: Records::new(first_id),
            unique: Vec::new(),
            overwritten: VecDeque::new(),
            live: 0,
            next_id: first_id,
        };
        store.index_unique_properties();
        store
    }

    /// Opens an index for every property whose values identify records.
    pub(super) fn index_unique_properties(&mut self) {
        let names: Vec<_> = self
            .definitions
            .iter()
            .filter(|property| property.has_unique_value)
            .filter_map(|property| self.definitions.find(&property.name))
            .filter(|id| self.definitions.derived(*id).is_none())
            .collect();
        for id in names {
            if !self.is_unique(id) {
                self.unique.push((id, UniqueIndex::default()));
            }
        }
    }

    #[inline]
    pub(super) fn is_unique(&self, property: PropertyId) -> bool {
        self.unique.iter().any(|(unique, _)| *unique == property)
    }

    /// The form in which a unique value is compared.
    #[inline]
    pub(super) fn comparable<'a>(&self, property: PropertyId, value: &'a str) -> Cow<'a, str> {
        let fold = self.unique_ignores_case || Some(property) == self.email;
        let is_lower = || {
            value
                .bytes()
                .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
        };
        if fold && !is_lower() {
            Cow::Owned(value.to_lowercase())
        } else {
            Cow::Borrowed(value)
        }
    }

    /// The live record that has this (comparable) unique value, as primary or secondary address.
    pub(super) fn by_unique(&self, property: PropertyId, value: &str) -> Option<Slot> {
        let (_, index) = self.unique.iter().find(|(unique, _)| *unique == property)?;
        index.get(self.identity(property), &self.records, value)
    }

    #[inline]
    pub(super) fn record(&self, slot: Slot) -> Option<&Record> {
        self.records.get(slot)
    }

    /// The slot of a record id, whatever its standing.
    pub(super) fn slot(&self, id: &str) -> Option<Slot> {
        // Ids are plain digits: no sign, no leading zero.
        if id.starts_with(['+', '0']) {
            return None;
        }
        self.records.slot(id.parse().ok()?)
    }

    /// The live record of an id; old ids of merged records are followed only if asked.
    pub(super) fn live(&self, id: &str, follow_merges: bool) -> Option<Slot> {
        let mut slot = self.slot(id)?;
        loop {
            match self.record(slot)?.standing {
                Standing::Live => return Some(slot),
                Standing::Merged(into) if follow_merges => slot = into,
                _ => return None,
            }
        }
    }

    /// Records in order of their ids, whatever their standing.
    pub(super) fn records(&self) -> impl Iterator<Item = (Slot, &Record)> {
        self.records.from(0)
    }

    /// Records from `slot` on.
    pub(super) fn records_from(&self, slot: Slot) -> impl Iterator<Item = (Slot, &Record)> {
        self.records.from(slot)
    }

    /// How many records are live.
    pub(super) fn live_count(&self) -> usize {
        self.live
    }

    /// Adds a record. Values must be validated and free.
    pub(super) fn create<S: AsRef<str>>(&mut self, writes: &[(PropertyId, S)], now: i64) -> Slot {
        let id = self.next_id;
        self.next_id += 1;
        self.insert(Record {
            id,
            created: now,
            updated: now,
            standing: Standing::Live,
            content: Content::default().written(writes, now),
        })
    }

    /// The slot the next record will have.
    pub(super) fn next_slot(&self) -> Slot {
        self.records.next_slot()
    }

    /// Adds a record as it is.
    pub(super) fn insert(&mut self, record: Record) -> Slot {
        self.next_id = self.next_id.max(record.id + 1);
        let live = record.standing == Standing::Live;
        let slot = self.records.push(record);
        if live {
            self.live += 1;
            self.index(slot);
        }
        slot
    }

    /// Writes values of a live record.
    pub(super) fn update<S: AsRef<str>>(&mut self, slot: Slot, writes: &[(PropertyId, S)], now: i64) {
        let touches_index = writes
            .iter()
            .any(|(property, _)| self.is_unique(*property) || Some(*property) == self.additional_emails);
        if touches_index {
            self.unindex(slot);
        }
        if let Some(record) = self.records.get_mut(slot) {
            let after = record.content.written(writes, now);
            let before = std::mem::replace(&mut record.content, after);
            let updated = std::mem::replace(&mut record.updated, now);
            let standing = record.standing;
            self.remember(Overwritten {
                at: now,
                slot,
                standing,
                content: before,
                updated,
            });
        }
        if touches_index {
            self.index(slot);
        }
    }

    /// Takes a live record out of use; its unique values become free.
    pub(super) fn retire(&mut self, slot: Slot, standing: Standing, now: i64) {
        self.unindex(slot);
        if let Some(record) = self.records.get_mut(slot) {
            if record.standing == Standing::Live {
                self.live -= 1;
            }
            let before = std::mem::replace(&mut record.standing, standing);
            let content = if standing == Standing::Erased {
                std::mem::take(&mut record.content);
                Content::default()
            } else {
                record.content.clone()
            };
            let updated = record.updated;
            if standing != Standing::Erased {
                self.remember(Overwritten {
                    at: now,
                    slot,
                    standing: before,
                    content,
                    updated,
                });
            }
        }
    }

    fn remember(&mut self, overwritten: Overwritten) {
        if self.lag == 0 {
            return;
        }
        let horizon = overwritten.at - self.lag;
        while self.overwritten.front().is_some_and(|old| old.at <= horizon) {
            self.overwritten.pop_front();
        }
        self.overwritten.push_back(overwritten);
    }

    /// Contents overwritten after `horizon`, oldest first.
    pub(super) fn overwritten_since(&self, horizon: i64) -> impl Iterator<Item = &Overwritten> {
        self.overwritten.iter().filter(move |old| old.at > horizon)
    }

    fn identity(&self, property: PropertyId) -> Identity {
        let is_email = Some(property) == self.email;
        Identity {
            property,
            others: self.additional_emails.filter(|_| is_email),
            // E-mail addresses are stored in lower case already.
            folds_case: self.unique_ignores_case && !is_email,
        }
    }

    fn index(&mut self, slot: Slot) {
        self.each_index(|index, identity, records| index.add(identity, records, slot));
    }

    fn unindex(&mut self, slot: Slot) {
        self.each_index(|index, identity, records| index.remove(identity, records, slot));
    }

    fn each_index(&mut self, mut each: impl FnMut(&mut UniqueIndex, Identity, &Records)) {
        let mut unique = std::mem::take(&mut self.unique);
        for (property, index) in &mut unique {
            each(index, self.identity(*property), &self.records);
        }
        self.unique = unique;
    }
}
