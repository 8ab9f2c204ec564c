//! Records: single-record calls, batch read and archive, merge and erasure.

use std::borrow::Cow;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::account::State;
use super::batch::{
    self, Batch, Envelope, check_associations, check_count, check_properties, duplicates, not_found,
};
use super::call::{Call, Handled, Reply};
use super::definitions::PropertyId;
use super::errors::ApiError;
use super::json::{Properties, Text, raw, string};
use super::record::Standing;
use super::render::{Beside, Renderer, Shown};
use super::store::{Kind, ObjectStore, Slot};
use super::write::{Keys, Planner, Target};
use super::{merge, search};

/// Routes a call below `/crm/objects/{version}/`.
pub(super) fn handle(call: &Call<'_>) -> Handled {
    let rest: Vec<&str> = call.rest.iter().map(AsRef::as_ref).collect();
    let Some((&type_name, rest)) = rest.split_first() else {
        return Err(ApiError::no_route());
    };
    let (object, kind) = find_object(call, type_name)?;
    let read = || call.require(scope(kind, "read"));
    let write = || call.require(scope(kind, "write"));
    let post = || {
        if call.method == Method::POST {
            Ok(())
        } else {
            Err(ApiError::no_method())
        }
    };
    match rest {
        [] if call.method == Method::GET => read().and_then(|()| list(call, object)),
        [] if call.method == Method::POST => write().and_then(|()| create(call, object)),
        [] => Err(ApiError::no_method()),
        ["batch", name] => {
            let kind = match *name {
                "create" => Some(Batch::Create),
                "update" => Some(Batch::Update),
                "upsert" => Some(Batch::Upsert),
                "read" | "archive" => None,
                _ => return Err(ApiError::no_route()),
            };
            post()?;
            match kind {
                Some(kind) => write().and_then(|()| batch::write(call, object, kind)),
                None if *name == "read" => read().and_then(|()| batch_read(call, object)),
                None => write().and_then(|()| batch_archive(call, object)),
            }
        }
        ["search"] => post()
            .and_then(|()| read())
            .and_then(|()| search::handle(call, object)),
        ["merge"] => post()
            .and_then(|()| write())
            .and_then(|()| merge::handle(call, object)),
        ["gdpr-delete"] => post()
            .and_then(|()| write())
            .and_then(|()| merge::erase(call, object)),
        [id] => match *call.method {
            Method::GET => read().and_then(|()| get(call, object, id)),
            Method::PATCH => write().and_then(|()| update(call, object, id)),
            Method::DELETE => write().and_then(|()| archive(call, object, id)),
            _ => Err(ApiError::no_method()),
        },
        _ => Err(ApiError::no_route()),
    }
}

/// The store a path names, or the vendor's refusal.
pub(super) fn find_object(call: &Call<'_>, name: &str) -> Result<(usize, Kind), ApiError> {
    let state = call.account.state();
    let found = state.object(name);
    found
        .and_then(|position| state.objects.get(position).map(|store| (position, store.kind)))
        .ok_or_else(|| ApiError::validation(format!("Unable to infer object type from: {name}")))
}

fn scope(kind: Kind, action: &str) -> String {
    format!("crm.objects.{}.{action}", scope_name(kind))
}

/// How scopes call an object type.
pub(super) fn scope_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Contact => "contacts",
        Kind::Company => "companies",
        Kind::Custom => "custom",
    }
}

/// Properties asked for by name; unknown ones are left out without a word.
fn asked(store: &ObjectStore, names: &[impl AsRef<str>]) -> Vec<PropertyId> {
    if names.is_empty() {
        return store.defaults.clone();
    }
    let mut asked = Vec::with_capacity(names.len());
    for name in names {
        if let Some((id, _)) = store.definitions.live(name.as_ref())
            && !asked.contains(&id)
        {
            asked.push(id);
        }
    }
    asked
}

fn with_store<T>(
    call: &Call<'_>,
    object: usize,
    body: impl FnOnce(&mut ObjectStore) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let mut state = call.account.state();
    state
        .objects
        .get_mut(object)
        .ok_or_else(ApiError::no_route)
        .and_then(body)
}

fn list(call: &Call<'_>, object: usize) -> Handled {
    let limit = call.query_number("limit", 10, 100)?;
    let archived = call.query_flag("archived");
    let after = match call.query("after") {
        Some(after) => Some(
            after
                .parse::<Slot>()
                .map_err(|_| ApiError::validation("after is not a known cursor"))?,
        ),
        None => None,
    };
    with_store(call, object, |store| {
        let asked = asked(store, &call.query_list("properties"));
        let mut out = b"{\"results\":[".to_vec();
        let mut renderer = Renderer::new(store);
        let mut count = 0;
        let mut next = None;
        for (slot, record) in store.records_from(after.unwrap_or(0)) {
            let wanted = match record.standing {
                Standing::Live => !archived,
                Standing::Archived(_) => archived,
                Standing::Merged(_) | Standing::Erased => false,
            };
            if !wanted {
                continue;
            }
            if count == limit {
                next = Some(slot);
                break;
            }
            if count > 0 {
                raw(&mut out, ",");
            }
            count += 1;
            renderer.record(&mut out, slot, Shown::Asked(&asked), Beside::default());
        }
        raw(&mut out, "]");
        if let Some(next) = next {
            raw(&mut out, ",\"paging\":{\"next\":{\"after\":");
            string(&mut out, &next.to_string());
            raw(&mut out, "}}");
        }
        raw(&mut out, "}");
        Ok(Reply {
            status: StatusCode::OK,
            body: out,
        })
    })
}

/// The record a single call addresses; ids of merged records are followed.
fn find(call: &Call<'_>, store: &ObjectStore, id: &str) -> Result<Slot, ApiError> {
    let Some(name) = call.query("idProperty") else {
        return store.live(id, true).ok_or_else(ApiError::not_found);
    };
    let property = store.definitions.live(&name).map(|(property, _)| property);
    let Some(property) = property.filter(|property| store.is_unique(*property)) else {
        return Err(ApiError::validation(format!(
            "{name} is not a unique property of {}",
            store.type_id
        )));
    };
    store
        .by_unique(property, &store.comparable(property, id))
        .ok_or_else(ApiError::not_found)
}

fn get(call: &Call<'_>, object: usize, id: &str) -> Handled {
    with_store(call, object, |store| {
        let slot = if call.query_flag("archived") {
            let slot = store.slot(id).filter(|slot| {
                store
                    .record(*slot)
                    .is_some_and(|record| matches!(record.standing, Standing::Archived(_)))
            });
            slot.ok_or_else(ApiError::not_found)?
        } else {
            find(call, store, id)?
        };
        let asked = asked(store, &call.query_list("properties"));
        Ok(single(call, store, slot, Shown::Asked(&asked), StatusCode::OK))
    })
}

/// One record as an answer.
pub(super) fn single(
    call: &Call<'_>,
    store: &ObjectStore,
    slot: Slot,
    shown: Shown<'_>,
    status: StatusCode,
) -> Reply {
    let mut body = Vec::with_capacity(512);
    let beside = Beside {
        hub_id: Some(call.account.options.hub_id),
        ..Beside::default()
    };
    Renderer::new(store).record(&mut body, slot, shown, beside);
    Reply { status, body }
}

#[derive(Deserialize)]
struct SingleBody<'a> {
    #[serde(borrow)]
    properties: Properties<'a>,
    associations: Option<Vec<IgnoredAny>>,
}

fn create(call: &Call<'_>, object: usize) -> Handled {
    let body: SingleBody<'_> = call.parse()?;
    let options = &call.account.options;
    check_properties(&body.properties, options.null_value)?;
    check_associations(body.associations.as_deref())?;
    let mut state = call.account.state();
    let State { objects, blocked, .. } = &mut *state;
    let store = objects.get_mut(object).ok_or_else(ApiError::no_route)?;
    let writes = Planner::new(store, options, blocked, call.version, Keys::default())
        .plan(Target::New, None, body.properties)
        .map_err(|refusal| refusal.error(options.hub_id))?;
    let slot = batch::create(store, writes, call.now);
    Ok(single(call, store, slot, Shown::Created, StatusCode::CREATED))
}

fn update(call: &Call<'_>, object: usize, id: &str) -> Handled {
    let body: SingleBody<'_> = call.parse()?;
    let options = &call.account.options;
    check_properties(&body.properties, options.null_value)?;
    let mut state = call.account.state();
    let State { objects, blocked, .. } = &mut *state;
    let store = objects.get_mut(object).ok_or_else(ApiError::no_route)?;
    let slot = find(call, store, id)?;
    let writes = Planner::new(store, options, blocked, call.version, Keys::default())
        .plan(Target::Existing(slot), None, body.properties)
        .map_err(|refusal| refusal.error(options.hub_id))?;
    store.update(slot, &writes, call.now);
    let written: Vec<_> = writes.iter().map(|(property, _)| *property).collect();
    Ok(single(
        call,
        store,
        slot,
        Shown::Written(&written),
        StatusCode::OK,
    ))
}

fn archive(call: &Call<'_>, object: usize, id: &str) -> Handled {
    with_store(call, object, |store| {
        if let Some(slot) = store.live(id, false) {
            store.retire(slot, Standing::Archived(call.now), call.now);
        }
        Ok(Reply::empty())
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadBody<'a> {
    #[serde(borrow)]
    inputs: Vec<IdInput<'a>>,
    #[serde(borrow, default)]
    properties: Vec<Text<'a>>,
    #[serde(borrow)]
    id_property: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct IdInput<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

fn batch_read(call: &Call<'_>, object: usize) -> Handled {
    let body: ReadBody<'_> = call.parse()?;
    check_count(body.inputs.len())?;
    let archived = call.query_flag("archived");
    let shuffle = call.account.options.shuffle;
    let mut state = call.account.state();
    let State { objects, rng, .. } = &mut *state;
    let store = objects.get(object).ok_or_else(ApiError::no_route)?;
    let property = match &body.id_property {
        None => None,
        Some(Text(name)) => {
            let unique = store.definitions.live(name).map(|(property, _)| property);
            let unique = unique.filter(|property| store.is_unique(*property));
            Some(unique.ok_or_else(|| batch::not_unique(store, name))?)
        }
    };
    let names: Vec<&str> = body.properties.iter().map(|name| name.0.as_ref()).collect();
    let asked = asked(store, &names);
    let mut seen = std::collections::HashSet::with_capacity(body.inputs.len());
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for IdInput { id: Text(id) } in &body.inputs {
        let comparable = property.map_or(Cow::Borrowed(id.as_ref()), |property| {
            store.comparable(property, id)
        });
        let slot = match property {
            Some(property) => store.by_unique(property, &comparable),
            None if archived => store.slot(id).filter(|slot| {
                store
                    .record(*slot)
                    .is_some_and(|record| matches!(record.standing, Standing::Archived(_)))
            }),
            None => store.live(id, false),
        };
        if !seen.insert(comparable) {
            return Err(duplicates(id));
        }
        match slot {
            Some(slot) => found.push(slot),
            None => missing.push(id.clone().into_owned()),
        }
    }
    if shuffle {
        rand::seq::SliceRandom::shuffle(found.as_mut_slice(), rng);
    }
    let errors = if missing.is_empty() {
        vec![]
    } else {
        vec![not_found(store, missing).item()]
    };
    let mut out = Envelope::begin(found.len() * 400 + 256, call.now);
    let mut renderer = Renderer::new(store);
    for slot in found {
        out.row(|out| renderer.record(out, slot, Shown::Asked(&asked), Beside::default()));
    }
    Ok(out.end(StatusCode::OK, &errors, call.now))
}

#[derive(Deserialize)]
struct ArchiveBody<'a> {
    #[serde(borrow)]
    inputs: Vec<IdInput<'a>>,
}

fn batch_archive(call: &Call<'_>, object: usize) -> Handled {
    let body: ArchiveBody<'_> = call.parse()?;
    check_count(body.inputs.len())?;
    with_store(call, object, |store| {
        for IdInput { id: Text(id) } in &body.inputs {
            if let Some(slot) = store.live(id, false) {
                store.retire(slot, Standing::Archived(call.now), call.now);
            }
        }
        Ok(Reply::empty())
    })
}
