//! Parquet files: the reader's batches, handed on as they are.

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use outflow_sdk::ConnectorError;
use outflow_sdk::source::Column;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::columns::BATCH_ROWS;
use crate::kind::json_field;
use crate::messages;
use crate::projection::project;
use crate::sink::{Cancel, Flow, Sink, Tally};
use crate::stamp::{FileRef, Stamp};

/// A Parquet file whose footer has been read.
pub(crate) struct ParquetTable {
    file: FileRef,
    stamp: Stamp,
    handle: File,
    metadata: ArrowReaderMetadata,
    positions: Vec<usize>,
    schema: SchemaRef,
}

impl ParquetTable {
    /// Opens `file` and reads its footer.
    pub(crate) fn open(file: &FileRef, wanted: &[String]) -> Result<Self, ConnectorError> {
        let (handle, stamp) = file.open()?;
        let metadata = ArrowReaderMetadata::load(&handle, ArrowReaderOptions::new())
            .map_err(|error| corrupt(&file.label, &error))?;
        let metadata = with_lean_types(metadata);
        let names: Vec<String> = metadata
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let positions = project(&file.label, &names, wanted)?;
        let descriptor = metadata.parquet_schema();
        let mut fields = Vec::with_capacity(positions.len());
        for (at, field) in metadata.schema().fields().iter().enumerate() {
            if !positions.contains(&at) {
                continue;
            }
            if !is_supported(field.data_type()) {
                let type_name = field.data_type().to_string();
                return Err(messages::unsupported_column(
                    &file.label,
                    field.name(),
                    &type_name,
                ));
            }
            let json = root(descriptor, at).is_some_and(|root| holds_json(root));
            let plain = Field::new(field.name(), field.data_type().clone(), field.is_nullable());
            fields.push(if json { json_field(plain) } else { plain });
        }
        Ok(Self {
            file: file.clone(),
            stamp,
            handle,
            metadata,
            positions,
            schema: Arc::new(Schema::new(fields)),
        })
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
            let batch = batch.map_err(|error| corrupt(label, &error))?;
            rows += batch.num_rows() as u64;
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())
                .map_err(|error| corrupt(label, &error))?;
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

/// Asks the reader for types that cost least to build and to read: string views instead of copied
/// strings, values instead of dictionaries. INT96 instants come as microseconds, because
/// nanoseconds would overflow where 9999-12-31 stands for "never".
fn with_lean_types(metadata: ArrowReaderMetadata) -> ArrowReaderMetadata {
    let descriptor = metadata.parquet_schema();
    let fields: Vec<Field> = metadata
        .schema()
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let int96 = root(descriptor, at)
                .is_some_and(|root| root.is_primitive() && root.get_physical_type() == PhysicalType::INT96);
            let lean = match field.data_type() {
                DataType::Timestamp(TimeUnit::Nanosecond, zone) if int96 => {
                    DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
                }
                DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
                DataType::Dictionary(_, values) => match values.as_ref() {
                    DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
                    other => other.clone(),
                },
                other => other.clone(),
            };
            field.as_ref().clone().with_data_type(lean)
        })
        .collect();
    let schema = Arc::new(Schema::new_with_metadata(
        fields,
        metadata.schema().metadata().clone(),
    ));
    let options = ArrowReaderOptions::new().with_schema(schema);
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).unwrap_or(metadata)
}

fn root(descriptor: &SchemaDescriptor, at: usize) -> Option<&Type> {
    descriptor.root_schema().get_fields().get(at).map(AsRef::as_ref)
}

fn holds_json(root: &Type) -> bool {
    let info = root.get_basic_info();
    root.is_primitive()
        && (matches!(info.logical_type_ref(), Some(LogicalType::Json))
            || info.converted_type() == ConvertedType::JSON)
}

/// The type as Parquet itself calls it.
fn type_name(root: &Type) -> String {
    let info = root.get_basic_info();
    if !root.is_primitive() {
        return "group".into();
    }
    match info.converted_type() {
        ConvertedType::NONE => root.get_physical_type().to_string(),
        ConvertedType::DECIMAL => match root {
            Type::PrimitiveType { scale, precision, .. } => format!("DECIMAL({precision},{scale})"),
            Type::GroupType { .. } => "DECIMAL".into(),
        },
        converted => converted.to_string(),
    }
}

fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..) => false,
        DataType::List(item) | DataType::LargeList(item) => is_supported(item.data_type()),
        _ => true,
    }
}

/// The file breaks the format. The reader's words name columns and offsets, not values.
fn corrupt(label: &str, error: &dyn std::fmt::Display) -> ConnectorError {
    ConnectorError::source(
        "parquet_corrupt",
        format!("{label}: is no whole Parquet file: {error}"),
    )
    .with_hint("was it copied to its end? write to another name and rename it into place")
}
