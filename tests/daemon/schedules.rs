//! Syncs run by themselves when they are due.

use crate::project::{MAPPING, Project};
use crate::served::{Served, history, until};

fn scheduled(schedule: &str) -> String {
    format!("{MAPPING}schedule: {schedule}\n")
}

fn city_of(project: &Project, id: usize) -> Option<String> {
    let email = format!("person{id}@example.com");
    project
        .twin
        .contacts()
        .iter()
        .find(|contact| contact.properties.get("email") == Some(&email))
        .and_then(|contact| contact.properties.get("city").cloned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_the_destination_at_the_next_time() {
    let mut project = Project::new(5).await;
    project.write("mappings/customers.yaml", &scheduled("{ every: 1s }"));
    let served = Served::start(&project, &[]);
    until(|| served.log(), || project.twin.contacts().len() == 5);
    project.set(3, 3, "Oslo");
    until(
        || served.log(),
        || city_of(&project, 3).as_deref() == Some("Oslo"),
    );
    let (code, _, log) = served.stop();
    assert_eq!(code, Some(0), "{log}");
    let runs = history(&project);
    assert!(runs.len() >= 2, "{runs:?}");
    assert!(runs.iter().all(|run| run["status"] != "running"), "{runs:?}");
    for private in ["person3", "example.com", "Person 3", crate::project::TOKEN] {
        assert!(!log.contains(private), "{private} is in the log: {log}");
    }
    assert!(
        log.contains("\"run\":1") && log.contains("\"sync\":\"customers\""),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_follows_the_one_it_waits_for_and_a_manual_one_waits_for_ever() {
    let project = Project::new(3).await;
    project.write("mappings/customers.yaml", &scheduled("{ every: 59s }"));
    let named = |name: &str, schedule: &str| {
        MAPPING.replace("sync: customers", &format!("sync: {name}")) + &format!("schedule: {schedule}\n")
    };
    project.write("mappings/after.yaml", &named("after", "{ after: [customers] }"));
    project.write(
        "mappings/last.yaml",
        &named("last", "{ after: [customers, after] }"),
    );
    project.write("mappings/manual.yaml", &named("manual", "manual"));
    let served = Served::start(&project, &[]);
    until(|| served.log(), || history(&project).len() >= 3);
    let order: Vec<String> = history(&project)
        .iter()
        .rev()
        .take(3)
        .map(|run| run["sync"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(order, ["customers", "after", "last"]);
    assert_eq!(served.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_works_on_a_project() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    for verb in [&["serve"][..], &["run"], &["rejects", "retry"]] {
        let said = project.outflow(verb).exits(2);
        assert!(
            said.stderr.contains("in use by another outflow"),
            "{}",
            said.stderr
        );
    }
    project.outflow(&["status"]).exits(0);
    assert_eq!(served.stop().0, Some(0));
    project.outflow(&["run"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_project_does_not_start() {
    let project = Project::new(1).await;
    project.write("mappings/customers.yaml", &scheduled("{ evry: 1s }"));
    let said = project.outflow(&["serve"]).exits(2);
    assert!(
        said.stderr.contains("mappings/customers.yaml:") && said.stderr.contains("did you mean `every`?"),
        "{}",
        said.stderr
    );
    assert!(!project.path(".outflow/state.db").exists(), "nothing was begun");
}
