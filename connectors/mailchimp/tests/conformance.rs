//! The rules of every destination, and what one exchange with Mailchimp is made of, over a scripted
//! network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use outflow_mailchimp::Mailchimp;
use outflow_sdk::CompactString;
use outflow_sdk::ErrorKind;
use outflow_sdk::conformance::destination::{Fixture, run};
use outflow_sdk::conformance::script::{Script, answer, lost};
use outflow_sdk::destination::{
    Action, Binding, Destination, MappedField, Mode, ObjectSpec, Operation, Outcome, Removed, Sent,
};
use outflow_sdk::value::Value;
use serde_json::{Value as Json, json};

const KEY: &str = "0123456789abcdef0123456789abcdef-us6";
const ANN: &str = "62eeb292278cc15f5817cb78f7790b08";

const AUDIENCE: &str = r#"{"id":"a1b2c3d4e5","name":"News","marketing_permissions":true}"#;
const MERGE_FIELDS: &str = r#"{"merge_fields":[{"tag":"FNAME","name":"First Name","type":"text","options":{"size":25}}],"total_items":1}"#;
const SEGMENTS: &str = r#"{"segments":[{"id":77,"name":"Gold","type":"static"}],"total_items":1}"#;
const FIELDS: [&str; 5] = ["email_address", "FNAME", "status", "tag:VIP", "segment:Gold"];

fn operation(row: u64, action: Action, remote: Option<&str>, values: &[Option<&str>]) -> Operation {
    let mut record: Vec<Option<Value>> = values
        .iter()
        .map(|value| {
            value.map(|text| match text {
                "" => Value::Null,
                "true" => Value::Bool(true),
                text => Value::text(text),
            })
        })
        .collect();
    let pending = (0u16..)
        .zip(&record)
        .filter(|(_, value)| value.is_some())
        .map(|(number, _)| number)
        .collect();
    record.resize(FIELDS.len(), None);
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action,
        remote: remote.map(CompactString::from),
        pending,
        record: record.into(),
    }
}

fn write(row: u64, email: &str, remote: Option<&str>) -> Operation {
    operation(row, Action::Write, remote, &[Some(email), Some("Ann")])
}

fn another(row: u64) -> Operation {
    write(row, &format!("person{row}@x.test"), None)
}

fn pending(mut operation: Operation, pending: &[u16]) -> Operation {
    operation.pending = pending.to_vec();
    operation
}

fn spec(mode: Mode, fields: &[&str], options: Json) -> ObjectSpec {
    ObjectSpec {
        sync: "test".into(),
        object: "members".into(),
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
    }
}

fn options() -> Json {
    json!({ "audience": "a1b2c3d4e5", "status_if_new": "transactional" })
}

fn settings() -> Json {
    json!({ "api_key": KEY })
}

fn opened(settings: Json) -> (Arc<Script>, Arc<Mailchimp>) {
    let script = Arc::new(Script::new());
    let mailchimp = Mailchimp::open(settings, Arc::clone(&script) as Arc<_>).unwrap();
    (script, Arc::new(mailchimp))
}

async fn bound(mode: Mode) -> (Arc<Script>, Arc<Mailchimp>, Arc<dyn Binding>) {
    let (script, mailchimp) = opened(settings());
    script
        .then(answer(200, AUDIENCE))
        .then(answer(200, MERGE_FIELDS))
        .then(answer(200, SEGMENTS));
    let binding = mailchimp
        .bind(spec(mode, &FIELDS, options()), false)
        .await
        .unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    script.take_requests();
    (script, mailchimp, binding)
}

fn operations() -> Vec<Operation> {
    let consenting = |row, email: &str, remote: Option<&str>| {
        operation(
            row,
            Action::Write,
            remote,
            &[Some(email), Some("Ann"), Some("subscribed")],
        )
    };
    let seen = format!("{ANN}+");
    let archived = format!("{ANN}~");
    let on = |row, email: &str| {
        let values = [Some(email), None, None, Some("true"), Some("true")];
        operation(row, Action::Write, Some(ANN), &values)
    };
    let remove = |row, rule| operation(row, Action::Remove(rule), Some(ANN), &[]);
    vec![
        another(1),
        another(2),
        consenting(3, "c@x.test", None),
        consenting(4, "d@x.test", Some(&seen)),
        write(5, "e@x.test", Some(&archived)),
        pending(write(6, "new@x.test", Some(ANN)), &[0, 1]),
        consenting(7, "f@x.test", Some(ANN)),
        pending(on(8, "g@x.test"), &[3]),
        pending(on(9, "h@x.test"), &[4]),
        remove(10, Removed::Archive),
        remove(11, Removed::Unsubscribe),
        remove(12, Removed::Delete),
        pending(remove(13, Removed::Clear), &[1, 3, 4]),
        pending(remove(14, Removed::Clear), &[4]),
        operation(15, Action::Remove(Removed::Archive), None, &[Some("gone@x.test")]),
    ]
}

#[tokio::test]
async fn mailchimp_keeps_every_rule_in_every_mode() {
    for mode in [Mode::Upsert, Mode::Update, Mode::Create, Mode::Mirror] {
        let (script, mailchimp, binding) = bound(mode).await;
        let fixture = Fixture {
            script,
            destination: mailchimp,
            binding,
            object: "members".into(),
            secrets: vec![KEY.into(), "0123456789abcdef0123456789abcdef".into()],
            operations: operations(),
            another,
            without_match: write(99, "", None),
            same_record: Some((write(1, "Ann@X.test", None), write(2, " ann@x.TEST", None))),
            renewals: 0,
            silent_success: vec!["tags", "segment_leave", "archive", "delete"],
            impossible_object: "contacts".into(),
        };
        let violations = run(&fixture).await;
        assert!(violations.is_empty(), "{mode:?}: {violations:#?}");
    }
}

#[tokio::test]
async fn events_keep_every_rule() {
    let event = |row: u64, email: &str| {
        let values = [Some(email), Some("purchased"), None, Some("1001"), Some("true")];
        operation(row, Action::Write, None, &values)
    };
    let (script, mailchimp) = opened(settings());
    script.then(answer(200, AUDIENCE));
    let fields = ["email_address", "name", "occurred_at", "order", "is_syncing"];
    let mut spec = spec(Mode::Append, &fields, json!({ "audience": "a1b2c3d4e5" }));
    spec.object = "events".into();
    let binding = mailchimp.bind(spec, false).await.unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    let fixture = Fixture {
        script,
        destination: mailchimp,
        binding,
        object: "events".into(),
        secrets: vec![KEY.into()],
        operations: vec![event(1, "ann@x.test"), event(2, "ann@x.test")],
        another: |row| {
            let email = format!("person{row}@x.test");
            operation(row, Action::Write, None, &[Some(&email), Some("purchased")])
        },
        without_match: event(99, ""),
        // Two events of one member are two events.
        same_record: None,
        renewals: 0,
        silent_success: vec!["event"],
        impossible_object: "event".into(),
    };
    let violations = run(&fixture).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test]
async fn every_route_is_covered() {
    let mut names: Vec<&str> = Vec::new();
    for mode in [Mode::Upsert, Mode::Update, Mode::Create] {
        let (_, _, binding) = bound(mode).await;
        names.extend(operations().iter().map(|operation| binding.route(operation).name));
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 11, "{names:?}");
}

async fn batch(status: u16, body: &str, rows: u64) -> Result<Vec<Outcome>, outflow_sdk::ConnectorError> {
    let (script, _, binding) = bound(Mode::Upsert).await;
    let operations: Vec<_> = (1..=rows).map(another).collect();
    let encoded = binding.encode(binding.route(&operations[0]), &operations);
    script.then(answer(status, body.to_owned()));
    match binding.send(&encoded.request, &operations).await? {
        Sent::Settled(answer) => Ok(answer.outcomes),
        Sent::Accepted(_) => panic!("this is no job"),
    }
}

#[tokio::test]
async fn a_refused_batch_is_split_and_a_refused_row_is_rejected() {
    let body = r#"{"title":"Invalid Resource","detail":"Your merge fields were invalid.","instance":"ab-12",
        "errors":[{"field":"FNAME","message":"ann@x.test: Please enter a value"}]}"#;
    let error = batch(400, body, 3).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::BatchRejected {
            code: "missing_required".into(),
            field: Some("FNAME".into())
        }
    );
    assert_eq!(error.correlation.as_deref(), Some("ab-12"));
    assert!(!error.to_string().contains("ann@"), "{error}");
    let outcomes = batch(400, body, 1).await.unwrap();
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Rejected(_)]),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn refusals_that_no_row_can_be_blamed_for_stop_the_sync() {
    let gone = r#"{"title":"Resource Not Found","detail":"The requested resource could not be found."}"#;
    let error = batch(404, gone, 2).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Config, "mailchimp_not_found")
    );
    let error = batch(400, "<html>proxy</html>", 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Contract);
    let lost_field = r#"{"new_members":[{"email_address":"person1@x.test","merge_fields":{"LNAME":""}}]}"#;
    let error = batch(200, lost_field, 1).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Config, "mailchimp_fields_changed")
    );
}

#[tokio::test]
async fn throttling_without_a_body_is_no_question_of_rights() {
    for (status, body) in [(403, ""), (429, "<html></html>"), (403, "<html></html>")] {
        let error = batch(status, body, 1).await.unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::RateLimited { .. }),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_request_is_what_was_encoded_with_the_credential_in_its_header() {
    let (script, _, binding) = bound(Mode::Upsert).await;
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
        "https://us6.api.mailchimp.com/3.0/lists/a1b2c3d4e5?skip_merge_validation=true"
    );
    assert_eq!(request.body, encoded.request.body);
    assert_eq!(request.timeout.as_secs(), 120);
    let bearer = ("authorization", format!("Bearer {KEY}"));
    assert!(request.headers.contains(&bearer));
}

#[tokio::test]
async fn a_base_url_may_end_in_the_version() {
    for base in [
        "http://127.0.0.1:9",
        "http://127.0.0.1:9/",
        "http://127.0.0.1:9/3.0",
    ] {
        let (script, mailchimp) = opened(json!({ "api_key": "local", "base_url": base }));
        script.then(answer(
            200,
            r#"{"account_name":"Shop","account_timezone":"Europe/Berlin"}"#,
        ));
        let account = mailchimp.check().await.unwrap();
        assert_eq!(
            (account.label.as_str(), account.time_zone.as_deref()),
            ("Shop", Some("Europe/Berlin"))
        );
        let requests = script.take_requests();
        assert!(
            requests[0].url.starts_with("http://127.0.0.1:9/3.0/?"),
            "{}",
            requests[0].url
        );
    }
}

#[tokio::test]
async fn a_key_without_a_data_centre_is_named_before_anything_is_sent() {
    let (script, mailchimp) = opened(json!({ "api_key": "0123456789abcdef" }));
    let error = mailchimp.check().await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Config, "mailchimp_settings")
    );
    assert!(script.take_requests().is_empty());
}

#[tokio::test]
async fn an_oauth_token_asks_for_its_data_centre_once() {
    let (script, mailchimp) = opened(json!({ "access_token": "oauth-secret" }));
    script.then(answer(
        200,
        r#"{"dc":"us3","api_endpoint":"https://us3.api.mailchimp.com"}"#,
    ));
    script.always(Ok(answer(200, r#"{"account_name":"Shop"}"#)));
    mailchimp.check().await.unwrap();
    mailchimp.check().await.unwrap();
    let requests = script.take_requests();
    let urls: Vec<&str> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(urls.len(), 3);
    assert_eq!(urls[0], "https://login.mailchimp.com/oauth2/metadata");
    assert!(
        urls[1].starts_with("https://us3.api.mailchimp.com/3.0/"),
        "{}",
        urls[1]
    );
    assert!(
        requests[0]
            .headers
            .contains(&("authorization", "OAuth oauth-secret".to_owned()))
    );
    assert!(
        requests[1]
            .headers
            .contains(&("authorization", "Bearer oauth-secret".to_owned()))
    );
}

#[tokio::test]
async fn a_refused_or_odd_oauth_token_is_told_apart_from_an_outage() {
    for (status, body, expected) in [
        (
            200,
            r#"{"error":"invalid_token","error_description":"secret"}"#,
            "Auth",
        ),
        (400, "{}", "Auth"),
        (401, "", "Auth"),
        (200, r#"{"dc":"us3.evil.test/"}"#, "Transient"),
        (200, "<html>", "Transient"),
        (503, "", "Transient"),
        (429, "", "RateLimited"),
    ] {
        let (script, mailchimp) = opened(json!({ "access_token": "oauth-secret" }));
        script.then(answer(status, body));
        let error = mailchimp.check().await.unwrap_err();
        assert!(
            format!("{:?}", error.kind).starts_with(expected),
            "{status} {body}: {error:?}"
        );
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn connections_that_share_a_key_share_an_account() {
    let key = |settings: Json| opened(settings).1.account_key();
    assert_eq!(
        key(settings()),
        key(json!({ "api_key": KEY, "audience": "News" }))
    );
    assert_ne!(key(settings()), key(json!({ "api_key": "fedcba9876543210-us6" })));
    assert_ne!(
        key(settings()),
        key(json!({ "api_key": KEY, "base_url": "http://localhost:1" }))
    );
}

#[tokio::test]
async fn an_audience_is_found_by_name_over_many_pages() {
    let (script, mailchimp) = opened(settings());
    let page = |names: &[&str]| {
        let lists: Vec<Json> = names
            .iter()
            .map(|name| json!({ "id": format!("id-{name}"), "name": name }))
            .collect();
        answer(200, json!({ "lists": lists, "total_items": 3 }).to_string())
    };
    script
        .then(page(&["One", "Two"]))
        .then(page(&["Three"]))
        .then(answer(200, r#"{"merge_fields":[],"total_items":0}"#));
    let mapping = json!({ "audience": "Three", "status_if_new": "pending" });
    let binding = mailchimp
        .bind(spec(Mode::Upsert, &["email_address"], mapping), false)
        .await
        .unwrap();
    assert_eq!(binding.target(), "audience id-Three");
    let requests = script.take_requests();
    assert!(
        requests[0].url.ends_with("count=1000&offset=0"),
        "{}",
        requests[0].url
    );
    assert!(requests[1].url.ends_with("offset=2"), "{}", requests[1].url);
}

#[tokio::test]
async fn missing_fields_and_segments_are_created_only_when_that_is_asked_for_twice() {
    let fields = ["email_address", "PLAN", "segment:New"];
    let mapping = json!({ "audience": "a1b2c3d4e5", "status_if_new": "pending", "create_fields": true });
    let look = |script: &Script| {
        script.then(answer(200, AUDIENCE)).then(answer(200, MERGE_FIELDS));
    };
    let (script, mailchimp) = opened(settings());
    look(&script);
    script.then(answer(200, SEGMENTS));
    let binding = mailchimp
        .bind(spec(Mode::Upsert, &fields, mapping.clone()), false)
        .await
        .unwrap();
    assert!(binding.problems().iter().all(|problem| problem.warning));
    assert_eq!(binding.problems().len(), 2);
    assert!(
        script
            .take_requests()
            .iter()
            .all(|request| request.method == "GET")
    );

    look(&script);
    script
        .then(answer(
            200,
            r#"{"merge_id":5,"tag":"PLAN","name":"Plan","type":"text"}"#,
        ))
        .then(answer(200, SEGMENTS))
        .then(answer(200, r#"{"id":78,"name":"New","type":"static"}"#));
    let binding = mailchimp
        .bind(spec(Mode::Upsert, &fields, mapping.clone()), true)
        .await
        .unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    let bodies: Vec<Json> = script
        .take_requests()
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    assert_eq!(bodies[0]["tag"], json!("PLAN"));
    assert_eq!(bodies[1], json!({ "name": "New", "static_segment": [] }));

    for (status, body) in [
        (400, r#"{"title":"Invalid Resource"}"#),
        (200, r#"{"tag":"MMERGE5"}"#),
    ] {
        look(&script);
        script.then(answer(status, body));
        let refused = mailchimp
            .bind(spec(Mode::Upsert, &fields, mapping.clone()), true)
            .await;
        assert_eq!(refused.err().unwrap().code, "create_field_refused", "{body}");
    }
}

#[tokio::test]
async fn interests_and_permissions_are_found_by_name() {
    let fields = [
        "email_address",
        "interest:Topics/Travel",
        "interests:Colours",
        "permission:Email",
        "interest:Nope",
    ];
    let (script, mailchimp) = opened(settings());
    script
        .then(answer(200, AUDIENCE))
        .then(answer(200, MERGE_FIELDS))
        .then(answer(
            200,
            r#"{"categories":[{"id":"c1","title":"Topics"},{"id":"c2","title":"Colours"}],"total_items":2}"#,
        ))
        .then(answer(
            200,
            r#"{"interests":[{"id":"i1","name":"Travel"}],"total_items":1}"#,
        ))
        .then(answer(
            200,
            r#"{"interests":[{"id":"i2","name":"Red"}],"total_items":1}"#,
        ))
        .then(answer(
            200,
            r#"{"members":[{"marketing_permissions":[{"marketing_permission_id":"p1","text":"Email"}]}]}"#,
        ));
    let binding = mailchimp
        .bind(spec(Mode::Update, &fields, options()), false)
        .await
        .unwrap();
    let problems = binding.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].code, "unknown_interest");
    assert!(
        problems[0]
            .hint
            .as_deref()
            .unwrap()
            .contains("`interest:Topics/Travel`")
    );
    assert_eq!(script.take_requests().len(), 6);
}

#[tokio::test]
async fn bind_and_describe_pass_on_what_stands_in_their_way() {
    for (status, body, code) in [
        (401, "{}", "mailchimp_unauthorized"),
        (200, "<html></html>", "mailchimp_unexpected_answer"),
        (503, "", "mailchimp_unavailable"),
        (504, "", "mailchimp_timeout"),
    ] {
        let (script, mailchimp) = opened(settings());
        script.then(answer(status, body));
        let error = mailchimp
            .bind(spec(Mode::Upsert, &FIELDS, options()), false)
            .await
            .err()
            .unwrap();
        assert_eq!(error.code, code);
        assert!(error.kind != ErrorKind::Ambiguous, "reading is never ambiguous");
    }
    let (script, mailchimp) = opened(settings());
    let wrong = spec(Mode::Upsert, &FIELDS, json!({ "audiense": "x" }));
    assert_eq!(
        mailchimp.bind(wrong, false).await.err().unwrap().code,
        "mailchimp_mapping"
    );
    let two =
        json!({ "lists": [{ "id": "a", "name": "News" }, { "id": "b", "name": "Shop" }], "total_items": 2 });
    script.then(answer(200, two.to_string()));
    let error = mailchimp.describe("members").await.unwrap_err();
    assert_eq!(error.code, "audience_missing");
    assert_eq!(
        mailchimp.describe("contacts").await.unwrap_err().kind,
        ErrorKind::Config
    );
}

#[tokio::test]
async fn describe_shows_what_can_be_mapped() {
    let (script, mailchimp) = opened(settings());
    script
        .then(answer(200, AUDIENCE))
        .then(answer(200, MERGE_FIELDS))
        .then(answer(200, r#"{"categories":[],"total_items":0}"#));
    let fields = mailchimp.describe("members:a1b2c3d4e5").await.unwrap();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names[..3], ["email_address", "status", "tags"]);
    assert!(names.contains(&"FNAME"));
    assert!(fields[0].unique && fields[0].required);
}
