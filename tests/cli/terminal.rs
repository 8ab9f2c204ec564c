//! What a person at a terminal sees of a run, and a file or a scheduler does not get.
#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use outflow_sandbox::hubspot::{Fault, FaultKind};

use crate::project::{Project, TOKEN};

/// Gives a command a terminal and passes on what appears there.
const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_how_far_a_run_is_and_words_for_people() {
    let project = Project::new(12).await;
    // Long enough for the bar to be drawn before the rows are settled.
    let slow = FaultKind::Latency {
        time: Duration::from_millis(300),
    };
    project.twin.inject(Fault::on("/batch/", slow.clone()));
    let program = project.command(&["run"]);
    let seen = Command::new("python3")
        .args(["-c", TERMINAL])
        .arg(program.get_program())
        .args(program.get_args())
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .current_dir(project.dir())
        .output()
        .unwrap();
    let text = String::from_utf8(seen.stdout).unwrap();
    assert!(seen.status.success(), "{text}");
    let bar = text.contains("customers: ") && text.contains("0/12 rows");
    assert!(bar, "{text}");
    assert!(text.contains("\u{1b}["), "no colour: {text}");
    assert!(
        !text.contains("{\"timestamp\""),
        "the log is for people there: {text}"
    );
    assert!(!text.contains(TOKEN));

    project.twin.inject(Fault::on("/batch/", slow));
    std::fs::remove_dir_all(project.path(".outflow")).unwrap();
    let piped = project.outflow(&["run"]).exits(0);
    assert!(!piped.stderr.contains("/12 rows"), "{}", piped.stderr);
    assert!(!piped.stdout.contains('\u{1b}'), "{}", piped.stdout);
}
