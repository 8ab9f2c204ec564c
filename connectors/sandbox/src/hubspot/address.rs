//! Which records the inputs of a batch write go to.

use std::borrow::Cow;

use foldhash::{HashSet, HashSetExt};

use super::batch::{Batch, duplicates, not_unique};
use super::definitions::PropertyId;
use super::errors::ApiError;
use super::options::SecondaryEmail;
use super::store::{ObjectStore, Slot};
use super::write::{Keys, Target};

/// Where an input goes.
pub(super) struct Address<'a> {
    pub(super) id: &'a str,
    /// Property and value it is addressed by, if not by record id.
    pub(super) key: Option<(PropertyId, &'a str)>,
    /// `None`: an id that leads nowhere.
    pub(super) target: Option<Target>,
}

/// Finds out where an input goes.
pub(super) fn address<'a>(
    store: &ObjectStore,
    batch: Batch,
    id: Option<&'a str>,
    id_property: Option<&str>,
) -> Result<Address<'a>, ApiError> {
    let id = id.unwrap_or_default();
    if batch == Batch::Create {
        return Ok(Address {
            id,
            key: None,
            target: Some(Target::New),
        });
    }
    let Some(name) = id_property else {
        let target = store.live(id, false).map(Target::Existing);
        return Ok(Address {
            id,
            key: None,
            target,
        });
    };
    let property = store.definitions.live(name).map(|(property, _)| property);
    // E-mail addresses may key an upsert, but an update needs record ids or a custom property.
    let by_email = property.is_some() && property == store.email;
    let Some(property) =
        property.filter(|property| store.is_unique(*property) && !(by_email && batch == Batch::Update))
    else {
        return Err(not_unique(store, name));
    };
    if id.is_empty() {
        return Err(ApiError::validation("An id must not be empty"));
    }
    let found = store
        .by_unique(property, &store.comparable(property, id))
        .map(Target::Existing);
    let target = if batch == Batch::Upsert {
        found.or(Some(Target::New))
    } else {
        found
    };
    Ok(Address {
        id,
        key: Some((property, id)),
        target,
    })
}

/// Refuses a batch that names a record twice, and gives what its inputs are addressed by.
pub(super) fn check_duplicates<'a>(
    store: &ObjectStore,
    addresses: &[Address<'a>],
    secondary: SecondaryEmail,
) -> Result<Keys<'a>, ApiError> {
    let mut ids = Keys::with_capacity(addresses.len());
    let mut slots = HashSet::with_capacity(addresses.len());
    for address in addresses {
        match address.key {
            Some((property, value)) => {
                let comparable = store.comparable(property, value);
                if !ids.insert((Some(property), comparable)) {
                    return Err(duplicates(address.id));
                }
            }
            None if address.target != Some(Target::New) && !ids.insert((None, Cow::Borrowed(address.id))) => {
                return Err(duplicates(address.id));
            }
            None => {}
        }
        // Two keys of one record, such as its primary and its secondary address.
        if let Some(Target::Existing(slot)) = address.target {
            if !slots.insert(slot) {
                return Err(duplicates(address.id));
            }
            refuse_secondary(store, address, slot, secondary)?;
        }
    }
    Ok(ids)
}

fn refuse_secondary(
    store: &ObjectStore,
    address: &Address<'_>,
    slot: Slot,
    secondary: SecondaryEmail,
) -> Result<(), ApiError> {
    let Some((property, value)) = address.key.filter(|(property, _)| Some(*property) == store.email) else {
        return Ok(());
    };
    if secondary == SecondaryEmail::Match {
        return Ok(());
    }
    let record = store.record(slot);
    let primary = record.and_then(|record| record.content.get(property));
    if primary == Some(store.comparable(property, value).as_ref()) {
        return Ok(());
    }
    let owner = record.map_or(0, |record| record.id);
    Err(ApiError::validation(format!(
        "Cannot set email of a new record. {owner} already has that value."
    )))
}
