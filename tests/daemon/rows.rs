//! Rows brought up to date at once, over the API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::project::{MAPPING, Project};
use crate::served::{Served, history, until};

const ROWS: &str = "/api/v1/syncs/customers/rows?wait=60s";

fn rows(keys: &Value) -> Request {
    Request::post(ROWS).body(json!({ "keys": keys }).to_string())
}

fn whole(served: &Served) -> Answer {
    served.post("/api/v1/syncs/customers/trigger?wait=60s").is(200)
}

fn city(project: &Project, id: usize) -> Option<String> {
    let contact = project.twin.contact(&format!("person{id}@example.com"))?;
    contact.get("city").map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_asked_for_are_sent_and_the_run_is_history_without_freshness() {
    let mut project = Project::new(5).await;
    let served = Served::start(&project, &[]);
    whole(&served);
    let before = served.get("/api/v1/syncs/customers").is(200).json();
    project.set(2, 3, "Oslo");
    project.set(3, 3, "Rome");
    project.remove(5);
    let ended = rows(&json!([2, "2", 4])).send(&served).is(200).json();
    let result = &ended["result"];
    assert_eq!(
        (
            &ended["status"],
            &result["keys"],
            &result["read"],
            &result["updated"],
            &result["unchanged"]
        ),
        (&json!("ok"), &json!(3), &json!(2), &json!(1), &json!(1)),
        "{ended}"
    );
    assert_eq!(city(&project, 2).as_deref(), Some("Oslo"));
    assert_eq!(city(&project, 3).as_deref(), Some("Berlin"));
    let removed = rows(&json!([5])).send(&served).is(200).json();
    assert_eq!(removed["result"]["removed"], 1, "{removed}");
    let runs = history(&project);
    assert_eq!(runs.len(), 3);
    assert_eq!((&runs[0]["keys"], &runs[2]["keys"]), (&json!(1), &Value::Null));
    let after = served.get("/api/v1/syncs/customers").is(200).json();
    for what in ["fresh_as_of", "last_run", "started"] {
        assert_eq!(after[what], before[what], "{what}");
    }
    let (_, _, log) = served.stop();
    assert!(
        log.contains("\"cause\":\"rows\"") && !log.contains("example.com"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_come_close_together_are_one_run() {
    let project = Project::new(30).await;
    let served = Served::start(&project, &[]);
    let runs: Vec<Value> = std::thread::scope(|scope| {
        let calls: Vec<_> = (1..=20)
            .map(|id| {
                scope.spawn({
                    let served = &served;
                    move || rows(&json!([id])).send(served).is(200).json()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| run["status"] == "ok"), "{runs:?}");
    assert_eq!(project.twin.contacts().len(), 20);
    let keys: u64 = history(&project)
        .iter()
        .map(|run| run["keys"].as_u64().unwrap())
        .sum();
    assert_eq!(keys, 20);
    assert!(history(&project).len() < 20, "some came together");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_asked_for_while_the_sync_runs_follow_together_and_none_is_lost() {
    let mut project = Project::new(300).await;
    project.twin.set_latency(Duration::from_millis(400));
    let served = Served::start(&project, &[]);
    served.post("/api/v1/syncs/customers/trigger").is(202);
    until(|| served.log(), || served.log().contains("\"planned\""));
    for id in 1..=3 {
        project.set(id, 3, "Oslo");
        let waiting = Request::post("/api/v1/syncs/customers/rows")
            .body(json!({ "keys": [id] }).to_string())
            .send(&served)
            .is(202)
            .json();
        assert_eq!(waiting["status"], "queued", "{waiting}");
    }
    until(
        || served.log(),
        || (1..=3).all(|id| city(&project, id).as_deref() == Some("Oslo")),
    );
    until(
        || served.log(),
        || history(&project).iter().all(|run| run["status"] == "ok"),
    );
    let runs = history(&project);
    assert_eq!((runs.len(), &runs[0]["keys"]), (2, &json!(3)), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_callers_runs_its_rows_once() {
    let project = Project::new(3).await;
    let served = Served::start(&project, &[]);
    let call = |keys: &Value| rows(keys).header("Idempotency-Key", "event-1");
    let first = call(&json!([1, 2])).send(&served).is(200).json();
    let again = call(&json!([2, 1])).send(&served).is(200).json();
    assert_eq!(first["run_id"], again["run_id"]);
    assert_eq!(
        call(&json!([3])).send(&served).is(422).code(),
        "idempotency_key_reused"
    );
    let other = Request::post("/api/v1/syncs/customers/trigger").header("Idempotency-Key", "event-1");
    assert_eq!(other.send(&served).is(422).code(), "idempotency_key_reused");
    assert_eq!(served.stop().0, Some(0));
    let served = Served::start(&project, &[]);
    let later = call(&json!([1, 2])).send(&served).json();
    assert_eq!(later["run_id"], first["run_id"], "{later}");
    assert_eq!(history(&project).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_is_said() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    let many: Vec<usize> = (0..1_001).collect();
    for (body, status, code) in [
        (json!({ "keys": [] }).to_string(), 400, "number_of_keys"),
        (json!({ "keys": many }).to_string(), 400, "number_of_keys"),
        (json!({ "keys": [null] }).to_string(), 400, "bad_key"),
        (json!({ "keys": [true] }).to_string(), 400, "bad_key"),
        (json!({ "keys": [[1, 2]] }).to_string(), 400, "bad_key"),
        (
            json!({ "keys": [{ "email": "a@example.com" }] }).to_string(),
            400,
            "bad_key",
        ),
        (json!({ "rows": [1] }).to_string(), 400, "bad_body"),
        ("not json".to_owned(), 400, "bad_body"),
        (
            format!("{{\"keys\": [\"{}\"]}}", "x".repeat(300 << 10)),
            413,
            "too_large",
        ),
    ] {
        let answer = Request::post(ROWS).body(body).send(&served).is(status);
        assert_eq!(answer.code(), code);
        assert!(!answer.body.contains("example.com"), "{}", answer.body);
    }
    let nobody = Request::post("/api/v1/syncs/nobody/rows").body("{\"keys\": [1]}");
    assert_eq!(nobody.send(&served).is(404).code(), "no_such_sync");
    let soon = Request::post("/api/v1/syncs/customers/rows?wait=soon").body("{\"keys\": [1]}");
    assert_eq!(soon.send(&served).is(400).code(), "bad_query");
    served.post("/api/v1/syncs/customers/pause").is(200);
    assert_eq!(rows(&json!([1])).send(&served).is(409).code(), "paused");
    assert!(history(&project).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_keys_read_no_row_and_harm_none() {
    let project = Project::new(3).await;
    let mapping = MAPPING.replace("{ table: customers }", "{ sql: select * from customers }");
    project.write("mappings/customers.yaml", &mapping);
    let served = Served::start(&project, &[]);
    whole(&served);
    let keys = json!([
        "1' OR '1'='1",
        "1) OR (1=1",
        "'; DROP TABLE customers; --",
        "\\",
        "\"id\"",
        "\u{202e}"
    ]);
    let ended = rows(&keys).send(&served).is(200).json();
    assert_eq!(
        (
            &ended["status"],
            &ended["result"]["read"],
            &ended["result"]["removals_tried"]
        ),
        (&json!("ok"), &json!(0), &json!(0)),
        "{ended}"
    );
    assert_eq!(whole(&served).json()["result"]["unchanged"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stops_answers_and_makes_up_for_the_rows_that_waited() {
    let mut project = Project::new(300).await;
    project.twin.set_latency(Duration::from_secs(2));
    let served = Served::start(&project, &[]);
    served.post("/api/v1/syncs/customers/trigger").is(202);
    until(|| served.log(), || served.log().contains("\"planned\""));
    project.set(1, 3, "Oslo");
    let answer = std::thread::scope(|scope| {
        let call = scope.spawn(|| rows(&json!([1])).send(&served));
        until(|| served.log(), || served.log().contains("rows asked for"));
        served.signal("TERM");
        until(
            || served.log(),
            || served.get("/health/ready").json()["status"] == "stopping",
        );
        assert_eq!(rows(&json!([2])).send(&served).is(503).code(), "stopping");
        call.join().unwrap()
    });
    assert_eq!(answer.is(200).json()["status"], "dropped");
    drop(served);
    project.twin.set_latency(Duration::ZERO);
    let served = Served::start(&project, &[]);
    until(|| served.log(), || city(&project, 1).as_deref() == Some("Oslo"));
    until(|| served.log(), || project.twin.contacts().len() == 300);
}
