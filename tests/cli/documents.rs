//! `--json`: documents whose keys other programs rely on.

use std::collections::BTreeMap;

use clap::CommandFactory;
use serde_json::json;

use crate::project::{Project, has_keys, keys};

#[tokio::test(flavor = "multi_thread")]
async fn documents_keep_their_keys() {
    let mut project = Project::new(12).await;
    project.set(5, 1, "nonsense");
    let run = project.outflow(&["run", "--json"]).exits(1).json();
    let one = &run["syncs"][0];
    has_keys(
        one,
        &[
            "sync",
            "run_id",
            "status",
            "read",
            "unchanged",
            "created",
            "updated",
            "removed",
            "rejected",
            "suppressed",
            "invalid_key",
            "deferred",
            "held",
            "requests",
            "duration_ms",
        ],
    );
    let buckets = [
        "unchanged",
        "created",
        "updated",
        "removed",
        "rejected",
        "suppressed",
        "invalid_key",
        "deferred",
        "held",
    ];
    let sum: u64 = buckets.iter().map(|bucket| one[bucket].as_u64().unwrap()).sum();
    assert_eq!(
        sum,
        one["read"].as_u64().unwrap(),
        "the buckets sum to what was read"
    );

    let history = project.outflow(&["history", "--json"]).exits(0).json();
    let past = &history["runs"][0];
    has_keys(
        past,
        &[
            "sync", "run_id", "status", "started", "finished", "created", "requests",
        ],
    );
    assert!(past["started"].as_str().unwrap().ends_with('Z'));
    assert_eq!(past["created"], one["created"]);

    let rejects = project.outflow(&["rejects", "--json"]).exits(0).json();
    has_keys(
        &rejects["rejects"][0],
        &[
            "sync",
            "key",
            "code",
            "field",
            "message",
            "class",
            "attempts",
            "first_seen",
            "next_retry",
        ],
    );

    let plan = project.outflow(&["plan", "--json"]).exits(0).json();
    has_keys(
        &plan["syncs"][0],
        &[
            "sync",
            "create",
            "update",
            "remove",
            "unchanged",
            "requests",
            "operations",
        ],
    );

    let status = project.outflow(&["status", "--json"]).exits(0).json();
    assert_eq!(status["syncs"][0]["status"], "rejects");
    assert_eq!(status["syncs"][0]["rows"], 11);
    assert_eq!(status["syncs"][0]["rejects"], 1);
    assert_eq!(status["syncs"][0]["schedule"], "manual");

    let fields = project
        .outflow(&["fields", "customers", "--json"])
        .exits(0)
        .json();
    let email = fields["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == "email")
        .unwrap();
    assert_eq!(
        keys(email),
        [
            "name",
            "label",
            "field_type",
            "options",
            "max_length",
            "writable",
            "unique",
            "required"
        ]
    );

    let state = project.outflow(&["state", "show", "--json"]).exits(0).json();
    assert_eq!(state["syncs"][0]["identity"]["key"], json!(["id"]));
}

/// The verbs below a command that have `--json`, as they are typed.
fn with_json(command: &clap::Command, typed: &str, found: &mut Vec<String>) {
    let has_json = command.get_arguments().any(|one| one.get_long() == Some("json"));
    if has_json {
        found.push(typed.trim().to_owned());
    }
    for verb in command.get_subcommands() {
        with_json(verb, &format!("{typed} {}", verb.get_name()), found);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_with_json_prints_one_document_whatever_it_finds() {
    let mut project = Project::new(3).await;
    project.set(2, 1, "nonsense");
    project.outflow(&["run"]).exits(1);
    // What each verb is asked beside `--json`, how it ends, and what its document has then.
    let row = &["customers", "2"][..];
    let asked = BTreeMap::from([
        ("check", (&[][..], 0, "problems")),
        ("plan", (&[], 0, "syncs")),
        ("run", (&[], 1, "syncs")),
        ("status", (&[], 0, "syncs")),
        ("history", (&[], 0, "runs")),
        ("rejects", (&[], 0, "rejects")),
        ("rejects list", (&["customers"], 0, "rejects")),
        ("rejects show", (row, 0, "reject")),
        ("rejects retry", (row, 0, "retried")),
        ("rejects arrived", (row, 2, "error")),
        ("explain", (row, 0, "row")),
        ("fields", (&["customers"], 0, "fields")),
        ("state show", (&[], 0, "syncs")),
        ("state reset", (&["customers", "--yes"], 0, "forgotten")),
        ("code", (&["invalid_email"], 0, "meanings")),
        ("alerts test", (&[], 2, "error")),
    ]);
    let mut verbs = Vec::new();
    with_json(&outflow::cli::Arguments::command(), "", &mut verbs);
    verbs.sort();
    assert_eq!(verbs, asked.keys().copied().collect::<Vec<_>>());
    for (verb, (rest, exit, key)) in asked {
        let mut arguments: Vec<&str> = verb.split(' ').collect();
        arguments.extend(rest);
        arguments.push("--json");
        let said = project.outflow(&arguments).exits(exit);
        // A second document behind the first would be an error.
        let document = said.json();
        assert!(
            document.get(key).is_some(),
            "{verb}: `{key}` is missing in {document}"
        );
        // A name that nothing has: the failure is one document too.
        if !rest.is_empty() && verb != "state reset" {
            arguments[verb.split(' ').count()] = "nothing-of-that-name";
            let failed = project.outflow(&arguments).exits(2).json();
            has_keys(&failed["error"], &["code", "message"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_a_document_too() {
    let project = Project::new(1).await;
    let said = project.outflow(&["run", "nope", "--json"]).exits(2);
    assert_eq!(said.json()["error"]["code"], "no_such_sync");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_a_row_that_is_known_refused_or_unknown() {
    let mut project = Project::new(4).await;
    project.set(2, 1, "nonsense");
    project.outflow(&["run"]).exits(1);
    let known = project
        .outflow(&["explain", "customers", "1", "--json"])
        .exits(0)
        .json();
    assert_eq!(known["known"], true);
    assert!(known["row"]["remote"].is_string());
    assert!(known["row"]["fields"]["city"].as_str().unwrap().len() == 16);
    assert!(
        known["reason"]
            .as_str()
            .unwrap()
            .starts_with("sent and acknowledged in the last run")
    );

    let refused = project.outflow(&["explain", "customers", "2"]).exits(0).stdout;
    assert!(refused.contains("refused in the last run"), "{refused}");
    assert!(refused.contains("open reject"), "{refused}");

    let unknown = project.outflow(&["explain", "customers", "77"]).exits(0).stdout;
    assert!(unknown.contains("not known"), "{unknown}");

    project.outflow(&["run"]).exits(1);
    let later = project.outflow(&["explain", "customers", "1"]).exits(0).stdout;
    assert!(later.contains("nothing has changed since run 1"), "{later}");
    project.outflow(&["explain", "custommers", "1"]).exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_state_goes_on_elsewhere() {
    let project = Project::new(8).await;
    project.outflow(&["run"]).exits(0);
    let file = project.path("backup.jsonl");
    let file = file.to_str().unwrap();
    project.outflow(&["state", "export", file]).exits(0);
    project.outflow(&["state", "export", file]).exits(2);
    std::fs::remove_dir_all(project.path(".outflow")).unwrap();
    project.outflow(&["state", "import", file]).exits(0);
    project.twin.clear_requests();
    let ran = project.outflow(&["run", "--json"]).exits(0).json();
    assert_eq!(ran["syncs"][0]["unchanged"], 8);
    assert_eq!(project.twin.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_values_and_its_form_can_be_chosen() {
    let project = Project::new(3).await;
    let said = project.outflow(&["run", "--log-format", "json"]).exits(0);
    let lines: Vec<serde_json::Value> = said
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    assert!(
        lines.iter().any(|line| line["message"] == "run ended"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("example.com"), "{}", said.stderr);
    let said = project
        .command(&["--log-format", "human", "run"])
        .env("OUTFLOW_LOG", "outflow=debug")
        .output()
        .unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert!(
        stderr.contains("run ended") && !stderr.contains("{\""),
        "{stderr}"
    );
    assert!(!stderr.contains("example.com"), "{stderr}");
}
