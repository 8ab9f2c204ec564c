#![allow(clippy::unwrap_used, clippy::panic)]

use outflow_sdk::conformance::script::{Script, answer, lost};
use outflow_sdk::destination::Removed;
use serde_json::json;

use super::*;
use crate::config::Settings;
use crate::testing::{number, operation, spec};

const TOKEN: &str = r#"{"access_token":"t0ken","expires_in":1079,
    "rest_instance_url":"https://x.rest.marketingcloudapis.com/","soap_instance_url":"https://x.soap.marketingcloudapis.com/"}"#;

fn options(key: &str) -> MappingOptions {
    MappingOptions {
        event_definition_key: Some(key.into()),
        ..MappingOptions::default()
    }
}

fn events_of(fields: &[&str]) -> ObjectSpec {
    ObjectSpec {
        object: "journey_event".into(),
        match_fields: vec![CONTACT_KEY.into()],
        ..spec(Mode::Append, fields)
    }
}

fn bound(script: &Arc<Script>) -> EventBinding {
    let settings = json!({ "base_url": "https://auth.test", "client_id": "c", "client_secret": "s" });
    let client = Client::new(Settings::parse(settings).unwrap(), Arc::clone(script) as Arc<_>);
    let spec = events_of(&[CONTACT_KEY, "Amount", "When", "Note"]);
    let binding = EventBinding::new(Arc::new(client), "target".into(), &spec, options("APIEvent-1"));
    assert!(binding.problems().is_empty());
    binding
}

fn order(contact: &str) -> Operation {
    operation(
        1,
        vec![
            Some(Value::text(contact)),
            Some(number("12.50")),
            Some(Value::Timestamp(1_720_000_000_000_000)),
            Some(Value::Null),
        ],
    )
}

#[test]
fn an_event_names_its_contact_and_carries_its_data() {
    let binding = bound(&Arc::new(Script::new()));
    let encoded = binding.encode(binding.route(&order("c1")), &[order("c1"), order("c2")]);
    assert_eq!(
        (encoded.taken, encoded.request.path.as_str()),
        (1, "/interaction/v1/events")
    );
    assert_eq!(
        serde_json::from_slice::<Json>(&encoded.request.body).unwrap(),
        json!({
            "ContactKey": "c1",
            "EventDefinitionKey": "APIEvent-1",
            "Data": { "Amount": 12.5, "When": "2024-07-03T03:46:40" },
        })
    );
    assert!(!encoded.request.route.replay_safe);
}

#[test]
fn numbers_keep_all_their_digits() {
    for (digits, written) in [
        ("12", "12"),
        ("-0.5", "-0.5"),
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901.25", "\"123456789012345678901.25\""),
    ] {
        assert_eq!(exact(digits.into()).to_string(), written);
    }
}

#[test]
fn an_event_without_a_contact_is_refused_before_it_is_sent() {
    let binding = bound(&Arc::new(Script::new()));
    assert_eq!(binding.inspect(&order(" ")).unwrap_err().code, "missing_match");
    assert_eq!(binding.inspect(&order("c1")), Ok(()));
}

async fn fired(status: u16, body: &str) -> Result<Outcome, ConnectorError> {
    let script = Arc::new(Script::new());
    let binding = bound(&script);
    script
        .then(answer(200, TOKEN))
        .then(answer(status, body.to_owned()));
    let encoded = binding.encode(EVENT, &[order("c1")]);
    match binding.send(&encoded.request, &[order("c1")]).await? {
        Sent::Settled(mut answer) => Ok(answer.outcomes.remove(0)),
        Sent::Accepted(_) => panic!("an event is no job"),
    }
}

#[tokio::test]
async fn an_event_is_sent_when_its_instance_is_named() {
    let outcome = fired(201, r#"{"eventInstanceId":"7f3a"}"#).await.unwrap();
    assert!(matches!(
        outcome,
        Outcome::Applied {
            effect: Effect::Created,
            ..
        }
    ));
    for body in ["{}", "", "<html>", "{\"eventInst"] {
        assert_eq!(
            fired(201, body).await.unwrap_err().kind,
            ErrorKind::Ambiguous,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_refused_event_is_told_in_our_words() {
    let refusal =
        r#"{"message":"Contact ann@secret.example is inactive","errorcode":30003,"documentation":""}"#;
    let outcome = fired(400, refusal).await.unwrap();
    assert!(matches!(&outcome, Outcome::Rejected(rejection) if rejection.code == "invalid_event"));
    assert!(!format!("{outcome:?}").contains("secret"));
}

#[tokio::test]
async fn a_servers_error_leaves_in_doubt_whether_the_contact_entered() {
    for status in [500, 502, 503, 504] {
        assert_eq!(
            fired(status, "").await.unwrap_err().kind,
            ErrorKind::Ambiguous,
            "{status}"
        );
    }
    assert!(matches!(
        fired(429, "{}").await.unwrap_err().kind,
        ErrorKind::RateLimited { .. }
    ));
    assert_eq!(
        fired(403, r#"{"errorcode":20002}"#).await.unwrap_err().kind,
        ErrorKind::Auth
    );
    let script = Arc::new(Script::new());
    let binding = bound(&script);
    script.then(answer(200, TOKEN)).then_fail(lost());
    let encoded = binding.encode(EVENT, &[order("c1")]);
    let error = binding.send(&encoded.request, &[order("c1")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
}

#[tokio::test]
async fn an_event_that_cannot_get_a_token_was_not_sent() {
    let script = Arc::new(Script::new());
    let binding = bound(&script);
    script.then_fail(lost());
    let encoded = binding.encode(EVENT, &[order("c1")]);
    let error = binding.send(&encoded.request, &[order("c1")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient { after: None });
}

#[test]
fn a_mapping_that_is_no_event_is_told_why() {
    let codes = |spec: &ObjectSpec, key: &str| -> Vec<&'static str> {
        problems(spec, &options(key))
            .iter()
            .map(|problem| problem.code)
            .collect()
    };
    let good = events_of(&[CONTACT_KEY, "Amount"]);
    assert!(codes(&good, "APIEvent-1").is_empty());
    assert_eq!(codes(&good, ""), ["event_definition_key"]);
    assert_eq!(codes(&good, "API.Event"), ["event_definition_key"]);
    let wrong = ObjectSpec {
        match_fields: vec!["Email".into()],
        mode: Mode::Mirror,
        removed: Some(Removed::Delete),
        ..events_of(&[CONTACT_KEY, RESERVED])
    };
    assert_eq!(
        codes(&wrong, "APIEvent-1"),
        ["unsupported_mode", "unsupported_match", "reserved_field"]
    );
}
