//! Alerts as e-mails, through a mail server in this process.

use std::process::{Command, Output};

use crate::post_office::{Letter, PostOffice, Rules, Speaks};
use crate::project::{MAPPING, Project};
use crate::served::{Served, until};

/// `\0outflow\0s3cret-pass` in base64.
const LOGIN: &str = "AG91dGZsb3cAczNjcmV0LXBhc3M=";

/// A project that e-mails two people; `keys` are further keys of the alert.
async fn project(rules: Rules, keys: &str) -> (Project, PostOffice) {
    let project = Project::new(3).await;
    let office = PostOffice::start(rules, project.dir());
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let alerts = format!(
        "alerts:\n  ops:\n    type: email\n    server: localhost\n    port: {}\n    \
         from: Outflow <outflow@example.com>\n    to: [a@example.com, On Call <b@example.com>]\n{keys}",
        office.port
    );
    std::fs::write(file, format!("{text}{alerts}")).unwrap();
    (project, office)
}

fn with_secrets(project: &Project, mut command: Command) -> Command {
    command
        .env("MAIL_USER", "outflow")
        .env("MAIL_PASSWORD", "s3cret-pass")
        .env("SSL_CERT_FILE", PostOffice::authority(project.dir()));
    command
}

fn serve(project: &Project) -> Served {
    let command = project.command(&["serve", "--listen", "127.0.0.1:0"]);
    Served::command(with_secrets(project, command))
}

fn test(project: &Project) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = with_secrets(project, project.command(&["alerts", "test"]))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

const LOGGED_IN: &str = "    user: \"${env:MAIL_USER}\"\n    password: \"${env:MAIL_PASSWORD}\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn trouble_and_its_end_are_one_email_each() {
    let rules = Rules {
        speaks: Speaks::Starttls,
        login: Some(LOGIN),
        ..Rules::default()
    };
    let (project, office) = project(rules, LOGGED_IN).await;
    let every = format!("{MAPPING}schedule: {{ every: 1s }}\n");
    project.write("mappings/customers.yaml", &every);
    let table = std::fs::read_to_string(project.path("data/customers.csv")).unwrap();
    std::fs::remove_file(project.path("data/customers.csv")).unwrap();
    let served = serve(&project);
    until(|| served.log(), || crate::served::history(&project).len() >= 3);
    until(|| served.log(), || office.letters().len() == 1);
    project.write("data/customers.csv", &table);
    until(|| served.log(), || office.letters().len() == 2);
    let (_, _, log) = served.stop();
    let letters = office.letters();
    assert_eq!(letters.len(), 2, "{letters:#?}");
    for Letter {
        encrypted, from, to, ..
    } in &letters
    {
        assert!(encrypted, "{letters:#?}");
        assert_eq!(from, "outflow@example.com");
        assert_eq!(*to, ["a@example.com", "b@example.com"]);
    }
    let first = &letters[0].text;
    for line in [
        "Subject: Outflow: sync customers failed\n",
        "From: Outflow <outflow@example.com>\n",
        "To: a@example.com, \"On Call\" <b@example.com>\n",
        "Auto-Submitted: auto-generated\n",
        "Code: ",
    ] {
        assert!(first.contains(line), "{line}\n{first}");
    }
    assert!(
        letters[1]
            .text
            .contains("Subject: Outflow: sync customers has recovered\n"),
        "{}",
        letters[1].text
    );
    let said = office.said();
    let (encrypted, login) = (
        said.iter().position(|line| line == "STARTTLS").unwrap(),
        said.iter().position(|line| line.starts_with("AUTH ")).unwrap(),
    );
    assert!(encrypted < login, "{said:#?}");
    assert!(!log.contains("s3cret-pass") && !log.contains(LOGIN), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_that_was_put_off_is_sent_after_a_restart_with_the_same_identifier() {
    let rules = Rules {
        busy: 1,
        ..Rules::default()
    };
    let (project, office) = project(rules, "    tls: none\n").await;
    let late = format!("{MAPPING}schedule: manual\nlate_after: 1s\n");
    project.write("mappings/customers.yaml", &late);
    let served = serve(&project);
    until(
        || served.log(),
        || served.log().contains("an alert could not be sent"),
    );
    let (_, _, log) = served.stop();
    assert!(log.contains("it answered 451"), "{log}");
    assert!(
        !log.contains("4.3.0"),
        "the server's words may hold addresses: {log}"
    );
    assert!(office.letters().is_empty());
    let served = serve(&project);
    until(|| served.log(), || office.letters().len() == 1);
    assert!(
        office.letters()[0]
            .text
            .contains("Subject: Outflow: sync customers is late\n"),
        "{:#?}",
        office.letters()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_reaches_everybody_over_tls_from_the_start() {
    let rules = Rules {
        speaks: Speaks::Implicit,
        ..Rules::default()
    };
    let (project, office) = project(rules, "    tls: implicit\n").await;
    let (code, stdout, stderr) = test(&project);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let letters = office.letters();
    assert!(letters[0].encrypted && letters[0].to.len() == 2, "{letters:#?}");
    assert!(letters[0].text.contains("this is a test"), "{letters:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_nobody_vouches_for_is_not_told_anything() {
    for (speaks, tls) in [(Speaks::Implicit, "implicit"), (Speaks::Starttls, "starttls")] {
        let rules = Rules {
            speaks,
            login: Some(LOGIN),
            ..Rules::default()
        };
        let (project, office) = project(rules, &format!("{LOGGED_IN}    tls: {tls}\n")).await;
        let mut command = with_secrets(&project, project.command(&["alerts", "test"]));
        // Another authority than the one behind the server.
        let other = tempfile::tempdir().unwrap();
        PostOffice::start(Rules::default(), other.path());
        command.env("SSL_CERT_FILE", PostOffice::authority(other.path()));
        let output = command.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(5), "{stdout}");
        assert!(stdout.contains("certificate"), "{stdout}");
        assert!(office.letters().is_empty());
        let said = office.said();
        assert!(!said.iter().any(|line| line.starts_with("AUTH")), "{said:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_encryption_is_told_no_password() {
    let rules = Rules {
        login: Some(LOGIN),
        ..Rules::default()
    };
    let (project, office) = project(rules, LOGGED_IN).await;
    let (code, stdout, _) = test(&project);
    assert_eq!(code, Some(5), "{stdout}");
    assert!(stdout.contains("STARTTLS"), "{stdout}");
    let said = office.said();
    assert!(said.iter().all(|line| line.starts_with("EHLO")), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_without_what_the_server_said() {
    let wrong = Rules {
        speaks: Speaks::Starttls,
        login: Some("AG90aGVyAG90aGVy"),
        ..Rules::default()
    };
    let (refused, office) = project(wrong, LOGGED_IN).await;
    let (code, stdout, stderr) = test(&refused);
    assert_eq!(code, Some(5), "{stdout}");
    assert!(
        stdout.contains("failed ops: the login failed: it answered 535"),
        "{stdout}"
    );
    assert!(
        !format!("{stdout}{stderr}").contains("outflow@example.com"),
        "{stdout}"
    );
    assert!(office.letters().is_empty());

    // One address that does not exist keeps nobody else from being told.
    let partly = Rules {
        refuses: vec![("b@example.com", "550 5.1.1 <b@example.com> unknown")],
        ..Rules::default()
    };
    let (partly, office) = project(partly, "    tls: none\n").await;
    let (code, stdout, _) = test(&partly);
    assert_eq!(code, Some(5), "{stdout}");
    assert!(
        stdout.contains("recipient 2 of 2 was refused: it answered 550"),
        "{stdout}"
    );
    assert_eq!(office.letters()[0].to, ["a@example.com"]);

    // One that cannot be taken for now is waited for, and nobody is told twice.
    let later = Rules {
        refuses: vec![("b@example.com", "450 4.2.0 greylisted")],
        ..Rules::default()
    };
    let (later, office) = project(later, "    tls: none\n").await;
    let (code, stdout, _) = test(&later);
    assert_eq!(code, Some(5), "{stdout}");
    assert!(stdout.contains("it answered 450"), "{stdout}");
    assert!(office.letters().is_empty());
}
