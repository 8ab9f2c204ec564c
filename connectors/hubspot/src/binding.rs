//! A HubSpot object bound to one sync: the pure layout, and sending with it.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::destination::{
    Answer, Binding, Effect, Encoded, FieldProblem, Operation, Outcome, Rejection, Request, Route, Sent,
};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::Value as Json;

use crate::capabilities::Verb;
use crate::client::{Client, harmless};
use crate::layout::Layout;
use crate::refusal::ErrorItem;
use crate::{interpret, membership, status};

/// A sync's object at HubSpot.
pub(crate) struct HubSpotBinding {
    pub(crate) client: Arc<Client>,
    pub(crate) target: String,
    pub(crate) layout: Layout,
    pub(crate) problems: Vec<FieldProblem>,
    pub(crate) schema_print: u64,
}

#[async_trait]
impl Binding for HubSpotBinding {
    fn target(&self) -> String {
        self.target.clone()
    }

    fn time_zone(&self) -> Option<String> {
        self.client.time_zone().map(str::to_owned)
    }

    fn schema_print(&self) -> u64 {
        self.schema_print
    }

    fn problems(&self) -> Vec<FieldProblem> {
        self.problems.clone()
    }

    fn stage(&self, field: u16) -> u8 {
        self.layout
            .fields
            .get(usize::from(field))
            .map_or(0, |field| field.stage())
    }

    fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        self.layout.inspect(operation)
    }

    fn inspect_value(&self, field: u16, value: &Value) -> Result<(), Rejection> {
        let field = self.layout.fields.get(usize::from(field));
        field.map_or(Ok(()), |field| field.inspect(value))
    }

    fn identity(&self, operation: &Operation) -> u64 {
        self.layout.identity(operation)
    }

    fn route(&self, operation: &Operation) -> Route {
        self.layout.route(operation)
    }

    fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        self.layout.encode(route, operations)
    }

    async fn send(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let verb = Verb::of(request.route).ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::Internal,
                "hubspot_foreign_route",
                format!("HubSpot has no route `{}`", request.route.name),
            )
        })?;
        let sent = self
            .client
            .call(
                request.method,
                &request.path,
                request.content_type,
                request.body.clone(),
            )
            .await;
        let response = if request.route.writes {
            sent?
        } else {
            sent.map_err(harmless)?
        };
        let answer = match response.status {
            200..=299 => self.accepted(verb, &response, operations),
            400 | 409 | 413 => self.refused(verb, &response, operations),
            _ => Err(self.client.unusable(&response)),
        };
        answer.map(Sent::Settled)
    }
}

impl HubSpotBinding {
    fn accepted(
        &self,
        verb: Verb,
        response: &HttpResponse,
        operations: &[Operation],
    ) -> Result<Answer, ConnectorError> {
        let outcomes = match verb {
            Verb::Membership => membership::settle(&response.body, operations),
            Verb::Archive if response.body.is_empty() => Some(archived(operations)),
            _ => match interpret::parse(&response.body) {
                Some(answer) => {
                    if let Some(fault) = answer.mapping_fault() {
                        return Err(self.mapping_error(&fault));
                    }
                    Some(interpret::settle(&answer, verb, &self.layout, operations))
                }
                None => None,
            },
        };
        let outcomes = outcomes.ok_or_else(|| {
            let error = ConnectorError::new(
                ErrorKind::Ambiguous,
                "hubspot_unreadable_answer",
                format!(
                    "HubSpot's answer (status {}) is cut short or no JSON",
                    response.status
                ),
            );
            let error = error.with_correlation(status::correlation(response).map(str::to_owned));
            if verb == Verb::Lookup {
                harmless(error)
            } else {
                error
            }
        })?;
        Ok(self.answer(response, &Json::Null, outcomes))
    }

    /// A refusal of the whole batch: by rows it names, by the one row in it, or to be split.
    fn refused(
        &self,
        verb: Verb,
        response: &HttpResponse,
        operations: &[Operation],
    ) -> Result<Answer, ConnectorError> {
        if response.status == 413 {
            let code = "too_large".to_owned();
            return Err(ConnectorError::new(
                ErrorKind::BatchRejected { code, field: None },
                "hubspot_batch_refused",
                "HubSpot refuses the batch: it is too large",
            ));
        }
        let Ok(body) = serde_json::from_slice::<Json>(&response.body) else {
            return Err(ConnectorError::new(
                ErrorKind::Contract,
                "hubspot_unexpected_answer",
                format!(
                    "something that is not HubSpot answers with status {}",
                    response.status
                ),
            )
            .with_hint("check base_url and any proxy on the way"));
        };
        let item = ErrorItem::read(&body);
        if item.is_about_the_mapping() || item.is_about_the_match() || item.is_about_the_object() {
            return Err(self.mapping_error(&item));
        }
        let traced = ErrorItem::traced(&body);
        if !traced.is_empty()
            && let Some(outcomes) = interpret::settle_refused(&traced, verb, &self.layout, operations)
        {
            return Ok(self.answer(response, &body, outcomes));
        }
        if operations.len() == 1 {
            let outcome = item.outcome(verb, &self.layout);
            return Ok(self.answer(response, &body, vec![outcome]));
        }
        let rejection = item.rejection(&self.layout);
        let error = ConnectorError::new(
            ErrorKind::BatchRejected {
                code: rejection.code,
                field: rejection.field,
            },
            "hubspot_batch_refused",
            format!("HubSpot refuses the batch: {}", rejection.message),
        );
        Err(error.with_correlation(status::correlation_of(response, &body)))
    }

    fn mapping_error(&self, item: &ErrorItem) -> ConnectorError {
        if item.is_about_the_object() {
            return ConnectorError::config(
                "unknown_object",
                "HubSpot does not know the mapping's object any more",
            )
            .with_hint("check `object:` with `outflow check`");
        }
        if item.is_about_the_match() {
            let key = &self.layout.key_name;
            return ConnectorError::config(
                "match_not_unique",
                format!("HubSpot does not take `{key}` as a match: its values are not unique"),
            )
            .with_hint("match by email, or by a property created with unique values");
        }
        let rejection = item.rejection(&self.layout);
        ConnectorError::config("hubspot_fields_changed", rejection.message)
            .with_hint("the object's properties changed since the sync began; look with `outflow check`")
    }

    fn answer(&self, response: &HttpResponse, body: &Json, outcomes: Vec<Outcome>) -> Answer {
        Answer {
            outcomes,
            observed: status::observe(response),
            correlation: status::correlation_of(response, body),
        }
    }
}

fn archived(operations: &[Operation]) -> Vec<Outcome> {
    let removed = |operation: &Operation| Outcome::Applied {
        effect: Effect::Removed,
        remote: operation.remote.clone(),
    };
    operations.iter().map(removed).collect()
}
