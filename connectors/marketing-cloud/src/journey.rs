//! Journey entry events: one for every new key, sent once, never repeated.
//!
//! Source: REST reference, `POST /interaction/v1/events`.

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

use crate::capabilities::{CONTACT_KEY, EVENT};
use crate::checks::error;
use crate::client::Client;
use crate::config::{Instants, MappingOptions};
use crate::encode::JSON_TYPE;
use crate::status;
use crate::values::{self, Kind};

/// Name that `Data` must not have.
const RESERVED: &str = "eventInstanceId";

/// The fields every event has; any other mapped field goes into its `Data`.
pub(crate) fn fields() -> Vec<Field> {
    vec![Field {
        name: CONTACT_KEY.to_owned(),
        label: "Contact key".to_owned(),
        field_type: FieldType::Text,
        options: Vec::new(),
        max_length: None,
        writable: true,
        unique: true,
        required: true,
    }]
}

/// One entry event, bound to one sync.
pub(crate) struct EventBinding {
    client: Arc<Client>,
    target: String,
    event: String,
    fields: Vec<String>,
    instants: Instants,
    problems: Vec<FieldProblem>,
}

impl EventBinding {
    pub(crate) fn new(
        client: Arc<Client>,
        target: String,
        spec: &ObjectSpec,
        options: MappingOptions,
    ) -> Self {
        let problems = problems(spec, &options);
        Self {
            client,
            target,
            event: options.event_definition_key.unwrap_or_default(),
            fields: spec.fields.iter().map(|field| field.name.clone()).collect(),
            instants: options.instants,
            problems,
        }
    }

    fn contact(&self, operation: &Operation) -> Option<String> {
        let at = self.fields.iter().position(|field| field == CONTACT_KEY)?;
        let value = operation.record.get(at)?.as_ref()?;
        let text = values::text_of(value).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    fn body(&self, operation: &Operation) -> Json {
        let mut data = Map::new();
        for (field, value) in self.fields.iter().zip(operation.record.iter()) {
            let Some(value) = value.as_ref().filter(|_| field != CONTACT_KEY) else {
                continue;
            };
            let value = match value {
                Value::Null => continue,
                Value::Bool(flag) => Json::from(*flag),
                Value::Number(number) => exact(number.to_string()),
                Value::Date(_) | Value::Timestamp(_) => {
                    values::key_text(Kind::Date, value, self.instants).into()
                }
                other => values::text_of(other).into(),
            };
            data.insert(field.clone(), value);
        }
        serde_json::json!({
            "ContactKey": self.contact(operation),
            "EventDefinitionKey": self.event,
            "Data": data,
        })
    }

    fn settle(&self, response: &HttpResponse) -> Result<Outcome, ConnectorError> {
        let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
        match response.status {
            200..=299 if body.get("eventInstanceId").is_some() => Ok(Outcome::Applied {
                effect: Effect::Created,
                remote: None,
            }),
            200..=299 => Err(status::unreadable(response)),
            400 if status::error_code(&body).is_some() => Ok(Outcome::Rejected(Rejection {
                code: "invalid_event".into(),
                field: None,
                message: "Marketing Cloud refuses the event: its data, its key or the contact does not fit the journey's entry source".into(),
            })),
            _ => Err(status::classify(response)),
        }
    }
}

#[async_trait]
impl Binding for EventBinding {
    fn target(&self) -> String {
        self.target.clone()
    }

    fn schema_print(&self) -> u64 {
        xxh3_64(self.event.as_bytes())
    }

    fn problems(&self) -> Vec<FieldProblem> {
        self.problems.clone()
    }

    fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        match self.contact(operation) {
            Some(_) => Ok(()),
            None => Err(Rejection {
                code: "missing_match".into(),
                field: Some(CONTACT_KEY.into()),
                message: format!("{CONTACT_KEY} is empty, so the event is nobody's"),
            }),
        }
    }

    /// The entry source of a journey takes what it is given, as text.
    fn inspect_value(&self, _: u16, _: &Value) -> Result<(), Rejection> {
        Ok(())
    }

    /// Every key is an event of its own, so two of one contact may be under way together.
    fn identity(&self, operation: &Operation) -> u64 {
        xxh3_64(operation.key.as_bytes())
    }

    fn route(&self, _: &Operation) -> Route {
        EVENT
    }

    fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        let body = operations
            .first()
            .map(|operation| self.body(operation).to_string());
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: "/interaction/v1/events".into(),
                content_type: JSON_TYPE,
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
            .rest(request.method, &request.path, request.body.clone())
            .await?;
        let outcome = self.settle(&response).map_err(in_doubt)?;
        Ok(Sent::Settled(Answer {
            outcomes: vec![outcome; operations.len()],
            observed: None,
            correlation: None,
        }))
    }
}

/// A number in JSON, as text when it has more digits than a JSON number here keeps.
fn exact(digits: String) -> Json {
    let number: Json = serde_json::from_str(&digits).unwrap_or_default();
    let kept = number.to_string();
    if kept == digits { number } else { digits.into() }
}

/// A server's error does not say whether the contact entered the journey.
fn in_doubt(mut error: ConnectorError) -> ConnectorError {
    if matches!(error.kind, ErrorKind::Transient { .. }) {
        error.kind = ErrorKind::Ambiguous;
    }
    error
}

/// Where a mapping is not one of entry events.
fn problems(spec: &ObjectSpec, options: &MappingOptions) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if spec.mode != Mode::Append {
        let message = "journey entry events are sent once and never changed".to_owned();
        problems.push(error(None, "unsupported_mode", message, "write `mode: append`"));
    }
    let key = options.event_definition_key.as_deref().unwrap_or_default();
    if key.is_empty() || key.contains('.') {
        let message =
            "the mapping names no entry event, or one that cannot be: keys have no period".to_owned();
        let hint =
            "copy the key (APIEvent-…) of the journey's API event entry source into `event_definition_key:`";
        problems.push(error(None, "event_definition_key", message, hint));
    }
    if spec.match_fields != [CONTACT_KEY] {
        let message = format!("entry events belong to contacts, and those are found by {CONTACT_KEY}");
        problems.push(error(
            None,
            "unsupported_match",
            message,
            "write `match: ContactKey` and map that field",
        ));
    }
    if options.yes_delete_contacts_everywhere {
        let message = "`yes_delete_contacts_everywhere` belongs to data extensions";
        problems.push(error(None, "unsupported_option", message.to_owned(), "remove it"));
    }
    if options.respect_unsubscribes {
        let message = "`respect_unsubscribes` belongs to data extensions: a journey's messages ask All Subscribers themselves";
        problems.push(error(None, "unsupported_option", message.to_owned(), "remove it"));
    }
    if spec.fields.iter().any(|field| field.name == RESERVED) {
        let message = format!("`{RESERVED}` is Marketing Cloud's own");
        problems.push(error(
            Some(RESERVED),
            "reserved_field",
            message,
            "give the field another name",
        ));
    }
    problems
}

#[cfg(test)]
mod tests;
