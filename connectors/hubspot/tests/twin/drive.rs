//! A twin, a binding to it, and the smallest loop that takes operations to their end.

use std::collections::BTreeMap;
use std::sync::Arc;

use outflow_hubspot::HubSpot;
use outflow_sandbox::hubspot::{LoggedRequest, Options, Twin};
use outflow_sdk::CompactString;
use outflow_sdk::destination::{
    Action, Binding, Destination, Effect, FieldType, MappedField, Mode, ObjectSpec, Operation, Outcome,
    Rejection, Removed, Sent,
};
use outflow_sdk::http::Network;
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Value as Json, json};

/// Requests one operation may take before the loop calls it endless.
const MAX_STEPS: usize = 12;

pub(crate) async fn twin() -> Twin {
    twin_with(Options::default()).await
}

pub(crate) async fn twin_with(options: Options) -> Twin {
    Twin::start(options).await.unwrap()
}

pub(crate) fn hubspot(twin: &Twin) -> HubSpot {
    hubspot_with(twin, json!({ "token": "pat-na1-sandbox" }))
}

pub(crate) fn hubspot_with(twin: &Twin, mut settings: Json) -> HubSpot {
    settings["base_url"] = json!(twin.base_url());
    HubSpot::open(settings, Arc::new(Network::new().unwrap())).unwrap()
}

/// A mapping: object, match, mode and fields.
pub(crate) fn spec(object: &str, key: &str, mode: Mode, fields: &[&str]) -> ObjectSpec {
    ObjectSpec {
        sync: "test".into(),
        object: object.into(),
        match_fields: vec![key.into()],
        mode,
        removed: (mode == Mode::Mirror).then_some(Removed::Archive),
        fields: fields
            .iter()
            .map(|name| MappedField {
                name: (*name).into(),
                value_type: name.starts_with("list:").then_some(FieldType::Bool),
            })
            .collect(),
        options: json!({}),
    }
}

/// Binds and insists that the mapping fits.
pub(crate) async fn bind(twin: &Twin, spec: ObjectSpec) -> Arc<dyn Binding> {
    let binding = hubspot(twin).bind(spec, true).await.unwrap();
    let stopping: Vec<_> = binding
        .problems()
        .into_iter()
        .filter(|problem| !problem.warning)
        .collect();
    assert!(stopping.is_empty(), "{stopping:?}");
    twin.clear_requests();
    binding
}

/// A write of all given values; an empty text stands for NULL.
pub(crate) fn write(row: u64, values: &[&str]) -> Operation {
    let values = values.iter().map(|text| match *text {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => Value::text(text),
    });
    let record: Vec<_> = values.map(Some).collect();
    Operation {
        row,
        key: CompactString::from(format!("k{row}")),
        action: Action::Write,
        remote: None,
        pending: (0..u16::try_from(record.len()).unwrap()).collect(),
        record: record.into(),
    }
}

/// The same operation on a known record, with these fields changed.
pub(crate) fn changed(mut operation: Operation, remote: &str, pending: &[u16]) -> Operation {
    operation.remote = Some(CompactString::from(remote));
    operation.pending = pending.to_vec();
    operation
}

/// A removal of a known record.
pub(crate) fn removal(row: u64, rule: Removed, remote: Option<&str>, pending: &[u16]) -> Operation {
    Operation {
        row,
        key: CompactString::from(format!("k{row}")),
        action: Action::Remove(rule),
        remote: remote.map(CompactString::from),
        record: Arc::from([]),
        pending: pending.to_vec(),
    }
}

/// How one operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done {
        effect: Effect,
        remote: Option<String>,
        acknowledged: Vec<u16>,
    },
    Rejected(Rejection),
    Retry(String),
    InDoubt,
}

impl End {
    pub(crate) fn remote(&self) -> &str {
        match self {
            End::Done {
                remote: Some(remote), ..
            } => remote,
            other => panic!("{other:?} has no record id"),
        }
    }

    pub(crate) fn effect(&self) -> Effect {
        match self {
            End::Done { effect, .. } => *effect,
            other => panic!("{other:?} is not done"),
        }
    }

    pub(crate) fn code(&self) -> &str {
        match self {
            End::Rejected(rejection) => &rejection.code,
            other => panic!("{other:?} is not rejected"),
        }
    }
}

/// Takes operations to their ends, batch by batch, each request sent once.
pub(crate) async fn deliver(binding: &dyn Binding, operations: Vec<Operation>) -> Vec<End> {
    let ends = try_deliver(binding, operations).await;
    ends.unwrap()
}

pub(crate) async fn try_deliver(
    binding: &dyn Binding,
    operations: Vec<Operation>,
) -> Result<Vec<End>, ConnectorError> {
    let mut ends: BTreeMap<u64, End> = BTreeMap::new();
    let mut effects: BTreeMap<u64, Effect> = BTreeMap::new();
    let mut acknowledged: BTreeMap<u64, Vec<u16>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for operation in operations {
        match binding.inspect(&operation) {
            Ok(()) => waiting.push(operation),
            Err(rejection) => {
                ends.insert(operation.row, End::Rejected(rejection));
            }
        }
    }
    for _ in 0..MAX_STEPS {
        let Some(first) = waiting.first() else { break };
        let route = binding.route(first);
        let (mut batch, rest): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|operation| binding.route(operation) == route);
        let encoded = binding.encode(route, &batch);
        assert_eq!(encoded.fields.len(), encoded.taken);
        waiting = batch.split_off(encoded.taken);
        waiting.extend(rest);
        let sent = match binding.send(&encoded.request, &batch).await {
            Err(error) if batch.len() > 1 && matches!(error.kind, ErrorKind::BatchRejected { .. }) => {
                // Both halves, one after the other.
                let half = batch.split_off(batch.len() / 2);
                for part in [batch, half] {
                    let parts = Box::pin(try_deliver(binding, part.clone())).await?;
                    ends.extend(part.iter().map(|operation| operation.row).zip(parts));
                }
                continue;
            }
            sent => sent?,
        };
        let Sent::Settled(answer) = sent else {
            panic!("HubSpot has no jobs");
        };
        assert_eq!(answer.outcomes.len(), batch.len());
        for ((mut operation, outcome), fields) in batch.into_iter().zip(answer.outcomes).zip(encoded.fields) {
            let row = operation.row;
            match outcome {
                Outcome::Applied { effect, remote } => {
                    let first = *effects.entry(row).or_insert(effect);
                    operation.remote = remote.or(operation.remote);
                    operation.pending.retain(|field| !fields.contains(field));
                    acknowledged.entry(row).or_default().extend(fields);
                    let is_over = operation.pending.is_empty()
                        || effect == Effect::Untouched
                        || !encoded.request.route.writes;
                    if is_over {
                        let end = End::Done {
                            effect: first,
                            remote: operation.remote.as_deref().map(str::to_owned),
                            acknowledged: acknowledged.remove(&row).unwrap_or_default(),
                        };
                        ends.insert(row, end);
                    } else {
                        waiting.push(operation);
                    }
                }
                Outcome::Resolved { remote } => {
                    operation.remote = Some(remote);
                    waiting.push(operation);
                }
                Outcome::StaleRemote => {
                    operation.remote = None;
                    waiting.push(operation);
                }
                Outcome::Rejected(rejection) | Outcome::Suppressed(rejection) => {
                    ends.insert(row, End::Rejected(rejection));
                }
                Outcome::Retry { code, .. } => {
                    ends.insert(row, End::Retry(code));
                }
                Outcome::InDoubt => {
                    ends.insert(row, End::InDoubt);
                }
            }
        }
    }
    assert!(waiting.is_empty(), "{} operations never end", waiting.len());
    Ok(ends.into_values().collect())
}

/// `METHOD path` of every request since the last clearing.
pub(crate) fn calls(twin: &Twin) -> Vec<String> {
    twin.requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

/// The only request since the last clearing.
pub(crate) fn only_request(twin: &Twin) -> LoggedRequest {
    let mut requests = twin.requests();
    assert_eq!(requests.len(), 1, "{:?}", calls(twin));
    requests.remove(0)
}

pub(crate) fn text(request: &LoggedRequest) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}
