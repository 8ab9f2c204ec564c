//! What a YAML scalar is where a type is expected.

use outflow_sdk::value::{Decimal, Value};

/// Whether plain text stands for "nothing" in YAML 1.2.
pub(crate) fn is_null(text: &str, plain: bool) -> bool {
    plain && matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// `true` or `false`, as YAML 1.2 has it and nothing else.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A whole number without exponent.
pub(crate) fn integer(text: &str) -> Option<serde_json::Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    text.parse::<u64>()
        .map(Into::into)
        .or_else(|_| text.parse::<i64>().map(Into::into))
        .ok()
}

/// A number.
pub(crate) fn number(text: &str) -> Option<serde_json::Number> {
    if let Some(whole) = integer(text) {
        return Some(whole);
    }
    let numeric = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let value = text.parse::<f64>().ok().filter(|_| numeric)?;
    serde_json::Number::from_f64(value)
}

/// A word that older YAML took for a boolean.
pub(crate) fn looks_boolean(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}

/// The value of a constant: quoted text is text, plain text is what YAML 1.2 says.
///
/// # Errors
/// What is unclear about it, in a few words.
pub(crate) fn constant(text: &str, plain: bool) -> Result<Value, &'static str> {
    if !plain {
        return Ok(Value::text(text));
    }
    if is_null(text, plain) {
        return Err("has no value");
    }
    if let Some(flag) = boolean(text) {
        return Ok(Value::Bool(flag));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err("is no finite number");
    }
    let special = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0o"));
    if special.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err("could be a hexadecimal or octal number or text");
    }
    match Decimal::parse(text) {
        Some(_) if unsigned.len() > 1 && unsigned.starts_with('0') && !unsigned.starts_with("0.") => {
            Err("could be a number or text with leading zeros")
        }
        Some(number) => Ok(Value::Number(number)),
        None => Ok(Value::text(text)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_constant_is_what_it_looks_like() {
        assert_eq!(constant("NO", true), Ok(Value::text("NO")));
        assert_eq!(constant("true", true), Ok(Value::Bool(true)));
        assert_eq!(constant("true", false), Ok(Value::text("true")));
        assert_eq!(constant("1.50", true).unwrap().to_string(), "1.5");
        assert_eq!(constant("0.5", true).unwrap().to_string(), "0.5");
        assert_eq!(constant("0", true).unwrap().to_string(), "0");
        assert_eq!(
            constant("12345678901234567890.123", true).unwrap().to_string(),
            "12345678901234567890.123"
        );
        assert_eq!(constant("2026-01-01", true), Ok(Value::text("2026-01-01")));
        assert_eq!(constant("007", false), Ok(Value::text("007")));
        for unclear in [
            "007", "-01", "0x1F", "0o17", ".inf", "-.inf", ".NaN", "", "~", "null",
        ] {
            assert!(constant(unclear, true).is_err(), "{unclear}");
        }
    }

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(integer("5"), Some(5u64.into()));
        assert_eq!(integer("-5"), Some((-5i64).into()));
        assert_eq!(integer("18446744073709551615"), Some(u64::MAX.into()));
        for wrong in ["", "-", "5.0", "1_000", "1e3", "99999999999999999999999", "five"] {
            assert_eq!(integer(wrong), None, "{wrong}");
        }
        assert!(number("1e3").is_some());
        for wrong in ["inf", "nan", "infinity", "1e999", "1,5"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
