//! Ten requests at the same time, and no more.

use std::time::Duration;

use serde_json::json;

use super::{AUDIENCE, Bench, list};
use crate::mailchimp::{Fault, FaultKind, Options, Overload};

/// Fills all ten places with requests that take a minute.
async fn fill(bench: &Bench) -> Vec<tokio::task::JoinHandle<()>> {
    let slow = FaultKind::Latency {
        time: Duration::from_secs(60),
    };
    bench.twin.inject(Fault::next(slow).times(10));
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let request = bench.request("GET", "/ping");
        waiting.push(tokio::spawn(async move {
            let _ = request.send().await;
        }));
    }
    while bench.twin.in_flight() < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    waiting
}

#[tokio::test]
async fn the_eleventh_request_at_the_same_time_is_refused() {
    let bench = Bench::new().await;
    let waiting = fill(&bench).await;
    let got = bench.get("/ping").await;
    assert_eq!(
        got.problem(),
        (
            429,
            "Too Many Requests",
            "You have exceeded the limit of 10 simultaneous connections."
        )
    );
    assert_eq!(got.header("retry-after"), None);
    for request in &waiting {
        request.abort();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(
        bench.get("/ping").await.status,
        429,
        "those whose client went away still count"
    );
    assert_eq!(bench.control("PUT", "connections", json!(null)).await.status, 200);
    assert_eq!(bench.get("/ping").await.status, 200);
}

#[tokio::test]
async fn at_high_volume_the_refusal_is_no_json() {
    for (overload, status) in [(Overload::Page, 429), (Overload::Forbidden, 403)] {
        let options = Options {
            overload,
            connections: Some(0),
            ..Options::default()
        };
        let bench = Bench::with(options).await;
        let got = bench.get("/ping").await;
        assert_eq!(
            (got.status, got.header("content-type")),
            (status, Some("text/html"))
        );
        assert!(got.body.is_null() && got.header("retry-after").is_none());
    }
}

#[tokio::test]
async fn a_write_is_carried_out_though_its_client_went_away() {
    let bench = Bench::new().await;
    bench.twin.set_latency(Duration::from_millis(50));
    let body = json!({ "email_address": "ada@domain.tld", "status": "subscribed" });
    let request = bench
        .request("POST", &list("/members"))
        .json(&body)
        .timeout(Duration::from_millis(20));
    assert!(request.send().await.is_err());
    while bench.twin.member(AUDIENCE, "ada@domain.tld").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while bench.twin.in_flight() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(bench.twin.most_in_flight(), 1);
}
