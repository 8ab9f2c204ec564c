//! Stopping: what is in flight settles, what is not sent waits for the next run.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::project::{Project, binary};

pub(crate) fn terminate(child: &Child) {
    let done = Command::new("kill")
        .arg("-TERM")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(done.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_exits_7_and_the_next_one_goes_on() {
    let project = Project::new(3_000).await;
    project.twin.set_latency(Duration::from_millis(300));
    let mut command = project.command(&["run", "--json"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while project.writes().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    terminate(&child);
    let said = child.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(7));
    let document: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let one = &document["syncs"][0];
    let created = one["created"].as_u64().unwrap();
    assert_eq!(created + one["deferred"].as_u64().unwrap(), 3_000, "{one}");
    assert_eq!(
        project.twin.contacts().len() as u64,
        created,
        "what was in flight is settled"
    );

    project.twin.set_latency(Duration::ZERO);
    let rest = project.outflow(&["run", "--json"]).exits(0).json();
    assert_eq!(rest["syncs"][0]["created"].as_u64().unwrap(), 3_000 - created);
}

#[test]
fn the_sandbox_serves_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = binary()
        .current_dir(folder.path())
        .args(["sandbox", "--port", "0", "--tier", "none", "--data", "records"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first.split_whitespace().last().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"), "{first}");
    let address = url.trim_start_matches("http://").to_owned();
    std::net::TcpStream::connect(address).unwrap();
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(folder.path().join("records").exists(), "its records are kept");
}
