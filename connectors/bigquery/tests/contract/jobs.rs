//! Jobs: inserted once, waited for, bounded, refused.

use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::source::Model;
use serde_json::{Value as Json, json};

use crate::rest::{Data, LOCATION, Reply, Rest};
use crate::shared::{credentials, has_each_once, people, read, read_counted, request, source, sql};

#[tokio::test]
async fn a_job_whose_answer_was_lost_runs_once() {
    let stub = Rest::start(Data::people(100), |asked| {
        (asked.route == "insert" && asked.nth == 0).then(Reply::nothing)
    })
    .await;
    has_each_once(&read(&source(stub.port, json!({})), people()).await.unwrap(), 100);
    let inserts = stub.asked("insert");
    assert_eq!(inserts.len(), 2);
    let id = |at: usize| {
        inserts[at].body["jobReference"]["jobId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        id(0),
        id(1),
        "the second is refused as a duplicate, which is as good"
    );
}

#[tokio::test]
async fn jobs_run_and_are_asked_for_where_the_data_are() {
    let stub = Rest::start(Data::people(10), |_| None).await;
    read(&source(stub.port, json!({})), people()).await.unwrap();
    assert_eq!(
        stub.asked("dry_run")[0].body["jobReference"]["location"],
        Json::Null
    );
    read(&source(stub.port, json!({"location": LOCATION})), people())
        .await
        .unwrap();
    assert_eq!(
        stub.asked("dry_run")[1].body["jobReference"]["location"],
        LOCATION
    );
    for insert in stub.asked("insert") {
        assert_eq!(insert.body["jobReference"]["location"], LOCATION);
    }
    // A server that does not tell before tells afterwards.
    let silent = Rest::start(Data::people(10), |asked| {
        let schema = Data::people(0).fields;
        (asked.route == "dry_run")
            .then(|| Reply::json(&json!({"statistics": {"query": {"schema": {"fields": schema}}}})))
    })
    .await;
    has_each_once(
        &read(&source(silent.port, json!({})), people()).await.unwrap(),
        10,
    );
    assert_eq!(silent.asked("poll")[0].query["location"], LOCATION);
}

#[tokio::test]
async fn a_job_that_takes_its_time_is_waited_for() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "poll" && asked.nth < 6).then(|| Reply::json(&json!({"jobComplete": false})))
    })
    .await;
    let began = std::time::Instant::now();
    has_each_once(&read(&source(stub.port, json!({})), people()).await.unwrap(), 10);
    assert_eq!(stub.asked("poll").len(), 7);
    // Pauses grow: a server that answers at once is not asked ten times a second.
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_job_beyond_its_time_is_given_up_and_cancelled() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "poll").then(|| Reply::json(&json!({"jobComplete": false})))
    })
    .await;
    let slow = source(
        stub.port,
        json!({"job_timeout": "1s", "maximum_bytes_billed": 1_000_000}),
    );
    let (_, error) = read_counted(&slow, request(people(), &[])).await.unwrap_err();
    assert_eq!(
        (error.code, error.kind),
        ("query_timeout", ErrorKind::Source { transient: false })
    );
    let configuration = &stub.asked("insert")[0].body["configuration"];
    assert_eq!(configuration["jobTimeoutMs"], "1000");
    assert_eq!(configuration["query"]["maximumBytesBilled"], "1000000");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stub.asked("cancel").len(), 1);
}

fn failed(reason: &str, message: &str) -> Json {
    json!({"jobReference": {"jobId": "x", "location": LOCATION},
        "status": {"state": "DONE", "errorResult": {"reason": reason, "message": message}}})
}

#[tokio::test]
async fn a_job_that_failed_is_an_error_wherever_it_says_so() {
    for route in ["insert", "poll", "job"] {
        let stub = Rest::start(Data::people(10), move |asked| {
            (asked.route == route).then(|| match route {
                "poll" => Reply::refusal(400, "invalidQuery", "Bad int64 value: ann@example.com"),
                _ => Reply::json(&failed("invalidQuery", "Bad int64 value: ann@example.com")),
            })
        })
        .await;
        let (_, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code, error.kind.clone()),
            ("value_error", ErrorKind::Source { transient: false }),
            "{route}"
        );
        assert!(!error.message.contains("ann@example.com"));
        assert_eq!(stub.asked("insert").len(), 1);
    }
}

#[tokio::test]
async fn a_job_that_bigquery_broke_runs_anew_under_another_id() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "job" && asked.nth == 0).then(|| Reply::json(&failed("backendError", "Internal")))
    })
    .await;
    has_each_once(&read(&source(stub.port, json!({})), people()).await.unwrap(), 10);
    let inserts = stub.asked("insert");
    assert_eq!(inserts.len(), 2);
    let id = |at: usize| {
        inserts[at].body["jobReference"]["jobId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(id(0), id(1));
}

#[tokio::test]
async fn an_outage_is_an_error_after_some_patience() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "poll").then(|| Reply::html(503))
    })
    .await;
    let (rows, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
        .await
        .unwrap_err();
    assert_eq!((rows, error.code), (0, "warehouse_unavailable"));
    assert_eq!(error.kind, ErrorKind::Source { transient: true });
    assert!(error.message.contains("HTTP 503"), "{error}");
    assert!(!error.message.contains("on fire"), "{error}");
}

#[tokio::test]
async fn a_server_that_names_a_pause_gets_it() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "insert" && asked.nth == 0).then(|| {
            let mut reply = Reply::text(429, "");
            reply.headers.push(("retry-after", "3".into()));
            reply
        })
    })
    .await;
    let began = std::time::Instant::now();
    read(&source(stub.port, json!({})), people()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let stub = Rest::start(Data::people(10), |asked| {
        let stale = asked.authorization.as_deref() == Some("Bearer token-0");
        (stale && asked.route != "dry_run").then(|| Reply::text(401, ""))
    })
    .await;
    let own = source(stub.port, json!({"credentials": credentials(stub.port)}));
    has_each_once(&read(&own, people()).await.unwrap(), 10);
    assert_eq!(stub.asked("token").len(), 2);
    let refusing = Rest::start(Data::people(10), |asked| {
        (asked.route == "dry_run").then(|| Reply::text(401, ""))
    })
    .await;
    let own = source(refusing.port, json!({"credentials": credentials(refusing.port)}));
    let (_, error) = read_counted(&own, request(people(), &[])).await.unwrap_err();
    assert_eq!((error.code, error.kind), ("credentials_refused", ErrorKind::Auth));
    assert_eq!(refusing.asked("dry_run").len(), 2);
}

#[tokio::test]
async fn without_credentials_and_encryption_nobody_is_named() {
    let stub = Rest::start(Data::people(10), |_| None).await;
    read(&source(stub.port, json!({})), people()).await.unwrap();
    assert!(stub.asked("insert")[0].authorization.is_none());
}

#[tokio::test]
async fn statements_that_do_more_than_read_are_not_sent() {
    let stub = Rest::start(Data::people(10), |_| None).await;
    for (text, code) in [
        ("select 1; drop table shop.people", "several_statements"),
        ("delete from shop.people where true", "not_a_query"),
        ("declare x int64", "not_a_query"),
        ("", "no_statement"),
        ("select 'a", "sql_syntax"),
    ] {
        let (_, error) = read_counted(&source(stub.port, json!({})), request(sql(text), &[]))
            .await
            .unwrap_err();
        assert_eq!((error.code, error.kind), (code, ErrorKind::Config), "{text}");
    }
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn what_bigquery_calls_no_query_is_not_run() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "dry_run")
            .then(|| Reply::json(&json!({"statistics": {"query": {"statementType": "SCRIPT"}}})))
    })
    .await;
    let (_, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
        .await
        .unwrap_err();
    assert_eq!((error.code, error.kind), ("not_a_query", ErrorKind::Config));
    assert_eq!(stub.asked("insert").len(), 0);
}

#[tokio::test]
async fn names_without_a_dataset_are_looked_for_in_the_sources_own() {
    let stub = Rest::start(Data::people(10), |_| None).await;
    let own = source(stub.port, json!({"dataset": "shop"}));
    read(&own, Model::Table("people".into())).await.unwrap();
    let query = &stub.asked("insert")[0].body["configuration"]["query"];
    assert_eq!(
        query["defaultDataset"],
        json!({"projectId": "acme", "datasetId": "shop"})
    );
    assert_eq!(
        query["query"],
        "SELECT `id`, `name`, `seen`, `amount` FROM `acme`.`shop`.`people`"
    );
}
