//! Instants and lengths of time, for programs and for people.

use std::time::Duration;

use jiff::Timestamp;

/// A duration as people say it: `40 ms`, `3.2 s`, `12 min`, `5 h 10 min`, `3 days`.
pub(crate) fn span(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => match seconds % 60 {
            0 => format!("{} min", seconds / 60),
            rest => format!("{} min {rest} s", seconds / 60),
        },
        3_600..172_800 => match seconds % 3_600 / 60 {
            0 => format!("{} h", seconds / 3_600),
            rest => format!("{} h {rest} min", seconds / 3_600),
        },
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An instant in ISO 8601, UTC.
pub(crate) fn iso(ms: i64) -> Option<String> {
    let instant = Timestamp::from_millisecond(ms).ok()?;
    Some(format!("{instant:.3}"))
}

/// An instant for people: UTC, to the second.
pub(crate) fn moment(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_for_programs_are_iso_8601() {
        assert_eq!(iso(1_500), Some("1970-01-01T00:00:01.500Z".into()));
        assert_eq!(iso(i64::MAX), None);
    }
}
