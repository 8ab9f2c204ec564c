//! Asynchronous jobs: what is told of them and when.

use serde_json::{Value, json};

use super::{ASYNC, Bench, JOB};
use crate::marketing_cloud::{Column, ColumnType, Fault, FaultKind};

async fn status(bench: &Bench, job: &str) -> Value {
    let got = bench.get(&format!("/data/v1/async/{job}/status")).await;
    assert_eq!(got.status, 200);
    got.body
}

async fn word(bench: &Bench, job: &str) -> String {
    let body = status(bench, job).await;
    body["status"]["requestStatus"]
        .as_str()
        .unwrap_or("not found")
        .to_owned()
}

#[tokio::test]
async fn a_job_is_not_found_then_waits_runs_and_is_complete() {
    let bench = Bench::new().await;
    let job = bench.submit("PUT", json!([{ "Email": "a@b.co" }])).await;
    let unseen = status(&bench, &job).await;
    assert!(unseen.get("status").is_none());
    assert_eq!(
        unseen["resultMessages"][0]["resultCode"],
        "AsyncRequestStatusNotFound"
    );
    let mut words = Vec::new();
    for part in [JOB, JOB / 2, JOB / 2] {
        // There are no results before the end.
        let early = bench.get(&format!("/data/v1/async/{job}/results")).await;
        assert!(early.body.get("items").is_none());
        bench.twin.advance_clock(part);
        words.push(word(&bench, &job).await);
    }
    assert_eq!(words, ["Pending", "Executing", "Complete"]);
    let done = status(&bench, &job).await;
    assert_eq!(
        (&done["status"]["resultStatus"], &done["status"]["hasErrors"]),
        (&json!("OK"), &json!(false))
    );
    assert_eq!(done["status"]["requestId"], json!(job));
    assert_ne!(done["requestId"], json!(job));
    assert_eq!(bench.twin.jobs(), 1);
}

#[tokio::test]
async fn every_row_has_its_result_in_order_fifty_a_page() {
    let bench = Bench::new().await;
    let items: Vec<Value> = (0..120)
        .map(|n| {
            if n % 50 == 7 {
                json!({ "Email": "nobody" })
            } else {
                json!({ "Email": format!("p{n}@b.co") })
            }
        })
        .collect();
    let job = bench.submit("PUT", json!(items)).await;
    let mut results = Vec::new();
    for page in 1..=4 {
        results.push(bench.results(&job, page).await);
    }
    let sizes: Vec<usize> = results.iter().map(Vec::len).collect();
    assert_eq!(sizes, [50, 50, 20, 0]);
    let flat = results.concat();
    let failed: Vec<usize> = (0..120).filter(|at| flat[*at].0 == "Error").collect();
    assert_eq!(failed, [7, 57, 107]);
    assert!(flat[7].1.contains("not a valid email address"));
    let done = status(&bench, &job).await;
    assert_eq!(done["status"]["resultStatus"], "Has Errors");
    assert_eq!(bench.twin.count("people"), 117);
}

#[tokio::test]
async fn rows_fail_one_by_one_and_the_last_of_the_same_key_wins() {
    let bench = Bench::new().await;
    let rows = json!([
        { "Email": "a@b.co", "Score": 1 },
        { "Email": "b@b.co", "Nope": 1 },
        { "Score": 1 },
        { "Email": "A@b.co", "Score": 2 },
    ]);
    let job = bench.submit("PUT", rows).await;
    let results = bench.results(&job, 1).await;
    let words: Vec<&str> = results.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, ["OK", "Error", "Error", "OK"]);
    assert!(results[1].1.contains("Nope"));
    assert!(
        results[2]
            .1
            .starts_with("Cannot insert the value NULL into column 'Email'")
    );
    assert_eq!(bench.value("a@b.co", "Score").as_deref(), Some("2"));
    assert_eq!(bench.twin.count("people"), 1);
}

#[tokio::test]
async fn an_insert_of_a_known_key_fails_and_changes_nothing() {
    let bench = Bench::new().await;
    let rows = json!([{ "Email": "a@b.co", "Score": 1 }, { "Email": "A@b.co", "Score": 2 }]);
    let job = bench.submit("POST", rows).await;
    let results = bench.results(&job, 1).await;
    assert_eq!(results[0].0, "OK");
    let words = "Violation of PRIMARY KEY constraint 'PK_people'. Cannot insert duplicate key in object";
    assert!(results[1].1.starts_with(words));
    assert_eq!(bench.value("a@b.co", "Score").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_data_extension_without_a_key_takes_inserts_alone() {
    let bench = Bench::new().await;
    bench
        .twin
        .define("log", vec![Column::new("Line", ColumnType::Text)]);
    let path = "/data/v1/async/dataextensions/key:log/rows";
    let items = json!({ "items": [{ "Line": "a" }, { "Line": "a" }] });
    for (method, words, rows) in [("PUT", "Error", 0), ("POST", "OK", 2)] {
        let got = bench.write(method, path, &items).await;
        let job = got.body["requestId"].as_str().unwrap().to_owned();
        let results = bench.results(&job, 1).await;
        assert!(results.iter().all(|(word, _)| word == words), "{method}");
        assert_eq!(bench.twin.count("log"), rows);
    }
}

#[tokio::test]
async fn submissions_that_are_no_job() {
    let bench = Bench::new().await;
    let unknown = "/data/v1/async/dataextensions/key:nope/rows";
    let got = bench
        .write("PUT", unknown, &json!({ "items": [{ "A": 1 }] }))
        .await;
    assert_eq!(
        (got.status, &got.body["resultMessages"][0]["resultCode"]),
        (400, &json!("CustomObjectNotFound"))
    );
    for body in [
        json!([]),
        json!({}),
        json!({ "items": [1] }),
        json!({ "items": {} }),
    ] {
        assert_eq!(bench.write("PUT", ASYNC, &body).await.error().1, 10_004);
    }
    let many = json!({ "items": vec![json!({}); 32_001] });
    assert_eq!(bench.write("PUT", ASYNC, &many).await.status, 400);
    let large = json!({ "items": [{ "First": "x".repeat(5_900_000) }] });
    assert_eq!(bench.write("PUT", ASYNC, &large).await.status, 413);
    assert_eq!(bench.twin.jobs(), 0);
    assert_eq!(
        word(&bench, "00000000-0000-0000-0000-000000000000").await,
        "not found"
    );
}

#[tokio::test]
async fn jobs_that_go_wrong() {
    let bench = Bench::new().await;
    let submit = async |kind: FaultKind, email: &str| {
        bench.twin.inject(Fault::on("/rows", kind));
        bench.submit("PUT", json!([{ "Email": email }])).await
    };
    let lost = submit(FaultKind::JobLost, "a@b.co").await;
    let stuck = submit(FaultKind::JobStuck, "b@b.co").await;
    assert_eq!(bench.twin.count("people"), 0);
    let error = submit(FaultKind::ErrorFirst, "c@b.co").await;
    let deadlock = submit(FaultKind::Deadlock, "d@b.co").await;
    assert_eq!(bench.twin.count("people"), 2);
    bench.twin.advance_clock(JOB + JOB / 2);
    assert_eq!(word(&bench, &error).await, "Error");
    let results = bench.results(&deadlock, 1).await;
    assert!(results[0].1.contains("Rerun the transaction"));
    let mut words = Vec::new();
    for job in [&lost, &stuck, &error] {
        words.push(word(&bench, job).await);
    }
    assert_eq!(words, ["not found", "Executing", "Complete"]);
    bench.twin.inject(Fault::on("/results", FaultKind::NoItems));
    let path = format!("/data/v1/async/{deadlock}/results");
    let got = bench.get(&path).await;
    assert_eq!((&got.body["count"], &got.body["items"]), (&json!(1), &json!([])));
    assert_eq!(bench.get(&path).await.body["items"].as_array().unwrap().len(), 1);
}
