//! Rows of REST and the batches they become.

#![allow(clippy::unwrap_used)]

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal256Type, TimestampMicrosecondType};
use serde_json::{Value as Json, json};

use super::*;
use crate::kind::TableSchema;

fn batcher(fields: Json) -> Batcher {
    let schema: TableSchema = serde_json::from_value(json!({"fields": fields})).unwrap();
    Batcher::new("table t", &schema.columns())
}

fn batch(fields: Json, rows: &[Json]) -> RecordBatch {
    let mut batcher = batcher(fields);
    for row in rows {
        let text = row.to_string();
        assert!(
            batcher
                .row(&serde_json::from_str(&text).unwrap())
                .unwrap()
                .is_none()
        );
    }
    batcher.rest().unwrap().unwrap()
}

#[test]
fn every_type_takes_its_text_and_null() {
    for (name, text) in [
        ("BOOLEAN", "true"),
        ("INTEGER", "-9223372036854775808"),
        ("FLOAT", "NaN"),
        ("NUMERIC", "12.50"),
        ("BIGNUMERIC", "1.5"),
        ("STRING", ""),
        ("GEOGRAPHY", "POINT(1 2)"),
        ("JSON", "{}"),
        ("BYTES", ""),
        ("DATE", "2026-11-25"),
        ("DATETIME", "2026-11-25T10:00:00"),
        ("TIMESTAMP", "1.5E9"),
        ("TIME", "10:00:00"),
        ("INTERVAL", "0-0 1 0:0:0"),
    ] {
        let rows = [json!({"f": [{"v": text}]}), json!({"f": [{"v": null}]})];
        let batch = batch(json!([{"name": "c", "type": name}]), &rows);
        let array = batch.column(0);
        assert_eq!((array.is_null(0), array.is_null(1)), (false, true), "{name}");
    }
}

#[test]
fn structs_are_json_with_every_part_in_it() {
    let fields = json!([{"name": "c", "type": "RECORD", "fields": [
        {"name": "a \"q\"", "type": "INTEGER"},
        {"name": "b", "type": "RECORD", "mode": "REPEATED", "fields": [{"name": "t", "type": "TIMESTAMP"}]},
        {"name": "r", "type": "RANGE", "rangeElementType": {"type": "DATE"}},
        {"name": "j", "type": "JSON"}]}]);
    let row = json!({"f": [{"v": {"f": [
        {"v": "1"},
        {"v": [{"v": {"f": [{"v": "0"}]}}, {"v": {"f": [{"v": null}]}}]},
        {"v": "[2026-01-01, UNBOUNDED)"},
        {"v": "{\"k\":[1]}"}]}}]});
    let batch = batch(fields, &[row]);
    assert_eq!(
        batch.column(0).as_string::<i32>().value(0),
        r#"{"a \"q\"":1,"b":[{"t":"1970-01-01T00:00:00Z"},{"t":null}],"r":"[2026-01-01, UNBOUNDED)","j":{"k":[1]}}"#
    );
}

#[test]
fn arrays_are_lists_and_those_of_structs_are_json() {
    let fields = json!([
        {"name": "l", "type": "NUMERIC", "mode": "REPEATED"},
        {"name": "s", "type": "RECORD", "mode": "REPEATED", "fields": [{"name": "a", "type": "STRING"}]}]);
    let rows = [
        json!({"f": [{"v": [{"v": "1.50"}, {"v": "2"}]}, {"v": [{"v": {"f": [{"v": "x"}]}}]}]}),
        json!({"f": [{"v": []}, {"v": []}]}),
        json!({"f": [{"v": null}, {"v": null}]}),
    ];
    let batch = batch(fields, &rows);
    let lists = batch.column(0).as_list::<i32>();
    let first = lists.value(0);
    assert_eq!(
        first.as_string::<i32>().iter().flatten().collect::<Vec<_>>(),
        ["1.5", "2"]
    );
    assert_eq!(
        (lists.value(1).len(), lists.value(2).len(), lists.null_count()),
        (0, 0, 0)
    );
    let structs = batch.column(1).as_string::<i32>();
    assert_eq!(
        (structs.value(0), structs.value(1), structs.value(2)),
        (r#"[{"a":"x"}]"#, "[]", "[]")
    );
}

#[test]
fn large_numbers_and_far_instants_are_kept() {
    let fields = json!([{"name": "n", "type": "BIGNUMERIC"}, {"name": "t", "type": "TIMESTAMP"}]);
    let row =
        json!({"f": [{"v": "12345678901234567890.123456789012345678901"}, {"v": "2.53402300799999999E11"}]});
    let batch = batch(fields, &[row]);
    let number = batch
        .column(0)
        .as_primitive::<Decimal256Type>()
        .value_as_string(0);
    assert_eq!(
        number.trim_end_matches('0'),
        "12345678901234567890.123456789012345678901"
    );
    let instant = batch
        .column(1)
        .as_primitive::<TimestampMicrosecondType>()
        .value(0);
    assert_eq!(instant, 253_402_300_799_999_999);
}

#[test]
fn a_value_that_does_not_fit_is_named_without_being_quoted() {
    let mut batcher = batcher(json!([{"name": "born", "type": "DATE"}]));
    let good = r#"{"f": [{"v": "2026-01-01"}]}"#;
    batcher.row(&serde_json::from_str(good).unwrap()).unwrap();
    let bad = r#"{"f": [{"v": "ann@example.com"}]}"#;
    let error = batcher.row(&serde_json::from_str(bad).unwrap()).unwrap_err();
    assert_eq!(
        error.message,
        "table t: column 'born' of row 2 holds something that is no value of its type"
    );
    let short = batcher
        .row(&serde_json::from_str(r#"{"f": []}"#).unwrap())
        .unwrap_err();
    assert_eq!(
        (short.code, short.kind),
        ("unexpected_answer", ErrorKind::Contract)
    );
}

#[test]
fn large_cells_close_a_batch_early() {
    let mut batcher = batcher(json!([{"name": "c", "type": "STRING"}]));
    let row = json!({"f": [{"v": "x".repeat(BATCH_BYTES)}]}).to_string();
    assert_eq!(
        batcher
            .row(&serde_json::from_str(&row).unwrap())
            .unwrap()
            .unwrap()
            .num_rows(),
        1
    );
    assert!(batcher.rest().unwrap().is_none());
}
