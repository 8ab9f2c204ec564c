//! Asynchronous jobs, from their submission to what became of each row.

use outflow_sdk::conformance::script::answer;
use outflow_sdk::destination::{Asked, Operation, Outcome, Sent, Ticket};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Value as Json, json};

use crate::world::{POINTS, World, another, bound, kind, others, with, words};

const JOB: &str = "2b1c-77";

fn ticket(id: &str) -> Ticket {
    Ticket {
        id: id.into(),
        poll_every: std::time::Duration::from_secs(1),
        deadline: std::time::Duration::from_secs(60),
    }
}

fn status(request: &str, result: &str) -> HttpResponse {
    let errors = result == "Has Errors";
    let body = json!({
        "status": { "callDateTime": "2024-01-01T00:00:00.1", "hasErrors": errors, "requestStatus": request,
                    "resultStatus": result, "requestId": JOB },
        "requestId": "of-this-call", "resultMessages": [],
    });
    answer(200, body.to_string())
}

fn not_found() -> HttpResponse {
    let body = json!({ "requestId": "x", "resultMessages": [{ "resultType": "Operational", "resultClass": "Error",
        "resultCode": "AsyncRequestStatusNotFound", "message": "Unable to locate an Async Request Status Record" }] });
    answer(200, body.to_string())
}

const BAD: &str = "Email: The value for column [Email] is not a valid email address. ann@secret.example";

/// A page of results; rows named in `bad` are refused.
fn page(number: usize, rows: std::ops::Range<usize>, count: usize, bad: &[(usize, &str)]) -> HttpResponse {
    let item = |at: usize| match bad.iter().find(|(bad, _)| *bad == at) {
        Some((_, text)) => json!({ "errorCode": "UnexpectedError", "message": text, "status": "Error" }),
        None => json!({ "errorCode": "", "message": "", "status": "OK" }),
    };
    let items: Vec<Json> = rows.map(item).collect();
    let body = json!({ "page": number, "pageSize": 50, "count": count, "items": items, "requestId": JOB, "resultMessages": [] });
    answer(200, body.to_string())
}

async fn submitted(
    world: &World,
    operations: &[Operation],
    given: HttpResponse,
) -> Result<Sent, ConnectorError> {
    world.script.then(given);
    world.send(operations).await
}

async fn ask(world: &World, operations: &[Operation], given: HttpResponse) -> Result<Asked, ConnectorError> {
    world.script.then(given);
    world.binding.settle(&ticket(JOB), operations).await
}

fn is_running(asked: &Asked) -> bool {
    matches!(asked, Asked::Running)
}

fn outcomes(asked: Asked) -> Vec<Outcome> {
    match asked {
        Asked::Answered(answer) => {
            assert_eq!(answer.correlation.as_deref(), Some(JOB));
            answer.outcomes
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_job_is_submitted_once_and_known_by_its_id() {
    let world = bound().await;
    let given = answer(202, format!("{{\"requestId\":\"{JOB}\",\"resultMessages\":[]}}"));
    let Sent::Accepted(ticket) = submitted(&world, &others(60), given).await.unwrap() else {
        panic!("no job");
    };
    assert_eq!(ticket.id, JOB);
    assert!(ticket.deadline >= std::time::Duration::from_secs(1_800));
    let requests = world.script.take_requests();
    assert_eq!(
        (requests.len(), requests[0].method, requests[0].url.as_str()),
        (
            1,
            "PUT",
            "https://t.rest.marketingcloudapis.com/data/v1/async/dataextensions/key:customers/rows"
        )
    );
}

#[tokio::test]
async fn good_and_odd_answers_to_a_submission_are_classified() {
    let world = bound().await;
    let refusal = |code: &str| {
        format!(
            "{{\"requestId\":\"x\",\"resultMessages\":[{{\"resultType\":\"Validation\",\"resultClass\":\"Error\",\"resultCode\":\"{code}\",\"message\":\"ann@secret.example\"}}]}}"
        )
    };
    for (status, body, expected) in [
        (202, String::new(), "ambiguous"),
        (202, "<html>".into(), "ambiguous"),
        (202, "{\"requestId\":\"2b".into(), "ambiguous"),
        (202, "{\"resultMessages\":[]}".into(), "ambiguous"),
        (202, "{\"requestId\":\"../../x\"}".into(), "ambiguous"),
        (200, "[]".into(), "ambiguous"),
        (202, refusal("SomethingElse"), "batch"),
        (400, refusal("CustomObjectNotFound"), "config"),
        (400, refusal("SomethingElse"), "batch"),
        (400, r#"{"message":"x","errorcode":10004}"#.into(), "contract"),
        (400, r#"{"message":"x","errorcode":10000}"#.into(), "batch"),
        (400, "<html>".into(), "contract"),
        (
            403,
            r#"{"message":"Insufficient privileges","errorcode":20002}"#.into(),
            "auth",
        ),
        (413, String::new(), "batch"),
        (429, r#"{"errorcode":50100,"retryAfter":5}"#.into(), "limited"),
        (
            500,
            r#"{"message":"Internal Server Error","documentation":""}"#.into(),
            "transient",
        ),
        (504, "<html>".into(), "ambiguous"),
    ] {
        let error = submitted(&world, &others(60), answer(status, body.clone()))
            .await
            .unwrap_err();
        assert_eq!(kind(&error), expected, "{status} {body}");
        assert!(!format!("{error:?}").contains("secret"));
    }
    // A job of one row: that one is refused.
    let emptied = with(another(1), POINTS, Value::Null);
    let sent = submitted(&world, &[emptied], answer(400, refusal("SomethingElse")))
        .await
        .unwrap();
    let Sent::Settled(answer) = sent else {
        panic!("a job")
    };
    assert_eq!(words(&answer.outcomes), ["rejected refused"]);
}

#[tokio::test]
async fn a_warning_with_an_accepted_job_is_no_refusal() {
    let world = bound().await;
    let body = r#"{"requestId":"2b1c-77","resultMessages":[{"resultClass":"Warning","resultCode":"Any"}]}"#;
    assert!(matches!(
        submitted(&world, &others(60), answer(202, body)).await,
        Ok(Sent::Accepted(_))
    ));
}

#[tokio::test]
async fn a_job_runs_until_it_is_complete_whatever_is_said_before() {
    let world = bound().await;
    let rows = others(60);
    for given in [
        not_found(),
        answer(
            404,
            r#"{"resultMessages":[{"resultCode":"AsyncRequestStatusNotFound"}]}"#,
        ),
        status("Pending", ""),
        status("Executing", ""),
        status("Error", "Has Errors"),
        status("Something new", "OK"),
    ] {
        assert!(
            is_running(&ask(&world, &rows, given.clone()).await.unwrap()),
            "{given:?}"
        );
    }
    let done = outcomes(ask(&world, &rows, status("Complete", "OK")).await.unwrap());
    assert_eq!(words(&done), ["applied"; 60]);
    let requests = world.script.take_requests();
    assert!(
        requests
            .iter()
            .all(|request| request.url.ends_with("/data/v1/async/2b1c-77/status"))
    );
}

#[tokio::test]
async fn answers_about_a_job_that_say_nothing_are_asked_again() {
    let world = bound().await;
    for (given, expected) in [
        (answer(200, ""), "transient"),
        (answer(200, "{}"), "transient"),
        (answer(200, "<html>"), "transient"),
        (answer(200, "{\"status\":{\"requestSt"), "transient"),
        (answer(500, "<html>"), "transient"),
        (answer(504, ""), "transient"),
        (answer(429, r#"{"errorcode":50100,"retryAfter":5}"#), "limited"),
        (answer(403, ""), "auth"),
    ] {
        let error = ask(&world, &others(60), given.clone()).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{given:?}");
    }
    let odd = world
        .binding
        .settle(&ticket("../x"), &others(1))
        .await
        .unwrap_err();
    assert_eq!(odd.kind, ErrorKind::Internal);
}

#[tokio::test]
async fn mixed_results_are_read_to_the_last_page_and_matched_by_their_order() {
    let world = bound().await;
    let rows = others(120);
    let bad = [
        (0, BAD),
        (49, "x: 'Plan'"),
        (50, "Rerun the transaction"),
        (119, BAD),
    ];
    assert!(matches!(
        ask(&world, &rows, status("Complete", "Has Errors")).await,
        Ok(Asked::Partly)
    ));
    assert!(matches!(
        ask(&world, &rows, page(1, 0..50, 120, &bad)).await,
        Ok(Asked::Partly)
    ));
    assert!(matches!(
        ask(&world, &rows, page(2, 50..100, 120, &bad)).await,
        Ok(Asked::Partly)
    ));
    let done = outcomes(ask(&world, &rows, page(3, 100..120, 120, &bad)).await.unwrap());
    let told = words(&done);
    assert_eq!(told.iter().filter(|word| *word == "applied").count(), 116);
    assert_eq!(
        [&told[0], &told[49], &told[50], &told[119]],
        [
            "rejected invalid_email",
            "rejected invalid_value",
            "retry deadlock",
            "rejected invalid_email"
        ]
    );
    assert!(!format!("{done:?}").contains("secret"));
    let urls: Vec<String> = world
        .script
        .take_requests()
        .into_iter()
        .map(|request| request.url)
        .collect();
    assert!(
        urls[1].ends_with("/results?page=1") && urls[3].ends_with("/results?page=3"),
        "{urls:?}"
    );
}

#[tokio::test]
async fn every_row_of_a_job_can_have_failed() {
    let world = bound().await;
    let rows = others(51);
    let bad: Vec<(usize, &str)> = (0..51).map(|at| (at, BAD)).collect();
    ask(&world, &rows, status("Complete", "Has Errors"))
        .await
        .unwrap();
    ask(&world, &rows, page(1, 0..50, 51, &bad)).await.unwrap();
    let done = outcomes(ask(&world, &rows, page(2, 50..51, 51, &bad)).await.unwrap());
    assert_eq!(words(&done), ["rejected invalid_email"; 51]);
}

#[tokio::test]
async fn pages_that_would_shift_the_rows_are_asked_for_again() {
    let world = bound().await;
    let rows = others(120);
    ask(&world, &rows, status("Complete", "Has Errors"))
        .await
        .unwrap();
    // Under load a page comes empty, or short, or is another one.
    for given in [
        page(1, 0..0, 120, &[]),
        answer(200, r#"{"page":1,"pageSize":50,"count":120,"resultMessages":[]}"#),
        page(1, 0..20, 120, &[]),
    ] {
        assert!(is_running(&ask(&world, &rows, given).await.unwrap()));
    }
    assert!(ask(&world, &rows, answer(500, "")).await.is_err());
    ask(&world, &rows, page(1, 0..50, 120, &[])).await.unwrap();
    assert!(is_running(
        &ask(&world, &rows, page(1, 0..50, 120, &[])).await.unwrap()
    ));
    ask(&world, &rows, page(2, 50..100, 120, &[])).await.unwrap();
    let done = outcomes(
        ask(&world, &rows, page(3, 100..120, 120, &[(110, BAD)]))
            .await
            .unwrap(),
    );
    assert_eq!(words(&done)[110], "rejected invalid_email");
    assert_eq!(done.len(), 120);
    let asked = world.script.take_requests();
    assert!(
        asked
            .iter()
            .filter(|request| request.url.ends_with("page=1"))
            .count()
            == 5
    );
}

#[tokio::test]
async fn results_that_do_not_say_which_rows_they_mean_make_smaller_jobs() {
    let world = bound().await;
    for (count, items) in [(2, 0..2), (0, 0..0), (70, 0..50)] {
        ask(&world, &others(60), status("Complete", "Has Errors"))
            .await
            .unwrap();
        let mut asked = ask(&world, &others(60), page(1, items.clone(), count, &[(0, BAD)])).await;
        if matches!(asked, Ok(Asked::Partly)) {
            asked = ask(&world, &others(60), page(2, 50..70, count, &[])).await;
        }
        assert_eq!(kind(&asked.unwrap_err()), "batch", "{count}");
    }
}

#[tokio::test]
async fn a_data_extension_that_lost_its_key_or_a_column_stops_the_sync() {
    for text in [
        "This Data Extension does not have any primary keys defined.",
        "Column not found: Points",
    ] {
        let world = bound().await;
        let rows = others(2);
        ask(&world, &rows, status("Complete", "Has Errors"))
            .await
            .unwrap();
        let error = ask(&world, &rows, page(1, 0..2, 2, &[(0, text), (1, text)]))
            .await
            .unwrap_err();
        assert_eq!(
            (kind(&error), error.code),
            ("config", "marketing_cloud_schema_changed")
        );
    }
}

#[tokio::test]
async fn a_row_with_an_unheard_of_status_is_in_doubt() {
    let world = bound().await;
    let rows = others(2);
    ask(&world, &rows, status("Complete", "Has Errors"))
        .await
        .unwrap();
    let body = r#"{"page":1,"pageSize":50,"count":2,"items":[{"status":"Later"},{"status":"OK"}]}"#;
    let done = outcomes(ask(&world, &rows, answer(200, body)).await.unwrap());
    assert_eq!(words(&done), ["in doubt", "applied"]);
}

#[tokio::test]
async fn a_job_of_an_earlier_process_is_read_by_the_place_of_its_rows() {
    let world = bound().await;
    let mut rows = others(3);
    for row in &mut rows {
        row.record = Vec::new().into();
        row.pending.clear();
        row.key = "".into();
    }
    let done = outcomes(ask(&world, &rows, status("Complete", "OK")).await.unwrap());
    assert_eq!(words(&done), ["applied"; 3]);
    ask(&world, &rows, status("Complete", "Has Errors"))
        .await
        .unwrap();
    let done = outcomes(ask(&world, &rows, page(1, 0..3, 3, &[(1, BAD)])).await.unwrap());
    assert_eq!(words(&done), ["applied", "rejected invalid_email", "applied"]);
    let told = |outcome: &Outcome| matches!(outcome, Outcome::Applied { remote: Some(_), .. });
    assert!(
        !done.iter().any(told),
        "an address that is not known is not made up"
    );
}
