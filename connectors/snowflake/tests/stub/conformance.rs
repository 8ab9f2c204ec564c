//! The rules of a source, by both routes.

use outflow_sdk::conformance::source::{Fixture, SqlFixture, run};
use outflow_sdk::value::{Decimal, Value};

use crate::account::{Options, Running};
use crate::shared::{account, source, table};

fn fixture(running: &Running) -> Fixture {
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
        source: source(running),
        model: table("shop.people"),
        columns: ["ID", "NAME", "NOTE", "LTV", "BORN", "SEEN", "VIP", "TAGS"]
            .map(String::from)
            .to_vec(),
        rows,
        empty: table("Shop.Nobody"),
        sql: Some(SqlFixture {
            good: "SELECT * FROM shop.people".into(),
            writing: "DELETE FROM shop.people".into(),
            malformed: "SELECT id FORM shop.people".into(),
        }),
    }
}

#[tokio::test]
async fn results_in_arrow_keep_every_rule() {
    let running = account(Options::default()).await;
    let violations = run(&fixture(&running)).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test]
async fn results_in_json_keep_every_rule() {
    let running = account(Options {
        arrow: false,
        file_rows: 1,
        inline_rows: 1,
        ..Options::default()
    })
    .await;
    let violations = run(&fixture(&running)).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
