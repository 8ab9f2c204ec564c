//! What outlives a stop.

use serde_json::json;

use super::{AUDIENCE, Bench, Options, list};
use crate::mailchimp::{MergeField, MergeType, Status, Twin};

fn options(folder: &tempfile::TempDir) -> Options {
    Options {
        data: Some(folder.path().join("twin")),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_data_folder_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (before, other, interest) = {
        let bench = Bench::with(options(&folder)).await;
        let twin = &bench.twin;
        twin.define_merge_field(
            AUDIENCE,
            MergeField::new("STAGE", "Stage", MergeType::Dropdown).choices(&["lead", "customer"]),
        )
        .unwrap();
        let interest = twin.define_interest(AUDIENCE, "Topics", "Travel").unwrap();
        let address = json!({ "addr1": "1 Main St", "city": "Bonn", "state": "NW", "zip": "53111" });
        let values = json!({ "FNAME": "Ada", "STAGE": "lead", "ADDRESS": address });
        let body = json!({
            "email_address": "ada@domain.tld", "status": "subscribed", "merge_fields": values,
            "interests": { (interest.clone()): true }, "tags": ["Gold"], "vip": true,
        });
        assert_eq!(bench.post(&list("/members"), body).await.status, 200);
        for email in ["bob@domain.tld", "cy@domain.tld", "dan@domain.tld"] {
            bench.add(email, json!({})).await;
        }
        twin.unsubscribe(AUDIENCE, "bob@domain.tld").unwrap();
        twin.forget(AUDIENCE, "cy@domain.tld").unwrap();
        (twin.members(AUDIENCE), twin.define_audience("Other"), interest)
    };
    let bench = Bench::with(options(&folder)).await;
    assert_eq!(bench.twin.members(AUDIENCE), before);
    let ada = bench.twin.member(AUDIENCE, "ada@domain.tld").unwrap();
    assert!(ada.interests.contains(&interest) && ada.tags.contains("Gold"));
    // It goes on where it stopped: consent, deletions for good and definitions hold.
    let again = |email: &str| json!({ "email_address": email, "status": "subscribed" });
    assert_eq!(
        bench
            .put(&super::path("bob@domain.tld"), again("bob@domain.tld"))
            .await
            .status,
        400
    );
    assert_eq!(
        bench.post(&list("/members"), again("cy@domain.tld")).await.status,
        400
    );
    let unknown = json!({ "email_address": "eve@domain.tld", "status": "subscribed", "merge_fields": { "STAGE": "vip" } });
    assert_eq!(bench.post(&list("/members"), unknown).await.status, 400);
    bench.add("dora@domain.tld", json!({ "STAGE": "customer" })).await;
    assert_eq!(bench.twin.count(AUDIENCE, Status::Subscribed), 3);
    let new = bench.twin.define_audience("New");
    assert!(new != other && new != AUDIENCE, "ids are never given twice");
}

#[tokio::test]
async fn damaged_saved_data_is_told_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let file = folder.path().join("twin/mailchimp.json");
    std::fs::create_dir(folder.path().join("twin")).unwrap();
    for damaged in ["{\"format\":1,", "{\"format\":9,\"starts\":0,\"audiences\":[]}"] {
        std::fs::write(&file, damaged).unwrap();
        let error = Twin::start(options.clone()).await.err().unwrap().to_string();
        assert!(
            error.contains("mailchimp.json") && error.contains("delete the file"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), damaged);
    }
}
