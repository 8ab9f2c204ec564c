//! Faults: what a client must survive.

use serde_json::json;

use super::{AUDIENCE, Bench, list};
use crate::mailchimp::{Fault, FaultKind, Options};

fn batch() -> serde_json::Value {
    let member = |email: &str| json!({ "email_address": email, "status_if_new": "subscribed" });
    json!({ "members": [member("a@domain.tld"), member("b@domain.tld")] })
}

#[tokio::test]
async fn a_cut_before_applies_nothing_and_a_cut_after_everything() {
    for (kind, applied) in [
        (FaultKind::CutBefore, 0),
        (FaultKind::CutAfter, 2),
        (FaultKind::Truncated, 2),
    ] {
        let bench = Bench::new().await;
        let name = kind.name();
        bench.twin.inject(Fault::on("/lists/", kind));
        let sent = bench.request("POST", &list("")).json(&batch()).send().await;
        let lost = match sent {
            Err(_) => true,
            Ok(response) => response.bytes().await.is_err(),
        };
        assert!(lost, "{name}: no whole answer may arrive");
        assert_eq!(bench.twin.members(AUDIENCE).len(), applied, "{name}");
        assert_eq!(bench.twin.requests()[0].fault, Some(name));
        assert_eq!(bench.get("/ping").await.status, 200);
    }
}

#[tokio::test]
async fn faults_with_an_answer_have_the_vendors_shape() {
    let bench = Bench::new().await;
    for (kind, status, title) in [
        (FaultKind::Connections429, 429, Some("Too Many Requests")),
        (FaultKind::Edge429, 429, None),
        (FaultKind::Edge403, 403, None),
        (FaultKind::Blocked503, 503, None),
        (FaultKind::Html { code: 502 }, 502, None),
        (FaultKind::Internal500, 500, Some("Internal Server Error")),
        (FaultKind::UserDisabled403, 403, Some("User Disabled")),
        (FaultKind::MethodDisabled503, 503, Some("Compliance Related")),
    ] {
        let name = kind.name();
        bench.twin.inject(Fault::next(kind));
        let got = bench.post(&list(""), batch()).await;
        assert_eq!(
            (got.status, got.body["title"].as_str()),
            (status, title),
            "{name}"
        );
        assert_eq!(got.header("retry-after"), None, "{name}");
        match title {
            Some(_) => assert_eq!(got.problem().0, status),
            None => assert_eq!(got.header("content-type"), Some("text/html"), "{name}"),
        }
    }
    let blocked = FaultKind::Status {
        code: 403,
        body: None,
        headers: vec![("retry-after".into(), "5".into())],
    };
    bench.twin.inject(Fault::next(blocked));
    let got = bench.get("/ping").await;
    assert_eq!(
        (got.problem().1, got.header("retry-after")),
        ("Forbidden", Some("5"))
    );
    assert!(bench.twin.members(AUDIENCE).is_empty());
}

#[tokio::test]
async fn a_2xx_can_be_silent_about_members() {
    let bench = Bench::new().await;
    bench.twin.inject(Fault::next(FaultKind::EmptyOk));
    let got = bench.post(&list(""), batch()).await;
    assert_eq!((got.status, &got.body["new_members"]), (200, &json!([])));
    assert!(bench.twin.members(AUDIENCE).is_empty());
    bench.twin.inject(Fault::next(FaultKind::OmitLast));
    let got = bench.post(&list(""), batch()).await;
    assert_eq!(
        (&got.body["total_created"], &got.body["error_count"]),
        (&json!(1), &json!(0))
    );
    assert!(bench.twin.member(AUDIENCE, "b@domain.tld").is_none());
}

#[tokio::test]
async fn other_processes_reach_faults_clock_log_and_members() {
    let bench = Bench::new().await;
    let fault = json!({ "path": "/ping", "times": 2, "skip": 1, "kind": { "type": "edge_403" } });
    assert_eq!(bench.control("POST", "faults", fault).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(bench.get("/ping").await.status);
    }
    assert_eq!(statuses, [200, 403, 403, 200]);
    let logged = bench.send(bench.outside("GET", "/_twin/requests")).await.body;
    assert_eq!(logged.as_array().unwrap().len(), 4);
    let count = bench.send(bench.outside("GET", "/_twin/count")).await.body;
    assert_eq!(count["requests"], 4);
    assert_eq!(
        (&logged[1]["fault"], &logged[1]["path"]),
        (&json!("edge_403"), &json!("/3.0/ping"))
    );
    let before = bench.add("ada@domain.tld", json!({})).await.body["last_changed"].clone();
    bench
        .control("POST", "clock", json!({ "advance_ms": 3_600_000 }))
        .await;
    let member = json!({ "list_id": AUDIENCE, "email_address": "ada@domain.tld" });
    assert_eq!(
        bench
            .control("POST", "members/unsubscribe", member.clone())
            .await
            .status,
        200
    );
    let after = bench.get(&super::path("ada@domain.tld")).await.body;
    assert_ne!(after["last_changed"], before);
    assert_eq!(after["status"], "unsubscribed");
    let made = bench
        .control(
            "POST",
            "audiences",
            json!({ "name": "EU", "permissions": ["Email"] }),
        )
        .await
        .body;
    assert_eq!(
        bench
            .get(&format!("/lists/{}", made["id"].as_str().unwrap()))
            .await
            .body["marketing_permissions"],
        true
    );
    let required = json!({ "list_id": AUDIENCE, "tag": "FNAME", "required": true });
    assert_eq!(bench.control("PUT", "required", required).await.status, 200);
    assert_eq!(
        bench.get(&list("/merge-fields?required=true")).await.body["total_items"],
        1
    );
    assert_eq!(
        bench.control("PUT", "latency", json!({ "ms": 0 })).await.status,
        200
    );
    bench
        .control("POST", "credentials/revoke", json!({ "secret": "sandbox-token" }))
        .await;
    for (method, path, body) in [
        ("POST", "faults", json!({ "kind": { "type": "nope" } })),
        (
            "POST",
            "members/unsubscribe",
            json!({ "list_id": AUDIENCE, "email_address": "x@domain.tld" }),
        ),
        (
            "PUT",
            "required",
            json!({ "list_id": AUDIENCE, "tag": "NOPE", "required": true }),
        ),
        ("POST", "audiences", json!({})),
    ] {
        assert_eq!(bench.control(method, path, body).await.status, 400, "{path}");
    }
    for path in ["members/explode", "nope"] {
        assert_eq!(
            bench.control("POST", path, member.clone()).await.status,
            404,
            "{path}"
        );
    }
    assert_eq!(bench.control("POST", "reset", json!({})).await.status, 200);
    assert!(bench.twin.members(AUDIENCE).is_empty() && bench.twin.requests().is_empty());
}

#[tokio::test]
async fn the_log_keeps_what_was_sent_up_to_a_limit() {
    let options = Options {
        log_requests: 2,
        log_body_bytes: 10,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    bench.get("/ping").await;
    bench.post(&list("?skip_duplicate_check=true"), batch()).await;
    bench.get("/ping").await;
    let requests = bench.twin.requests();
    assert_eq!(
        requests.iter().map(|request| request.n).collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(
        (requests[0].body.len(), requests[0].query.as_str()),
        (10, "skip_duplicate_check=true")
    );
    assert_eq!(bench.twin.request_count(), 3);
    bench.twin.clear_requests();
    assert_eq!((bench.twin.requests().len(), bench.twin.request_count()), (0, 0));
}
