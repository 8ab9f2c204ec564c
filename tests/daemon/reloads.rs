//! The project's files change while it is served.

use crate::project::{MAPPING, Project};
use crate::served::{Served, until};

fn with_state(project: &Project, id: usize) -> bool {
    let email = format!("person{id}@example.com");
    project.twin.contacts().iter().any(|contact| {
        contact.properties.get("email") == Some(&email) && contact.properties.contains_key("state")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_comes_into_force_and_a_bad_one_does_not() {
    let mut project = Project::new(2).await;
    let good = format!("{MAPPING}schedule: {{ every: 1s }}\n");
    project.write("mappings/customers.yaml", &good);
    let served = Served::start(&project, &[]);
    until(|| served.log(), || project.twin.contacts().len() == 2);

    let bad = good.replace("  city: city", "  city: { colum: city }");
    project.write("mappings/customers.yaml", &bad);
    until(|| served.log(), || served.log().contains("project not reloaded"));
    let log = served.log();
    assert!(
        log.contains("mappings/customers.yaml") && log.contains("\"line\":13"),
        "{log}"
    );
    project.add(["3", "person3@example.com", "Person 3", "Rome", "lead"]);
    until(|| served.log(), || project.twin.contacts().len() == 3);

    project.write(
        "mappings/customers.yaml",
        &good.replace("  city: city", "  state: city"),
    );
    // However often somebody asks for something meanwhile.
    until(
        || served.log(),
        || {
            served.get("/health/ready").is(200);
            served.log().contains("project reloaded")
        },
    );
    until(|| served.log(), || with_state(&project, 3));
    assert_eq!(served.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_files_at_once_and_a_new_sync_begins() {
    let project = Project::new(2).await;
    let served = Served::start(&project, &[]);
    project.write(
        "mappings/second.yaml",
        &(MAPPING.replace("sync: customers", "sync: second") + "schedule: { every: 1s }\n"),
    );
    served.signal("HUP");
    until(|| served.log(), || project.twin.contacts().len() == 2);
    until(|| served.log(), || served.log().contains("project reloaded"));
    assert_eq!(served.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_state_folder_needs_a_restart() {
    let project = Project::new(1).await;
    let file = project.path("outflow.yaml");
    let served = Served::start(&project, &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("state: elsewhere\n{text}")).unwrap();
    served.signal("HUP");
    until(
        || served.log(),
        || served.log().contains("cannot change while the daemon runs"),
    );
    assert!(!project.path("elsewhere").exists());
    assert_eq!(served.stop().0, Some(0));
}
