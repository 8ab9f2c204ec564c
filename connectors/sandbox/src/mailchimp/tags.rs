//! Tags: a member's own, and those of an audience.

use hyper::Method;
use serde_json::{Value, json};

use super::body::Reader;
use super::call::{Call, Handled, Reply};
use super::problem::Problem;
use super::query::iso;

/// `GET|POST /lists/{id}/members/{hash}/tags`. Writing takes the hash alone.
pub(super) fn of_member(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    match call.method {
        Method::GET => read(call, list, reference),
        Method::POST => write(call, list, reference),
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

fn read(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    let mut state = call.account.state();
    let audience = &*state.audience(list)?;
    let slot = audience.find(reference).ok_or_else(Problem::not_found)?;
    let member = audience.member(slot).ok_or_else(Problem::not_found)?;
    let tags: Vec<Value> = member
        .tags
        .iter()
        .filter_map(|tag| {
            let segment = audience.segment(tag.segment)?;
            Some(json!({ "id": segment.id, "name": segment.name, "date_added": iso(tag.added) }))
        })
        .collect();
    let total = tags.len();
    let page = call.query.page(&call.account.options)?;
    Ok(Reply::ok(&json!({ "tags": page.of(tags), "total_items": total })))
}

/// Adds and removes; what changes nothing is no error.
fn write(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    let map = call.object()?;
    let mut reader = Reader::new(&map, false);
    reader.flag("is_syncing");
    if reader.value("tags").is_none() {
        reader.error("tags", "This value should not be blank.");
    }
    let mut changes = Vec::new();
    for (position, item) in reader.array("tags").unwrap_or_default().iter().enumerate() {
        let name = item
            .get("name")
            .and_then(Value::as_str)
            .filter(|name| !name.trim().is_empty());
        let active = match item.get("status").and_then(Value::as_str) {
            Some("active") => Some(true),
            Some("inactive") => Some(false),
            _ => None,
        };
        match (name, active) {
            (Some(name), Some(active)) => changes.push((name, active)),
            _ => reader.error(
                &format!("tags.item:{position}"),
                "Each tag needs a name, and a status of active or inactive.",
            ),
        }
    }
    reader.finish()?;
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let slot = audience.by_exact_hash(reference).ok_or_else(Problem::not_found)?;
    for (name, active) in changes {
        let segment = if active {
            Some(audience.tag_or_new(name, call.now))
        } else {
            audience.tag(name)
        };
        if let (Some(segment), Some(member)) = (segment, audience.member_mut(slot)) {
            if active {
                member.add_tag(segment, call.now);
            } else {
                member.remove_tag(segment);
            }
        }
    }
    Ok(Reply::empty())
}

/// `GET /lists/{id}/tag-search?name=…`: the tags whose names start so.
pub(super) fn search(call: &Call<'_>, list: &str) -> Handled {
    if call.method != Method::GET {
        return Err(Problem::method_not_allowed("GET"));
    }
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let start = call.query.get("name").unwrap_or_default().to_lowercase();
    let tags: Vec<Value> = audience
        .segments
        .iter()
        .filter(|segment| segment.name.to_lowercase().starts_with(&start))
        .map(|segment| json!({ "id": segment.id, "name": segment.name }))
        .collect();
    Ok(Reply::ok(&json!({ "total_items": tags.len(), "tags": tags })))
}
