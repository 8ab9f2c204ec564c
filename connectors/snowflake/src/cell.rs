//! The text of one value in a JSON rowset as the value.

use arrow_buffer::i256;

use crate::kind::FLOATING;
use crate::timestamps::{micros, time_of_day};

/// Why a value is none of its column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is not written as the type is.
    Malformed,
    /// A year that no destination has.
    YearTooFar,
    /// More digits than there is room for.
    TooManyDigits,
    /// It comes in an Arrow type that its Snowflake type is not known to have.
    AnotherType,
}

impl Unfit {
    /// What the cell holds, and what to write instead.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Unfit::Malformed => (
                "does not read as its type",
                "turn the column into text in a `sql:` model, and report this",
            ),
            Unfit::YearTooFar => (
                "is a date beyond the years -9999 to 9999",
                "correct it, or give it another value in a `sql:` model",
            ),
            Unfit::TooManyDigits => (
                "has more than 38 digits before or after the point",
                "round it in a `sql:` model, such as column::number(38,10) as column",
            ),
            Unfit::AnotherType => (
                "comes in a form that is not known",
                "turn it into text in a `sql:` model: column::varchar as column",
            ),
        }
    }
}

/// `0`, `1`, `false` or `true`.
pub(crate) fn boolean(text: &str) -> Result<bool, Unfit> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(Unfit::Malformed),
    }
}

/// A float as Snowflake writes it: `1.5e10`, `NaN`, `inf`.
pub(crate) fn float(text: &str) -> Result<f64, Unfit> {
    text.trim().parse().map_err(|_| Unfit::Malformed)
}

/// Digits without the point, to `scale` places. Zeros beyond them are left out, other digits refused.
pub(crate) fn unscaled(text: &str, scale: u8) -> Result<i128, Unfit> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(Unfit::Malformed);
    }
    let scale = usize::from(scale);
    let mut value: i128 = 0;
    let fraction = fraction.as_bytes();
    let kept = fraction.get(..scale.min(fraction.len())).unwrap_or_default();
    let dropped = fraction.get(kept.len()..).unwrap_or_default();
    for byte in whole.as_bytes().iter().chain(kept) {
        value = push_digit(value, *byte)?;
    }
    for _ in kept.len()..scale {
        value = push_digit(value, b'0')?;
    }
    for byte in dropped {
        match byte {
            b'0' => {}
            b'1'..=b'9' => return Err(Unfit::TooManyDigits),
            _ => return Err(Unfit::Malformed),
        }
    }
    Ok(if negative { -value } else { value })
}

fn push_digit(value: i128, byte: u8) -> Result<i128, Unfit> {
    if !byte.is_ascii_digit() {
        return Err(Unfit::Malformed);
    }
    value
        .checked_mul(10)
        .and_then(|value| value.checked_add(i128::from(byte - b'0')))
        .ok_or(Unfit::TooManyDigits)
}

/// A number whose point floats, as `-1.25e-7` or in plain digits.
pub(crate) fn decfloat(text: &str) -> Result<i256, Unfit> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => {
            let exponent = text.get(at + 1..).unwrap_or_default();
            let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
            (
                text.get(..at).unwrap_or_default(),
                exponent.parse::<i32>().map_err(|_| Unfit::Malformed)?,
            )
        }
        None => (text, 0),
    };
    let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let places = u8::try_from(places).map_err(|_| Unfit::TooManyDigits)?;
    let significand = unscaled(mantissa, places)?;
    floating(significand, exponent - i32::from(places))
}

/// `significand × 10^exponent` to the places of [`FLOATING`].
pub(crate) fn floating(significand: i128, exponent: i32) -> Result<i256, Unfit> {
    if significand == 0 {
        return Ok(i256::ZERO);
    }
    let mut value = i256::from_i128(significand);
    let mut shift = exponent
        .checked_add(i32::from(FLOATING.1))
        .ok_or(Unfit::TooManyDigits)?;
    let ten = i256::from_i128(10);
    while shift < 0 {
        if value % ten != i256::ZERO {
            return Err(Unfit::TooManyDigits);
        }
        value /= ten;
        shift += 1;
    }
    let limit = ten
        .checked_pow(u32::from(FLOATING.0))
        .ok_or(Unfit::TooManyDigits)?;
    while shift > 0 {
        value = value.checked_mul(ten).ok_or(Unfit::TooManyDigits)?;
        if value >= limit || value <= -limit {
            return Err(Unfit::TooManyDigits);
        }
        shift -= 1;
    }
    Ok(value)
}

/// Days since 1970-01-01, as text.
pub(crate) fn date(text: &str) -> Result<i32, Unfit> {
    crate::timestamps::day(text.trim().parse().map_err(|_| Unfit::Malformed)?)
}

/// `seconds.fraction` since midnight as `10:00:00.5`.
pub(crate) fn time(text: &str) -> Result<String, Unfit> {
    let nanos = i64::try_from(unscaled(text, 9)?).map_err(|_| Unfit::Malformed)?;
    time_of_day(nanos, 9)
}

/// `seconds.fraction` since 1970 in microseconds; below zero the fraction goes down too.
pub(crate) fn timestamp(text: &str) -> Result<i64, Unfit> {
    micros(unscaled(text, 9)?, 9)
}

/// The same with minutes east of UTC, plus a day's, behind a blank: they do not change the instant.
pub(crate) fn zoned(text: &str) -> Result<i64, Unfit> {
    let (instant, minutes) = text.split_once(' ').unwrap_or((text, "1440"));
    let minutes: u32 = minutes.parse().map_err(|_| Unfit::Malformed)?;
    if minutes > 2_880 {
        return Err(Unfit::Malformed);
    }
    timestamp(instant)
}

/// The bytes of hexadecimal digits.
pub(crate) fn bytes(text: &str, out: &mut Vec<u8>) -> Result<(), Unfit> {
    out.clear();
    if !text.len().is_multiple_of(2) {
        return Err(Unfit::Malformed);
    }
    let nibble = |byte: &u8| char::from(*byte).to_digit(16).ok_or(Unfit::Malformed);
    for pair in text.as_bytes().chunks_exact(2) {
        if let [high, low] = pair {
            out.push((nibble(high)? * 16 + nibble(low)?) as u8);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use outflow_sdk::value::Decimal;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exact_numbers_stay_exact() {
        assert_eq!(unscaled("12.50", 2), Ok(1250));
        assert_eq!(unscaled("-0.01", 4), Ok(-100));
        assert_eq!(unscaled("7", 0), Ok(7));
        assert_eq!(unscaled("1.500", 1), Ok(15));
        assert_eq!(unscaled(&"9".repeat(38), 0), Ok(10i128.pow(38) - 1));
        assert_eq!(unscaled("1.25", 1), Err(Unfit::TooManyDigits));
        for text in ["", "-", ".", "1e5", "NaN", " 1", "1 "] {
            assert_eq!(unscaled(text, 2), Err(Unfit::Malformed), "{text}");
        }
    }

    #[test]
    fn numbers_whose_point_floats_are_exact_or_refused() {
        let shown = |text: &str| decfloat(text).map(|value| value.to_string());
        let one = format!("1{}", "0".repeat(38));
        assert_eq!(shown("1"), Ok(one.clone()));
        assert_eq!(shown("0.1e1"), Ok(one));
        assert_eq!(shown("-1.5E-38"), Err(Unfit::TooManyDigits));
        assert_eq!(shown("1e37"), Ok(format!("1{}", "0".repeat(75))));
        assert_eq!(shown("1e38"), Err(Unfit::TooManyDigits));
        assert_eq!(shown("0e999"), Ok("0".into()));
        assert_eq!(shown("-25e-38"), Ok("-25".into()));
        assert_eq!(shown("1e"), Err(Unfit::Malformed));
    }

    #[test]
    fn floats_may_be_none() {
        assert!(float("NaN").is_ok_and(f64::is_nan));
        assert_eq!(float("-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(float("1.5e10"), Ok(1.5e10));
        assert_eq!(float("x"), Err(Unfit::Malformed));
    }

    #[test]
    fn times_are_counted_in_seconds() {
        assert_eq!(date("-1"), Ok(-1));
        assert_eq!(date("99999999"), Err(Unfit::YearTooFar));
        assert_eq!(time("36000.500000000").as_deref(), Ok("10:00:00.5"));
        assert_eq!(timestamp("1764000000.123456789"), Ok(1_764_000_000_123_456));
        assert_eq!(timestamp("-0.500000000"), Ok(-500_000));
        assert_eq!(timestamp("12"), Ok(12_000_000));
        assert_eq!(zoned("1764000000.000000000 1500"), Ok(1_764_000_000_000_000));
        assert_eq!(zoned("1764000000.0 9999"), Err(Unfit::Malformed));
        assert_eq!(zoned("2026-01-01"), Err(Unfit::Malformed));
    }

    #[test]
    fn bytes_are_hexadecimal() {
        let mut out = Vec::new();
        assert_eq!(bytes("00fF", &mut out), Ok(()));
        assert_eq!(out, [0, 255]);
        assert_eq!(bytes("0", &mut out), Err(Unfit::Malformed));
        assert_eq!(bytes("zz", &mut out), Err(Unfit::Malformed));
    }

    proptest! {
        #[test]
        fn decimals_agree_with_the_sdk(digits in -(10i128.pow(37))..10i128.pow(37), scale in 0u8..38) {
            let text = Decimal::new(digits, i16::from(scale)).to_string();
            prop_assert_eq!(unscaled(&text, scale), Ok(digits));
            prop_assert!(decfloat(&text).is_ok());
        }

        #[test]
        fn no_text_makes_it_stumble(text in "\\PC{0,24}") {
            let _ = (date(&text), timestamp(&text), zoned(&text), unscaled(&text, 10), decfloat(&text));
            let _ = (time(&text), float(&text), boolean(&text), bytes(&text, &mut Vec::new()));
        }
    }
}
