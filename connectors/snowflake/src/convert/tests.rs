#![allow(clippy::unwrap_used)]

use arrow_array::{
    BinaryArray, BooleanArray, Float32Array, Int8Array, Int16Array, Int32Array, StringArray, StructArray,
};
use arrow_cast::display::array_value_to_string;
use arrow_schema::Field;

use super::*;

fn shown(kind: Kind, array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let converted = column(kind, &array).unwrap();
    assert_eq!(converted.data_type(), &kind.arrow_type());
    // Arrow shows instants in a zone it has by its offset only.
    let readable = match converted.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            cast(&converted, &DataType::Timestamp(*unit, Some("+00:00".into()))).unwrap()
        }
        _ => converted,
    };
    (0..readable.len())
        .map(|row| match readable.is_null(row) {
            true => "NULL".to_owned(),
            false => array_value_to_string(&readable, row).unwrap(),
        })
        .collect()
}

fn parts(columns: Vec<(&str, ArrayRef)>) -> StructArray {
    let columns: Vec<(Arc<Field>, ArrayRef)> = columns
        .into_iter()
        .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array))
        .collect();
    StructArray::from(columns)
}

#[test]
fn numbers_mean_the_same_in_every_width() {
    let kind = Kind::Decimal {
        precision: 12,
        scale: 2,
    };
    assert_eq!(
        shown(kind, Int8Array::from(vec![Some(-5), None])),
        ["-0.05", "NULL"]
    );
    assert_eq!(shown(kind, Int16Array::from(vec![1250])), ["12.50"]);
    assert_eq!(
        shown(kind, Int32Array::from(vec![None, Some(1250)])),
        ["NULL", "12.50"]
    );
    assert_eq!(shown(kind, Int64Array::from(vec![1250])), ["12.50"]);
    let exact = Decimal128Array::from(vec![1250])
        .with_precision_and_scale(38, 2)
        .unwrap();
    assert_eq!(shown(kind, exact), ["12.50"]);
    assert_eq!(shown(Kind::Integer, Int8Array::from(vec![-7])), ["-7"]);
    let least = Int32Array::from(vec![Some(i32::MIN), None]);
    assert_eq!(shown(Kind::Integer, least), ["-2147483648", "NULL"]);
    let wide = Decimal128Array::from(vec![7])
        .with_precision_and_scale(38, 0)
        .unwrap();
    assert_eq!(shown(Kind::Integer, wide), ["7"]);
}

#[test]
fn instants_come_as_numbers_or_in_parts() {
    let instant = "2025-11-24T16:00:00.123456Z";
    let seconds: ArrayRef = Arc::new(Int64Array::from(vec![Some(1_764_000_000), None]));
    let nanos: ArrayRef = Arc::new(Int32Array::from(vec![Some(123_456_789), None]));
    let zone: ArrayRef = Arc::new(Int32Array::from(vec![Some(1_500), None]));
    let two = parts(vec![
        ("epoch", Arc::clone(&seconds)),
        ("fraction", Arc::clone(&nanos)),
    ]);
    assert_eq!(shown(Kind::Instant(9), two.clone()), [instant, "NULL"]);
    assert_eq!(
        shown(Kind::Timestamp(9), two),
        ["2025-11-24T16:00:00.123456", "NULL"]
    );
    let three = parts(vec![
        ("epoch", seconds),
        ("fraction", nanos),
        ("timezone", Arc::clone(&zone)),
    ]);
    assert_eq!(shown(Kind::Zoned(9), three), [instant, "NULL"]);
    let units: ArrayRef = Arc::new(Int64Array::from(vec![Some(1_764_000_000_123_456), None]));
    let packed = parts(vec![("epoch", Arc::clone(&units)), ("timezone", zone)]);
    assert_eq!(shown(Kind::Zoned(6), packed), [instant, "NULL"]);
    let plain = Int64Array::from(vec![1_764_000_000_123]);
    assert_eq!(shown(Kind::Instant(3), plain), ["2025-11-24T16:00:00.123Z"]);
}

#[test]
fn other_types_arrive_as_what_they_are() {
    assert_eq!(shown(Kind::Boolean, BooleanArray::from(vec![true])), ["true"]);
    assert_eq!(shown(Kind::Float, Float64Array::from(vec![f64::NAN])), ["NaN"]);
    let short = Float32Array::from(vec![Some(0.5), None]);
    assert_eq!(shown(Kind::Float, short), ["0.5", "NULL"]);
    assert_eq!(
        shown(Kind::Text, StringArray::from(vec![Some(""), None])),
        ["", "NULL"]
    );
    assert_eq!(shown(Kind::Date, Date32Array::from(vec![-1])), ["1969-12-31"]);
    let days = Int32Array::from(vec![Some(-1), None]);
    assert_eq!(shown(Kind::Date, days), ["1969-12-31", "NULL"]);
    assert_eq!(
        shown(Kind::Time(3), Int32Array::from(vec![36_000_500])),
        ["10:00:00.5"]
    );
    assert_eq!(
        shown(Kind::Bytes, BinaryArray::from_vec(vec![b"\x00\xff"])),
        ["00ff"]
    );
    let significands: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&[0xff, 0x85]]));
    let exponents: ArrayRef = Arc::new(Int16Array::from(vec![-2]));
    let floating = parts(vec![("exponent", exponents), ("significand", significands)]);
    let number = shown(Kind::Decfloat, floating).remove(0);
    assert_eq!(number.trim_end_matches('0'), "-1.23");
    assert_eq!(
        shown(Kind::Text, arrow_array::NullArray::new(1)),
        ["NULL"],
        "a column of NULLs may have no type"
    );
}

#[test]
fn what_does_not_fit_is_told_by_row() {
    let refused = |kind, array: ArrayRef| column(kind, &array).unwrap_err();
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), None, Some(i32::MAX)]));
    assert_eq!(refused(Kind::Date, dates), (2, Unfit::YearTooFar));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    for kind in [
        Kind::Boolean,
        Kind::Integer,
        Kind::Date,
        Kind::Instant(9),
        Kind::Bytes,
        Kind::Interval,
    ] {
        assert_eq!(
            refused(kind, Arc::clone(&text)),
            (0, Unfit::AnotherType),
            "{kind:?}"
        );
    }
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    assert_eq!(refused(Kind::Unknown, number), (0, Unfit::AnotherType));
}
