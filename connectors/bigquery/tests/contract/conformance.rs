//! The suite every source passes, over the emulator, by both routes.

use std::sync::Arc;

use outflow_sdk::conformance::source::{Fixture, SqlFixture, run};
use outflow_sdk::source::{Model, Source};
use outflow_sdk::value::{Decimal, Value, days_since_epoch};
use serde_json::json;

use crate::emulated::{rest_only, server, with_storage};

fn fixture(source: Arc<dyn Source>) -> Fixture {
    let number = |text: &str| Value::Number(Decimal::parse(text).unwrap());
    let date = |text: &str| Value::Date(days_since_epoch(text.parse().unwrap()));
    let instant = |text: &str| Value::Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let list = |items: &[&str]| Value::List(items.iter().map(|item| (*item).to_owned()).collect());
    let rows = vec![
        vec![
            number("0"),
            Value::text("Žofia O'Neil"),
            Value::text(""),
            number("12.5"),
            date("1969-12-31"),
            instant("2026-01-01T00:00:00.123456Z"),
            Value::Bool(false),
            list(&["a", "b"]),
            Value::json(r#"{"b":1,"a":[true]}"#).unwrap(),
        ],
        vec![
            number("7"),
            Value::text("007"),
            Value::Null,
            number("-0.01"),
            date("2026-11-02"),
            instant("1970-01-01T00:00:00Z"),
            Value::Bool(true),
            list(&[]),
            Value::json("[]").unwrap(),
        ],
        vec![
            number("9007199254740993"),
            Value::text("😀 \"quoted\", and a\nline"),
            Value::text("NULL"),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            list(&[]),
            Value::Null,
        ],
    ];
    Fixture {
        source,
        model: Model::Table("shop.people".into()),
        columns: [
            "id", "name", "note", "ltv", "born", "seen", "vip", "tags", "extra",
        ]
        .map(String::from)
        .to_vec(),
        rows,
        empty: Model::Table("shop.nobody".into()),
        sql: Some(SqlFixture {
            good: "SELECT * FROM shop.people -- all of them\n".into(),
            writing: "DELETE FROM shop.people WHERE true".into(),
            malformed: "SELECT id FORM shop.people".into(),
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_keeps_every_rule() {
    let violations = run(&fixture(rest_only(server(), json!({"dataset": "shop"})))).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_keeps_every_rule() {
    let violations = run(&fixture(with_storage(server(), json!({"dataset": "shop"})))).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
