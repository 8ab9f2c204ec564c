//! Search: filters, caps and the lag of the index.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, CONTACTS};
use crate::hubspot::{Options, Property};

const SEARCH: &str = "/crm/objects/2026-03/contacts/search";
const LAG: Duration = Duration::from_secs(3);

fn filter(property: &str, operator: &str, value: Value) -> Value {
    let key = if value.is_array() { "values" } else { "value" };
    json!({ "filterGroups": [{ "filters": [{ "propertyName": property, "operator": operator, key: value }] }] })
}

async fn found(bench: &Bench, body: Value) -> Vec<String> {
    let got = bench.post(SEARCH, body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let results = got.body["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["properties"]["email"].as_str().unwrap_or("").to_owned())
        .collect()
}

#[tokio::test]
async fn the_index_lags_behind_writes() {
    let bench = Bench::new().await;
    bench.put(&[("email", "ann@example.com"), ("city", "Bonn")]);
    let by_address = || filter("email", "EQ", json!("ann@example.com"));
    let by_city = |city: &str| filter("city", "EQ", json!(city));
    assert!(found(&bench, by_address()).await.is_empty());
    bench.twin.advance_clock(LAG);
    assert_eq!(found(&bench, by_address()).await, ["ann@example.com"]);
    let id = bench.twin.contacts()[0].id.clone();
    bench
        .twin
        .set_record("contacts", &id, &[("city", "Kiel")])
        .unwrap();
    assert_eq!(found(&bench, by_city("Bonn")).await.len(), 1);
    assert_eq!(found(&bench, by_city("Kiel")).await.len(), 0);
    bench.twin.advance_clock(LAG);
    assert_eq!(found(&bench, by_city("Bonn")).await.len(), 0);
    assert_eq!(found(&bench, by_city("Kiel")).await.len(), 1);
    bench.twin.archive_record("contacts", &id).unwrap();
    assert_eq!(found(&bench, by_address()).await.len(), 1);
    bench.twin.advance_clock(LAG);
    assert_eq!(found(&bench, by_address()).await.len(), 0);
}

#[tokio::test]
async fn every_operator_does_what_it_says() {
    let bench = Bench::with(Options {
        index_lag: Duration::ZERO,
        ..Options::default()
    })
    .await;
    bench
        .twin
        .define_property("contacts", Property::number("ltv"))
        .unwrap();
    bench.put(&[
        ("email", "ann@example.com"),
        ("city", "Bonn"),
        ("ltv", "10"),
        ("lifecyclestage", "customer"),
    ]);
    bench.put(&[
        ("email", "bob@example.com"),
        ("city", "Bad Kissingen"),
        ("ltv", "9.5"),
    ]);
    bench.put(&[("email", "cy@example.com")]);
    bench.twin.advance_clock(Duration::from_millis(1));
    for (body, names) in [
        (filter("city", "EQ", json!("BONN")), "ann"),
        (filter("city", "NEQ", json!("bonn")), "bob"),
        (filter("ltv", "LT", json!("10")), "bob"),
        (filter("ltv", "LTE", json!("10.0")), "ann bob"),
        (filter("ltv", "GT", json!("9.5")), "ann"),
        (filter("ltv", "GTE", json!("9.5")), "ann bob"),
        (
            filter("email", "IN", json!(["ann@example.com", "cy@example.com"])),
            "ann cy",
        ),
        (filter("email", "IN", json!(["ANN@example.com"])), ""),
        (filter("email", "NOT_IN", json!(["ann@example.com"])), "bob cy"),
        (filter("lifecyclestage", "EQ", json!("Customer")), ""),
        (filter("lifecyclestage", "EQ", json!("customer")), "ann"),
        (filter("city", "CONTAINS_TOKEN", json!("kiss*")), "bob"),
        (filter("city", "NOT_CONTAINS_TOKEN", json!("bad")), "ann cy"),
        (json!({ "query": "bonn" }), ""),
        (json!({ "query": "CY@" }), "cy"),
    ] {
        let shown = body.to_string();
        let expected: Vec<String> = names
            .split_whitespace()
            .map(|name| format!("{name}@example.com"))
            .collect();
        assert_eq!(found(&bench, body).await, expected, "{shown}");
    }
    let group = |filters: Value| json!({ "filterGroups": [{ "filters": filters }] });
    let has = group(json!([{ "propertyName": "city", "operator": "HAS_PROPERTY" }]));
    assert_eq!(found(&bench, has).await.len(), 2);
    let lacks = group(json!([{ "propertyName": "city", "operator": "NOT_HAS_PROPERTY" }]));
    assert_eq!(found(&bench, lacks).await, ["cy@example.com"]);
    let between =
        group(json!([{ "propertyName": "ltv", "operator": "BETWEEN", "value": "9", "highValue": "9.9" }]));
    assert_eq!(found(&bench, between).await, ["bob@example.com"]);
    let either = json!({ "filterGroups": [
        { "filters": [{ "propertyName": "city", "operator": "EQ", "value": "bonn" }] },
        { "filters": [{ "propertyName": "email", "operator": "EQ", "value": "cy@example.com" }] },
    ], "sorts": [{ "propertyName": "email", "direction": "DESCENDING" }] });
    assert_eq!(found(&bench, either).await, ["cy@example.com", "ann@example.com"]);
}

#[tokio::test]
async fn modification_times_are_filtered_in_milliseconds() {
    let bench = Bench::with(Options {
        index_lag: Duration::ZERO,
        ..Options::default()
    })
    .await;
    bench.put(&[("email", "ann@example.com")]);
    let changed = bench.twin.contacts()[0].updated_at;
    bench.twin.advance_clock(Duration::from_secs(60));
    bench.put(&[("email", "bob@example.com")]);
    bench.twin.advance_clock(Duration::from_secs(60));
    let after = filter("lastmodifieddate", "GT", json!((changed + 1000).to_string()));
    assert_eq!(found(&bench, after).await, ["bob@example.com"]);
}

#[tokio::test]
async fn pages_and_caps() {
    let bench = Bench::with(Options {
        index_lag: Duration::ZERO,
        ..Options::default()
    })
    .await;
    for n in 0..15 {
        bench.put(&[("email", &format!("p{n}@example.com"))]);
    }
    bench.twin.advance_clock(Duration::from_millis(1));
    let got = bench.post(SEARCH, json!({})).await;
    assert_eq!(
        (
            got.body["total"].as_u64(),
            got.body["results"].as_array().unwrap().len()
        ),
        (Some(15), 10)
    );
    let after = got.body["paging"]["next"]["after"].clone();
    assert_eq!(after, "10");
    let got = bench.post(SEARCH, json!({ "after": after })).await;
    assert_eq!(got.body["results"].as_array().unwrap().len(), 5);
    assert!(got.body.get("paging").is_none());
    let one = json!({ "propertyName": "email", "operator": "HAS_PROPERTY" });
    let groups = |groups: usize, filters: usize| -> Value {
        let group = json!({ "filters": vec![one.clone(); filters] });
        json!({ "filterGroups": vec![group; groups] })
    };
    assert_eq!(bench.post(SEARCH, groups(3, 6)).await.status, 200);
    for (why, body) in [
        ("limit", json!({ "limit": 201 })),
        ("limit 0", json!({ "limit": 0 })),
        ("beyond 10,000", json!({ "limit": 200, "after": "9801" })),
        ("groups", groups(6, 1)),
        ("filters in a group", groups(1, 7)),
        ("filters in all", groups(4, 5)),
        (
            "two sorts",
            json!({ "sorts": [{ "propertyName": "email" }, { "propertyName": "city" }] }),
        ),
        ("unknown property", filter("nope", "EQ", json!("x"))),
        ("unknown operator", filter("email", "LIKE", json!("x"))),
        (
            "no value",
            json!({ "filterGroups": [{ "filters": [{ "propertyName": "email", "operator": "EQ" }] }] }),
        ),
        ("long body", json!({ "query": "x".repeat(3000) })),
    ] {
        assert_eq!(bench.post(SEARCH, body).await.status, 400, "{why}");
    }
    assert_eq!(
        bench
            .post(SEARCH, json!({ "limit": 200, "after": "9800" }))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn search_answers_with_records_like_reads() {
    let bench = Bench::with(Options {
        index_lag: Duration::ZERO,
        ..Options::default()
    })
    .await;
    let id = bench.put(&[("email", "ann@example.com")]);
    bench.twin.advance_clock(Duration::from_millis(1));
    let found = bench.post(SEARCH, json!({ "properties": ["city"] })).await;
    let mut read = bench.get(&format!("{CONTACTS}/{id}?properties=city")).await.body;
    read.as_object_mut().unwrap().remove("url");
    assert_eq!(found.body["results"][0], read);
}
