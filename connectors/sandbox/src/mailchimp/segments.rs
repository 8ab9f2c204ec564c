//! Static segments, which are tags by another name: `/lists/{id}/segments`. Both views stay in step.
//! Saved segments (with conditions) are no part of this twin.

use hyper::Method;
use serde_json::{Value, json};

use super::audience::{Audience, Segment};
use super::body::Reader;
use super::call::{Call, Handled, Reply};
use super::member::{Member, Status, hash};
use super::problem::Problem;
use super::query::iso;
use super::render::{MemberView, Shape};

/// Most addresses of one change, either way.
const MOST: usize = 500;

fn view(call: &Call<'_>, audience: &Audience, segment: &Segment) -> Value {
    let mut view = json!({
        "id": segment.id,
        "name": segment.name,
        "member_count": members_of(audience, segment.id).count(),
        "type": "static",
        "created_at": iso(segment.created),
        "updated_at": iso(segment.updated),
        "options": { "match": "any", "conditions": [] },
        "list_id": audience.id,
    });
    let path = format!("/lists/{}/segments/{}", audience.id, segment.id);
    if let Some(links) = call.links().own(&path) {
        view["_links"] = json!(links);
    }
    view
}

fn members_of(audience: &Audience, segment: u32) -> impl Iterator<Item = &Member> {
    audience
        .members()
        .filter(move |member| member.has_tag(segment) && member.status != Status::Archived)
}

/// The segment a path names.
fn named(audience: &Audience, id: &str) -> Result<u32, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    audience
        .segment(id)
        .map(|segment| segment.id)
        .ok_or_else(Problem::not_found)
}

/// `GET|POST …/segments`.
pub(super) fn collection(call: &Call<'_>, list: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    match call.method {
        Method::GET => {
            let shown = call.query.get("type").is_none_or(|kind| kind == "static");
            let found: Vec<&Segment> = audience.segments.iter().filter(|_| shown).collect();
            let total = found.len();
            let page = call.query.page(&call.account.options)?;
            let views: Vec<Value> = page
                .of(found)
                .into_iter()
                .map(|segment| view(call, audience, segment))
                .collect();
            Ok(Reply::ok(&json!({
                "segments": views, "list_id": audience.id, "total_items": total,
            })))
        }
        Method::POST => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let name = reader.needed("name").unwrap_or_default();
            let emails = reader.texts("static_segment");
            if reader.value("options").is_some() || emails.is_none() {
                reader.error(
                    "static_segment",
                    "This twin keeps static segments: send static_segment, and no options.",
                );
            }
            reader.finish()?;
            if audience.tag(name).is_some() {
                return Err(Problem::bad_request(
                    "Sorry, that tag already exists. Please choose a different name.",
                ));
            }
            let id = audience.tag_or_new(name, call.now);
            add(audience, id, &emails.unwrap_or_default(), call.now);
            shown(call, audience, id)
        }
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

fn shown(call: &Call<'_>, audience: &Audience, id: u32) -> Handled {
    let segment = audience.segment(id).ok_or_else(Problem::not_found)?;
    Ok(Reply::ok(&view(call, audience, segment)))
}

/// Adds members by address; gives those that were added and those nobody has.
fn add<'e>(
    audience: &mut Audience,
    segment: u32,
    emails: &[&'e str],
    now: i64,
) -> (Vec<&'e str>, Vec<&'e str>) {
    let (mut added, mut unknown) = (Vec::new(), Vec::new());
    for email in emails {
        let member = audience
            .by_hash(hash(email))
            .and_then(|slot| audience.member_mut(slot));
        match member {
            Some(member) => {
                if member.add_tag(segment, now) {
                    added.push(*email);
                }
            }
            None => unknown.push(*email),
        }
    }
    (added, unknown)
}

/// `GET|POST|PATCH|DELETE …/segments/{id}`. POST adds and removes in one call.
pub(super) fn one(call: &Call<'_>, list: &str, id: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let id = named(audience, id)?;
    match call.method {
        Method::GET => shown(call, audience, id),
        Method::POST => change(call, audience, id),
        Method::PATCH => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let name = reader.text("name").filter(|name| !name.is_empty());
            let emails = reader.texts("static_segment");
            reader.finish()?;
            if let Some(segment) = audience.segments.iter_mut().find(|segment| segment.id == id) {
                segment.name = name.map_or_else(|| segment.name.clone(), str::to_owned);
                segment.updated = call.now;
            }
            match emails.as_deref() {
                None => {}
                Some([]) => audience.drop_tag(id),
                Some(emails) => {
                    add(audience, id, emails, call.now);
                }
            }
            shown(call, audience, id)
        }
        Method::DELETE => {
            audience.segments.retain(|segment| segment.id != id);
            audience.drop_tag(id);
            Ok(Reply::empty())
        }
        _ => Err(Problem::method_not_allowed("GET, POST, PATCH, DELETE")),
    }
}

fn change(call: &Call<'_>, audience: &mut Audience, id: u32) -> Handled {
    let map = call.object()?;
    let mut reader = Reader::new(&map, false);
    let to_add = reader.texts("members_to_add").unwrap_or_default();
    let to_remove = reader.texts("members_to_remove").unwrap_or_default();
    for (key, emails) in [("members_to_add", &to_add), ("members_to_remove", &to_remove)] {
        if emails.len() > MOST {
            reader.error(key, "This collection should contain 500 elements or less.");
        }
    }
    reader.finish()?;
    let (added, unknown) = add(audience, id, &to_add, call.now);
    let mut removed = Vec::new();
    for email in to_remove {
        let member = audience
            .by_hash(hash(email))
            .and_then(|slot| audience.member_mut(slot));
        if member.is_some_and(|member| member.remove_tag(id)) {
            removed.push(email);
        }
    }
    let views = |emails: &[&str]| -> Vec<MemberView<'_>> {
        emails
            .iter()
            .filter_map(|email| audience.member(audience.by_hash(hash(email))?))
            .map(|member| MemberView::new(audience, member, Shape::Narrow, call.links()))
            .collect()
    };
    let errors: Vec<Value> = if unknown.is_empty() {
        Vec::new()
    } else {
        vec![json!({
            "email_addresses": unknown,
            "error": "Email addresses do not exist in list",
        })]
    };
    Ok(Reply::ok(&json!({
        "members_added": views(&added),
        "members_removed": views(&removed),
        "errors": errors,
        "total_added": added.len(),
        "total_removed": removed.len(),
        "error_count": errors.len(),
    })))
}

/// `GET|POST …/segments/{id}/members`.
pub(super) fn members(call: &Call<'_>, list: &str, id: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let id = named(audience, id)?;
    match call.method {
        Method::GET => {
            let page = call.query.page(&call.account.options)?;
            let views: Vec<MemberView<'_>> = page
                .of(members_of(audience, id))
                .into_iter()
                .map(|member| MemberView::new(audience, member, Shape::Whole, call.links()))
                .collect();
            let total = members_of(audience, id).count();
            Ok(Reply::ok(&json!({ "members": views, "total_items": total })))
        }
        Method::POST => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let email = reader.needed("email_address").unwrap_or_default();
            reader.finish()?;
            let slot = audience.by_hash(hash(email)).ok_or_else(Problem::not_found)?;
            if let Some(member) = audience.member_mut(slot) {
                member.add_tag(id, call.now);
            }
            let member = audience.member(slot).ok_or_else(Problem::not_found)?;
            Ok(Reply::ok(&MemberView::new(
                audience,
                member,
                Shape::Whole,
                call.links(),
            )))
        }
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// `DELETE …/segments/{id}/members/{hash}`.
pub(super) fn member(call: &Call<'_>, list: &str, id: &str, reference: &str) -> Handled {
    if call.method != Method::DELETE {
        return Err(Problem::method_not_allowed("DELETE"));
    }
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let id = named(audience, id)?;
    let slot = audience.by_exact_hash(reference).ok_or_else(Problem::not_found)?;
    let member = audience.member_mut(slot).ok_or_else(Problem::not_found)?;
    if member.remove_tag(id) {
        Ok(Reply::empty())
    } else {
        Err(Problem::not_found())
    }
}
