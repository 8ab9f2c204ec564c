//! Tables as Snowflake writes their rows: as texts in JSON, and in Arrow as its drivers expect it.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::NullBuffer;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Fields, Schema};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A column: name, type, precision and scale.
pub type Column = (String, &'static str, u8, u8);
/// A row of texts as JSON rowsets have them.
pub type Row = Vec<Option<String>>;

/// A table, or the result of a query.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn new(columns: &[(&str, &'static str, u8, u8)], rows: Vec<Row>) -> Self {
        let columns = columns
            .iter()
            .map(|(name, kind, precision, scale)| ((*name).to_owned(), *kind, *precision, *scale));
        Self {
            columns: columns.collect(),
            rows,
        }
    }

    /// The columns of these names, in this order.
    pub fn select(&self, names: &[String]) -> Self {
        let at = |name: &String| self.columns.iter().position(|column| column.0 == *name).unwrap();
        let places: Vec<usize> = names.iter().map(at).collect();
        Self {
            columns: places.iter().map(|at| self.columns[*at].clone()).collect(),
            rows: self
                .rows
                .iter()
                .map(|row| places.iter().map(|at| row[*at].clone()).collect())
                .collect(),
        }
    }

    pub fn rowtype(&self) -> Value {
        let columns = self.columns.iter().map(|(name, kind, precision, scale)| {
            json!({
                "name": name, "type": kind, "precision": precision, "scale": scale, "nullable": true,
                "database": "DB", "schema": "SHOP", "table": "T", "length": null, "byteLength": null,
                "collation": null,
            })
        });
        Value::Array(columns.collect())
    }
}

/// Rows as a JSON array.
pub fn json_rows(rows: &[Row]) -> Value {
    Value::Array(rows.iter().map(|row| json!(row)).collect())
}

/// Rows as files hold them: without the brackets around.
pub fn json_file(rows: &[Row]) -> Vec<u8> {
    let text = json_rows(rows).to_string();
    text.as_bytes()[1..text.len() - 1].to_vec()
}

/// Rows as an Arrow stream.
pub fn arrow_file(columns: &[Column], rows: &[Row]) -> Vec<u8> {
    let cells = |at: usize| rows.iter().map(|row| row[at].as_deref()).collect::<Vec<_>>();
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| array(column, &cells(at)))
        .collect();
    let fields = columns.iter().zip(&arrays).map(|(column, array)| {
        let metadata = [
            ("logicalType".to_owned(), column.1.to_uppercase()),
            ("scale".to_owned(), column.3.to_string()),
            ("precision".to_owned(), column.2.to_string()),
        ];
        Field::new(&column.0, array.data_type().clone(), true).with_metadata(HashMap::from(metadata))
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    if !rows.is_empty() {
        writer
            .write(&RecordBatch::try_new(schema, arrays).unwrap())
            .unwrap();
    }
    writer.into_inner().unwrap()
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn array((_, kind, precision, scale): &Column, cells: &[Option<&str>]) -> ArrayRef {
    let parsed = |digits: u8| -> Vec<Option<i128>> {
        cells
            .iter()
            .map(|cell| cell.map(|text| units(text, digits)))
            .collect()
    };
    match *kind {
        "fixed" => narrowest(&parsed(*scale), *precision, *scale),
        "real" => {
            let floats = cells
                .iter()
                .map(|cell| cell.map(|text| text.parse::<f64>().unwrap()));
            Arc::new(floats.collect::<Float64Array>())
        }
        "boolean" => Arc::new(
            cells
                .iter()
                .map(|cell| cell.map(|text| text == "1"))
                .collect::<BooleanArray>(),
        ),
        "date" => {
            let days = cells.iter().map(|cell| cell.map(|text| text.parse().unwrap()));
            Arc::new(days.collect::<Date32Array>())
        }
        "time" => {
            let units = parsed(*scale)
                .into_iter()
                .map(|units| units.map(|units| i64::try_from(units).unwrap()));
            Arc::new(units.collect::<Int64Array>())
        }
        // Up to microseconds in one number, beyond in two.
        "timestamp_ntz" | "timestamp_ltz" if *scale <= 7 => {
            let units = parsed(*scale)
                .into_iter()
                .map(|units| units.map(|units| i64::try_from(units).unwrap()));
            Arc::new(units.collect::<Int64Array>())
        }
        "timestamp_ntz" | "timestamp_ltz" => seconds_and_nanos(&parsed(9), None),
        "timestamp_tz" => {
            let instants: Vec<_> = cells
                .iter()
                .map(|cell| cell.map(|text| units(text.split(' ').next().unwrap(), 9)))
                .collect();
            let zones = cells
                .iter()
                .map(|cell| Some(cell.map_or(0, |text| text.split(' ').nth(1).unwrap().parse().unwrap())));
            seconds_and_nanos(&instants, Some(zones.collect::<Int32Array>()))
        }
        "binary" => {
            let bytes = cells.iter().map(|cell| {
                cell.map(|text| {
                    (0..text.len() / 2)
                        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
                        .collect::<Vec<u8>>()
                })
            });
            Arc::new(bytes.collect::<BinaryArray>())
        }
        _ => Arc::new(StringArray::from(cells.to_vec())),
    }
}

/// Units of 10^-digits of `seconds.fraction`.
fn units(text: &str, digits: u8) -> i128 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<width$}", width = usize::from(digits));
    let all = format!("{whole}{}", &fraction[..usize::from(digits)]);
    sign * all.parse::<i128>().unwrap()
}

/// A number comes in the narrowest type that holds all of its batch.
fn narrowest(values: &[Option<i128>], precision: u8, scale: u8) -> ArrayRef {
    let most = values
        .iter()
        .flatten()
        .map(|value| value.unsigned_abs())
        .max()
        .unwrap_or(0);
    macro_rules! narrow {
        ($array:ty, $type:ty) => {
            Arc::new(
                values
                    .iter()
                    .map(|value| value.map(|value| value as $type))
                    .collect::<$array>(),
            )
        };
    }
    match most {
        0..=127 => narrow!(Int8Array, i8),
        128..=32_767 => narrow!(Int16Array, i16),
        32_768..=2_147_483_647 => narrow!(Int32Array, i32),
        2_147_483_648..=9_223_372_036_854_775_807 => narrow!(Int64Array, i64),
        _ => {
            let wide = values.iter().copied().collect::<Decimal128Array>();
            Arc::new(wide.with_precision_and_scale(precision, scale as i8).unwrap())
        }
    }
}

fn seconds_and_nanos(instants: &[Option<i128>], zones: Option<Int32Array>) -> ArrayRef {
    let seconds = instants
        .iter()
        .map(|value| Some(value.map_or(0, |value| value.div_euclid(1_000_000_000) as i64)));
    let nanos = instants
        .iter()
        .map(|value| Some(value.map_or(0, |value| value.rem_euclid(1_000_000_000) as i32)));
    let mut arrays: Vec<(&str, ArrayRef)> = vec![
        ("epoch", Arc::new(seconds.collect::<Int64Array>())),
        ("fraction", Arc::new(nanos.collect::<Int32Array>())),
    ];
    if let Some(zones) = zones {
        arrays.push(("timezone", Arc::new(zones)));
    }
    let fields: Fields = arrays
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = arrays.into_iter().map(|(_, array)| array).collect();
    let valid = NullBuffer::from(instants.iter().map(Option::is_some).collect::<Vec<bool>>());
    Arc::new(StructArray::new(fields, arrays, Some(valid)))
}
