//! Times of day, dates and instants, from the numbers Snowflake counts them in.

use crate::cell::Unfit;

/// The day -9999-01-01, since 1970-01-01.
const FIRST_DAY: i64 = -4_371_587;
/// The day 9999-12-31.
const LAST_DAY: i64 = 2_932_896;
const MICROS_OF_DAY: i64 = 86_400_000_000;

/// 10 to the power of `digits`, for at most 18.
pub(crate) fn power(digits: u8) -> i64 {
    10i64.pow(u32::from(digits.min(18)))
}

/// A day that the calendar has.
pub(crate) fn day(days: i64) -> Result<i32, Unfit> {
    if (FIRST_DAY..=LAST_DAY).contains(&days) {
        i32::try_from(days).map_err(|_| Unfit::YearTooFar)
    } else {
        Err(Unfit::YearTooFar)
    }
}

/// Microseconds of an instant in units of 10^-scale seconds.
pub(crate) fn micros(units: i128, scale: u8) -> Result<i64, Unfit> {
    let micros = if scale > 6 {
        units.div_euclid(i128::from(power(scale - 6)))
    } else {
        units
            .checked_mul(i128::from(power(6 - scale)))
            .ok_or(Unfit::YearTooFar)?
    };
    let micros = i64::try_from(micros).map_err(|_| Unfit::YearTooFar)?;
    day(micros.div_euclid(MICROS_OF_DAY)).map(|_| micros)
}

/// Microseconds of an instant in seconds and nanoseconds.
pub(crate) fn micros_of_parts(seconds: i64, nanos: i32) -> Result<i64, Unfit> {
    micros(i128::from(seconds) * 1_000_000_000 + i128::from(nanos), 9)
}

/// A time of day in units of 10^-scale seconds as text: `10:00:00.5`.
pub(crate) fn time_of_day(units: i64, scale: u8) -> Result<String, Unfit> {
    let unit = power(scale.min(9));
    let (seconds, fraction) = (units.div_euclid(unit), units.rem_euclid(unit));
    if !(0..=86_400).contains(&seconds) {
        return Err(Unfit::Malformed);
    }
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction > 0 {
        let digits = format!("{fraction:0width$}", width = usize::from(scale.min(9)));
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_rounded_down_to_microseconds() {
        assert_eq!(micros(1_500, 3), Ok(1_500_000));
        assert_eq!(micros(-1, 9), Ok(-1));
        assert_eq!(micros(1_999, 9), Ok(1));
        assert_eq!(micros_of_parts(-1, 999_999_999), Ok(-1));
        assert_eq!(micros_of_parts(0, 123_456_789), Ok(123_456));
    }

    #[test]
    fn years_beyond_the_calendar_are_refused() {
        assert_eq!(day(i64::from(i32::MAX)), Err(Unfit::YearTooFar));
        assert_eq!(micros(i128::MAX, 0), Err(Unfit::YearTooFar));
        assert_eq!(micros(253_402_300_799, 0), Ok(253_402_300_799_000_000));
        assert_eq!(micros(253_402_300_800, 0), Err(Unfit::YearTooFar));
        assert_eq!(micros(-377_705_116_800, 0), Ok(-377_705_116_800_000_000));
        assert_eq!(micros(-377_705_116_801, 0), Err(Unfit::YearTooFar));
    }

    #[test]
    fn times_of_day_have_no_needless_digits() {
        assert_eq!(time_of_day(36_000_500_000_000, 9).as_deref(), Ok("10:00:00.5"));
        assert_eq!(time_of_day(86_399, 0).as_deref(), Ok("23:59:59"));
        assert_eq!(time_of_day(1, 6).as_deref(), Ok("00:00:00.000001"));
        assert_eq!(time_of_day(-1, 0), Err(Unfit::Malformed));
    }
}
