//! A data extension bound to one sync: the pure layout, and sending with it.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::CompactString;
use outflow_sdk::destination::{
    Action, Answer, Asked, Binding, Encoded, FieldProblem, Operation, Outcome, Rejection, Removed, Request,
    Route, Sent, Ticket,
};
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::capabilities::{CONSENT, CONTACTS, DELETE, ROWS};
use crate::client::Client;
use crate::hands::Hands;
use crate::jobs::{self, Results};
use crate::layout::{Layout, goes_on};
use crate::{contacts, interpret};

/// A sync's data extension.
pub(crate) struct RowBinding {
    pub(crate) client: Arc<Client>,
    pub(crate) target: String,
    pub(crate) layout: Layout,
    pub(crate) problems: Vec<FieldProblem>,
    pub(crate) schema_print: u64,
    pub(crate) parallel: usize,
    pub(crate) results: Results,
    pub(crate) hands: Hands,
}

fn settled(outcomes: Vec<Outcome>) -> Sent {
    Sent::Settled(Answer {
        outcomes,
        observed: None,
        correlation: None,
    })
}

impl RowBinding {
    /// Upserts rows, in a job or at once.
    async fn write(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let layout = &self.layout;
        let writes = operations
            .iter()
            .filter(|operation| operation.action == Action::Write);
        let written: Vec<u64> = writes.map(|operation| layout.identity(operation)).collect();
        if !self.hands.write(&written) {
            return Err(ConnectorError::new(
                ErrorKind::Transient { after: None },
                "marketing_cloud_key_changes_hands",
                "a row takes a key whose old row is being deleted just now",
            ));
        }
        let spared = self.without_taken(request, operations);
        let request = spared.as_ref().unwrap_or(request);
        let response = self
            .client
            .rest(request.method, &request.path, request.body.clone())
            .await?;
        if request.method == "PUT" {
            return jobs::submitted(layout, operations, &response);
        }
        interpret::direct(layout, request.route, operations, &response).map(settled)
    }

    /// The request again when rows are to be emptied whose keys other rows have by now: as many rows in
    /// the same order, with nothing but the keys of those.
    fn without_taken(&self, request: &Request, operations: &[Operation]) -> Option<Request> {
        let is_taken = |operation: &Operation| {
            operation.action == Action::Remove(Removed::Clear)
                && self.hands.has_written(self.layout.identity(operation))
        };
        if !operations.iter().any(is_taken) {
            return None;
        }
        let mut operations = operations.to_vec();
        for operation in operations.iter_mut().filter(|operation| is_taken(operation)) {
            operation.pending.clear();
        }
        Some(self.layout.encode(request.route, &operations).request)
    }

    /// Asks All Subscribers about the people behind rows.
    async fn look_up(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let mut subscribers = Vec::new();
        if self.layout.leads_somewhere(operations) {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            subscribers = self.client.retrieve_all("Subscriber", body).await?;
        }
        Ok(settled(self.layout.consent(operations, &subscribers)))
    }

    /// Asks for contacts to be deleted, but those whose keys other rows have by now.
    async fn delete_contacts(
        &self,
        request: &Request,
        operations: &[Operation],
    ) -> Result<Sent, ConnectorError> {
        let layout = &self.layout;
        let keys: Vec<u64> = operations
            .iter()
            .map(|operation| layout.given_up(operation))
            .collect();
        let (may, _going) = self.hands.delete(&keys);
        let chosen = operations.iter().zip(&may).filter(|(_, may)| **may);
        let chosen: Vec<Operation> = chosen.map(|(operation, _)| operation.clone()).collect();
        if chosen.is_empty() {
            return Ok(settled(operations.iter().map(goes_on).collect()));
        }
        let body = layout.encode(request.route, &chosen).request.body;
        let response = self.client.rest(request.method, &request.path, body).await?;
        let answer = contacts::asked(&chosen, &response)?;
        let mut outcomes = answer.outcomes.into_iter();
        let outcome = |(operation, may): (&Operation, &bool)| match may {
            true => outcomes.next().unwrap_or(Outcome::InDoubt),
            false => goes_on(operation),
        };
        Ok(Sent::Settled(Answer {
            outcomes: operations.iter().zip(&may).map(outcome).collect(),
            observed: None,
            correlation: answer.correlation,
        }))
    }

    /// Deletes rows, but those whose keys other rows have by now.
    async fn delete(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let (layout, route) = (&self.layout, request.route);
        let keys: Vec<u64> = operations
            .iter()
            .map(|operation| layout.given_up(operation))
            .collect();
        let (may, _going) = self.hands.delete(&keys);
        let chosen = operations.iter().zip(&may).filter(|(_, may)| **may);
        let chosen: Vec<Operation> = chosen.map(|(operation, _)| operation.clone()).collect();
        let mut outcomes = Vec::new();
        if !chosen.is_empty() {
            let body = if chosen.len() == operations.len() {
                request.body.clone()
            } else {
                layout.encode(route, &chosen).request.body
            };
            let response = self
                .client
                .soap("Delete", &String::from_utf8_lossy(&body))
                .await?;
            outcomes = interpret::deleted(layout, route, &chosen, &response)?;
        }
        let mut outcomes = outcomes.into_iter();
        let outcome = |(operation, may): (&Operation, &bool)| match may {
            true => outcomes.next().unwrap_or(Outcome::InDoubt),
            false => layout.applied(route, operation),
        };
        Ok(settled(operations.iter().zip(&may).map(outcome).collect()))
    }
}

#[async_trait]
impl Binding for RowBinding {
    fn target(&self) -> String {
        self.target.clone()
    }

    fn schema_print(&self) -> u64 {
        self.schema_print
    }

    fn problems(&self) -> Vec<FieldProblem> {
        self.problems.clone()
    }

    fn parallel(&self) -> usize {
        self.parallel
    }

    fn record_of(&self, remote: &str) -> u64 {
        self.layout.record_of(remote)
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
        if request.route.name == DELETE.name {
            self.delete(request, operations).await
        } else if request.route.name == CONTACTS.name {
            self.delete_contacts(request, operations).await
        } else if request.route.name == CONSENT.name {
            self.look_up(request, operations).await
        } else {
            self.write(request, operations).await
        }
    }

    fn address(&self, operation: &Operation) -> Option<CompactString> {
        self.layout.address(ROWS, operation)
    }

    async fn settle(&self, ticket: &Ticket, operations: &[Operation]) -> Result<Asked, ConnectorError> {
        self.results
            .ask(&self.client, &self.layout, ticket, operations)
            .await
    }
}
