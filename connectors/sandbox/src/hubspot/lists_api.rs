//! The lists API.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::State;
use super::call::{Call, Handled, Reply};
use super::errors::ApiError;
use super::json::iso;
use super::lists::{List, ProcessingType};

/// Routes a call below `/crm/lists/{version}`.
pub(super) fn handle(call: &Call<'_>) -> Handled {
    let rest: Vec<&str> = call.rest.iter().map(AsRef::as_ref).collect();
    let on = |method: Method| {
        if call.method == method {
            Ok(())
        } else {
            Err(ApiError::no_method())
        }
    };
    let read = || call.require("crm.lists.read");
    let write = || call.require("crm.lists.write");
    // Membership changes ask for both.
    let change = || on(Method::PUT).and_then(|()| read()).and_then(|()| write());
    match rest.as_slice() {
        [] if call.method == Method::GET => read().and_then(|()| get_many(call)),
        [] => on(Method::POST)
            .and_then(|()| write())
            .and_then(|()| create(call)),
        ["search"] => on(Method::POST).and_then(|()| read()).and_then(|()| search(call)),
        ["object-type-id", type_id, "name", name] => {
            on(Method::GET).and_then(|()| read())?;
            let state = call.account.state();
            let list = state
                .lists
                .named(name)
                .filter(|list| list.object_type_id == *type_id);
            Ok(Reply::ok(
                &json!({ "list": view(list.ok_or_else(ApiError::not_found)?) }),
            ))
        }
        ["records", type_id, record, "memberships"] => on(Method::GET)
            .and_then(|()| read())
            .and_then(|()| memberships_of(call, type_id, record)),
        [id] if call.method == Method::GET => {
            read()?;
            let state = call.account.state();
            let list = state.lists.get(id).ok_or_else(ApiError::not_found)?;
            Ok(Reply::ok(&json!({ "list": view(list) })))
        }
        [id] => on(Method::DELETE)
            .and_then(|()| write())
            .and_then(|()| delete(call, id)),
        [id, "restore"] => on(Method::PUT)
            .and_then(|()| write())
            .and_then(|()| restore(call, id)),
        [id, "update-list-name"] => on(Method::PUT)
            .and_then(|()| write())
            .and_then(|()| rename(call, id)),
        [id, "memberships"] if call.method == Method::GET => read().and_then(|()| members(call, id)),
        [id, "memberships"] => on(Method::DELETE)
            .and_then(|()| write())
            .and_then(|()| empty(call, id)),
        [id, "memberships", "join-order"] => on(Method::GET)
            .and_then(|()| read())
            .and_then(|()| members(call, id)),
        [id, "memberships", "add"] => change().and_then(|()| {
            let add: Vec<Value> = call.parse()?;
            change_members(call, id, &add, &[])
        }),
        [id, "memberships", "remove"] => change().and_then(|()| {
            let remove: Vec<Value> = call.parse()?;
            change_members(call, id, &[], &remove)
        }),
        [id, "memberships", "add-and-remove"] => change().and_then(|()| {
            let both: AddAndRemove = call.parse()?;
            change_members(call, id, &both.record_ids_to_add, &both.record_ids_to_remove)
        }),
        [id, "memberships", "add-from", source] => change().and_then(|()| copy(call, id, source)),
        _ => Err(ApiError::no_route()),
    }
}

/// The list as the API shows it.
fn view(list: &List) -> Value {
    let mut body = json!({
        "listId": list.id.to_string(),
        "name": list.name,
        "objectTypeId": list.object_type_id,
        "processingType": list.processing,
        "processingStatus": "COMPLETE",
        "listVersion": list.version,
        "size": list.members.len(),
        "createdAt": iso(list.created),
        "updatedAt": iso(list.updated),
        "filtersUpdatedAt": iso(list.created),
        "createdById": "4720",
        "updatedById": "4720",
    });
    if let (Some(deleted), Some(body)) = (list.deleted, body.as_object_mut()) {
        body.insert("deletedAt".into(), json!(iso(deleted)));
    }
    body
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    object_type_id: String,
    processing_type: ProcessingType,
    filter_branch: Option<Value>,
}

fn name_taken(name: &str) -> ApiError {
    ApiError::validation(format!("List name {name} is already in use"))
        .with_sub_category("ILS.DUPLICATE_LIST_NAMES")
}

fn create(call: &Call<'_>) -> Handled {
    let body: Create = call.parse()?;
    let mut state = call.account.state();
    if body.name.trim().is_empty() {
        return Err(ApiError::validation("A list needs a name"));
    }
    if !state
        .objects
        .iter()
        .any(|store| store.type_id == body.object_type_id)
    {
        return Err(ApiError::validation(format!(
            "Unable to infer object type from: {}",
            body.object_type_id
        )));
    }
    if body.processing_type != ProcessingType::Manual && body.filter_branch.is_none() {
        return Err(ApiError::validation(
            "A list that is not MANUAL needs a filterBranch",
        ));
    }
    if state.lists.named(&body.name).is_some() {
        return Err(name_taken(&body.name));
    }
    let id = state
        .lists
        .add(&body.name, &body.object_type_id, body.processing_type, call.now);
    let list = state.lists.get(&id.to_string()).ok_or_else(ApiError::not_found)?;
    Ok(Reply::ok(&json!({ "list": view(list) })))
}

fn get_many(call: &Call<'_>) -> Handled {
    let ids = call.query_list("listIds");
    let state = call.account.state();
    let lists: Vec<Value> = state
        .lists
        .live()
        .filter(|list| ids.contains(&list.id.to_string()))
        .map(view)
        .collect();
    Ok(Reply::ok(&json!({ "lists": lists })))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Search {
    query: Option<String>,
    list_ids: Vec<String>,
    offset: usize,
    count: Option<usize>,
    processing_types: Vec<ProcessingType>,
    object_type_id: Option<String>,
}

fn search(call: &Call<'_>) -> Handled {
    let body: Search = call.parse()?;
    let count = body.count.unwrap_or(20);
    if !(1..=500).contains(&count) {
        return Err(ApiError::validation("count must be from 1 to 500"));
    }
    let query = body.query.unwrap_or_default().to_lowercase();
    let state = call.account.state();
    let found: Vec<&List> = state
        .lists
        .live()
        .filter(|list| list.name.to_lowercase().contains(&query))
        .filter(|list| body.list_ids.is_empty() || body.list_ids.contains(&list.id.to_string()))
        .filter(|list| body.processing_types.is_empty() || body.processing_types.contains(&list.processing))
        .filter(|list| {
            body.object_type_id
                .as_ref()
                .is_none_or(|wanted| *wanted == list.object_type_id)
        })
        .collect();
    let page: Vec<Value> = found
        .iter()
        .skip(body.offset)
        .take(count)
        .map(|list| {
            let mut body = view(list);
            if let Some(body) = body.as_object_mut() {
                body.shift_remove("size");
                body.insert(
                    "additionalProperties".into(),
                    json!({ "hs_list_size": list.members.len().to_string() }),
                );
            }
            body
        })
        .collect();
    let next = body.offset + page.len();
    Ok(Reply::ok(&json!({
        "lists": page,
        "offset": next,
        "hasMore": next < found.len(),
        "total": found.len(),
    })))
}

fn delete(call: &Call<'_>, id: &str) -> Handled {
    let mut state = call.account.state();
    state.lists.get_mut(id).ok_or_else(ApiError::not_found)?.deleted = Some(call.now);
    Ok(Reply::empty())
}

fn restore(call: &Call<'_>, id: &str) -> Handled {
    let mut state = call.account.state();
    let lists = &mut state.lists;
    let name = lists
        .any_mut(id)
        .map(|list| list.name.clone())
        .ok_or_else(ApiError::not_found)?;
    if lists.named(&name).is_some_and(|other| other.id.to_string() != id) {
        return Err(name_taken(&name));
    }
    if let Some(list) = lists.any_mut(id) {
        list.deleted = None;
    }
    Ok(Reply::empty())
}

fn rename(call: &Call<'_>, id: &str) -> Handled {
    let name = call.query("listName").filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| ApiError::validation("listName is missing"))?;
    let mut state = call.account.state();
    if state
        .lists
        .named(&name)
        .is_some_and(|other| other.id.to_string() != id)
    {
        return Err(name_taken(&name));
    }
    let list = state.lists.get_mut(id).ok_or_else(ApiError::not_found)?;
    list.name = name;
    list.version += 1;
    list.updated = call.now;
    Ok(Reply::ok(&json!({ "updatedList": view(list) })))
}

/// A list whose members may be changed through the API.
fn writable<'s>(state: &'s mut State, id: &str) -> Result<&'s mut List, ApiError> {
    let list = state.lists.get_mut(id).ok_or_else(ApiError::not_found)?;
    if list.processing == ProcessingType::Dynamic {
        return Err(ApiError::validation(format!(
            "List {id} has processing type DYNAMIC: its members cannot be changed by hand"
        ))
        .with_sub_category("ILS.INVALID_PROCESSING_TYPE"));
    }
    Ok(list)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddAndRemove {
    record_ids_to_add: Vec<Value>,
    record_ids_to_remove: Vec<Value>,
}

/// Record ids may be strings or numbers; e-mail addresses are not ids.
fn record_ids(ids: &[Value]) -> Result<Vec<String>, ApiError> {
    ids.iter()
        .map(|id| {
            let text = match id {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => String::new(),
            };
            let numeric = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            numeric.then_some(text).ok_or_else(|| {
                ApiError::validation("Invalid input JSON: the body must be an array of record ids")
            })
        })
        .collect()
}

fn change_members(call: &Call<'_>, id: &str, add: &[Value], remove: &[Value]) -> Handled {
    let (add, remove) = (record_ids(add)?, record_ids(remove)?);
    let mut guard = call.account.state();
    let state = &mut *guard;
    let type_id = writable(state, id)?.object_type_id.clone();
    let (mut added, mut removed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    let store = state.objects.iter().find(|store| store.type_id == type_id);
    let exists = |id: &str| store.is_some_and(|store| store.live(id, false).is_some());
    let Some(list) = state.lists.get_mut(id) else {
        return Err(ApiError::not_found());
    };
    for id in add {
        if !exists(&id) {
            missing.push(id);
        } else if let Ok(number) = id.parse()
            && !list.members.contains_key(&number)
        {
            list.members.insert(number, call.now);
            added.push(id);
        }
    }
    for id in remove {
        let member = id
            .parse()
            .ok()
            .and_then(|number: u64| list.members.remove(&number));
        if member.is_some() {
            removed.push(id);
        } else if !exists(&id) {
            missing.push(id);
        }
    }
    if !added.is_empty() || !removed.is_empty() {
        list.updated = call.now;
    }
    // `recordsIdsAdded` is the vendor's spelling.
    Ok(Reply::ok(&json!({
        "recordsIdsAdded": added,
        "recordIdsRemoved": removed,
        "recordIdsMissing": missing,
    })))
}

fn empty(call: &Call<'_>, id: &str) -> Handled {
    let mut state = call.account.state();
    let list = writable(&mut state, id)?;
    list.members.clear();
    list.updated = call.now;
    Ok(Reply::empty())
}

fn copy(call: &Call<'_>, id: &str, source: &str) -> Handled {
    let mut state = call.account.state();
    let members = state
        .lists
        .get(source)
        .ok_or_else(ApiError::not_found)?
        .members
        .clone();
    let list = writable(&mut state, id)?;
    for member in members.keys() {
        list.members.entry(*member).or_insert(call.now);
    }
    list.updated = call.now;
    Ok(Reply::empty())
}

fn members(call: &Call<'_>, id: &str) -> Handled {
    let limit = call.query_number("limit", 100, 250)?;
    let after: u64 = match call.query("after") {
        Some(after) => after
            .parse()
            .map_err(|_| ApiError::validation("after is not a known cursor"))?,
        None => 0,
    };
    let state = call.account.state();
    let list = state.lists.get(id).ok_or_else(ApiError::not_found)?;
    let mut page: Vec<(u64, i64)> = list
        .members
        .range(after..)
        .take(limit + 1)
        .map(|(id, joined)| (*id, *joined))
        .collect();
    let next = if page.len() > limit { page.pop() } else { None };
    let results: Vec<Value> = page
        .iter()
        .map(|(id, joined)| json!({ "recordId": id.to_string(), "membershipTimestamp": iso(*joined) }))
        .collect();
    let mut body = json!({ "results": results, "total": list.members.len() });
    if let (Some((id, _)), Some(body)) = (next, body.as_object_mut()) {
        body.insert("paging".into(), json!({ "next": { "after": id.to_string() } }));
    }
    Ok(Reply::json(StatusCode::OK, &body))
}

fn memberships_of(call: &Call<'_>, type_id: &str, record: &str) -> Handled {
    let Ok(record) = record.parse::<u64>() else {
        return Err(ApiError::not_found());
    };
    let state = call.account.state();
    let results: Vec<Value> = state
        .lists
        .live()
        .filter(|list| list.object_type_id == type_id)
        .filter_map(|list| {
            let joined = list.members.get(&record)?;
            Some(json!({
                "listId": list.id.to_string(),
                "listVersion": list.version,
                "firstAddedTimestamp": iso(*joined),
                "lastAddedTimestamp": iso(*joined),
            }))
        })
        .collect();
    Ok(Reply::ok(&json!({ "results": results, "total": results.len() })))
}
