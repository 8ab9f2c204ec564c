#![allow(clippy::unwrap_used)]

use outflow_sdk::CompactString;
use outflow_sdk::conformance::script::{Script, answer, lost};
use outflow_sdk::destination::{Action, Destination, MappedField};
use serde_json::json;

use super::*;
use crate::Mailchimp;

const FIELDS: [&str; 5] = [MATCH, NAME, OCCURRED_AT, "order_id", "total"];

fn spec(fields: &[&str]) -> ObjectSpec {
    ObjectSpec {
        sync: "orders".into(),
        object: "events".into(),
        match_fields: vec![MATCH.into()],
        mode: Mode::Append,
        removed: None,
        fields: fields
            .iter()
            .map(|name| MappedField {
                name: (*name).into(),
                value_type: None,
            })
            .collect(),
        options: json!({ "audience": "a1b2c3d4e5" }),
    }
}

async fn bound(spec: ObjectSpec) -> (Arc<Script>, Arc<dyn Binding>) {
    let script = Arc::new(Script::default());
    script.then(answer(200, r#"{"id":"a1b2c3d4e5","name":"News"}"#));
    let settings = json!({ "api_key": "0123456789abcdef0123456789abcdef-us6" });
    let mailchimp = Mailchimp::open(settings, Arc::clone(&script) as Arc<_>).unwrap();
    let binding = mailchimp.bind(spec, false).await.unwrap();
    (script, binding)
}

fn order(values: [Option<Value>; 5]) -> Operation {
    Operation {
        row: 1,
        key: CompactString::from("1001"),
        action: Action::Write,
        remote: None,
        pending: (0..5).collect(),
        record: Arc::from(values.to_vec()),
    }
}

fn good() -> [Option<Value>; 5] {
    [
        Some(Value::text("Ann@x.test")),
        Some(Value::text("purchased")),
        Some(Value::Timestamp(1_700_000_000_000_000)),
        Some(Value::text("1001")),
        Some(Value::Number(outflow_sdk::value::Decimal::new(1990, 2))),
    ]
}

#[tokio::test]
async fn an_event_is_one_request_whose_properties_are_strings() {
    let (_, binding) = bound(spec(&FIELDS)).await;
    let operation = order(good());
    assert!(binding.problems().is_empty());
    binding.inspect(&operation).unwrap();
    let route = binding.route(&operation);
    assert!(!route.replay_safe && route.max_rows == 1);
    let encoded = binding.encode(route, std::slice::from_ref(&operation));
    assert_eq!(
        encoded.request.path,
        "/3.0/lists/a1b2c3d4e5/members/3f009d72559f51e7e454b16e5d0687a1/events"
            .replace("3f009d72559f51e7e454b16e5d0687a1", &hash_of("ann@x.test"))
    );
    let body: Json = serde_json::from_slice(&encoded.request.body).unwrap();
    assert_eq!(
        body,
        json!({
            "name": "purchased",
            "properties": { "order_id": "1001", "total": "19.9" },
            "occurred_at": "2023-11-14T22:13:20Z",
        })
    );
    assert_eq!(encoded.fields, [vec![0, 1, 2, 3, 4]]);
}

#[tokio::test]
async fn what_an_answer_means_for_an_event() {
    let (script, binding) = bound(spec(&FIELDS)).await;
    let operation = order(good());
    let request = binding.encode(ROUTE, std::slice::from_ref(&operation)).request;
    let not_found = r#"{"title":"Resource Not Found","status":404}"#;
    let invalid = r#"{"title":"Invalid Resource","status":400,"detail":"Ann@x.test is wrong"}"#;
    for (status, body, expected) in [
        (204, "", "applied"),
        (400, invalid, "invalid_event"),
        (404, not_found, "unknown_member"),
    ] {
        script.then(answer(status, body));
        let sent = binding
            .send(&request, std::slice::from_ref(&operation))
            .await
            .unwrap();
        let Sent::Settled(answer) = sent else {
            unreachable!()
        };
        match &answer.outcomes[0] {
            Outcome::Applied { effect, .. } => assert_eq!((expected, *effect), ("applied", Effect::Created)),
            Outcome::Rejected(rejection) => {
                assert_eq!(rejection.code, expected);
                assert!(!rejection.message.contains("x.test"));
            }
            other => assert_eq!(format!("{other:?}"), expected),
        }
    }
    for (status, body, in_doubt) in [
        (200, "<html>", true),
        (200, "{}", true),
        (500, "{}", true),
        (502, "<html>", true),
        (504, "", true),
        (429, "<html>", false),
        (403, "", false),
        (401, "{}", false),
        (404, "<html>", false),
        (400, "<html>", false),
    ] {
        script.then(answer(status, body));
        let error = binding
            .send(&request, std::slice::from_ref(&operation))
            .await
            .unwrap_err();
        assert_eq!(
            error.kind == ErrorKind::Ambiguous,
            in_doubt,
            "{status}: {error:?}"
        );
        assert!(
            !matches!(error.kind, ErrorKind::Transient { .. }),
            "{status} must not be repeated"
        );
    }
    script.then_fail(lost());
    let error = binding
        .send(&request, std::slice::from_ref(&operation))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
}

#[tokio::test]
async fn rows_that_are_no_events_are_refused_before_a_request_is_spent() {
    let (_, binding) = bound(spec(&FIELDS)).await;
    let refused = |at: usize, value: Option<Value>| {
        let mut values = good();
        values[at] = value;
        binding.inspect(&order(values)).unwrap_err().code
    };
    assert_eq!(refused(0, None), "missing_match");
    assert_eq!(refused(0, Some(Value::text("nobody"))), "invalid_email");
    assert_eq!(refused(1, Some(Value::Null)), "invalid_event_name");
    assert_eq!(refused(1, Some(Value::text("x"))), "invalid_event_name");
    assert_eq!(
        refused(1, Some(Value::text(&"x".repeat(31)))),
        "invalid_event_name"
    );
    assert_eq!(refused(2, Some(Value::text("yesterday"))), "invalid_timestamp");
}

#[tokio::test]
async fn a_mapping_that_sends_no_events_is_told_so() {
    let codes = |binding: Arc<dyn Binding>| -> Vec<&'static str> {
        binding.problems().iter().map(|problem| problem.code).collect()
    };
    let (_, binding) = bound(spec(&["order_id"])).await;
    assert_eq!(codes(binding), ["missing_field", "missing_field"]);
    let mut wrong = spec(&FIELDS);
    wrong.mode = Mode::Upsert;
    wrong.match_fields = vec!["order_id".into()];
    wrong.fields[2].value_type = Some(FieldType::Number);
    let (_, binding) = bound(wrong).await;
    assert_eq!(
        codes(binding),
        ["unsupported_mode", "unsupported_match", "type_mismatch"]
    );
}
