//! Merging two records, and erasing one for good.

use std::borrow::Cow;

use hyper::StatusCode;
use serde::Deserialize;

use super::account::{Account, State};
use super::call::{Call, Handled, Reply};
use super::definitions::PropertyId;
use super::errors::ApiError;
use super::json::Text;
use super::objects::single;
use super::record::{Record, Standing, Stored};
use super::render::Shown;
use super::store::{ObjectStore, Slot};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergeBody<'a> {
    #[serde(borrow)]
    primary_object_id: Text<'a>,
    #[serde(borrow)]
    object_id_to_merge: Text<'a>,
}

/// `POST …/merge`.
pub(super) fn handle(call: &Call<'_>, object: usize) -> Handled {
    let body: MergeBody<'_> = call.parse()?;
    let mut state = call.account.state();
    let slot = merge(
        call.account,
        &mut state,
        object,
        &body.primary_object_id.0,
        &body.object_id_to_merge.0,
    )?;
    let store = state.objects.get(object).ok_or_else(ApiError::no_route)?;
    Ok(single(call, store, slot, Shown::Created, StatusCode::OK))
}

/// Merges the second record into the first and gives the slot of the result.
pub(super) fn merge(
    account: &Account,
    state: &mut State,
    object: usize,
    primary: &str,
    other: &str,
) -> Result<Slot, ApiError> {
    let now = account.desk.now_ms();
    let store = state.objects.get_mut(object).ok_or_else(ApiError::no_route)?;
    let primary = store.live(primary, true).ok_or_else(ApiError::not_found)?;
    let other = store.live(other, true).ok_or_else(ApiError::not_found)?;
    if primary == other {
        return Err(ApiError::validation("A record cannot be merged with itself"));
    }
    let (Some(first), Some(second)) = (store.record(primary).cloned(), store.record(other).cloned()) else {
        return Err(ApiError::not_found());
    };
    let writes = merged_values(store, &first, &second);
    let merged = if account.options.merge_keeps_primary_id {
        store.retire(other, Standing::Merged(primary), now);
        store.update(primary, &writes, now);
        primary
    } else {
        // The result is a new record; both old ids lead to it.
        let result = store.next_slot();
        store.retire(primary, Standing::Merged(result), now);
        store.retire(other, Standing::Merged(result), now);
        store.create(&writes, now)
    };
    let id = store.record(merged).map_or(0, |record| record.id);
    let type_id = store.type_id.clone();
    state.lists.replace(&type_id, &[first.id, second.id], id, now);
    Ok(merged)
}

/// The primary's values win; addresses and former ids of both are kept.
fn merged_values(store: &ObjectStore, first: &Record, second: &Record) -> Vec<(PropertyId, String)> {
    let kept = |stored: &Stored<'_>| {
        !stored.text.is_empty()
            && Some(stored.property) != store.additional_emails
            && Some(stored.property) != store.merged_ids
    };
    let mut writes: Vec<(PropertyId, String)> = first
        .content
        .iter()
        .filter(kept)
        .map(|stored| (stored.property, stored.text.to_owned()))
        .collect();
    for stored in second.content.iter().filter(kept) {
        if !writes.iter().any(|(property, _)| *property == stored.property) {
            writes.push((stored.property, stored.text.to_owned()));
        }
    }
    if let (Some(email), Some(additional)) = (store.email, store.additional_emails) {
        let primary = writes
            .iter()
            .find(|(property, _)| *property == email)
            .map(|(_, text)| text.clone());
        let mut others: Vec<&str> = Vec::new();
        let all = [
            first.content.get(additional),
            second.content.get(email),
            second.content.get(additional),
        ];
        for address in all.into_iter().flatten().flat_map(|list| list.split(';')) {
            if primary.as_deref() != Some(address) && !others.contains(&address) {
                others.push(address);
            }
        }
        if !others.is_empty() {
            writes.push((additional, others.join(";")));
        }
    }
    if let Some(merged_ids) = store.merged_ids {
        let mut ids: Vec<String> = [first, second]
            .into_iter()
            .filter_map(|record| record.content.get(merged_ids))
            .flat_map(|list| list.split(';').map(str::to_owned))
            .collect();
        ids.extend([first.id.to_string(), second.id.to_string()]);
        writes.push((merged_ids, ids.join(";")));
    }
    writes
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EraseBody<'a> {
    #[serde(borrow)]
    object_id: Text<'a>,
    #[serde(borrow)]
    id_property: Option<Text<'a>>,
}

/// `POST …/gdpr-delete`. An unknown address is put on the block list.
pub(super) fn erase(call: &Call<'_>, object: usize) -> Handled {
    let body: EraseBody<'_> = call.parse()?;
    let mut state = call.account.state();
    let State {
        objects,
        blocked,
        lists,
        ..
    } = &mut *state;
    let store = objects.get_mut(object).ok_or_else(ApiError::no_route)?;
    let id = body.object_id.0.as_ref();
    let slot = match &body.id_property {
        None => Some(store.live(id, true).ok_or_else(ApiError::not_found)?),
        Some(Text(name)) => {
            let property = store.definitions.live(name).map(|(property, _)| property);
            let Some(property) = property.filter(|property| store.is_unique(*property)) else {
                return Err(super::batch::not_unique(store, name));
            };
            let wanted: Cow<'_, str> = store.comparable(property, id);
            let found = store.by_unique(property, &wanted);
            if store.email == Some(property) {
                blocked.insert(wanted.into_owned());
            } else if found.is_none() {
                return Err(ApiError::not_found());
            }
            found
        }
    };
    if let Some(slot) = slot {
        let record_id = store.record(slot).map_or(0, |record| record.id);
        store.retire(slot, Standing::Erased, call.now);
        let type_id = store.type_id.clone();
        lists.forget(&type_id, record_id);
    }
    Ok(Reply::empty())
}
