//! The accounts as a connector sees them, and how the project opens both ends.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{DestinationDescriptor, ObjectKind, SourceDescriptor};
use outflow_sdk::destination::{
    AccountInfo, Action, Asked, Binding, Capabilities, Destination, Encoded, Field, FieldProblem, Limits,
    Mode, ObjectSpec, Operation, Rejection, Removed, Request, Route, Sent, Ticket,
};
use outflow_sdk::value::Value;
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use super::server::{BODY, Body, MOST, Part, handle, result, turned_away};
use super::source::Shop;
use super::world::World;
use crate::registry::Registry;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The account's name.
    account: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The connectors of a project in this thread's world.
pub(super) fn registry() -> Registry {
    Registry {
        sources: vec![SourceDescriptor {
            type_name: "shop",
            title: "The shop",
            settings_schema: || schema_for!(Nothing),
            codes: &[],
            open: |_, _| Ok(Arc::new(Shop(World::here()))),
        }],
        destinations: vec![DestinationDescriptor {
            type_name: "account",
            title: "An account",
            settings_schema: || schema_for!(Settings),
            codes: &[],
            mapping_schema: || schema_for!(Nothing),
            object_key: None,
            objects: &[ObjectKind {
                object: "people",
                title: "people",
            }],
            capabilities: |_| Ok(capabilities()),
            open: |settings, _| {
                let settings: Settings = serde_json::from_value(settings)
                    .map_err(|error| ConnectorError::config("bad_settings", error.to_string()))?;
                Ok(Arc::new(Tool {
                    world: World::here(),
                    account: settings.account,
                }))
            },
        }],
    }
}

fn route(name: &'static str) -> Route {
    Route {
        name,
        lane: 0,
        max_rows: MOST,
        writes: true,
        replay_safe: true,
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        modes: vec![Mode::Upsert, Mode::Mirror],
        removed: vec![Removed::Archive, Removed::Delete],
        match_fields: vec!["email".into()],
        partial_records: true,
        creates_fields: false,
        routes: ["upsert", "update", "remove"].map(route).into(),
        max_body: BODY,
        notes: Vec::new(),
    }
}

struct Tool {
    world: Arc<World>,
    account: String,
}

#[async_trait]
impl Destination for Tool {
    fn capabilities(&self, _: &str) -> Result<Capabilities, ConnectorError> {
        Ok(capabilities())
    }

    fn account_key(&self) -> String {
        self.account.clone()
    }

    fn limits(&self) -> Limits {
        Limits {
            window: Some((20, std::time::Duration::from_secs(10))),
            concurrency: 3,
            daily: None,
            reserve_percent: 0,
        }
    }

    async fn check(&self) -> Result<AccountInfo, ConnectorError> {
        Ok(AccountInfo {
            label: self.account.clone(),
            time_zone: None,
        })
    }

    async fn describe(&self, _: &str) -> Result<Vec<Field>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn bind(&self, spec: ObjectSpec, _: bool) -> Result<Arc<dyn Binding>, ConnectorError> {
        self.world.wait(50..500).await;
        turned_away(&mut self.world.lock(), &self.account)?;
        Ok(Arc::new(Bound {
            world: Arc::clone(&self.world),
            account: self.account.clone(),
            spec,
        }))
    }
}

struct Bound {
    world: Arc<World>,
    account: String,
    spec: ObjectSpec,
}

impl Bound {
    fn name(&self, field: u16) -> &str {
        &self.spec.fields[usize::from(field)].name
    }

    fn email(&self, operation: &Operation) -> Option<String> {
        let at = self.spec.fields.iter().position(|field| field.name == "email");
        let value = operation.record.get(at?)?.as_ref()?;
        Some(value.to_string())
    }

    fn part(&self, operation: &Operation) -> Part {
        let set = operation.pending.iter().map(|field| {
            let value = operation.record[usize::from(*field)].as_ref().unwrap();
            let value = (*value != Value::Null).then(|| value.to_string());
            (self.name(*field).to_owned(), value)
        });
        Part {
            id: operation.remote.as_ref().map(|remote| remote.parse().unwrap()),
            set: set.collect(),
        }
    }
}

#[async_trait]
impl Binding for Bound {
    fn target(&self) -> String {
        format!("{} {}", self.account, self.spec.object)
    }

    fn schema_print(&self) -> u64 {
        1
    }

    fn problems(&self) -> Vec<FieldProblem> {
        Vec::new()
    }

    fn inspect(&self, _: &Operation) -> Result<(), Rejection> {
        Ok(())
    }

    fn inspect_value(&self, _: u16, _: &Value) -> Result<(), Rejection> {
        Ok(())
    }

    fn identity(&self, operation: &Operation) -> u64 {
        let record = match operation.action {
            Action::Write => self.email(operation),
            Action::Remove(_) => None,
        };
        let record = record.or_else(|| operation.remote.as_deref().map(str::to_owned));
        xxhash_rust::xxh3::xxh3_64(record.unwrap_or_default().as_bytes())
    }

    fn route(&self, operation: &Operation) -> Route {
        route(match (operation.action, &operation.remote) {
            (Action::Remove(_), _) => "remove",
            (Action::Write, Some(_)) => "update",
            (Action::Write, None) => "upsert",
        })
    }

    fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        let mut body = Body { records: Vec::new() };
        let mut bytes = Vec::new();
        for operation in operations {
            body.records.push(self.part(operation));
            let more = serde_json::to_vec(&body).unwrap();
            if more.len() > BODY && body.records.len() > 1 {
                break;
            }
            bytes = more;
        }
        let taken = serde_json::from_slice::<Body>(&bytes).unwrap().records.len();
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: format!("/{}/{}", self.spec.object, route.name),
                content_type: "application/json",
                body: bytes.into(),
            },
            taken,
            fields: operations[..taken]
                .iter()
                .map(|one| one.pending.clone())
                .collect(),
        }
    }

    async fn send(&self, request: &Request, _: &[Operation]) -> Result<Sent, ConnectorError> {
        let (world, verb) = (&self.world, request.route.name);
        world.wait(20..1_500).await;
        let sent = {
            let mut around = world.lock();
            if around.tables[&self.spec.object].busy {
                around.wrong(format!("{} sends while it reads", self.spec.sync));
            }
            handle(&mut around, &self.account, &self.spec.object, verb, &request.body)
        };
        world.wait(20..1_500).await;
        sent
    }

    async fn settle(&self, ticket: &Ticket, _: &[Operation]) -> Result<Asked, ConnectorError> {
        self.world.wait(20..1_500).await;
        result(&mut self.world.lock(), &self.account, &ticket.id)
    }
}
