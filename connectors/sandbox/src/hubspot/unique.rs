//! Which record has a unique value. Values are not kept twice: the index holds hashes of them, and looks
//! at the records to tell values of one hash apart.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::definitions::PropertyId;
use super::record::Record;
use super::records::Records;
use super::store::Slot;

/// The values that identify a record by one property.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) property: PropertyId,
    /// A property of further values, separated by `;`: secondary addresses.
    pub(super) others: Option<PropertyId>,
    /// Whether stored values are compared in lower case.
    pub(super) folds_case: bool,
}

impl Identity {
    /// Every value of the record, in the form in which they are compared.
    fn each(self, record: &Record, mut each: impl FnMut(&str)) {
        if let Some(value) = record.content.get(self.property) {
            if self.folds_case {
                each(&value.to_lowercase());
            } else {
                each(value);
            }
        }
        if let Some(others) = self.others.and_then(|others| record.content.get(others)) {
            others.split(';').for_each(each);
        }
    }

    fn has(self, record: &Record, value: &str) -> bool {
        let mut found = false;
        self.each(record, |stored| found |= stored == value);
        found
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    slot: Slot,
}

impl Entry {
    /// The table takes its place from the lower bits and tells neighbours apart by the upper ones.
    fn place(self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }

    fn is_of(self, hash: u32, value: &str, identity: Identity, records: &Records) -> bool {
        self.hash == hash
            && records
                .get(self.slot)
                .is_some_and(|record| identity.has(record, value))
    }
}

/// Who has which value of one identity.
#[derive(Debug, Default)]
pub(super) struct UniqueIndex {
    entries: HashTable<Entry>,
    hasher: RandomState,
}

impl UniqueIndex {
    fn entry(&self, value: &str, slot: Slot) -> Entry {
        // Half of a hash is enough: the value itself decides.
        #[allow(clippy::cast_possible_truncation)]
        let hash = self.hasher.hash_one(value) as u32;
        Entry { hash, slot }
    }

    /// The record that has this (comparable) value.
    pub(super) fn get(&self, identity: Identity, records: &Records, value: &str) -> Option<Slot> {
        if self.entries.is_empty() {
            return None;
        }
        let wanted = self.entry(value, 0);
        self.entries
            .find(wanted.place(), |entry| {
                entry.is_of(wanted.hash, value, identity, records)
            })
            .map(|entry| entry.slot)
    }

    /// Gives the record's values to it.
    pub(super) fn add(&mut self, identity: Identity, records: &Records, slot: Slot) {
        let Some(record) = records.get(slot) else { return };
        identity.each(record, |value| {
            let new = self.entry(value, slot);
            let known = self.entries.find_mut(new.place(), |entry| {
                entry.is_of(new.hash, value, identity, records)
            });
            match known {
                Some(known) => known.slot = slot,
                None => {
                    self.entries
                        .insert_unique(new.place(), new, |entry| entry.place());
                }
            }
        });
    }

    /// Makes the record's values free. It must still have them.
    pub(super) fn remove(&mut self, identity: Identity, records: &Records, slot: Slot) {
        let Some(record) = records.get(slot) else { return };
        identity.each(record, |value| {
            let old = self.entry(value, slot);
            let known = self.entries.find_entry(old.place(), |entry| {
                entry.is_of(old.hash, value, identity, records)
            });
            if let Ok(known) = known
                && known.get().slot == slot
            {
                known.remove();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hubspot::record::{Content, Standing};

    const EMAIL: Identity = Identity {
        property: 0,
        others: Some(1),
        folds_case: false,
    };

    fn records(values: &[(&str, &str)]) -> Records {
        let mut records = Records::new(1);
        for (id, (first, others)) in (1..).zip(values) {
            records.push(Record {
                id,
                created: 0,
                updated: 0,
                standing: Standing::Live,
                content: Content::default().written(&[(0, *first), (1, *others)], 0),
            });
        }
        records
    }

    fn index(identity: Identity, records: &Records) -> UniqueIndex {
        let mut index = UniqueIndex::default();
        for (slot, _) in records.from(0) {
            index.add(identity, records, slot);
        }
        index
    }

    #[test]
    fn records_are_found_by_each_of_their_values() {
        let records = records(&[("ann@x.org", ""), ("bob@x.org", "rob@x.org;bert@x.org")]);
        let mut index = index(EMAIL, &records);
        for (value, slot) in [
            ("ann@x.org", Some(0)),
            ("bob@x.org", Some(1)),
            ("bert@x.org", Some(1)),
            ("Ann@x.org", None),
            ("rob@x.org;bert@x.org", None),
            ("", None),
        ] {
            assert_eq!(index.get(EMAIL, &records, value), slot, "{value}");
        }
        index.remove(EMAIL, &records, 1);
        for (value, slot) in [("ann@x.org", Some(0)), ("bob@x.org", None), ("rob@x.org", None)] {
            assert_eq!(index.get(EMAIL, &records, value), slot, "{value}");
        }
    }

    #[test]
    fn case_is_folded_where_it_is_asked_for() {
        let records = records(&[("Key-1", "")]);
        let folding = Identity {
            others: None,
            folds_case: true,
            ..EMAIL
        };
        assert_eq!(index(folding, &records).get(folding, &records, "key-1"), Some(0));
        assert_eq!(index(EMAIL, &records).get(EMAIL, &records, "key-1"), None);
    }

    #[test]
    fn the_last_record_with_a_value_has_it() {
        let records = records(&[("ann@x.org", ""), ("ann@x.org", "")]);
        let mut index = index(EMAIL, &records);
        assert_eq!(index.get(EMAIL, &records, "ann@x.org"), Some(1));
        index.remove(EMAIL, &records, 0);
        assert_eq!(index.get(EMAIL, &records, "ann@x.org"), Some(1));
    }

    #[test]
    fn many_values_are_told_apart() {
        let values: Vec<String> = (0..5000).map(|n| format!("person-{n}@example.com")).collect();
        let pairs: Vec<(&str, &str)> = values.iter().map(|value| (value.as_str(), "")).collect();
        let records = records(&pairs);
        let index = index(EMAIL, &records);
        for (slot, value) in (0..).zip(&values) {
            assert_eq!(index.get(EMAIL, &records, value), Some(slot), "{value}");
        }
    }
}
