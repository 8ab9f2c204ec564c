//! One cell as a file or SQLite holds it, before its column has a type.

use jiff::{Timestamp, civil};
use outflow_sdk::value::{Decimal, days_since_epoch, micros_since_epoch};

/// One cell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    /// A number as it is written.
    Number(&'a str),
    Text(&'a str),
    /// A JSON object or array, or any JSON value of a column known to be JSON.
    Json(&'a str),
    Blob,
}

impl Cell<'_> {
    /// The exact number, if it is one. Text is none here.
    pub(crate) fn decimal(&self) -> Option<Decimal> {
        match self {
            Cell::Integer(value) => Some(Decimal::from(*value)),
            Cell::Real(value) => Decimal::from_f64(*value),
            Cell::Number(text) => Decimal::parse(text),
            _ => None,
        }
    }

    /// The exact number, if it is one or is text that reads as one.
    pub(crate) fn decimal_or_text(&self) -> Option<Decimal> {
        match self {
            Cell::Text(text) => Decimal::parse(text),
            other => other.decimal(),
        }
    }

    /// The cell as text: numbers in canonical form (no exponent, no trailing zeros).
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Cell::Null | Cell::Blob => "".into(),
            Cell::Bool(value) => if *value { "true" } else { "false" }.into(),
            Cell::Integer(value) => value.to_string().into(),
            Cell::Real(value) => Decimal::from_f64(*value)
                .map_or_else(|| value.to_string(), |number| number.to_string())
                .into(),
            Cell::Number(text) => {
                Decimal::parse(text).map_or_else(|| (*text).into(), |number| number.to_string().into())
            }
            Cell::Text(text) | Cell::Json(text) => (*text).into(),
        }
    }

    /// The cell as a boolean of a column declared to hold them: true, false, 1, 0, t, f.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Cell::Bool(value) => Some(*value),
            Cell::Integer(0) => Some(false),
            Cell::Integer(1) => Some(true),
            Cell::Text(text) if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("t") => {
                Some(true)
            }
            Cell::Text(text) if text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("f") => {
                Some(false)
            }
            _ => None,
        }
    }

    /// Days since 1970-01-01 of `YYYY-MM-DD`.
    pub(crate) fn date(&self) -> Option<i32> {
        match self {
            Cell::Text(text) if text.len() == 10 => text.parse::<civil::Date>().ok().map(days_since_epoch),
            _ => None,
        }
    }

    /// Microseconds since the epoch of ISO 8601 text; without a zone it is UTC.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        let Cell::Text(text) = self else { return None };
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(micros_since_epoch(instant));
        }
        let local: civil::DateTime = text.parse().ok()?;
        let instant = jiff::tz::TimeZone::UTC.to_timestamp(local).ok()?;
        Some(micros_since_epoch(instant))
    }

    /// Whether the cell reads as JSON.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Cell::Text(text) => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
            Cell::Real(value) => value.is_finite(),
            Cell::Blob => false,
            _ => true,
        }
    }
}
