//! Parquet files: the reader's batches, handed on as they are.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use arrow_schema::{FieldRef, Schema, SchemaRef};
use outflow_sdk::ConnectorError;
use outflow_sdk::names::project;
use outflow_sdk::source::Column;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use crate::columns::BATCH_ROWS;
use crate::messages;
use crate::parquet_columns::{Shape, root, type_name, with_lean_types};
use crate::projection::Columns;
use crate::sink::{Cancel, Flow, Sink, Tally};
use crate::stamp::{FileRef, Stamp};

/// A Parquet file whose footer has been read.
pub(crate) struct ParquetTable {
    file: FileRef,
    stamp: Stamp,
    handle: File,
    metadata: ArrowReaderMetadata,
    positions: Vec<usize>,
    shapes: Vec<Shape>,
    schema: SchemaRef,
}

impl ParquetTable {
    /// Opens `file` and reads its footer.
    pub(crate) fn open(file: &FileRef, columns: Columns<'_>) -> Result<Self, ConnectorError> {
        let (handle, stamp) = file.open()?;
        let metadata = ArrowReaderMetadata::load(&handle, ArrowReaderOptions::new())
            .map_err(|error| corrupt(&file.label, &error))?;
        let metadata = with_lean_types(metadata);
        let decoded = Arc::clone(metadata.schema());
        let names: Vec<String> = decoded
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let mut positions = project(&file.label, &names, columns.wanted())?;
        let shape_of = |at: usize| {
            let root = root(metadata.parquet_schema(), at);
            decoded
                .fields()
                .get(at)
                .map_or(Shape::Unsendable, |field| Shape::of(field.data_type(), root))
        };
        if matches!(columns, Columns::Sendable) {
            positions.retain(|at| shape_of(*at) != Shape::Unsendable);
        }
        let shapes: Vec<Shape> = positions.iter().map(|at| shape_of(*at)).collect();
        let fields: Vec<_> = positions
            .iter()
            .zip(&shapes)
            .filter_map(|(at, shape)| decoded.fields().get(*at).map(|field| shape.field(field)))
            .collect();
        Ok(Self {
            file: file.clone(),
            stamp,
            handle,
            metadata,
            positions,
            shapes,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// Leaves out the columns that `keep` does not want.
    pub(crate) fn narrow(&mut self, keep: &dyn Fn(&str) -> bool) {
        let kept: Vec<bool> = self
            .schema
            .fields()
            .iter()
            .map(|field| keep(field.name()))
            .collect();
        let fields = self.schema.fields().iter().zip(&kept);
        let fields: Vec<FieldRef> = fields
            .filter(|(_, kept)| **kept)
            .map(|(field, _)| Arc::clone(field))
            .collect();
        self.schema = Arc::new(Schema::new(fields));
        // `retain` goes through in order, so each list meets the same answers.
        let mut answers = kept.iter();
        self.positions.retain(|_| answers.next().copied().unwrap_or(true));
        let mut answers = kept.iter();
        self.shapes.retain(|_| answers.next().copied().unwrap_or(true));
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The wanted columns.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let descriptor = self.metadata.parquet_schema();
        self.schema
            .fields()
            .iter()
            .zip(&self.positions)
            .map(|(field, at)| Column {
                name: field.name().clone(),
                type_name: root(descriptor, *at).map_or_else(String::new, type_name),
                arrow_type: field.data_type().clone(),
            })
            .collect()
    }

    /// Pushes the rows.
    pub(crate) fn stream(self, cancel: &Cancel, sink: &mut dyn Sink) -> Flow<Tally> {
        let label = &self.file.label;
        if let Some(at) = self.shapes.iter().position(|shape| *shape == Shape::Unsendable) {
            let name = self.schema.fields().get(at).map_or("", |field| field.name());
            return Err(messages::unsupported_column(label, name, "bytes").into());
        }
        sink.schema(&self.schema)?;
        let bytes = self.bytes_of_columns();
        let expected = u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default();
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), self.positions.iter().copied());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.handle, self.metadata)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| corrupt(label, &error))?;
        let mut rows = 0;
        for batch in reader {
            cancel.check()?;
            let batch = batch
                .and_then(|batch| shaped(&batch, &self.shapes, &self.schema))
                .map_err(|error| corrupt(label, &error))?;
            rows += batch.num_rows() as u64;
            sink.batch(batch)?;
        }
        self.file.unchanged_since(self.stamp)?;
        if rows != expected {
            return Err(ConnectorError::source(
                "parquet_corrupt",
                format!("{label}: the footer promises {expected} rows, the file gave {rows}"),
            )
            .into());
        }
        Ok(Tally {
            rows,
            bytes: Some(bytes),
        })
    }

    /// Compressed bytes of the wanted columns.
    fn bytes_of_columns(&self) -> u64 {
        let descriptor = self.metadata.parquet_schema();
        let chunks = self.metadata.metadata().row_groups().iter().flat_map(|group| {
            group.columns().iter().enumerate().filter_map(|(leaf, chunk)| {
                let wanted = self.positions.contains(&descriptor.get_column_root_idx(leaf));
                wanted.then(|| u64::try_from(chunk.compressed_size()).unwrap_or_default())
            })
        });
        chunks.sum()
    }
}

fn shaped(batch: &RecordBatch, shapes: &[Shape], schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(batch.schema_ref().fields())
        .zip(shapes)
        .map(|((column, decoded), shape)| shape.apply(decoded, column))
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// The file breaks the format. The reader's words name columns and offsets, not values.
fn corrupt(label: &str, error: &dyn std::fmt::Display) -> ConnectorError {
    ConnectorError::source(
        "parquet_corrupt",
        format!("{label}: is no whole Parquet file: {error}"),
    )
    .with_hint("was it copied to its end? write to another name and rename it into place")
}
