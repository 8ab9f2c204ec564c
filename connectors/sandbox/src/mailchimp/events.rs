//! Events of a member: `/lists/{id}/members/{hash}/events`.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::body::Reader;
use super::call::{Call, Handled, Reply};
use super::member::Event;
use super::problem::Problem;
use super::query::iso;

/// `GET|POST …/events`.
pub(super) fn handle(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    match call.method {
        Method::GET => {
            let mut state = call.account.state();
            let audience = state.audience(list)?;
            let slot = audience.find(reference).ok_or_else(Problem::not_found)?;
            let member = audience.member(slot).ok_or_else(Problem::not_found)?;
            let page = call.query.page(&call.account.options)?;
            let events: Vec<Value> = page
                .of(&member.events)
                .into_iter()
                .map(|event| {
                    json!({
                        "occurred_at": iso(event.occurred), "name": event.name, "properties": event.properties,
                    })
                })
                .collect();
            Ok(Reply::ok(&json!({
                "events": events, "total_items": member.events.len(),
            })))
        }
        Method::POST => {
            let event = read(call)?;
            let mut state = call.account.state();
            let audience = state.audience(list)?;
            let slot = audience.find(reference).ok_or_else(Problem::not_found)?;
            if let Some(member) = audience.member_mut(slot) {
                member.events.push(event);
            }
            Ok(Reply::empty())
        }
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// A name of 2 to 30 characters, and properties that are strings.
fn read(call: &Call<'_>) -> Result<Event, Problem> {
    let map = call.object()?;
    let mut reader = Reader::new(&map, false);
    reader.flag("is_syncing");
    let name = reader.needed("name").unwrap_or_default();
    if !(2..=30).contains(&name.chars().count()) {
        reader.error("name", "This value should have 2 to 30 characters.");
    }
    let occurred = reader.time("occurred_at").flatten().unwrap_or(call.now);
    let empty = Map::new();
    let properties = reader.object("properties").unwrap_or(&empty);
    if !properties.values().all(Value::is_string) {
        reader.error("properties", "Schema describes string for every property");
    }
    reader.finish()?;
    Ok(Event {
        name: name.to_owned(),
        properties: properties.clone(),
        occurred,
    })
}
