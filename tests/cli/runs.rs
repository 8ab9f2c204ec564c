//! `outflow run`: what is sent, what is told, how it exits.

use outflow::deliver::AccountSnapshot;
use outflow_sandbox::hubspot::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::project::{MAPPING, Project};

fn sync(document: &Value) -> &Value {
    &document["syncs"][0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_sends_nothing_and_a_change_sends_its_field_alone() {
    let mut project = Project::new(250).await;
    let first = project.outflow(&["run", "--json"]).exits(0).json();
    assert_eq!(sync(&first)["created"], 250);
    assert_eq!(sync(&first)["status"], "ok");
    assert_eq!(project.twin.contacts().len(), 250);

    project.twin.clear_requests();
    let second = project.outflow(&["run", "--json"]).exits(0).json();
    assert_eq!(sync(&second)["unchanged"], 250);
    assert_eq!(project.twin.request_count(), 0, "not one request");

    project.set(17, 3, "Oslo");
    project.outflow(&["run"]).exits(0);
    let writes = project.writes();
    let [request] = &writes[..] else {
        panic!("{writes:?}")
    };
    let inputs = request.json()["inputs"].clone();
    assert_eq!(inputs.as_array().unwrap().len(), 1);
    assert_eq!(inputs[0]["properties"], json!({ "city": "Oslo" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_exit_1_until_they_are_gone_and_name_what_to_do() {
    let mut project = Project::new(20).await;
    project.set(3, 1, "not-an-address");
    let said = project.outflow(&["run"]).exits(1);
    assert!(said.stdout.contains("1 open reject"), "{}", said.stdout);
    assert!(
        said.stdout.contains("outflow rejects customers"),
        "{}",
        said.stdout
    );

    project.twin.clear_requests();
    project.outflow(&["run"]).exits(1);
    assert_eq!(project.twin.request_count(), 0, "it sleeps until it changes");

    let listed = project.outflow(&["rejects", "--json"]).exits(0).json();
    assert_eq!(listed["rejects"][0]["key"], "3");
    assert_eq!(listed["rejects"][0]["class"], "permanent");
    let shown = project.outflow(&["rejects", "show", "customers", "3"]).exits(0);
    assert!(shown.stdout.contains("open reject"), "{}", shown.stdout);
    project.outflow(&["rejects", "show", "customers", "4"]).exits(2);

    let woken = project.outflow(&["rejects", "retry", "customers", "3"]).exits(0);
    assert!(
        woken.stdout.contains("1 reject will be tried again"),
        "{}",
        woken.stdout
    );

    project.set(3, 1, "person3@example.com");
    project.outflow(&["run"]).exits(0);
    let listed = project.outflow(&["rejects", "--json"]).exits(0).json();
    assert_eq!(listed["rejects"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_missing_or_repeated_are_named_and_exit_1() {
    let mut project = Project::new(5).await;
    project.add(["2", "twice@example.com", "Twice", "Rome", "lead"]);
    project.add(["", "nobody@example.com", "Nobody", "Rome", "lead"]);
    let said = project.outflow(&["run"]).exits(1);
    assert!(
        said.stdout.contains("several rows have the same key"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("row 7 of the model"), "{}", said.stdout);
    assert_eq!(project.twin.contacts().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_exits_3() {
    let project = Project::new(3).await;
    let said = project
        .command(&["run"])
        .env("CRM_TOKEN", "pat-na1-wrong")
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(3));
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert!(
        stderr.contains("error:") && !stderr.contains("pat-na1-wrong"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_exits_4() {
    let project = Project::new(3).await;
    std::fs::remove_file(project.path("data/customers.csv")).unwrap();
    let said = project.outflow(&["run", "--json"]).exits(4);
    assert_eq!(sync(&said.json())["status"], "failed");
    assert!(said.stderr.contains("customers"), "{}", said.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_exits_5_and_nothing_is_lost() {
    let project = Project::new(3).await;
    let text = std::fs::read_to_string(project.path("outflow.yaml")).unwrap();
    let down = text.replace(&project.twin.base_url(), "http://127.0.0.1:9");
    project.write("outflow.yaml", &down);
    let said = project.outflow(&["run", "--json"]).exits(5).json();
    assert_eq!(sync(&said)["deferred"], 3);
    project.write("outflow.yaml", &text);
    project.outflow(&["run"]).exits(0);
    assert_eq!(project.twin.contacts().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_exits_6_before_anything_is_sent() {
    let project = Project::new(3).await;
    project.write(
        "mappings/customers.yaml",
        &format!("{MAPPING}guards: {{ min_rows: 10 }}\n"),
    );
    let said = project.outflow(&["run"]).exits(6);
    assert!(said.stderr.contains("min_rows"), "{}", said.stderr);
    assert_eq!(project.twin.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_quota_exits_7_and_the_next_run_goes_on() {
    let project = Project::new(3).await;
    project.twin.inject(Fault {
        kind: FaultKind::Daily429,
        method: Some("POST".into()),
        path: None,
        times: 1,
        skip: 0,
    });
    let said = project.outflow(&["run", "--json"]).exits(7).json();
    assert_eq!(sync(&said)["status"], "deferred");
    assert_eq!(sync(&said)["deferred"], 3);

    project.twin.clear_requests();
    project.outflow(&["run"]).exits(7);
    assert!(project.writes().is_empty(), "nothing is tried before midnight");

    midnight_passes(&project);
    let said = project.outflow(&["run", "--json"]).exits(0).json();
    assert_eq!(
        (&sync(&said)["created"], &sync(&said)["deferred"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(project.twin.contacts().len(), 3);
    project.twin.clear_requests();
    let said = project.outflow(&["run", "--json"]).exits(0).json();
    assert_eq!(sync(&said)["unchanged"], 3);
    assert_eq!(project.twin.request_count(), 0);
}

/// The program goes by the machine's clock, so what it remembers of the quota is a day older instead.
fn midnight_passes(project: &Project) {
    let state = project.path(".outflow/state.db");
    let notes = rusqlite::Connection::open(state).unwrap();
    let (name, text): (String, String) = notes
        .query_row(
            "SELECT name, value FROM note WHERE name LIKE 'limiter/%'",
            (),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let mut account: AccountSnapshot = serde_json::from_str(&text).unwrap();
    let day = 24 * 3_600_000;
    account.day_ends_ms -= day;
    account.exhausted_until_ms = account.exhausted_until_ms.map(|until| until - day);
    let older = serde_json::to_string(&account).unwrap();
    notes
        .execute("UPDATE note SET value = ?1 WHERE name = ?2", [older, name])
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_fits_nothing_exits_2_with_the_known_names() {
    let project = Project::new(1).await;
    let said = project.outflow(&["run", "customer"]).exits(2);
    assert!(
        said.stderr.contains("did you mean `customers`?"),
        "{}",
        said.stderr
    );
    let said = project.outflow(&["run", "zzz*"]).exits(2);
    assert!(said.stderr.contains("known: customers"), "{}", said.stderr);
    project.outflow(&["run", "cust*"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_told_at_once() {
    let project = Project::new(3).await;
    let state = project.path(".outflow");
    let _first = outflow::state::Store::open(&state, outflow::state::Access::Write).unwrap();
    let said = project.outflow(&["run"]).exits(2);
    assert!(
        said.stderr.contains("in use by another outflow"),
        "{}",
        said.stderr
    );
    project.outflow(&["status"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_the_destination_lacks_is_shown_at_its_line() {
    let project = Project::new(3).await;
    let mapping = MAPPING.replace("  city: city", "  citty: city");
    project.write("mappings/customers.yaml", &mapping);
    let said = project.outflow(&["run"]).exits(2);
    assert!(
        said.stderr.contains("mappings/customers.yaml:13:"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("did you mean `city`?"), "{}", said.stderr);
    assert!(project.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_mapping_stops_itself_alone() {
    let project = Project::new(3).await;
    let broken = MAPPING
        .replace("sync: customers", "sync: other")
        .replace("mode: mirror", "mode: miror");
    project.write("mappings/other.yaml", &broken);
    let said = project.outflow(&["run", "--json"]).exits(2);
    assert_eq!(sync(&said.json())["created"], 3, "the healthy sync ran");
    assert!(said.stderr.contains("mappings/other.yaml:"), "{}", said.stderr);
    project.outflow(&["run", "customers"]).exits(0);
    let said = project.outflow(&["run", "other"]).exits(2);
    assert!(said.stderr.contains("mappings/other.yaml:"), "{}", said.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_for_some_keys_sends_their_rows_alone() {
    let mut project = Project::new(5).await;
    project.outflow(&["run"]).exits(0);
    project.set(2, 3, "Oslo");
    project.set(3, 3, "Rome");
    let keyed = ["run", "customers", "--key", "2", "--key", "4", "--json"];
    let document = project.outflow(&keyed).exits(0).json();
    let run = sync(&document);
    assert_eq!(
        (&run["keys"], &run["read"], &run["updated"]),
        (&json!(2), &json!(2), &json!(1)),
        "{document}"
    );
    let history = project.outflow(&["history"]).exits(0).stdout;
    assert!(history.contains("2 of 2 keys"), "{history}");
    let status = project.outflow(&["status", "--json"]).exits(0).json();
    assert_eq!(sync(&status)["last_run"], 1, "{status}");
    let said = project.outflow(&["explain", "customers", "2"]).exits(0).stdout;
    assert!(said.contains("after the last run of the whole model"), "{said}");
    assert_eq!(
        sync(&project.outflow(&["run", "--json"]).exits(0).json())["updated"],
        1
    );
    let long = "x".repeat(600);
    let said = project.outflow(&["run", "customers", "--key", &long]).exits(2);
    assert!(
        said.stderr.contains("a --key is longer") && !said.stderr.contains("xxx"),
        "{}",
        said.stderr
    );
}
