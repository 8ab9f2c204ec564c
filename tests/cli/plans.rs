//! `outflow plan`: shows what a run would do, to the byte, and moves nothing.

use serde_json::Value;

use crate::project::{MAPPING, Project};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_moves_nothing_and_says_what_the_run_then_does() {
    let mut project = Project::new(30).await;
    project.outflow(&["run"]).exits(0);
    project.set(1, 3, "Oslo");
    project.set(2, 1, "renamed@example.com");
    project.remove(3);
    project.add(["31", "new@example.com", "New", "Rome", "lead"]);
    project.set(4, 4, "no-such-stage");

    let (state, contacts) = (export(&project), project.twin.contacts());
    project.twin.clear_requests();
    let said = project.outflow(&["plan", "--json"]).exits(0);
    let plan = said.json();
    let requests = project.outflow(&["plan", "--requests"]).exits(0).stdout;
    project.outflow(&["plan"]).exits(0);
    assert!(project.writes().is_empty());
    assert_eq!(export(&project), state, "not a row of the state");
    assert_eq!(project.twin.contacts(), contacts);

    let planned = &plan["syncs"][0];
    assert_eq!(planned["create"], 1);
    assert_eq!(planned["update"], 2);
    assert_eq!(planned["remove"], 1);
    assert_eq!(
        planned["rejected"], 1,
        "the unknown stage is known before it is sent"
    );
    assert_eq!(planned["operations"].as_array().unwrap().len(), 4);

    for _ in 0..2 {
        let again = project.outflow(&["plan", "--json"]).exits(0).stdout;
        assert_eq!(again, said.stdout, "to the byte the same every time");
        let again = project.outflow(&["plan", "--requests"]).exits(0).stdout;
        assert_eq!(again, requests, "in the same order");
    }

    let ran = project.outflow(&["run", "--json"]).exits(1).json();
    let ran = &ran["syncs"][0];
    assert_eq!(ran["created"], planned["create"]);
    assert_eq!(ran["updated"], planned["update"]);
    assert_eq!(ran["removed"], planned["remove"]);
    assert_eq!(ran["rejected"], planned["rejected"]);
}

/// Everything the state holds.
fn export(project: &Project) -> String {
    project.outflow(&["state", "export"]).exits(0).stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_many_requests_prints_them_in_the_same_order_every_time() {
    let mut project = Project::new(1_200).await;
    let requests = |project: &Project| project.outflow(&["plan", "--requests"]).exits(0).stdout;
    let first = requests(&project);
    assert_eq!(first.lines().count(), 12);
    assert_eq!(requests(&project), first);
    project.outflow(&["run"]).exits(0);
    for id in (1..=1_200).step_by(2) {
        project.set(id, 3, "Oslo");
    }
    let second = requests(&project);
    assert_eq!(second.lines().count(), 6);
    assert_eq!(requests(&project), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_names_its_row_and_its_new_values() {
    let mut project = Project::new(3).await;
    project.outflow(&["run"]).exits(0);
    project.set(2, 3, "Oslo");
    let plan = project.outflow(&["plan", "customers", "--json"]).exits(0).json();
    let operation = &plan["syncs"][0]["operations"][0];
    assert_eq!(operation["key"], "2");
    assert_eq!(operation["op"], "update");
    assert_eq!(operation["match"], "person2@example.com");
    assert_eq!(operation["fields"], serde_json::json!({ "city": "Oslo" }));

    let text = project.outflow(&["plan"]).exits(0).stdout;
    assert!(
        text.contains("0 to create, 1 to update, 0 to remove, 2 unchanged"),
        "{text}"
    );
    assert!(text.contains("city (changed) → Oslo"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_the_destination_never_acknowledged_is_new_and_another_one_is_changed() {
    let mut project = Project::new(2).await;
    let first = project.outflow(&["plan"]).exits(0).stdout;
    assert!(first.contains("city (new) → Berlin"), "{first}");
    assert!(!first.contains("(changed)"), "{first}");
    project.outflow(&["run"]).exits(0);
    project.write(
        "mappings/customers.yaml",
        &format!("{MAPPING}  jobtitle: {{ value: Patron }}\n"),
    );
    project.set(2, 3, "Oslo");
    let later = project.outflow(&["plan"]).exits(0).stdout;
    assert_eq!(later.matches("jobtitle (new) → Patron").count(), 2, "{later}");
    assert!(later.contains("city (changed) → Oslo"), "{later}");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_the_accounts_limits_make_a_run_wait_is_told_before_it() {
    let project = Project::new(250).await;
    let unlimited = project.outflow(&["plan", "--summary"]).exits(0).stdout;
    assert!(
        unlimited.contains("3 requests, no wait for the account's limits"),
        "{unlimited}"
    );
    let text = std::fs::read_to_string(project.path("outflow.yaml")).unwrap();
    let limited = text.replace("limits: none", "limits: { requests: 1, per: 30s }");
    project.write("outflow.yaml", &limited);
    let waits = project.outflow(&["plan", "--summary"]).exits(0).stdout;
    assert!(
        waits.contains("3 requests, about 1 min within the account's limits"),
        "{waits}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn printed_requests_are_what_the_run_then_sends() {
    let mut project = Project::new(250).await;
    compare(&project);
    for id in 1..=120 {
        project.set(id, 3, "Oslo");
    }
    project.remove(200);
    compare(&project);
}

/// Plans with `--requests`, runs, and compares the bytes.
fn compare(project: &Project) {
    let printed = project.outflow(&["plan", "--requests"]).exits(0).stdout;
    let mut planned: Vec<(String, String, String)> = printed.lines().map(parts).collect();
    project.twin.clear_requests();
    let ran = project.outflow(&["run", "--json"]).exits(0).json();
    let mut sent: Vec<(String, String, String)> = project
        .writes()
        .into_iter()
        .map(|request| {
            let body = String::from_utf8(request.body.to_vec()).unwrap();
            (request.method, request.path, body)
        })
        .collect();
    assert_eq!(ran["syncs"][0]["requests"], sent.len());
    // Requests under way together may arrive in any order.
    planned.sort();
    sent.sort();
    assert_eq!(planned, sent);
}

/// Method, path and body (its bytes) of a printed line.
fn parts(line: &str) -> (String, String, String) {
    let value: Value = serde_json::from_str(line).unwrap();
    let (_, body) = line.split_once("\"body\":").unwrap();
    (
        value["method"].as_str().unwrap().into(),
        value["path"].as_str().unwrap().into(),
        body.strip_suffix('}').unwrap().into(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_of_nothing_to_do_asks_the_destination_nothing() {
    let project = Project::new(10).await;
    project.outflow(&["run"]).exits(0);
    project.twin.clear_requests();
    let plan = project
        .outflow(&["plan", "customers", "--summary", "--json"])
        .exits(0)
        .json();
    assert_eq!(project.twin.request_count(), 0);
    assert_eq!(plan["syncs"][0]["unchanged"], 10);
    assert_eq!(plan["syncs"][0]["requests"], 0);
    assert!(plan["syncs"][0].get("operations").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_takes_the_model_as_what_is_there() {
    let mut project = Project::new(10).await;
    let refused = project
        .outflow(&["state", "reset", "customers", "--adopt"])
        .exits(2);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    project
        .outflow(&["state", "reset", "customers", "--adopt", "--yes"])
        .exits(0);
    let ran = project.outflow(&["run", "--json"]).exits(0).json();
    assert_eq!(ran["syncs"][0]["unchanged"], 10);
    assert_eq!(project.twin.request_count(), 0);
    project.set(1, 3, "Oslo");
    let plan = project.outflow(&["plan", "--json"]).exits(0).json();
    assert_eq!(plan["syncs"][0]["update"], 1);
}
