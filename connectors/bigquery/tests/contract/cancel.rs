//! Reads that are given up.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::rest::{Data, Reply, Rest};
use crate::shared::{people, request, source};

async fn wait_for_cancel(stub: &Rest) {
    let patience = Instant::now() + Duration::from_secs(20);
    while stub.asked("cancel").is_empty() {
        assert!(Instant::now() < patience, "the job was not cancelled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cancel = &stub.asked("cancel")[0];
    let insert = &stub.asked("insert")[0];
    let id = insert.body["jobReference"]["jobId"].as_str().unwrap();
    assert!(cancel.path.contains(id), "{}", cancel.path);
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_any_more_is_cancelled() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "poll").then(|| Reply::json(&json!({"jobComplete": false})))
    })
    .await;
    let slow = source(stub.port, json!({}));
    let read = slow.read(request(people(), &[]));
    let given_up = tokio::time::timeout(Duration::from_millis(1_500), read).await;
    assert!(given_up.is_err(), "the job never ends");
    wait_for_cancel(&stub).await;
    assert_eq!(stub.asked("cancel")[0].query["location"], crate::rest::LOCATION);
}

#[tokio::test]
async fn a_job_that_may_have_been_inserted_is_cancelled_too() {
    let stub = Rest::start(Data::people(10), |asked| {
        (asked.route == "insert").then(Reply::nothing)
    })
    .await;
    let slow = source(stub.port, json!({}));
    let read = slow.read(request(people(), &[]));
    assert!(
        tokio::time::timeout(Duration::from_millis(1_000), read)
            .await
            .is_err()
    );
    wait_for_cancel(&stub).await;
}

#[tokio::test]
async fn a_read_that_is_dropped_asks_for_no_more_pages() {
    let stub = Rest::start(Data::people(200_000), |_| None).await;
    let own = source(stub.port, json!({}));
    let mut reading = own.read(request(people(), &[])).await.unwrap();
    use futures::StreamExt;
    assert!(reading.events.next().await.unwrap().is_ok());
    drop(reading);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pages = stub.asked("page").len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(pages < 20 && stub.asked("page").len() == pages, "{pages}");
    assert_eq!(stub.asked("cancel").len(), 0, "the job had ended");
}
