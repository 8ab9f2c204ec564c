//! What the API answers and does.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::Value;

use crate::client::Request;
use crate::project::{MAPPING, Project, has_keys};
use crate::served::{Served, history, until};

/// A run's result when it was waited for.
fn run(served: &Served, sync: &str) -> Value {
    served
        .post(&format!("/api/v1/syncs/{sync}/trigger?wait=60s"))
        .is(200)
        .json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_triggered_run_is_waited_for_and_seen_everywhere() {
    let mut project = Project::new(12).await;
    project.add(["13", "not an address", "Person 13", "Rome", "lead"]);
    let served = Served::start(&project, &[]);
    let before = served.get("/api/v1/syncs").is(200).json();
    assert_eq!(before["syncs"][0]["status"], Value::Null, "{before}");

    let triggered = run(&served, "customers");
    assert_eq!(triggered["status"], "rejects", "{triggered}");
    let result = &triggered["result"];
    assert_eq!((&result["read"], &result["created"]), (&13.into(), &12.into()));
    assert_eq!(project.twin.contacts().len(), 12);

    let sync = served.get("/api/v1/syncs/customers").is(200).json();
    has_keys(
        &sync,
        &[
            "schedule",
            "source",
            "destination",
            "next_run",
            "paused",
            "running",
            "resumes",
        ],
    );
    assert_eq!(
        (&sync["rejects"], &sync["rows"]),
        (&1.into(), &12.into()),
        "{sync}"
    );
    let id = triggered["run_id"].as_i64().unwrap();
    let one = served.get(&format!("/api/v1/runs/{id}")).is(200).json();
    assert_eq!((&one["run_id"], &one["created"]), (&id.into(), &12.into()));
    assert_eq!(served.get("/api/v1/runs?limit=1").is(200).json()["runs"][0], one);
    assert_eq!(
        served.get("/api/v1/syncs/customers/runs").is(200).json()["runs"][0],
        one
    );
    assert_eq!(history(&project)[0], one, "the command line says the same");

    let rejects = served.get("/api/v1/syncs/customers/rejects").is(200).json();
    assert_eq!(rejects["rejects"][0]["key"], "13", "{rejects}");
    assert_eq!(
        rejects,
        served.get("/api/v1/rejects?sync=customers").is(200).json()
    );
    assert_eq!(rejects, project.outflow(&["rejects", "--json"]).json());
    let explained = served
        .get("/api/v1/syncs/customers/explain?key=13")
        .is(200)
        .json();
    assert_eq!(explained["known"], false, "{explained}");
    assert!(explained["reject"]["code"].is_string(), "{explained}");

    project.set(2, 3, "Oslo");
    let plan = served.get("/api/v1/syncs/customers/plan").is(200).json();
    assert_eq!(
        (&plan["update"], &plan["requests"]),
        (&1.into(), &1.into()),
        "{plan}"
    );
    assert_eq!(
        plan["operations"][0]["fields"],
        serde_json::json!({ "city": "Oslo" })
    );
    let counted = served.get("/api/v1/syncs/customers/plan?limit=0").is(200).json();
    assert_eq!(
        (&counted["update"], &counted["operations"]),
        (&1.into(), &serde_json::json!([]))
    );
    assert_eq!(history(&project).len(), 1, "a plan is no run");

    let retried = served
        .post("/api/v1/syncs/customers/rejects/retry")
        .is(200)
        .json();
    assert_eq!(retried["retried"], 1);
    assert_eq!(run(&served, "customers")["result"]["updated"], 1);
    assert_eq!(served.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_callers_runs_once_also_over_a_restart() {
    let project = Project::new(3).await;
    let served = Served::start(&project, &[]);
    let trigger =
        |key: &str| Request::post("/api/v1/syncs/customers/trigger?wait=true").header("Idempotency-Key", key);
    let first = trigger("nightly-1").send(&served).is(200).json();
    let again = trigger("nightly-1").send(&served).is(200).json();
    assert_eq!(first["run_id"], again["run_id"]);
    assert_ne!(
        trigger("nightly-2").send(&served).is(200).json()["run_id"],
        first["run_id"]
    );
    assert_eq!(served.stop().0, Some(0));

    let served = Served::start(&project, &[]);
    let later = trigger("nightly-1").send(&served).is(200).json();
    assert_eq!(
        (&later["run_id"], &later["status"]),
        (&first["run_id"], &"ok".into()),
        "{later}"
    );
    assert_eq!(history(&project).len(), 2);
    assert_eq!(
        trigger(&"k".repeat(201)).send(&served).is(400).code(),
        "bad_idempotency_key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_sync_stays_paused_over_a_restart() {
    let project = Project::new(3).await;
    project.write(
        "mappings/customers.yaml",
        &format!("{MAPPING}schedule: {{ every: 1s }}\n"),
    );
    let served = Served::start(&project, &[]);
    until(|| served.log(), || project.twin.contacts().len() == 3);
    served.post("/api/v1/syncs/customers/pause").is(200);
    until(
        || served.log(),
        || served.get("/api/v1/syncs/customers").json()["running"].is_null(),
    );
    let runs = history(&project).len();
    assert_eq!(served.stop().0, Some(0));

    let served = Served::start(&project, &[]);
    std::thread::park_timeout(Duration::from_millis(2_500));
    assert_eq!(history(&project).len(), runs, "nothing ran");
    let sync = served.get("/api/v1/syncs/customers").is(200).json();
    assert_eq!(sync["paused"]["by"], "local", "{sync}");
    assert_eq!(
        served.post("/api/v1/syncs/customers/trigger").is(409).code(),
        "paused"
    );
    served.post("/api/v1/syncs/customers/resume").is(200);
    until(|| served.log(), || history(&project).len() > runs);
    let sync = served.get("/api/v1/syncs/customers").is(200).json();
    assert!(sync["paused"].is_null() && sync["next_run"].is_string(), "{sync}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_settles_what_is_in_flight_and_is_watched_meanwhile() {
    let project = Project::new(3_000).await;
    project.twin.set_latency(Duration::from_millis(400));
    let served = Served::start(&project, &[]);
    let stream = Request::get("/api/v1/events").open(&served);
    let mut events = BufReader::new(stream).lines().map_while(Result::ok);
    let triggered = served.post("/api/v1/syncs/customers/trigger").is(202).json();
    assert!(triggered["result"].is_null(), "{triggered}");
    let sending = events
        .by_ref()
        .filter(|line| line.starts_with("data: "))
        .find(|line| line.contains("\"phase\":\"sending\"") && !line.contains("\"settled\":0"))
        .unwrap();
    assert!(sending.contains("\"planned\":3000"), "{sending}");
    let live = served.get("/api/v1/syncs/customers").is(200).json();
    assert_eq!(live["running"]["cause"], "asked", "{live}");
    served.post("/api/v1/syncs/customers/cancel").is(200);
    let ended = events
        .by_ref()
        .skip_while(|line| line != "event: ended")
        .nth(1)
        .unwrap();
    assert!(ended.contains("\"status\":\"deferred\""), "{ended}");
    let run = &history(&project)[0];
    assert_eq!(run["error"]["code"], "cancelled", "{run}");
    assert_eq!(
        project.twin.contacts().len() as u64,
        run["created"].as_u64().unwrap()
    );
    assert_eq!(
        served.post("/api/v1/syncs/customers/cancel").is(409).code(),
        "not_running"
    );
    std::thread::park_timeout(Duration::from_millis(500));
    assert_eq!(
        history(&project).len(),
        1,
        "a cancelled run does not go on by itself"
    );
    assert_eq!(served.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_understood_is_said() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    for (request, status, code) in [
        (Request::get("/api/v1/syncs/nobody"), 404, "no_such_sync"),
        (Request::get("/api/v1/syncs/nobody/runs"), 404, "no_such_sync"),
        (Request::get("/api/v1/syncs/nobody/rejects"), 404, "no_such_sync"),
        (Request::get("/api/v1/syncs/nobody/plan"), 404, "no_such_sync"),
        (
            Request::get("/api/v1/syncs/nobody/explain?key=1"),
            404,
            "no_such_sync",
        ),
        (Request::get("/api/v1/syncs/customers/explain"), 400, "bad_query"),
        (Request::get("/api/v1/runs/999"), 404, "no_such_run"),
        (Request::get("/api/v1/runs/first"), 404, "no_such_run"),
        (Request::get("/api/v1/runs?limit=many"), 400, "bad_query"),
        (Request::get("/api/v1/runs?lmit=1"), 400, "bad_query"),
        (Request::post("/api/v1/syncs/nobody/trigger"), 404, "no_such_sync"),
        (
            Request::post("/api/v1/syncs/customers/trigger?wait=soon"),
            400,
            "bad_query",
        ),
        (Request::post("/api/v1/syncs/nobody/pause"), 404, "no_such_sync"),
        (Request::post("/api/v1/syncs/nobody/resume"), 404, "no_such_sync"),
        (Request::post("/api/v1/syncs/nobody/cancel"), 404, "no_such_sync"),
        (
            Request::post("/api/v1/syncs/nobody/rejects/retry"),
            404,
            "no_such_sync",
        ),
        (Request::get("/api/v1/syncs/customers/trigger"), 405, "method"),
        (Request::get("/api/v2"), 404, "no_such_path"),
        (Request::post("/hooks/nobody"), 404, "no_such_hook"),
    ] {
        assert_eq!(request.send(&served).is(status).code(), code);
    }
    assert!(history(&project).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_over_the_api_says_what_is_wrong() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    let good = served.post("/api/v1/reload").is(200).json();
    assert_eq!(good["reloaded"], true);
    project.write("mappings/customers.yaml", &MAPPING.replace("key: id", "kye: id"));
    let bad = served.post("/api/v1/reload").is(422).json();
    assert_eq!(bad["reloaded"], false);
    assert_eq!(bad["problems"][0]["file"], "mappings/customers.yaml", "{bad}");
    assert_eq!(
        run(&served, "customers")["status"],
        "ok",
        "what ran before goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_freshness_rows_and_requests() {
    let project = Project::new(4).await;
    let served = Served::start(&project, &[]);
    run(&served, "customers");
    let answer = served.get("/metrics").is(200);
    assert!(
        answer.headers.contains("text/plain; version=0.0.4"),
        "{}",
        answer.headers
    );
    for line in [
        "outflow_runs_total{outcome=\"ok\",sync=\"customers\"} 1",
        "outflow_rows_total{outcome=\"created\",sync=\"customers\"} 4",
        "outflow_rejects_open{sync=\"customers\"} 0",
        "outflow_rows_known{sync=\"customers\"} 4",
        "outflow_sync_paused{sync=\"customers\"} 0",
        "outflow_lease_held 1",
    ] {
        assert!(
            answer.body.lines().any(|found| found == line),
            "{line}\n{}",
            answer.body
        );
    }
    for name in [
        "outflow_last_success_timestamp_seconds{",
        "outflow_freshness_seconds{",
        "outflow_requests_total{",
        "outflow_run_duration_seconds_bucket{",
        "outflow_build_info{",
    ] {
        assert!(answer.body.contains(name), "{name}\n{}", answer.body);
    }
    for private in ["example.com", "Person", crate::project::TOKEN] {
        assert!(!answer.body.contains(private), "{private}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_while_the_daemon_stops() {
    let project = Project::new(500).await;
    project.twin.set_latency(Duration::from_secs(4));
    let served = Served::start(&project, &[]);
    assert_eq!(served.get("/health/live").is(200).json()["status"], "live");
    assert_eq!(served.get("/health/ready").is(200).json()["status"], "ready");
    served.post("/api/v1/syncs/customers/trigger").is(202);
    until(|| served.log(), || served.log().contains("\"planned\""));
    served.signal("TERM");
    until(
        || served.log(),
        || served.get("/health/ready").json()["status"] == "stopping",
    );
    served.get("/health/live").is(200);
    assert_eq!(
        served.post("/api/v1/syncs/customers/trigger").is(503).code(),
        "stopping"
    );
}
