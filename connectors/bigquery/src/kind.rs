//! What a column's type in BigQuery is here.

use arrow_schema::{DataType, Field, TimeUnit};
use outflow_sdk::source::Column;
use serde::Deserialize;

/// A field of a table or result as the REST API describes it
/// (<https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema>).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldSchema {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    fields: Vec<FieldSchema>,
    #[serde(default)]
    range_element_type: Option<RangeElement>,
}

#[derive(Clone, Debug, Deserialize)]
struct RangeElement {
    #[serde(rename = "type")]
    type_name: String,
}

/// The fields of a table or result.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct TableSchema {
    #[serde(default)]
    pub(crate) fields: Vec<FieldSchema>,
}

impl TableSchema {
    /// Its columns.
    pub(crate) fn columns(&self) -> Vec<Typed> {
        self.fields.iter().map(Typed::new).collect()
    }
}

/// How a value is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    Float,
    Numeric,
    BigNumeric,
    /// STRING and GEOGRAPHY (well-known text).
    Text,
    Json,
    Bytes,
    Date,
    /// Without a zone, taken as UTC.
    Datetime,
    Timestamp,
    Time,
    Interval,
    Range(Box<Kind>),
    Struct(Vec<(String, Kind)>),
    List(Box<Kind>),
    /// A type that is not known here; see [`Kind::unknown`].
    Unknown(String),
}

/// Digits after the point of NUMERIC and BIGNUMERIC, whatever their parameters are.
pub(crate) const NUMERIC_SCALE: i8 = 9;
pub(crate) const BIGNUMERIC_SCALE: i8 = 38;

/// One column of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The type in BigQuery's words.
    pub(crate) type_name: String,
}

impl Typed {
    fn new(field: &FieldSchema) -> Self {
        let kind = Kind::of(field);
        Self {
            name: field.name.clone(),
            type_name: kind.sql_name(),
            kind,
        }
    }

    /// The column as batches have it.
    pub(crate) fn field(&self) -> Field {
        let field = Field::new(&self.name, self.kind.arrow_type(), true);
        if self.kind.is_json() {
            let mark = [("outflow.type".to_owned(), "json".to_owned())];
            field.with_metadata(mark.into_iter().collect())
        } else {
            field
        }
    }

    /// The column as a description has it.
    pub(crate) fn described(&self) -> Column {
        Column {
            name: self.name.clone(),
            type_name: self.type_name.clone(),
            arrow_type: self.kind.arrow_type(),
        }
    }
}

impl Kind {
    fn of(field: &FieldSchema) -> Self {
        let single = match field.type_name.to_ascii_uppercase().as_str() {
            "RECORD" | "STRUCT" => Kind::Struct(
                field
                    .fields
                    .iter()
                    .map(|inner| (inner.name.clone(), Kind::of(inner)))
                    .collect(),
            ),
            "RANGE" => match &field.range_element_type {
                Some(element) => Kind::Range(Box::new(Kind::named(&element.type_name))),
                None => Kind::Unknown("RANGE".into()),
            },
            name => Kind::named(name),
        };
        match field.mode.as_deref() {
            Some(mode) if mode.eq_ignore_ascii_case("REPEATED") => Kind::List(Box::new(single)),
            _ => single,
        }
    }

    fn named(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "BOOLEAN" | "BOOL" => Kind::Boolean,
            "INTEGER" | "INT64" => Kind::Integer,
            "FLOAT" | "FLOAT64" => Kind::Float,
            "NUMERIC" => Kind::Numeric,
            "BIGNUMERIC" => Kind::BigNumeric,
            "STRING" | "GEOGRAPHY" => Kind::Text,
            "JSON" => Kind::Json,
            "BYTES" => Kind::Bytes,
            "DATE" => Kind::Date,
            "DATETIME" => Kind::Datetime,
            "TIMESTAMP" => Kind::Timestamp,
            "TIME" => Kind::Time,
            "INTERVAL" => Kind::Interval,
            other => Kind::Unknown(other.to_owned()),
        }
    }

    /// The type as SQL writes it.
    fn sql_name(&self) -> String {
        match self {
            Kind::Boolean => "BOOL".into(),
            Kind::Integer => "INT64".into(),
            Kind::Float => "FLOAT64".into(),
            Kind::Numeric => "NUMERIC".into(),
            Kind::BigNumeric => "BIGNUMERIC".into(),
            Kind::Text => "STRING".into(),
            Kind::Json => "JSON".into(),
            Kind::Bytes => "BYTES".into(),
            Kind::Date => "DATE".into(),
            Kind::Datetime => "DATETIME".into(),
            Kind::Timestamp => "TIMESTAMP".into(),
            Kind::Time => "TIME".into(),
            Kind::Interval => "INTERVAL".into(),
            Kind::Range(element) => format!("RANGE<{}>", element.sql_name()),
            Kind::Struct(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, kind)| format!("{name} {}", kind.sql_name()))
                    .collect();
                format!("STRUCT<{}>", fields.join(", "))
            }
            Kind::List(item) => format!("ARRAY<{}>", item.sql_name()),
            Kind::Unknown(name) => name.clone(),
        }
    }

    /// The Arrow type of its batches.
    pub(crate) fn arrow_type(&self) -> DataType {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Integer => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Numeric => DataType::Decimal128(38, NUMERIC_SCALE),
            Kind::BigNumeric => DataType::Decimal256(76, BIGNUMERIC_SCALE),
            Kind::Date => DataType::Date32,
            Kind::Datetime => micros(None),
            Kind::Timestamp => micros(Some("UTC")),
            Kind::Bytes => DataType::Binary,
            Kind::List(item) if !matches!(**item, Kind::Struct(_)) => {
                DataType::List(Field::new_list_field(DataType::Utf8, true).into())
            }
            _ => DataType::Utf8,
        }
    }

    /// Whether its text is JSON: JSON itself, structs, and lists of structs.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Kind::Json | Kind::Struct(_) => true,
            Kind::List(item) => matches!(**item, Kind::Struct(_)),
            _ => false,
        }
    }

    /// The name of a type in it that cannot be read.
    pub(crate) fn unknown(&self) -> Option<&str> {
        match self {
            Kind::Unknown(name) => Some(name),
            Kind::Range(inner) => match **inner {
                Kind::Date | Kind::Datetime | Kind::Timestamp => None,
                _ => Some("RANGE"),
            },
            Kind::List(inner) => inner.unknown(),
            Kind::Struct(fields) => fields.iter().find_map(|(_, kind)| kind.unknown()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn typed(field: serde_json::Value) -> Typed {
        let schema: TableSchema = serde_json::from_value(json!({"fields": [field]})).unwrap();
        schema.columns().remove(0)
    }

    #[test]
    fn types_have_one_name_whichever_api_names_them() {
        for (wire, name) in [
            ("INTEGER", "INT64"),
            ("INT64", "INT64"),
            ("BOOLEAN", "BOOL"),
            ("FLOAT", "FLOAT64"),
        ] {
            assert_eq!(typed(json!({"name": "c", "type": wire})).type_name, name);
        }
        let nested = typed(
            json!({"name": "c", "type": "RECORD", "mode": "REPEATED", "fields": [
            {"name": "a", "type": "NUMERIC"}, {"name": "b", "type": "STRING", "mode": "REPEATED"}]}),
        );
        assert_eq!(nested.type_name, "ARRAY<STRUCT<a NUMERIC, b ARRAY<STRING>>>");
        assert_eq!(nested.field().metadata().get("outflow.type").unwrap(), "json");
        let range = typed(json!({"name": "c", "type": "RANGE", "rangeElementType": {"type": "DATE"}}));
        assert_eq!(
            (range.type_name.as_str(), range.kind.unknown()),
            ("RANGE<DATE>", None)
        );
    }

    #[test]
    fn a_type_of_tomorrow_is_known_as_unknown_wherever_it_is() {
        assert_eq!(
            typed(json!({"name": "c", "type": "VECTOR"})).kind.unknown(),
            Some("VECTOR")
        );
        let inside = typed(json!({"name": "c", "type": "STRUCT", "fields": [
            {"name": "a", "type": "VECTOR", "mode": "REPEATED"}]}));
        assert_eq!(inside.kind.unknown(), Some("VECTOR"));
    }
}
