//! The rules of a source.

use outflow_sdk::conformance::source::{Fixture, SqlFixture, run};
use outflow_sdk::source::Model;
use outflow_sdk::value::{Decimal, Value};

use crate::source;

#[tokio::test]
async fn every_rule_is_kept() {
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
    let fixture = Fixture {
        source: source(),
        model: Model::Table("shop.people".into()),
        columns: ["ID", "NAME", "NOTE", "LTV", "BORN", "SEEN", "VIP", "TAGS"]
            .map(String::from)
            .to_vec(),
        rows,
        empty: Model::Table("Shop.Nobody".into()),
        sql: Some(SqlFixture {
            good: "SELECT * FROM shop.people".into(),
            writing: "DELETE FROM shop.people".into(),
            malformed: "SELECT id FROM FROM shop.people".into(),
        }),
    };
    let violations = run(&fixture).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
