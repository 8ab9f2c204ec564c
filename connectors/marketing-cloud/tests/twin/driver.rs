//! Delivers operations to a twin as the engine would: routed, packed, sent again where that is due,
//! jobs asked about until they are done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use outflow_marketing_cloud::MarketingCloud;
use outflow_sandbox::marketing_cloud::{Column, ColumnType, Options, Twin};
use outflow_sdk::CompactString;
use outflow_sdk::destination::{
    Action, Asked, Binding, Destination, Effect, MappedField, Mode, ObjectSpec, Operation, Outcome, Removed,
    Sent, Ticket,
};
use outflow_sdk::http::Network;
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Value as Json, json};

/// Requests an operation may be in before the test gives up.
const ATTEMPTS: u32 = 40;

/// Asks about one job before its rows count as in doubt.
const ASKS: u32 = 12;

pub(crate) const KEY: &str = "customers & all";
pub(crate) const FIELDS: [&str; 6] = ["Id", "Email", "Points", "Born", "Seen", "Plan"];

/// How an operation ended: what it did, or the code of its refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done(Vec<Effect>, Option<CompactString>),
    Rejected(String),
    Suppressed(String),
    Failed(String),
}

pub(crate) struct World {
    pub(crate) twin: Twin,
    pub(crate) binding: Arc<dyn Binding>,
}

pub(crate) fn settings(twin: &Twin) -> Json {
    json!({ "client_id": "sandbox-client", "client_secret": "sandbox-secret", "base_url": twin.base_url() })
}

pub(crate) fn spec(mode: Mode, removed: Option<Removed>, fields: &[&str], options: Json) -> ObjectSpec {
    ObjectSpec {
        sync: "test".into(),
        object: "data_extension".into(),
        match_fields: vec!["Id".into()],
        mode,
        removed,
        fields: fields
            .iter()
            .map(|name| MappedField {
                name: (*name).into(),
                value_type: None,
            })
            .collect(),
        options,
    }
}

fn columns(plan: u32) -> Vec<Column> {
    vec![
        Column::new("Id", ColumnType::Text).length(36, 0).primary(),
        Column::new("Email", ColumnType::EmailAddress),
        Column::new("Points", ColumnType::Decimal).length(10, 2),
        Column::new("Born", ColumnType::Date),
        Column::new("Seen", ColumnType::Date),
        Column::new("Plan", ColumnType::Text).length(plan, 0),
        Column::new("Other", ColumnType::Text).length(20, 0),
    ]
}

pub(crate) fn open(twin: &Twin) -> MarketingCloud {
    MarketingCloud::open(settings(twin), Arc::new(Network::new().unwrap())).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        let twin = Twin::start(Options::default()).await.unwrap();
        twin.define(KEY, columns(20));
        Self::over(twin, json!({})).await
    }

    /// A run over a twin as it is, with these keys in the mapping.
    pub(crate) async fn over(twin: Twin, with: Json) -> Self {
        let binding = bind(&twin, with).await;
        twin.clear_requests();
        Self { twin, binding }
    }

    /// A sendable data extension whose column `column` leads to what subscribers have in `subscriber`,
    /// and a mapping that respects them.
    pub(crate) async fn respecting(column: &str, subscriber: &str) -> Self {
        let twin = Twin::start(Options::default()).await.unwrap();
        twin.define(KEY, columns(20));
        twin.make_sendable(KEY, column, subscriber);
        Self::over(twin, json!({ "respect_unsubscribes": true })).await
    }

    /// Another run over the same data extension.
    pub(crate) async fn next_run(self) -> Self {
        let binding = bind(&self.twin, json!({})).await;
        self.twin.clear_requests();
        Self { binding, ..self }
    }

    /// Somebody makes the column of the plan shorter, which the binding does not know.
    pub(crate) fn shorten(&self) {
        self.twin.define(KEY, columns(5));
    }

    /// Paths of the requests so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        let requests = self.twin.requests();
        requests.into_iter().map(|request| request.path).collect()
    }

    pub(crate) fn value(&self, id: &str, column: &str) -> Option<String> {
        self.twin.value(KEY, &[("Id", id)], column)
    }

    /// Delivers everything and says how each operation ended, in their order.
    pub(crate) async fn deliver(&self, operations: Vec<Operation>) -> Vec<End> {
        let mut ends: Vec<Option<End>> = vec![None; operations.len()];
        let mut groups: VecDeque<Vec<Item>> = VecDeque::new();
        groups.push_back(operations.into_iter().enumerate().map(Item::new).collect());
        while let Some(group) = groups.pop_front() {
            self.send(group, &mut groups, &mut ends).await;
        }
        ends.into_iter().map(Option::unwrap).collect()
    }

    async fn send(&self, mut group: Vec<Item>, groups: &mut VecDeque<Vec<Item>>, ends: &mut [Option<End>]) {
        group.retain(|item| match self.binding.inspect(&item.operation) {
            Ok(()) => true,
            Err(rejection) => {
                ends[item.at] = Some(End::Rejected(rejection.code));
                false
            }
        });
        let Some(first) = group.first() else { return };
        let route = self.binding.route(&first.operation);
        let (mut same, other): (Vec<Item>, Vec<Item>) = group
            .into_iter()
            .partition(|item| self.binding.route(&item.operation) == route);
        if !other.is_empty() {
            groups.push_back(other);
        }
        let mut operations: Vec<Operation> = same.iter().map(|item| item.operation.clone()).collect();
        operations.truncate(route.max_rows);
        let encoded = self.binding.encode(route, &operations);
        operations.truncate(encoded.taken);
        let rest = same.split_off(encoded.taken);
        if !rest.is_empty() {
            groups.push_front(rest);
        }
        for item in &mut same {
            item.attempts += 1;
        }
        let answered = match self.binding.send(&encoded.request, &operations).await {
            Ok(Sent::Settled(answer)) => Ok(answer.outcomes),
            Ok(Sent::Accepted(ticket)) => self.settle(&ticket, &operations).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(outcomes) => {
                assert_eq!(outcomes.len(), same.len());
                for ((item, outcome), fields) in same.into_iter().zip(outcomes).zip(encoded.fields) {
                    let at = item.at;
                    match item.settle(outcome, &fields) {
                        Ok(next) => groups.push_back(vec![next]),
                        Err(end) => ends[at] = Some(end),
                    }
                }
            }
            Err(error) => refused(&error, same, groups, ends),
        }
    }

    async fn settle(
        &self,
        ticket: &Ticket,
        operations: &[Operation],
    ) -> Result<Vec<Outcome>, ConnectorError> {
        for _ in 0..ASKS {
            match self.binding.settle(ticket, operations).await {
                Ok(Asked::Answered(answer)) => return Ok(answer.outcomes),
                Ok(Asked::Partly) => {}
                Ok(Asked::Running) => self.twin.advance_clock(Duration::from_millis(200)),
                Err(error) => match error.kind {
                    ErrorKind::Transient { .. } | ErrorKind::RateLimited { .. } | ErrorKind::Ambiguous => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(vec![Outcome::InDoubt; operations.len()])
    }
}

async fn bind(twin: &Twin, with: Json) -> Arc<dyn Binding> {
    let mut options = json!({ "data_extension": KEY });
    let map = options.as_object_mut().unwrap();
    map.extend(with.as_object().cloned().unwrap_or_default());
    let spec = spec(Mode::Mirror, Some(Removed::Delete), &FIELDS, options);
    let binding = open(twin).bind(spec, true).await.unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    binding
}

/// What the engine does after a request failed as a whole.
fn refused(
    error: &ConnectorError,
    mut same: Vec<Item>,
    groups: &mut VecDeque<Vec<Item>>,
    ends: &mut [Option<End>],
) {
    match &error.kind {
        ErrorKind::BatchRejected { .. } if same.len() > 1 => {
            let rest = same.split_off(same.len() / 2);
            groups.extend([same, rest]);
        }
        ErrorKind::Ambiguous | ErrorKind::Transient { .. } | ErrorKind::RateLimited { .. }
            if same.iter().all(|item| item.attempts < ATTEMPTS) =>
        {
            groups.push_back(same);
        }
        ErrorKind::BatchRejected { code, .. } => {
            for item in same {
                ends[item.at] = Some(End::Rejected(code.clone()));
            }
        }
        _ => {
            for item in same {
                ends[item.at] = Some(End::Failed(error.code.into()));
            }
        }
    }
}

struct Item {
    at: usize,
    operation: Operation,
    attempts: u32,
    effects: Vec<Effect>,
}

impl Item {
    fn new((at, operation): (usize, Operation)) -> Self {
        Self {
            at,
            operation,
            attempts: 0,
            effects: Vec::new(),
        }
    }

    fn settle(mut self, outcome: Outcome, fields: &[u16]) -> Result<Self, End> {
        match outcome {
            Outcome::Applied { effect, remote } => {
                self.effects.push(effect);
                self.operation.pending.retain(|field| !fields.contains(field));
                if remote.is_some() {
                    self.operation.remote = remote;
                }
                let whole = self.operation.action == Action::Remove(Removed::Delete);
                if whole || self.operation.pending.is_empty() {
                    return Err(End::Done(self.effects, self.operation.remote));
                }
            }
            Outcome::Rejected(rejection) => return Err(End::Rejected(rejection.code)),
            Outcome::Suppressed(rejection) => return Err(End::Suppressed(rejection.code)),
            Outcome::Resolved { remote } => self.operation.remote = Some(remote),
            Outcome::Retry { .. } | Outcome::InDoubt => {}
            other => panic!("{other:?}"),
        }
        if self.attempts >= ATTEMPTS {
            return Err(End::Failed("no_progress".into()));
        }
        Ok(self)
    }
}

/// A row of [`FIELDS`]: an id, an address, and these.
pub(crate) fn row(number: u64, id: &str, others: &[(usize, Value)]) -> Operation {
    let mut record: Vec<Option<Value>> = vec![None; FIELDS.len()];
    record[0] = Some(Value::text(id));
    record[1] = Some(Value::text("ann@domain.tld"));
    for (field, value) in others {
        record[*field] = Some(value.clone());
    }
    Operation {
        row: number,
        key: CompactString::from(number.to_string()),
        action: Action::Write,
        remote: None,
        pending: (0u16..)
            .zip(&record)
            .filter(|(_, value)| value.is_some())
            .map(|(number, _)| number)
            .collect(),
        record: record.into(),
    }
}

pub(crate) fn rows(count: u64) -> Vec<Operation> {
    (0..count)
        .map(|number| row(number, &format!("c{number}"), &[]))
        .collect()
}

/// The same row once it was acknowledged, with these fields changed since.
pub(crate) fn changed(mut operation: Operation, end: &End, pending: &[u16]) -> Operation {
    let End::Done(_, remote) = end else {
        panic!("{end:?}");
    };
    operation.remote = remote.clone();
    operation.pending = pending.to_vec();
    operation
}

pub(crate) fn removal(rule: Removed, end: &End, pending: &[u16]) -> Operation {
    let mut operation = changed(row(1, "x", &[]), end, pending);
    operation.action = Action::Remove(rule);
    operation.record = vec![None; FIELDS.len()].into();
    operation
}

pub(crate) fn effects(end: &End) -> &[Effect] {
    match end {
        End::Done(effects, _) => effects,
        other => panic!("{other:?}"),
    }
}
