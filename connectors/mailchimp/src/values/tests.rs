//! What each type of merge field takes, refuses, and how it is written.

#![allow(clippy::unwrap_used)]

use super::*;

fn text(text: &str) -> Value {
    Value::text(text)
}

fn written(kind: &MergeKind, value: &Value) -> String {
    let mut out = Vec::new();
    write(kind, value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn null_and_empty_text_empty_any_merge_field() {
    for kind in [
        MergeKind::Text,
        MergeKind::Number,
        MergeKind::Date,
        MergeKind::Birthday,
        MergeKind::Address,
        MergeKind::Phone { us: true },
        MergeKind::Zip,
        MergeKind::Url,
        MergeKind::Choice(vec!["a".into()]),
    ] {
        for value in [Value::Null, text(""), text("  "), Value::List(vec![])] {
            assert_eq!(check(&kind, &value), Ok(()), "{kind:?}");
            assert_eq!(written(&kind, &value), "\"\"", "{kind:?}");
        }
    }
}

#[test]
fn good_values_are_written_as_mailchimp_wants_them() {
    let address =
        Value::json(r#"{"zip":2139,"city":"Cambridge","addr1":"1 Main","state":"MA","x":1}"#).unwrap();
    let number = |text: &str| Value::Number(Decimal::parse(text).unwrap());
    for (kind, value, expected) in [
        (MergeKind::Text, Value::Bool(true), r#""true""#),
        (MergeKind::Text, number("12.50"), r#""12.5""#),
        (MergeKind::Text, text("O'Neil \"x\""), r#""O'Neil \"x\"""#),
        (MergeKind::Number, number("15.50"), "15.5"),
        (MergeKind::Number, text("1e3"), "1000"),
        (MergeKind::Date, Value::Date(20_759), r#""2026-11-02""#),
        (
            MergeKind::Date,
            Value::Timestamp(86_399_999_999),
            r#""1970-01-01""#,
        ),
        (MergeKind::Date, text(" 2024-02-29 "), r#""2024-02-29""#),
        (MergeKind::Birthday, Value::Date(20_759), r#""11/02""#),
        (MergeKind::Birthday, text("1984-02-29"), r#""02/29""#),
        (MergeKind::Birthday, text("2/9"), r#""02/09""#),
        (MergeKind::Birthday, text("--02-29"), r#""02/29""#),
        (
            MergeKind::Address,
            address,
            r#"{"addr1":"1 Main","city":"Cambridge","state":"MA","zip":"2139"}"#,
        ),
        (
            MergeKind::Phone { us: true },
            text("+1 (617) 555-0199"),
            r#""617-555-0199""#,
        ),
        (
            MergeKind::Phone { us: true },
            number("6175550199"),
            r#""617-555-0199""#,
        ),
        (MergeKind::Phone { us: false }, text("+49 30 1"), r#""+49 30 1""#),
        (MergeKind::Zip, number("2139"), r#""02139""#),
        (MergeKind::Zip, text("02139-4301"), r#""02139""#),
        (
            MergeKind::Url,
            text(" https://x.test/a "),
            r#""https://x.test/a""#,
        ),
        (MergeKind::Choice(vec!["Gold".into()]), text("Gold"), r#""Gold""#),
    ] {
        assert_eq!(check(&kind, &value), Ok(()), "{kind:?} {value:?}");
        assert_eq!(written(&kind, &value), expected, "{kind:?} {value:?}");
    }
}

#[test]
fn bad_values_are_named_before_a_request_is_spent_on_them() {
    let long = text(&"ä".repeat(128));
    for (kind, value, flaw) in [
        (MergeKind::Text, long.clone(), TOO_LONG),
        (MergeKind::Phone { us: false }, long, TOO_LONG),
        (MergeKind::Number, text("1,000"), INVALID_NUMBER),
        (MergeKind::Number, Value::Bool(true), INVALID_NUMBER),
        (MergeKind::Date, text("02/29/2024"), INVALID_DATE),
        (MergeKind::Date, text("2023-02-29"), INVALID_DATE),
        (MergeKind::Date, Value::Bool(true), INVALID_DATE),
        (MergeKind::Birthday, text("13/01"), INVALID_BIRTHDAY),
        (MergeKind::Birthday, text("02/30"), INVALID_BIRTHDAY),
        (MergeKind::Birthday, text("1/2/1984"), INVALID_BIRTHDAY),
        (MergeKind::Address, text("1 Main St"), INVALID_ADDRESS),
        (
            MergeKind::Address,
            text(r#"{"addr1":"1 Main","city":" ","state":"MA","zip":"1"}"#),
            INVALID_ADDRESS,
        ),
        (MergeKind::Phone { us: true }, text("030 12345678"), INVALID_PHONE),
        (
            MergeKind::Phone { us: true },
            text("617-555-0199 ext"),
            INVALID_PHONE,
        ),
        (MergeKind::Zip, text("2139"), INVALID_ZIP),
        (MergeKind::Zip, text("D-10115"), INVALID_ZIP),
        (MergeKind::Url, text("x.test"), INVALID_URL),
        (MergeKind::Url, text("https://"), INVALID_URL),
        (
            MergeKind::Choice(vec!["Gold".into()]),
            text("gold"),
            INVALID_OPTION,
        ),
    ] {
        assert_eq!(check(&kind, &value), Err(flaw), "{kind:?} {value:?}");
    }
}

#[test]
fn consent_is_a_word_or_a_boolean_and_nothing_else() {
    assert_eq!(Status::of(&text(" Subscribed ")), Some(Status::Subscribed));
    assert_eq!(Status::of(&Value::Bool(false)), Some(Status::Unsubscribed));
    assert_eq!(Status::of(&text("true")), Some(Status::Subscribed));
    for value in [
        text("archived"),
        text("yes"),
        text(""),
        Value::Null,
        Value::Number(Decimal::from(1)),
    ] {
        assert_eq!(Status::of(&value), None, "{value:?}");
    }
    assert!(Status::Cleaned.is_opted_out() && Status::Unsubscribed.is_opted_out());
    assert!(!Status::Pending.is_opted_out() && !Status::Transactional.is_opted_out());
}

#[test]
fn instants_go_out_in_utc_without_fractions() {
    assert_eq!(
        instant_of(&Value::Timestamp(1_500_000)).as_deref(),
        Some("1970-01-01T00:00:01Z")
    );
    assert_eq!(
        instant_of(&text("2026-03-01T01:30:00+02:00")).as_deref(),
        Some("2026-02-28T23:30:00Z")
    );
    assert_eq!(
        instant_of(&Value::Date(0)).as_deref(),
        Some("1970-01-01T00:00:00Z")
    );
    assert_eq!(instant_of(&text("yesterday")), None);
}

#[test]
fn lists_come_as_arrays_json_or_commas() {
    let list = |value: &Value| items_of(value).map(|items| items.join("|"));
    assert_eq!(
        list(&Value::List(vec![" a ".into(), "".into(), "b".into()])).as_deref(),
        Some("a|b")
    );
    assert_eq!(list(&text("a, b,,")).as_deref(), Some("a|b"));
    assert_eq!(list(&Value::json("[\"a\"]").unwrap()).as_deref(), Some("a"));
    assert_eq!(list(&Value::Null).as_deref(), Some(""));
    assert_eq!(list(&Value::Bool(true)), None);
    assert_eq!(list(&Value::json("{}").unwrap()), None);
}
