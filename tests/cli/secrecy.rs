//! What the log, stderr and errors must never hold: values of contacts, and credentials.

use outflow_sandbox::hubspot::{Fault, FaultKind};

use crate::project::{Project, Said, TOKEN};

/// A project whose people are told from everything else, one of them with an address that is refused
/// unsent, one with an address that HubSpot refuses, one with a stage it does not have.
async fn of_people() -> Project {
    let mut project = Project::new(5).await;
    for id in 1..=5 {
        project.set(id, 1, &format!("kunigunde{id}@example.com"));
        project.set(id, 2, &format!("Kunigunde Freifrau von Burgund {id}"));
        project.set(id, 3, "Xanten");
    }
    project.set(2, 1, "kunigunde2");
    project.set(3, 1, "kunigunde3@example");
    project.set(4, 4, "drachentoeter");
    project
}

/// The log's forms.
const FORMS: [&str; 2] = ["json", "human"];

/// What the program says with the log at its most verbose.
fn loudly(project: &Project, form: &str, token: &str, arguments: &[&str]) -> Said {
    let mut command = project.command(&["--log-format", form]);
    command
        .args(arguments)
        .env("OUTFLOW_LOG", "trace")
        .env("CRM_TOKEN", token);
    Said::of(command.output().unwrap())
}

#[track_caller]
fn holds_no_value(text: &str) {
    let values = [
        "kunigunde",
        "Kunigunde",
        "Burgund",
        "burgund",
        "Xanten",
        "drachentoeter",
        "pat-na1",
    ];
    for value in values {
        let line = text.lines().find(|line| line.contains(value));
        assert!(line.is_none(), "`{value}` is told: {}", line.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_leave_no_value_in_the_most_verbose_log() {
    for form in FORMS {
        let project = of_people().await;
        let run = loudly(&project, form, TOKEN, &["run"]).exits(1);
        for part in ["TRACE", "HubSpot answered", "run ended"] {
            assert!(run.stderr.contains(part), "the log is loud: {}", run.stderr);
        }
        holds_no_value(&run.stderr);
        assert_eq!(project.twin.contacts().len(), 2);
        for arguments in [
            &["check"][..],
            &["plan", "--summary"],
            &["explain", "customers", "3"],
            &["state", "show"],
        ] {
            let said = loudly(&project, form, TOKEN, arguments).exits(0);
            holds_no_value(&said.stderr);
            holds_no_value(&said.stdout);
        }
        // `rejects` shows a person where the row is, and leaves it out of the log all the same.
        let listed = loudly(&project, form, TOKEN, &["rejects"]).exits(0);
        assert!(listed.stdout.contains("kunigunde3@example"), "{}", listed.stdout);
        holds_no_value(&listed.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_fails_leaves_none_either() {
    let echo = format!(
        "{{\"status\":\"error\",\"message\":\"cannot read kunigunde1@example.com, sent with {TOKEN}\"}}"
    );
    // The first answer repeats what it was sent, as some proxies do.
    let echo = FaultKind::Status {
        code: 400,
        body: Some(echo),
        headers: Vec::new(),
    };
    for form in FORMS {
        let project = of_people().await;
        for (kind, times, exit) in [
            (echo.clone(), 20, 1),
            (FaultKind::Html { code: 502 }, 1, 1),
            (FaultKind::CutAfter, 1, 1),
            (FaultKind::Daily429, 1, 7),
        ] {
            project.twin.inject(Fault::on("/batch/upsert", kind).times(times));
            let said = loudly(&project, form, TOKEN, &["run"]).exits(exit);
            assert!(said.stderr.contains("run ended"), "{}", said.stderr);
            holds_no_value(&said.stderr);
            project.twin.clear_faults();
            let reset = loudly(&project, form, TOKEN, &["state", "reset", "customers", "--yes"]);
            holds_no_value(&reset.exits(0).stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_is_not_repeated() {
    let project = of_people().await;
    for form in FORMS {
        for arguments in [
            &["run"][..],
            &["check"],
            &["fields", "customers"],
            &["run", "--json"],
        ] {
            let said = loudly(&project, form, "pat-na1-wrong", arguments).exits(3);
            holds_no_value(&said.stderr);
            holds_no_value(&said.stdout);
        }
    }
}
