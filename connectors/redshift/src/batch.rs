//! Rows of text in, Arrow batches out.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, SchemaRef};
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::array;
use crate::cell::{self, Unfit};
use crate::kind::{Element, Kind, Typed};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Text after which a batch is closed early, in bytes: what a batch holds at most, but for one row.
const BATCH_BYTES: usize = 4 << 20;

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, u8),
    Wide(Decimal256Builder, u8, u8),
    Text(StringBuilder),
    Padded(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder, Vec<u8>),
    List(ListBuilder<StringBuilder>, Element),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        let arrow_type = kind.arrow_type();
        match kind {
            Kind::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Kind::Integer => Builder::Integer(Int64Builder::new()),
            Kind::Float32 => Builder::Float32(Float32Builder::new()),
            Kind::Float64 => Builder::Float64(Float64Builder::new()),
            Kind::Decimal { precision, scale } => match arrow_type {
                DataType::Decimal256(..) => Builder::Wide(
                    Decimal256Builder::new().with_data_type(arrow_type),
                    precision,
                    scale,
                ),
                _ => Builder::Decimal(
                    Decimal128Builder::new().with_data_type(arrow_type),
                    precision,
                    scale,
                ),
            },
            Kind::Text | Kind::Json | Kind::Money => Builder::Text(StringBuilder::new()),
            Kind::Padded => Builder::Padded(StringBuilder::new()),
            Kind::Date => Builder::Date(Date32Builder::new()),
            Kind::Timestamp | Kind::Instant => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(arrow_type))
            }
            Kind::Bytes => Builder::Bytes(BinaryBuilder::new(), Vec::new()),
            Kind::List(element) => Builder::List(ListBuilder::new(StringBuilder::new()), element),
        }
    }

    fn append(&mut self, text: &str) -> Result<(), Unfit> {
        match self {
            Builder::Boolean(builder) => builder.append_value(cell::boolean(text)?),
            Builder::Integer(builder) => builder.append_value(text.parse().map_err(|_| Unfit::Malformed)?),
            // NaN and infinities are floats; whoever needs a number refuses the row alone.
            Builder::Float32(builder) => builder.append_value(text.parse().map_err(|_| Unfit::Malformed)?),
            Builder::Float64(builder) => builder.append_value(text.parse().map_err(|_| Unfit::Malformed)?),
            Builder::Decimal(builder, precision, scale) => {
                builder.append_value(cell::decimal(text, *precision, *scale)?);
            }
            Builder::Wide(builder, precision, scale) => {
                builder.append_value(cell::wide_decimal(text, *precision, *scale)?);
            }
            Builder::Text(builder) => builder.append_value(text),
            Builder::Padded(builder) => builder.append_value(text.trim_end_matches(' ')),
            Builder::Date(builder) => builder.append_value(cell::date(text)?),
            Builder::Timestamp(builder) => builder.append_value(cell::timestamp(text)?),
            Builder::Bytes(builder, scratch) => {
                cell::bytes(text, scratch)?;
                builder.append_value(scratch);
            }
            Builder::List(builder, element) => {
                let texts = builder.values();
                array::items(text, *element, |item| texts.append_value(item))?;
                builder.append(true);
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Integer(builder) => builder.append_null(),
            Builder::Float32(builder) => builder.append_null(),
            Builder::Float64(builder) => builder.append_null(),
            Builder::Decimal(builder, ..) => builder.append_null(),
            Builder::Wide(builder, ..) => builder.append_null(),
            Builder::Text(builder) | Builder::Padded(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Timestamp(builder) => builder.append_null(),
            Builder::Bytes(builder, _) => builder.append_null(),
            Builder::List(builder, _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Float32(builder) => Arc::new(builder.finish()),
            Builder::Float64(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, ..) => Arc::new(builder.finish()),
            Builder::Wide(builder, ..) => Arc::new(builder.finish()),
            Builder::Text(builder) | Builder::Padded(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
            Builder::Bytes(builder, _) => Arc::new(builder.finish()),
            Builder::List(builder, _) => Arc::new(builder.finish()),
        }
    }
}

/// Collects rows into batches of one schema.
pub(crate) struct Batcher {
    label: String,
    schema: SchemaRef,
    builders: Vec<Builder>,
    names: Vec<String>,
    /// Rows of the batch at hand.
    rows: usize,
    /// Bytes of text in it.
    bytes: usize,
    total_rows: u64,
    total_bytes: u64,
}

impl Batcher {
    /// A batcher for these columns; `label` is what messages call the model.
    pub(crate) fn new(label: &str, columns: &[Typed]) -> Self {
        let fields: Vec<_> = columns.iter().map(Typed::field).collect();
        Self {
            label: label.to_owned(),
            schema: Arc::new(Schema::new(fields)),
            builders: columns.iter().map(|column| Builder::new(column.kind)).collect(),
            names: columns.iter().map(|column| column.name.clone()).collect(),
            rows: 0,
            bytes: 0,
            total_rows: 0,
            total_bytes: 0,
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows taken so far.
    pub(crate) fn total_rows(&self) -> u64 {
        self.total_rows
    }

    /// Bytes of their values as they came.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Adds a row, given as a function from a column's position to its text; gives a batch when it is
    /// full.
    ///
    /// # Errors
    /// `value_unreadable` with column and row when a text is no value of its type; the function's own.
    pub(crate) fn row<'a>(
        &mut self,
        mut cell: impl FnMut(usize) -> Result<Option<&'a str>, ConnectorError>,
    ) -> Result<Option<RecordBatch>, ConnectorError> {
        self.total_rows += 1;
        for (at, builder) in self.builders.iter_mut().enumerate() {
            match cell(at)? {
                None => builder.append_null(),
                Some(text) => {
                    self.bytes += text.len();
                    if let Err(unfit) = builder.append(text) {
                        let name = self.names.get(at).map_or("", String::as_str);
                        return Err(unreadable(&self.label, name, self.total_rows, unfit));
                    }
                }
            }
        }
        self.rows += 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.finish().map(Some)
        } else {
            Ok(None)
        }
    }

    /// The rest, if there is any.
    pub(crate) fn rest(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        if self.rows == 0 {
            Ok(None)
        } else {
            self.finish().map(Some)
        }
    }

    fn finish(&mut self) -> Result<RecordBatch, ConnectorError> {
        let mut columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        // Room for texts grows by doubling, and whoever reads holds many batches.
        columns.iter_mut().for_each(|column| column.shrink_to_fit());
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.total_bytes += self.bytes as u64;
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|error| {
            ConnectorError::new(
                ErrorKind::Internal,
                "warehouse_batch",
                format!("rows do not form a batch: {error}"),
            )
        })
    }
}

fn unreadable(label: &str, column: &str, row: u64, unfit: Unfit) -> ConnectorError {
    let (what, hint) = unfit.words();
    ConnectorError::source(
        "value_unreadable",
        format!("{label}: column '{column}' of row {row} {what}"),
    )
    .with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Decimal256Type, Float32Type};

    use super::*;

    fn batcher(kind: Kind) -> Batcher {
        let column = Typed {
            name: "c".into(),
            kind,
            type_name: "t".into(),
        };
        Batcher::new("table t", &[column])
    }

    fn one(kind: Kind, texts: &[Option<&str>]) -> ArrayRef {
        let mut batcher = batcher(kind);
        for text in texts {
            assert!(batcher.row(|_| Ok(*text)).unwrap().is_none());
        }
        let batch = batcher.rest().unwrap().unwrap();
        assert_eq!(batch.schema(), *batcher.schema());
        assert_eq!(batcher.total_rows(), texts.len() as u64);
        Arc::clone(batch.column(0))
    }

    #[test]
    fn every_kind_takes_its_text_and_null() {
        for (kind, text) in [
            (Kind::Boolean, "t"),
            (Kind::Integer, "-9223372036854775808"),
            (Kind::Float64, "NaN"),
            (
                Kind::Decimal {
                    precision: 12,
                    scale: 2,
                },
                "12.50",
            ),
            (Kind::Text, ""),
            (Kind::Json, "{}"),
            (Kind::Date, "2026-11-25"),
            (Kind::Timestamp, "2026-11-25 10:00:00"),
            (Kind::Instant, "2026-11-25 10:00:00+00"),
            (Kind::Bytes, "\\x00"),
            (Kind::List(Element::Text), "{a}"),
        ] {
            let array = one(kind, &[Some(text), None]);
            assert_eq!((array.is_null(0), array.is_null(1)), (false, true), "{kind:?}");
            assert_eq!(array.data_type(), &kind.arrow_type());
        }
    }

    #[test]
    fn a_short_float_is_the_one_it_prints_as() {
        let array = one(Kind::Float32, &[Some("0.1"), Some("0.10000000149011612")]);
        let array = array.as_primitive::<Float32Type>();
        assert_eq!((array.value(0), array.value(1)), (0.1, 0.1));
    }

    #[test]
    fn a_number_without_limits_keeps_all_its_digits() {
        let kind = Kind::Decimal {
            precision: 76,
            scale: 38,
        };
        let array = one(kind, &[Some("12345678901234567890.123456789012345678901")]);
        let text = array.as_primitive::<Decimal256Type>().value_as_string(0);
        assert_eq!(
            text.trim_end_matches('0'),
            "12345678901234567890.123456789012345678901"
        );
    }

    #[test]
    fn blanks_that_fill_a_char_up_are_no_part_of_it() {
        let array = one(Kind::Padded, &[Some("ab  ")]);
        assert_eq!(array.as_string::<i32>().value(0), "ab");
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_without_being_quoted() {
        let mut batcher = batcher(Kind::Date);
        batcher.row(|_| Ok(Some("2026-01-01"))).unwrap();
        let error = batcher.row(|_| Ok(Some("infinity"))).unwrap_err();
        assert_eq!(error.message, "table t: column 'c' of row 2 is an infinite date");
        assert!(error.hint.unwrap().contains("nullif"));
    }

    #[test]
    fn large_cells_close_a_batch_early() {
        let mut batcher = batcher(Kind::Text);
        let text = "x".repeat(BATCH_BYTES);
        assert_eq!(batcher.row(|_| Ok(Some(&text))).unwrap().unwrap().num_rows(), 1);
        assert!(batcher.rest().unwrap().is_none());
        assert_eq!(batcher.total_bytes(), BATCH_BYTES as u64);
    }
}
