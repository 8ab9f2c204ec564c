//! Who may do what, and what everybody is told.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::Request;
use crate::project::Project;
use crate::served::{Served, until};

const TOKENS: &str = "\
http:
  tokens:
    eye: { role: viewer, token: \"${env:EYE}\" }
    hand: { role: operator, token: \"${env:HAND}\" }
    head: { role: admin, token: \"${env:HEAD}\" }
";

/// The daemon's command on this address, with tokens or without.
pub(crate) fn command(project: &Project, listen: &str) -> Command {
    let mut command = project.command(&["serve", "--listen", listen]);
    command
        .env("EYE", "eye-token")
        .env("HAND", "hand-token")
        .env("HEAD", "head-token");
    command
}

pub(crate) fn with_tokens(project: &Project) {
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}{TOKENS}")).unwrap();
}

/// Every route with the least role it asks for; `-` for none.
fn routes() -> Vec<(Request, &'static str)> {
    let (get, post) = (Request::get, Request::post);
    vec![
        (get("/health/live"), "-"),
        (get("/health/ready"), "-"),
        (get("/metrics"), "viewer"),
        (get("/api/v1/openapi.json"), "viewer"),
        (get("/api/v1/syncs"), "viewer"),
        (get("/api/v1/syncs/customers"), "viewer"),
        (get("/api/v1/syncs/customers/runs"), "viewer"),
        (get("/api/v1/syncs/customers/rejects"), "viewer"),
        (get("/api/v1/syncs/customers/explain?key=1"), "viewer"),
        (get("/api/v1/runs"), "viewer"),
        (get("/api/v1/runs/1"), "viewer"),
        (get("/api/v1/rejects"), "viewer"),
        (get("/api/v1/events").endless(), "viewer"),
        (get("/api/v1/syncs/customers/plan"), "operator"),
        (post("/api/v1/syncs/customers/trigger?wait=true"), "operator"),
        (
            post("/api/v1/syncs/customers/rows?wait=true").body("{\"keys\": [1]}"),
            "operator",
        ),
        (post("/api/v1/syncs/customers/pause"), "operator"),
        (post("/api/v1/syncs/customers/resume"), "operator"),
        (post("/api/v1/syncs/customers/cancel"), "operator"),
        (post("/api/v1/syncs/customers/rejects/retry"), "operator"),
        (post("/api/v1/reload"), "admin"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_for_its_role_on_loopback_too() {
    let project = Project::new(2).await;
    with_tokens(&project);
    let served = Served::command(command(&project, "127.0.0.1:0"));
    Request::post("/api/v1/syncs/customers/trigger?wait=true")
        .token("hand-token")
        .send(&served)
        .is(200);
    let ranks = ["-", "viewer", "operator", "admin"];
    let rank = |role: &str| ranks.iter().position(|known| *known == role).unwrap();
    for (caller, token) in [
        ("-", ""),
        ("-", "unknown-token"),
        ("viewer", "eye-token"),
        ("operator", "hand-token"),
        ("admin", "head-token"),
    ] {
        for (number, (request, needed)) in routes().into_iter().enumerate() {
            let request = if token.is_empty() {
                request
            } else {
                request.token(token)
            };
            let answer = request.send(&served);
            let refused = matches!(answer.status, 401 | 403);
            assert_eq!(
                refused,
                rank(caller) < rank(needed),
                "{caller} {token} route {number}: {} {}",
                answer.status,
                answer.body
            );
            if refused {
                let expected = if caller == "-" { 401 } else { 403 };
                assert_eq!(answer.status, expected, "{}", answer.body);
            } else {
                // Nothing to cancel is a state, not a right.
                assert!(
                    answer.status < 400 || answer.status == 409,
                    "route {number}: {}",
                    answer.body
                );
            }
        }
    }
    let counted = Request::get("/metrics")
        .token("eye-token")
        .send(&served)
        .is(200)
        .body;
    assert!(
        counted.contains("outflow_http_refusals_total{outcome=\"role\"}")
            && counted.contains("outflow_http_refusals_total{outcome=\"wrong_token\"}"),
        "{counted}"
    );
    let (_, _, log) = served.stop();
    for secret in ["eye-token", "hand-token", "head-token", "unknown-token"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_paused_a_sync_is_told_by_the_tokens_name() {
    let project = Project::new(1).await;
    with_tokens(&project);
    let served = Served::command(command(&project, "127.0.0.1:0"));
    Request::post("/api/v1/syncs/customers/pause")
        .token("hand-token")
        .send(&served)
        .is(200);
    let sync = Request::get("/api/v1/syncs/customers")
        .token("eye-token")
        .send(&served)
        .json();
    assert_eq!(sync["paused"]["by"], "hand", "{sync}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_an_address_others_can_reach_tells_health_alone() {
    let project = Project::new(1).await;
    let served = Served::command(command(&project, "0.0.0.0:0"));
    until(|| served.log(), || served.log().contains("only health is told"));
    for (request, needed) in routes() {
        let answer = request.send(&served);
        if needed == "-" {
            answer.is(200);
        } else {
            assert_eq!(answer.is(403).code(), "no_tokens");
        }
    }
    let open = Served::stop(served);
    assert_eq!(open.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_and_another_name_for_this_machine_are_refused() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    let trigger = || Request::post("/api/v1/syncs/customers/trigger");
    let foreign = trigger().header("Origin", "https://evil.example").send(&served);
    assert_eq!(foreign.is(403).code(), "foreign_origin");
    let rebound = Request::get("/api/v1/syncs")
        .header("Host", "evil.example")
        .send(&served);
    assert_eq!(rebound.is(403).code(), "foreign_host");
    let answer = served.get("/api/v1/syncs").is(200);
    for header in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(answer.headers.contains(header), "{header}\n{}", answer.headers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_never_finishes_its_request_is_let_go() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    let mut slow = TcpStream::connect(served.address()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    slow.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .unwrap();
    let started = Instant::now();
    let mut rest = Vec::new();
    // It is closed, with an answer or without.
    let _ = slow.read_to_end(&mut rest);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    served.get("/health/live").is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_set_keeps_the_daemon_from_starting() {
    let project = Project::new(1).await;
    with_tokens(&project);
    let said = project.outflow(&["serve"]).exits(2);
    assert!(said.stderr.contains("EYE"), "{}", said.stderr);
}
