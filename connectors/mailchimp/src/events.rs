//! Events of members: one for every new key, sent once, never repeated.
//!
//! Mailchimp keeps no key of ours with an event and has no way to ask whether one arrived in time, so
//! an event whose answer got lost is in doubt and stays so until a person decides.
//! Source: Marketing API, "Add event" of a list member.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use outflow_sdk::destination::{
    Answer, Binding, Effect, Encoded, Field, FieldProblem, FieldType, Mode, ObjectSpec, Operation, Outcome,
    Rejection, Request, Route, Sent,
};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::xxh3_64;

use crate::audience::Audience;
use crate::capabilities::MATCH;
use crate::checks;
use crate::client::Client;
use crate::layout::hash_of;
use crate::status;
use crate::values::{self, Flaw};

/// Fields of an event that are no properties.
const NAME: &str = "name";
const OCCURRED_AT: &str = "occurred_at";
const IS_SYNCING: &str = "is_syncing";

/// Characters of an event's name.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 2..=30;

pub(crate) const ROUTE: Route = Route {
    name: "event",
    lane: 0,
    max_rows: 1,
    writes: true,
    // Mailchimp would show the event twice and start its automations twice.
    replay_safe: false,
};

const NOBODY: Flaw = Flaw {
    code: "missing_match",
    words: "is empty, so the event is nobody's",
};
const INVALID_NAME: Flaw = Flaw {
    code: "invalid_event_name",
    words: "must have 2 to 30 characters",
};

fn refuse(field: &str, flaw: &Flaw) -> Result<(), Rejection> {
    Err(Rejection {
        code: flaw.code.into(),
        field: Some(field.into()),
        message: format!("{field} {}", flaw.words),
    })
}

/// What a mapped field is in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Email,
    Name,
    OccurredAt,
    IsSyncing,
    Property(String),
}

impl Part {
    fn of(field: &str) -> Self {
        match field {
            MATCH => Part::Email,
            NAME => Part::Name,
            OCCURRED_AT => Part::OccurredAt,
            IS_SYNCING => Part::IsSyncing,
            property => Part::Property(property.to_owned()),
        }
    }

    /// Refuses a value this part of an event cannot have; nothing stands for none.
    fn inspect(&self, value: &Value) -> Result<(), Rejection> {
        if values::is_empty(value) {
            return Ok(());
        }
        let (field, is_good, flaw) = match self {
            Part::Email => {
                let is_address = matches!(value, Value::Text(text) if values::is_address(text.trim()));
                (MATCH, is_address, values::INVALID_EMAIL)
            }
            Part::Name => {
                let length = values::text_of(value).trim().chars().count();
                (NAME, NAME_LENGTH.contains(&length), INVALID_NAME)
            }
            Part::OccurredAt => {
                let is_instant = values::instant_of(value).is_some();
                (OCCURRED_AT, is_instant, values::INVALID_INSTANT)
            }
            Part::IsSyncing => (IS_SYNCING, values::bool_of(value).is_some(), values::INVALID_BOOL),
            Part::Property(_) => return Ok(()),
        };
        if is_good { Ok(()) } else { refuse(field, &flaw) }
    }
}

/// The fields every event has; any other mapped field is a property.
pub(crate) fn fields() -> Vec<Field> {
    let field = |name: &str, label: &str, field_type, required| Field {
        name: name.to_owned(),
        label: label.to_owned(),
        field_type,
        options: Vec::new(),
        max_length: (name == NAME).then_some(*NAME_LENGTH.end()),
        writable: true,
        unique: name == MATCH,
        required,
    };
    vec![
        field(MATCH, "Email Address of the member", FieldType::Text, true),
        field(NAME, "Event name", FieldType::Text, true),
        field(OCCURRED_AT, "When it happened", FieldType::Timestamp, false),
        field(
            IS_SYNCING,
            "Whether it starts no automations",
            FieldType::Bool,
            false,
        ),
    ]
}

/// The events of one audience's members, bound to one sync.
pub(crate) struct EventBinding {
    client: Arc<Client>,
    audience: Audience,
    parts: Vec<Part>,
    problems: Vec<FieldProblem>,
}

impl EventBinding {
    pub(crate) fn new(client: Arc<Client>, audience: Audience, spec: &ObjectSpec) -> Self {
        Self {
            client,
            audience,
            parts: spec.fields.iter().map(|field| Part::of(&field.name)).collect(),
            problems: problems(spec),
        }
    }

    /// The row's value for a part, if it has one.
    fn value<'o>(&self, operation: &'o Operation, wanted: &Part) -> Option<&'o Value> {
        let at = self.parts.iter().position(|part| part == wanted)?;
        let value = operation.record.get(at)?.as_ref()?;
        (!values::is_empty(value)).then_some(value)
    }

    fn email<'o>(&self, operation: &'o Operation) -> Option<&'o str> {
        match self.value(operation, &Part::Email) {
            Some(Value::Text(text)) => Some(text.trim()),
            _ => None,
        }
    }

    fn body(&self, operation: &Operation) -> Json {
        let mut event = Map::new();
        if let Some(name) = self.value(operation, &Part::Name) {
            event.insert(NAME.into(), values::text_of(name).trim().into());
        }
        let mut properties = Map::new();
        for (part, value) in self.parts.iter().zip(operation.record.iter()) {
            if let (Part::Property(name), Some(value)) = (part, value)
                && !value.is_null()
            {
                properties.insert(name.clone(), values::text_of(value).into());
            }
        }
        if !properties.is_empty() {
            event.insert("properties".into(), properties.into());
        }
        if let Some(at) = self
            .value(operation, &Part::OccurredAt)
            .and_then(values::instant_of)
        {
            event.insert(OCCURRED_AT.into(), at.into());
        }
        if let Some(flag) = self.value(operation, &Part::IsSyncing).and_then(values::bool_of) {
            event.insert(IS_SYNCING.into(), flag.into());
        }
        event.into()
    }

    fn settle(&self, response: &HttpResponse) -> Result<Outcome, ConnectorError> {
        match response.status {
            200..=299 if response.body.is_empty() => Ok(Outcome::Applied {
                effect: Effect::Created,
                remote: None,
            }),
            // Mailchimp answers an event with nothing at all: this comes from something before it.
            200..=299 => Err(status::unreadable(response)),
            400 => {
                let refused = status::title_of(response).ok_or_else(|| status::not_mailchimp(response));
                refused.map(|_| rejected("invalid_event", None, "Mailchimp refuses the event"))
            }
            404 if status::is_not_found(response) => Ok(rejected(
                "unknown_member",
                Some(MATCH),
                "the audience has no member with this address, so it has no events either",
            )),
            _ => Err(status::classify(response)),
        }
    }
}

#[async_trait]
impl Binding for EventBinding {
    fn target(&self) -> String {
        format!("events of audience {}", self.audience.id)
    }

    fn schema_print(&self) -> u64 {
        // An audience has no schema of events: a refused one waits for its row or mapping to change.
        xxh3_64(self.audience.id.as_bytes())
    }

    fn problems(&self) -> Vec<FieldProblem> {
        self.problems.clone()
    }

    fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        if self.email(operation).is_none() {
            return refuse(MATCH, &NOBODY);
        }
        if self.value(operation, &Part::Name).is_none() {
            return refuse(NAME, &INVALID_NAME);
        }
        for (part, value) in self.parts.iter().zip(operation.record.iter()) {
            if let Some(value) = value {
                part.inspect(value)?;
            }
        }
        Ok(())
    }

    fn inspect_value(&self, field: u16, value: &Value) -> Result<(), Rejection> {
        let part = self.parts.get(usize::from(field));
        part.map_or(Ok(()), |part| part.inspect(value))
    }

    /// Every key is an event of its own, so two of one member may be under way together.
    fn identity(&self, operation: &Operation) -> u64 {
        xxh3_64(operation.key.as_bytes())
    }

    fn route(&self, _: &Operation) -> Route {
        ROUTE
    }

    fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        let operation = operations.first();
        let hash = operation.and_then(|operation| self.email(operation)).map(hash_of);
        let body = operation.map(|operation| self.body(operation).to_string());
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: format!(
                    "{}/members/{}/events",
                    self.audience.path(),
                    hash.unwrap_or_default()
                ),
                content_type: "application/json",
                body: Bytes::from(body.unwrap_or_default()),
            },
            taken: 1,
            fields: operations
                .iter()
                .take(1)
                .map(|operation| operation.pending.clone())
                .collect(),
        }
    }

    async fn send(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let response = self
            .client
            .call(
                request.method,
                &request.path,
                request.content_type,
                request.body.clone(),
            )
            .await?;
        let outcome = self.settle(&response).map_err(in_doubt)?;
        Ok(Sent::Settled(Answer {
            outcomes: vec![outcome; operations.len()],
            observed: None,
            correlation: status::correlation(&response),
        }))
    }
}

/// A server's error does not say whether the event is there.
fn in_doubt(mut error: ConnectorError) -> ConnectorError {
    if matches!(error.kind, ErrorKind::Transient { .. }) {
        error.kind = ErrorKind::Ambiguous;
    }
    error
}

fn rejected(code: &str, field: Option<&str>, message: &str) -> Outcome {
    Outcome::Rejected(Rejection {
        code: code.into(),
        field: field.map(str::to_owned),
        message: message.into(),
    })
}

/// Where a mapping is not one of events.
fn problems(spec: &ObjectSpec) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if spec.mode != Mode::Append {
        problems.push(checks::error(
            None,
            "unsupported_mode",
            "events are sent once and never changed".into(),
            "write `mode: append`",
        ));
    }
    if spec.match_fields != [MATCH] {
        problems.push(checks::error(
            None,
            "unsupported_match",
            format!("events belong to members, and those are found by {MATCH}"),
            "write `match: email_address`",
        ));
    }
    let is_mapped = |wanted: &str| spec.fields.iter().any(|field| field.name == wanted);
    for field in [MATCH, NAME] {
        if !is_mapped(field) {
            problems.push(checks::error(
                Some(field),
                "missing_field",
                format!("every event needs `{field}`"),
                "map it to a column, or give it a constant as in `name: { value: purchased }`",
            ));
        }
    }
    for field in &spec.fields {
        let takes: &[FieldType] = match Part::of(&field.name) {
            Part::OccurredAt => &[FieldType::Timestamp, FieldType::Date, FieldType::Text],
            Part::IsSyncing => &[FieldType::Bool, FieldType::Number, FieldType::Text],
            _ => continue,
        };
        if field.value_type.is_some_and(|kind| !takes.contains(&kind)) {
            problems.push(checks::error(
                Some(&field.name),
                "type_mismatch",
                format!("the column's type does not fit `{}`", field.name),
                "cast it with `as:`, or map another column",
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
