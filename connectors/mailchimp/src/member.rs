//! What an answer about one member, or about a segment, means for its rows.

use outflow_sdk::CompactString;
use outflow_sdk::destination::{Action, Effect, Operation, Outcome, Rejection, Removed};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::capabilities::Verb;
use crate::groups::fold;
use crate::interpret::{Member, consent, effect, satisfies};
use crate::layout::{Layout, Mark, hash_of, is_hash, marked, stored_hash};
use crate::refusal::Refusal;
use crate::status;
use crate::values::Status;

/// The outcome of a request about one member.
///
/// # Errors
/// Anything that concerns more than this member.
pub(crate) fn settle(
    verb: Verb,
    layout: &Layout,
    operation: &Operation,
    response: &HttpResponse,
) -> Result<Outcome, ConnectorError> {
    match response.status {
        200..=299 if verb.is_silent() => silent(verb, layout, operation, response),
        200..=299 => shown(verb, layout, operation, response),
        404 if status::is_not_found(response) => gone(verb, layout, operation, response),
        405 if verb == Verb::Archive && status::is_not_allowed(response) => {
            // Archived, bounced or pending: it is not among the active members, which was wanted.
            Ok(done(verb, layout, operation))
        }
        400 => match Refusal::read(response) {
            Some(refusal) => Ok(refusal.outcome(verb, layout)),
            None => Err(status::not_mailchimp(response)),
        },
        _ => Err(status::classify(response)),
    }
}

fn done(verb: Verb, layout: &Layout, operation: &Operation) -> Outcome {
    Outcome::Applied {
        effect: effect(verb, operation),
        remote: Some(CompactString::from(layout.hash(operation))),
    }
}

fn silent(
    verb: Verb,
    layout: &Layout,
    operation: &Operation,
    response: &HttpResponse,
) -> Result<Outcome, ConnectorError> {
    if response.body.is_empty() {
        Ok(done(verb, layout, operation))
    } else {
        Err(status::unreadable(response))
    }
}

/// An answer that shows the member.
fn shown(
    verb: Verb,
    layout: &Layout,
    operation: &Operation,
    response: &HttpResponse,
) -> Result<Outcome, ConnectorError> {
    let member: Option<Member<'_>> = serde_json::from_slice(&response.body).ok();
    let Some((member, id)) = member.as_ref().and_then(|member| {
        let id = member.id.as_deref().filter(|id| is_hash(id))?;
        Some((member, id))
    }) else {
        return Err(status::unreadable(response));
    };
    if verb == Verb::Lookup {
        let status = member.status.as_deref();
        return Ok(
            consent(layout, operation, status, id, false).unwrap_or_else(|| Outcome::Resolved {
                remote: CompactString::from(marked(id, Mark::Seen)),
            }),
        );
    }
    if let Some(field) = member.lacks_field(layout) {
        return Err(field_gone(field));
    }
    // The answer shows the consent that was to be: where it does not, nothing is acknowledged.
    let shown = member.status.as_deref();
    let wanted = match (verb, operation.action) {
        (Verb::Unsubscribe, _) => Some(Status::Unsubscribed),
        (Verb::Update, Action::Write) => layout.pending_status(operation),
        _ => None,
    };
    let differs = match (shown.and_then(Status::parse), wanted) {
        (Some(shown), Some(wanted)) => !satisfies(shown, wanted),
        _ => verb == Verb::Revive && shown == Some("archived"),
    };
    if differs {
        return Ok(Outcome::InDoubt);
    }
    Ok(Outcome::Applied {
        effect: effect(verb, operation),
        remote: Some(CompactString::from(id)),
    })
}

/// The audience lost a field while the sync ran: its values are dropped without a word.
pub(crate) fn field_gone(field: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Config,
        "mailchimp_fields_changed",
        format!("the audience has no merge field `{field}` any more"),
    )
    .with_hint("the audience's fields changed since the sync began; look with `outflow check`")
}

/// A member, or a segment, that does not exist.
fn gone(
    verb: Verb,
    layout: &Layout,
    operation: &Operation,
    response: &HttpResponse,
) -> Result<Outcome, ConnectorError> {
    let known = stored_hash(operation).is_some();
    Ok(match (verb, operation.action) {
        // Nobody to tag, and nothing to leave.
        (Verb::SegmentLeave, _) => done(verb, layout, operation),
        (_, Action::Remove(Removed::Clear | Removed::Archive | Removed::Unsubscribe | Removed::Delete)) => {
            done(verb, layout, operation)
        }
        (Verb::Update | Verb::Lookup | Verb::Tags, _) if known => Outcome::StaleRemote,
        (Verb::Update | Verb::Lookup, _) => Outcome::Applied {
            effect: Effect::Untouched,
            remote: None,
        },
        _ => return Err(status::classify(response)),
    })
}

#[derive(Deserialize)]
struct SegmentAnswer {
    #[serde(default)]
    total_added: Option<u64>,
    #[serde(default)]
    total_removed: Option<u64>,
    #[serde(default)]
    errors: Option<Vec<SegmentError>>,
}

#[derive(Deserialize)]
struct SegmentError {
    #[serde(default)]
    email_addresses: Vec<String>,
}

/// One outcome for every operation of a change of a segment. Who was in it already counts as added.
///
/// # Errors
/// Anything that concerns the request as a whole.
pub(crate) fn settle_segment(
    layout: &Layout,
    field: u16,
    operations: &[Operation],
    response: &HttpResponse,
) -> Result<Vec<Outcome>, ConnectorError> {
    if !(200..300).contains(&response.status) {
        return Err(status::classify(response));
    }
    let answer: Option<SegmentAnswer> = serde_json::from_slice(&response.body).ok();
    let Some(answer) = answer.filter(|answer| answer.total_added.is_some() || answer.total_removed.is_some())
    else {
        return Err(status::unreadable(response));
    };
    let refused: Vec<String> = answer
        .errors
        .iter()
        .flatten()
        .flat_map(|error| error.email_addresses.iter().map(|email| fold(email)))
        .collect();
    let outcome = |operation: &Operation| {
        let email = layout.email(operation).unwrap_or_default();
        let is_refused = refused.contains(&fold(email));
        if is_refused && layout.is_on(field, operation) {
            return Outcome::Rejected(Rejection {
                code: "segment_refused".into(),
                field: layout.field(field).map(|field| field.name.clone()),
                message: "Mailchimp does not add the member to the segment".into(),
            });
        }
        let known = stored_hash(operation).map(str::to_owned);
        Outcome::Applied {
            effect: effect(Verb::Segment, operation),
            remote: Some(CompactString::from(known.unwrap_or_else(|| hash_of(email)))),
        }
    };
    Ok(operations.iter().map(outcome).collect())
}

#[cfg(test)]
mod tests;
