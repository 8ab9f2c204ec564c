//! Stopping and dying under load: nothing is lost, nothing is written twice over.

use std::time::Duration;

use crate::project::{MAPPING, Project};
use crate::served::{Served, history, until};

const CUSTOMERS: usize = 3_000;

/// A project whose sync is due at once, then not for a minute, and takes a while.
async fn under_load() -> Project {
    let project = Project::new(CUSTOMERS).await;
    project.write(
        "mappings/customers.yaml",
        &format!("{MAPPING}schedule: {{ every: 59s }}\n"),
    );
    project.twin.set_latency(Duration::from_millis(400));
    project
}

fn goes_on(project: &Project) {
    project.twin.set_latency(Duration::ZERO);
    let served = Served::start(project, &[]);
    until(
        || served.log(),
        || history(project).first().is_some_and(|run| run["status"] == "ok"),
    );
    assert_eq!(
        project.twin.contacts().len(),
        CUSTOMERS,
        "nobody lost, nobody twice"
    );
    assert_eq!(served.stop().0, Some(0));
    let document = project.outflow(&["plan", "--json", "--summary"]).exits(0).json();
    assert_eq!(document["syncs"][0]["unchanged"], CUSTOMERS, "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_settles_what_is_in_flight_and_the_next_start_goes_on() {
    let project = under_load().await;
    let served = Served::start(&project, &[]);
    until(|| served.log(), || !project.writes().is_empty());
    let (code, _, log) = served.stop();
    assert_eq!(code, Some(0), "{log}");
    let run = &history(&project)[0];
    assert_eq!(run["status"], "deferred", "{run}");
    let created = run["created"].as_u64().unwrap();
    assert_eq!(created + run["deferred"].as_u64().unwrap(), CUSTOMERS as u64);
    assert_eq!(
        project.twin.contacts().len() as u64,
        created,
        "what was in flight is settled"
    );
    goes_on(&project);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_no_longer_than_the_grace_period() {
    let project = under_load().await;
    project.twin.set_latency(Duration::from_secs(20));
    let served = Served::start(&project, &["--grace", "500ms"]);
    until(|| served.log(), || served.log().contains("planned"));
    std::thread::park_timeout(Duration::from_millis(500));
    let (code, took, log) = served.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(log.contains("the grace period is over"), "{log}");
    let run = &history(&project)[0];
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&"failed".into(), &"cut_off".into())
    );
    goes_on(&project);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_next_start_goes_on() {
    let project = under_load().await;
    let served = Served::start(&project, &[]);
    until(|| served.log(), || project.twin.contacts().len() >= 100);
    served.kill();
    goes_on(&project);
}
