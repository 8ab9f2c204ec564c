//! Values as HubSpot writes them: every property is a JSON string, and `""` empties it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::convert::Infallible;

use jiff::fmt::temporal::DateTimePrinter;
use jiff::{Timestamp, civil, tz::TimeZone};
use outflow_sdk::value::{Decimal, Value, civil_date};

/// Longest text HubSpot stores in a property, in characters.
pub(crate) const MAX_TEXT: usize = 65_536;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// How a field's values are checked and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A contact's address: trimmed, compared without case.
    Email,
    Number,
    Bool,
    Date,
    DateTime,
    /// One option; without a set, HubSpot keeps the options elsewhere (owners, for instance).
    Choice(Option<HashSet<String>>),
    /// Any number of options.
    Choices(Option<HashSet<String>>),
    /// Membership of a static list.
    Membership,
}

/// Why a value cannot be valid: a stable code, and words that follow the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) code: &'static str,
    pub(crate) words: &'static str,
}

const fn flaw(code: &'static str, words: &'static str) -> Flaw {
    Flaw { code, words }
}

pub(crate) const INVALID_EMAIL: Flaw = flaw("invalid_email", "is not a valid e-mail address");
pub(crate) const INVALID_OPTION: Flaw = flaw("invalid_option", "does not have this option");
pub(crate) const INVALID_NUMBER: Flaw = flaw("invalid_number", "takes numbers, this is none");
pub(crate) const INVALID_BOOL: Flaw = flaw("invalid_boolean", "takes true or false, this is neither");
pub(crate) const INVALID_DATE: Flaw = flaw("invalid_date", "takes dates, this is none");
pub(crate) const INVALID_TIMESTAMP: Flaw = flaw("invalid_timestamp", "takes instants, this is none");
pub(crate) const TOO_LONG: Flaw = flaw("too_long", "takes at most 65,536 characters");

/// Whether the value empties the property: NULL, or text that is empty.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => is_blank(text),
        Value::List(items) => items.iter().all(|item| is_blank(item)),
        _ => false,
    }
}

/// Asked of every value twice, and answered by the first character of most.
fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// The value's text before any conversion.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) | Value::Json(text) => Cow::Borrowed(text),
        Value::Bool(flag) => Cow::Borrowed(word_of(*flag)),
        other => Cow::Owned(other.to_string()),
    }
}

fn word_of(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// The form in which keys are compared: trimmed and lower-case, as HubSpot keeps addresses. Whether it
/// tells custom unique values apart by case is not documented, so they are compared the same way.
pub(crate) fn comparable(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    // Not stopped early: so the bytes are looked at many at a time. Asked of every row several times.
    let differs = |byte: u8| !byte.is_ascii() | byte.is_ascii_uppercase();
    if !text.bytes().fold(false, |any, byte| any | differs(byte)) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Refuses what HubSpot is certain to refuse.
pub(crate) fn check(kind: &Kind, value: &Value) -> Result<(), Flaw> {
    if is_empty(value) {
        return Ok(());
    }
    let fits = |fits: bool, flaw: Flaw| if fits { Ok(()) } else { Err(flaw) };
    match kind {
        Kind::Text => match value {
            Value::Text(text) | Value::Json(text) => fits(!is_too_long(text), TOO_LONG),
            Value::List(_) => fits(!is_too_long(&text_of(value)), TOO_LONG),
            _ => Ok(()),
        },
        Kind::Email => match value {
            Value::Text(text) => fits(is_address(text.trim()), INVALID_EMAIL),
            _ => Err(INVALID_EMAIL),
        },
        Kind::Number => fits(number_of(value).is_some(), INVALID_NUMBER),
        Kind::Bool | Kind::Membership => fits(bool_of(value).is_some(), INVALID_BOOL),
        Kind::Date => fits(date_of(value).is_some(), INVALID_DATE),
        Kind::DateTime => fits(instant_of(value).is_some(), INVALID_TIMESTAMP),
        Kind::Choice(None) | Kind::Choices(None) => Ok(()),
        Kind::Choice(Some(options)) => fits(options.contains(text_of(value).as_ref()), INVALID_OPTION),
        Kind::Choices(Some(options)) => {
            let known = choices_of(value)
                .iter()
                .all(|item| options.contains(item.as_ref()));
            fits(known, INVALID_OPTION)
        }
    }
}

/// Writes the value as a JSON string.
pub(crate) fn write(kind: &Kind, value: &Value, out: &mut Vec<u8>) {
    if is_empty(value) {
        out.extend_from_slice(b"\"\"");
        return;
    }
    match (kind, value) {
        (Kind::Email, Value::Text(text)) => write_text(text.trim(), out),
        (Kind::Number, _) => match number_of(value) {
            Some(number) => write_plain(out, |out| {
                number.pieces(|piece| {
                    out.extend_from_slice(piece.as_bytes());
                    Ok::<(), Infallible>(())
                })
            }),
            None => write_text(&text_of(value), out),
        },
        (Kind::Bool, _) => write_text(
            bool_of(value)
                .map_or_else(|| text_of(value), |flag| Cow::Borrowed(word_of(flag)))
                .as_ref(),
            out,
        ),
        (Kind::Date, _) => match date_of(value) {
            Some(date) => write_plain(out, |out| MILLISECONDS.print_date(&date, out)),
            None => write_text(&text_of(value), out),
        },
        (Kind::DateTime, _) => match instant_of(value) {
            Some(instant) => write_plain(out, |out| MILLISECONDS.print_timestamp(&instant, out)),
            None => write_text(&text_of(value), out),
        },
        (Kind::Choices(_), _) => write_text(&choices_of(value).join(";"), out),
        (_, Value::Number(_) | Value::Date(_) | Value::Timestamp(_)) => {
            write_plain(out, |out| value.write_to(out));
        }
        _ => write_text(&text_of(value), out),
    }
}

/// Writes any text as a JSON string.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    // Most texts need no escape, and to see that takes many bytes at a time.
    let is_escaped = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        return write_plain(out, |out| {
            out.extend_from_slice(text.as_bytes());
            Ok::<(), Infallible>(())
        });
    }
    // Writing into memory cannot fail, and a string always has a JSON form.
    let _ = serde_json::to_writer(out, text);
}

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Writes a text that needs no escapes, as a JSON string. Into memory `text` cannot fail.
fn write_plain<E>(out: &mut Vec<u8>, text: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) {
    out.push(b'"');
    let _ = text(out);
    out.push(b'"');
}

fn is_too_long(text: &str) -> bool {
    text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT
}

/// Refuses clear nonsense only: HubSpot's own rule is not published, and a wrongly refused row is
/// worse than one request spent on a bad one.
fn is_address(text: &str) -> bool {
    let has_parts = text
        .rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let is_plain = text.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic());
    let is_blank = |character: char| character.is_whitespace() || character.is_control();
    has_parts && (is_plain || !text.chars().any(is_blank))
}

fn number_of(value: &Value) -> Option<Cow<'_, Decimal>> {
    match value {
        Value::Number(number) => Some(Cow::Borrowed(number)),
        Value::Text(text) => Decimal::parse(text).map(Cow::Owned),
        _ => None,
    }
}

/// The membership or switch a value stands for.
pub(crate) fn bool_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Text(text) => match text.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A date; an instant counts as its UTC date, and milliseconds only at midnight UTC, as HubSpot has it.
fn date_of(value: &Value) -> Option<civil::Date> {
    let at_midnight = |millis: i64| {
        let days = i32::try_from(millis.div_euclid(MILLIS_PER_DAY)).ok()?;
        (millis.rem_euclid(MILLIS_PER_DAY) == 0).then(|| civil_date(days))?
    };
    let date = match value {
        Value::Date(days) => civil_date(*days),
        Value::Timestamp(micros) => civil_date(i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?),
        Value::Number(number) => at_midnight(i64::try_from(number.as_i128()?).ok()?),
        Value::Text(text) => match text.trim().parse::<i64>() {
            Ok(millis) => at_midnight(millis),
            Err(_) => iso_date(text.trim()),
        },
        _ => None,
    }?;
    (date.year() >= 0).then_some(date)
}

fn instant_of(value: &Value) -> Option<Timestamp> {
    let midnight = |date: civil::Date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok();
    let instant = match value {
        Value::Timestamp(micros) => Timestamp::from_microsecond(*micros).ok(),
        Value::Date(days) => midnight(civil_date(*days)?),
        Value::Number(number) => Timestamp::from_millisecond(i64::try_from(number.as_i128()?).ok()?).ok(),
        Value::Text(text) => {
            let text = text.trim();
            match text.parse::<i64>() {
                Ok(millis) => Timestamp::from_millisecond(millis).ok(),
                Err(_) => text
                    .parse::<Timestamp>()
                    .ok()
                    .or_else(|| midnight(iso_date(text)?)),
            }
        }
        _ => None,
    }?;
    (TimeZone::UTC.to_datetime(instant).year() >= 0).then_some(instant)
}

fn iso_date(text: &str) -> Option<civil::Date> {
    (text.len() == 10).then(|| text.parse().ok())?
}

/// Options in the order given, each once. Never with a leading `;`, which would append to what is
/// there instead of replacing it.
fn choices_of(value: &Value) -> Vec<Cow<'_, str>> {
    let mut chosen: Vec<Cow<'_, str>> = Vec::new();
    let mut add = |item: Cow<'_, str>| {
        let item = item.trim().to_owned();
        if !item.is_empty() && !chosen.iter().any(|other| *other == item) {
            chosen.push(Cow::Owned(item));
        }
    };
    match value {
        Value::List(items) => items.iter().for_each(|item| add(Cow::Borrowed(item))),
        Value::Json(text) => match serde_json::from_str::<Vec<String>>(text) {
            Ok(items) => items.into_iter().for_each(|item| add(Cow::Owned(item))),
            Err(_) => add(Cow::Borrowed(text)),
        },
        Value::Text(text) => text.split(';').for_each(|item| add(Cow::Borrowed(item))),
        other => add(text_of(other)),
    }
    chosen
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn written(kind: &Kind, value: &Value) -> String {
        let mut out = Vec::new();
        write(kind, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn text(text: &str) -> Value {
        Value::text(text)
    }

    fn options(names: &[&str]) -> Option<HashSet<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn null_and_empty_text_empty_any_property() {
        for kind in [
            Kind::Text,
            Kind::Number,
            Kind::Date,
            Kind::Choice(options(&["a"])),
            Kind::Email,
        ] {
            for value in [Value::Null, text(""), Value::List(vec![])] {
                assert_eq!(check(&kind, &value), Ok(()));
                assert_eq!(written(&kind, &value), "\"\"");
            }
        }
    }

    #[test]
    fn numbers_go_out_in_plain_decimals() {
        assert_eq!(
            written(&Kind::Number, &Value::Number(Decimal::parse("1e3").unwrap())),
            "\"1000\""
        );
        assert_eq!(written(&Kind::Number, &text("12.50")), "\"12.5\"");
        assert_eq!(
            written(&Kind::Text, &Value::Number(Decimal::parse("0.10").unwrap())),
            "\"0.1\""
        );
        assert_eq!(check(&Kind::Number, &text("1,000")), Err(INVALID_NUMBER));
        assert_eq!(check(&Kind::Number, &Value::Bool(true)), Err(INVALID_NUMBER));
    }

    #[test]
    fn booleans_are_true_or_false() {
        assert_eq!(written(&Kind::Bool, &Value::Bool(false)), "\"false\"");
        assert_eq!(check(&Kind::Bool, &text("true")), Ok(()));
        assert_eq!(check(&Kind::Bool, &text("yes")), Err(INVALID_BOOL));
        assert_eq!(
            check(&Kind::Membership, &Value::Number(Decimal::from(1))),
            Err(INVALID_BOOL)
        );
    }

    #[test]
    fn dates_never_carry_a_time() {
        assert_eq!(written(&Kind::Date, &Value::Date(20_759)), "\"2026-11-02\"");
        let evening = Value::Timestamp(20_759 * MICROS_PER_DAY + 23 * 3_600_000_000);
        assert_eq!(written(&Kind::Date, &evening), "\"2026-11-02\"");
        assert_eq!(written(&Kind::Date, &Value::Timestamp(-1)), "\"1969-12-31\"");
        assert_eq!(check(&Kind::Date, &text("2026-11-02")), Ok(()));
        assert_eq!(written(&Kind::Date, &text("1793577600000")), "\"2026-11-02\"");
        for bad in [
            "02.11.2026",
            "2026-11-02T10:00:00Z",
            "1793577600001",
            "2026-02-30",
            "soon",
        ] {
            assert_eq!(check(&Kind::Date, &text(bad)), Err(INVALID_DATE), "{bad}");
        }
    }

    #[test]
    fn instants_are_utc_milliseconds() {
        assert_eq!(
            written(&Kind::DateTime, &Value::Timestamp(1_793_607_330_123_999)),
            "\"2026-11-02T08:15:30.123Z\""
        );
        assert_eq!(
            written(&Kind::DateTime, &Value::Date(0)),
            "\"1970-01-01T00:00:00.000Z\""
        );
        assert_eq!(
            written(&Kind::DateTime, &text("2026-11-02T09:15:30+01:00")),
            "\"2026-11-02T08:15:30.000Z\""
        );
        assert_eq!(
            check(&Kind::DateTime, &text("2026-11-02 nine")),
            Err(INVALID_TIMESTAMP)
        );
        assert_eq!(check(&Kind::DateTime, &Value::Bool(true)), Err(INVALID_TIMESTAMP));
    }

    #[test]
    fn an_option_is_its_internal_value_in_its_case() {
        let kind = Kind::Choice(options(&["lead", "customer", "true"]));
        assert_eq!(check(&kind, &text("lead")), Ok(()));
        assert_eq!(check(&kind, &Value::Bool(true)), Ok(()));
        assert_eq!(check(&kind, &text("Lead")), Err(INVALID_OPTION));
        assert_eq!(check(&Kind::Choice(None), &text("4711")), Ok(()));
    }

    #[test]
    fn several_options_replace_what_is_there() {
        let kind = Kind::Choices(options(&["a", "b", "c"]));
        let list = Value::List(vec!["b".into(), "a".into(), "b".into()]);
        assert_eq!(written(&kind, &list), "\"b;a\"");
        assert_eq!(written(&kind, &text(";c; a")), "\"c;a\"");
        assert_eq!(written(&kind, &Value::json("[\"c\",\"a\"]").unwrap()), "\"c;a\"");
        assert_eq!(
            check(&kind, &Value::List(vec!["a".into(), "d".into()])),
            Err(INVALID_OPTION)
        );
    }

    #[test]
    fn only_clear_nonsense_is_refused_as_an_address() {
        for good in [
            "ann@example.com",
            " Ann@Example.COM ",
            "o'neil+x@ex-ample.museum",
            "\"a@b\"@example.com",
            "jörg@exämple.de",
        ] {
            assert_eq!(check(&Kind::Email, &text(good)), Ok(()), "{good}");
        }
        for bad in [
            "ann",
            "@example.com",
            "ann@",
            "ann @example.com",
            "ann@exa\nmple.com",
        ] {
            assert_eq!(check(&Kind::Email, &text(bad)), Err(INVALID_EMAIL), "{bad}");
        }
        assert_eq!(
            written(&Kind::Email, &text(" Ann@Example.COM ")),
            "\"Ann@Example.COM\""
        );
    }

    #[test]
    fn length_counts_characters() {
        assert_eq!(check(&Kind::Text, &text(&"ä".repeat(MAX_TEXT))), Ok(()));
        assert_eq!(
            check(&Kind::Text, &text(&"ä".repeat(MAX_TEXT + 1))),
            Err(TOO_LONG)
        );
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            written(&Kind::Text, &text("O'Neil \"x\"\n")),
            r#""O'Neil \"x\"\n""#
        );
    }
}
