//! An audience bound to one sync: the pure layout, and sending with it.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::destination::{
    Answer, Binding, Encoded, FieldProblem, Operation, Outcome, Rejection, Request, Route, Sent,
};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::capabilities::Verb;
use crate::client::{Client, harmless};
use crate::layout::Layout;
use crate::refusal::Refusal;
use crate::{interpret, member, status};

/// A sync's audience at Mailchimp.
pub(crate) struct MailchimpBinding {
    pub(crate) client: Arc<Client>,
    pub(crate) target: String,
    pub(crate) layout: Layout,
    pub(crate) problems: Vec<FieldProblem>,
    pub(crate) schema_print: u64,
}

#[async_trait]
impl Binding for MailchimpBinding {
    fn target(&self) -> String {
        self.target.clone()
    }

    fn schema_print(&self) -> u64 {
        self.schema_print
    }

    fn problems(&self) -> Vec<FieldProblem> {
        self.problems.clone()
    }

    fn record_of(&self, remote: &str) -> u64 {
        let hash = remote.get(..32).unwrap_or(remote).to_ascii_lowercase();
        xxhash_rust::xxh3::xxh3_64(hash.as_bytes())
    }

    fn stage(&self, field: u16) -> u8 {
        self.layout.field(field).map_or(0, |field| field.stage())
    }

    fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        self.layout.inspect(operation)
    }

    fn inspect_value(&self, field: u16, value: &Value) -> Result<(), Rejection> {
        self.layout.inspect_value(field, value)
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
        let foreign = || {
            ConnectorError::new(
                ErrorKind::Internal,
                "mailchimp_foreign_route",
                format!("Mailchimp has no route `{}`", request.route.name),
            )
        };
        let verb = Verb::of(request.route).ok_or_else(foreign)?;
        let sent = self
            .client
            .call(
                request.method,
                &request.path,
                request.content_type,
                request.body.clone(),
            )
            .await
            .and_then(|response| {
                let outcomes = self.settle(verb, request.route, &response, operations)?;
                Ok(Sent::Settled(Answer {
                    outcomes,
                    observed: None,
                    correlation: status::correlation(&response),
                }))
            });
        // A look changes nothing, so whatever became of it, it may be repeated.
        if request.route.writes {
            sent
        } else {
            sent.map_err(harmless)
        }
    }
}

impl MailchimpBinding {
    fn settle(
        &self,
        verb: Verb,
        route: Route,
        response: &HttpResponse,
        operations: &[Operation],
    ) -> Result<Vec<Outcome>, ConnectorError> {
        if verb.is_batch() && response.status == 400 {
            return self.refused(verb, response, operations);
        }
        match verb {
            Verb::Subscribe | Verb::Create => self.settle_batch(verb, response, operations),
            Verb::Segment => member::settle_segment(&self.layout, route.lane, operations, response),
            _ => operations
                .iter()
                .map(|operation| member::settle(verb, &self.layout, operation, response))
                .collect(),
        }
    }

    fn settle_batch(
        &self,
        verb: Verb,
        response: &HttpResponse,
        operations: &[Operation],
    ) -> Result<Vec<Outcome>, ConnectorError> {
        if !(200..300).contains(&response.status) {
            return Err(status::classify(response));
        }
        let answer = interpret::parse(&response.body).ok_or_else(|| status::unreadable(response))?;
        if let Some(field) = answer.dropped_field(&self.layout) {
            return Err(member::field_gone(field));
        }
        Ok(interpret::settle(&answer, verb, &self.layout, operations))
    }

    /// A refusal of the whole batch: the one row in it, or to be split.
    fn refused(
        &self,
        verb: Verb,
        response: &HttpResponse,
        operations: &[Operation],
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let refusal = Refusal::read(response).ok_or_else(|| status::not_mailchimp(response))?;
        if operations.len() == 1 {
            return Ok(vec![refusal.outcome(verb, &self.layout)]);
        }
        let rejection = refusal.rejection(&self.layout);
        let kind = ErrorKind::BatchRejected {
            code: rejection.code,
            field: rejection.field,
        };
        let message = format!("Mailchimp refuses the batch: {}", rejection.message);
        Err(ConnectorError::new(kind, "mailchimp_batch_refused", message)
            .with_correlation(status::correlation(response)))
    }
}
