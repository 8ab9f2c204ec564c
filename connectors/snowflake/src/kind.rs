//! What a column's type in Snowflake is here.

use arrow_schema::{DataType, Field, TimeUnit};
use outflow_sdk::source::Column;

use crate::wire::RowType;

/// Digits of a NUMBER whose type does not say how many.
const MOST_DIGITS: u8 = 38;
/// Digits that an integer of 64 bits surely holds.
const INTEGER_DIGITS: u8 = 18;
/// Digits, and those after the point, of DECFLOAT, whose point floats.
pub(crate) const FLOATING: (u8, u8) = (76, 38);

/// How a column's values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    /// Exact numbers.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// Exact numbers whose point floats.
    Decfloat,
    Float,
    Text,
    Json,
    Vector,
    Date,
    /// With so many digits of a second.
    Time(u8),
    /// Without a zone, taken as UTC.
    Timestamp(u8),
    /// In the session's zone, which is UTC.
    Instant(u8),
    /// With a zone of its own.
    Zoned(u8),
    Bytes,
    /// Cannot be read; see [`Kind::refusal`].
    Interval,
    /// A type that this crate does not know. Read as text where it comes as text.
    Unknown,
}

/// One column of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The type in Snowflake's words.
    pub(crate) type_name: String,
}

impl Typed {
    /// A column of a result.
    pub(crate) fn new(column: &RowType) -> Self {
        let kind = Kind::of(column);
        Self {
            name: column.name.clone(),
            kind,
            type_name: type_name(column, kind),
        }
    }

    /// The column as batches have it.
    pub(crate) fn field(&self) -> Field {
        let field = Field::new(&self.name, self.kind.arrow_type(), true);
        if matches!(self.kind, Kind::Json | Kind::Vector) {
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
    fn of(column: &RowType) -> Self {
        let scale = column.scale.unwrap_or(0).min(9);
        match column.type_name.to_ascii_lowercase().as_str() {
            "boolean" => Kind::Boolean,
            "fixed" => fixed(column),
            "real" => Kind::Float,
            "decfloat" => Kind::Decfloat,
            "text" | "char" => Kind::Text,
            // GEOGRAPHY and GEOMETRY come as one of these: sessions ask for GeoJSON.
            "variant" | "object" | "array" | "map" | "geography" | "geometry" => Kind::Json,
            "vector" => Kind::Vector,
            "date" => Kind::Date,
            "time" => Kind::Time(scale),
            "timestamp_ntz" => Kind::Timestamp(scale),
            "timestamp_ltz" => Kind::Instant(scale),
            "timestamp_tz" => Kind::Zoned(scale),
            "binary" => Kind::Bytes,
            name if name.starts_with("interval") => Kind::Interval,
            _ => Kind::Unknown,
        }
    }

    /// The Arrow type of its batches.
    pub(crate) fn arrow_type(self) -> DataType {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Integer => DataType::Int64,
            Kind::Decimal { precision, scale } => {
                DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
            }
            Kind::Decfloat => DataType::Decimal256(FLOATING.0, i8::try_from(FLOATING.1).unwrap_or(i8::MAX)),
            Kind::Float => DataType::Float64,
            Kind::Text | Kind::Json | Kind::Vector | Kind::Time(_) | Kind::Interval | Kind::Unknown => {
                DataType::Utf8
            }
            Kind::Date => DataType::Date32,
            Kind::Timestamp(_) => micros(None),
            Kind::Instant(_) | Kind::Zoned(_) => micros(Some("UTC")),
            Kind::Bytes => DataType::Binary,
        }
    }

    /// Why a column of this type cannot be read, and what to write instead.
    pub(crate) fn refusal(self) -> Option<(&'static str, &'static str)> {
        match self {
            Kind::Interval => Some((
                "is an interval, which comes without its unit",
                "turn it into text or a number in a `sql:` model, such as column::varchar as column",
            )),
            _ => None,
        }
    }
}

fn fixed(column: &RowType) -> Kind {
    let precision = column.precision.unwrap_or(MOST_DIGITS).clamp(1, MOST_DIGITS);
    match column.scale.unwrap_or(0) {
        0 if precision <= INTEGER_DIGITS => Kind::Integer,
        scale => Kind::Decimal {
            precision: precision.max(scale.min(MOST_DIGITS)),
            scale: scale.min(MOST_DIGITS),
        },
    }
}

fn type_name(column: &RowType, kind: Kind) -> String {
    let own = column
        .ext_type_name
        .as_deref()
        .filter(|name| !name.is_empty())
        .unwrap_or(&column.type_name);
    match (kind, own.to_ascii_lowercase().as_str()) {
        (Kind::Integer | Kind::Decimal { .. }, "fixed") => format!(
            "NUMBER({},{})",
            column.precision.unwrap_or(MOST_DIGITS),
            column.scale.unwrap_or(0)
        ),
        (_, "text") => "VARCHAR".to_owned(),
        (_, "real") => "FLOAT".to_owned(),
        _ => own.to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(type_name: &str, precision: Option<u8>, scale: Option<u8>) -> Typed {
        Typed::new(&RowType {
            name: "C".into(),
            type_name: type_name.into(),
            ext_type_name: None,
            precision,
            scale,
        })
    }

    #[test]
    fn numbers_keep_the_limits_of_their_type() {
        for (precision, scale, arrow_type) in [
            (Some(18), Some(0), DataType::Int64),
            (Some(19), Some(0), DataType::Decimal128(19, 0)),
            (Some(38), Some(0), DataType::Decimal128(38, 0)),
            (Some(12), Some(2), DataType::Decimal128(12, 2)),
            (Some(3), Some(3), DataType::Decimal128(3, 3)),
            (None, None, DataType::Decimal128(38, 0)),
        ] {
            let found = column("fixed", precision, scale);
            assert_eq!(found.kind.arrow_type(), arrow_type, "{precision:?} {scale:?}");
        }
    }

    #[test]
    fn columns_are_described_in_the_warehouses_words() {
        assert_eq!(column("fixed", Some(12), Some(2)).type_name, "NUMBER(12,2)");
        assert_eq!(column("text", None, None).type_name, "VARCHAR");
        assert_eq!(
            column("timestamp_ltz", Some(0), Some(9)).type_name,
            "TIMESTAMP_LTZ"
        );
        let geography = Typed::new(&RowType {
            name: "G".into(),
            type_name: "object".into(),
            ext_type_name: Some("GEOGRAPHY".into()),
            precision: None,
            scale: None,
        });
        assert_eq!(
            (geography.type_name.as_str(), geography.kind),
            ("GEOGRAPHY", Kind::Json)
        );
        let mark = geography.field().metadata().get("outflow.type").cloned();
        assert_eq!(mark.as_deref(), Some("json"));
    }

    #[test]
    fn a_type_of_tomorrow_is_no_error_until_it_is_read() {
        assert_eq!(column("HOLOGRAM", None, None).kind, Kind::Unknown);
        assert!(column("interval_day_time", None, None).kind.refusal().is_some());
    }
}
