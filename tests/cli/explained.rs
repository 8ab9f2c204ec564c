//! `outflow explain`: one row's tries, how each ended, and when the next one is.

use outflow_sandbox::hubspot::{Fault, FaultKind};
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::project::Project;

/// A moment as people read it.
const MOMENT: &str = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ";
/// The destination's id of an exchange.
const CORRELATION: &str = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/// Right by its spelling, and refused by HubSpot.
const REFUSED: &str = "brunhilde@example";

/// Three synced customers; then one gets an address that HubSpot refuses, and another's row cannot be
/// delivered in a whole run.
async fn in_trouble() -> Project {
    let mut project = Project::new(3).await;
    project.set(2, 2, "Brunhilde");
    project.set(3, 2, "Siegfried");
    project.outflow(&["run"]).exits(0);
    project.set(2, 1, REFUSED);
    project.outflow(&["run"]).exits(1);
    project.set(3, 3, "Worms");
    // The request is answered, its row is not done, as often as a run tries.
    let record = project.twin.contact("person3@example.com").unwrap().id;
    let not_now = json!({
        "status": "COMPLETE",
        "results": [],
        "numErrors": 1,
        "errors": [{ "category": "SERVICE_UNAVAILABLE", "context": { "ids": [record] } }],
    });
    let not_now = FaultKind::Status {
        code: 207,
        body: Some(not_now.to_string()),
        headers: Vec::new(),
    };
    project.twin.clear_requests();
    project.twin.inject(Fault::on("/batch/update", not_now).times(6));
    project.outflow(&["run"]).exits(1);
    assert_eq!(project.writes().len(), 6);
    project
}

#[track_caller]
fn shows(text: &str, pattern: &str) {
    assert!(
        Regex::new(pattern).unwrap().is_match(text),
        "`{pattern}` is missing in {text}"
    );
}

/// Fails if a text tells of a person more than their key.
#[track_caller]
fn tells_no_value(text: &str) {
    for value in [
        "Brunhilde",
        "brunhilde",
        "Siegfried",
        "person3",
        "example.com",
        "Worms",
        "Berlin",
    ] {
        assert!(!text.contains(value), "`{value}` is told in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_try_is_told_with_its_time_code_and_correlation_and_when_the_next_one_is() {
    let project = in_trouble().await;
    let refused = project.outflow(&["explain", "customers", "2"]).exits(0).stdout;
    shows(
        &refused,
        "not sent in the last run .3.: it was refused before and nothing has changed",
    );
    shows(&refused, r"open reject\n  invalid_email on email: ");
    shows(
        &refused,
        &format!("  first ({MOMENT}), last ({MOMENT}), tried in 1 run; tried again: when it changes"),
    );
    shows(
        &refused,
        &format!(
            "attempts that were not acknowledged\n.*\n +{MOMENT} +2 +rejected +invalid_email +{CORRELATION}\n"
        ),
    );
    tells_no_value(&refused);

    let failed = project.outflow(&["explain", "customers", "3"]).exits(0).stdout;
    shows(&failed, "sent without success; the next run tries again");
    shows(&failed, "tried in 1 run; tried again: next run");
    shows(
        &failed,
        &format!(" +{MOMENT} +3 +exhausted +hubspot_row_unavailable +{CORRELATION}\n"),
    );
    tells_no_value(&failed);

    // In their order, and none forgotten.
    project.outflow(&["rejects", "retry", "customers", "2"]).exits(0);
    let asked = project.outflow(&["explain", "customers", "2"]).exits(0).stdout;
    shows(&asked, "tried in 1 run; tried again: next run");
    project.outflow(&["run"]).exits(1);
    let again = project.outflow(&["explain", "customers", "2"]).exits(0).stdout;
    shows(&again, "tried in 2 runs; tried again: when it changes");
    let tries = format!(" 2 +rejected +invalid_email +{CORRELATION}\n +{MOMENT} +4 +rejected ");
    shows(&again, &tries);
    let settled = project.outflow(&["explain", "customers", "3"]).exits(0).stdout;
    shows(&settled, "sent and acknowledged in the last run .4.");
    assert!(!settled.contains("open reject"), "{settled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_tells_each_try_as_well() {
    let project = in_trouble().await;
    let explained = |key: &str| -> Value {
        let document = project
            .outflow(&["explain", "customers", key, "--json"])
            .exits(0)
            .json();
        let [tried] = &document["attempts"].as_array().unwrap()[..] else {
            panic!("one try each: {document}")
        };
        shows(
            tried["at"].as_str().unwrap(),
            r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$",
        );
        shows(
            tried["correlation"].as_str().unwrap(),
            &format!("^{CORRELATION}$"),
        );
        document
    };
    let mut refused = explained("2");
    let tried = &refused["attempts"][0];
    assert_eq!(
        (&tried["run"], &tried["outcome"], &tried["code"]),
        (&json!(2), &json!("rejected"), &json!("invalid_email"))
    );
    assert_eq!(refused["reject"]["class"], "permanent");
    assert_eq!(
        refused["reject"]["next_retry"],
        Value::Null,
        "only a change wakes it"
    );
    // The one value of a refused row that is kept, so that a person can find it.
    assert_eq!(refused["reject"]["match"], REFUSED);
    refused["reject"]["match"].take();
    tells_no_value(&refused.to_string());

    let mut failed = explained("3");
    let tried = &failed["attempts"][0];
    assert_eq!(
        (&tried["run"], &tried["outcome"], &tried["code"]),
        (&json!(3), &json!("exhausted"), &json!("hubspot_row_unavailable"))
    );
    assert_eq!(failed["reject"]["class"], "transient");
    failed["reject"]["match"].take();
    tells_no_value(&failed.to_string());

    project.outflow(&["rejects", "retry", "customers", "2"]).exits(0);
    let asked = explained("2");
    shows(asked["reject"]["next_retry"].as_str().unwrap(), r"^\d{4}-.*Z$");
}
