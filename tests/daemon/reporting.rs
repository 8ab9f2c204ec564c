//! `report_to:` of the daemon, and who is told when it cannot be written.

use crate::post_office::{PostOffice, Rules};
use crate::project::{MAPPING, Project};
use crate::served::{Served, until};

const REPORT_TO: &str = "report_to: { folder: reports }\n";

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

/// A project that reports, and whose reader of mail is told of what is not reported. Gives what its
/// `outflow.yaml` is without `report_to`, too.
async fn told_by_mail() -> (Project, PostOffice, String) {
    let project = Project::new(2).await;
    let office = PostOffice::start(Rules::default(), project.dir());
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = format!(
        "{text}alerts:\n  ops: {{ type: email, server: localhost, port: {}, tls: none, \
         from: outflow@example.com, to: a@example.com, on: [unreported] }}\n",
        office.port
    );
    std::fs::write(&file, format!("{text}{REPORT_TO}")).unwrap();
    project.write("mappings/customers.yaml", &format!("{MAPPING}schedule: manual\n"));
    (project, office, text)
}

fn run(served: &Served) {
    let answer = served.post("/api/v1/syncs/customers/trigger?wait=60s").is(200);
    assert_eq!(answer.json()["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_are_told_and_so_is_that_they_are() {
    let (project, office, _) = told_by_mail().await;
    project.write("reports", "a file where the folder should be");
    let served = Served::start(&project, &[]);
    run(&served);
    until(|| served.log(), || office.letters().len() == 1);
    run(&served);
    std::fs::remove_file(project.path("reports")).unwrap();
    run(&served);
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
async fn a_run_whose_results_cannot_be_put_aside_is_told_and_made_up_for() {
    let (project, office, _) = told_by_mail().await;
    project.write(".outflow/reports", "a file where the folder should be");
    let served = Served::start(&project, &[]);
    run(&served);
    until(|| served.log(), || office.letters().len() == 1);
    assert_eq!(reports(&project), 0);
    std::fs::remove_file(project.path(".outflow/reports")).unwrap();
    run(&served);
    until(|| served.log(), || office.letters().len() == 2);
    assert_eq!(reports(&project), 2, "{}", served.log());
    let letters = office.letters();
    assert!(letters[0].text.contains("cannot be written"), "{letters:#?}");
    assert!(letters[1].text.contains("is reported again"), "{letters:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_reports_that_are_not_asked_for_any_more() {
    let (project, office, without) = told_by_mail().await;
    project.write("reports", "a file where the folder should be");
    let served = Served::start(&project, &[]);
    run(&served);
    until(|| served.log(), || office.letters().len() == 1);
    project.write("outflow.yaml", &without);
    served.post("/api/v1/reload").is(200);
    until(|| served.log(), || office.letters().len() == 2);
    let letters = office.letters();
    assert!(
        letters[1].text.contains("is not reported any more"),
        "{letters:#?}"
    );
    run(&served);
    assert_eq!(served.stop().0, Some(0));
    assert_eq!(office.letters().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_that_is_to_be_reported_keeps_the_daemon_from_runs_and_not_from_answering() {
    const MORE: i64 = 400;
    let (project, _office, _) = told_by_mail().await;
    let served = Served::start(&project, &[]);
    run(&served);
    until(|| served.log(), || reports(&project) == 1);
    assert_eq!(served.stop().0, Some(0));
    // As if `report_to` had been away for a while.
    let state = rusqlite::Connection::open(project.path(".outflow/state.db")).unwrap();
    for _ in 0..MORE {
        state
            .execute(
                "INSERT INTO run (sync, started_ms, finished_ms, status, tally)
                 SELECT sync, started_ms, finished_ms, status, tally FROM run WHERE id = 1",
                (),
            )
            .unwrap();
    }
    drop(state);
    let served = Served::start(&project, &[]);
    run(&served);
    until(|| served.log(), || reports(&project) as i64 == MORE + 2);
    assert!(reported(&project, MORE + 2));
    let log = served.log();
    let (serving, aside) = (told_at(&log, "serving"), told_at(&log, "results of earlier runs"));
    assert!(serving < aside, "{log}");
    assert_eq!(served.stop().0, Some(0));
    let state = rusqlite::Connection::open(project.path(".outflow/state.db")).unwrap();
    let started_ms: i64 = state
        .query_row("SELECT max(started_ms) FROM run", (), |row| row.get(0))
        .unwrap();
    assert!(aside <= started_ms, "{log}");
}

/// When the log had this, milliseconds since 1970.
fn told_at(log: &str, message: &str) -> i64 {
    let line = log.lines().find(|line| line.contains(message)).expect(log);
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let at: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
    at.as_millisecond()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_is_reported_by_the_next_process() {
    let project = Project::new(2).await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{REPORT_TO}")).unwrap();
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
