//! The server's text of one value as the value.

use arrow_buffer::i256;
use outflow_sdk::value::Value;

/// Why a text is no value of its column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is not written as the type is.
    Malformed,
    /// A number that is none.
    NotANumber,
    /// A date or time at the end of all times.
    Infinite,
    /// A year that no destination has.
    YearTooFar,
    /// More digits than there is room for.
    TooManyDigits,
    /// An array of arrays.
    Nested,
}

impl Unfit {
    /// What the cell holds, and what to write instead.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Unfit::Malformed => (
                "does not read as its type",
                "turn the column into text in a `sql:` model, and report this",
            ),
            Unfit::NotANumber => (
                "is NaN or infinite",
                "give it another value in a `sql:` model, such as nullif(column, 'NaN')",
            ),
            Unfit::Infinite => (
                "is an infinite date",
                "give it another value in a `sql:` model, such as nullif(column, 'infinity')",
            ),
            Unfit::YearTooFar => (
                "is a date beyond the years -9999 to 9999",
                "correct it, or give it another value in a `sql:` model",
            ),
            Unfit::TooManyDigits => (
                "has more than 38 digits before or after the point",
                "round it in a `sql:` model, such as column::numeric(38,10)",
            ),
            Unfit::Nested => (
                "is an array of arrays",
                "turn it into JSON in a `sql:` model: to_jsonb(column) as column",
            ),
        }
    }
}

/// `t` or `f`.
pub(crate) fn boolean(text: &str) -> Result<bool, Unfit> {
    match text {
        "t" | "true" => Ok(true),
        "f" | "false" => Ok(false),
        _ => Err(Unfit::Malformed),
    }
}

/// Digits without the point, to `scale` places.
pub(crate) fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, Unfit> {
    let digits = Digits::parse(text)?;
    let missing = digits.missing(scale)?;
    let power = 10i128.checked_pow(missing).ok_or(Unfit::TooManyDigits)?;
    let value = digits.small.and_then(|small| small.checked_mul(power));
    let limit = 10i128
        .checked_pow(u32::from(precision))
        .ok_or(Unfit::TooManyDigits)?;
    value
        .filter(|value| value.abs() < limit)
        .ok_or(Unfit::TooManyDigits)
}

/// The same for numbers of up to 76 digits.
pub(crate) fn wide_decimal(text: &str, precision: u8, scale: u8) -> Result<i256, Unfit> {
    let digits = Digits::parse(text)?;
    let missing = digits.missing(scale)?;
    if digits.count + missing as usize > usize::from(precision) && digits.small != Some(0) {
        return Err(Unfit::TooManyDigits);
    }
    match digits.small {
        Some(small) => {
            // Two steps: 10^38 is the largest power an i128 holds.
            let power = 10i128.checked_pow(missing.min(38)).ok_or(Unfit::TooManyDigits)?;
            let rest = 10i128
                .checked_pow(missing.saturating_sub(38))
                .ok_or(Unfit::TooManyDigits)?;
            i256::from_i128(small)
                .checked_mul(i256::from_i128(power))
                .and_then(|value| value.checked_mul(i256::from_i128(rest)))
                .ok_or(Unfit::TooManyDigits)
        }
        None => {
            let plain = text.replace('.', "");
            let zeros = "0".repeat(missing as usize);
            i256::from_string(&format!("{plain}{zeros}")).ok_or(Unfit::TooManyDigits)
        }
    }
}

struct Digits {
    /// All digits as one number, where it holds them.
    small: Option<i128>,
    /// How many there are, without leading zeros.
    count: usize,
    /// How many follow the point; zeros at the end included.
    fraction: usize,
}

impl Digits {
    fn parse(text: &str) -> Result<Self, Unfit> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes.first() {
            Some(b'-') => (true, bytes.get(1..).unwrap_or_default()),
            Some(_) => (false, bytes),
            None => return Err(Unfit::Malformed),
        };
        let mut parsed = Self {
            small: Some(0),
            count: 0,
            fraction: 0,
        };
        let mut point = false;
        // Most numbers fit 64 bits, which multiply faster.
        let mut short = 0u64;
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    let digit = byte - b'0';
                    parsed.fraction += usize::from(point);
                    parsed.count += usize::from(parsed.count > 0 || digit > 0);
                    if parsed.count <= 18 {
                        short = short * 10 + u64::from(digit);
                        continue;
                    }
                    if parsed.count == 19 {
                        parsed.small = Some(i128::from(short));
                    }
                    parsed.small = parsed
                        .small
                        .and_then(|small| small.checked_mul(10)?.checked_add(i128::from(digit)));
                }
                b'.' if !point => point = true,
                _ => {
                    let word = text.trim_start_matches(['-', '+']);
                    let named = ["nan", "infinity", "inf"];
                    return Err(if named.iter().any(|name| word.eq_ignore_ascii_case(name)) {
                        Unfit::NotANumber
                    } else {
                        Unfit::Malformed
                    });
                }
            }
        }
        if digits.iter().all(|byte| !byte.is_ascii_digit()) {
            return Err(Unfit::Malformed);
        }
        if parsed.count <= 18 {
            parsed.small = Some(i128::from(short));
        }
        if negative {
            parsed.small = parsed.small.map(|small| -small);
        }
        Ok(parsed)
    }

    fn missing(&self, scale: u8) -> Result<u32, Unfit> {
        let missing = usize::from(scale)
            .checked_sub(self.fraction)
            .ok_or(Unfit::TooManyDigits)?;
        u32::try_from(missing).map_err(|_| Unfit::TooManyDigits)
    }
}

/// Days since 1970-01-01 of `2026-11-25` or `0044-03-15 BC`.
pub(crate) fn date(text: &str) -> Result<i32, Unfit> {
    let (text, before_christ) = era(text);
    Ok(i32::try_from(days(text, before_christ)?).unwrap_or_default())
}

/// Microseconds since 1970-01-01T00:00:00Z of `2026-11-25 10:00:00.5+00`; without a zone it is UTC.
pub(crate) fn timestamp(text: &str) -> Result<i64, Unfit> {
    let (text, before_christ) = era(text);
    let Some((date, time)) = text.split_once(' ') else {
        return Err(infinite_or_malformed(text));
    };
    let days = days(date, before_christ)?;
    let (clock, offset) = match time.find(['+', '-']) {
        Some(at) => (
            time.get(..at).unwrap_or_default(),
            zone(time.get(at..).unwrap_or_default())?,
        ),
        None => (time, 0),
    };
    Ok((days * 86_400 - offset) * 1_000_000 + micros_of_day(clock)?)
}

fn era(text: &str) -> (&str, bool) {
    text.strip_suffix(" BC")
        .map_or((text, false), |rest| (rest, true))
}

fn infinite_or_malformed(text: &str) -> Unfit {
    match text {
        "infinity" | "-infinity" => Unfit::Infinite,
        _ => Unfit::Malformed,
    }
}

fn number(text: &str) -> Result<i64, Unfit> {
    if text.is_empty() || text.len() > 7 {
        return Err(Unfit::Malformed);
    }
    digits(text.as_bytes())
}

/// The number that a few digits write.
fn digits(text: &[u8]) -> Result<i64, Unfit> {
    text.iter().try_fold(0, |number, byte| match byte {
        b'0'..=b'9' => Ok(number * 10 + i64::from(byte - b'0')),
        _ => Err(Unfit::Malformed),
    })
}

fn days(text: &str, before_christ: bool) -> Result<i64, Unfit> {
    let (year, month, day) = match text.as_bytes() {
        // Nearly every date is written so.
        [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] => (
            digits(&[*y1, *y2, *y3, *y4])?,
            digits(&[*m1, *m2])?,
            digits(&[*d1, *d2])?,
        ),
        _ => {
            let mut parts = text.split('-');
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(year), Some(month), Some(day), None) => (number(year)?, number(month)?, number(day)?),
                _ => return Err(infinite_or_malformed(text)),
            }
        }
    };
    // There is no year 0: 1 BC is year 0 of the calendar.
    let year = if before_christ { 1 - year } else { year };
    if !(-9_999..=9_999).contains(&year) {
        return Err(Unfit::YearTooFar);
    }
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(Unfit::Malformed);
    }
    // Days from civil, with the year beginning in March so that leap days come last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let cycle = shifted.div_euclid(400);
    let year_of_cycle = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    Ok(cycle * 146_097 + day_of_cycle - 719_468)
}

fn micros_of_day(clock: &str) -> Result<i64, Unfit> {
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let (hour, minute, second) = match seconds.as_bytes() {
        [h1, h2, b':', m1, m2, b':', s1, s2] => {
            (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?, digits(&[*s1, *s2])?)
        }
        _ => return Err(Unfit::Malformed),
    };
    let micros = match fraction.len() {
        0 => 0,
        digits @ 1..=6 => number(fraction)? * 10i64.pow(6 - digits as u32),
        _ => return Err(Unfit::Malformed),
    };
    if hour > 24 || minute > 59 || second > 60 {
        return Err(Unfit::Malformed);
    }
    Ok((hour * 3_600 + minute * 60 + second) * 1_000_000 + micros)
}

/// Seconds east of UTC of `+00`, `-03:30` or `+01:00:59`.
fn zone(text: &str) -> Result<i64, Unfit> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut seconds = 0;
    let mut unit = 3_600;
    for part in text.get(1..).unwrap_or_default().split(':') {
        seconds += number(part)? * unit;
        unit /= 60;
    }
    Ok(sign * seconds)
}

/// The bytes of `\x00ff`, or of the same without its prefix.
pub(crate) fn bytes(text: &str, out: &mut Vec<u8>) -> Result<(), Unfit> {
    out.clear();
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(Unfit::Malformed);
    }
    let nibble = |byte: &u8| char::from(*byte).to_digit(16).ok_or(Unfit::Malformed);
    for pair in digits.chunks_exact(2) {
        if let [high, low] = pair {
            out.push((nibble(high)? * 16 + nibble(low)?) as u8);
        }
    }
    Ok(())
}

/// The canonical text of a date's or timestamp's text.
pub(crate) fn canonical_date(text: &str) -> Result<String, Unfit> {
    date(text).map(|days| Value::Date(days).to_string())
}

/// The same for timestamps.
pub(crate) fn canonical_timestamp(text: &str) -> Result<String, Unfit> {
    timestamp(text).map(|micros| Value::Timestamp(micros).to_string())
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, civil};
    use outflow_sdk::value::days_since_epoch;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exact_numbers_stay_exact() {
        assert_eq!(decimal("12.50", 12, 2), Ok(1250));
        assert_eq!(decimal("-0.01", 12, 4), Ok(-100));
        assert_eq!(decimal(&"9".repeat(38), 38, 0), Ok(10i128.pow(38) - 1));
        assert_eq!(decimal("0.00000000000000000000000000000000000001", 38, 38), Ok(1));
        assert_eq!(
            wide_decimal("1.5", 76, 38).map(|value| value.to_string()),
            Ok(format!("15{}", "0".repeat(37)))
        );
        let long = "1".repeat(38);
        assert_eq!(
            wide_decimal(&format!("-{long}.{long}"), 76, 38).map(|value| value.to_string()),
            Ok(format!("-{long}{long}"))
        );
        assert_eq!(wide_decimal("0", 76, 38), Ok(i256::ZERO));
    }

    #[test]
    fn what_is_no_number_or_too_long_is_told_apart() {
        assert_eq!(decimal("NaN", 12, 2), Err(Unfit::NotANumber));
        assert_eq!(wide_decimal("-Infinity", 76, 38), Err(Unfit::NotANumber));
        assert_eq!(decimal("1e5", 12, 2), Err(Unfit::Malformed));
        assert_eq!(decimal("", 12, 2), Err(Unfit::Malformed));
        assert_eq!(decimal("-", 12, 2), Err(Unfit::Malformed));
        assert_eq!(decimal("1.234", 12, 2), Err(Unfit::TooManyDigits));
        assert_eq!(decimal("1000", 3, 0), Err(Unfit::TooManyDigits));
        assert_eq!(wide_decimal(&"1".repeat(39), 76, 38), Err(Unfit::TooManyDigits));
    }

    #[test]
    fn dates_before_christ_and_at_the_ends_of_time_are_known() {
        assert_eq!(date("1970-01-01"), Ok(0));
        assert_eq!(date("0001-01-01 BC"), Ok(days_since_epoch(civil::date(0, 1, 1))));
        assert_eq!(
            date("0044-03-15 BC"),
            Ok(days_since_epoch(civil::date(-43, 3, 15)))
        );
        assert_eq!(date("infinity"), Err(Unfit::Infinite));
        assert_eq!(timestamp("-infinity"), Err(Unfit::Infinite));
        assert_eq!(date("5874897-12-31"), Err(Unfit::YearTooFar));
        assert_eq!(timestamp("294276-12-31 23:59:59.999999"), Err(Unfit::YearTooFar));
        assert_eq!(date("2026-13-01"), Err(Unfit::Malformed));
        assert_eq!(date("11/25/2026"), Err(Unfit::Malformed));
    }

    #[test]
    fn timestamps_are_utc() {
        assert_eq!(timestamp("1970-01-01 00:00:00"), Ok(0));
        assert_eq!(timestamp("1969-12-31 23:59:59.999999"), Ok(-1));
        assert_eq!(
            timestamp("2026-01-01 01:00:00.5+01"),
            timestamp("2026-01-01 00:00:00.5")
        );
        assert_eq!(
            timestamp("2026-01-01 00:00:00-03:30"),
            timestamp("2026-01-01 03:30:00+00")
        );
        assert_eq!(timestamp("2026-01-01T00:00:00"), Err(Unfit::Malformed));
        assert_eq!(timestamp("2026-01-01 00:00"), Err(Unfit::Malformed));
    }

    #[test]
    fn bytes_are_hexadecimal() {
        let mut out = Vec::new();
        assert_eq!(bytes("\\x00fF", &mut out), Ok(()));
        assert_eq!(out, [0, 255]);
        assert_eq!(bytes("6869", &mut out), Ok(()));
        assert_eq!(out, b"hi");
        assert_eq!(bytes("\\x0", &mut out), Err(Unfit::Malformed));
        assert_eq!(bytes("zz", &mut out), Err(Unfit::Malformed));
    }

    proptest! {
        #[test]
        fn every_day_of_the_calendar_is_read(offset in -4_371_000i64..2_932_000) {
            let day = civil::date(1970, 1, 1) + SignedDuration::from_hours(offset * 24);
            let text = if day.year() > 0 {
                format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day())
            } else {
                format!("{:04}-{:02}-{:02} BC", 1 - day.year(), day.month(), day.day())
            };
            prop_assert_eq!(date(&text), Ok(i32::try_from(offset).unwrap_or_default()));
        }

        #[test]
        fn decimals_agree_with_the_sdk(unscaled in -(10i128.pow(37))..10i128.pow(37), scale in 0u8..38) {
            let text = outflow_sdk::value::Decimal::new(unscaled, i16::from(scale)).to_string();
            prop_assert_eq!(decimal(&text, 38, scale), Ok(unscaled));
            let wide = wide_decimal(&text, 76, 38);
            prop_assert!(wide.is_ok());
        }

        #[test]
        fn no_text_makes_it_stumble(text in "\\PC{0,24}") {
            let _ = (date(&text), timestamp(&text), decimal(&text, 38, 10), wide_decimal(&text, 76, 38));
            let _ = (bytes(&text, &mut Vec::new()), boolean(&text));
        }
    }
}
