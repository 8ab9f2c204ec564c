//! Keeping an account between two runs: one JSON file in the data folder.

use std::collections::BTreeSet;
use std::io;

use serde::{Deserialize, Serialize};

use crate::snapshot::{read, unreadable, write};

use super::account::Account;
use super::definitions::{Group, Property};
use super::lists::{List, Lists};
use super::record::{Content, Record, Standing, Stored};
use super::store::{Kind, ObjectStore};

const FORMAT: u32 = 1;
const FILE: &str = "hubspot.json";

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    objects: Vec<SavedObject>,
    lists: Vec<List>,
    blocked: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
struct SavedObject {
    /// Short name of a custom type.
    name: String,
    label: String,
    custom: bool,
    properties: Vec<Property>,
    groups: Vec<Group>,
    required: Vec<String>,
    records: Vec<SavedRecord>,
}

#[derive(Serialize, Deserialize)]
struct SavedRecord {
    id: u64,
    created: i64,
    updated: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archived: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merged_into: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// Property number, value, time of its last change.
    values: Vec<(u16, String, i64)>,
}

/// Writes the account to its folder, whole or not at all.
pub(super) fn save(account: &Account) -> io::Result<()> {
    let Some(folder) = &account.options.data else {
        return Ok(());
    };
    let saved = {
        let state = account.state();
        Saved {
            format: FORMAT,
            objects: state.objects.iter().map(saved_object).collect(),
            lists: state.lists.all.clone(),
            blocked: state.blocked.iter().cloned().collect(),
        }
    };
    write(folder, FILE, &saved)
}

fn saved_object(store: &ObjectStore) -> SavedObject {
    let qualified = store.names.first().map_or("", String::as_str);
    let custom = store.kind == Kind::Custom;
    let name = if custom {
        qualified.split_once('_').map_or(qualified, |(_, name)| name)
    } else {
        qualified
    };
    SavedObject {
        name: name.to_owned(),
        label: store.label.clone(),
        custom,
        properties: store.definitions.iter().cloned().collect(),
        groups: store.definitions.groups.clone(),
        required: store
            .required
            .iter()
            .map(|id| store.definitions.name(*id).to_owned())
            .collect(),
        records: store.records().map(|(_, record)| saved_record(record)).collect(),
    }
}

fn saved_record(record: &Record) -> SavedRecord {
    let (archived, merged_into) = match record.standing {
        Standing::Live | Standing::Erased => (None, None),
        Standing::Archived(at) => (Some(at), None),
        Standing::Merged(into) => (None, Some(into)),
    };
    SavedRecord {
        id: record.id,
        created: record.created,
        updated: record.updated,
        archived,
        merged_into,
        erased: record.standing == Standing::Erased,
        values: record
            .content
            .iter()
            .map(|stored| (stored.property, stored.text.to_owned(), stored.changed))
            .collect(),
    }
}

/// Reads the account's folder, if there is one and it was saved before.
pub(super) fn load(account: &Account) -> io::Result<()> {
    let Some(folder) = &account.options.data else {
        return Ok(());
    };
    let Some(saved) = read::<Saved>(folder, FILE)? else {
        return Ok(());
    };
    if saved.format != FORMAT {
        let reason = format!("format {} is not {FORMAT}", saved.format);
        return Err(unreadable(folder, FILE, &reason));
    }
    let now = account.desk.now_ms();
    let mut state = account.state();
    for object in saved.objects {
        let position = if object.custom {
            state.add_custom_type(&account.options, &object.name, &object.label, now)
        } else {
            state
                .object(&object.name)
                .ok_or_else(|| unreadable(folder, FILE, &format!("object type {}", object.name)))?
        };
        if let Some(store) = state.objects.get_mut(position) {
            restore(store, object);
        }
    }
    state.lists = Lists { all: saved.lists };
    state.blocked = saved.blocked.into_iter().collect();
    Ok(())
}

/// Definitions are put back in their old order, so that property numbers stay what they were.
fn restore(store: &mut ObjectStore, object: SavedObject) {
    for property in object.properties {
        store.definitions.put(property);
    }
    store.definitions.groups = object.groups;
    store.index_unique_properties();
    store.required = object
        .required
        .iter()
        .filter_map(|name| store.definitions.find(name))
        .collect();
    for record in object.records {
        let standing = match (record.erased, record.archived, record.merged_into) {
            (true, ..) => Standing::Erased,
            (_, Some(at), _) => Standing::Archived(at),
            (.., Some(into)) => Standing::Merged(into),
            _ => Standing::Live,
        };
        let values = record.values.iter().map(|(property, text, changed)| Stored {
            property: *property,
            text,
            changed: *changed,
        });
        store.insert(Record {
            id: record.id,
            created: record.created,
            updated: record.updated,
            standing,
            content: Content::restored(values),
        });
    }
}
