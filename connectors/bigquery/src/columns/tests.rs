//! The same values by both routes.

#![allow(clippy::unwrap_used)]

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array, Int64Array,
    IntervalMonthDayNanoArray, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_buffer::{IntervalMonthDayNano, i256};
use arrow_schema::{Field, Fields};
use serde_json::{Value as Json, json};

use super::*;
use crate::batch::Batcher;
use crate::kind::TableSchema;

fn columns(fields: Json) -> Vec<Typed> {
    let schema: TableSchema = serde_json::from_value(json!({"fields": fields})).unwrap();
    schema.columns()
}

/// One column as Arrow and as the cells REST gives for it.
fn same(field: Json, array: ArrayRef, cells: &[Json]) {
    let columns = columns(json!([field]));
    let incoming = RecordBatch::try_from_iter([("C", array)]).unwrap();
    let layout = Layout::new("table t", incoming.schema_ref(), &columns).unwrap();
    let by_arrow = layout.convert(&incoming).next().unwrap().unwrap();
    let mut batcher = Batcher::new("table t", &columns);
    for cell in cells {
        let row = json!({"f": [{"v": cell}]}).to_string();
        assert!(
            batcher
                .row(&serde_json::from_str(&row).unwrap())
                .unwrap()
                .is_none()
        );
    }
    let by_rest = batcher.rest().unwrap().unwrap();
    assert_eq!(by_arrow, by_rest, "{field}");
}

fn date_range(start: Option<i32>, end: Option<i32>) -> ArrayRef {
    Arc::new(StructArray::from(vec![
        (
            Arc::new(Field::new("start", DataType::Date32, true)),
            Arc::new(Date32Array::from(vec![start])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("end", DataType::Date32, true)),
            Arc::new(Date32Array::from(vec![end])) as ArrayRef,
        ),
    ]))
}

#[test]
fn plain_values_are_the_same_by_arrow_and_by_rest() {
    let field = |name: &str| json!({"name": "c", "type": name});
    let null = Json::Null;
    let text = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
    same(
        field("BOOLEAN"),
        Arc::new(BooleanArray::from(vec![Some(false), None])),
        &[json!("false"), null.clone()],
    );
    same(
        field("INTEGER"),
        Arc::new(Int64Array::from(vec![Some(-7), None])),
        &[json!("-7"), null.clone()],
    );
    same(
        field("FLOAT"),
        Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::INFINITY)])),
        &[json!("0.1"), json!("Infinity")],
    );
    same(
        field("STRING"),
        text(vec![Some("é\n\"x\""), Some(""), None]),
        &[json!("é\n\"x\""), json!(""), null.clone()],
    );
    same(
        field("JSON"),
        text(vec![Some("{\"b\":1}")]),
        &[json!("{\"b\":1}")],
    );
    same(
        field("BYTES"),
        Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), None])),
        &[json!("AP8="), null.clone()],
    );
    same(
        field("DATE"),
        Arc::new(Date32Array::from(vec![-719_162, 2_932_896])),
        &[json!("0001-01-01"), json!("9999-12-31")],
    );
    let instants = vec![Some(-62_135_596_800_000_000), Some(1_710_036_000_123_456), None];
    let rest = [
        json!("-62135596800000000"),
        json!("1.710036000123456E9"),
        null.clone(),
    ];
    same(
        field("TIMESTAMP"),
        Arc::new(TimestampMicrosecondArray::from(instants).with_timezone("UTC")),
        &rest,
    );
    same(
        field("DATETIME"),
        Arc::new(TimestampMicrosecondArray::from(vec![500_000])),
        &[json!("1970-01-01T00:00:00.5")],
    );
    same(
        field("TIME"),
        Arc::new(Time64MicrosecondArray::from(vec![Some(36_000_250_000), None])),
        &[json!("10:00:00.250000"), null.clone()],
    );
    let interval = IntervalMonthDayNano::new(14, -3, 14_706_700_000_000);
    same(
        field("INTERVAL"),
        Arc::new(IntervalMonthDayNanoArray::from(vec![interval])),
        &[json!("1-2 -3 4:5:6.7")],
    );
}

#[test]
fn exact_numbers_are_the_same_whatever_their_scale() {
    let field = |name: &str| json!({"name": "c", "type": name});
    for (precision, scale, digits) in [
        (38, 9, 12_500_000_000),
        (12, 2, 1_250),
        (38, 12, 12_500_000_000_000),
    ] {
        let array = Decimal128Array::from(vec![digits])
            .with_precision_and_scale(precision, scale)
            .unwrap();
        same(field("NUMERIC"), Arc::new(array.clone()), &[json!("12.5")]);
        same(field("BIGNUMERIC"), Arc::new(array), &[json!("12.50")]);
    }
    let most =
        i256::from_string("57896044618658097711785492504343953926634992332820282019728792003956564819967")
            .unwrap();
    let array = Decimal256Array::from(vec![Some(most), None])
        .with_precision_and_scale(76, 38)
        .unwrap();
    let text = "578960446186580977117854925043439539266.34992332820282019728792003956564819967";
    same(field("BIGNUMERIC"), Arc::new(array), &[json!(text), Json::Null]);
    let odd = Decimal128Array::from(vec![1])
        .with_precision_and_scale(38, 10)
        .unwrap();
    let columns = columns(json!([field("NUMERIC")]));
    let incoming = RecordBatch::try_from_iter([("c", Arc::new(odd) as ArrayRef)]).unwrap();
    let layout = Layout::new("table t", incoming.schema_ref(), &columns).unwrap();
    assert_eq!(
        layout.convert(&incoming).next().unwrap().unwrap_err().code,
        "value_unreadable"
    );
}

#[test]
fn lists_structs_and_ranges_are_the_same() {
    let mut list = ListBuilder::new(StringBuilder::new()).with_field(Field::new("l", DataType::Utf8, true));
    for items in [&["x", "y"][..], &[]] {
        items.iter().for_each(|item| list.values().append_value(item));
        list.append(true);
    }
    let cells = [json!([{"v": "x"}, {"v": "y"}]), json!([])];
    same(
        json!({"name": "c", "type": "STRING", "mode": "REPEATED"}),
        Arc::new(list.finish()),
        &cells,
    );

    let range = json!({"name": "c", "type": "RANGE", "rangeElementType": {"type": "DATE"}});
    same(
        range.clone(),
        date_range(Some(0), Some(1)),
        &[json!("[1970-01-01, 1970-01-02)")],
    );
    same(
        range,
        date_range(None, Some(1)),
        &[json!("[UNBOUNDED, 1970-01-02)")],
    );

    let numbers = Decimal128Array::from(vec![1_500_000_000, 0])
        .with_precision_and_scale(38, 9)
        .unwrap();
    let instants = TimestampMicrosecondArray::from(vec![Some(500_000), None]).with_timezone("UTC");
    let fields = Fields::from(vec![
        Field::new("n", numbers.data_type().clone(), true),
        Field::new("t", instants.data_type().clone(), true),
    ]);
    let parts: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(instants)];
    let array = StructArray::new(fields, parts, Some(NullBuffer::from(vec![true, false])));
    let field = json!({"name": "c", "type": "RECORD", "fields": [
        {"name": "n", "type": "NUMERIC"}, {"name": "t", "type": "TIMESTAMP"}]});
    same(
        field,
        Arc::new(array),
        &[json!({"f": [{"v": "1.5"}, {"v": "0.5"}]}), Json::Null],
    );
}

#[test]
fn large_batches_are_cut_into_small_ones() {
    let incoming =
        RecordBatch::try_from_iter([("c", Arc::new(Int64Array::from_iter_values(0..20_000)) as ArrayRef)])
            .unwrap();
    let layout = Layout::new(
        "table t",
        incoming.schema_ref(),
        &columns(json!([{"name": "c", "type": "INTEGER"}])),
    )
    .unwrap();
    let sizes: Vec<usize> = layout
        .convert(&incoming)
        .map(|part| part.unwrap().num_rows())
        .collect();
    assert_eq!(sizes, [8_192, 8_192, 3_616]);
}

#[test]
fn a_column_that_does_not_come_is_told() {
    let incoming = Schema::new(vec![Field::new("other", DataType::Int64, true)]);
    let error = Layout::new(
        "table t",
        &incoming,
        &columns(json!([{"name": "c", "type": "INTEGER"}])),
    )
    .err()
    .unwrap();
    assert_eq!(error.code, "columns_changed");
}
