//! `outflow check`, `init` and `schema`: what is known to be wrong before a run.

use crate::project::{MAPPING, Project, has_keys, outflow_in};

#[test]
fn a_new_project_passes_its_offline_check() {
    let folder = tempfile::tempdir().unwrap();
    let said = outflow_in(folder.path(), &["init"]).exits(0);
    assert!(said.stdout.contains("outflow check --offline"), "{}", said.stdout);
    let said = outflow_in(folder.path(), &["check", "--offline"]).exits(0);
    assert!(said.stdout.contains("in order"), "{}", said.stdout);
    outflow_in(folder.path(), &["init"]).exits(2);
}

#[test]
fn a_folder_without_a_project_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said = outflow_in(folder.path(), &["run"]).exits(2);
    assert!(
        said.stderr.contains("there is no outflow.yaml here"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("outflow init"), "{}", said.stderr);
}

#[test]
fn wrong_arguments_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    outflow_in(folder.path(), &["sync"]).exits(2);
    outflow_in(folder.path(), &["plan", "--requests", "--json"]).exits(2);
    let help = outflow_in(folder.path(), &["--help"]).exits(0);
    assert!(!help.stdout.contains("forget"), "only what exists is listed");
}

#[test]
fn schemas_are_json_and_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let schema = outflow_in(folder.path(), &["schema", "mapping"]).exits(0).json();
    assert!(schema["properties"]["fields"].is_object());
    outflow_in(folder.path(), &["schema", "--write", "schema"]).exits(0);
    assert!(folder.path().join("schema/outflow.schema.json").exists());
    assert!(folder.path().join("schema/mapping.schema.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_problems_are_told_in_one_go_at_their_place() {
    let project = Project::new(2).await;
    let mapping = MAPPING
        .replace("  city: city", "  city: town")
        .replace("  lifecyclestage: stage", "  lifecycle_stage: stage");
    project.write("mappings/customers.yaml", &mapping);
    let said = project.outflow(&["check"]).exits(2);
    assert!(
        said.stdout.contains("mappings/customers.yaml:13:"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("mappings/customers.yaml:14:"),
        "{}",
        said.stdout
    );
    let document = project.outflow(&["check", "--json"]).exits(2).json();
    let problems = document["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2);
    for problem in problems {
        has_keys(problem, &["file", "line", "column", "code", "message", "hint"]);
        assert_eq!(problem["file"], "mappings/customers.yaml");
    }
    project.outflow(&["check", "--offline"]).exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_project_says_what_was_checked() {
    let project = Project::new(2).await;
    let said = project.outflow(&["check"]).exits(0);
    for line in ["ok source files", "ok destination crm", "ok sync customers"] {
        assert!(said.stdout.contains(line), "{}", said.stdout);
    }
    let document = project.outflow(&["check", "--json"]).exits(0).json();
    assert_eq!(document["problems"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gravest_finding_decides_the_exit_code() {
    let project = Project::new(2).await;
    let wrong = project
        .command(&["check", "--json"])
        .env("CRM_TOKEN", "pat-na1-wrong")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(3));
    let document: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(document["problems"][0]["file"], "outflow.yaml");
    assert_eq!(document["problems"][0]["line"], 4);

    std::fs::remove_file(project.path("data/customers.csv")).unwrap();
    project.outflow(&["check"]).exits(4);

    let unset = project
        .command(&["check"])
        .env_remove("CRM_TOKEN")
        .output()
        .unwrap();
    assert_eq!(unset.status.code(), Some(2));
    let offline = project
        .command(&["check", "--offline"])
        .env_remove("CRM_TOKEN")
        .output()
        .unwrap();
    assert_eq!(offline.status.code(), Some(0), "unset is a warning offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_exits_5() {
    let project = Project::new(2).await;
    let text = std::fs::read_to_string(project.path("outflow.yaml")).unwrap();
    project.write(
        "outflow.yaml",
        &text.replace(&project.twin.base_url(), "http://127.0.0.1:9"),
    );
    project.outflow(&["check"]).exits(5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_models_sql_is_told_where_it_is_written() {
    let project = Project::new(2).await;
    let sql = "select id, email, first_name, city,\n  stge as stage\nfrom customers\n";
    let table = "model: { table: customers }";
    let inline = format!("model:\n  sql: |\n    {}", sql.trim_end().replace('\n', "\n    "));
    project.write("mappings/customers.yaml", &MAPPING.replace(table, &inline));
    let said = project.outflow(&["check"]).exits(4);
    insta::assert_snapshot!("misspelt_in_a_mapping", said.stdout);
    project.write("models/customers.sql", sql);
    let file = MAPPING.replace(table, "model: { file: ../models/customers.sql }");
    project.write("mappings/customers.yaml", &file);
    let said = project.outflow(&["check"]).exits(4);
    insta::assert_snapshot!("misspelt_in_a_sql_file", said.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_that_no_row_could_be_sent_with_is_found_before_the_first_row() {
    let project = Project::new(2).await;
    let mapping = MAPPING.replace("lifecyclestage: stage", "lifecyclestage: { value: custmer }");
    project.write("mappings/customers.yaml", &mapping);
    let said = project.outflow(&["check"]).exits(2);
    insta::assert_snapshot!("constant_that_is_no_option", said.stdout);
    for verb in ["plan", "run"] {
        let said = project.outflow(&[verb]).exits(2);
        assert!(said.stderr.contains("bad_constant"), "{verb}: {}", said.stderr);
    }
    assert!(project.writes().is_empty());
    let mapping = mapping.replace("custmer", "customer");
    project.write("mappings/customers.yaml", &mapping);
    project.outflow(&["check"]).exits(0);
    project.outflow(&["run"]).exits(0);
}
