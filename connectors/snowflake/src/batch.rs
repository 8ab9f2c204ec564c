//! Rows of text in, Arrow batches out.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float64Builder,
    Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::cell::{self, Unfit};
use crate::kind::{Kind, Typed};

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Text after which a batch is closed early, in bytes: what a batch holds at most, but for one row.
const BATCH_BYTES: usize = 4 << 20;

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder, u8),
    Decfloat(Decimal256Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Time(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Zoned(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder, Vec<u8>),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        let arrow_type = kind.arrow_type();
        match kind {
            Kind::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Kind::Integer => Builder::Integer(Int64Builder::new()),
            Kind::Decimal { scale, .. } => {
                Builder::Decimal(Decimal128Builder::new().with_data_type(arrow_type), scale)
            }
            Kind::Decfloat => Builder::Decfloat(Decimal256Builder::new().with_data_type(arrow_type)),
            Kind::Float => Builder::Float(Float64Builder::new()),
            Kind::Text | Kind::Json | Kind::Vector | Kind::Interval | Kind::Unknown => {
                Builder::Text(StringBuilder::new())
            }
            Kind::Time(_) => Builder::Time(StringBuilder::new()),
            Kind::Date => Builder::Date(Date32Builder::new()),
            Kind::Timestamp(_) | Kind::Instant(_) => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(arrow_type))
            }
            Kind::Zoned(_) => Builder::Zoned(TimestampMicrosecondBuilder::new().with_data_type(arrow_type)),
            Kind::Bytes => Builder::Bytes(BinaryBuilder::new(), Vec::new()),
        }
    }

    fn append(&mut self, text: &str) -> Result<(), Unfit> {
        match self {
            Builder::Boolean(builder) => builder.append_value(cell::boolean(text)?),
            Builder::Integer(builder) => {
                let value = i64::try_from(cell::unscaled(text, 0)?).map_err(|_| Unfit::TooManyDigits)?;
                builder.append_value(value);
            }
            Builder::Decimal(builder, scale) => builder.append_value(cell::unscaled(text, *scale)?),
            Builder::Decfloat(builder) => builder.append_value(cell::decfloat(text)?),
            // NaN and infinities are floats; whoever needs a number refuses the row alone.
            Builder::Float(builder) => builder.append_value(cell::float(text)?),
            Builder::Text(builder) => builder.append_value(text),
            Builder::Time(builder) => builder.append_value(cell::time(text)?),
            Builder::Date(builder) => builder.append_value(cell::date(text)?),
            Builder::Timestamp(builder) => builder.append_value(cell::timestamp(text)?),
            Builder::Zoned(builder) => builder.append_value(cell::zoned(text)?),
            Builder::Bytes(builder, scratch) => {
                cell::bytes(text, scratch)?;
                builder.append_value(scratch);
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Integer(builder) => builder.append_null(),
            Builder::Decimal(builder, _) => builder.append_null(),
            Builder::Decfloat(builder) => builder.append_null(),
            Builder::Float(builder) => builder.append_null(),
            Builder::Text(builder) | Builder::Time(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Timestamp(builder) | Builder::Zoned(builder) => builder.append_null(),
            Builder::Bytes(builder, _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, _) => Arc::new(builder.finish()),
            Builder::Decfloat(builder) => Arc::new(builder.finish()),
            Builder::Float(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) | Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) | Builder::Zoned(builder) => Arc::new(builder.finish()),
            Builder::Bytes(builder, _) => Arc::new(builder.finish()),
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
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Cells of a row.
    pub(crate) fn width(&self) -> usize {
        self.builders.len()
    }

    /// Rows taken so far.
    pub(crate) fn total_rows(&self) -> u64 {
        self.total_rows
    }

    /// Adds the cell at position `at` of a row; there is none beyond the last column.
    ///
    /// # Errors
    /// `value_unreadable` with column and row when a text is no value of its type.
    pub(crate) fn cell(&mut self, at: usize, text: Option<&str>) -> Result<(), ConnectorError> {
        let Some(builder) = self.builders.get_mut(at) else {
            return Ok(());
        };
        match text {
            None => builder.append_null(),
            Some(text) => {
                self.bytes += text.len();
                builder.append(text).map_err(|unfit| {
                    let name = self.names.get(at).map_or("", String::as_str);
                    unreadable(&self.label, name, self.total_rows + 1, unfit)
                })?;
            }
        }
        Ok(())
    }

    /// Ends a row whose every cell was added; gives a batch when it is full.
    pub(crate) fn end_row(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        self.rows += 1;
        self.total_rows += 1;
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
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        form(&self.schema, columns, rows)
    }
}

/// A batch of these columns.
pub(crate) fn form(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, ConnectorError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| {
        ConnectorError::new(
            ErrorKind::Internal,
            "warehouse_batch",
            format!("rows do not form a batch: {error}"),
        )
    })
}

/// A value that does not fit its column, without the value.
pub(crate) fn unreadable(label: &str, column: &str, row: u64, unfit: Unfit) -> ConnectorError {
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

    use arrow_array::Array;

    use super::*;

    fn batcher(kind: Kind) -> Batcher {
        let column = Typed {
            name: "C".into(),
            kind,
            type_name: "T".into(),
        };
        Batcher::new("table T", &[column])
    }

    #[test]
    fn every_kind_takes_its_text_and_null() {
        for (kind, text) in [
            (Kind::Boolean, "1"),
            (Kind::Integer, "-7"),
            (
                Kind::Decimal {
                    precision: 12,
                    scale: 2,
                },
                "12.50",
            ),
            (Kind::Decfloat, "1.5e3"),
            (Kind::Float, "NaN"),
            (Kind::Text, ""),
            (Kind::Json, "{}"),
            (Kind::Vector, "[1.0,2.0]"),
            (Kind::Date, "20000"),
            (Kind::Time(9), "36000.000000000"),
            (Kind::Timestamp(9), "1764000000.000000000"),
            (Kind::Instant(0), "1764000000"),
            (Kind::Zoned(3), "1764000000.000 1440"),
            (Kind::Bytes, "00"),
            (Kind::Unknown, "x"),
        ] {
            let mut batcher = batcher(kind);
            for text in [Some(text), None] {
                batcher.cell(0, text).unwrap();
                assert!(batcher.end_row().unwrap().is_none());
            }
            let batch = batcher.rest().unwrap().unwrap();
            let array = batch.column(0);
            assert_eq!((array.is_null(0), array.is_null(1)), (false, true), "{kind:?}");
            assert_eq!(array.data_type(), &kind.arrow_type());
            assert_eq!(
                (batch.schema(), batcher.total_rows()),
                (Arc::clone(batcher.schema()), 2)
            );
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_without_being_quoted() {
        let mut batcher = batcher(Kind::Date);
        batcher.cell(0, Some("1")).unwrap();
        batcher.end_row().unwrap();
        let error = batcher.cell(0, Some("2026-01-01")).unwrap_err();
        assert_eq!(
            error.message,
            "table T: column 'C' of row 2 does not read as its type"
        );
    }

    #[test]
    fn large_cells_close_a_batch_early() {
        let mut batcher = batcher(Kind::Text);
        let text = "x".repeat(BATCH_BYTES);
        batcher.cell(0, Some(&text)).unwrap();
        assert_eq!(batcher.end_row().unwrap().unwrap().num_rows(), 1);
        assert!(batcher.rest().unwrap().is_none());
    }
}
