//! The synchronous route, and reads.

use serde_json::json;

use super::{Bench, READ, ROWSET};
use crate::marketing_cloud::{Column, ColumnType};

#[tokio::test]
async fn a_row_is_made_and_then_changed_under_its_key_in_any_case() {
    let bench = Bench::new().await;
    let rows = json!([{ "keys": { "Email": "a@b.co" }, "values": { "First": "Ada", "Score": 1 } }]);
    let got = bench.write("POST", ROWSET, &rows).await;
    assert_eq!((got.status, &got.body), (200, &rows));
    assert_eq!(bench.put("A@B.co", json!({ "score": 2 })).await.status, 200);
    assert_eq!(bench.twin.count("people"), 1);
    assert_eq!(bench.value("a@b.co", "First").as_deref(), Some("Ada"));
    assert_eq!(bench.value("a@b.co", "Score").as_deref(), Some("2"));
}

#[tokio::test]
async fn rows_before_the_first_bad_one_are_stored_and_no_other() {
    let bench = Bench::new().await;
    let row = |email: &str, first: &str| json!({ "keys": { "Email": email }, "values": { "First": first } });
    let rows = json!([
        row("a@b.co", "A"),
        row("b@b.co", "too long"),
        row("c@b.co", "C"),
        row("nobody", "D")
    ]);
    let got = bench.write("POST", ROWSET, &rows).await;
    let (status, code, message) = got.error();
    assert_eq!((status, code), (400, 10_006));
    assert!(message.starts_with("Unable to save rows for data extension ID "));
    // Every fault is told, without the row it is in.
    assert_eq!(got.details().unwrap().len(), 2);
    assert_eq!(bench.twin.count("people"), 1);
    assert!(bench.value("a@b.co", "First").is_some());
}

#[tokio::test]
async fn requests_of_the_wrong_shape() {
    let bench = Bench::new().await;
    let post = async |body| bench.write("POST", ROWSET, &body).await;
    assert_eq!(post(json!({ "items": [] })).await.error().1, 10_004);
    assert_eq!(post(json!([{ "Email": "a@b.co" }])).await.error().1, 10_004);
    let no_key = post(json!([{ "keys": { "Score": 1 }, "values": { "First": "A" } }])).await;
    assert_eq!(
        no_key.error(),
        (400, 10_000, "Primary key 'Score' does not exist.")
    );
    for values in [json!({}), json!({ "Nope": 1 })] {
        let got = bench.put("a@b.co", values).await;
        assert_eq!(
            got.details().unwrap(),
            ["At least one existing field is required in the values property"]
        );
    }
    for path in [
        "/hub/v1/dataevents/people/rowset",
        "/hub/v1/dataevents/key:nope/rowset",
    ] {
        assert_eq!(
            bench.write("POST", path, &json!([])).await.error().1,
            10_001,
            "{path}"
        );
    }
    let large = json!([{ "keys": { "Email": "a@b.co" }, "values": { "First": "x".repeat(5_000_000) } }]);
    assert_eq!(post(large).await.status, 413);
    assert_eq!(bench.twin.count("people"), 0);
}

#[tokio::test]
async fn a_row_needs_every_column_of_its_key_and_those_that_are_required() {
    let bench = Bench::new().await;
    let columns = vec![
        Column::new("Shop", ColumnType::Number).primary(),
        Column::new("Id", ColumnType::Text).primary(),
        Column::new("Name", ColumnType::Text).required(),
        Column::new("Note", ColumnType::Text),
    ];
    bench.twin.define("orders", columns);
    let path = "/hub/v1/dataevents/key:orders/rowset";
    let post = async |keys, values| {
        let rows = json!([{ "keys": keys, "values": values }]);
        bench.write("POST", path, &rows).await
    };
    let lacking = post(json!({ "Shop": 1 }), json!({ "Name": "N" })).await;
    assert!(lacking.details().unwrap()[0].contains("'Id'"));
    let lacking = post(json!({ "Shop": 1, "Id": "a" }), json!({ "Note": "n" })).await;
    assert!(lacking.details().unwrap()[0].contains("'Name'"));
    assert_eq!(
        post(json!({ "Shop": 1, "Id": "a" }), json!({ "Name": "N" }))
            .await
            .status,
        200
    );
    // A row that is there keeps what it is not sent.
    assert_eq!(
        post(json!({ "Shop": 1, "Id": "A " }), json!({ "Note": "n" }))
            .await
            .status,
        200
    );
    assert_eq!(bench.twin.count("orders"), 1);
    let key = [("Shop", "1"), ("Id", "a")];
    assert_eq!(bench.twin.value("orders", &key, "Name").as_deref(), Some("N"));
}

#[tokio::test]
async fn reads_have_lower_case_names_texts_and_no_items_when_there_are_none() {
    let bench = Bench::new().await;
    let empty = bench.get(READ).await;
    assert_eq!((&empty.body["count"], empty.body.get("items")), (&json!(0), None));
    for number in 0..3 {
        bench
            .put(&format!("p{number}@b.co"), json!({ "Score": number }))
            .await;
    }
    let page = bench.get(&format!("{READ}?$page=2&$pageSize=2")).await;
    assert_eq!((&page.body["count"], &page.body["page"]), (&json!(3), &json!(2)));
    let items = page.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["keys"], json!({ "email": "p2@b.co" }));
    assert_eq!(
        (&items[0]["values"]["score"], &items[0]["values"]["born"]),
        (&json!("2"), &json!(""))
    );
}

#[tokio::test]
async fn events_are_fired_for_an_entry_source_that_exists() {
    let bench = Bench::new().await;
    bench.twin.define_entry_source("APIEvent-1");
    let fire = async |key: &str, data| {
        let body = json!({ "ContactKey": "c1", "EventDefinitionKey": key, "Data": data });
        bench.write("POST", "/interaction/v1/events", &body).await
    };
    let got = fire("APIEvent-1", json!({ "Plan": "pro" })).await;
    assert_eq!(got.status, 201);
    assert!(got.body["eventInstanceId"].is_string());
    assert_eq!(fire("APIEvent-2", json!({})).await.status, 400);
    assert_eq!(
        fire("APIEvent-1", json!({ "eventInstanceId": "x" })).await.status,
        400
    );
    let events = bench.twin.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].contact_key.as_str(), &events[0].data["Plan"]),
        ("c1", &json!("pro"))
    );
}
