//! What people read, word by word.

use insta::assert_snapshot;

use crate::project::{MAPPING, Project};

/// Times, addresses and folders that differ from run to run.
const FILTERS: [(&str, &str); 5] = [
    (r"\d+(\.\d+)? m?s\b", "[time]"),
    (r"just now|\[time\] ago", "[ago]"),
    (r"127\.0\.0\.1:\d+", "[twin]"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "[moment]"),
    (r"[ ]{2,}", "  "),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_project_from_its_first_run_to_a_refused_row() {
    let mut project = Project::new(12).await;
    insta::with_settings!({ filters => FILTERS }, {
        assert_snapshot!("check", project.outflow(&["check"]).exits(0).stdout);
        assert_snapshot!("first_run", project.outflow(&["run"]).exits(0).stdout);
        project.set(2, 3, "Oslo");
        assert_snapshot!("plan_of_a_row", project.outflow(&["plan"]).exits(0).stdout);
        project.set(3, 1, "nonsense");
        project.remove(4);
        project.add(["13", "new@example.com", "New", "Rome", "lead"]);
        project.add(["13", "other@example.com", "Other", "Rome", "lead"]);
        project.add(["14", "more@example.com", "More", "", "customer"]);
        // Rows come in the order of their keyed hashes, which is another one in every project.
        assert_snapshot!("plan", project.outflow(&["plan", "--summary"]).exits(0).stdout);
        assert_snapshot!("second_run", project.outflow(&["run"]).exits(1).stdout);
        assert_snapshot!("status", project.outflow(&["status"]).exits(0).stdout);
        assert_snapshot!("rejects", project.outflow(&["rejects"]).exits(0).stdout);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_and_what_to_do_next() {
    let project = Project::new(3).await;
    let guarded = format!("{MAPPING}guards: {{ min_rows: 10 }}\n");
    let misspelt = MAPPING.replace("  city: city", "  citty: city");
    insta::with_settings!({ filters => FILTERS }, {
        project.write("mappings/customers.yaml", &guarded);
        assert_snapshot!("guard", without_log(&project.outflow(&["run"]).exits(6).stderr));
        project.write("mappings/customers.yaml", &misspelt);
        assert_snapshot!("unknown_field", without_log(&project.outflow(&["run"]).exits(2).stderr));
        assert_snapshot!("unknown_sync", project.outflow(&["plan", "custommers"]).exits(2).stderr);
    });
}

/// The words without the JSON lines of the log.
fn without_log(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| !line.starts_with('{'));
    lines.collect::<Vec<_>>().join("\n")
}
