//! Canonical values: what a mapped field holds between source and destination.
//!
//! Two values that mean the same are equal here whatever their warehouse type was: text is NFC,
//! numbers are exact decimals without trailing zeros (so `1`, `1.0` and `1.00` are one value),
//! instants are UTC microseconds, JSON has sorted keys.

use std::collections::BTreeMap;
use std::fmt;

use compact_str::CompactString;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::fmt::{StdFmtWrite, Write};
use jiff::{SignedDuration, Timestamp, civil};
use serde_json::value::RawValue;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// One canonical value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// An exact number.
    Number(Decimal),
    /// NFC text; most texts of a contact are short, and take no memory of their own.
    Text(CompactString),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Compact JSON with sorted keys.
    Json(CompactString),
    /// A list of texts.
    List(Vec<String>),
}

impl Value {
    /// Text in NFC.
    pub fn text(text: &str) -> Self {
        Value::Text(if is_nfc(text) {
            text.into()
        } else {
            text.nfc().collect()
        })
    }

    /// JSON with sorted keys and no spaces; numbers keep all their digits.
    ///
    /// # Errors
    /// When `text` is not JSON.
    pub fn json(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        let mut out = String::with_capacity(text.len());
        sort_json(raw, &mut out)?;
        Ok(Value::Json(out.into()))
    }

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl Value {
    /// Writes the value as a person would: numbers without exponent or trailing zeros, ISO 8601 dates,
    /// instants in UTC with `Z`, lists joined by commas, NULL as nothing. Into memory (`String`, `Vec<u8>`)
    /// it goes without a formatter, since this runs for every value sent.
    ///
    /// # Errors
    /// When `out` takes no more; memory always does.
    pub fn write_to(&self, mut out: impl Write) -> Result<(), jiff::Error> {
        let instants = DateTimePrinter::new();
        match self {
            Value::Null => Ok(()),
            Value::Bool(value) => out.write_str(if *value { "true" } else { "false" }),
            Value::Number(value) => value.pieces(|piece| out.write_str(piece)),
            Value::Text(value) | Value::Json(value) => out.write_str(value),
            Value::Date(days) => match civil_date(*days) {
                Some(date) => instants.print_date(&date, out),
                None => out.write_str(&format!("{days} days after 1970-01-01")),
            },
            Value::Timestamp(micros) => match Timestamp::from_microsecond(*micros) {
                Ok(instant) => instants.print_timestamp(&instant, out),
                Err(_) => out.write_str(&format!("{micros} microseconds after 1970-01-01")),
            },
            Value::List(items) => out.write_str(&items.join(",")),
        }
    }
}

/// As [`Value::write_to`] has it.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(StdFmtWrite(formatter)).map_err(|_| fmt::Error)
    }
}

/// The calendar date `days` after 1970-01-01, if the calendar reaches that far.
pub fn civil_date(days: i32) -> Option<civil::Date> {
    civil::date(1970, 1, 1)
        .checked_add(SignedDuration::from_hours(i64::from(days) * 24))
        .ok()
}

/// Whole microseconds from 1970 to an instant. Finer parts are cut towards the past on either side of 1970, as
/// those of Arrow's nanoseconds are, so that an instant is the same by whichever way it comes.
pub fn micros_since_epoch(instant: Timestamp) -> i64 {
    let micros = instant.as_microsecond();
    match instant.subsec_nanosecond() % 1_000 {
        ..0 => micros - 1,
        0.. => micros,
    }
}

/// Days from 1970-01-01 to `date`.
pub fn days_since_epoch(date: civil::Date) -> i32 {
    let hours = civil::date(1970, 1, 1).duration_until(date).as_hours();
    i32::try_from(hours / 24).unwrap_or_default()
}

fn is_nfc(text: &str) -> bool {
    text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// `text` in Unicode normal form C.
pub fn nfc(text: &str) -> String {
    if is_nfc(text) {
        text.to_owned()
    } else {
        text.nfc().collect()
    }
}

/// Appends compact JSON with the keys of every object sorted. Numbers are read as text: a float
/// would lose the digits of long ones.
fn sort_json(raw: &RawValue, out: &mut String) -> Result<(), serde_json::Error> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(&name)?);
                out.push(':');
                sort_json(member, out)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push('[');
            for (at, item) in items.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                sort_json(item, out)?;
            }
            out.push(']');
        }
        Some(b'"') => {
            let string: String = serde_json::from_str(text)?;
            out.push_str(&serde_json::to_string(&nfc(&string))?);
        }
        Some(b'-' | b'0'..=b'9') => match Decimal::parse(text) {
            Some(number) => out.push_str(&number.to_string()),
            None => out.push_str(text),
        },
        _ => out.push_str(text),
    }
    Ok(())
}

/// An exact decimal number in its shortest form.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Decimal {
    /// `unscaled × 10^-scale`; no trailing zero after the point.
    Small {
        /// The digits.
        unscaled: i128,
        /// How many of them follow the point.
        scale: u8,
    },
    /// Numbers beyond 38 digits, as canonical text.
    Big(String),
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Decimal::Small {
            unscaled: i128::from(value),
            scale: 0,
        }
    }
}

impl Decimal {
    /// `unscaled × 10^-scale`, with trailing zeros after the point removed. A negative scale
    /// multiplies.
    pub fn new(mut unscaled: i128, mut scale: i16) -> Self {
        if unscaled == 0 {
            return Decimal::Small {
                unscaled: 0,
                scale: 0,
            };
        }
        (unscaled, scale) = without_zeros(unscaled, scale);
        while scale < 0 {
            match unscaled.checked_mul(10) {
                Some(next) => {
                    unscaled = next;
                    scale += 1;
                }
                None => {
                    let zeros = "0".repeat(usize::from(scale.unsigned_abs()));
                    return Decimal::Big(format!("{unscaled}{zeros}"));
                }
            }
        }
        match u8::try_from(scale) {
            Ok(scale) => Decimal::Small { unscaled, scale },
            Err(_) => Decimal::Big(place_point(
                &unscaled.to_string(),
                usize::from(scale.unsigned_abs()),
            )),
        }
    }

    /// The decimal a 64-bit float prints as (its shortest form); none for NaN and infinities.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // A float with at most 15 significant digits has one shortest decimal; find it without
        // printing, since models are full of prices.
        for (scale, power) in [(0i16, 1.0f64), (1, 10.0), (2, 100.0), (3, 1e3), (4, 1e4)] {
            let shifted = (value * power).round();
            if shifted.abs() < 1e15 && shifted / power == value {
                return Some(Decimal::new(shifted as i128, scale));
            }
        }
        Self::parse(&format!("{value:e}"))
    }

    /// Reads `-12.50`, `1e-7`, `+3`; none when it is not a number.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !plain(whole) || !plain(fraction) {
            return None;
        }
        if !(-1_000..=1_000).contains(&exponent) || digits.len() > 10_000 {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let mut scale = i32::try_from(fraction.len()).ok()? - exponent;
        let mut kept = significant;
        while scale > 0 && kept.ends_with('0') {
            kept = &kept[..kept.len() - 1];
            scale -= 1;
        }
        if kept.is_empty() {
            return Some(Decimal::Small {
                unscaled: 0,
                scale: 0,
            });
        }
        if let (Ok(unscaled), Ok(scale)) = (kept.parse::<i128>(), i16::try_from(scale)) {
            return Some(Self::new(if negative { -unscaled } else { unscaled }, scale));
        }
        let sign = if negative { "-" } else { "" };
        Some(Decimal::Big(if scale > 0 {
            place_point(&format!("{sign}{kept}"), usize::try_from(scale).ok()?)
        } else {
            format!("{sign}{kept}{}", "0".repeat(usize::try_from(-scale).ok()?))
        }))
    }

    /// Rounds half away from zero to `places` digits after the point.
    #[must_use]
    pub fn round(&self, places: u8) -> Self {
        match self {
            Decimal::Small { unscaled, scale } if *scale > places => {
                let Some(unit) = 10i128.checked_pow(u32::from(scale - places)) else {
                    return Decimal::Small {
                        unscaled: 0,
                        scale: 0,
                    };
                };
                let half = unit / 2;
                let shifted = if *unscaled < 0 {
                    unscaled.saturating_sub(half)
                } else {
                    unscaled.saturating_add(half)
                };
                Decimal::new(shifted / unit, i16::from(places))
            }
            other => other.clone(),
        }
    }

    /// The number as an integer, when it is one.
    pub fn as_i128(&self) -> Option<i128> {
        match self {
            Decimal::Small { unscaled, scale: 0 } => Some(*unscaled),
            _ => None,
        }
    }
}

/// Without zeros after the point. Divisions of 128 bits are several times slower than those of 64, which
/// most numbers fit.
fn without_zeros(mut unscaled: i128, mut scale: i16) -> (i128, i16) {
    const BLOCK: i128 = 100_000_000;
    while scale >= 8 && unscaled % BLOCK == 0 {
        unscaled /= BLOCK;
        scale -= 8;
    }
    if let Ok(mut small) = i64::try_from(unscaled) {
        while scale > 0 && small % 10 == 0 {
            small /= 10;
            scale -= 1;
        }
        return (i128::from(small), scale);
    }
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
}

impl Decimal {
    /// Hands the number's text to `put`, piece by piece; without a formatter, since this runs for every
    /// number sent.
    ///
    /// # Errors
    /// What `put` fails with.
    pub fn pieces<E>(&self, mut put: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let (unscaled, scale) = match self {
            Decimal::Small { unscaled, scale } => (*unscaled, usize::from(*scale)),
            Decimal::Big(text) => return put(text),
        };
        let mut buffer = itoa::Buffer::new();
        // Most numbers fit into half the width.
        let digits = match i64::try_from(unscaled) {
            Ok(small) => buffer.format(small),
            Err(_) => buffer.format(unscaled),
        };
        if scale == 0 {
            return put(digits);
        }
        let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
        put(sign)?;
        let point = digits.len().checked_sub(scale);
        match point.and_then(|at| digits.split_at_checked(at)) {
            Some((whole, fraction)) if !whole.is_empty() => {
                put(whole)?;
                put(".")?;
                put(fraction)
            }
            _ => {
                put("0.")?;
                for _ in digits.len()..scale {
                    put("0")?;
                }
                put(digits)
            }
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces(|piece| formatter.write_str(piece))
    }
}

fn place_point(digits: &str, scale: usize) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_numbers_have_one_form() {
        for text in ["1", "1.0", "1.00", "+1", "10e-1", "0.1e1", "001"] {
            assert_eq!(Decimal::parse(text), Some(Decimal::from(1)), "{text}");
        }
        assert_eq!(Decimal::parse("-0.0"), Some(Decimal::from(0)));
        assert_eq!(Decimal::from_f64(-0.0), Some(Decimal::from(0)));
        assert_eq!(Decimal::from_f64(19.99), Decimal::parse("19.99"));
        assert_eq!(Decimal::from_f64(f64::NAN), None);
    }

    #[test]
    fn numbers_print_without_exponent() {
        assert_eq!(Decimal::parse("1e-7").unwrap().to_string(), "0.0000001");
        assert_eq!(Decimal::parse("-1.5e3").unwrap().to_string(), "-1500");
        assert_eq!(
            Decimal::from_f64(1e21).unwrap().to_string(),
            "1000000000000000000000"
        );
        let huge = "123456789012345678901234567890123456789012345.5";
        assert_eq!(Decimal::parse(huge).unwrap().to_string(), huge);
        assert_eq!(Decimal::parse("12x"), None);
        assert_eq!(Decimal::parse("."), None);
        assert_eq!(Decimal::parse("1e999999999"), None);
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let round = |text: &str, places| Decimal::parse(text).unwrap().round(places).to_string();
        assert_eq!(round("2.345", 2), "2.35");
        assert_eq!(round("-2.345", 2), "-2.35");
        assert_eq!(round("2.5", 0), "3");
        assert_eq!(round("7", 2), "7");
    }

    #[test]
    fn what_is_finer_than_a_microsecond_is_cut_towards_the_past() {
        for (text, micros) in [
            ("1970-01-01T00:00:00.000001999Z", 1),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("1969-12-31T23:59:59.999999001Z", -1),
            ("1969-12-31T23:59:58.9999985Z", -1_000_002),
        ] {
            assert_eq!(micros_since_epoch(text.parse().unwrap()), micros, "{text}");
        }
    }

    #[test]
    fn dates_print_as_iso() {
        assert_eq!(Value::Date(0).to_string(), "1970-01-01");
        assert_eq!(Value::Date(-1).to_string(), "1969-12-31");
        assert_eq!(days_since_epoch(civil::date(2026, 11, 2)), 20_759);
        assert_eq!(Value::Timestamp(1_500_000).to_string(), "1970-01-01T00:00:01.5Z");
    }

    #[test]
    fn json_keys_are_sorted() {
        assert_eq!(
            Value::json("{\"b\": [1, {\"d\":1,\"c\":2}], \"a\": null}").unwrap(),
            Value::Json("{\"a\":null,\"b\":[1,{\"c\":2,\"d\":1}]}".into())
        );
    }

    #[test]
    fn numbers_inside_json_keep_their_digits_and_have_one_form() {
        assert_eq!(
            Value::json("[12345678901234567890.123456789012345, 1.50, 1e2]").unwrap(),
            Value::Json("[12345678901234567890.123456789012345,1.5,100]".into())
        );
        assert_eq!(
            Value::json(" \"e\u{301}\" ").unwrap(),
            Value::json("\"\u{e9}\"").unwrap()
        );
        assert!(Value::json("{\"a\":}").is_err());
    }

    proptest! {
        #[test]
        fn a_float_equals_the_decimal_it_prints_as(value in proptest::num::f64::NORMAL) {
            let direct = Decimal::from_f64(value);
            let printed = Decimal::parse(&format!("{value:e}"));
            prop_assert_eq!(direct, printed);
        }

        #[test]
        fn printing_and_reading_is_the_identity(unscaled in any::<i128>(), scale in 0i16..60) {
            let number = Decimal::new(unscaled / 10, scale);
            prop_assert_eq!(Decimal::parse(&number.to_string()), Some(number));
        }
    }
}
