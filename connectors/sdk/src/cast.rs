//! `as:`, one canonical value turned into another kind.

use jiff::{Timestamp, civil};

use crate::value::{Decimal, Value, civil_date, days_since_epoch, micros_since_epoch};

/// The kind a value is turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cast {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// An exact number.
    Number,
    /// True or false.
    Boolean,
    /// A calendar date.
    Date,
    /// An instant; without a zone it counts as UTC.
    Timestamp,
    /// JSON.
    Json,
    /// A list, from an array or comma text.
    List,
}

/// Casts `value`; NULL stays NULL and blank text becomes NULL where the target is no text.
///
/// # Errors
/// A few words that say what it is not, without the value.
pub fn cast(value: Value, to: Cast, scale: Option<u8>) -> Result<Value, &'static str> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    if let (Value::Text(text), false) = (&value, matches!(to, Cast::Text | Cast::Json | Cast::List))
        && text.trim().is_empty()
    {
        return Ok(Value::Null);
    }
    match to {
        Cast::Text => Ok(Value::text(&value.to_string())),
        Cast::Number => number(&value)
            .map(|number| Value::Number(scale.map_or_else(|| number.clone(), |s| number.round(s)))),
        Cast::Integer => number(&value)?
            .as_i128()
            .map(|whole| Value::Number(Decimal::new(whole, 0)))
            .ok_or("is not a whole number"),
        Cast::Boolean => boolean(&value).map(Value::Bool),
        Cast::Date => date(&value).map(Value::Date),
        Cast::Timestamp => timestamp(&value).map(Value::Timestamp),
        Cast::Json => match value {
            Value::Json(text) => Ok(Value::Json(text)),
            Value::Text(text) => Value::json(&text).map_err(|_| "is not JSON"),
            Value::List(items) => Ok(Value::Json(serde_json::Value::from(items).to_string().into())),
            Value::Bool(_) | Value::Number(_) => Ok(Value::Json(value.to_string().into())),
            other => Ok(Value::Json(
                serde_json::Value::from(other.to_string()).to_string().into(),
            )),
        },
        Cast::List => list(value),
    }
}

fn number(value: &Value) -> Result<Decimal, &'static str> {
    match value {
        Value::Number(number) => Ok(number.clone()),
        Value::Bool(flag) => Ok(Decimal::from(i64::from(*flag))),
        Value::Text(text) => Decimal::parse(text).ok_or("is not a number"),
        _ => Err("is not a number"),
    }
}

fn boolean(value: &Value) -> Result<bool, &'static str> {
    let wrong = "is neither true nor false";
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) => match number.as_i128() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(wrong),
        },
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "0" => Ok(false),
            _ => Err(wrong),
        },
        _ => Err(wrong),
    }
}

fn date(value: &Value) -> Result<i32, &'static str> {
    match value {
        Value::Date(days) => Ok(*days),
        Value::Timestamp(micros) => {
            i32::try_from(micros.div_euclid(86_400_000_000)).map_err(|_| "is too far in time for a date")
        }
        Value::Text(text) => {
            let text = text.trim();
            if let Ok(date) = text.parse::<civil::Date>()
                && text.len() <= 11
            {
                return Ok(days_since_epoch(date));
            }
            timestamp(value)
                .map(|micros| i32::try_from(micros.div_euclid(86_400_000_000)).unwrap_or_default())
                .map_err(|_| "is not a date (YYYY-MM-DD)")
        }
        _ => Err("is not a date (YYYY-MM-DD)"),
    }
}

fn timestamp(value: &Value) -> Result<i64, &'static str> {
    match value {
        Value::Timestamp(micros) => Ok(*micros),
        Value::Date(days) => civil_date(*days)
            .map(|_| i64::from(*days) * 86_400_000_000)
            .ok_or("is too far in time"),
        Value::Text(text) => instant(text.trim()).ok_or("is not an ISO 8601 timestamp"),
        _ => Err("is not an ISO 8601 timestamp"),
    }
}

/// An instant; text without a zone counts as UTC.
fn instant(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(micros_since_epoch(instant));
    }
    let local: civil::DateTime = text.parse().ok()?;
    let instant = jiff::tz::Offset::UTC.to_timestamp(local).ok()?;
    Some(micros_since_epoch(instant))
}

fn list(value: Value) -> Result<Value, &'static str> {
    match value {
        Value::List(items) => Ok(Value::List(items)),
        Value::Text(text) => Ok(Value::List(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        )),
        Value::Json(text) => {
            let items: Vec<serde_json::Value> =
                serde_json::from_str(&text).map_err(|_| "is not a JSON array")?;
            let texts = items
                .into_iter()
                .filter(|item| !item.is_null())
                .map(|item| match item {
                    serde_json::Value::String(text) => text,
                    other => other.to_string(),
                });
            Ok(Value::List(texts.collect()))
        }
        other => Ok(Value::List(vec![other.to_string()])),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn cast_text(text: &str, to: Cast) -> Result<String, &'static str> {
        cast(Value::text(text), to, None).map(|value| value.to_string())
    }

    #[test]
    fn text_becomes_what_as_says() {
        assert_eq!(cast_text("12.50", Cast::Number).unwrap(), "12.5");
        assert_eq!(cast_text("12.0", Cast::Integer).unwrap(), "12");
        assert_eq!(cast_text("Yes", Cast::Boolean).unwrap(), "true");
        assert_eq!(cast_text("2026-02-28", Cast::Date).unwrap(), "2026-02-28");
        assert_eq!(
            cast_text("2026-02-28T23:30:00-05:00", Cast::Timestamp).unwrap(),
            "2026-03-01T04:30:00Z"
        );
        assert_eq!(
            cast_text("2026-02-28 10:00:00", Cast::Timestamp).unwrap(),
            "2026-02-28T10:00:00Z"
        );
        assert_eq!(
            cast(Value::text(" a, b,,c "), Cast::List, None).unwrap(),
            Value::List(vec!["a".into(), "b".into(), "c".into()])
        );
        assert_eq!(cast(Value::text(" "), Cast::Number, None).unwrap(), Value::Null);
    }

    #[test]
    fn what_cannot_be_cast_says_what_it_is_not() {
        assert_eq!(cast_text("twelve", Cast::Number), Err("is not a number"));
        assert_eq!(cast_text("12.5", Cast::Integer), Err("is not a whole number"));
        assert_eq!(
            cast_text("2026-02-30", Cast::Date),
            Err("is not a date (YYYY-MM-DD)")
        );
        assert_eq!(cast_text("{", Cast::Json), Err("is not JSON"));
        assert_eq!(
            cast_text("maybe", Cast::Boolean),
            Err("is neither true nor false")
        );
    }

    #[test]
    fn scale_rounds() {
        assert_eq!(
            cast(Value::text("2.345"), Cast::Number, Some(2))
                .unwrap()
                .to_string(),
            "2.35"
        );
    }
}
