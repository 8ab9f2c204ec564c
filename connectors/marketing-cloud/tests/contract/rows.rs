//! Answers to synchronous requests and deletions: every row accounted for.

use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::conformance::script::{answer, lost};
use outflow_sdk::destination::{Effect, Outcome};

use crate::world::{bound, deleted, deletion, envelope, fault, kind, known, others, words, write};

const QUOTED: &str = "ann@secret.example";

#[tokio::test]
async fn good_and_odd_answers_to_a_request_are_classified() {
    let world = bound().await;
    let html = format!("<html>{QUOTED}</html>");
    let json =
        |code: i64| format!("{{\"message\":\"{QUOTED}\",\"errorcode\":{code},\"documentation\":\"\"}}");
    for (status, body, expected) in [
        (200, "[{},{},{}]".to_owned(), "applied"),
        (201, "[{},{},{}]".to_owned(), "applied"),
        (200, "[{},{}]".to_owned(), "ambiguous"),
        (200, html.clone(), "ambiguous"),
        (200, "[{\"keys\":{\"Id\":\"c1\"".to_owned(), "ambiguous"),
        (200, String::new(), "ambiguous"),
        (400, json(10_006), "transient"),
        (400, json(10_001), "contract"),
        (400, json(10_000), "batch"),
        (400, html.clone(), "contract"),
        (400, String::new(), "contract"),
        (403, json(20_002), "auth"),
        (404, json(404), "config"),
        (404, html.clone(), "config"),
        (409, json(0), "contract"),
        (413, html.clone(), "batch"),
        (429, json(50_100), "limited"),
        (429, json(50_200), "limited"),
        (429, String::new(), "limited"),
        (500, json(0), "transient"),
        (502, html.clone(), "transient"),
        (503, html, "transient"),
        (504, String::new(), "ambiguous"),
        (302, String::new(), "config"),
    ] {
        let given = world.answered(3, answer(status, body.clone())).await;
        assert!(!format!("{given:?}").contains(QUOTED), "{status} {body}");
        match given {
            Ok(outcomes) => assert_eq!(words(&outcomes), [expected; 3], "{status} {body}"),
            Err(error) => {
                assert_eq!(kind(&error), expected, "{status} {body}");
                assert!(!error.message.is_empty() && !error.code.is_empty());
            }
        }
    }
    world.script.then_fail(lost());
    assert_eq!(kind(&world.settled(&others(3)).await.unwrap_err()), "ambiguous");
}

#[tokio::test]
async fn throttling_is_obeyed_in_both_its_forms() {
    let world = bound().await;
    let after = async |body: &'static str, header: Option<&str>| {
        let mut given = answer(429, body);
        if let Some(seconds) = header {
            given.headers.push(("retry-after".into(), seconds.into()));
        }
        match world.answered(1, given).await.unwrap_err().kind {
            ErrorKind::RateLimited { after, .. } => after,
            other => panic!("{other:?}"),
        }
    };
    let seconds = |count| Some(Duration::from_secs(count));
    assert_eq!(
        after(r#"{"errorcode":50100,"retryAfter":5}"#, Some("5")).await,
        seconds(5)
    );
    assert_eq!(
        after(r#"{"errorcode":50100,"retryAfter":9}"#, Some("5")).await,
        seconds(9)
    );
    assert_eq!(after(r#"{"errorcode":50200}"#, None).await, seconds(300));
    assert_eq!(after("", None).await, None);
}

#[tokio::test]
async fn a_bad_row_is_looked_for_by_halves_and_refused_alone() {
    let world = bound().await;
    let body = r#"{"message":"Unable to save rows","errorcode":10006,"additionalErrors":[{"message":"Email: The value for column [Email] is not a valid email address."}]}"#;
    let error = world.answered(2, answer(400, body)).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::BatchRejected {
            code: "invalid_email".into(),
            field: Some("Email".into())
        }
    );
    let outcomes = world.answered(1, answer(400, body)).await.unwrap();
    assert_eq!(words(&outcomes), ["rejected invalid_email"]);
}

#[tokio::test]
async fn a_column_that_was_dropped_meanwhile_stops_the_sync() {
    let world = bound().await;
    let body = r#"{"message":"x","errorcode":10006,"additionalErrors":[{"message":"At least one existing field is required in the values property"}]}"#;
    let error = world.answered(2, answer(400, body)).await.unwrap_err();
    assert_eq!(
        (kind(&error), error.code),
        ("config", "marketing_cloud_schema_changed")
    );
}

#[tokio::test]
async fn a_row_that_is_known_is_updated_and_one_that_is_not_is_created() {
    let world = bound().await;
    let operations = [write(1, "a"), known(write(2, "b"), "[\"b\"]", &[1])];
    world.script.then(answer(200, "[{},{}]"));
    let outcomes = world.settled(&operations).await.unwrap();
    let effects: Vec<(Effect, Option<&str>)> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Applied { effect, remote } => (*effect, remote.as_deref()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        effects,
        [
            (Effect::Created, Some("[\"a\"]")),
            (Effect::Updated, Some("[\"b\"]"))
        ]
    );
}

#[tokio::test]
async fn answers_to_a_deletion_are_read_row_by_row() {
    let world = bound().await;
    let operations = [
        deletion(1, "a"),
        deletion(2, "b"),
        deletion(3, "c"),
        deletion(4, "d"),
    ];
    world.script.then(deleted(&[
        ("OK", "Deleted DataExtensionObject"),
        ("Error", "No matching row found"),
        ("Error", "ann@secret.example is protected"),
        ("Error", "Rerun the transaction"),
    ]));
    let outcomes = world.settled(&operations).await.unwrap();
    assert_eq!(
        words(&outcomes),
        ["applied", "applied", "rejected delete_refused", "retry deadlock"]
    );
    assert!(!format!("{outcomes:?}").contains("secret"));
    world.script.then(deleted(&[("OK", "")]));
    let outcomes = world.settled(&operations[..2]).await.unwrap();
    assert_eq!(words(&outcomes), ["applied", "in doubt"]);
}

#[tokio::test]
async fn good_and_odd_answers_to_a_deletion_are_classified() {
    let world = bound().await;
    for (given, expected) in [
        (
            envelope("<DeleteResponse><OverallStatus>OK</OverallStatus></DeleteResponse>"),
            "ambiguous",
        ),
        (envelope("<RetrieveResponseMsg/>"), "ambiguous"),
        (answer(200, "<html>"), "ambiguous"),
        (answer(200, "<Envelope><Body><DeleteResponse>"), "ambiguous"),
        (answer(200, "{}"), "ambiguous"),
        (fault("Server was unable to process request."), "transient"),
        (fault("Login Failed"), "auth"),
        (answer(500, ""), "transient"),
        (answer(429, r#"{"errorcode":50200}"#), "limited"),
        (answer(403, ""), "auth"),
        (answer(413, ""), "batch"),
        (answer(504, "<html>"), "ambiguous"),
    ] {
        world.script.then(given.clone());
        let error = world
            .settled(&[deletion(1, "a"), deletion(2, "b")])
            .await
            .unwrap_err();
        assert_eq!(kind(&error), expected, "{given:?}");
    }
}
