//! Deleting contacts: what each answer means, and that nothing is deleted that was not asked for.

use outflow_sdk::conformance::script::answer;
use outflow_sdk::destination::{Destination, Mode, Operation, Outcome};
use outflow_sdk::http::HttpResponse;
use serde_json::{Value as Json, json};

use crate::world::{
    FIELDS, TOKEN, World, columns, deleted, deletion, kind, known, opened, retrieved, settings, spec, text,
    token, words, write,
};

fn sendable(field: &str, subscriber: &str) -> HttpResponse {
    retrieved(
        "OK",
        &format!(
            "<Results><CustomerKey>customers</CustomerKey><Name>Customers</Name><IsSendable>true</IsSendable>\
             <SendableDataExtensionField><Name>{field}</Name></SendableDataExtensionField>\
             <SendableSubscriberField><Name>{subscriber}</Name></SendableSubscriberField></Results>"
        ),
    )
}

async fn bound() -> World {
    let (script, cloud) = opened(settings());
    script
        .then(token(TOKEN))
        .then(sendable("Id", "_SubscriberKey"))
        .then(retrieved("OK", &columns()));
    let options = json!({ "data_extension": "customers", "yes_delete_contacts_everywhere": true });
    let binding = cloud
        .bind(spec(Mode::Mirror, &FIELDS, options), false)
        .await
        .unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    script.take_requests();
    World {
        script,
        cloud,
        binding,
    }
}

fn initiated() -> HttpResponse {
    answer(
        200,
        r#"{"operationInitiated":true,"operationID":2038,"hasErrors":false,"resultMessages":[]}"#,
    )
}

/// The operation as it goes on after an outcome.
fn on(operation: &Operation, outcome: &Outcome) -> Operation {
    match outcome {
        Outcome::Resolved { remote } => known(operation.clone(), remote, &[]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_contact_is_asked_for_first_and_its_row_deleted_then() {
    let world = bound().await;
    let gone = [deletion(1, "a"), deletion(2, "b")];
    world.script.then(initiated());
    let outcomes = world.settled(&gone).await.unwrap();
    let requests = world.script.take_requests();
    assert!(
        requests[0]
            .url
            .ends_with("/contacts/v1/contacts/actions/delete?type=keys")
    );
    let body: Json = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(
        body,
        json!({ "values": ["a", "b"], "DeleteOperationType": "ContactAndAttributes" })
    );
    let rows: Vec<Operation> = gone
        .iter()
        .zip(&outcomes)
        .map(|(one, outcome)| on(one, outcome))
        .collect();
    world.script.then(deleted(&[("OK", ""), ("OK", "")]));
    assert_eq!(words(&world.settled(&rows).await.unwrap()), ["applied"; 2]);
    let requests = world.script.take_requests();
    assert!(
        text(&requests[0]).contains("<Value>a</Value>") && text(&requests[0]).contains("<Value>b</Value>")
    );
}

#[tokio::test]
async fn the_contact_of_a_key_that_another_row_has_by_now_stays() {
    let world = bound().await;
    world.script.then(answer(200, "[{}]"));
    world.settled(&[write(9, "SAME ")]).await.unwrap();
    world.script.take_requests();
    let gone = [deletion(1, "same"), deletion(2, "other")];
    world.script.then(initiated());
    let outcomes = world.settled(&gone).await.unwrap();
    let body: Json = serde_json::from_slice(&world.script.take_requests()[0].body).unwrap();
    assert_eq!(body["values"], json!(["other"]));
    let outcomes = [on(&gone[0], &outcomes[0])];
    assert_eq!(words(&world.settled(&outcomes).await.unwrap()), ["applied"]);
    assert!(world.script.take_requests().is_empty(), "neither row nor contact");
}

#[tokio::test]
async fn good_and_odd_answers_are_classified_and_no_row_goes_before_its_contact() {
    let world = bound().await;
    for (status, body, expected) in [
        (200, r#"{"operationInitiated":false,"hasErrors":true}"#, "batch"),
        (200, r#"{"operationInitiated":true,"hasErrors":true}"#, "batch"),
        (200, "{}", "ambiguous"),
        (200, "", "ambiguous"),
        (200, "<html>", "ambiguous"),
        (200, r#"{"operationInitiated":tr"#, "ambiguous"),
        (
            400,
            r#"{"message":"ann@secret.example","errorcode":10004}"#,
            "batch",
        ),
        (400, "<html>", "contract"),
        (403, r#"{"errorcode":20002}"#, "auth"),
        (404, "", "config"),
        (429, r#"{"errorcode":50200}"#, "limited"),
        (500, "", "transient"),
        (504, "<html>", "ambiguous"),
    ] {
        world.script.then(answer(status, body));
        let error = world
            .settled(&[deletion(1, "a"), deletion(2, "b")])
            .await
            .unwrap_err();
        assert_eq!(kind(&error), expected, "{status} {body}");
        assert!(!format!("{error:?}").contains("secret"));
    }
    world
        .script
        .then(answer(200, r#"{"operationInitiated":false,"hasErrors":true}"#));
    let alone = world.settled(&[deletion(1, "a")]).await.unwrap();
    assert_eq!(words(&alone), ["rejected contact_delete_refused"]);
}

#[tokio::test]
async fn a_mapping_whose_rows_do_not_say_whose_contact_they_mean_is_refused() {
    for (field, subscriber, mode, expected) in [
        ("Email", "_EmailAddress", Mode::Mirror, "not_contacts"),
        ("Plan", "_SubscriberKey", Mode::Mirror, "not_contacts"),
        ("Id", "_SubscriberKey", Mode::Upsert, "contacts_without_rows"),
    ] {
        let (script, cloud) = opened(settings());
        script
            .then(token(TOKEN))
            .then(sendable(field, subscriber))
            .then(retrieved("OK", &columns()));
        let options = json!({ "data_extension": "customers", "yes_delete_contacts_everywhere": true });
        let problems = cloud
            .bind(spec(mode, &FIELDS, options), false)
            .await
            .unwrap()
            .problems();
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [expected], "{field}");
    }
}
