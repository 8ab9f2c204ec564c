//! Batch subscribe: `POST /lists/{id}` with up to 500 members, each with a verdict of its own.

use std::collections::HashSet;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::audience::{Audience, Slot};
use super::body::{Draft, Place, Reader, describes};
use super::call::{Call, Handled, Reply};
use super::member::{self, Hash, Status};
use super::problem::Problem;
use super::render::{Link, MemberView, Shape};
use super::write::{Writer, check_address};

/// Most members of a batch.
const MOST: usize = 500;

/// What happened to one member.
enum Verdict {
    Created(Slot),
    Updated(Slot),
}

#[derive(Serialize)]
struct ItemError {
    email_address: String,
    error: String,
    error_code: &'static str,
    field: String,
    field_message: String,
}

#[derive(Serialize)]
struct Outcome<'a> {
    new_members: Vec<MemberView<'a>>,
    updated_members: Vec<MemberView<'a>>,
    errors: &'a [ItemError],
    total_created: usize,
    total_updated: usize,
    error_count: usize,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<Vec<Link>>,
}

#[derive(Clone, Copy)]
struct Settings {
    update_existing: bool,
    sync_tags: bool,
}

/// `POST /lists/{id}`: 200 even if every member failed.
pub(super) fn handle(call: &Call<'_>, list: &str) -> Handled {
    let map = call.object()?;
    let (items, settings) = read(&map)?;
    let taken = firsts(items, call.query.flag("skip_duplicate_check"))?;
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let mut writer = Writer {
        audience,
        options: &call.account.options,
        now: call.now,
        skip_required: call.skips_required(),
    };
    let (mut created, mut updated, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let last = taken.len().saturating_sub(usize::from(call.omit_last));
    for item in taken.into_iter().take(last) {
        match write(&mut writer, item, settings) {
            Ok(Verdict::Created(slot)) => created.push(slot),
            Ok(Verdict::Updated(slot)) => updated.push(slot),
            Err(problem) => errors.push(item_error(
                item,
                problem,
                call.account.options.escape_error_addresses,
            )),
        }
    }
    Ok(answer(call, writer.audience, &created, &updated, &errors))
}

fn read(map: &Map<String, Value>) -> Result<(&[Value], Settings), Problem> {
    let mut reader = Reader::new(map, false);
    let settings = Settings {
        update_existing: reader.flag("update_existing").unwrap_or_default(),
        sync_tags: reader.flag("sync_tags").unwrap_or_default(),
    };
    if reader.value("members").is_none() {
        reader.error("members", "This value should not be blank.");
    }
    let items = reader.array("members").unwrap_or_default();
    if items.len() > MOST {
        reader.error("members", "This collection should contain 500 elements or less.");
    }
    reader.finish()?;
    Ok((items, settings))
}

fn address(item: &Value) -> &str {
    item.get("email_address")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The items without those whose address came before.
fn firsts(items: &[Value], skip_duplicates: bool) -> Result<Vec<&Value>, Problem> {
    let mut seen: HashSet<Hash> = HashSet::with_capacity(items.len());
    let mut repeated = Vec::new();
    let mut firsts = Vec::with_capacity(items.len());
    for item in items {
        let email = address(item);
        if email.is_empty() || seen.insert(member::hash(email)) {
            firsts.push(item);
        } else {
            repeated.push(email);
        }
    }
    if repeated.is_empty() || skip_duplicates {
        return Ok(firsts);
    }
    Err(Problem::bad_request(format!(
        "Duplicate items found on the list for the following emails: {}",
        repeated.join(", ")
    )))
}

fn write(writer: &mut Writer<'_>, item: &Value, settings: Settings) -> Result<Verdict, Problem> {
    let map = item
        .as_object()
        .ok_or_else(|| Problem::field("", describes("object", item)))?;
    check_address(address(item), writer.options)?;
    let mut draft = Draft::read(map, Place::Batch, writer.audience, writer.options)?;
    let status = draft
        .status_if_new
        .or(draft.status)
        .ok_or_else(|| Problem::field("status", "This value should not be blank."))?;
    let email = draft.email.take().unwrap_or_default();
    let Some(slot) = writer.audience.by_hash(member::hash(&email)) else {
        return writer.create(&email, draft, status).map(Verdict::Created);
    };
    let archived = writer
        .audience
        .member(slot)
        .is_some_and(|member| member.status == Status::Archived);
    // An archived member comes back as a new one does, but only with a status that is meant for it.
    let revived = archived && draft.status.is_some();
    if !settings.update_existing && !revived {
        return Err(Problem::member_exists(&email));
    }
    writer.update(slot, draft, settings.sync_tags)?;
    Ok(Verdict::Updated(slot))
}

/// A refusal as a batch tells it: two codes, everything else in the text.
fn item_error(item: &Value, problem: Problem, escape: bool) -> ItemError {
    let email = address(item);
    let (error_code, error) = if problem.exists {
        let text = format!(
            "{email} is already a list member, do you want to update? please provide update_existing:true in the request body"
        );
        ("ERROR_CONTACT_EXISTS", text)
    } else {
        ("ERROR_GENERIC", problem.detail.into_owned())
    };
    let (field, field_message) = problem
        .errors
        .into_iter()
        .next()
        .map_or_else(Default::default, |first| (first.field, first.message));
    ItemError {
        email_address: if escape {
            email.replace('\'', "\\'").replace('"', "\\\"")
        } else {
            email.to_owned()
        },
        error,
        error_code,
        field,
        field_message,
    }
}

fn answer(
    call: &Call<'_>,
    audience: &Audience,
    created: &[Slot],
    updated: &[Slot],
    errors: &[ItemError],
) -> Reply {
    let views = |slots: &[Slot]| -> Vec<MemberView<'_>> {
        slots
            .iter()
            .filter_map(|slot| audience.member(*slot))
            .map(|member| MemberView::new(audience, member, Shape::Narrow, call.links()))
            .collect()
    };
    let outcome = Outcome {
        new_members: views(created),
        updated_members: views(updated),
        errors,
        total_created: created.len(),
        total_updated: updated.len(),
        error_count: errors.len(),
        links: call.links().of(
            &format!("/lists/{}", audience.id),
            &[("self", "POST", ""), ("parent", "GET", "")],
        ),
    };
    let mut body = Vec::with_capacity(2048 * (created.len() + updated.len()) + 1024);
    // Writing into a Vec cannot fail.
    let _ = serde_json::to_writer(&mut body, &outcome);
    Reply {
        status: StatusCode::OK,
        body,
    }
}
