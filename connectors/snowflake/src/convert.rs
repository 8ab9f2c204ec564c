//! Columns as Snowflake sends them in Arrow, as columns of our types.
//!
//! The Arrow type of a column is the server's choice for each batch: a NUMBER comes in the narrowest integer
//! that holds the batch's values, without its point; a timestamp as one integer or as a struct of seconds,
//! nanoseconds and zone. What it means is the row type's to say.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::{Decimal256Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    Array, ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, TimestampMicrosecondArray,
    new_null_array,
};
use arrow_cast::cast;
use arrow_schema::DataType;

use crate::cell::{Unfit, decfloat, floating};
use crate::kind::Kind;
use crate::timestamps::{day, micros, micros_of_parts, time_of_day};

/// A value that does not fit: its row within the batch, and why.
pub(crate) type Misfit = (usize, Unfit);

/// The column as `kind` has it.
///
/// # Errors
/// The row and what is wrong with it; row 0 when the Arrow type is not one that `kind` comes in.
pub(crate) fn column(kind: Kind, array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    if array.data_type() == &DataType::Null {
        return Ok(new_null_array(&kind.arrow_type(), array.len()));
    }
    match kind {
        Kind::Boolean => of_type(array, &DataType::Boolean),
        Kind::Integer => integers(array),
        Kind::Decimal { precision, scale } => decimals(array, precision, scale),
        Kind::Decfloat => decfloats(array),
        Kind::Float => floats(array),
        Kind::Text | Kind::Json | Kind::Unknown => texts(array),
        Kind::Vector => vectors(array),
        Kind::Date => dates(array),
        Kind::Time(scale) => times(array, scale),
        Kind::Timestamp(scale) | Kind::Instant(scale) | Kind::Zoned(scale) => {
            let instants = instants(array, scale, matches!(kind, Kind::Zoned(_)))?;
            Ok(Arc::new(instants.with_data_type(kind.arrow_type())))
        }
        Kind::Bytes => bytes(array),
        Kind::Interval => Err(another()),
    }
}

fn another() -> Misfit {
    (0, Unfit::AnotherType)
}

fn of_type(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, Misfit> {
    if array.data_type() == wanted {
        Ok(Arc::clone(array))
    } else {
        Err(another())
    }
}

/// Integers of any width in 64 bits; none when these are no integers.
fn widened(array: &ArrayRef) -> Option<Int64Array> {
    match array.data_type() {
        DataType::Int8 => Some(array.as_primitive::<Int8Type>().unary(i64::from)),
        DataType::Int16 => Some(array.as_primitive::<Int16Type>().unary(i64::from)),
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().unary(i64::from)),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().clone()),
        _ => None,
    }
}

fn integers(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    if let Some(wide) = widened(array) {
        return Ok(Arc::new(wide));
    }
    let DataType::Decimal128(_, 0) = array.data_type() else {
        return Err(another());
    };
    let decimals = array.as_primitive::<Decimal128Type>();
    let narrow = decimals
        .try_unary::<_, Int64Type, std::num::TryFromIntError>(i64::try_from)
        .map_err(|_| (0, Unfit::TooManyDigits))?;
    Ok(Arc::new(narrow))
}

fn decimals(array: &ArrayRef, precision: u8, scale: u8) -> Result<ArrayRef, Misfit> {
    let own_scale = i8::try_from(scale).map_err(|_| another())?;
    let unscaled: Decimal128Array = match (widened(array), array.data_type()) {
        (Some(wide), _) => wide.unary(i128::from),
        // The array's own scale, where it says one, must be the row type's.
        (None, DataType::Decimal128(_, found)) if *found == own_scale || *found == 0 => {
            array.as_primitive::<Decimal128Type>().clone()
        }
        _ => return Err(another()),
    };
    let sized = unscaled
        .with_precision_and_scale(precision, own_scale)
        .map_err(|_| another())?;
    Ok(Arc::new(sized))
}

fn decfloats(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    let mut builder =
        Decimal256Builder::with_capacity(array.len()).with_data_type(Kind::Decfloat.arrow_type());
    if let Ok(texts) = texts(array) {
        for (row, text) in texts.as_string::<i32>().iter().enumerate() {
            match text {
                Some(text) => builder.append_value(decfloat(text).map_err(|unfit| (row, unfit))?),
                None => builder.append_null(),
            }
        }
        return Ok(Arc::new(builder.finish()));
    }
    let parts = array.as_struct_opt().ok_or_else(another)?;
    let exponents = parts
        .columns()
        .first()
        .and_then(|part| part.as_primitive_opt::<Int16Type>())
        .ok_or_else(another)?;
    let significands = parts
        .columns()
        .get(1)
        .and_then(|part| part.as_binary_opt::<i32>())
        .ok_or_else(another)?;
    for row in 0..array.len() {
        if array.is_null(row) || exponents.is_null(row) || significands.is_null(row) {
            builder.append_null();
            continue;
        }
        let significand = twos_complement(significands.value(row)).map_err(|unfit| (row, unfit))?;
        let value = floating(significand, i32::from(exponents.value(row))).map_err(|unfit| (row, unfit))?;
        builder.append_value(value);
    }
    Ok(Arc::new(builder.finish()))
}

/// A signed integer of up to 16 bytes, the most significant first.
fn twos_complement(bytes: &[u8]) -> Result<i128, Unfit> {
    if bytes.len() > 16 {
        return Err(Unfit::TooManyDigits);
    }
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1i128 } else { 0 };
    Ok(bytes
        .iter()
        .fold(start, |value, byte| (value << 8) | i128::from(*byte)))
}

fn floats(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    match array.data_type() {
        DataType::Float64 => Ok(Arc::clone(array)),
        DataType::Float32 => {
            let wide: Float64Array = array.as_primitive::<Float32Type>().unary(f64::from);
            Ok(Arc::new(wide))
        }
        _ => Err(another()),
    }
}

fn texts(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    match array.data_type() {
        DataType::Utf8 => Ok(Arc::clone(array)),
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8).map_err(|_| another()),
        DataType::Dictionary(_, values) if values.as_ref() == &DataType::Utf8 => {
            cast(array, &DataType::Utf8).map_err(|_| another())
        }
        _ => Err(another()),
    }
}

fn bytes(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    match array.data_type() {
        DataType::Binary => Ok(Arc::clone(array)),
        DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            cast(array, &DataType::Binary).map_err(|_| another())
        }
        _ => Err(another()),
    }
}

/// Vectors as JSON arrays.
fn vectors(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    if let Ok(texts) = texts(array) {
        return Ok(texts);
    }
    let lists = array.as_fixed_size_list_opt().ok_or_else(another)?;
    let mut builder = StringBuilder::new();
    let mut text = String::new();
    for row in 0..lists.len() {
        if lists.is_null(row) {
            builder.append_null();
            continue;
        }
        let items = lists.value(row);
        text.clear();
        text.push('[');
        for at in 0..items.len() {
            if at > 0 {
                text.push(',');
            }
            let written = if let Some(floats) = items.as_primitive_opt::<Float32Type>() {
                write!(text, "{}", floats.value(at))
            } else if let Some(integers) = items.as_primitive_opt::<Int32Type>() {
                write!(text, "{}", integers.value(at))
            } else {
                return Err(another());
            };
            written.map_err(|_| (row, Unfit::Malformed))?;
        }
        text.push(']');
        builder.append_value(&text);
    }
    Ok(Arc::new(builder.finish()))
}

fn dates(array: &ArrayRef) -> Result<ArrayRef, Misfit> {
    let values: Date32Array = match array.data_type() {
        DataType::Date32 => array.as_primitive::<Date32Type>().clone(),
        DataType::Int32 => array.as_primitive::<Int32Type>().reinterpret_cast(),
        _ => return Err(another()),
    };
    let fits = |value: i32| day(i64::from(value)).is_ok();
    // 1970, which always fits, and the values around it.
    let (first, last) =
        (values.iter().flatten()).fold((0, 0), |(first, last), day| (day.min(first), day.max(last)));
    if fits(first) && fits(last) {
        return Ok(Arc::new(values));
    }
    let beyond = |row: &usize| values.is_valid(*row) && !fits(values.value(*row));
    let row = (0..values.len()).find(beyond).unwrap_or(0);
    Err((row, Unfit::YearTooFar))
}

fn times(array: &ArrayRef, scale: u8) -> Result<ArrayRef, Misfit> {
    let units = widened(array).ok_or_else(another)?;
    let mut builder = StringBuilder::with_capacity(units.len(), units.len() * 15);
    for (row, units) in units.iter().enumerate() {
        match units {
            Some(units) => builder.append_value(time_of_day(units, scale).map_err(|unfit| (row, unfit))?),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Instants in microseconds. A zone that comes with them changes how they are written, not when they are.
fn instants(array: &ArrayRef, scale: u8, zoned: bool) -> Result<TimestampMicrosecondArray, Misfit> {
    if let Some(units) = widened(array) {
        return collect(array.len(), |row| {
            units
                .is_valid(row)
                .then(|| micros(i128::from(units.value(row)), scale))
        });
    }
    let parts = array.as_struct_opt().ok_or_else(another)?;
    let epochs = parts
        .columns()
        .first()
        .and_then(|part| part.as_primitive_opt::<Int64Type>())
        .ok_or_else(another)?;
    let fractions = match (parts.num_columns(), zoned) {
        // Seconds, nanoseconds, and perhaps a zone.
        (3, _) | (2, false) => parts.columns().get(1),
        // Units of the scale, and a zone.
        (2, true) => None,
        _ => return Err(another()),
    };
    match fractions {
        Some(fractions) => {
            let fractions = fractions.as_primitive_opt::<Int32Type>().ok_or_else(another)?;
            collect(array.len(), |row| {
                let valid = array.is_valid(row) && epochs.is_valid(row) && fractions.is_valid(row);
                valid.then(|| micros_of_parts(epochs.value(row), fractions.value(row)))
            })
        }
        None => collect(array.len(), |row| {
            let valid = array.is_valid(row) && epochs.is_valid(row);
            valid.then(|| micros(i128::from(epochs.value(row)), scale))
        }),
    }
}

fn collect(
    rows: usize,
    value: impl Fn(usize) -> Option<Result<i64, Unfit>>,
) -> Result<TimestampMicrosecondArray, Misfit> {
    let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
    for row in 0..rows {
        match value(row) {
            Some(value) => builder.append_value(value.map_err(|unfit| (row, unfit))?),
            None => builder.append_null(),
        }
    }
    Ok(builder.finish())
}
