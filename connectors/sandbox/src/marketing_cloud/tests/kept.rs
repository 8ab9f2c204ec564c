//! What outlives a stop.

use serde_json::json;

use super::{Bench, JOB, Options};
use crate::marketing_cloud::Twin;

#[tokio::test]
async fn a_data_folder_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        data: Some(folder.path().join("twin")),
        unseen: JOB,
        running: JOB,
        ..Options::default()
    };
    let (job, token) = {
        let bench = Bench::with(options()).await;
        let values = json!({ "First": "Ann", "Born": "2024-02-29", "Vip": true, "Spent": 12.5 });
        bench.put("a@b.co", values).await;
        bench.put("b@b.co", json!({ "First": "Bob" })).await;
        let job = bench.submit("PUT", json!([{ "Email": "nobody" }])).await;
        bench.twin.define_entry_source("APIEvent-1");
        (job, bench.token.clone())
    };
    let twin = Twin::start(options()).await.unwrap();
    assert_eq!((twin.count("people"), twin.jobs()), (2, 1));
    let value = |column| twin.value("people", &[("Email", "A@B.co")], column).unwrap();
    assert_eq!(
        ["First", "Born", "Vip", "Spent", "Phone"].map(value),
        ["Ann", "2/29/2024 12:00:00 AM", "True", "12.5", ""]
    );
    // Its tokens are those of another process now, and its jobs go on.
    let mut bench = Bench::over(twin);
    bench.token = token;
    let path = format!("/data/v1/async/{job}/results");
    assert_eq!(bench.get(&path).await.status, 401);
    bench.token = bench.token_of(7_281_234).await;
    assert_eq!(bench.results(&job, 1).await[0].0, "Error");
    let next = bench.submit("PUT", json!([{ "Email": "c@b.co" }])).await;
    assert_ne!(next, job, "ids are never given twice");
    let event = json!({ "ContactKey": "1", "EventDefinitionKey": "APIEvent-1", "Data": {} });
    assert_eq!(
        bench.write("POST", "/interaction/v1/events", &event).await.status,
        201
    );
}

#[tokio::test]
async fn damaged_saved_data_is_told_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("marketing_cloud.json");
    for damaged in [
        "{\"format\":1",
        "{\"format\":9,\"state\":{\"extensions\":[],\"jobs\":{},\"events\":[],\"entry_sources\":[],\"starts\":0}}",
    ] {
        std::fs::write(&file, damaged).unwrap();
        let options = Options {
            data: Some(folder.path().into()),
            ..Options::default()
        };
        let error = Twin::start(options).await.err().unwrap().to_string();
        assert!(
            error.contains("marketing_cloud.json") && error.contains("delete the file"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), damaged);
    }
}
