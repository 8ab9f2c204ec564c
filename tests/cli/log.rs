//! The log: which sync, run and batch a line is about.

use outflow_sandbox::hubspot::{Fault, FaultKind};
use serde_json::Value;

use crate::project::Project;

fn lines(stderr: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    stderr.lines().map(line).collect()
}

/// What the spans around a line say under `key`.
fn said_by_spans<'a>(line: &'a Value, key: &str) -> Option<&'a Value> {
    line["spans"].as_array()?.iter().find_map(|span| span.get(key))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_about_a_request_names_its_sync_run_and_batch() {
    let mut project = Project::new(3).await;
    let unavailable = FaultKind::Status {
        code: 503,
        body: None,
        headers: Vec::new(),
    };
    for (run, filter) in [(1, "warn"), (2, "outflow=debug")] {
        project.set(1, 2, &format!("Name {run}"));
        project.twin.inject(Fault::on("/batch/", unavailable.clone()));
        let said = project
            .command(&["run", "--log-format", "json"])
            .env("OUTFLOW_LOG", filter)
            .output()
            .unwrap();
        let stderr = String::from_utf8(said.stderr).unwrap();
        let lines = lines(&stderr);
        let failed = |line: &&Value| {
            let message = line["message"].as_str();
            message.is_some_and(|message| message.starts_with("request failed"))
        };
        let failed = lines.iter().find(failed).unwrap_or_else(|| panic!("{stderr}"));
        assert_eq!(
            said_by_spans(failed, "sync"),
            Some(&"customers".into()),
            "{failed}"
        );
        assert_eq!(said_by_spans(failed, "run"), Some(&run.into()), "{failed}");
        assert_eq!(said_by_spans(failed, "batch"), Some(&1.into()), "{failed}");
    }
}
