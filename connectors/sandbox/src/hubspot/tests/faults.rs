//! Faults: what a client must survive.

use std::time::Duration;

use serde_json::json;

use super::{BATCH_UPSERT, Bench, CONTACTS};
use crate::hubspot::{Fault, FaultKind, Options};

#[tokio::test]
async fn a_status_fault_hits_as_often_as_asked_where_asked() {
    let bench = Bench::new().await;
    let kind = FaultKind::Status {
        code: 503,
        body: Some("busy".into()),
        headers: vec![("x-why".into(), "load".into())],
    };
    bench
        .twin
        .inject(Fault::on("batch/upsert", kind).skip(1).times(2));
    let rows = [("ann@example.com", json!({}))];
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    assert_eq!(bench.upsert(&rows).await.status, 200);
    let got = bench.upsert(&rows).await;
    assert_eq!(
        (got.status, got.text.as_str(), got.header("x-why")),
        (503, "busy", Some("load"))
    );
    assert_eq!(bench.upsert(&rows).await.status, 503);
    assert_eq!(bench.upsert(&rows).await.status, 200);
    let faults: Vec<_> = bench
        .twin
        .requests()
        .iter()
        .map(|request| request.fault)
        .collect();
    assert_eq!(faults, [None, None, Some("status"), Some("status"), None]);
}

#[tokio::test]
async fn a_cut_before_applies_nothing_and_a_cut_after_everything() {
    for (kind, applied) in [
        (FaultKind::CutBefore, 0),
        (FaultKind::CutAfter, 1),
        (FaultKind::Truncated, 1),
    ] {
        let bench = Bench::new().await;
        let name = kind.name();
        bench.twin.inject(Fault::on("batch/upsert", kind));
        let body = json!({ "inputs": [{ "idProperty": "email", "id": "a@example.com", "properties": {} }] });
        let sent = bench.request("POST", BATCH_UPSERT).json(&body).send().await;
        let lost = match sent {
            Err(_) => true,
            Ok(response) => response.bytes().await.is_err(),
        };
        assert!(lost, "{name}: no whole answer may arrive");
        assert_eq!(bench.twin.count("contacts"), applied, "{name}");
        let status = bench.twin.requests()[0].status;
        assert_eq!(status, if name == "truncated" { 200 } else { 0 });
        assert_eq!(bench.upsert(&[("a@example.com", json!({}))]).await.status, 200);
    }
}

#[tokio::test]
async fn faults_with_an_answer_have_the_vendors_shape() {
    let bench = Bench::new().await;
    let rows = [("ann@example.com", json!({}))];
    for (kind, status) in [
        (FaultKind::Html { code: 502 }, 502),
        (FaultKind::EmptyOk, 200),
        (FaultKind::Locked423, 423),
        (FaultKind::Migrating477 { retry_after: 30 }, 477),
        (FaultKind::Daily429, 429),
        (FaultKind::Window429, 429),
    ] {
        let name = kind.name();
        bench.twin.inject(Fault::next(kind));
        let got = bench.upsert(&rows).await;
        assert_eq!(got.status, status, "{name}");
        assert_eq!(
            got.header("retry-after"),
            (status == 477).then_some("30"),
            "{name}"
        );
        match name {
            "html" => assert!(got.body.is_null() && got.text.starts_with("<html>")),
            "empty_ok" => {
                assert_eq!(got.body["results"], json!([]));
                assert!(got.body.get("errors").is_none());
            }
            "daily_429" => assert_eq!(got.body["policyName"], "DAILY"),
            "window_429" => assert_eq!(got.body["policyName"], "TEN_SECONDLY_ROLLING"),
            _ => assert_eq!(got.body["status"], "error"),
        }
    }
    assert_eq!(bench.twin.count("contacts"), 0);
}

#[tokio::test]
async fn a_slow_answer_outlasts_a_clients_patience() {
    let bench = Bench::new().await;
    bench.twin.inject(Fault::next(FaultKind::Latency {
        time: Duration::from_secs(60),
    }));
    let request = bench.request("GET", CONTACTS).timeout(Duration::from_millis(50));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(bench.get(CONTACTS).await.status, 200);
}

#[tokio::test]
async fn a_late_answer_is_to_something_that_was_done() {
    let bench = Bench::new().await;
    let late = FaultKind::Late {
        time: Duration::from_secs(60),
    };
    bench.twin.inject(Fault::on(BATCH_UPSERT, late));
    let input = json!({ "id": "ann@example.com", "idProperty": "email", "properties": {} });
    let request = bench
        .request("POST", BATCH_UPSERT)
        .json(&json!({ "inputs": [input] }))
        .timeout(Duration::from_millis(500));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(bench.twin.count("contacts"), 1);
}

#[tokio::test]
async fn faults_clock_limits_and_log_can_be_reached_from_other_processes() {
    let bench = Bench::new().await;
    let fault =
        json!({ "path": "contacts", "times": 1, "kind": { "type": "migrating_477", "retry_after": 5 } });
    assert_eq!(bench.post("/_twin/faults", fault).await.status, 200);
    assert_eq!(bench.get(CONTACTS).await.status, 477);
    let got = bench.get("/_twin/requests").await;
    assert_eq!(got.body[0]["fault"], "migrating_477");
    assert_eq!(
        got.body.as_array().unwrap().len(),
        1,
        "control requests are not logged"
    );
    assert_eq!(bench.get("/_twin/count").await.body["requests"], 1);
    let limit = json!({ "requests": 1, "per_ms": 10_000, "daily": null });
    assert_eq!(bench.call("PUT", "/_twin/rate", limit).await.status, 200);
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    assert_eq!(bench.get(CONTACTS).await.status, 429);
    assert_eq!(
        bench
            .post("/_twin/clock", json!({ "advance_ms": 10_001 }))
            .await
            .status,
        200
    );
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    assert_eq!(bench.call("PUT", "/_twin/rate", json!(null)).await.status, 200);
    bench.put(&[("email", "ann@example.com")]);
    assert_eq!(bench.post("/_twin/reset", json!({})).await.status, 200);
    assert_eq!(
        (bench.twin.count("contacts"), bench.twin.requests().len()),
        (0, 0)
    );
    assert_eq!(
        bench
            .post("/_twin/tokens/expire", json!({ "token": "pat-na1-sandbox" }))
            .await
            .status,
        200
    );
    assert_eq!(bench.get(CONTACTS).await.status, 401);
    for bad in [
        json!({ "kind": { "type": "nope" } }),
        json!({}),
        json!({ "kind": { "type": "html" } }),
    ] {
        assert_eq!(bench.post("/_twin/faults", bad).await.status, 400);
    }
    assert_eq!(bench.post("/_twin/nope", json!({})).await.status, 404);
}

#[tokio::test]
async fn the_log_keeps_what_was_sent_up_to_a_limit() {
    let options = Options {
        log_requests: 2,
        log_body_bytes: 10,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    bench.get(&format!("{CONTACTS}?limit=3")).await;
    bench.upsert(&[("ann@example.com", json!({}))]).await;
    bench.get("/crm/v3/lists").await;
    let requests = bench.twin.requests();
    assert_eq!(
        requests.iter().map(|request| request.n).collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", BATCH_UPSERT)
    );
    assert_eq!((requests[0].status, requests[0].body.len()), (200, 10));
    assert!(requests[0].body_bytes > 10);
    assert_eq!(bench.twin.request_count(), 3);
    bench.twin.clear_requests();
    assert_eq!((bench.twin.requests().len(), bench.twin.request_count()), (0, 0));
}

#[tokio::test]
async fn dropping_the_twin_closes_its_port() {
    let bench = Bench::new().await;
    let url = format!("{}{CONTACTS}", bench.twin.base_url());
    let client = bench.client.clone();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    drop(bench);
    tokio::task::yield_now().await;
    assert!(client.get(&url).send().await.unwrap_err().is_connect());
}
