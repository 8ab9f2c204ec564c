//! Odd answers, each with what it means for the rows of its request: one test for every kind.
//!
//! The request is a batch of three people, an event, or one member's own request. An expectation is
//! a word for each row in their order, or the kind and code of an error that concerns them all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod batch;
mod bodiless;
mod event;
mod single;

use std::sync::Arc;

use outflow_mailchimp::Mailchimp;
use outflow_sdk::CompactString;
use outflow_sdk::conformance::script::{Script, answer};
use outflow_sdk::destination::{
    Action, Binding, Destination, MappedField, Mode, ObjectSpec, Operation, Outcome, Removed, Sent,
};
use outflow_sdk::http::{ExchangeError, HttpResponse};
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Value as Json, json};

/// What the network gave.
pub(crate) type Given = Result<HttpResponse, ExchangeError>;

pub(crate) const EVENT_FIELDS: [&str; 3] = ["email_address", "name", "total"];
const FIELDS: [&str; 4] = ["email_address", "FNAME", "status", "tag:VIP"];
const ANN: &str = "62eeb292278cc15f5817cb78f7790b08";

/// An answer in JSON.
pub(crate) fn says(status: u16, body: &Json) -> Given {
    Ok(answer(status, body.to_string()))
}

/// An answer as it stands.
pub(crate) fn raw(status: u16, body: &'static str) -> Given {
    Ok(answer(status, body))
}

/// Mailchimp's own refusal.
pub(crate) fn problem(status: u16, title: &str, detail: &str) -> Given {
    let body = json!({ "type": "x", "title": title, "status": status, "detail": detail, "instance": "a-1" });
    says(status, &body)
}

/// No answer, for this reason.
pub(crate) fn cut(reason: &str) -> Given {
    Err(ExchangeError::Lost {
        host: "script".into(),
        reason: reason.into(),
    })
}

async fn bound(object: &str, mode: Mode, fields: &[&str]) -> (Arc<Script>, Arc<dyn Binding>) {
    let script = Arc::new(Script::new());
    script.then(answer(200, r#"{"id":"a1b2c3d4e5","name":"News"}"#));
    if object == "members" {
        let fields = r#"{"merge_fields":[{"tag":"FNAME","name":"First","type":"text"}],"total_items":1}"#;
        script.then(answer(200, fields));
    }
    let settings = json!({ "api_key": "0123456789abcdef0123456789abcdef-us6" });
    let mailchimp = Mailchimp::open(settings, Arc::clone(&script) as Arc<_>).unwrap();
    let options = match object {
        "events" => json!({ "audience": "a1b2c3d4e5" }),
        _ => json!({ "audience": "a1b2c3d4e5", "status_if_new": "transactional" }),
    };
    let spec = ObjectSpec {
        sync: "odd".into(),
        object: object.into(),
        match_fields: vec!["email_address".into()],
        mode,
        removed: (mode == Mode::Mirror).then_some(Removed::Archive),
        fields: fields
            .iter()
            .map(|name| MappedField {
                name: (*name).into(),
                value_type: None,
            })
            .collect(),
        options,
    };
    let binding = mailchimp.bind(spec, false).await.unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    (script, binding)
}

pub(crate) fn operation(row: u64, values: &[Option<Value>]) -> Operation {
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action: Action::Write,
        remote: None,
        pending: (0..).take(values.len()).collect(),
        record: Arc::from(values),
    }
}

/// What became of these operations when their request was answered so.
async fn told(binding: &dyn Binding, script: &Script, operations: &[Operation], given: Given) -> String {
    for operation in operations {
        binding.inspect(operation).unwrap();
    }
    let route = binding.route(&operations[0]);
    let encoded = binding.encode(route, operations);
    assert_eq!(encoded.taken, operations.len());
    script.take_requests();
    script.always(given);
    let sent = binding.send(&encoded.request, operations).await;
    assert_eq!(script.take_requests().len(), 1, "sent once, whatever the answer");
    let shown = match &sent {
        Ok(Sent::Settled(answer)) => {
            assert_eq!(answer.outcomes.len(), operations.len());
            let words: Vec<String> = answer.outcomes.iter().map(word).collect();
            words.join(", ")
        }
        Ok(Sent::Accepted(_)) => panic!("Mailchimp has no jobs"),
        Err(error) => failure(error),
    };
    let debug = format!("{sent:?}");
    assert!(!debug.contains("x.test"), "repeats an address: {debug}");
    shown
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { effect, .. } => format!("{effect:?}").to_lowercase(),
        Outcome::Resolved { .. } => "goes on".into(),
        Outcome::Rejected(why) => format!("rejected {}", why.code),
        Outcome::Suppressed(why) => format!("suppressed {}", why.code),
        Outcome::StaleRemote => "stale".into(),
        Outcome::Retry { code, .. } => format!("again {code}"),
        Outcome::InDoubt => "doubt".into(),
    }
}

fn failure(error: &ConnectorError) -> String {
    let kind = match &error.kind {
        ErrorKind::RateLimited { after: None, .. } => "throttled".to_owned(),
        ErrorKind::RateLimited {
            after: Some(wait), ..
        } => format!("throttled for {} s", wait.as_secs()),
        ErrorKind::BatchRejected { code, .. } => format!("split {code}"),
        ErrorKind::Transient { .. } => "outage".to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    format!("{kind}: {}", error.code)
}

/// A batch of three people, in mode upsert.
pub(crate) async fn batch(given: Given) -> String {
    let (script, binding) = bound("members", Mode::Upsert, &FIELDS).await;
    let people = ["ann", "bob", "cy"].map(|name| {
        let email = Value::text(format!("{name}@x.test").as_str());
        operation(1, &[Some(email), Some(Value::text(name)), None, None])
    });
    told(&*binding, &script, &people, given).await
}

/// A batch of two people, in mode create.
pub(crate) async fn create(given: Given) -> String {
    let (script, binding) = bound("members", Mode::Create, &FIELDS).await;
    let people = ["ann", "bob"].map(|name| {
        let email = Value::text(format!("{name}@x.test").as_str());
        operation(1, &[Some(email), Some(Value::text(name)), None, None])
    });
    told(&*binding, &script, &people, given).await
}

/// One event.
pub(crate) async fn event(given: Given) -> String {
    let (script, binding) = bound("events", Mode::Append, &EVENT_FIELDS).await;
    let values = ["ann@x.test", "purchased", "19.90"].map(|text| Some(Value::text(text)));
    told(&*binding, &script, &[operation(1, &values)], given).await
}

/// A known member's own request: with a new address, or with a tag to take off, or to be archived.
pub(crate) async fn member(change: Change, given: Given) -> String {
    let (script, binding) = bound("members", Mode::Mirror, &FIELDS).await;
    let email = Some(Value::text("ann@x.test"));
    let mut one = operation(
        1,
        &[email, Some(Value::text("ann")), None, Some(Value::Bool(false))],
    );
    one.remote = Some(CompactString::from(ANN));
    match change {
        Change::Address => one.pending = vec![0, 1],
        Change::Tag => one.pending = vec![3],
        Change::Archive => {
            one.action = Action::Remove(Removed::Archive);
            one.record = vec![None; FIELDS.len()].into();
            one.pending = Vec::new();
        }
    }
    told(&*binding, &script, &[one], given).await
}

/// What a request about one member is for.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    Address,
    Tag,
    Archive,
}

/// One test for each answer.
macro_rules! odd_answers {
    ($($name:ident: $to:expr => $expected:expr;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                assert_eq!($to.await, $expected);
            }
        )+
    };
}
pub(crate) use odd_answers;
