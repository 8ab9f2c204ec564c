//! The rules of a source, in both dialects.

use outflow_sdk::conformance::source::{Fixture, SqlFixture, run};
use outflow_sdk::source::{Model, Source};
use outflow_sdk::value::{Decimal, Value};
use std::sync::Arc;

use crate::shared::{cluster, postgres, redshift, settings};

pub fn fixture(source: Arc<dyn Source>) -> Fixture {
    let number = |text: &str| Value::Number(Decimal::parse(text).unwrap());
    let rows = vec![
        vec![
            number("0"),
            Value::text("Žofia O'Neil"),
            Value::text(""),
            number("12.5"),
            Value::Date(-1),
            Value::Timestamp(1_767_225_600_123_456),
            Value::Bool(false),
            Value::json(r#"{"b": 1, "a": [true]}"#).unwrap(),
        ],
        vec![
            number("7"),
            Value::text("007"),
            Value::Null,
            number("-0.01"),
            Value::Date(20_759),
            Value::Timestamp(0),
            Value::Bool(true),
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
            Value::Null,
        ],
    ];
    Fixture {
        source,
        model: Model::Table("shop.people".into()),
        columns: ["id", "name", "note", "ltv", "born", "seen", "vip", "tags"]
            .map(String::from)
            .to_vec(),
        rows,
        empty: Model::Table("Shop.Nobody".into()),
        sql: Some(SqlFixture {
            good: "SELECT * -- all of them\nFROM shop.people".into(),
            writing: "DELETE FROM shop.people".into(),
            malformed: "SELECT id FORM shop.people".into(),
        }),
    }
}

#[tokio::test]
async fn postgres_keeps_every_rule() {
    let violations = run(&fixture(postgres(settings(cluster())))).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test]
async fn redshift_keeps_every_rule() {
    let violations = run(&fixture(redshift(settings(cluster())))).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
