//! Accounts with data, and ways to read them.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::array_value_to_string;
use arrow_schema::DataType;
use futures::StreamExt;
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::{Model, ReadEvent, ReadReceipt, ReadRequest, Source};
use outflow_snowflake::DESCRIPTOR;
use serde_json::{Value as Json, json};

use crate::account::table::{Row, Table};
use crate::account::{ACCESS_TOKEN, Account, Options, Running, USER};

/// Rows of the table MANY.
pub const MANY: usize = 10_000;

/// An account with two small tables and a larger one.
pub async fn account(options: Options) -> Running {
    let running = Account::start(options).await;
    running.account.table("PEOPLE", people());
    let nobody = Table {
        rows: Vec::new(),
        ..people()
    };
    running.account.table("NOBODY", nobody);
    running.account.table("MANY", many(MANY));
    running
}

/// Three people, of every common type.
pub fn people() -> Table {
    let row =
        |cells: [Option<&str>; 8]| -> Row { cells.iter().map(|cell| cell.map(str::to_owned)).collect() };
    Table::new(
        &[
            ("ID", "fixed", 38, 0),
            ("NAME", "text", 0, 0),
            ("NOTE", "text", 0, 0),
            ("LTV", "fixed", 12, 2),
            ("BORN", "date", 0, 0),
            ("SEEN", "timestamp_tz", 0, 9),
            ("VIP", "boolean", 0, 0),
            ("TAGS", "variant", 0, 0),
        ],
        vec![
            row([
                Some("0"),
                Some("Žofia O'Neil"),
                Some(""),
                Some("12.50"),
                Some("-1"),
                Some("1767225600.123456000 1500"),
                Some("0"),
                Some("{\n  \"b\": 1,\n  \"a\": [\n    true\n  ]\n}"),
            ]),
            row([
                Some("7"),
                Some("007"),
                None,
                Some("-0.01"),
                Some("20759"),
                Some("0.000000000 1440"),
                Some("1"),
                Some("[]"),
            ]),
            row([
                Some("9007199254740993"),
                Some("😀 \"quoted\", and a\nline"),
                Some("NULL"),
                None,
                None,
                None,
                None,
                None,
            ]),
        ],
    )
}

/// Rows with a number each, in order.
pub fn many(rows: usize) -> Table {
    let rows = (0..rows).map(|n| {
        vec![
            Some(n.to_string()),
            Some(format!("name {n}")),
            Some(format!("{}.{:02}", n * 5 / 4, n * 125 % 100)),
        ]
    });
    let columns = [
        ("ID", "fixed", 38, 0),
        ("NAME", "text", 0, 0),
        ("AMOUNT", "fixed", 12, 2),
    ];
    Table::new(&columns, rows.collect())
}

/// Settings of a source at that account.
pub fn settings(running: &Running) -> Json {
    json!({
        "account": "myorg-test", "user": USER, "token": ACCESS_TOKEN, "base_url": running.base_url,
    })
}

/// Settings with some of them changed; `null` removes one.
pub fn with(mut settings: Json, changes: Json) -> Json {
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            settings.as_object_mut().unwrap().remove(key);
        } else {
            settings[key] = value.clone();
        }
    }
    settings
}

pub fn open(settings: Json) -> Arc<dyn Source> {
    let context = OpenContext {
        root: std::env::temp_dir(),
        connection: "warehouse".into(),
    };
    (DESCRIPTOR.open)(settings, &context).unwrap()
}

pub fn source(running: &Running) -> Arc<dyn Source> {
    open(settings(running))
}

pub fn sql(text: &str) -> Model {
    Model::Sql(text.to_owned())
}

pub fn table(name: &str) -> Model {
    Model::Table(name.to_owned())
}

pub fn request(model: Model, columns: &[&str]) -> ReadRequest {
    ReadRequest {
        model,
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        sync: "customers".into(),
        run_id: "run-1".into(),
    }
}

/// A read to its end, or what ended it with the rows before.
pub async fn read_counted(
    source: &Arc<dyn Source>,
    model: Model,
) -> Result<(Vec<RecordBatch>, ReadReceipt), (usize, ConnectorError)> {
    let mut reading = source
        .read(request(model, &[]))
        .await
        .map_err(|error| (0, error))?;
    let mut batches = Vec::new();
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum();
    while let Some(event) = reading.events.next().await {
        match event {
            Ok(ReadEvent::Batch(batch)) => batches.push(batch),
            Ok(ReadEvent::End(receipt)) => return Ok((batches, receipt)),
            Err(error) => return Err((rows(&batches), error)),
        }
    }
    panic!(
        "the stream ended without a receipt or an error after {} rows",
        rows(&batches)
    );
}

/// The rows of MANY are all there, once, in order.
pub fn assert_many(batches: &[RecordBatch], receipt: &ReadReceipt) {
    assert_eq!((receipt.rows, receipt.complete), (MANY as u64, true));
    let mut expected = 0;
    for batch in batches {
        assert!(batch.num_rows() <= 8_192);
        for row in 0..batch.num_rows() {
            let id = array_value_to_string(batch.column(0), row).unwrap();
            assert_eq!(id, expected.to_string());
            expected += 1;
        }
    }
    assert_eq!(expected, MANY);
}

/// Every cell as text, column by column within rows.
pub fn shown(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cell = |array: &Arc<dyn Array>| match array.is_null(row) {
                true => "NULL".to_owned(),
                false => array_value_to_string(&readable(array), row).unwrap(),
            };
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    rows
}

/// Arrow shows instants in a zone it has by its offset only.
fn readable(array: &Arc<dyn Array>) -> Arc<dyn Array> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            cast(array, &DataType::Timestamp(*unit, Some("+00:00".into()))).unwrap()
        }
        _ => Arc::clone(array),
    }
}

/// The error of a read.
pub async fn refused(source: &Arc<dyn Source>, model: Model) -> ConnectorError {
    let (_, error) = read_counted(source, model)
        .await
        .expect_err("the read is refused");
    assert!(!format!("{error:?}").contains("secret-"), "{error:?}");
    error
}
