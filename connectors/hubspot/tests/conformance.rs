//! The rules of every destination, and what one exchange with HubSpot is made of, over a scripted
//! network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use outflow_hubspot::HubSpot;
use outflow_sdk::CompactString;
use outflow_sdk::ErrorKind;
use outflow_sdk::conformance::destination::{Fixture, run};
use outflow_sdk::conformance::script::{Script, answer, lost};
use outflow_sdk::destination::{
    Action, Binding, Destination, Effect, MappedField, Mode, ObjectSpec, Operation, Outcome, Removed, Sent,
};
use outflow_sdk::value::Value;
use serde_json::json;

const TOKEN: &str = "pat-na1-conformance-secret";

const PROPERTIES: &str = r#"{"results":[
    {"name":"email","label":"Email","type":"string","fieldType":"text"},
    {"name":"firstname","label":"First name","type":"string","fieldType":"text"}
]}"#;

fn operation(row: u64, action: Action, remote: Option<&str>, values: &[Option<&str>]) -> Operation {
    let record: Vec<Option<Value>> = values
        .iter()
        .map(|value| {
            value.map(|text| match text {
                "" => Value::Null,
                "true" => Value::Bool(true),
                text => Value::text(text),
            })
        })
        .collect();
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action,
        remote: remote.map(CompactString::from),
        pending: (0u16..)
            .zip(&record)
            .filter(|(_, value)| value.is_some())
            .map(|(number, _)| number)
            .collect(),
        record: record.into(),
    }
}

fn write(row: u64, email: &str, remote: Option<&str>) -> Operation {
    operation(row, Action::Write, remote, &[Some(email), Some("Ann"), None])
}

fn another(row: u64) -> Operation {
    write(row, &format!("person{row}@example.com"), None)
}

fn script_bind_answers(script: &Script) {
    script
        .then(answer(200, PROPERTIES))
        .then(answer(
            200,
            r#"{"portalId":7,"timeZone":"UTC","uiDomain":"app.hubspot.com"}"#,
        ))
        .then(answer(
            200,
            r#"{"list":{"listId":"8","objectTypeId":"0-1","processingType":"MANUAL"}}"#,
        ));
}

async fn bound(mode: Mode, settings: serde_json::Value) -> (Arc<Script>, Arc<HubSpot>, Arc<dyn Binding>) {
    let script = Arc::new(Script::new());
    let hubspot = Arc::new(HubSpot::open(settings, Arc::clone(&script) as Arc<_>).unwrap());
    script_bind_answers(&script);
    let spec = ObjectSpec {
        sync: "test".into(),
        object: "contacts".into(),
        match_fields: vec!["email".into()],
        mode,
        removed: (mode == Mode::Mirror).then_some(Removed::Archive),
        fields: ["email", "firstname", "list:8"]
            .map(|name| MappedField {
                name: name.into(),
                value_type: None,
            })
            .into(),
        options: serde_json::Value::Null,
    };
    let binding = hubspot.bind(spec, false).await.unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    script.take_requests();
    (script, hubspot, binding)
}

fn settings() -> serde_json::Value {
    json!({ "token": TOKEN })
}

#[tokio::test]
async fn hubspot_keeps_every_rule_in_every_mode() {
    for mode in [Mode::Upsert, Mode::Update, Mode::Create, Mode::Mirror] {
        let (script, hubspot, binding) = bound(mode, settings()).await;
        let mut joins = operation(
            5,
            Action::Write,
            Some("55"),
            &[Some("j@example.com"), None, Some("true")],
        );
        joins.pending = vec![2];
        let mut cleared = operation(
            6,
            Action::Remove(Removed::Clear),
            Some("66"),
            &[None, Some(""), Some("")],
        );
        cleared.pending = vec![1, 2];
        let fixture = Fixture {
            script,
            destination: hubspot,
            binding,
            object: "contacts".into(),
            secrets: vec![TOKEN.into()],
            operations: vec![
                another(1),
                another(2),
                write(3, "known@example.com", Some("33")),
                operation(4, Action::Remove(Removed::Archive), Some("44"), &[]),
                joins,
                cleared,
                operation(
                    7,
                    Action::Remove(Removed::Archive),
                    None,
                    &[Some("gone@example.com")],
                ),
            ],
            another,
            without_match: write(9, "", None),
            same_record: Some((
                write(1, "Ann@Example.com", None),
                write(2, " ann@example.COM", None),
            )),
            renewals: 0,
            silent_success: vec!["archive"],
            impossible_object: "no such/object".into(),
        };
        let violations = run(&fixture).await;
        assert!(violations.is_empty(), "{mode:?}: {violations:#?}");
    }
}

async fn outcome_of(status: u16, body: &str, rows: u64) -> Result<Vec<Outcome>, outflow_sdk::ConnectorError> {
    let (script, _, binding) = bound(Mode::Upsert, settings()).await;
    let operations: Vec<_> = (1..=rows).map(another).collect();
    let encoded = binding.encode(binding.route(&operations[0]), &operations);
    script.then(answer(status, body.to_owned()));
    match binding.send(&encoded.request, &operations).await? {
        Sent::Settled(answer) => Ok(answer.outcomes),
        Sent::Accepted(_) => panic!("HubSpot has no jobs"),
    }
}

const BAD_OPTION: &str = r#"{"status":"error","category":"VALIDATION_ERROR","correlationId":"aeb5f871-7f07-4993-9211-075dc63e7cbf",
    "message":"Property values were not valid: [{\"isValid\":false,\"message\":\"gold was not one of the allowed options\",\"error\":\"INVALID_OPTION\",\"name\":\"firstname\"}]",
    "errors":[{"message":"gold was not one of the allowed options","code":"INVALID_OPTION","context":{"propertyName":["firstname"]}}]}"#;

#[tokio::test]
async fn a_refused_batch_is_split_and_a_refused_row_is_rejected() {
    let error = outcome_of(400, BAD_OPTION, 3).await.unwrap_err();
    let code = "invalid_option".to_owned();
    assert_eq!(
        error.kind,
        ErrorKind::BatchRejected {
            code,
            field: Some("firstname".into())
        }
    );
    assert!(error.correlation.is_some());
    assert!(!error.to_string().contains("gold"), "{error}");
    let outcomes = outcome_of(400, BAD_OPTION, 1).await.unwrap();
    let [Outcome::Rejected(rejection)] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(rejection.message, "firstname does not have this option");
}

#[tokio::test]
async fn a_refusal_that_names_its_rows_costs_those_rows() {
    let body = r#"{"category":"VALIDATION_ERROR","message":"x","errors":[
        {"category":"VALIDATION_ERROR","message":"x","context":{"objectWriteTraceId":["r-2"]}}]}"#;
    let outcomes = outcome_of(400, body, 3).await.unwrap();
    assert!(matches!(outcomes[1], Outcome::Rejected(_)));
    assert!(matches!(outcomes[0], Outcome::Retry { .. }));
    assert!(matches!(outcomes[2], Outcome::Retry { .. }));
}

#[tokio::test]
async fn refusals_that_no_row_can_be_blamed_for_stop_the_sync() {
    for (message, code) in [
        (
            "Unable to perform update/upsert by non-unique 0-1 property email",
            "match_not_unique",
        ),
        ("Unable to infer object type from: contacts", "unknown_object"),
        (
            r#"Property values were not valid: [{\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"firstname\"}]"#,
            "hubspot_fields_changed",
        ),
    ] {
        let body = format!(r#"{{"category":"VALIDATION_ERROR","message":"{message}"}}"#);
        let error = outcome_of(400, &body, 1).await.unwrap_err();
        assert_eq!((error.code, &error.kind), (code, &ErrorKind::Config), "{message}");
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn duplicates_and_conflicts_of_a_whole_batch_are_split() {
    for (status, body) in [
        (
            400,
            r#"{"category":"VALIDATION_ERROR","message":"Duplicate IDs found in batch input: [a@b.c]. IDs must be unique","context":{"ids":["a@b.c"]}}"#,
        ),
        (
            409,
            r#"{"category":"CONFLICT","message":"Contact already exists. Existing ID: 51201"}"#,
        ),
        (413, "<html>too large</html>"),
    ] {
        let error = outcome_of(status, body, 2).await.unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::BatchRejected { .. }),
            "{status}: {error:?}"
        );
    }
}

#[tokio::test]
async fn other_answers_where_hubspot_should_be_are_no_rows_fault() {
    let error = outcome_of(400, "<html>proxy</html>", 1).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Contract, "hubspot_unexpected_answer")
    );
}

#[tokio::test]
async fn an_archive_that_says_nothing_but_204_is_done() {
    let (script, _, binding) = bound(Mode::Mirror, settings()).await;
    let operations = [operation(4, Action::Remove(Removed::Archive), Some("44"), &[])];
    let encoded = binding.encode(binding.route(&operations[0]), &operations);
    script.then(answer(204, ""));
    let Sent::Settled(settled) = binding.send(&encoded.request, &operations).await.unwrap() else {
        panic!("HubSpot has no jobs");
    };
    let remote = Some(CompactString::from("44"));
    assert_eq!(
        settled.outcomes,
        [Outcome::Applied {
            effect: Effect::Removed,
            remote
        }]
    );
}

#[tokio::test]
async fn a_request_is_what_was_encoded_with_the_credential_in_its_header() {
    let (script, _, binding) = bound(Mode::Upsert, settings()).await;
    let operations = [another(1)];
    let encoded = binding.encode(binding.route(&operations[0]), &operations);
    script.then_fail(lost());
    let error = binding.send(&encoded.request, &operations).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let requests = script.take_requests();
    let [request] = requests.as_slice() else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(
        request.url,
        format!("https://api.hubapi.com{}", encoded.request.path)
    );
    assert_eq!(request.body, encoded.request.body);
    assert_eq!(request.timeout.as_secs(), 60);
    let header = |name| {
        request
            .headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(header("content-type"), Some("application/json"));
}

fn oauth() -> serde_json::Value {
    json!({ "oauth": { "client_id": "id&1", "client_secret": "se cret", "refresh_token": "first" } })
}

fn grant(access: &str, refresh: &str) -> String {
    format!(
        r#"{{"access_token":"{access}","refresh_token":"{refresh}","expires_in":1800,"token_type":"bearer"}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn oauth_renews_ahead_of_the_end_with_the_newest_refresh_token() {
    let script = Arc::new(Script::new());
    let hubspot = HubSpot::open(oauth(), Arc::clone(&script) as Arc<_>).unwrap();
    script
        .then(answer(200, grant("one", "second")))
        .then(answer(200, PROPERTIES));
    hubspot.describe("contacts").await.unwrap();
    script.then(answer(200, PROPERTIES));
    hubspot.describe("contacts").await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(1_700)).await;
    script
        .then(answer(200, grant("two", "third")))
        .then(answer(200, PROPERTIES));
    hubspot.describe("contacts").await.unwrap();
    let requests = script.take_requests();
    assert_eq!(requests.len(), 5);
    let form = |at: usize| String::from_utf8(requests[at].body.to_vec()).unwrap();
    assert_eq!(
        form(0),
        "grant_type=refresh_token&client_id=id%261&client_secret=se%20cret&refresh_token=first"
    );
    assert!(form(3).ends_with("refresh_token=second"), "{}", form(3));
    assert!(
        requests[4]
            .headers
            .contains(&("authorization", "Bearer two".to_owned()))
    );
}

#[tokio::test]
async fn a_401_renews_the_token_once_and_resends_once() {
    let script = Arc::new(Script::new());
    let hubspot = HubSpot::open(oauth(), Arc::clone(&script) as Arc<_>).unwrap();
    script
        .then(answer(200, grant("one", "r")))
        .then(answer(401, "{}"))
        .then(answer(200, grant("two", "r")))
        .then(answer(401, "{}"));
    let error = hubspot.describe("contacts").await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Auth, "hubspot_unauthorized")
    );
    assert_eq!(script.take_requests().len(), 4);
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_is_never_ambiguous() {
    for (status, body, expected) in [
        (429, "{}", "RateLimited"),
        (503, "<html></html>", "Transient"),
        (524, "", "Transient"),
        (200, "{}", "Contract"),
        (200, r#"{"access_token":"line\nbreak"}"#, "Contract"),
        (400, r#"{"status":"BAD_HUB","error":"access_denied"}"#, "Auth"),
        (400, "not json", "Auth"),
    ] {
        let script = Arc::new(Script::new());
        let hubspot = HubSpot::open(oauth(), Arc::clone(&script) as Arc<_>).unwrap();
        script.then(answer(status, body));
        let error = hubspot.check().await.unwrap_err();
        assert!(
            format!("{:?}", error.kind).starts_with(expected),
            "{status} {body}: {error:?}"
        );
    }
}

#[tokio::test]
async fn connections_that_share_a_credential_share_an_account() {
    let key = |settings: serde_json::Value| {
        HubSpot::open(settings, Arc::new(Script::new()))
            .unwrap()
            .account_key()
    };
    assert_eq!(
        key(settings()),
        key(json!({ "token": TOKEN, "tier": "enterprise" }))
    );
    assert_ne!(key(settings()), key(json!({ "token": "pat-na1-other" })));
    assert_ne!(
        key(settings()),
        key(json!({ "token": TOKEN, "base_url": "http://localhost:1" }))
    );
}

#[tokio::test]
async fn bind_passes_on_what_stands_in_its_way() {
    let spec = || ObjectSpec {
        sync: "s".into(),
        object: "contacts".into(),
        match_fields: vec!["email".into()],
        mode: Mode::Upsert,
        removed: None,
        fields: Vec::new(),
        options: json!({ "create_feilds": true }),
    };
    let script = Arc::new(Script::new());
    let hubspot = HubSpot::open(settings(), Arc::clone(&script) as Arc<_>).unwrap();
    assert_eq!(
        hubspot.bind(spec(), false).await.err().unwrap().code,
        "hubspot_mapping"
    );
    let bare = || ObjectSpec {
        options: serde_json::Value::Null,
        ..spec()
    };
    for (status, body, code) in [
        (401, "{}", "hubspot_unauthorized"),
        (404, "{}", "unknown_object"),
        (200, "<html></html>", "hubspot_unexpected_answer"),
        (503, "", "hubspot_unavailable"),
    ] {
        script.then(answer(status, body));
        assert_eq!(hubspot.bind(bare(), false).await.err().unwrap().code, code);
    }
    let error = hubspot.bind(bare(), false).await.err().unwrap();
    assert!(
        matches!(error.kind, ErrorKind::Transient { .. }),
        "reading is harmless: {error:?}"
    );
}
