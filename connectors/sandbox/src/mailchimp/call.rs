//! One API call: who makes it, where it goes, and what its answer looks like on the wire.

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::server::{Answer, Asked};

use super::account::Account;
use super::problem::Problem;
use super::query::{Query, partial};
use super::render::Links;
use super::{batches, events, interests, lists_api, members_api, merge_api, segments, subscribe, tags};

pub(super) const JSON: &str = "application/json; charset=utf-8";
pub(super) const PROBLEM: &str = "application/problem+json; charset=utf-8";
/// Segments below the version that any resource has at most.
const DEEPEST: usize = 8;

/// What a handler gives when all went well.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// 200 with this body. A value that cannot be written does not exist here.
    pub(super) fn ok(body: &impl Serialize) -> Self {
        Self {
            status: StatusCode::OK,
            body: serde_json::to_vec(body).unwrap_or_default(),
        }
    }

    pub(super) fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Vec::new(),
        }
    }
}

pub(super) type Handled = Result<Reply, Problem>;

/// One call, past authentication.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) account: &'a Account,
    pub(super) method: Method,
    pub(super) query: Query<'a>,
    pub(super) body: &'a [u8],
    pub(super) now: i64,
    /// Where the client reached the twin, for links it has to follow.
    pub(super) host: &'a str,
    /// Whether a batch's last member is passed over.
    pub(super) omit_last: bool,
}

impl Call<'_> {
    pub(super) fn links(&self) -> Links<'_> {
        Links {
            data_center: &self.account.options.data_center,
            shown: self.account.options.links,
        }
    }

    /// The body as a JSON object.
    pub(super) fn object(&self) -> Result<serde_json::Map<String, serde_json::Value>, Problem> {
        super::body::object(self.body)
    }

    /// Whether `skip_merge_validation` is asked for.
    pub(super) fn skips_required(&self) -> bool {
        self.query.flag("skip_merge_validation")
    }
}

/// Answers one request to the API.
pub(super) fn answer(account: &Account, asked: &Asked, omit_last: bool) -> Answer {
    let header =
        |name: &hyper::header::HeaderName| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let (instance, allowed) = {
        let mut state = account.state();
        let allowed = state.credentials.check(header(&AUTHORIZATION), &account.options);
        (state.uuid(), allowed)
    };
    let query = Query(asked.uri.query().unwrap_or_default());
    let handled = allowed.and_then(|()| {
        let call = Call {
            account,
            method: method(asked)?,
            query,
            body: &asked.body,
            now: account.desk.now_ms(),
            host: header(&HOST).unwrap_or("127.0.0.1"),
            omit_last,
        };
        let reply = route(&call, asked.uri.path())?;
        Ok(Reply {
            status: reply.status,
            body: partial(query, reply.body)?,
        })
    });
    let answer = match handled {
        Ok(reply) => Answer::new(reply.status, JSON, reply.body),
        Err(problem) => refusal(&problem, &instance),
    };
    dressed(answer, &instance)
}

/// A refusal on the wire.
pub(super) fn refusal(problem: &Problem, instance: &str) -> Answer {
    let mut answer = Answer::new(problem.status, PROBLEM, problem.body(instance));
    if let Some(allow) = problem.allow {
        answer.set("allow", allow);
    }
    answer
}

/// The headers every answer has. None of them is about limits.
pub(super) fn dressed(mut answer: Answer, instance: &str) -> Answer {
    answer.set("server", "openresty");
    answer.set("x-request-id", instance);
    answer.set("vary", "Accept-Encoding");
    let schema = if answer.status.is_success() {
        "<https://us1.api.mailchimp.com/schema/3.0/Definitions/Response.json>; rel=\"describedBy\""
    } else {
        "<https://us1.api.mailchimp.com/schema/3.0/ProblemDetailDocument.json>; rel=\"describedBy\""
    };
    answer.set("link", schema);
    answer
}

/// The method meant: `X-HTTP-Method-Override` counts on POST alone.
fn method(asked: &Asked) -> Result<Method, Problem> {
    let Some(wanted) = asked.headers.get("x-http-method-override") else {
        return Ok(asked.method.clone());
    };
    if asked.method != Method::POST {
        return Err(Problem::method_override());
    }
    Method::from_bytes(&wanted.as_bytes().to_ascii_uppercase()).map_err(|_| Problem::method_override())
}

/// Finds who answers a path.
pub(super) fn route(call: &Call<'_>, path: &str) -> Handled {
    let rest = path
        .strip_prefix("/3.0")
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .ok_or_else(Problem::not_found)?;
    let decoded: Option<Vec<Cow<'_, str>>> = rest
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8().ok())
        .collect();
    let decoded = decoded.ok_or_else(Problem::not_found)?;
    let segments: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
    if segments.len() > DEEPEST {
        return Err(Problem::nested_too_deep());
    }
    match segments.as_slice() {
        [] => lists_api::root(call),
        ["ping"] => lists_api::ping(call),
        ["batches"] => batches::collection(call),
        ["batches", id] => batches::one(call, id),
        ["lists"] => lists_api::collection(call),
        ["lists", list] if call.method == Method::POST => subscribe::handle(call, list),
        ["lists", list] => lists_api::one(call, list),
        ["lists", list, "merge-fields"] => merge_api::collection(call, list),
        ["lists", list, "merge-fields", id] => merge_api::one(call, list, id),
        ["lists", list, "interest-categories"] => interests::categories(call, list),
        ["lists", list, "interest-categories", id] => interests::category(call, list, id),
        ["lists", list, "interest-categories", category, "interests"] => {
            interests::interests(call, list, category)
        }
        ["lists", list, "interest-categories", category, "interests", id] => {
            interests::interest(call, list, category, id)
        }
        ["lists", list, "segments"] => segments::collection(call, list),
        ["lists", list, "segments", id] => segments::one(call, list, id),
        ["lists", list, "segments", id, "members"] => segments::members(call, list, id),
        ["lists", list, "segments", id, "members", hash] => segments::member(call, list, id, hash),
        ["lists", list, "tag-search"] => tags::search(call, list),
        ["lists", list, "members"] => members_api::collection(call, list),
        ["lists", list, "members", member] => members_api::one(call, list, member),
        ["lists", list, "members", member, "tags"] => tags::of_member(call, list, member),
        ["lists", list, "members", member, "events"] => events::handle(call, list, member),
        ["lists", list, "members", member, "actions", "delete-permanent"] => {
            members_api::delete_permanent(call, list, member)
        }
        ["lists", _, "members", _, "actions", _] => Err(Problem::invalid_action()),
        _ => Err(Problem::not_found()),
    }
}
