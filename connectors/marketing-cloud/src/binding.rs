//! A data extension bound to one sync: the pure layout, and sending with it.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::ConnectorError;
use outflow_sdk::destination::{
    Answer, Asked, Binding, Encoded, FieldProblem, Operation, Rejection, Request, Route, Sent, Ticket,
};

use crate::capabilities::DELETE;
use crate::client::Client;
use crate::interpret;
use crate::jobs::{self, Results};
use crate::layout::Layout;

/// A sync's data extension.
pub(crate) struct RowBinding {
    pub(crate) client: Arc<Client>,
    pub(crate) target: String,
    pub(crate) layout: Layout,
    pub(crate) problems: Vec<FieldProblem>,
    pub(crate) schema_print: u64,
    pub(crate) results: Results,
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

    /// Parallel writers of one data extension deadlock.
    fn parallel(&self) -> usize {
        1
    }

    fn address(&self, remote: &str) -> u64 {
        self.layout.address(remote)
    }

    fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        self.layout.inspect(operation)
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
        let (layout, route) = (&self.layout, request.route);
        let settled = |outcomes| {
            Sent::Settled(Answer {
                outcomes,
                observed: None,
                correlation: None,
            })
        };
        if route.name == DELETE.name {
            let body = String::from_utf8_lossy(&request.body);
            let response = self.client.soap("Delete", &body).await?;
            return interpret::deleted(layout, route, operations, &response).map(settled);
        }
        let response = self
            .client
            .rest(request.method, &request.path, request.body.clone())
            .await?;
        if request.method == "PUT" {
            return jobs::submitted(layout, operations, &response);
        }
        interpret::direct(layout, route, operations, &response).map(settled)
    }

    async fn settle(&self, ticket: &Ticket, operations: &[Operation]) -> Result<Asked, ConnectorError> {
        self.results
            .ask(&self.client, &self.layout, ticket, operations)
            .await
    }
}
