//! Parquet columns as Arrow types the rest understands.
//!
//! Most come as the reader decodes them. The reader is asked for those types that cost least, and
//! what remains without a canonical form (nested values, UUIDs, columns of nothing) becomes text.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_json::writer::{EncoderOptions, make_encoder};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, FieldRef, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::kind::json_field;

/// Asks the reader for types that cost least to build and to read: string views instead of copied
/// strings, values instead of dictionaries. INT96 instants come as microseconds, because
/// nanoseconds would overflow where 9999-12-31 stands for "never".
pub(crate) fn with_lean_types(metadata: ArrowReaderMetadata) -> ArrowReaderMetadata {
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
                DataType::Dictionary(_, values) => lean_type(values),
                other => lean_type(other),
            };
            field.as_ref().clone().with_data_type(lean)
        })
        .collect();
    let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).unwrap_or(metadata)
}

fn lean_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        nested => nested_type(nested),
    }
}

/// Nested instants get an offset for a zone, because a zone's name cannot be turned into JSON text
/// without a time zone database.
fn nested_type(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| {
        let inner = match field.data_type() {
            DataType::Timestamp(unit, Some(zone)) if zone.as_ref() == "UTC" => {
                DataType::Timestamp(*unit, Some("+00:00".into()))
            }
            other => nested_type(other),
        };
        Arc::new(field.as_ref().clone().with_data_type(inner))
    };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::LargeList(item) => DataType::LargeList(inner(item)),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        other => other.clone(),
    }
}

/// A top-level column of the file's own schema.
pub(crate) fn root(descriptor: &SchemaDescriptor, at: usize) -> Option<&Type> {
    descriptor.root_schema().get_fields().get(at).map(AsRef::as_ref)
}

/// The type as Parquet itself calls it.
pub(crate) fn type_name(root: &Type) -> String {
    let info = root.get_basic_info();
    if !root.is_primitive() {
        return "group".into();
    }
    match (info.converted_type(), root) {
        (ConvertedType::DECIMAL, Type::PrimitiveType { scale, precision, .. }) => {
            format!("DECIMAL({precision},{scale})")
        }
        (ConvertedType::NONE, _) => root.get_physical_type().to_string(),
        (converted, _) => converted.to_string(),
    }
}

/// What is done to a column after it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing.
    AsIs,
    /// Text that is JSON: marked so.
    MarkJson,
    /// Nested values become JSON text.
    ToJson,
    /// 16 bytes become a UUID's usual text.
    ToUuid,
    /// A column without a type holds NULL only.
    Nulls,
    /// Cannot be sent anywhere.
    Unsendable,
}

impl Shape {
    /// The shape of a column from its decoded type and the file's own.
    pub(crate) fn of(data_type: &DataType, root: Option<&Type>) -> Self {
        let logical = root.and_then(|root| root.get_basic_info().logical_type_ref());
        match data_type {
            DataType::Null => Shape::Nulls,
            DataType::FixedSizeBinary(16) if matches!(logical, Some(LogicalType::Uuid)) => Shape::ToUuid,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Float16
            | DataType::Union(..)
            | DataType::RunEndEncoded(..) => Shape::Unsendable,
            DataType::Struct(_)
            | DataType::Map(..)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_) => Shape::ToJson,
            DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
                item if item.is_nested() => Shape::ToJson,
                item if Shape::of(item, None) == Shape::AsIs => Shape::AsIs,
                _ => Shape::Unsendable,
            },
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
                if matches!(logical, Some(LogicalType::Json))
                    || root.is_some_and(|root| {
                        root.get_basic_info().converted_type() == ConvertedType::JSON
                    }) =>
            {
                Shape::MarkJson
            }
            _ => Shape::AsIs,
        }
    }

    /// The field of the column's batches.
    pub(crate) fn field(self, decoded: &Field) -> Field {
        let plain = |data_type: DataType| Field::new(decoded.name(), data_type, decoded.is_nullable());
        match self {
            Shape::AsIs => plain(decoded.data_type().clone()),
            Shape::MarkJson => json_field(plain(decoded.data_type().clone())),
            Shape::ToJson => json_field(plain(DataType::Utf8)),
            Shape::ToUuid => plain(DataType::Utf8),
            Shape::Nulls => Field::new(decoded.name(), DataType::Utf8View, true),
            Shape::Unsendable => plain(DataType::Binary),
        }
    }

    /// The column as its batches have it.
    ///
    /// # Errors
    /// When a nested value has no JSON form.
    pub(crate) fn apply(self, decoded: &FieldRef, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match self {
            Shape::AsIs | Shape::MarkJson | Shape::Unsendable => Ok(Arc::clone(column)),
            Shape::ToJson => json_texts(decoded, column),
            Shape::ToUuid => Ok(uuid_texts(column)),
            Shape::Nulls => Ok(new_null_array(&DataType::Utf8View, column.len())),
        }
    }
}

fn json_texts(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut texts = StringBuilder::new();
    let mut text = Vec::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        let text = std::str::from_utf8(&text).map_err(|error| ArrowError::JsonError(error.to_string()))?;
        texts.append_value(text);
    }
    Ok(Arc::new(texts.finish()))
}

fn uuid_texts(column: &ArrayRef) -> ArrayRef {
    let bytes = column.as_fixed_size_binary();
    let mut texts = StringBuilder::new();
    for value in bytes {
        texts.append_option(value.map(|value| {
            let mut text = String::with_capacity(36);
            for (at, byte) in value.iter().enumerate() {
                if matches!(at, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                text.push_str(&format!("{byte:02x}"));
            }
            text
        }));
    }
    Arc::new(texts.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::{FixedSizeBinaryArray, Int32Array, StringArray, StructArray};

    use super::*;

    #[test]
    fn nested_values_become_json_text() {
        let column: ArrayRef = Arc::new(StructArray::from(vec![
            (
                Arc::new(Field::new("a", DataType::Int32, true)),
                Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("b", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec!["x\"", "y"])) as ArrayRef,
            ),
        ]));
        let field = Arc::new(Field::new("s", column.data_type().clone(), true));
        let shape = Shape::of(column.data_type(), None);
        let texts = shape.apply(&field, &column).unwrap();
        let texts: Vec<_> = texts
            .as_string::<i32>()
            .iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        assert_eq!(texts, [r#"{"a":1,"b":"x\""}"#, r#"{"a":null,"b":"y"}"#]);
    }

    #[test]
    fn uuids_read_as_people_write_them() {
        let bytes: Vec<u8> = (0..16).collect();
        let column: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap());
        let texts = uuid_texts(&column);
        assert_eq!(
            texts.as_string::<i32>().value(0),
            "00010203-0405-0607-0809-0a0b0c0d0e0f"
        );
    }

    #[test]
    fn bytes_cannot_be_sent() {
        let bytes = DataType::List(Arc::new(Field::new("item", DataType::Binary, true)));
        assert_eq!(Shape::of(&bytes, None), Shape::Unsendable);
        assert_eq!(Shape::of(&DataType::Binary, None), Shape::Unsendable);
    }
}
