//! Signed calls from outside.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;

use crate::client::{Answer, Request};
use crate::project::Project;
use crate::served::{Served, history, until};

const SECRET: &str = "hook-s3cret";

const HOOKS: &str = "\
hooks:
  nightly: { profile: generic, secret: \"${env:HOOK_SECRET}\", syncs: [customers] }
  transform: { profile: dbt_cloud, secret: \"${env:HOOK_SECRET}\", syncs: customers }
";

async fn project() -> Project {
    let project = Project::new(3).await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}{HOOKS}")).unwrap();
    project
}

fn serve(project: &Project, listen: &str) -> Served {
    let mut command = project.command(&["serve", "--listen", listen]);
    command.env("HOOK_SECRET", SECRET);
    Served::command(command)
}

fn sign(secret: &str, message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, message);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the other end's clock is the machine's own"
)]
fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A generic call, signed so long ago.
fn call(age: i64, secret: &str, body: &[u8]) -> Request {
    let timestamp = (now_s() - age).to_string();
    let mut message = format!("{timestamp}.").into_bytes();
    message.extend_from_slice(body);
    Request::post("/hooks/nightly")
        .header("X-Outflow-Timestamp", &timestamp)
        .header(
            "X-Outflow-Signature",
            &format!("sha256={}", sign(secret, &message)),
        )
        .body(body)
}

fn runs(project: &Project) -> usize {
    history(project).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_call_runs_its_syncs_once() {
    let project = project().await;
    let served = serve(&project, "127.0.0.1:0");
    let timestamp = now_s().to_string();
    let message = format!("{timestamp}.{{\"dag\":\"nightly\"}}");
    let again = || -> Answer {
        Request::post("/hooks/nightly")
            .header("X-Outflow-Timestamp", &timestamp)
            .header(
                "X-Outflow-Signature",
                &format!("sha256={}", sign(SECRET, message.as_bytes())),
            )
            .body("{\"dag\":\"nightly\"}")
            .send(&served)
    };
    let taken = again().is(200).json();
    assert_eq!(
        taken,
        serde_json::json!({ "status": "accepted", "syncs": ["customers"] })
    );
    until(|| served.log(), || project.twin.contacts().len() == 3);
    assert_eq!(again().is(409).code(), "hook_replay");
    // A run that is stopped before its end goes on after the start.
    until(|| served.log(), || history(&project)[0]["status"] == "ok");
    assert_eq!(served.stop().0, Some(0));

    let served = serve(&project, "127.0.0.1:0");
    let later = Request::post("/hooks/nightly")
        .header("X-Outflow-Timestamp", &timestamp)
        .header(
            "X-Outflow-Signature",
            &format!("sha256={}", sign(SECRET, message.as_bytes())),
        )
        .body("{\"dag\":\"nightly\"}")
        .send(&served);
    assert_eq!(later.is(409).code(), "hook_replay", "known over a restart");
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    assert_eq!(runs(&project), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_trusted_starts_nothing_is_counted_and_leaves_no_content() {
    let project = project().await;
    let served = serve(&project, "127.0.0.1:0");
    let body = b"person3@example.com";
    let unsigned = Request::post("/hooks/nightly").body(&body[..]);
    let large = vec![b'x'; 300 << 10];
    for (request, status, code) in [
        (unsigned, 401, "hook_unsigned"),
        (call(0, "wrong", body), 401, "hook_signature"),
        (call(400, SECRET, body), 401, "hook_time"),
        (call(-400, SECRET, body), 401, "hook_time"),
        (call(0, SECRET, &large), 413, "hook_too_large"),
    ] {
        assert_eq!(request.send(&served).is(status).code(), code);
    }
    let metrics = served.get("/metrics").is(200).body;
    for (code, times) in [
        ("hook_unsigned", 1),
        ("hook_signature", 1),
        ("hook_time", 2),
        ("hook_too_large", 1),
    ] {
        let line = format!("outflow_hook_calls_total{{outcome=\"{code}\"}} {times}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    assert_eq!(runs(&project), 0);
    let (_, _, log) = served.stop();
    assert!(log.contains("hook_signature"), "{log}");
    for private in ["example.com", SECRET, "sha256="] {
        assert!(!log.contains(private), "{private} is in the log: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_needs_no_token_and_works_where_others_can_reach_it() {
    let project = project().await;
    let served = serve(&project, "0.0.0.0:0");
    let event = |status: &str| {
        let body = format!(
            r#"{{"eventId":"wev_{status}","eventType":"job.run.completed","data":{{"runStatus":"{status}"}}}}"#
        );
        Request::post("/hooks/transform")
            .header("Authorization", &sign(SECRET, body.as_bytes()))
            .body(body)
            .send(&served)
            .is(200)
            .json()
    };
    assert_eq!(event("Errored")["status"], "ignored");
    assert_eq!(event("Success")["status"], "accepted");
    until(|| served.log(), || project.twin.contacts().len() == 3);
    assert_eq!(served.stop().0, Some(0));
    assert_eq!(runs(&project), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_for_a_paused_sync_has_its_effect_after_the_pause() {
    let project = project().await;
    let served = serve(&project, "127.0.0.1:0");
    served.post("/api/v1/syncs/customers/pause").is(200);
    call(0, SECRET, b"").send(&served).is(200);
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    assert_eq!(runs(&project), 0);
    served.kill();
    let served = serve(&project, "127.0.0.1:0");
    served.post("/api/v1/syncs/customers/resume").is(200);
    until(|| served.log(), || project.twin.contacts().len() == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_of_an_unknown_sync_is_a_broken_project() {
    let project = project().await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, text.replace("syncs: [customers]", "syncs: [custmers]")).unwrap();
    let said = project.outflow(&["check", "--offline"]).exits(2);
    assert!(
        said.stderr.contains("custmers") || said.stdout.contains("custmers"),
        "{}{}",
        said.stdout,
        said.stderr
    );
}

/// A project with a generic hook and one of Segment that name a row.
async fn naming_rows() -> Project {
    let project = Project::new(3).await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let hooks = "\
hooks:
  nightly: { profile: generic, secret: \"${env:HOOK_SECRET}\", syncs: [customers], key: /customer/id }
  events: { profile: segment, secret: \"${env:HOOK_SECRET}\", syncs: [customers] }
";
    std::fs::write(file, format!("{text}{hooks}")).unwrap();
    project
}

/// An event as Segment signs it.
fn event(body: &str) -> Request {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let signature: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Request::post("/hooks/events")
        .header("X-Signature", &signature)
        .body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_names_a_row_brings_that_row_alone_up_to_date() {
    let project = naming_rows().await;
    let served = serve(&project, "127.0.0.1:0");
    call(0, SECRET, br#"{"customer": {"id": 2}}"#)
        .send(&served)
        .is(200);
    until(|| served.log(), || project.twin.contacts().len() == 1);
    assert!(project.twin.contact("person2@example.com").is_some());
    let taken = event(r#"{"type": "identify", "userId": "3", "messageId": "m-1"}"#);
    assert_eq!(taken.send(&served).is(200).json()["status"], "accepted");
    until(|| served.log(), || project.twin.contacts().len() == 2);
    let again = event(r#"{"type": "identify", "userId": "3", "messageId": "m-1"}"#);
    assert_eq!(again.send(&served).is(409).code(), "hook_replay");
    until(
        || served.log(),
        || history(&project).iter().all(|run| run["status"] == "ok"),
    );
    assert!(history(&project).iter().all(|run| run["keys"] == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_the_key_is_refused_counted_and_leaves_no_content() {
    let project = naming_rows().await;
    let served = serve(&project, "127.0.0.1:0");
    for (request, code) in [
        (
            call(0, SECRET, br#"{"customer": {"email": "person2@example.com"}}"#),
            "hook_no_key",
        ),
        (call(0, SECRET, b"person2@example.com"), "hook_no_key"),
        (
            call(0, SECRET, br#"{"customer": {"id": ["person2@example.com"]}}"#),
            "hook_key",
        ),
        (
            event(r#"{"type": "track", "anonymousId": "person2@example.com"}"#),
            "hook_no_key",
        ),
    ] {
        assert_eq!(request.send(&served).is(400).code(), code);
    }
    let metrics = served.get("/metrics").is(200).body;
    for line in [
        "outflow_hook_calls_total{outcome=\"hook_no_key\"} 3",
        "outflow_hook_calls_total{outcome=\"hook_key\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert_eq!(runs(&project), 0);
    let (_, _, log) = served.stop();
    assert!(
        log.contains("hook_no_key") && !log.contains("example.com"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_call_named_has_its_effect_after_a_pause_and_a_power_cut() {
    let project = naming_rows().await;
    let served = serve(&project, "127.0.0.1:0");
    served.post("/api/v1/syncs/customers/pause").is(200);
    call(0, SECRET, br#"{"customer": {"id": 2}}"#)
        .send(&served)
        .is(200);
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    assert_eq!(runs(&project), 0);
    served.post("/api/v1/syncs/customers/resume").is(200);
    until(|| served.log(), || project.twin.contacts().len() == 1);
    until(
        || served.log(),
        || history(&project).iter().all(|run| run["status"] == "ok"),
    );
    served.post("/api/v1/syncs/customers/pause").is(200);
    call(0, SECRET, br#"{"customer": {"id": 3}}"#)
        .send(&served)
        .is(200);
    served.kill();
    let served = serve(&project, "127.0.0.1:0");
    served.post("/api/v1/syncs/customers/resume").is(200);
    // The process that knew the row is gone: the whole model makes up for it.
    until(|| served.log(), || project.twin.contacts().len() == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_call_named_is_made_up_for_when_its_run_fails() {
    let project = naming_rows().await;
    let served = serve(&project, "127.0.0.1:0");
    let next = || served.get("/api/v1/syncs/customers").is(200).json()["next_run"].clone();
    assert!(next().is_null(), "nothing starts it by itself");
    std::fs::remove_file(project.path("data/customers.csv")).unwrap();
    call(0, SECRET, br#"{"customer": {"id": 2}}"#)
        .send(&served)
        .is(200);
    until(
        || served.log(),
        || history(&project).iter().any(|run| run["status"] == "failed"),
    );
    until(|| served.log(), || next().is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_whose_key_does_not_fit_is_a_broken_project() {
    let project = naming_rows().await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (by, expected) in [
        (("key: /customer/id", "key: customer"), "is no JSON pointer"),
        (
            ("key: /customer/id", "key: [/a, /b]"),
            "one pointer for each column",
        ),
        (("profile: generic", "profile: fivetran"), "about no row"),
    ] {
        std::fs::write(&file, text.replacen(by.0, by.1, 1)).unwrap();
        let said = project.outflow(&["check", "--offline"]).exits(2);
        let words = format!("{}{}", said.stdout, said.stderr);
        assert!(words.contains("hook_key") && words.contains(expected), "{words}");
    }
}
