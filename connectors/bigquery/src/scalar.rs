//! Values without parts: read from REST's text, written as canonical text and JSON.
//!
//! Text and Arrow both become a [`Scalar`] first, so a value is the same by both routes.

use std::borrow::Cow;

use arrow_buffer::i256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outflow_sdk::value::{Decimal, Value, days_since_epoch};

use crate::kind::Kind;

const MICROS: i64 = 1_000_000;

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not what BigQuery says such a value looks like.
    Malformed,
    /// A date or instant before the year -9999 or after 9999.
    OutOfRange,
}

impl Unfit {
    /// What the value is, and what to do about it.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Unfit::Malformed => (
                "holds something that is no value of its type",
                "turn the column into text in a `sql:` model, such as with TO_JSON_STRING, and report this",
            ),
            Unfit::OutOfRange => (
                "holds a date beyond the years -9999 to 9999",
                "correct it, or give it another value in a `sql:` model",
            ),
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// `unscaled × 10^-scale`.
    Decimal(i256, i8),
    Text(Cow<'a, str>),
    Json(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01, taken as UTC.
    Datetime(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Microseconds since midnight.
    Time(i64),
    /// Months, days and microseconds, which never make up for each other.
    Interval(i32, i32, i64),
}

impl<'a> Scalar<'a> {
    /// Reads the text REST gives for a value of this kind.
    pub(crate) fn parse(kind: &Kind, text: Cow<'a, str>) -> Result<Self, Unfit> {
        Ok(match kind {
            Kind::Boolean => Scalar::Boolean(boolean(&text)?),
            Kind::Integer => Scalar::Integer(text.parse().map_err(|_| Unfit::Malformed)?),
            Kind::Float => Scalar::Float(text.parse().map_err(|_| Unfit::Malformed)?),
            Kind::Numeric => decimal(&text, crate::kind::NUMERIC_SCALE)?,
            Kind::BigNumeric => decimal(&text, crate::kind::BIGNUMERIC_SCALE)?,
            Kind::Text => Scalar::Text(text),
            Kind::Json => Scalar::Json(text),
            Kind::Bytes => Scalar::Bytes(Cow::Owned(
                STANDARD.decode(text.as_bytes()).map_err(|_| Unfit::Malformed)?,
            )),
            Kind::Date => Scalar::Date(date(&text)?),
            Kind::Datetime => Scalar::Datetime(datetime(&text)?),
            Kind::Timestamp => Scalar::Timestamp(timestamp(&text)?),
            Kind::Time => Scalar::Time(time(&text)?),
            Kind::Interval => interval(&text)?,
            Kind::Range(_) | Kind::Struct(_) | Kind::List(_) | Kind::Unknown(_) => {
                return Err(Unfit::Malformed);
            }
        })
    }

    /// The value as a person would write it.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Scalar::Text(text) => Cow::Borrowed(text),
            Scalar::Json(text) => match Value::json(text) {
                Ok(value) => Cow::Owned(value.to_string()),
                Err(_) => Cow::Borrowed(text),
            },
            Scalar::Boolean(value) => Cow::Owned(value.to_string()),
            Scalar::Integer(value) => Cow::Owned(value.to_string()),
            Scalar::Float(value) => Cow::Owned(match Decimal::from_f64(*value) {
                Some(number) => number.to_string(),
                None => value.to_string(),
            }),
            Scalar::Decimal(unscaled, scale) => Cow::Owned(decimal_text(*unscaled, *scale)),
            Scalar::Bytes(bytes) => {
                Cow::Owned(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
            Scalar::Date(days) => Cow::Owned(Value::Date(*days).to_string()),
            Scalar::Datetime(micros) | Scalar::Timestamp(micros) => {
                Cow::Owned(Value::Timestamp(*micros).to_string())
            }
            Scalar::Time(micros) => Cow::Owned(clock(*micros)),
            Scalar::Interval(months, days, micros) => Cow::Owned(interval_text(*months, *days, *micros)),
        }
    }

    /// Appends the value as JSON.
    pub(crate) fn json(&self, out: &mut String) {
        match self {
            Scalar::Boolean(_) | Scalar::Integer(_) | Scalar::Decimal(..) => out.push_str(&self.text()),
            Scalar::Float(value) if value.is_finite() => out.push_str(&self.text()),
            Scalar::Json(text) => out.push_str(text),
            Scalar::Bytes(bytes) => quote(&STANDARD.encode(bytes), out),
            Scalar::Datetime(_) => quote(self.text().trim_end_matches('Z'), out),
            _ => quote(&self.text(), out),
        }
    }
}

/// Appends a JSON string.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn boolean(text: &str) -> Result<bool, Unfit> {
    match text {
        "true" | "TRUE" => Ok(true),
        "false" | "FALSE" => Ok(false),
        _ => Err(Unfit::Malformed),
    }
}

/// Digits without the point, to `scale` places.
fn decimal(text: &str, scale: i8) -> Result<Scalar<'static>, Unfit> {
    let number = Decimal::parse(text).ok_or(Unfit::Malformed)?;
    let (digits, places) = match number {
        Decimal::Small { unscaled, scale } => (i256::from_i128(unscaled), i16::from(scale)),
        Decimal::Big(text) => {
            let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let digits = i256::from_string(&text.replace('.', "")).ok_or(Unfit::Malformed)?;
            (digits, i16::try_from(places).map_err(|_| Unfit::Malformed)?)
        }
    };
    rescaled(digits, places, scale).map(|digits| Scalar::Decimal(digits, scale))
}

/// `digits × 10^-from` as a number of `to` places.
pub(crate) fn rescaled(digits: i256, from: i16, to: i8) -> Result<i256, Unfit> {
    let ten = i256::from_i128(10);
    let power = |by: i16| -> Result<i256, Unfit> {
        let by = u32::try_from(by).map_err(|_| Unfit::Malformed)?;
        ten.checked_pow(by).ok_or(Unfit::Malformed)
    };
    let missing = i16::from(to) - from;
    if missing >= 0 {
        return digits.checked_mul(power(missing)?).ok_or(Unfit::Malformed);
    }
    // More places than the type has: fine as long as they are zeros.
    let unit = power(-missing)?;
    match digits.checked_rem(unit) {
        Some(i256::ZERO) => digits.checked_div(unit).ok_or(Unfit::Malformed),
        _ => Err(Unfit::Malformed),
    }
}

fn decimal_text(unscaled: i256, scale: i8) -> String {
    if let Some(small) = unscaled.to_i128() {
        return Decimal::new(small, i16::from(scale)).to_string();
    }
    let exponent = format!("{unscaled}e-{scale}");
    Decimal::parse(&exponent).map_or(exponent, |number| number.to_string())
}

fn digits(text: &str) -> Result<i64, Unfit> {
    if text.is_empty() || text.len() > 18 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unfit::Malformed);
    }
    text.parse().map_err(|_| Unfit::Malformed)
}

/// Days since 1970-01-01 of `2026-11-25`.
fn date(text: &str) -> Result<i32, Unfit> {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Unfit::Malformed);
    };
    let small = |text: &str| i8::try_from(digits(text)?).map_err(|_| Unfit::Malformed);
    let year = i16::try_from(digits(year)?).map_err(|_| Unfit::OutOfRange)?;
    let date = jiff::civil::Date::new(year, small(month)?, small(day)?).map_err(|_| Unfit::Malformed)?;
    Ok(days_since_epoch(date))
}

/// Microseconds since midnight of `10:00:00.25`.
fn time(text: &str) -> Result<i64, Unfit> {
    let mut parts = text.split(':');
    let (Some(hour), Some(minute), Some(second), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Unfit::Malformed);
    };
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    let micros = micros(second)?;
    if hour > 23 || minute > 59 || micros >= 61 * MICROS {
        return Err(Unfit::Malformed);
    }
    Ok((hour * 3_600 + minute * 60) * MICROS + micros)
}

/// Microseconds of seconds such as `12.5`, as decimal text: a float would lose some.
fn micros(text: &str) -> Result<i64, Unfit> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 12 || fraction.bytes().skip(6).any(|digit| digit != b'0') {
        return Err(Unfit::Malformed);
    }
    let kept: String = fraction.chars().chain("000000".chars()).take(6).collect();
    digits(whole)?
        .checked_mul(MICROS)
        .and_then(|whole| whole.checked_add(digits(&kept).ok()?))
        .ok_or(Unfit::OutOfRange)
}

/// Microseconds of `2026-11-25T10:00:00.25`, with a blank for the T too.
fn datetime(text: &str) -> Result<i64, Unfit> {
    let (day, clock) = text.split_once(['T', ' ']).ok_or(Unfit::Malformed)?;
    Ok(i64::from(date(day)?) * 86_400 * MICROS + time(clock)?)
}

/// Microseconds of an instant: `1710036000123456` (asked for), `1.710036000123456E9` (seconds, where the
/// server does not know the question), or ISO 8601.
fn timestamp(text: &str) -> Result<i64, Unfit> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let is_number = unsigned
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if is_number && !unsigned.is_empty() && !unsigned.contains('-') || unsigned.contains("E-") {
        let is_seconds = unsigned.contains(['.', 'e', 'E']);
        if !is_seconds {
            return text.parse().map_err(|_| Unfit::OutOfRange);
        }
        let seconds = Decimal::parse(text).ok_or(Unfit::Malformed)?;
        let Decimal::Small { unscaled, scale } = seconds.round(6) else {
            return Err(Unfit::OutOfRange);
        };
        let power = 6u32.checked_sub(u32::from(scale)).ok_or(Unfit::Malformed)?;
        return unscaled
            .checked_mul(10i128.pow(power))
            .and_then(|micros| i64::try_from(micros).ok())
            .ok_or(Unfit::OutOfRange);
    }
    let instant: jiff::Timestamp = text
        .replacen(' ', "T", 1)
        .replace(" UTC", "Z")
        .parse()
        .map_err(|_| Unfit::Malformed)?;
    Ok(instant.as_microsecond())
}

/// `1-2 3 4:5:6.7`, each part with a sign of its own.
fn interval(text: &str) -> Result<Scalar<'static>, Unfit> {
    let mut parts = text.split(' ');
    let (Some(months), Some(days), Some(clock), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Unfit::Malformed);
    };
    let signed = |text: &str| match text.strip_prefix('-') {
        Some(rest) => (-1, rest.to_owned()),
        None => (1, text.to_owned()),
    };
    let (sign, months) = signed(months);
    let (years, rest) = months.split_once('-').ok_or(Unfit::Malformed)?;
    let months = sign * (digits(years)? * 12 + digits(rest)?);
    let (sign, days) = signed(days);
    let days = sign * digits(&days)?;
    let (sign, clock) = signed(clock);
    let mut parts = clock.split(':');
    let (Some(hours), Some(minutes), Some(seconds), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Unfit::Malformed);
    };
    let whole = digits(hours)?
        .checked_mul(3_600)
        .and_then(|hours| hours.checked_add(digits(minutes).ok()? * 60))
        .and_then(|seconds| seconds.checked_mul(MICROS))
        .ok_or(Unfit::OutOfRange)?;
    Ok(Scalar::Interval(
        i32::try_from(months).map_err(|_| Unfit::OutOfRange)?,
        i32::try_from(days).map_err(|_| Unfit::OutOfRange)?,
        sign * (whole + micros(seconds)?),
    ))
}

fn clock(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{}", fraction_text(fraction))
}

fn fraction_text(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    format!(".{micros:06}").trim_end_matches('0').to_owned()
}

/// BigQuery's own text of an interval.
fn interval_text(months: i32, days: i32, micros: i64) -> String {
    let sign = |negative: bool| if negative { "-" } else { "" };
    let (years, rest) = (months.unsigned_abs() / 12, months.unsigned_abs() % 12);
    let total = micros.unsigned_abs();
    let (seconds, fraction) = (total / 1_000_000, total % 1_000_000);
    format!(
        "{}{years}-{rest} {days} {}{}:{}:{}{}",
        sign(months < 0),
        sign(micros < 0),
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        fraction_text(i64::try_from(fraction).unwrap_or_default())
    )
}

#[cfg(test)]
mod tests;
