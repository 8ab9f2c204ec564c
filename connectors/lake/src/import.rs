//! Copies a file into SQLite's private temporary database, so that SQL can run over it.
//!
//! Values keep their meaning on the way: text columns have TEXT affinity, dates and instants (in
//! UTC) are ISO text of a declared type, decimals are numbers where a float or an integer holds them
//! exactly and text beyond that, in columns without affinity so that SQLite converts nothing.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use outflow_sdk::value::{Decimal, civil_date};
use outflow_sdk::{ConnectorError, ErrorKind};
use rusqlite::types::Value;
use rusqlite::{Connection, Statement};

use crate::kind::is_json_field;
use crate::messages;
use crate::open::FileTable;
use crate::sink::{Cancel, Flow, Halt, Look, Sink};
use crate::sqlite::quoted;

/// Creates the empty table for a file.
pub(crate) fn create(connection: &Connection, table: &str, source: &FileTable) -> Result<(), ConnectorError> {
    let fields = source.fields();
    if fields.is_empty() {
        return Err(ConnectorError::source(
            "no_columns",
            format!("table '{table}': the file has no lines, so nobody knows its columns"),
        ));
    }
    let mut folded: Vec<String> = fields.iter().map(|field| field.name().to_lowercase()).collect();
    folded.sort_unstable();
    if let Some(pair) = folded.windows(2).find(|pair| pair.first() == pair.last()) {
        let name = pair.first().map_or("", String::as_str);
        return Err(ConnectorError::source(
            "ambiguous_column",
            format!("table '{table}': several columns are called '{name}' but for case, which SQL cannot tell apart"),
        )
        .with_hint("rename one of them in the file, or read it with `table:`"));
    }
    let columns: Vec<String> = fields
        .iter()
        .map(|field| format!("{} {}", quoted(field.name()), declaration(field)))
        .collect();
    let ddl = format!("CREATE TABLE main.{} ({})", quoted(table), columns.join(", "));
    connection
        .execute_batch(&ddl)
        .map_err(|error| messages::sqlite(table, &error))
}

fn declaration(field: &Field) -> String {
    match field.data_type() {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Timestamp(..) => "TIMESTAMP".into(),
        // "BLOB" in the name keeps SQLite from turning exact text into a float.
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) if *scale >= 0 => {
            format!("EXACT_BLOB_DECIMAL({precision},{scale})")
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::UInt64 => "EXACT_BLOB_DECIMAL".into(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "REAL".into(),
        kind if kind.is_integer() => "INTEGER".into(),
        DataType::List(_) | DataType::LargeList(_) => "JSON_TEXT".into(),
        _ if is_json_field(field) => "JSON_TEXT".into(),
        _ => "TEXT".into(),
    }
}

/// Copies the rows; as many as `look` says. Gives the bytes of the file that were read, if known.
pub(crate) fn fill(
    connection: &Connection,
    table: &str,
    source: FileTable,
    look: Look,
    cancel: &Cancel,
) -> Flow<Option<u64>> {
    let failed = |error: rusqlite::Error| messages::sqlite_halt(table, &error, cancel);
    let marks = vec!["?"; source.fields().len()].join(", ");
    let insert = format!("INSERT INTO main.{} VALUES ({marks})", quoted(table));
    connection.execute_batch("BEGIN").map_err(failed)?;
    let mut inserter = Inserter {
        statement: connection.prepare(&insert).map_err(failed)?,
        table,
        left: look.rows(),
        cancel,
    };
    let bytes = match source.stream(cancel, &mut inserter) {
        Ok(tally) => tally.bytes,
        Err(Halt::Cancelled) if inserter.left == 0 => None,
        Err(halt) => return Err(halt),
    };
    drop(inserter);
    connection.execute_batch("COMMIT").map_err(failed)?;
    Ok(bytes)
}

struct Inserter<'a> {
    statement: Statement<'a>,
    table: &'a str,
    left: u64,
    cancel: &'a Cancel,
}

impl Sink for Inserter<'_> {
    fn schema(&mut self, _: &SchemaRef) -> Flow {
        Ok(())
    }

    fn batch(&mut self, batch: RecordBatch) -> Flow {
        for row in 0..batch.num_rows() {
            if self.left == 0 {
                return Err(Halt::Cancelled);
            }
            self.left -= 1;
            for (at, column) in batch.columns().iter().enumerate() {
                let value = sql_value(column.as_ref(), row)?;
                self.statement
                    .raw_bind_parameter(at + 1, value)
                    .map_err(|error| messages::sqlite(self.table, &error))?;
            }
            self.statement
                .raw_execute()
                .map_err(|error| messages::sqlite_halt(self.table, &error, self.cancel))?;
        }
        Ok(())
    }
}

/// The cell as SQLite holds it.
fn sql_value(array: &dyn Array, row: usize) -> Result<Value, ConnectorError> {
    use arrow_array::types::{
        Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    };
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Integer(array.as_boolean().value(row).into()),
        DataType::Int8 => Value::Integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Value::Integer(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Value::Integer(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Value::Integer(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Value::Integer(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => number(&Decimal::new(
            array.as_primitive::<UInt64Type>().value(row).into(),
            0,
        )),
        // The shortest decimal of a 32-bit float, not its longer 64-bit neighbour.
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            Value::Real(value.to_string().parse().unwrap_or(f64::from(value)))
        }
        DataType::Float64 => Value::Real(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => number(&Decimal::new(
            array.as_primitive::<Decimal128Type>().value(row),
            i16::from(*scale),
        )),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Value::Text(array.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Value::Text(array.as_string_view().value(row).to_owned()),
        DataType::Date32 => civil_date(array.as_primitive::<Date32Type>().value(row))
            .map_or(Value::Null, |date| Value::Text(date.to_string())),
        DataType::Date64 => {
            let days = array
                .as_primitive::<Date64Type>()
                .value(row)
                .div_euclid(86_400_000);
            i32::try_from(days)
                .ok()
                .and_then(civil_date)
                .map_or(Value::Null, |date| Value::Text(date.to_string()))
        }
        DataType::Timestamp(unit, _) => Value::Text(instant(array, *unit, row)?),
        DataType::List(_) => Value::Text(list(array.as_list::<i32>().value(row).as_ref())?),
        DataType::LargeList(_) => Value::Text(list(array.as_list::<i64>().value(row).as_ref())?),
        _ => {
            let text = formatted(array, row)?;
            match Decimal::parse(&text) {
                Some(exact) if array.data_type().is_numeric() => number(&exact),
                _ => Value::Text(text),
            }
        }
    })
}

/// A number SQL can calculate with where that is exact, else its digits.
fn number(exact: &Decimal) -> Value {
    if let Some(whole) = exact.as_i128().and_then(|whole| i64::try_from(whole).ok()) {
        return Value::Integer(whole);
    }
    let text = exact.to_string();
    match text.parse::<f64>() {
        Ok(real) if Decimal::from_f64(real).as_ref() == Some(exact) => Value::Real(real),
        _ => Value::Text(text),
    }
}

fn instant(array: &dyn Array, unit: TimeUnit, row: usize) -> Result<String, ConnectorError> {
    use arrow_array::types::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    let parsed = match unit {
        TimeUnit::Second => {
            jiff::Timestamp::from_second(array.as_primitive::<TimestampSecondType>().value(row))
        }
        TimeUnit::Millisecond => {
            jiff::Timestamp::from_millisecond(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        TimeUnit::Microsecond => {
            jiff::Timestamp::from_microsecond(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        TimeUnit::Nanosecond => jiff::Timestamp::from_nanosecond(
            array.as_primitive::<TimestampNanosecondType>().value(row).into(),
        ),
    };
    let instant = parsed.map_err(|_| {
        ConnectorError::source(
            "timestamp_out_of_range",
            "an instant is beyond the years -9999 to 9999",
        )
    })?;
    let text = instant.to_string();
    Ok(text.trim_end_matches('Z').replace('T', " "))
}

fn list(items: &dyn Array) -> Result<String, ConnectorError> {
    let mut values = Vec::with_capacity(items.len());
    for row in 0..items.len() {
        values.push(match sql_value(items, row)? {
            Value::Null => serde_json::Value::Null,
            Value::Integer(value) => value.into(),
            Value::Real(value) => value.into(),
            Value::Text(text) => text.into(),
            Value::Blob(_) => serde_json::Value::Null,
        });
    }
    Ok(serde_json::Value::from(values).to_string())
}

fn formatted(array: &dyn Array, row: usize) -> Result<String, ConnectorError> {
    let options = FormatOptions::default();
    ArrayFormatter::try_new(array, &options)
        .and_then(|formatter| formatter.value(row).try_to_string())
        .map_err(|error| {
            ConnectorError::new(
                ErrorKind::Internal,
                "lake_import",
                format!("a value of type {} has no text: {error}", array.data_type()),
            )
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn decimals_are_numbers_where_that_is_exact() {
        let value = |text: &str| number(&Decimal::parse(text).unwrap());
        assert_eq!(value("12.50"), Value::Real(12.5));
        assert_eq!(value("7.00"), Value::Integer(7));
        let long = "12345678901234567890.12";
        assert_eq!(value(long), Value::Text(long.into()));
    }
}
