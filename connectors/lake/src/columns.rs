//! Cells in, Arrow batches out.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float64Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::i256;
use arrow_schema::{DataType, Schema, SchemaRef};
use outflow_sdk::value::Decimal;
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::cell::Cell;
use crate::kind::Kind;

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Text after which a batch is closed early, in bytes: what a batch holds at most, but for one cell.
const BATCH_BYTES: usize = 8 << 20;
/// The longest cell that is read, in bytes.
pub(crate) const MAX_CELL: usize = 64 << 20;

/// The cell does not fit the type its column was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder, u8),
    Wide(Decimal256Builder, u8),
    Text(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Kind::Integer => Builder::Integer(Int64Builder::new()),
            Kind::Float => Builder::Float(Float64Builder::new()),
            Kind::Decimal { scale, .. } => match kind.arrow_type() {
                DataType::Decimal256(..) => {
                    Builder::Wide(Decimal256Builder::new().with_data_type(kind.arrow_type()), scale)
                }
                arrow_type => Builder::Decimal(Decimal128Builder::new().with_data_type(arrow_type), scale),
            },
            Kind::Text | Kind::Json | Kind::Blob => Builder::Text(StringBuilder::new()),
            Kind::Date => Builder::Date(Date32Builder::new()),
            Kind::Timestamp => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(kind.arrow_type()))
            }
        }
    }

    /// Adds a cell and gives the bytes it takes beyond a fixed width.
    fn append(&mut self, cell: &Cell<'_>) -> Result<usize, Unfit> {
        if matches!(cell, Cell::Null) {
            self.append_null();
            return Ok(0);
        }
        if matches!(cell, Cell::Blob) {
            return Err(Unfit);
        }
        match self {
            Builder::Boolean(builder) => builder.append_value(cell.boolean().ok_or(Unfit)?),
            Builder::Integer(builder) => match cell {
                Cell::Integer(value) => builder.append_value(*value),
                _ => return Err(Unfit),
            },
            Builder::Float(builder) => match cell {
                Cell::Real(value) => builder.append_value(*value),
                Cell::Integer(value) => builder.append_value(*value as f64),
                _ => return Err(Unfit),
            },
            Builder::Decimal(builder, scale) => {
                builder.append_value(unscaled(cell, *scale).ok_or(Unfit)?);
            }
            Builder::Wide(builder, scale) => builder.append_value(wide(cell, *scale).ok_or(Unfit)?),
            Builder::Text(builder) => {
                let text = cell.text();
                builder.append_value(text.as_ref());
                return Ok(text.len());
            }
            Builder::Date(builder) => builder.append_value(cell.date().ok_or(Unfit)?),
            Builder::Timestamp(builder) => builder.append_value(cell.timestamp().ok_or(Unfit)?),
        }
        Ok(0)
    }

    fn append_null(&mut self) {
        match self {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Integer(builder) => builder.append_null(),
            Builder::Float(builder) => builder.append_null(),
            Builder::Decimal(builder, _) => builder.append_null(),
            Builder::Wide(builder, _) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Timestamp(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Float(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, _) => Arc::new(builder.finish()),
            Builder::Wide(builder, _) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) => Arc::new(builder.finish()),
        }
    }
}

fn unscaled(cell: &Cell<'_>, scale: u8) -> Option<i128> {
    match cell.decimal_or_text()? {
        Decimal::Small { unscaled, scale: own } => {
            let power = 10i128.checked_pow(u32::from(scale.checked_sub(own)?))?;
            unscaled.checked_mul(power)
        }
        Decimal::Big(_) => None,
    }
}

fn wide(cell: &Cell<'_>, scale: u8) -> Option<i256> {
    let text = cell.decimal_or_text()?.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let missing = usize::from(scale).checked_sub(fraction.len())?;
    i256::from_string(&format!("{whole}{fraction}{}", "0".repeat(missing)))
}

/// Collects rows into batches of one schema.
pub(crate) struct Batcher {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
}

impl Batcher {
    /// A batcher for columns of these names and kinds.
    pub(crate) fn new<'a>(columns: impl Iterator<Item = (&'a str, Kind)>) -> Self {
        let mut fields = Vec::new();
        let mut builders = Vec::new();
        for (name, kind) in columns {
            fields.push(kind.field(name));
            builders.push(Builder::new(kind));
        }
        Self {
            schema: Arc::new(Schema::new(fields)),
            builders,
            rows: 0,
            bytes: 0,
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds the cell of one column to the row being built; each column gets one cell a row.
    pub(crate) fn append(&mut self, column: usize, cell: &Cell<'_>) -> Result<(), Unfit> {
        let builder = self.builders.get_mut(column).ok_or(Unfit)?;
        self.bytes += builder.append(cell)?;
        Ok(())
    }

    /// Ends the row; gives a batch when it is full.
    pub(crate) fn end_row(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
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
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|error| {
            ConnectorError::new(
                ErrorKind::Internal,
                "lake_batch",
                format!("rows do not form a batch: {error}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Decimal128Type, Decimal256Type, Float64Type, Int64Type};
    use proptest::prelude::*;

    use super::*;
    use crate::kind::{Declared, Observed};

    fn one(kind: Kind, cells: &[Cell<'_>]) -> RecordBatch {
        let mut batcher = Batcher::new([("c", kind)].into_iter());
        for cell in cells {
            batcher.append(0, cell).unwrap();
            assert!(batcher.end_row().unwrap().is_none());
        }
        batcher.rest().unwrap().unwrap()
    }

    #[test]
    fn decimals_of_any_spelling_are_exact() {
        let batch = one(
            Kind::Decimal {
                precision: 12,
                scale: 2,
            },
            &[
                Cell::Text("12.50"),
                Cell::Real(-0.1),
                Cell::Integer(7),
                Cell::Null,
            ],
        );
        let column = batch.column(0).as_primitive::<Decimal128Type>();
        assert_eq!(
            column.iter().collect::<Vec<_>>(),
            [Some(1250), Some(-10), Some(700), None]
        );
        let batch = one(
            Kind::Decimal {
                precision: 76,
                scale: 20,
            },
            &[Cell::Number("-1e-20")],
        );
        assert_eq!(
            batch.column(0).as_primitive::<Decimal256Type>().value(0),
            i256::from_i128(-1)
        );
    }

    #[test]
    fn numbers_in_a_text_column_are_canonical_text() {
        let batch = one(
            Kind::Text,
            &[
                Cell::Text("x"),
                Cell::Real(1e21),
                Cell::Integer(0),
                Cell::Number("1.50"),
                Cell::Bool(true),
            ],
        );
        let column = batch.column(0).as_string::<i32>();
        assert_eq!(
            column.iter().flatten().collect::<Vec<_>>(),
            ["x", "1000000000000000000000", "0", "1.5", "true"]
        );
    }

    fn number() -> impl Strategy<Value = Cell<'static>> {
        let written = [
            "0",
            "-0.010",
            "1e-20",
            "123456789012345678901234567890.5",
            "12.5e3",
        ];
        prop_oneof![
            any::<i64>().prop_map(Cell::Integer),
            (-1_000i64..1_000).prop_map(Cell::Integer),
            any::<i32>().prop_map(|value| Cell::Real(f64::from(value) / 100.0)),
            prop::num::f64::NORMAL.prop_map(Cell::Real),
            prop::sample::select(written.to_vec()).prop_map(Cell::Number),
        ]
    }

    proptest! {
        /// Whatever type a column of numbers gets, each keeps its exact value.
        #[test]
        fn numbers_keep_their_value(cells in prop::collection::vec(number(), 1..20), declared in 0usize..4) {
            let declared = ["", "INTEGER", "DECIMAL(20,4)", "REAL"][declared];
            let mut observed = Observed::new(Declared::parse(Some(declared)));
            cells.iter().for_each(|cell| observed.add(cell));
            let batch = one(observed.decide(), &cells);
            let column = batch.column(0);
            for (row, cell) in cells.iter().enumerate() {
                let text = match column.data_type() {
                    DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
                    DataType::Float64 => format!("{:e}", column.as_primitive::<Float64Type>().value(row)),
                    DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row),
                    DataType::Decimal256(..) => column.as_primitive::<Decimal256Type>().value_as_string(row),
                    _ => column.as_string::<i32>().value(row).to_owned(),
                };
                prop_assert_eq!(Decimal::parse(&text), cell.decimal());
            }
        }
    }

    #[test]
    fn large_cells_close_a_batch_early() {
        let mut batcher = Batcher::new([("c", Kind::Text)].into_iter());
        let cell = "x".repeat(BATCH_BYTES);
        batcher.append(0, &Cell::Text(&cell)).unwrap();
        assert_eq!(batcher.end_row().unwrap().unwrap().num_rows(), 1);
        assert!(batcher.rest().unwrap().is_none());
    }

    #[test]
    fn a_cell_of_another_type_is_refused() {
        let mut batcher = Batcher::new([("c", Kind::Integer)].into_iter());
        assert_eq!(batcher.append(0, &Cell::Text("x")), Err(Unfit));
    }
}
