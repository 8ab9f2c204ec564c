//! Values in, Arrow arrays and batches out.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float64Builder,
    Int64Builder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::cell::{self, Cell};
use crate::kind::{Kind, Typed};
use crate::scalar::{Scalar, Unfit};
use crate::wire::Row;

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Text after which a batch is closed early, in bytes: what a batch holds at most, but for one row.
const BATCH_BYTES: usize = 4 << 20;

/// Collects the values of one column.
pub(crate) struct ColumnBuilder {
    kind: Kind,
    values: Values,
}

enum Values {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Wide(Decimal256Builder),
    Date(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
    List(ListBuilder<StringBuilder>),
    Text(StringBuilder),
}

impl ColumnBuilder {
    /// An empty column of a kind.
    pub(crate) fn new(kind: &Kind) -> Self {
        let arrow_type = kind.arrow_type();
        let values = match kind {
            Kind::Boolean => Values::Boolean(BooleanBuilder::new()),
            Kind::Integer => Values::Integer(Int64Builder::new()),
            Kind::Float => Values::Float(Float64Builder::new()),
            Kind::Numeric => Values::Decimal(Decimal128Builder::new().with_data_type(arrow_type)),
            Kind::BigNumeric => Values::Wide(Decimal256Builder::new().with_data_type(arrow_type)),
            Kind::Date => Values::Date(Date32Builder::new()),
            Kind::Datetime | Kind::Timestamp => {
                Values::Instant(TimestampMicrosecondBuilder::new().with_data_type(arrow_type))
            }
            Kind::Bytes => Values::Bytes(BinaryBuilder::new()),
            Kind::List(item) if !matches!(**item, Kind::Struct(_)) => {
                Values::List(ListBuilder::new(StringBuilder::new()))
            }
            _ => Values::Text(StringBuilder::new()),
        };
        Self {
            kind: kind.clone(),
            values,
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// When it is none of the column's kind; the column is not to be used then.
    pub(crate) fn append<C: Cell>(&mut self, cell: &C) -> Result<(), Unfit> {
        match (&self.kind, &mut self.values) {
            (Kind::List(item), Values::List(list)) => {
                for inner in cell.items()? {
                    if !inner.is_null() {
                        list.values().append_value(cell::text(&inner, item)?);
                    }
                }
                list.append(true);
                return Ok(());
            }
            // Of structs.
            (Kind::List(_), Values::Text(text)) => {
                let mut out = String::new();
                cell::json(cell, &self.kind, &mut out)?;
                text.append_value(out);
                return Ok(());
            }
            _ if cell.is_null() => {
                self.append_null();
                return Ok(());
            }
            (Kind::Struct(_) | Kind::Range(_), Values::Text(text)) => {
                text.append_value(cell::text(cell, &self.kind)?);
                return Ok(());
            }
            _ => {}
        }
        match (cell.scalar(&self.kind)?, &mut self.values) {
            (Scalar::Boolean(value), Values::Boolean(builder)) => builder.append_value(value),
            (Scalar::Integer(value), Values::Integer(builder)) => builder.append_value(value),
            // NaN and infinities are floats; whoever needs a number refuses the row alone.
            (Scalar::Float(value), Values::Float(builder)) => builder.append_value(value),
            (Scalar::Decimal(value, _), Values::Decimal(builder)) => {
                builder.append_value(value.to_i128().ok_or(Unfit::Malformed)?);
            }
            (Scalar::Decimal(value, _), Values::Wide(builder)) => builder.append_value(value),
            (Scalar::Date(days), Values::Date(builder)) => builder.append_value(days),
            (Scalar::Datetime(micros) | Scalar::Timestamp(micros), Values::Instant(builder)) => {
                builder.append_value(micros);
            }
            (Scalar::Bytes(bytes), Values::Bytes(builder)) => builder.append_value(bytes),
            (Scalar::Text(text) | Scalar::Json(text), Values::Text(builder)) => builder.append_value(text),
            (scalar @ (Scalar::Time(_) | Scalar::Interval(..)), Values::Text(builder)) => {
                builder.append_value(scalar.text());
            }
            _ => return Err(Unfit::Malformed),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match &mut self.values {
            Values::Boolean(builder) => builder.append_null(),
            Values::Integer(builder) => builder.append_null(),
            Values::Float(builder) => builder.append_null(),
            Values::Decimal(builder) => builder.append_null(),
            Values::Wide(builder) => builder.append_null(),
            Values::Date(builder) => builder.append_null(),
            Values::Instant(builder) => builder.append_null(),
            Values::Bytes(builder) => builder.append_null(),
            Values::List(builder) => builder.append_null(),
            Values::Text(builder) => builder.append_null(),
        }
    }

    /// The column so far; the next one begins empty.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Values::Boolean(builder) => Arc::new(builder.finish()),
            Values::Integer(builder) => Arc::new(builder.finish()),
            Values::Float(builder) => Arc::new(builder.finish()),
            Values::Decimal(builder) => Arc::new(builder.finish()),
            Values::Wide(builder) => Arc::new(builder.finish()),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::Instant(builder) => Arc::new(builder.finish()),
            Values::Bytes(builder) => Arc::new(builder.finish()),
            Values::List(builder) => Arc::new(builder.finish()),
            Values::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Collects rows of REST into batches of one schema.
pub(crate) struct Batcher {
    label: String,
    schema: SchemaRef,
    builders: Vec<ColumnBuilder>,
    names: Vec<String>,
    /// Rows of the batch at hand.
    rows: usize,
    /// Bytes of text in it.
    bytes: usize,
    total_rows: u64,
}

/// The schema of batches with these columns.
pub(crate) fn schema(columns: &[Typed]) -> SchemaRef {
    let fields: Vec<_> = columns.iter().map(Typed::field).collect();
    Arc::new(Schema::new(fields))
}

impl Batcher {
    /// A batcher for these columns; `label` is what messages call the model.
    pub(crate) fn new(label: &str, columns: &[Typed]) -> Self {
        Self {
            label: label.to_owned(),
            schema: schema(columns),
            builders: columns
                .iter()
                .map(|column| ColumnBuilder::new(&column.kind))
                .collect(),
            names: columns.iter().map(|column| column.name.clone()).collect(),
            rows: 0,
            bytes: 0,
            total_rows: 0,
        }
    }

    /// Rows taken so far.
    pub(crate) fn total_rows(&self) -> u64 {
        self.total_rows
    }

    /// Adds a row; gives a batch when it is full.
    ///
    /// # Errors
    /// `value_unreadable` with column and row when a value is none of its type, `unexpected_answer` when
    /// the row has another number of values than there are columns.
    pub(crate) fn row(&mut self, row: &Row<'_>) -> Result<Option<RecordBatch>, ConnectorError> {
        self.total_rows += 1;
        if row.f.len() != self.builders.len() {
            return Err(ConnectorError::new(
                ErrorKind::Contract,
                "unexpected_answer",
                format!(
                    "{}: row {} has another number of values than the model has columns",
                    self.label, self.total_rows
                ),
            ));
        }
        for ((builder, cell), name) in self.builders.iter_mut().zip(&row.f).zip(&self.names) {
            self.bytes += cell.size();
            builder
                .append(cell)
                .map_err(|unfit| unreadable(&self.label, name, Some(self.total_rows), unfit))?;
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
        let columns = self.builders.iter_mut().map(ColumnBuilder::finish).collect();
        let rows = self.rows;
        self.rows = 0;
        self.bytes = 0;
        assemble(&self.schema, columns, rows)
    }
}

/// A batch of columns that were made for its schema.
pub(crate) fn assemble(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, ConnectorError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| {
        ConnectorError::new(
            ErrorKind::Internal,
            "bigquery_batch",
            format!("rows do not form a batch: {error}"),
        )
    })
}

/// A value that is none of its column's type; it is not quoted.
pub(crate) fn unreadable(label: &str, column: &str, row: Option<u64>, unfit: Unfit) -> ConnectorError {
    let (what, hint) = unfit.words();
    let place = row.map_or_else(String::new, |row| format!(" of row {row}"));
    ConnectorError::source(
        "value_unreadable",
        format!("{label}: column '{column}'{place} {what}"),
    )
    .with_hint(hint)
}

#[cfg(test)]
mod tests;
