//! The rules of a source.
//!
//! | Rule | A source … |
//! |---|---|
//! | SRC-001 | gives every batch the schema it announced |
//! | SRC-002 | ends a read with exactly one receipt, and nothing after it |
//! | SRC-003 | counts in the receipt the rows it gave |
//! | SRC-004 | calls a read complete that was |
//! | SRC-005 | gives the values that are there: NULL, empty text, zero, Unicode, exact decimals, dates, instants |
//! | SRC-006 | gives the columns asked for and no others, ignoring case |
//! | SRC-007 | refuses a column that is not there, with a hint |
//! | SRC-008 | refuses a table that is not there |
//! | SRC-009 | refuses two statements |
//! | SRC-010 | refuses a statement that writes, and writes nothing |
//! | SRC-011 | refuses SQL without a statement |
//! | SRC-012 | refuses SQL with an error in it |
//! | SRC-013 | keeps the schema of a result without rows, and calls it complete |
//! | SRC-014 | can be read again after a read was dropped half-way |
//! | SRC-015 | describes a model as it reads it |
//! | SRC-016 | gives batches of bounded size |
//! | SRC-017 | names no value of a row in an error |
//! | SRC-018 | serves two reads at a time |
//! | SRC-019 | finds its own connection good |

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use futures::StreamExt;

use super::Violation;
use crate::error::{ConnectorError, ErrorKind};
use crate::source::{Model, ReadEvent, ReadReceipt, ReadRequest, Source};
use crate::value::{Decimal, Value};

/// The most rows a batch may have.
pub const MAX_BATCH_ROWS: usize = 65_536;

/// A source with data whose values are known.
pub struct Fixture {
    /// The source.
    pub source: Arc<dyn Source>,
    /// A model with at least three rows and two columns.
    pub model: Model,
    /// Its columns, in order.
    pub columns: Vec<String>,
    /// Its rows, in any order: canonical values, a value a column.
    pub rows: Vec<Vec<Value>>,
    /// A model with the same columns and no rows.
    pub empty: Model,
    /// What is needed to try SQL, if the source speaks it.
    pub sql: Option<SqlFixture>,
}

/// SQL that is to be refused.
pub struct SqlFixture {
    /// The fixture's rows as SQL.
    pub good: String,
    /// One statement that would write to what the model reads.
    pub writing: String,
    /// A SELECT with a syntax error.
    pub malformed: String,
}

/// Runs every rule that applies.
pub async fn run(fixture: &Fixture) -> Vec<Violation> {
    let mut suite = Suite {
        fixture,
        violations: Vec::new(),
    };
    suite.check().await;
    suite.whole_read(&fixture.model).await;
    suite.projection().await;
    suite.refusals().await;
    suite.empty().await;
    suite.dropped_read().await;
    suite.description(&fixture.model).await;
    suite.two_at_a_time().await;
    if let Some(sql) = &fixture.sql {
        suite.whole_read(&Model::Sql(sql.good.clone())).await;
        suite.description(&Model::Sql(sql.good.clone())).await;
        suite.sql_refusals(sql).await;
    }
    suite.violations
}

/// A read that went to its end.
struct Whole {
    schema: Arc<Schema>,
    batches: Vec<RecordBatch>,
    receipts: Vec<ReadReceipt>,
    after_end: bool,
}

impl Whole {
    fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn names(&self) -> Vec<&str> {
        self.schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect()
    }
}

struct Suite<'a> {
    fixture: &'a Fixture,
    violations: Vec<Violation>,
}

impl Suite<'_> {
    fn require(&mut self, rule: &'static str, kept: bool, message: impl FnOnce() -> String) {
        if !kept {
            self.violations.push(Violation {
                rule,
                message: message(),
            });
        }
    }

    async fn read(&self, model: &Model, columns: &[&str]) -> Result<Whole, ConnectorError> {
        let request = ReadRequest {
            model: model.clone(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            sync: "conformance".into(),
            run_id: "conformance".into(),
        };
        let mut reading = self.fixture.source.read(request).await?;
        let mut whole = Whole {
            schema: reading.schema,
            batches: Vec::new(),
            receipts: Vec::new(),
            after_end: false,
        };
        while let Some(event) = reading.events.next().await {
            whole.after_end |= !whole.receipts.is_empty();
            match event? {
                ReadEvent::Batch(batch) => whole.batches.push(batch),
                ReadEvent::End(receipt) => whole.receipts.push(receipt),
            }
        }
        Ok(whole)
    }

    async fn check(&mut self) {
        let checked = self.fixture.source.check().await;
        self.require("SRC-019", checked.is_ok(), || {
            format!("check failed: {checked:?}")
        });
    }

    async fn whole_read(&mut self, model: &Model) {
        let whole = match self.read(model, &[]).await {
            Ok(whole) => whole,
            Err(error) => return self.require("SRC-005", false, || format!("the read failed: {error}")),
        };
        self.protocol(&whole);
        let names = whole.names();
        let expected = &self.fixture.columns;
        let fits = names.iter().eq(expected.iter());
        let message = format!("columns are {names:?}, not {expected:?}");
        self.require("SRC-005", fits, || message);
        match values(&whole) {
            Ok(mut found) => {
                let mut expected = self.fixture.rows.clone();
                let order = |a: &Vec<Value>, b: &Vec<Value>| format!("{a:?}").cmp(&format!("{b:?}"));
                found.sort_by(order);
                expected.sort_by(order);
                self.require("SRC-005", found == expected, || {
                    format!("rows of {model:?} are\n{found:?}\nnot\n{expected:?}")
                });
            }
            Err(message) => self.require("SRC-005", false, || message),
        }
    }

    /// Rules that hold for every read that went to its end.
    fn protocol(&mut self, whole: &Whole) {
        for batch in &whole.batches {
            let same = same_types(batch.schema_ref(), &whole.schema);
            self.require("SRC-001", same, || {
                format!(
                    "a batch has {:?}, announced was {:?}",
                    batch.schema_ref(),
                    whole.schema
                )
            });
            let rows = batch.num_rows();
            self.require("SRC-016", rows <= MAX_BATCH_ROWS, || {
                format!("a batch has {rows} rows")
            });
        }
        let receipts = whole.receipts.len();
        self.require("SRC-002", receipts == 1 && !whole.after_end, || {
            format!(
                "{receipts} receipts, something after the first: {}",
                whole.after_end
            )
        });
        if let Some(receipt) = whole.receipts.first() {
            let rows = whole.rows();
            self.require("SRC-003", receipt.rows == rows as u64, || {
                format!("the receipt counts {} rows, the batches had {rows}", receipt.rows)
            });
            self.require("SRC-004", receipt.complete, || {
                "a whole read is called incomplete".into()
            });
        }
    }

    async fn projection(&mut self) {
        let Some(last) = self.fixture.columns.last().cloned() else {
            return self.require("SRC-006", false, || "the fixture has no columns".into());
        };
        for asked in [last.to_uppercase(), last.to_lowercase()] {
            match self.read(&self.fixture.model, &[&asked]).await {
                Ok(whole) => {
                    self.protocol(&whole);
                    let names = whole.names();
                    let fits = names == [last.as_str()] && whole.rows() == self.fixture.rows.len();
                    let message = format!("asked for '{asked}', got {names:?} with {} rows", whole.rows());
                    self.require("SRC-006", fits, || message);
                }
                Err(error) => self.require("SRC-006", false, || format!("asked for '{asked}': {error}")),
            }
        }
    }

    async fn refusals(&mut self) {
        let near = self
            .fixture
            .columns
            .first()
            .map_or_else(String::new, |name| format!("{name}x"));
        let missing = self.read(&self.fixture.model, &[&near]).await.err();
        self.refusal("SRC-007", "a column that is not there", missing.as_ref());
        let hinted = missing.is_some_and(|error| error.hint.is_some());
        self.require("SRC-007", hinted, || {
            "a missing column comes without a hint".into()
        });
        let nowhere = Model::Table("no_such_table_anywhere".into());
        let missing = self.read(&nowhere, &[]).await.err();
        self.refusal("SRC-008", "a table that is not there", missing.as_ref());
        let described = self.fixture.source.describe(&nowhere).await.err();
        self.refusal(
            "SRC-008",
            "describing a table that is not there",
            described.as_ref(),
        );
    }

    async fn sql_refusals(&mut self, sql: &SqlFixture) {
        let two = format!("{}; {}", sql.good, sql.good);
        let then_writes = format!("{}; {}", sql.good, sql.writing);
        for (rule, text, what) in [
            ("SRC-009", two.as_str(), "two statements"),
            (
                "SRC-010",
                &then_writes,
                "a statement that writes after one that reads",
            ),
            ("SRC-010", &sql.writing, "a statement that writes"),
            ("SRC-011", "", "no SQL"),
            ("SRC-011", " -- only a comment\n", "a comment for SQL"),
            ("SRC-012", &sql.malformed, "malformed SQL"),
        ] {
            let error = self.read(&Model::Sql(text.to_owned()), &[]).await.err();
            self.refusal(rule, what, error.as_ref());
        }
        match self.read(&self.fixture.model, &[]).await {
            Ok(whole) => {
                let rows = whole.rows();
                self.require("SRC-010", rows == self.fixture.rows.len(), || {
                    format!("after the refused writes there are {rows} rows")
                });
            }
            Err(error) => self.require("SRC-010", false, || format!("after the refused writes: {error}")),
        }
    }

    /// Every refusal is the project's fault, for good, in words of ours.
    fn refusal(&mut self, rule: &'static str, what: &str, error: Option<&ConnectorError>) {
        let Some(error) = error else {
            return self.require(rule, false, || format!("{what} was accepted"));
        };
        let permanent = matches!(
            error.kind,
            ErrorKind::Config | ErrorKind::Source { transient: false }
        );
        self.require(rule, permanent, || format!("{what} gave {:?}", error.kind));
        let told = format!("{} {}", error.message, error.hint.as_deref().unwrap_or_default());
        let mut leaked = Vec::new();
        for value in self.fixture.rows.iter().flatten() {
            // Short values are in many words by chance.
            let text = value.to_string();
            if text.chars().count() >= 6 && told.contains(&text) {
                leaked.push(text);
            }
        }
        self.require("SRC-017", leaked.is_empty(), || {
            format!("{what}: the error quotes {leaked:?}")
        });
    }

    async fn empty(&mut self) {
        match self.read(&self.fixture.empty, &[]).await {
            Ok(whole) => {
                self.protocol(&whole);
                let names = whole.names();
                let fits = whole.rows() == 0 && names.iter().eq(self.fixture.columns.iter());
                let message = format!("an empty model gave {} rows and columns {names:?}", whole.rows());
                self.require("SRC-013", fits, || message);
            }
            Err(error) => self.require("SRC-013", false, || format!("an empty model failed: {error}")),
        }
    }

    async fn dropped_read(&mut self) {
        let request = ReadRequest {
            model: self.fixture.model.clone(),
            columns: Vec::new(),
            sync: "conformance".into(),
            run_id: "dropped".into(),
        };
        match self.fixture.source.read(request).await {
            Ok(mut reading) => {
                // The first event is taken and the rest given up.
                drop(reading.events.next().await);
                drop(reading);
            }
            Err(error) => self.require("SRC-014", false, || format!("the read failed: {error}")),
        }
        let again = self.read(&self.fixture.model, &[]).await;
        let rows = again.as_ref().map(Whole::rows).unwrap_or_default();
        self.require("SRC-014", rows == self.fixture.rows.len(), || {
            format!("after a dropped read: {rows} rows, {:?}", again.err())
        });
    }

    async fn description(&mut self, model: &Model) {
        let described = match self.fixture.source.describe(model).await {
            Ok(columns) => columns,
            Err(error) => return self.require("SRC-015", false, || format!("describe failed: {error}")),
        };
        match self.read(model, &[]).await {
            Ok(whole) => {
                let agree = described
                    .iter()
                    .map(|column| (&column.name, &column.arrow_type))
                    .eq(whole
                        .schema
                        .fields()
                        .iter()
                        .map(|field| (field.name(), field.data_type())));
                self.require("SRC-015", agree, || {
                    format!("described as {described:?}, read as {:?}", whole.schema)
                });
            }
            Err(error) => self.require("SRC-015", false, || format!("the read failed: {error}")),
        }
    }

    async fn two_at_a_time(&mut self) {
        let model = &self.fixture.model;
        let (first, second) = futures::join!(self.read(model, &[]), self.read(model, &[]));
        let rows = |whole: &Result<Whole, ConnectorError>| whole.as_ref().map(Whole::rows).ok();
        let expected = Some(self.fixture.rows.len());
        let (first, second) = (rows(&first), rows(&second));
        self.require("SRC-018", first == expected && second == expected, || {
            format!("two reads at a time gave {first:?} and {second:?} rows")
        });
    }
}

fn same_types(batch: &Schema, announced: &Schema) -> bool {
    let shape = |field: &Arc<Field>| {
        (
            field.name().clone(),
            field.data_type().clone(),
            field.metadata().clone(),
        )
    };
    batch
        .fields()
        .iter()
        .map(shape)
        .eq(announced.fields().iter().map(shape))
}

fn values(whole: &Whole) -> Result<Vec<Vec<Value>>, String> {
    let mut rows = Vec::new();
    for batch in &whole.batches {
        for row in 0..batch.num_rows() {
            let fields = whole.schema.fields();
            let cells = batch
                .columns()
                .iter()
                .zip(fields)
                .map(|(column, field)| value_at(column.as_ref(), field, row));
            rows.push(cells.collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(rows)
}

/// The canonical value of one cell; plain on purpose, as a yardstick for faster ways.
fn value_at(array: &dyn Array, field: &Field, row: usize) -> Result<Value, String> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let integer = |value: i64| Ok(Value::Number(Decimal::from(value)));
    let parsed = |text: &str| {
        Decimal::parse(text)
            .map(Value::Number)
            .ok_or_else(|| format!("column '{}' holds no finite number", field.name()))
    };
    let text = |text: &str| match field.metadata().get("outflow.type") {
        Some(kind) if kind == "json" => {
            Value::json(text).map_err(|_| format!("column '{}' is marked as JSON and is none", field.name()))
        }
        _ => Ok(Value::text(text)),
    };
    match array.data_type() {
        DataType::Boolean => Ok(Value::Bool(array.as_boolean().value(row))),
        DataType::Int8 => integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => integer(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => parsed(&array.as_primitive::<Float32Type>().value(row).to_string()),
        DataType::Float64 => parsed(&array.as_primitive::<Float64Type>().value(row).to_string()),
        DataType::Decimal128(..) => parsed(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => parsed(&array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => text(array.as_string_view().value(row)),
        DataType::Date32 => Ok(Value::Date(array.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(unit, _) => Ok(Value::Timestamp(match unit {
            TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row) * 1_000_000,
            TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row) * 1_000,
            TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
            TimeUnit::Nanosecond => array
                .as_primitive::<TimestampNanosecondType>()
                .value(row)
                .div_euclid(1_000),
        })),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let item = Field::new("item", items.data_type().clone(), true);
            (0..items.len())
                .map(|at| value_at(items.as_ref(), &item, at).map(|value| value.to_string()))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::List)
        }
        other => Err(format!(
            "column '{}' has type {other}, which the suite does not know",
            field.name()
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use arrow_array::StringArray;
    use async_trait::async_trait;
    use futures::stream;

    use super::*;
    use crate::source::{Advice, Column, Reading};

    /// A source that breaks most rules: whatever it is asked, it gives one row, calls the read
    /// incomplete, counts wrong and goes on after the end.
    struct Careless;

    fn row() -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec!["x"])) as Arc<dyn Array>)]).unwrap()
    }

    #[async_trait]
    impl Source for Careless {
        async fn check(&self) -> Result<Vec<Advice>, ConnectorError> {
            Err(ConnectorError::source("down", "down"))
        }

        async fn describe(&self, _: &Model) -> Result<Vec<Column>, ConnectorError> {
            Ok(vec![Column {
                name: "c".into(),
                type_name: "text".into(),
                arrow_type: DataType::Utf8,
            }])
        }

        async fn read(&self, _: ReadRequest) -> Result<Reading, ConnectorError> {
            let receipt = ReadReceipt {
                rows: 7,
                complete: false,
                query_id: None,
                bytes_scanned: None,
            };
            let events = vec![Ok(ReadEvent::End(receipt)), Ok(ReadEvent::Batch(row()))];
            Ok(Reading {
                schema: Arc::new(Schema::empty()),
                events: Box::pin(stream::iter(events)),
            })
        }
    }

    #[tokio::test]
    async fn a_careless_source_is_told_the_rules_it_breaks() {
        let fixture = Fixture {
            source: Arc::new(Careless),
            model: Model::Table("t".into()),
            columns: vec!["a".into(), "b".into()],
            rows: vec![vec![Value::text("1"), Value::Null]],
            empty: Model::Table("e".into()),
            sql: Some(SqlFixture {
                good: "SELECT 1".into(),
                writing: "DELETE FROM t".into(),
                malformed: "SELEC".into(),
            }),
        };
        let broken: BTreeSet<&str> = run(&fixture)
            .await
            .iter()
            .map(|violation| violation.rule)
            .collect();
        let rules = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 19];
        let expected: BTreeSet<String> = rules.iter().map(|rule| format!("SRC-{rule:03}")).collect();
        assert_eq!(
            broken
                .iter()
                .map(|rule| (*rule).to_owned())
                .collect::<BTreeSet<_>>(),
            expected
        );
    }
}
