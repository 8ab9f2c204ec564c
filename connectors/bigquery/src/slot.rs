//! Values as the Storage Read API has them: a place in an Arrow array
//! (<https://cloud.google.com/bigquery/docs/reference/storage#arrow_schema_details>).

use std::borrow::Cow;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_buffer::i256;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use crate::cell::{Cell, bound};
use crate::kind::{BIGNUMERIC_SCALE, Kind, NUMERIC_SCALE};
use crate::scalar::{Scalar, Unfit, rescaled};

/// One value of an array.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    array: &'a dyn Array,
    row: usize,
}

impl<'a> Slot<'a> {
    /// The value of a row.
    pub(crate) fn new(array: &'a dyn Array, row: usize) -> Self {
        Self { array, row }
    }

    fn text(&self) -> Result<&'a str, Unfit> {
        match self.array.data_type() {
            DataType::Utf8 => Ok(self.array.as_string::<i32>().value(self.row)),
            DataType::LargeUtf8 => Ok(self.array.as_string::<i64>().value(self.row)),
            DataType::Utf8View => Ok(self.array.as_string_view().value(self.row)),
            _ => Err(Unfit::Malformed),
        }
    }

    /// An exact number: digits and how many of them follow the point.
    fn digits(&self) -> Result<(i256, i16), Unfit> {
        let row = self.row;
        let integer = |value: i64| (i256::from_i128(i128::from(value)), 0);
        Ok(match self.array.data_type() {
            DataType::Int8 => integer(self.array.as_primitive::<Int8Type>().value(row).into()),
            DataType::Int16 => integer(self.array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => integer(self.array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => integer(self.array.as_primitive::<Int64Type>().value(row)),
            DataType::Decimal128(_, scale) => {
                let digits = self.array.as_primitive::<Decimal128Type>().value(row);
                (i256::from_i128(digits), i16::from(*scale))
            }
            DataType::Decimal256(_, scale) => (
                self.array.as_primitive::<Decimal256Type>().value(row),
                i16::from(*scale),
            ),
            _ => return Err(Unfit::Malformed),
        })
    }

    fn decimal(&self, scale: i8) -> Result<Scalar<'a>, Unfit> {
        let (digits, places) = self.digits()?;
        rescaled(digits, places, scale).map(|digits| Scalar::Decimal(digits, scale))
    }

    fn micros(&self) -> Result<i64, Unfit> {
        let row = self.row;
        let unit = match self.array.data_type() {
            DataType::Timestamp(unit, _) => unit,
            _ => return Err(Unfit::Malformed),
        };
        let (value, factor) = match unit {
            TimeUnit::Second => (
                self.array.as_primitive::<TimestampSecondType>().value(row),
                1_000_000,
            ),
            TimeUnit::Millisecond => (
                self.array.as_primitive::<TimestampMillisecondType>().value(row),
                1_000,
            ),
            TimeUnit::Microsecond => (
                self.array.as_primitive::<TimestampMicrosecondType>().value(row),
                1,
            ),
            TimeUnit::Nanosecond => {
                let nanos = self.array.as_primitive::<TimestampNanosecondType>().value(row);
                return Ok(nanos.div_euclid(1_000));
            }
        };
        value.checked_mul(factor).ok_or(Unfit::OutOfRange)
    }
}

impl Cell for Slot<'_> {
    fn is_null(&self) -> bool {
        self.array.is_null(self.row) || *self.array.data_type() == DataType::Null
    }

    fn scalar(&self, kind: &Kind) -> Result<Scalar<'_>, Unfit> {
        let row = self.row;
        Ok(match (kind, self.array.data_type()) {
            (Kind::Boolean, DataType::Boolean) => Scalar::Boolean(self.array.as_boolean().value(row)),
            (Kind::Integer, _) => {
                let (digits, places) = self.digits()?;
                let whole = rescaled(digits, places, 0)?.to_i128().ok_or(Unfit::Malformed)?;
                Scalar::Integer(i64::try_from(whole).map_err(|_| Unfit::Malformed)?)
            }
            (Kind::Float, DataType::Float64) => {
                Scalar::Float(self.array.as_primitive::<Float64Type>().value(row))
            }
            (Kind::Float, DataType::Float32) => {
                Scalar::Float(self.array.as_primitive::<Float32Type>().value(row).into())
            }
            (Kind::Numeric, _) => self.decimal(NUMERIC_SCALE)?,
            (Kind::BigNumeric, _) => self.decimal(BIGNUMERIC_SCALE)?,
            (Kind::Text, _) => Scalar::Text(Cow::Borrowed(self.text()?)),
            (Kind::Json, _) => Scalar::Json(Cow::Borrowed(self.text()?)),
            (Kind::Bytes, DataType::Binary) => {
                Scalar::Bytes(Cow::Borrowed(self.array.as_binary::<i32>().value(row)))
            }
            (Kind::Bytes, DataType::LargeBinary) => {
                Scalar::Bytes(Cow::Borrowed(self.array.as_binary::<i64>().value(row)))
            }
            (Kind::Date, DataType::Date32) => {
                Scalar::Date(self.array.as_primitive::<Date32Type>().value(row))
            }
            (Kind::Datetime, _) => Scalar::Datetime(self.micros()?),
            (Kind::Timestamp, _) => Scalar::Timestamp(self.micros()?),
            (Kind::Time, DataType::Time64(TimeUnit::Microsecond)) => {
                Scalar::Time(self.array.as_primitive::<Time64MicrosecondType>().value(row))
            }
            (Kind::Time, DataType::Time64(TimeUnit::Nanosecond)) => {
                Scalar::Time(self.array.as_primitive::<Time64NanosecondType>().value(row) / 1_000)
            }
            (Kind::Interval, DataType::Interval(IntervalUnit::MonthDayNano)) => {
                let interval = self.array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                Scalar::Interval(interval.months, interval.days, interval.nanoseconds / 1_000)
            }
            // Some servers write what has no Arrow type as REST does.
            (Kind::Time | Kind::Interval, _) => Scalar::parse(kind, Cow::Borrowed(self.text()?))?,
            _ => return Err(Unfit::Malformed),
        })
    }

    fn items(&self) -> Result<Vec<Self>, Unfit> {
        if self.is_null() {
            return Ok(Vec::new());
        }
        let (values, offsets) = match self.array.data_type() {
            DataType::List(_) => {
                let list = self.array.as_list::<i32>();
                let offsets = list.value_offsets();
                let at = |row: usize| offsets.get(row).and_then(|at| usize::try_from(*at).ok());
                (list.values(), [at(self.row), at(self.row + 1)])
            }
            _ => return Err(Unfit::Malformed),
        };
        let [Some(start), Some(end)] = offsets else {
            return Err(Unfit::Malformed);
        };
        Ok((start..end).map(|row| Slot::new(values.as_ref(), row)).collect())
    }

    fn fields(&self) -> Result<Vec<Self>, Unfit> {
        match self.array.data_type() {
            DataType::Struct(_) => Ok(self
                .array
                .as_struct()
                .columns()
                .iter()
                .map(|column| Slot::new(column.as_ref(), self.row))
                .collect()),
            _ => Err(Unfit::Malformed),
        }
    }

    fn bounds(&self, element: &Kind) -> Result<[Option<String>; 2], Unfit> {
        let fields = self.fields()?;
        let [start, end] = fields.as_slice() else {
            return Err(Unfit::Malformed);
        };
        let read = |slot: &Slot<'_>| -> Result<Option<String>, Unfit> {
            if slot.is_null() {
                return Ok(None);
            }
            slot.scalar(element).map(|scalar| Some(bound(&scalar)))
        };
        Ok([read(start)?, read(end)?])
    }
}
