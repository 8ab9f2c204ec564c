//! Values as Marketing Cloud writes them, and which of them a column cannot hold.

use std::borrow::Cow;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};
use outflow_sdk::destination::FieldType;
use outflow_sdk::value::{Decimal, Value, civil_date};
use serde_json::value::RawValue;

use crate::config::Instants;

/// Longest e-mail address, in characters.
const EMAIL_LENGTH: usize = 254;
/// Longest telephone number, in characters.
const PHONE_LENGTH: usize = 50;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text of at most so many UTF-16 units, if limited.
    Text(Option<u32>),
    /// A whole number of 32 bits.
    Number,
    /// Digits in all, and after the point.
    Decimal {
        precision: u32,
        scale: u32,
    },
    /// Date and time.
    Date,
    Boolean,
    Email,
    Phone,
    Locale,
}

impl Kind {
    /// From the words of the schema.
    pub(crate) fn of(field_type: &str, length: Option<u32>, scale: Option<u32>) -> Self {
        match field_type {
            "Number" => Kind::Number,
            "Decimal" => Kind::Decimal {
                precision: length.unwrap_or(18),
                scale: scale.unwrap_or(0),
            },
            "Date" => Kind::Date,
            "Boolean" => Kind::Boolean,
            "EmailAddress" => Kind::Email,
            "Phone" => Kind::Phone,
            "Locale" => Kind::Locale,
            _ => Kind::Text(length),
        }
    }

    pub(crate) fn field_type(self) -> FieldType {
        match self {
            Kind::Number | Kind::Decimal { .. } => FieldType::Number,
            Kind::Date => FieldType::Timestamp,
            Kind::Boolean => FieldType::Bool,
            Kind::Text(_) | Kind::Email | Kind::Phone | Kind::Locale => FieldType::Text,
        }
    }

    /// Whether values of this type can be written into the column at all.
    pub(crate) fn takes(self, value: FieldType) -> bool {
        match self {
            Kind::Text(_) => true,
            Kind::Number | Kind::Decimal { .. } => {
                matches!(value, FieldType::Number | FieldType::Text | FieldType::Bool)
            }
            Kind::Date => matches!(value, FieldType::Date | FieldType::Timestamp | FieldType::Text),
            Kind::Boolean => matches!(value, FieldType::Bool | FieldType::Number | FieldType::Text),
            Kind::Email | Kind::Phone | Kind::Locale => matches!(value, FieldType::Text | FieldType::Choice),
        }
    }

    pub(crate) fn max_length(self) -> Option<usize> {
        match self {
            Kind::Text(length) => length.map(|length| length as usize),
            Kind::Email => Some(EMAIL_LENGTH),
            Kind::Phone => Some(PHONE_LENGTH),
            _ => None,
        }
    }
}

/// Why a value cannot be valid: a stable code, and words that follow the column's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) code: &'static str,
    pub(crate) words: &'static str,
}

const fn flaw(code: &'static str, words: &'static str) -> Flaw {
    Flaw { code, words }
}

pub(crate) const TOO_LONG: Flaw = flaw("too_long", "takes shorter text");
pub(crate) const INVALID_NUMBER: Flaw =
    flaw("invalid_number", "takes whole numbers of 32 bits, this is none");
pub(crate) const INVALID_DECIMAL: Flaw = flaw(
    "invalid_number",
    "takes numbers with fewer digits, or this is none",
);
pub(crate) const INVALID_DATE: Flaw = flaw(
    "invalid_date",
    "takes dates and instants from 1753 to 9999, this is none",
);
pub(crate) const INVALID_BOOL: Flaw = flaw("invalid_boolean", "takes true or false, this is neither");
pub(crate) const INVALID_EMAIL: Flaw = flaw("invalid_email", "is not a valid e-mail address");
pub(crate) const INVALID_PHONE: Flaw = flaw("invalid_phone", "is not a valid telephone number");
pub(crate) const INVALID_LOCALE: Flaw = flaw("invalid_locale", "takes codes such as en-us");
pub(crate) const INVALID_TEXT: Flaw = flaw("invalid_text", "holds a control character");

/// Whether the value empties its column.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

/// The value's text before any conversion.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) | Value::Json(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Refuses what the column is certain to refuse.
///
/// # Errors
/// What is wrong with a value that is not empty.
pub(crate) fn check(kind: Kind, value: &Value) -> Result<(), Flaw> {
    if is_empty(value) {
        return Ok(());
    }
    let fits = |fits: bool, flaw: Flaw| if fits { Ok(()) } else { Err(flaw) };
    match kind {
        Kind::Text(length) => {
            let text = text_of(value);
            let units = text.encode_utf16().count();
            fits(length.is_none_or(|length| units <= length as usize), TOO_LONG)
        }
        Kind::Number => fits(whole(value).is_some(), INVALID_NUMBER),
        Kind::Decimal { precision, scale } => fits(
            decimal(value).is_some_and(|number| has_room(&number, precision, scale)),
            INVALID_DECIMAL,
        ),
        Kind::Date => fits(date(value, Instants::ServerTime).is_some(), INVALID_DATE),
        Kind::Boolean => fits(bool_of(value).is_some(), INVALID_BOOL),
        Kind::Email => {
            let text = text_of(value);
            fits(is_email(text.trim()), INVALID_EMAIL)
        }
        Kind::Phone => {
            let text = text_of(value);
            let fine = text.chars().count() <= PHONE_LENGTH && text.chars().any(|c| c.is_ascii_digit());
            fits(fine, INVALID_PHONE)
        }
        Kind::Locale => {
            let text = text_of(value);
            let plain = text
                .chars()
                .all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_');
            fits(plain && (2..=5).contains(&text.trim().len()), INVALID_LOCALE)
        }
    }
}

/// The value as JSON, for a column of this kind. `None` for a value the check would refuse.
pub(crate) fn json(kind: Kind, value: &Value, instants: Instants) -> Option<Box<RawValue>> {
    let text = |text: &str| serde_json::value::to_raw_value(text).ok();
    match kind {
        // An empty text column is emptied by empty text, every other by null.
        Kind::Text(_) if is_empty(value) => text(""),
        _ if is_empty(value) => RawValue::from_string("null".into()).ok(),
        Kind::Text(_) => text(&text_of(value)),
        Kind::Email | Kind::Phone | Kind::Locale => text(text_of(value).trim()),
        Kind::Number => RawValue::from_string(whole(value)?.to_string()).ok(),
        Kind::Decimal { .. } => RawValue::from_string(decimal(value)?.to_string()).ok(),
        Kind::Boolean => RawValue::from_string(bool_of(value)?.to_string()).ok(),
        Kind::Date => text(&date(value, instants)?),
    }
}

/// A key's value as text, for SOAP and for the address of a row.
pub(crate) fn key_text(kind: Kind, value: &Value, instants: Instants) -> Option<String> {
    if is_empty(value) {
        return None;
    }
    Some(match kind {
        Kind::Number => whole(value)?.to_string(),
        Kind::Decimal { .. } => decimal(value)?.to_string(),
        Kind::Boolean => bool_of(value)?.to_string(),
        Kind::Date => date(value, instants)?,
        Kind::Email | Kind::Phone | Kind::Locale => text_of(value).trim().to_owned(),
        Kind::Text(_) => text_of(value).into_owned(),
    })
}

/// What a key is compared by: case and spaces at the end count for nothing.
pub(crate) fn fold(key: &str) -> String {
    key.trim_end().to_lowercase()
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::Bool(flag) => Some(Decimal::from(i64::from(*flag))),
        Value::Text(text) => Decimal::parse(text.trim()),
        _ => None,
    }
}

fn whole(value: &Value) -> Option<i32> {
    decimal(value)?.to_string().parse().ok()
}

fn has_room(number: &Decimal, precision: u32, scale: u32) -> bool {
    let text = number.to_string();
    let text = text.trim_start_matches('-');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches('0').len();
    fraction.len() <= scale as usize && whole + scale as usize <= precision as usize
}

fn bool_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(_) | Value::Text(_) => match text_of(value).trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A date, or an instant without zone in the time the data extension keeps.
fn date(value: &Value, instants: Instants) -> Option<String> {
    let local = |instant: Timestamp| {
        let offset = match instants {
            Instants::ServerTime => Offset::constant(-6),
            Instants::Utc => Offset::UTC,
        };
        TimeZone::fixed(offset).to_datetime(instant)
    };
    let moment = |at: civil::DateTime| {
        let at = at.with().subsec_nanosecond(0).build().ok()?;
        (1753..=9999).contains(&at.year()).then(|| at.to_string())
    };
    match value {
        Value::Date(days) => {
            let date = civil_date(*days)?;
            (1753..=9999).contains(&date.year()).then(|| date.to_string())
        }
        Value::Timestamp(micros) => moment(local(Timestamp::from_microsecond(*micros).ok()?)),
        Value::Text(text) => {
            let text = text.trim();
            if let Ok(instant) = text.parse::<Timestamp>() {
                return moment(local(instant));
            }
            if text.len() <= "2024-01-31".len() {
                let date: civil::Date = text.parse().ok()?;
                return (1753..=9999).contains(&date.year()).then(|| date.to_string());
            }
            moment(text.parse().ok()?)
        }
        _ => None,
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    text.chars().count() <= EMAIL_LENGTH
        && !local.is_empty()
        && !local.contains('@')
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn written(kind: Kind, value: Value) -> Option<String> {
        check(kind, &value).ok()?;
        json(kind, &value, Instants::ServerTime).map(|raw| raw.get().to_owned())
    }

    fn number(text: &str) -> Value {
        Value::Number(Decimal::parse(text).unwrap())
    }

    #[test]
    fn instants_are_written_in_utc_minus_six_all_year_and_dates_as_they_are() {
        let july = Value::Timestamp(1_720_000_000_000_000);
        assert_eq!(
            written(Kind::Date, july.clone()).unwrap(),
            "\"2024-07-03T03:46:40\""
        );
        assert_eq!(
            json(Kind::Date, &july, Instants::Utc).unwrap().get(),
            "\"2024-07-03T09:46:40\""
        );
        assert_eq!(written(Kind::Date, Value::Date(0)).unwrap(), "\"1970-01-01\"");
        assert_eq!(
            written(Kind::Date, Value::text("2024-02-29")).unwrap(),
            "\"2024-02-29\""
        );
        assert_eq!(
            written(Kind::Date, Value::text("2024-02-29T10:00:00Z")).unwrap(),
            "\"2024-02-29T04:00:00\""
        );
        assert_eq!(
            written(Kind::Date, Value::text("2024-02-29 10:00:00")).unwrap(),
            "\"2024-02-29T10:00:00\""
        );
        for bad in [
            Value::text("29/02/2024"),
            Value::text("soon"),
            Value::Date(-100_000),
            number("3"),
        ] {
            assert_eq!(check(Kind::Date, &bad), Err(INVALID_DATE), "{bad:?}");
        }
    }

    #[test]
    fn numbers_keep_their_digits_or_are_refused() {
        assert_eq!(
            written(Kind::Number, number("-2147483648")).unwrap(),
            "-2147483648"
        );
        assert_eq!(check(Kind::Number, &number("2147483648")), Err(INVALID_NUMBER));
        assert_eq!(check(Kind::Number, &number("1.5")), Err(INVALID_NUMBER));
        let money = Kind::Decimal {
            precision: 6,
            scale: 3,
        };
        assert_eq!(written(money, number("-123.456")).unwrap(), "-123.456");
        assert_eq!(written(money, Value::text("0.5")).unwrap(), "0.5");
        assert_eq!(check(money, &number("1234.5")), Err(INVALID_DECIMAL));
        assert_eq!(check(money, &number("0.1234")), Err(INVALID_DECIMAL));
    }

    #[test]
    fn emptying_is_empty_text_for_text_and_null_for_the_rest() {
        assert_eq!(written(Kind::Text(None), Value::Null).unwrap(), "\"\"");
        for kind in [
            Kind::Number,
            Kind::Date,
            Kind::Boolean,
            Kind::Email,
            Kind::Phone,
            Kind::Locale,
        ] {
            assert_eq!(written(kind, Value::Null).unwrap(), "null", "{kind:?}");
        }
    }

    #[test]
    fn text_is_measured_as_the_server_does() {
        assert!(check(Kind::Text(Some(2)), &Value::text("😀")).is_ok());
        assert_eq!(check(Kind::Text(Some(1)), &Value::text("😀")), Err(TOO_LONG));
        assert_eq!(check(Kind::Email, &Value::text("ann@x")), Err(INVALID_EMAIL));
        assert!(check(Kind::Email, &Value::text(" ann@x.example ")).is_ok());
        assert_eq!(check(Kind::Boolean, &Value::text("maybe")), Err(INVALID_BOOL));
        assert_eq!(check(Kind::Locale, &Value::text("english")), Err(INVALID_LOCALE));
        assert_eq!(check(Kind::Phone, &Value::text("none")), Err(INVALID_PHONE));
    }

    #[test]
    fn keys_are_compared_without_case_and_trailing_spaces() {
        assert_eq!(fold("ABC  "), fold("abc"));
        assert_ne!(fold(" abc"), fold("abc"));
        assert_eq!(
            key_text(Kind::Number, &number("7"), Instants::ServerTime).as_deref(),
            Some("7")
        );
        assert_eq!(
            key_text(Kind::Text(None), &Value::text(""), Instants::ServerTime),
            None
        );
    }
}
