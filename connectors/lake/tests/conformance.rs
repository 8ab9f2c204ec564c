//! The rules of a source, over every format.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use outflow_lake::DESCRIPTOR;
use outflow_sdk::conformance::source::{Fixture, SqlFixture, run};
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::{Model, Source};
use outflow_sdk::value::{Decimal, Value};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use tempfile::TempDir;

const COLUMNS: [&str; 8] = ["id", "name", "note", "ltv", "born", "seen", "vip", "tags"];

fn source(root: &Path, path: &str) -> Arc<dyn Source> {
    let context = OpenContext {
        root: root.to_owned(),
        connection: "lake".into(),
    };
    (DESCRIPTOR.open)(serde_json::json!({ "path": path }), &context).unwrap()
}

fn number(text: &str) -> Value {
    Value::Number(Decimal::parse(text).unwrap())
}

/// The same three rows in every format; `typed` says whether it has types.
fn rows() -> Vec<Vec<Value>> {
    let text = |text: &str| Value::text(text);
    vec![
        vec![
            number("0"),
            text("Žofia O'Neil"),
            text(""),
            number("12.5"),
            Value::Date(-1),
            Value::Timestamp(1_767_225_600_123_456),
            Value::Bool(false),
            Value::json(r#"{"b": 1, "a": [true]}"#).unwrap(),
        ],
        vec![
            number("7"),
            text("007"),
            Value::Null,
            number("-0.01"),
            Value::Date(20_759),
            Value::Timestamp(0),
            Value::Bool(true),
            Value::json("[]").unwrap(),
        ],
        vec![
            number("9007199254740993"),
            text("😀 \"quoted\", and a\nline"),
            text("NULL"),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
        ],
    ]
}

fn fixture(root: &Path, path: &str, rows: Vec<Vec<Value>>) -> Fixture {
    Fixture {
        source: source(root, path),
        model: Model::Table("people".into()),
        columns: COLUMNS.map(String::from).to_vec(),
        rows,
        empty: Model::Table("nobody".into()),
        sql: Some(SqlFixture {
            good: "SELECT * FROM people".into(),
            writing: "DELETE FROM people".into(),
            malformed: "SELECT id FORM people".into(),
        }),
    }
}

async fn keeps_every_rule(fixture: Fixture) {
    let violations = run(&fixture).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

fn write_database(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    let columns = "(id INTEGER PRIMARY KEY, name TEXT, note VARCHAR(20), ltv DECIMAL(12,2), born DATE, \
                   seen TIMESTAMP, vip BOOLEAN, tags JSON)";
    database
        .execute_batch(&format!(
            "CREATE TABLE people {columns}; CREATE TABLE nobody {columns};
             INSERT INTO people VALUES
             (0, 'Žofia O''Neil', '', '12.50', '1969-12-31', '2026-01-01T01:00:00.123456+01:00', 0,
              '{{\"b\": 1, \"a\": [true]}}'),
             (7, '007', NULL, -0.01, '2026-11-02', '1970-01-01 00:00:00', 1, '[]'),
             (9007199254740993, '😀 \"quoted\", and a' || char(10) || 'line', 'NULL', NULL, NULL, NULL, NULL, NULL);"
        ))
        .unwrap();
}

#[tokio::test]
async fn sqlite_keeps_every_rule() {
    let root = TempDir::new().unwrap();
    write_database(&root.path().join("shop.sqlite"));
    keeps_every_rule(fixture(root.path(), "shop.sqlite", rows())).await;
}

#[tokio::test]
async fn csv_keeps_every_rule() {
    let root = TempDir::new().unwrap();
    let header = COLUMNS.join(",");
    std::fs::write(
        root.path().join("people.csv"),
        format!(
            "{header}\r\n0,Žofia O'Neil,\"\",12.50,1969-12-31,2026-01-01,false,\"{{\"\"b\"\": 1}}\"\r\n\
             7,007,,-0.01,2026-11-02,1970-01-01T00:00:00Z,NO,[]\r\n\
             9007199254740993,\"😀 \"\"quoted\"\", and a\nline\",NULL,,,,,"
        ),
    )
    .unwrap();
    std::fs::write(root.path().join("nobody.csv"), format!("{header}\n")).unwrap();
    let text = |cells: [Option<&str>; 8]| cells.map(|cell| cell.map_or(Value::Null, Value::text)).to_vec();
    let rows = vec![
        text([
            Some("0"),
            Some("Žofia O'Neil"),
            Some(""),
            Some("12.50"),
            Some("1969-12-31"),
            Some("2026-01-01"),
            Some("false"),
            Some("{\"b\": 1}"),
        ]),
        text([
            Some("7"),
            Some("007"),
            None,
            Some("-0.01"),
            Some("2026-11-02"),
            Some("1970-01-01T00:00:00Z"),
            Some("NO"),
            Some("[]"),
        ]),
        text([
            Some("9007199254740993"),
            Some("😀 \"quoted\", and a\nline"),
            Some("NULL"),
            None,
            None,
            None,
            None,
            None,
        ]),
    ];
    keeps_every_rule(fixture(root.path(), ".", rows)).await;
}

#[tokio::test]
async fn json_lines_keep_every_rule() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(
        folder.join("people.jsonl"),
        concat!(
            "{\"id\":0,\"name\":\"Žofia O'Neil\",\"note\":\"\",\"ltv\":12.50,\"born\":\"1969-12-31\",",
            "\"seen\":\"x\",\"vip\":false,\"tags\":{\"b\": 1, \"a\": [true]}}\n",
            "{\"tags\":[],\"id\":7,\"name\":\"007\",\"ltv\":-1e-2,\"born\":\"2026-11-02\",\"seen\":\"\",\"vip\":true}\n",
            "{\"id\":9007199254740993,\"name\":\"\\uD83D\\uDE00 \\\"quoted\\\", and a\\nline\",\"note\":\"NULL\"}\n",
        ),
    )
    .unwrap();
    let mut rows = rows();
    // JSON has neither dates nor instants: they are text.
    for (row, (born, seen)) in rows.iter_mut().zip([
        (Value::text("1969-12-31"), Value::text("x")),
        (Value::text("2026-11-02"), Value::text("")),
        (Value::Null, Value::Null),
    ]) {
        row[4] = born;
        row[5] = seen;
    }
    let mut fixture = fixture(root.path(), "./data", rows);
    // A JSON lines file without lines has no columns; a query that finds nothing does.
    fixture.empty = Model::Sql("SELECT * FROM people WHERE id < 0".into());
    keeps_every_rule(fixture).await;
}

fn batch(rows: usize) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(Int64Array::from(vec![0, 7, 9_007_199_254_740_993])),
        ),
        (
            "name",
            Arc::new(StringArray::from(vec![
                "Žofia O'Neil",
                "007",
                "😀 \"quoted\", and a\nline",
            ])),
        ),
        (
            "note",
            Arc::new(StringArray::from(vec![Some(""), None, Some("NULL")])),
        ),
        (
            "ltv",
            Arc::new(
                Decimal128Array::from(vec![Some(1250), Some(-1), None])
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        (
            "born",
            Arc::new(Date32Array::from(vec![Some(-1), Some(20_759), None])),
        ),
        (
            "seen",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_767_225_600_123_456), Some(0), None])
                    .with_timezone("UTC"),
            ),
        ),
        (
            "vip",
            Arc::new(BooleanArray::from(vec![Some(false), Some(true), None])),
        ),
        (
            "tags",
            Arc::new(StringArray::from(vec![Some("b"), Some("c"), None])),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
        .slice(0, rows)
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn parquet_keeps_every_rule() {
    let root = TempDir::new().unwrap();
    write_parquet(&root.path().join("people.parquet"), &batch(3));
    write_parquet(&root.path().join("nobody.parquet"), &batch(0));
    let mut rows = rows();
    for (row, tags) in rows
        .iter_mut()
        .zip([Value::text("b"), Value::text("c"), Value::Null])
    {
        row[7] = tags;
    }
    keeps_every_rule(fixture(root.path(), "", rows)).await;
}

/// An hour before Berlin's clocks go forward, the last microsecond before 1970, and nothing.
const INSTANTS: [Option<i64>; 3] = [Some(1_774_744_200_123_456), Some(-1), None];

/// A column, and what it keeps of an instant in microseconds.
type Instants = (&'static str, ArrayRef, fn(i64) -> i64);

/// The instants in every unit, each with a zone and without one, and what is kept of them. Parquet has no
/// seconds: only Arrow's own writers say that a number is one.
fn instants() -> Vec<Instants> {
    let in_units = |by: fn(i64) -> i64| INSTANTS.map(|instant| instant.map(by)).to_vec();
    let seconds = || TimestampSecondArray::from(in_units(|micros| micros.div_euclid(1_000_000)));
    let millis = || TimestampMillisecondArray::from(in_units(|micros| micros.div_euclid(1_000)));
    let micros = || TimestampMicrosecondArray::from(in_units(|micros| micros));
    // With what a microsecond does not hold.
    let nanos = || TimestampNanosecondArray::from(in_units(|micros| micros * 1_000 + 999));
    let of_seconds: fn(i64) -> i64 = |micros| micros.div_euclid(1_000_000) * 1_000_000;
    let of_millis: fn(i64) -> i64 = |micros| micros.div_euclid(1_000) * 1_000;
    vec![
        ("seconds", Arc::new(seconds()), of_seconds),
        (
            "seconds_utc",
            Arc::new(seconds().with_timezone("UTC")),
            of_seconds,
        ),
        ("millis", Arc::new(millis()), of_millis),
        (
            "millis_plus_two",
            Arc::new(millis().with_timezone("+02:00")),
            of_millis,
        ),
        ("micros", Arc::new(micros()), |micros| micros),
        ("micros_utc", Arc::new(micros().with_timezone("UTC")), |micros| {
            micros
        }),
        ("nanos", Arc::new(nanos()), |micros| micros),
        (
            "nanos_berlin",
            Arc::new(nanos().with_timezone("Europe/Berlin")),
            |micros| micros,
        ),
    ]
}

#[tokio::test]
async fn instants_of_parquet_are_the_same_with_a_zone_without_one_and_by_sql() {
    // As Arrow's own writers leave it, with the names of the zones, and as all others do.
    for skip_arrow_metadata in [false, true] {
        let mut columns = instants();
        columns.retain(|(name, ..)| !(skip_arrow_metadata && name.starts_with("seconds")));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let named = columns
            .iter()
            .map(|(name, array, _)| (*name, Arc::clone(array), true));
        let batch =
            RecordBatch::try_from_iter_with_nullable([("id", ids, false)].into_iter().chain(named)).unwrap();
        let root = TempDir::new().unwrap();
        for (name, rows) in [("people", 3), ("nobody", 0)] {
            let file = File::create(root.path().join(format!("{name}.parquet"))).unwrap();
            let options = ArrowWriterOptions::new().with_skip_arrow_metadata(skip_arrow_metadata);
            let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).unwrap();
            writer.write(&batch.slice(0, rows)).unwrap();
            writer.close().unwrap();
        }
        let mut rows = Vec::new();
        for (id, instant) in ["1", "2", "3"].iter().zip(INSTANTS) {
            let mut row = vec![number(id)];
            row.extend(columns.iter().map(|(_, _, kept)| match instant {
                Some(micros) => Value::Timestamp(kept(micros)),
                None => Value::Null,
            }));
            rows.push(row);
        }
        let fields = batch.schema();
        for model in [
            Model::Table("people".into()),
            Model::Sql("SELECT * FROM people".into()),
        ] {
            let mut fixture = fixture(root.path(), "", rows.clone());
            fixture.model = model;
            fixture.columns = fields.fields().iter().map(|field| field.name().clone()).collect();
            keeps_every_rule(fixture).await;
        }
    }
}
