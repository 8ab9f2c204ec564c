//! What a column's type in the warehouse is here.

use arrow_schema::{DataType, Field, TimeUnit};
use outflow_sdk::source::Column;
use tokio_postgres::types::{Kind as Shape, Type};

/// Digits after the point of numbers whose type does not limit them.
pub(crate) const OPEN_SCALE: u8 = 38;
/// Digits of such numbers.
const OPEN_PRECISION: u8 = 76;

/// How a column's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    Float32,
    Float64,
    /// Exact numbers of a known scale.
    Decimal {
        precision: u8,
        scale: u8,
    },
    Text,
    /// `char(n)`: the blanks at its end are no part of it.
    Padded,
    Json,
    Date,
    /// Without a zone, taken as UTC.
    Timestamp,
    /// With a zone; the session's is UTC.
    Instant,
    Bytes,
    List(Element),
    /// Cannot be read; see [`Kind::refusal`].
    Money,
}

/// How the items of an array are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Text,
    Padded,
    Number,
    Boolean,
    Date,
    Timestamp,
    Json,
    Bytes,
}

/// One column of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The type in the warehouse's words.
    pub(crate) type_name: String,
}

/// Types of Redshift's own, by their ids.
mod redshift {
    pub(super) const VARBYTE: u32 = 6551;
    pub(super) const SUPER: u32 = 4000;
    pub(super) const GEOMETRY: u32 = 3000;
    pub(super) const GEOGRAPHY: u32 = 3001;
    pub(super) const INTERVAL_YEAR_TO_MONTH: u32 = 1188;
    pub(super) const INTERVAL_DAY_TO_SECOND: u32 = 1190;
}

impl Typed {
    /// A column of a prepared statement.
    pub(crate) fn new(name: &str, type_: &Type, modifier: i32) -> Self {
        let kind = Kind::of(type_, modifier);
        let type_name = match (own_name(type_.oid()), kind) {
            (Some(name), _) => name.to_owned(),
            (None, Kind::Decimal { precision, scale }) if scale_of(modifier).is_some() => {
                format!("numeric({precision},{scale})")
            }
            (None, Kind::List(_)) => format!("{}[]", type_.name().trim_start_matches('_')),
            _ => type_.name().to_owned(),
        };
        Self {
            name: name.to_owned(),
            kind,
            type_name,
        }
    }

    /// A column whose type the server would not tell.
    pub(crate) fn unknown(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Text,
            type_name: "unknown".to_owned(),
        }
    }

    /// The column as batches have it.
    pub(crate) fn field(&self) -> Field {
        let field = Field::new(&self.name, self.kind.arrow_type(), true);
        if self.kind == Kind::Json {
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

fn own_name(oid: u32) -> Option<&'static str> {
    Some(match oid {
        redshift::SUPER => "super",
        redshift::VARBYTE => "varbyte",
        redshift::GEOMETRY => "geometry",
        redshift::GEOGRAPHY => "geography",
        redshift::INTERVAL_YEAR_TO_MONTH => "interval year to month",
        redshift::INTERVAL_DAY_TO_SECOND => "interval day to second",
        _ => return None,
    })
}

impl Kind {
    fn of(type_: &Type, modifier: i32) -> Self {
        match type_.oid() {
            redshift::SUPER => return Kind::Json,
            redshift::VARBYTE => return Kind::Bytes,
            _ => {}
        }
        match type_.kind() {
            Shape::Domain(base) => return Kind::of(base, modifier),
            Shape::Array(item) => return Kind::List(Element::of(item)),
            _ => {}
        }
        match *type_ {
            Type::BOOL => Kind::Boolean,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Kind::Integer,
            Type::FLOAT4 => Kind::Float32,
            Type::FLOAT8 => Kind::Float64,
            Type::NUMERIC => decimal(modifier),
            Type::BPCHAR => Kind::Padded,
            Type::JSON | Type::JSONB => Kind::Json,
            Type::DATE => Kind::Date,
            Type::TIMESTAMP => Kind::Timestamp,
            Type::TIMESTAMPTZ => Kind::Instant,
            Type::BYTEA => Kind::Bytes,
            Type::MONEY => Kind::Money,
            _ => Kind::Text,
        }
    }

    /// The Arrow type of its batches.
    pub(crate) fn arrow_type(self) -> DataType {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Integer => DataType::Int64,
            Kind::Float32 => DataType::Float32,
            Kind::Float64 => DataType::Float64,
            Kind::Decimal { precision, scale } => {
                let scale = i8::try_from(scale).unwrap_or(i8::MAX);
                if precision <= 38 {
                    DataType::Decimal128(precision, scale)
                } else {
                    DataType::Decimal256(precision, scale)
                }
            }
            Kind::Text | Kind::Padded | Kind::Json | Kind::Money => DataType::Utf8,
            Kind::Date => DataType::Date32,
            Kind::Timestamp => micros(None),
            Kind::Instant => micros(Some("UTC")),
            Kind::Bytes => DataType::Binary,
            Kind::List(_) => DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
        }
    }

    /// Why a column of this type cannot be read, and what to write instead.
    pub(crate) fn refusal(self) -> Option<(&'static str, &'static str)> {
        match self {
            Kind::Money => Some((
                "holds money in the spelling of the server's locale",
                "cast it in a `sql:` model: amount::numeric(12,2) as amount",
            )),
            _ => None,
        }
    }
}

impl Element {
    fn of(type_: &Type) -> Self {
        match *type_ {
            Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::OID
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::NUMERIC => Element::Number,
            Type::BOOL => Element::Boolean,
            Type::BPCHAR => Element::Padded,
            Type::DATE => Element::Date,
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Element::Timestamp,
            Type::JSON | Type::JSONB => Element::Json,
            Type::BYTEA => Element::Bytes,
            _ => match type_.kind() {
                Shape::Domain(base) => Element::of(base),
                _ => Element::Text,
            },
        }
    }
}

/// `numeric(p,s)` as its modifier has it; a number without limits, or with odd ones, gets room for any.
fn decimal(modifier: i32) -> Kind {
    match scale_of(modifier) {
        Some((precision @ 1..=76, scale)) if scale <= precision => Kind::Decimal { precision, scale },
        _ => Kind::Decimal {
            precision: OPEN_PRECISION,
            scale: OPEN_SCALE,
        },
    }
}

/// Precision and scale; none without limits, or with a scale below 0.
fn scale_of(modifier: i32) -> Option<(u8, u8)> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let precision = u8::try_from((packed >> 16) & 0xffff).ok()?;
    // Eleven bits with a sign since PostgreSQL 15; before, and in Redshift, never that large.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Some((precision, u8::try_from(scale).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(precision: i32, scale: i32) -> i32 {
        ((precision << 16) | (scale & 0x7ff)) + 4
    }

    #[test]
    fn numbers_keep_the_limits_of_their_type() {
        let arrow = |modifier| Kind::of(&Type::NUMERIC, modifier).arrow_type();
        assert_eq!(arrow(numeric(12, 2)), DataType::Decimal128(12, 2));
        assert_eq!(arrow(numeric(38, 37)), DataType::Decimal128(38, 37));
        assert_eq!(arrow(numeric(50, 10)), DataType::Decimal256(50, 10));
        for open in [-1, numeric(1000, 2), numeric(3, -2), numeric(2, 5)] {
            assert_eq!(arrow(open), DataType::Decimal256(76, 38), "{open}");
        }
    }

    #[test]
    fn columns_are_described_in_the_warehouses_words() {
        let named = |type_: &Type, modifier| Typed::new("c", type_, modifier).type_name;
        assert_eq!(named(&Type::NUMERIC, numeric(12, 2)), "numeric(12,2)");
        assert_eq!(named(&Type::NUMERIC, -1), "numeric");
        assert_eq!(named(&Type::TEXT_ARRAY, -1), "text[]");
        let own = Type::new("x".into(), redshift::SUPER, Shape::Simple, "pg_catalog".into());
        let column = Typed::new("c", &own, -1);
        assert_eq!((column.type_name.as_str(), column.kind), ("super", Kind::Json));
        assert_eq!(
            column.field().metadata().get("outflow.type").map(String::as_str),
            Some("json")
        );
    }

    #[test]
    fn a_domain_is_what_it_is_made_of() {
        let shape = Shape::Domain(Type::INT4);
        let domain = Type::new("positive".into(), 99_999, shape, "public".into());
        assert_eq!(Kind::of(&domain, -1), Kind::Integer);
        assert_eq!(Element::of(&domain), Element::Number);
    }
}
