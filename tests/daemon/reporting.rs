//! `report_to:` of the daemon, and who is told when it cannot be written.

use crate::post_office::{PostOffice, Rules};
use crate::project::{MAPPING, Project};
use crate::served::{Served, until};

fn reports(project: &Project) -> usize {
    report_files(project).len()
}

/// Whether the run of this number is among the reports.
fn reported(project: &Project, run: i64) -> bool {
    let ending = format!("-customers-{run}.parquet");
    report_files(project).iter().any(|name| name.ends_with(&ending))
}

fn report_files(project: &Project) -> Vec<String> {
    let entries = std::fs::read_dir(project.path("reports/outflow_runs"))
        .into_iter()
        .flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".parquet")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_are_told_and_so_is_that_they_are() {
    let project = Project::new(2).await;
    let office = PostOffice::start(Rules::default(), project.dir());
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let more = format!(
        "report_to: {{ folder: reports }}\nalerts:\n  ops: {{ type: email, server: localhost, port: {}, tls: none, \
         from: outflow@example.com, to: a@example.com, on: [unreported] }}\n",
        office.port
    );
    std::fs::write(&file, format!("{text}{more}")).unwrap();
    project.write("mappings/customers.yaml", &format!("{MAPPING}schedule: manual\n"));
    project.write("reports", "a file where the folder should be");
    let served = Served::start(&project, &[]);
    let run = || {
        served
            .post("/api/v1/syncs/customers/trigger?wait=60s")
            .is(200)
            .json()
    };
    assert_eq!(run()["status"], "ok");
    until(|| served.log(), || office.letters().len() == 1);
    assert_eq!(run()["status"], "ok");
    std::fs::remove_file(project.path("reports")).unwrap();
    assert_eq!(run()["status"], "ok");
    until(|| served.log(), || office.letters().len() == 2);
    assert_eq!(reports(&project), 3, "{}", served.log());
    let letters = office.letters();
    assert!(
        letters[0].text.contains("could not be written to `report_to`"),
        "{letters:#?}"
    );
    assert!(letters[1].text.contains("is reported again"), "{letters:#?}");
    assert_eq!(served.stop().0, Some(0));
    assert_eq!(office.letters().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_is_reported_by_the_next_process() {
    let project = Project::new(2).await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}report_to: {{ folder: reports }}\n")).unwrap();
    project.write("mappings/customers.yaml", &format!("{MAPPING}schedule: manual\n"));
    let served = Served::start(&project, &[]);
    served.post("/api/v1/syncs/customers/trigger?wait=60s").is(200);
    until(|| served.log(), || reports(&project) == 1);
    served.kill();
    // As a process that was killed in a run leaves it.
    let state = rusqlite::Connection::open(project.path(".outflow/state.db")).unwrap();
    state
        .execute(
            "UPDATE run SET status = 'running', finished_ms = NULL, id = 2",
            (),
        )
        .unwrap();
    drop(state);
    let served = Served::start(&project, &[]);
    // The sync runs again, as run 3; the report of run 2 is the one that was missing.
    until(|| served.log(), || reported(&project, 2));
    served.stop();
}
