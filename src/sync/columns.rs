//! Arrow columns as canonical values: one at a time, or a whole column as prints.
//!
//! The print of a column is the hot path of a run that changes nothing, so every common Arrow type
//! has a loop of its own here; [`value_at`] is the slow, general way and must always agree.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, BooleanArray, Decimal128Array, GenericStringArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
    StringViewArray,
};
use arrow_buffer::i256;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_data::ByteView;
use arrow_schema::{DataType, Field, TimeUnit};
use outflow_sdk::destination::FieldType;
use outflow_sdk::print::{Print, Printer, SHORT_TEXT, add_field, is_plain_view};
use outflow_sdk::value::{Decimal, Value};

use outflow_state::prefetch::prefetch;

/// Field metadata key by which a source marks a text column as JSON (`outflow.type` = `json`).
const TYPE_KEY: &str = "outflow.type";

/// Whether a column's text is JSON.
pub(crate) fn is_json(field: &Field) -> bool {
    field.metadata().get(TYPE_KEY).is_some_and(|kind| kind == "json")
}

/// The destination type a column's values have, where Arrow's type says it.
pub(crate) fn field_type(field: &Field) -> Option<FieldType> {
    Some(match field.data_type() {
        DataType::Boolean => FieldType::Bool,
        DataType::Date32 | DataType::Date64 => FieldType::Date,
        DataType::Timestamp(..) => FieldType::Timestamp,
        DataType::List(_) | DataType::LargeList(_) => FieldType::Choices,
        kind if kind.is_numeric() => FieldType::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => FieldType::Text,
        _ => return None,
    })
}

/// The canonical value of one cell.
///
/// # Errors
/// A few words, without the value, when the cell has no canonical form (a float that is no number,
/// text marked as JSON that is none).
pub(crate) fn value_at(array: &dyn Array, row: usize, json: bool) -> Result<Value, &'static str> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let integer = |value: i64| Value::Number(Decimal::from(value));
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => integer(i64::from(array.as_primitive::<Int8Type>().value(row))),
        DataType::Int16 => integer(i64::from(array.as_primitive::<Int16Type>().value(row))),
        DataType::Int32 => integer(i64::from(array.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => integer(i64::from(array.as_primitive::<UInt8Type>().value(row))),
        DataType::UInt16 => integer(i64::from(array.as_primitive::<UInt16Type>().value(row))),
        DataType::UInt32 => integer(i64::from(array.as_primitive::<UInt32Type>().value(row))),
        DataType::UInt64 => Value::Number(Decimal::new(
            i128::from(array.as_primitive::<UInt64Type>().value(row)),
            0,
        )),
        DataType::Float32 => float(&array.as_primitive::<Float32Type>().value(row).to_string())?,
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            Value::Number(Decimal::from_f64(value).ok_or("is not a finite number")?)
        }
        DataType::Decimal128(_, scale) => Value::Number(Decimal::new(
            array.as_primitive::<Decimal128Type>().value(row),
            i16::from(*scale),
        )),
        DataType::Decimal256(_, scale) => {
            let array = array.as_primitive::<Decimal256Type>();
            match wide(array.value(row), *scale) {
                Some(number) => Value::Number(number),
                None => float(&array.value_as_string(row))?,
            }
        }
        DataType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Date64 => Value::Date(days_of_millis(array.as_primitive::<Date64Type>().value(row))),
        DataType::Timestamp(unit, _) => Value::Timestamp(micros_at(array, *unit, row)?),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), json)?,
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), json)?,
        DataType::Utf8View => text(array.as_string_view().value(row), json)?,
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref())?,
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref())?,
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            match value_at(dictionary.keys(), row, false)? {
                Value::Number(Decimal::Small { unscaled, .. }) => {
                    let at = usize::try_from(unscaled).map_err(|_| "has a broken dictionary")?;
                    value_at(dictionary.values().as_ref(), at, json)?
                }
                _ => Value::Null,
            }
        }
        DataType::Null => Value::Null,
        _ => formatted(array, row)?,
    })
}

/// The number of 256 bits, where 128 hold it without zeros at its end. Columns are made wide for
/// what they may hold, and hold short numbers.
fn wide(unscaled: i256, scale: i8) -> Option<Decimal> {
    const STEP: i8 = 19;
    let step = i256::from_i128(10i128.pow(STEP.unsigned_abs().into()));
    let (mut unscaled, mut scale) = (unscaled, scale);
    loop {
        if let Some(small) = unscaled.to_i128() {
            return Some(Decimal::new(small, i16::from(scale)));
        }
        let shorter = unscaled.checked_div(step)?;
        if scale < STEP || shorter.checked_mul(step)? != unscaled {
            return None;
        }
        (unscaled, scale) = (shorter, scale - STEP);
    }
}

fn float(text: &str) -> Result<Value, &'static str> {
    Decimal::parse(text)
        .map(Value::Number)
        .ok_or("is not a finite number")
}

fn text(text: &str, json: bool) -> Result<Value, &'static str> {
    if json {
        Value::json(text).map_err(|_| "is not JSON")
    } else {
        Ok(Value::text(text))
    }
}

fn list(items: &dyn Array) -> Result<Value, &'static str> {
    let mut texts = Vec::with_capacity(items.len());
    for index in 0..items.len() {
        let item = value_at(items, index, false)?;
        if !item.is_null() {
            texts.push(item.to_string());
        }
    }
    Ok(Value::List(texts))
}

/// Types no destination has (times of day, intervals, bytes): their Arrow text.
fn formatted(array: &dyn Array, row: usize) -> Result<Value, &'static str> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).map_err(|_| "has a type that cannot be sent")?;
    formatter
        .value(row)
        .try_to_string()
        .map(|text| Value::text(&text))
        .map_err(|_| "cannot be read as text")
}

fn days_of_millis(millis: i64) -> i32 {
    i32::try_from(millis.div_euclid(86_400_000)).unwrap_or(i32::MAX)
}

fn micros_at(array: &dyn Array, unit: TimeUnit, row: usize) -> Result<i64, &'static str> {
    let far = "is too far in time";
    match unit {
        TimeUnit::Second => array
            .as_primitive::<TimestampSecondType>()
            .value(row)
            .checked_mul(1_000_000)
            .ok_or(far),
        TimeUnit::Millisecond => array
            .as_primitive::<TimestampMillisecondType>()
            .value(row)
            .checked_mul(1_000)
            .ok_or(far),
        TimeUnit::Microsecond => Ok(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        TimeUnit::Nanosecond => Ok(array
            .as_primitive::<TimestampNanosecondType>()
            .value(row)
            .div_euclid(1_000)),
    }
}

/// Adds a column's prints to the rows' prints.
///
/// A cell without canonical form adds a print of its own kind: the row then differs from anything
/// acknowledged and is looked at again, where the error is told.
pub(crate) fn add_column(array: &dyn Array, json: bool, printer: Printer, field: u64, rows: &mut [Print]) {
    if json {
        return add_slowly(array, true, printer, field, rows);
    }
    match array.data_type() {
        DataType::Boolean => add_booleans(array.as_boolean(), printer, field, rows),
        DataType::Int8 => add_integers::<Int8Type>(array.as_primitive(), printer, field, rows),
        DataType::Int16 => add_integers::<Int16Type>(array.as_primitive(), printer, field, rows),
        DataType::Int32 => add_integers::<Int32Type>(array.as_primitive(), printer, field, rows),
        DataType::Int64 => add_integers::<Int64Type>(array.as_primitive(), printer, field, rows),
        DataType::UInt8 => add_integers::<UInt8Type>(array.as_primitive(), printer, field, rows),
        DataType::UInt16 => add_integers::<UInt16Type>(array.as_primitive(), printer, field, rows),
        DataType::UInt32 => add_integers::<UInt32Type>(array.as_primitive(), printer, field, rows),
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values().iter();
            add_each(array, values, printer, field, rows, |value| {
                Decimal::from_f64(*value).map_or_else(|| broken(printer), |number| printer.number(&number))
            });
        }
        DataType::Decimal128(_, scale) => add_decimals(array.as_primitive(), *scale, printer, field, rows),
        DataType::Decimal256(_, scale) => {
            let array = array.as_primitive::<Decimal256Type>();
            add_each(
                array,
                array.values().iter().enumerate(),
                printer,
                field,
                rows,
                |(row, unscaled)| {
                    wide(*unscaled, *scale)
                        .or_else(|| Decimal::parse(&array.value_as_string(row)))
                        .map_or_else(|| broken(printer), |number| printer.number(&number))
                },
            );
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().values().iter();
            add_each(array, days, printer, field, rows, |days| printer.date(*days));
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().values().iter();
            add_each(array, micros, printer, field, rows, |micros| {
                printer.timestamp(*micros)
            });
        }
        DataType::Timestamp(unit, _) => {
            let unit = *unit;
            add_each(array, 0..array.len(), printer, field, rows, |row| {
                micros_at(array, unit, row)
                    .map_or_else(|_| broken(printer), |micros| printer.timestamp(micros))
            });
        }
        DataType::Utf8 => add_texts(array.as_string::<i32>(), printer, field, rows),
        DataType::LargeUtf8 => add_texts(array.as_string::<i64>(), printer, field, rows),
        DataType::Utf8View => add_views(array.as_string_view(), printer, field, rows),
        _ => add_slowly(array, false, printer, field, rows),
    }
}

/// Sends for the cells of some rows: they lie far apart, and one by one each would be waited for.
pub(crate) fn send_for(array: &dyn Array, rows: impl Iterator<Item = usize>) {
    let data = array.to_data();
    let width = match data.data_type() {
        DataType::Utf8View => size_of::<u128>(),
        kind => kind.primitive_width().unwrap_or(0),
    };
    if let Some(cells) = data.buffers().first() {
        for row in rows {
            prefetch(cells.as_slice(), (data.offset() + row) * width);
        }
    }
}

/// Sends for the texts that do not lie in their views; those are here by now.
pub(crate) fn send_for_texts(array: &dyn Array, rows: impl Iterator<Item = usize>) {
    let Some(texts) = array.as_string_view_opt() else {
        return;
    };
    for view in rows.filter_map(|row| texts.views().get(row)) {
        let view = ByteView::from(*view);
        if view.length as usize > SHORT_TEXT
            && let Some(buffer) = texts.data_buffers().get(view.buffer_index as usize)
        {
            prefetch(buffer.as_slice(), view.offset as usize);
        }
    }
}

/// The print that stands for "no canonical form".
fn broken(printer: Printer) -> Print {
    printer.field("\u{0}broken")
}

fn add_slowly(array: &dyn Array, json: bool, printer: Printer, field: u64, rows: &mut [Print]) {
    let mut scratch = Vec::new();
    for (row, print) in rows.iter_mut().enumerate() {
        let own = value_at(array, row, json)
            .map_or_else(|_| broken(printer), |value| printer.value(&value, &mut scratch));
        *print = add_field(*print, field, own);
    }
}

/// Adds the print of every value, or of NULL.
#[inline(always)]
fn add_each<T>(
    array: &dyn Array,
    values: impl Iterator<Item = T>,
    printer: Printer,
    field: u64,
    rows: &mut [Print],
    mut print: impl FnMut(T) -> Print,
) {
    // Most columns have no NULL: they need not be asked row by row.
    match array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (slot, value) in rows.iter_mut().zip(values) {
                *slot = add_field(*slot, field, print(value));
            }
        }
        Some(nulls) => {
            let null = printer.null();
            for ((slot, value), valid) in rows.iter_mut().zip(values).zip(nulls.iter()) {
                *slot = add_field(*slot, field, if valid { print(value) } else { null });
            }
        }
    }
}

fn add_booleans(array: &BooleanArray, printer: Printer, field: u64, rows: &mut [Print]) {
    let prints = [printer.bool(false), printer.bool(true)];
    let values = array.values().iter();
    add_each(array, values, printer, field, rows, |value| {
        prints[usize::from(value)]
    });
}

fn add_integers<T>(array: &PrimitiveArray<T>, printer: Printer, field: u64, rows: &mut [Print])
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128>,
{
    let values = array.values().iter().copied();
    add_each(array, values, printer, field, rows, |value| {
        printer.integer(value.into())
    });
}

fn add_decimals(array: &Decimal128Array, scale: i8, printer: Printer, field: u64, rows: &mut [Print]) {
    let values = array.values().iter().copied();
    add_each(array, values, printer, field, rows, |unscaled| {
        // 64-bit division is several times faster, and most amounts fit.
        if let (Ok(mut small), Ok(mut left)) = (i64::try_from(unscaled), u8::try_from(scale)) {
            while left > 0 && small % 10 == 0 {
                small /= 10;
                left -= 1;
            }
            return printer.decimal(i128::from(small), left);
        }
        printer.number(&Decimal::new(unscaled, i16::from(scale)))
    });
}

fn add_texts<O: OffsetSizeTrait>(
    array: &GenericStringArray<O>,
    printer: Printer,
    field: u64,
    rows: &mut [Print],
) {
    let values = 0..array.len();
    add_each(array, values, printer, field, rows, |row| {
        printer.text(array.value(row))
    });
}

/// Short texts lie in the view itself, in the very form they are printed in.
fn add_views(array: &StringViewArray, printer: Printer, field: u64, rows: &mut [Print]) {
    let views = array.views().iter().enumerate();
    add_each(array, views, printer, field, rows, |(row, view)| {
        if *view as u32 as usize <= SHORT_TEXT && is_plain_view(*view) {
            printer.short_text(*view)
        } else {
            printer.text(array.value(row))
        }
    });
}

/// The position of a column by name: exact first, else ignoring case when only one fits.
pub(crate) fn find_column(batch: &arrow_schema::Schema, name: &str) -> ColumnMatch {
    if let Some((index, _)) = batch.column_with_name(name) {
        return ColumnMatch::At(index);
    }
    let mut found = batch
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.name().eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some((index, _)), None) => ColumnMatch::At(index),
        (Some(_), Some(_)) => ColumnMatch::Ambiguous,
        _ => ColumnMatch::Missing,
    }
}

/// What looking a column up gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnMatch {
    /// Its position.
    At(usize),
    /// No such column.
    Missing,
    /// Several columns differ in case only.
    Ambiguous,
}

/// One column of a batch with what its field says about it.
pub(crate) fn column(batch: &RecordBatch, index: usize) -> (&dyn Array, bool) {
    (
        batch.column(index).as_ref(),
        is_json(batch.schema_ref().field(index)),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow_array::*;

    use super::*;

    /// A column of up to 38 digits before the point and 38 after it, a NULL between the numbers.
    fn wide_column(texts: &[&str; 2]) -> ArrayRef {
        let unscaled = |text: &str| {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            i256::from_string(&format!("{whole}{fraction:0<38}")).unwrap()
        };
        let values = vec![Some(unscaled(texts[0])), None, Some(unscaled(texts[1]))];
        let column = Decimal256Array::from(values)
            .with_precision_and_scale(76, 38)
            .unwrap();
        Arc::new(column)
    }

    #[test]
    fn a_wide_column_holds_the_numbers_that_its_digits_say() {
        let longest = format!("-{}.{}", "9".repeat(38), "9".repeat(38));
        for texts in [
            ["0", "1"],
            ["-12.3456", "1.7"],
            ["12345678901234567890", "-99999999999999999999999999999999999999"],
            ["1.0000000000000000001", "1.00000000000000000001"],
            [longest.as_str(), "0.00000000000000000000000000000000000001"],
        ] {
            let column = wide_column(&texts);
            for (row, text) in [(0, texts[0]), (2, texts[1])] {
                let number = Decimal::parse(text).map(Value::Number);
                assert_eq!(value_at(&column, row, false).ok(), number, "{text}");
            }
        }
    }

    #[test]
    fn column_prints_agree_with_value_prints() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Int64Array::from(vec![Some(0), None, Some(i64::MIN)])),
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(1)])),
            Arc::new(Float64Array::from(vec![Some(19.99), None, Some(-0.0)])),
            Arc::new(Float32Array::from(vec![Some(0.1), None, Some(2.0)])),
            Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(1e300)])),
            Arc::new(
                Decimal128Array::from(vec![Some(1500), None, Some(-1)])
                    .with_precision_and_scale(20, 2)
                    .unwrap(),
            ),
            wide_column(&["-12.3456", "0.00000000000000000000000000000000000001"]),
            Arc::new(Date32Array::from(vec![Some(0), None, Some(-400_000)])),
            Arc::new(TimestampMillisecondArray::from(vec![Some(1), None, Some(-1)]).with_timezone("UTC")),
            Arc::new(TimestampNanosecondArray::from(vec![Some(-1), None, Some(1_999)])),
            Arc::new(StringArray::from(vec![Some("e\u{301}"), None, Some("")])),
            Arc::new(StringViewArray::from(vec![
                Some("Zürich"),
                None,
                Some("longer than twelve bytes, e\u{301}"),
            ])),
            Arc::new(DictionaryArray::<arrow_array::types::Int32Type>::from_iter(vec![
                Some("x"),
                None,
                Some("y"),
            ])),
        ];
        let printer = Printer::new(3);
        let mut scratch = Vec::new();
        for column in columns {
            let mut rows = vec![0; 3];
            add_column(column.as_ref(), false, printer, 99, &mut rows);
            for (row, print) in rows.into_iter().enumerate() {
                let expected = match value_at(column.as_ref(), row, false) {
                    Ok(value) => printer.value(&value, &mut scratch),
                    Err(_) => broken(printer),
                };
                assert_eq!(
                    print,
                    add_field(0, 99, expected),
                    "{:?} row {row}",
                    column.data_type()
                );
            }
        }
    }

    #[test]
    fn equal_facts_in_other_types_have_one_print() {
        let printer = Printer::new(3);
        let columns: [ArrayRef; 4] = [
            Arc::new(Int32Array::from(vec![12])),
            Arc::new(Int64Array::from(vec![12])),
            Arc::new(Float64Array::from(vec![12.0])),
            Arc::new(
                Decimal128Array::from(vec![12_000])
                    .with_precision_and_scale(10, 3)
                    .unwrap(),
            ),
        ];
        let prints: Vec<Print> = columns
            .iter()
            .map(|column| {
                let mut rows = vec![0];
                add_column(column.as_ref(), false, printer, 1, &mut rows);
                rows[0]
            })
            .collect();
        assert!(prints.windows(2).all(|pair| pair[0] == pair[1]), "{prints:?}");
    }
}
