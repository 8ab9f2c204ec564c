//! Delivers operations to a twin as the engine would: routed, packed, sent again where that is due.

use std::collections::VecDeque;
use std::sync::Arc;

use outflow_mailchimp::Mailchimp;
use outflow_sandbox::mailchimp::{AUDIENCE, MergeField, MergeType, Options, Twin};
use outflow_sdk::CompactString;
use outflow_sdk::ErrorKind;
use outflow_sdk::destination::{
    Action, Binding, Destination, Effect, MappedField, Mode, ObjectSpec, Operation, Outcome, Removed, Sent,
};
use outflow_sdk::http::Network;
use outflow_sdk::value::Value;
use serde_json::{Value as Json, json};

/// Requests an operation may be in before the test gives up.
const ATTEMPTS: u32 = 12;

pub(crate) const FIELDS: [&str; 8] = [
    "email_address",
    "FNAME",
    "LTV",
    "status",
    "tags",
    "tag:VIP",
    "interest:Topics/Travel",
    "segment:Gold",
];

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
    pub(crate) interest: String,
}

pub(crate) fn options() -> Json {
    json!({ "audience": AUDIENCE, "status_if_new": "transactional" })
}

pub(crate) fn settings(twin: &Twin) -> Json {
    json!({ "api_key": "0123456789abcdef0123456789abcdef-us1", "base_url": twin.base_url() })
}

pub(crate) fn spec(mode: Mode, removed: Option<Removed>, fields: &[&str], options: Json) -> ObjectSpec {
    ObjectSpec {
        sync: "test".into(),
        object: "members".into(),
        match_fields: vec!["email_address".into()],
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

impl World {
    pub(crate) async fn new(mode: Mode, with: Json) -> Self {
        let twin = Twin::start(Options::default()).await.unwrap();
        twin.define_merge_field(AUDIENCE, MergeField::new("LTV", "Value", MergeType::Number))
            .unwrap();
        let interest = twin.define_interest(AUDIENCE, "Topics", "Travel").unwrap();
        let mut options = options();
        let map = options.as_object_mut().unwrap();
        map.insert("create_fields".into(), json!(true));
        map.extend(with.as_object().cloned().unwrap_or_default());
        let mailchimp = Mailchimp::open(settings(&twin), Arc::new(Network::new().unwrap())).unwrap();
        let removed = (mode == Mode::Mirror).then_some(Removed::Archive);
        let binding = mailchimp
            .bind(spec(mode, removed, &FIELDS, options), true)
            .await
            .unwrap();
        let errors: Vec<_> = binding
            .problems()
            .into_iter()
            .filter(|problem| !problem.warning)
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        twin.clear_requests();
        Self {
            twin,
            binding,
            interest,
        }
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
        match self.binding.send(&encoded.request, &operations).await {
            Ok(Sent::Settled(answer)) => {
                assert_eq!(answer.outcomes.len(), same.len());
                for ((item, outcome), fields) in same.into_iter().zip(answer.outcomes).zip(encoded.fields) {
                    let at = item.at;
                    match item.settle(outcome, &fields) {
                        Ok(next) => groups.push_back(vec![next]),
                        Err(end) => ends[at] = Some(end),
                    }
                }
            }
            Ok(Sent::Accepted(_)) => panic!("Mailchimp has no jobs"),
            Err(error) => match error.kind {
                ErrorKind::BatchRejected { .. } => groups.extend(same.into_iter().map(|item| vec![item])),
                ErrorKind::Ambiguous | ErrorKind::Transient { .. } | ErrorKind::RateLimited { .. }
                    if same.iter().all(|item| item.attempts < ATTEMPTS) =>
                {
                    groups.push_back(same);
                }
                _ => {
                    for item in same {
                        ends[item.at] = Some(End::Failed(error.code.into()));
                    }
                }
            },
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
                let whole = matches!(
                    self.operation.action,
                    Action::Remove(Removed::Archive | Removed::Unsubscribe | Removed::Delete)
                );
                if whole || effect == Effect::Untouched || self.operation.pending.is_empty() {
                    return Err(End::Done(self.effects, self.operation.remote));
                }
            }
            Outcome::Resolved { remote } => self.operation.remote = Some(remote),
            Outcome::Rejected(rejection) => return Err(End::Rejected(rejection.code)),
            Outcome::Suppressed(rejection) => return Err(End::Suppressed(rejection.code)),
            Outcome::StaleRemote => {
                self.operation.remote = None;
                self.operation.pending = every_value(&self.operation.record);
            }
            Outcome::Retry { .. } | Outcome::InDoubt => {}
        }
        if self.attempts >= ATTEMPTS {
            return Err(End::Failed("no_progress".into()));
        }
        Ok(self)
    }
}

fn every_value(record: &[Option<Value>]) -> Vec<u16> {
    (0u16..)
        .zip(record)
        .filter(|(_, value)| value.is_some())
        .map(|(number, _)| number)
        .collect()
}

/// A row of [`FIELDS`]: an address, a first name, and these.
pub(crate) fn row(number: u64, email: &str, others: &[(usize, Value)]) -> Operation {
    let mut record: Vec<Option<Value>> = vec![None; FIELDS.len()];
    record[0] = Some(Value::text(email));
    record[1] = Some(Value::text("Ann"));
    for (field, value) in others {
        record[*field] = Some(value.clone());
    }
    Operation {
        row: number,
        key: CompactString::from(number.to_string()),
        action: Action::Write,
        remote: None,
        pending: every_value(&record),
        record: record.into(),
    }
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
    let mut operation = changed(row(1, "x@domain.tld", &[]), end, pending);
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
