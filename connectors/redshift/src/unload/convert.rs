//! Columns as UNLOAD writes them, as the columns that come over the connection are.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;

use crate::kind::{Kind, Typed};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// A file is not what Redshift said it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// No whole Parquet file.
    Damaged,
    /// Other columns than the model's.
    Columns,
    /// A column of another type, or a value its type cannot hold.
    Column(String),
    /// Another number of rows.
    Rows(u64),
}

/// Whether UNLOAD writes columns of this type to Parquet so that they read back as the same values.
pub(crate) fn is_writable(column: &Typed) -> bool {
    match column.kind {
        Kind::Boolean
        | Kind::Integer
        | Kind::Float32
        | Kind::Float64
        | Kind::Decimal { .. }
        | Kind::Padded
        | Kind::Json
        | Kind::Date
        | Kind::Timestamp
        | Kind::Instant => true,
        // TIME, TIMETZ, intervals and types of unknown names read as text over the connection alone.
        Kind::Text => matches!(column.type_name.as_str(), "varchar" | "text"),
        Kind::Bytes | Kind::List(_) | Kind::Money => false,
    }
}

/// A file that is being read.
pub(crate) struct Parts {
    reader: ParquetRecordBatchReader,
    columns: Arc<[Typed]>,
    schema: SchemaRef,
    expected: u64,
    read: u64,
}

impl Parts {
    /// Opens a file of so many rows.
    ///
    /// # Errors
    /// When it is damaged, or has other columns or another number of rows.
    pub(crate) fn open(
        file: Bytes,
        columns: &Arc<[Typed]>,
        schema: &SchemaRef,
        rows: u64,
    ) -> Result<Self, Unfit> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|_| Unfit::Damaged)?;
        let names = metadata.schema().fields().iter().map(|field| field.name());
        let same = names.len() == columns.len()
            && names
                .zip(columns.iter())
                .all(|(name, column)| name.eq_ignore_ascii_case(&column.name));
        if !same {
            return Err(Unfit::Columns);
        }
        let promised = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or_default();
        if promised != rows {
            return Err(Unfit::Rows(promised));
        }
        let metadata = with_microseconds(metadata).ok_or(Unfit::Damaged)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|_| Unfit::Damaged)?;
        Ok(Self {
            reader,
            columns: Arc::clone(columns),
            schema: Arc::clone(schema),
            expected: rows,
            read: 0,
        })
    }

    /// The next rows; none after the last.
    ///
    /// # Errors
    /// When the file is damaged, a column does not fit, or rows lack.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, Unfit> {
        let Some(batch) = self.reader.next() else {
            return match self.read == self.expected {
                true => Ok(None),
                false => Err(Unfit::Rows(self.read)),
            };
        };
        let batch = batch.map_err(|_| Unfit::Damaged)?;
        self.read += batch.num_rows() as u64;
        let arrays: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(self.columns.iter())
            .map(|(array, column)| {
                converted(array, column.kind).ok_or_else(|| Unfit::Column(column.name.clone()))
            })
            .collect::<Result<_, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map(Some)
            .map_err(|_| Unfit::Columns)
    }
}

/// Old-style instants (INT96) as microseconds: in nanoseconds, what lies beyond 2262 would not fit.
fn with_microseconds(metadata: ArrowReaderMetadata) -> Option<ArrowReaderMetadata> {
    let roots = metadata.parquet_schema().root_schema().get_fields();
    let fields: Vec<Field> = metadata
        .schema()
        .fields()
        .iter()
        .zip(roots)
        .map(|(field, root)| {
            let is_old = root.is_primitive() && root.get_physical_type() == PhysicalType::INT96;
            match field.data_type() {
                DataType::Timestamp(_, zone) if is_old => field
                    .as_ref()
                    .clone()
                    .with_data_type(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
                _ => field.as_ref().clone(),
            }
        })
        .collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).ok()
}

fn converted(array: &ArrayRef, kind: Kind) -> Option<ArrayRef> {
    let found = array.data_type();
    let fits = match kind {
        Kind::Boolean => *found == DataType::Boolean,
        Kind::Integer => found.is_integer(),
        Kind::Float32 | Kind::Float64 => found.is_floating(),
        Kind::Decimal { .. } => found.is_decimal() || found.is_integer(),
        Kind::Text | Kind::Padded | Kind::Json => matches!(
            found,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary
        ),
        Kind::Date => *found == DataType::Date32,
        Kind::Timestamp | Kind::Instant => matches!(found, DataType::Timestamp(..)),
        Kind::Bytes | Kind::List(_) | Kind::Money => false,
    };
    if !fits {
        return None;
    }
    match kind {
        Kind::Timestamp | Kind::Instant => instants(array, kind),
        Kind::Padded => {
            let texts = exactly(array, &DataType::Utf8)?;
            let trimmed = texts.as_string::<i32>().iter();
            let trimmed: StringArray = trimmed
                .map(|text| text.map(|text| text.trim_end_matches(' ')))
                .collect();
            Some(Arc::new(trimmed))
        }
        _ => exactly(array, &kind.arrow_type()),
    }
}

/// Instants of any unit; the zone is UTC's or none, and says nothing about the value.
fn instants(array: &ArrayRef, kind: Kind) -> Option<ArrayRef> {
    let DataType::Timestamp(_, zone) = array.data_type() else {
        return None;
    };
    let micros = exactly(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
    let micros: TimestampMicrosecondArray = micros.as_primitive::<TimestampMicrosecondType>().clone();
    let zone = match kind {
        Kind::Instant => Some("UTC"),
        _ => None,
    };
    Some(Arc::new(micros.with_timezone_opt(zone)))
}

/// The values in another type, each or none.
fn exactly(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    if array.data_type() == to {
        return Some(Arc::clone(array));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let cast = cast_with_options(array, to, &options).ok()?;
    (cast.null_count() == array.null_count()).then_some(cast)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::{
        Decimal128Array, Int16Array, Int64Array, TimestampMillisecondArray, TimestampNanosecondArray,
    };

    use super::*;

    #[test]
    fn narrow_numbers_become_those_of_the_connection() {
        let small: ArrayRef = Arc::new(Int16Array::from(vec![Some(-7), None]));
        let wide = converted(&small, Kind::Integer).unwrap();
        assert_eq!(
            wide.as_ref(),
            &Int64Array::from(vec![Some(-7), None]) as &dyn Array
        );
        let money: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(-1), None])
                .with_precision_and_scale(12, 2)
                .unwrap(),
        );
        let open = Kind::Decimal {
            precision: 76,
            scale: 38,
        };
        let open = converted(&money, open).unwrap();
        assert_eq!(open.data_type(), &DataType::Decimal256(76, 38));
        assert_eq!(open.null_count(), 1);
        let narrow = Kind::Decimal {
            precision: 2,
            scale: 2,
        };
        let large: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(12_345)])
                .with_precision_and_scale(12, 2)
                .unwrap(),
        );
        assert!(converted(&large, narrow).is_none(), "a value is never cut");
    }

    #[test]
    fn instants_of_any_unit_are_microseconds_in_utc() {
        let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None]));
        let nanos: ArrayRef =
            Arc::new(TimestampNanosecondArray::from(vec![Some(-1_000_000), None]).with_timezone("UTC"));
        for array in [millis, nanos] {
            for (kind, zone) in [(Kind::Timestamp, None), (Kind::Instant, Some("UTC"))] {
                let found = converted(&array, kind).unwrap();
                let zone = zone.map(Into::into);
                assert_eq!(
                    found.data_type(),
                    &DataType::Timestamp(TimeUnit::Microsecond, zone)
                );
                assert_eq!(found.as_primitive::<TimestampMicrosecondType>().value(0), -1_000);
                assert!(found.is_null(1));
            }
        }
    }

    #[test]
    fn blanks_at_the_end_of_char_are_no_part_of_it() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a b  "), None, Some("  ")]));
        let trimmed = converted(&texts, Kind::Padded).unwrap();
        let trimmed: Vec<_> = trimmed.as_string::<i32>().iter().collect();
        assert_eq!(trimmed, [Some("a b"), None, Some("")]);
        let kept = converted(&texts, Kind::Text).unwrap();
        assert_eq!(kept.as_string::<i32>().value(0), "a b  ");
    }

    #[test]
    fn a_column_of_another_type_is_refused() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        assert!(converted(&numbers, Kind::Text).is_none());
        assert!(converted(&texts, Kind::Integer).is_none());
        assert!(converted(&texts, Kind::Date).is_none());
        assert!(converted(&numbers, Kind::Timestamp).is_none());
    }

    #[test]
    fn what_parquet_files_of_redshift_cannot_hold_comes_over_the_connection() {
        let typed = |kind, type_name: &str| Typed {
            name: "c".into(),
            kind,
            type_name: type_name.into(),
        };
        for (kind, type_name, writable) in [
            (Kind::Text, "varchar", true),
            (Kind::Text, "time", false),
            (Kind::Text, "geometry", false),
            (Kind::Text, "interval day to second", false),
            (Kind::Text, "unknown", false),
            (Kind::Bytes, "varbyte", false),
            (Kind::Json, "super", true),
            (Kind::Instant, "timestamptz", true),
        ] {
            assert_eq!(is_writable(&typed(kind, type_name)), writable, "{type_name}");
        }
    }
}
