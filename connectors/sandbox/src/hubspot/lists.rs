//! Lists and their members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a list gets its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProcessingType {
    /// By hand or through the API.
    Manual,
    /// By filters; membership calls are refused.
    Dynamic,
    /// By filters once, then as manual.
    Snapshot,
}

/// One list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct List {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) object_type_id: String,
    pub(super) processing: ProcessingType,
    pub(super) version: u32,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) deleted: Option<i64>,
    /// Record id and when it joined.
    pub(super) members: BTreeMap<u64, i64>,
}

/// All lists of the account.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) all: Vec<List>,
}

impl Lists {
    /// Adds a list and gives its id.
    pub(super) fn add(
        &mut self,
        name: &str,
        object_type_id: &str,
        processing: ProcessingType,
        now: i64,
    ) -> u64 {
        let id = self.all.last().map_or(1, |list| list.id + 1);
        self.all.push(List {
            id,
            name: name.into(),
            object_type_id: object_type_id.into(),
            processing,
            version: 1,
            created: now,
            updated: now,
            deleted: None,
            members: BTreeMap::new(),
        });
        id
    }

    /// A list by id, deleted ones included.
    pub(super) fn any_mut(&mut self, id: &str) -> Option<&mut List> {
        self.all.iter_mut().find(|list| list.id.to_string() == id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut List> {
        self.any_mut(id).filter(|list| list.deleted.is_none())
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &List> {
        self.all.iter().filter(|list| list.deleted.is_none())
    }

    pub(super) fn get(&self, id: &str) -> Option<&List> {
        self.live().find(|list| list.id.to_string() == id)
    }

    /// A list by name; names are unique in the account, whatever the case.
    pub(super) fn named(&self, name: &str) -> Option<&List> {
        let name = name.to_lowercase();
        self.live().find(|list| list.name.to_lowercase() == name)
    }

    /// Members that were merged are replaced by the result.
    pub(super) fn replace(&mut self, type_id: &str, old: &[u64], new: u64, now: i64) {
        for list in self.all.iter_mut().filter(|list| list.object_type_id == type_id) {
            let mut joined = None;
            for id in old {
                joined = list.members.remove(id).or(joined);
            }
            if joined.is_some() {
                list.members.insert(new, joined.unwrap_or(now));
            }
        }
    }

    /// An erased record leaves every list.
    pub(super) fn forget(&mut self, type_id: &str, record: u64) {
        for list in self.all.iter_mut().filter(|list| list.object_type_id == type_id) {
            list.members.remove(&record);
        }
    }
}
