//! Members one by one: `/lists/{id}/members` and what is below.

use hyper::Method;
use serde::Serialize;

use super::audience::{Audience, Slot};
use super::body::{Draft, Place};
use super::call::{Call, Handled, Reply};
use super::member::{self, Member, Status};
use super::problem::{FieldError, Problem};
use super::query::Query;
use super::render::{Link, MemberView, Shape};
use super::write::{Writer, check_address};

const BLANK: &str = "This value should not be blank.";

#[derive(Serialize)]
struct Members<'a> {
    members: Vec<MemberView<'a>>,
    list_id: &'a str,
    total_items: usize,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<Vec<Link>>,
}

/// `GET|POST /lists/{id}/members`.
pub(super) fn collection(call: &Call<'_>, list: &str) -> Handled {
    match call.method {
        Method::GET => read_all(call, list),
        Method::POST => add(call, list),
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// `GET|PUT|PATCH|DELETE /lists/{id}/members/{hash, address or contact id}`.
pub(super) fn one(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    match call.method {
        Method::GET => {
            let mut state = call.account.state();
            let audience = state.audience(list)?;
            let slot = audience.find(reference).ok_or_else(Problem::not_found)?;
            shown(call, audience, slot)
        }
        Method::PUT => put(call, list, reference),
        Method::PATCH => patch(call, list, reference),
        Method::DELETE => archive(call, list, reference),
        _ => Err(Problem::method_not_allowed("GET, PUT, PATCH, DELETE")),
    }
}

fn shown(call: &Call<'_>, audience: &Audience, slot: Slot) -> Handled {
    let member = audience.member(slot).ok_or_else(Problem::not_found)?;
    Ok(Reply::ok(&MemberView::new(
        audience,
        member,
        Shape::Whole,
        call.links(),
    )))
}

/// Reads the body, then hands it to `write` with the audience.
fn writing(
    call: &Call<'_>,
    list: &str,
    write: impl FnOnce(&mut Writer<'_>, Draft) -> Result<Slot, Problem>,
) -> Handled {
    let map = call.object()?;
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let draft = Draft::read(&map, Place::Alone, audience, &call.account.options)?;
    let mut writer = Writer {
        audience,
        options: &call.account.options,
        now: call.now,
        skip_required: call.skips_required(),
    };
    let slot = write(&mut writer, draft)?;
    shown(call, writer.audience, slot)
}

/// Adds a member, or brings an archived one back with what it had.
fn add(call: &Call<'_>, list: &str) -> Handled {
    writing(call, list, |writer, mut draft| {
        let (email, status) = match (draft.email.take(), draft.status) {
            (Some(email), Some(status)) => (email, status),
            (email, status) => {
                let lacking = |absent: bool, name: &str| absent.then(|| FieldError::new(name, BLANK));
                let errors = [
                    lacking(email.is_none(), "email_address"),
                    lacking(status.is_none(), "status"),
                ];
                return Err(Problem::schema(errors.into_iter().flatten().collect()));
            }
        };
        let Some(slot) = writer.audience.by_hash(member::hash(&email)) else {
            return writer.create(&email, draft, status);
        };
        let standing = writer.audience.member(slot).map(|member| member.status);
        if standing != Some(Status::Archived) {
            return Err(Problem::member_exists(&email));
        }
        writer.update(slot, draft, false)?;
        Ok(slot)
    })
}

/// Updates the member of the path, or creates the member of the body.
fn put(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    writing(call, list, |writer, mut draft| {
        if let Some(slot) = writer.audience.find(reference) {
            writer.update(slot, draft, false)?;
            return Ok(slot);
        }
        let email = draft.email.take().unwrap_or_default();
        check_address(&email, writer.options)?;
        if writer.audience.by_hash(member::hash(&email)).is_some() {
            return Err(Problem::member_exists(&email));
        }
        let status = draft
            .status_if_new
            .or(draft.status)
            .ok_or_else(|| Problem::field("status_if_new", BLANK))?;
        writer.create(&email, draft, status)
    })
}

fn patch(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    writing(call, list, |writer, draft| {
        let slot = writer.audience.find(reference).ok_or_else(Problem::not_found)?;
        // Tags are no property of this call.
        let draft = Draft { tags: None, ..draft };
        writer.update(slot, draft, false)?;
        Ok(slot)
    })
}

/// Archives: the member stays readable.
fn archive(call: &Call<'_>, list: &str, reference: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let slot = audience.find(reference).ok_or_else(Problem::not_found)?;
    let member = audience.member_mut(slot).ok_or_else(Problem::not_found)?;
    if matches!(
        member.status,
        Status::Archived | Status::Cleaned | Status::Pending
    ) {
        return Err(Problem::cannot_archive());
    }
    member.status = Status::Archived;
    member.last_changed = call.now;
    Ok(Reply::empty())
}

/// `POST …/actions/delete-permanent`, by hash alone.
pub(super) fn delete_permanent(call: &Call<'_>, list: &str, hash: &str) -> Handled {
    if call.method != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let slot = audience.by_exact_hash(hash).ok_or_else(Problem::not_found)?;
    audience.forget(slot);
    Ok(Reply::empty())
}

fn read_all(call: &Call<'_>, list: &str) -> Handled {
    let mut state = call.account.state();
    let audience = &*state.audience(list)?;
    let page = call.query.page(&call.account.options)?;
    let filter = Filter::read(call.query)?;
    let mut found: Vec<&Member> = audience
        .members()
        .filter(|member| filter.takes(audience, member))
        .collect();
    sort(&mut found, call.query)?;
    let path = format!("/lists/{list}/members");
    Ok(Reply::ok(&Members {
        total_items: found.len(),
        members: page
            .of(found)
            .into_iter()
            .map(|member| MemberView::new(audience, member, Shape::Whole, call.links()))
            .collect(),
        list_id: &audience.id,
        links: call.links().own(&path),
    }))
}

fn sort(found: &mut [&Member], query: Query<'_>) -> Result<(), Problem> {
    match query.get("sort_field").as_deref() {
        None => {}
        Some("timestamp_opt") => found.sort_by_key(|member| member.timestamp_opt),
        Some("timestamp_signup") => found.sort_by_key(|member| member.timestamp_signup),
        Some("last_changed") => found.sort_by_key(|member| member.last_changed),
        Some(_) => {
            return Err(Problem::field(
                "sort_field",
                "The value you selected is not a valid choice.",
            ));
        }
    }
    if query.get("sort_dir").as_deref() == Some("DESC") {
        found.reverse();
    }
    Ok(())
}

/// Which members a collection shows.
#[derive(Debug)]
struct Filter {
    status: Option<Status>,
    email_type: Option<String>,
    unique_email_id: Option<String>,
    vip_only: bool,
    changed: (Option<i64>, Option<i64>),
    opted: (Option<i64>, Option<i64>),
    unsubscribed_since: Option<i64>,
    interests: Vec<String>,
    interest_match: String,
}

impl Filter {
    fn read(query: Query<'_>) -> Result<Self, Problem> {
        let status =
            match query.get("status") {
                None => None,
                Some(text) => Some(Status::parse(&text).ok_or_else(|| {
                    Problem::field("status", "The value you selected is not a valid choice.")
                })?),
            };
        let unsubscribed_since = query.time("unsubscribed_since")?;
        if unsubscribed_since.is_some() && status != Some(Status::Unsubscribed) {
            return Err(Problem::bad_request(
                "unsubscribed_since can only be used with status=unsubscribed.",
            ));
        }
        Ok(Self {
            status,
            email_type: query.get("email_type"),
            unique_email_id: query.get("unique_email_id"),
            vip_only: query.flag("vip_only"),
            changed: (
                query.time("since_last_changed")?,
                query.time("before_last_changed")?,
            ),
            opted: (
                query.time("since_timestamp_opt")?,
                query.time("before_timestamp_opt")?,
            ),
            unsubscribed_since,
            interests: query.list("interest_ids"),
            interest_match: query.get("interest_match").unwrap_or_else(|| "any".into()),
        })
    }

    fn takes(&self, audience: &Audience, member: &Member) -> bool {
        // Archived members are shown to those who ask for them.
        let status = match self.status {
            None => member.status != Status::Archived,
            Some(status) => member.status == status,
        };
        let email_type = || match self.email_type.as_deref() {
            None => true,
            Some("text") => member.email_type == member::EmailType::Text,
            Some(_) => member.email_type == member::EmailType::Html,
        };
        let left = || {
            self.unsubscribed_since.is_none_or(|since| {
                member
                    .unsubscribed
                    .as_ref()
                    .is_some_and(|unsubscribed| unsubscribed.at > since)
            })
        };
        status
            && (!self.vip_only || member.vip)
            && within(Some(member.last_changed), self.changed)
            && within(member.timestamp_opt, self.opted)
            && email_type()
            && left()
            && self
                .unique_email_id
                .as_ref()
                .is_none_or(|wanted| *wanted == member::unique_email_id(member.hash))
            && self.interested(audience, member)
    }

    fn interested(&self, audience: &Audience, member: &Member) -> bool {
        if self.interests.is_empty() {
            return true;
        }
        let mut known = self
            .interests
            .iter()
            .filter(|id| audience.interests.iter().any(|interest| interest.id == **id));
        let has = |id: &String| member.interests.contains(id);
        match self.interest_match.as_str() {
            "all" => known.all(has),
            "none" => !known.any(has),
            _ => known.any(has),
        }
    }
}

/// After the first, at the latest at the second. Times are compared by the second, as they are shown.
fn within(at: Option<i64>, (since, before): (Option<i64>, Option<i64>)) -> bool {
    let at = at.map(|ms| ms.div_euclid(1000) * 1000);
    since.is_none_or(|since| at.is_some_and(|at| at >= since))
        && before.is_none_or(|before| at.is_some_and(|at| at <= before))
}
