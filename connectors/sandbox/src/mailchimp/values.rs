//! Whether a merge value fits its field, and what is stored of it.

use std::borrow::Cow;

use jiff::civil::Date;
use serde_json::{Number, Value};

use super::member::{Address, MergeValue};
use super::merge_field::{MergeField, MergeType};
use super::options::{LongValue, NullValue, Options};

/// Most bytes of a stored value.
const MOST_BYTES: usize = 255;

/// What a sent value does to its field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Write {
    Set(MergeValue),
    Clear,
    Keep,
}

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is none of the kinds of JSON a merge value can be.
    Schema,
    /// Message about the field.
    Value(Cow<'static, str>),
}

const fn bad(message: &'static str) -> Bad {
    Bad::Value(Cow::Borrowed(message))
}

/// Reads a sent value.
pub(super) fn read(field: &MergeField, sent: &Value, options: &Options) -> Result<Write, Bad> {
    match sent {
        Value::String(text) if text.is_empty() => Ok(Write::Clear),
        Value::String(text) => value(field, text, options).map(Write::Set),
        Value::Number(number) if field.kind == MergeType::Number => {
            Ok(Write::Set(MergeValue::Number(number.clone())))
        }
        Value::Number(number) => value(field, &number.to_string(), options).map(Write::Set),
        Value::Object(parts) => address(field, parts),
        Value::Null if options.null_value == NullValue::Ignore => Ok(Write::Keep),
        Value::Null | Value::Bool(_) | Value::Array(_) => Err(Bad::Schema),
    }
}

fn value(field: &MergeField, text: &str, options: &Options) -> Result<MergeValue, Bad> {
    let fits = |fits: bool, message| if fits { Ok(()) } else { Err(bad(message)) };
    match field.kind {
        MergeType::Number => return number(text),
        MergeType::Address => return Err(bad("Please enter a complete address")),
        MergeType::Date => {
            let format = field.options.date_format.as_deref().unwrap_or("MM/DD/YYYY");
            let day = day(text, format).ok_or(bad("Please enter the date"))?;
            return Ok(MergeValue::Text(day.to_string()));
        }
        MergeType::Birthday => fits(
            is_birthday(text),
            "Please enter a month (01-12) and a day (01-31)",
        )?,
        MergeType::Phone if field.options.phone_format.as_deref() == Some("US") => fits(
            shaped(text, "###-###-####"),
            "Please enter a phone number (###-###-####)",
        )?,
        MergeType::Url | MergeType::ImageUrl => fits(is_url(text), "Please enter a URL")?,
        MergeType::Zip => fits(shaped(text, "#####"), "Please enter a zip code (5 digits)")?,
        MergeType::Radio | MergeType::Dropdown => choice(field, text)?,
        MergeType::Text | MergeType::Phone => {}
    }
    limited(text, options).map(MergeValue::Text)
}

fn choice(field: &MergeField, text: &str) -> Result<(), Bad> {
    let choices = field.options.choices.as_deref().unwrap_or_default();
    if choices.iter().any(|choice| choice == text) {
        return Ok(());
    }
    let list = choices.join(", ");
    Err(Bad::Value(Cow::Owned(format!(
        "Value must be one of these: {list} (not {text})"
    ))))
}

fn limited(text: &str, options: &Options) -> Result<String, Bad> {
    if text.len() <= MOST_BYTES {
        return Ok(text.to_owned());
    }
    match options.long_value {
        LongValue::Refuse => Err(bad(
            "This value is too long. It should have 255 characters or less.",
        )),
        LongValue::Cut => {
            // The last letter that begins within the limit may not end there.
            let ends = text
                .char_indices()
                .map(|(start, letter)| start + letter.len_utf8());
            let end = ends
                .take_while(|end| *end <= MOST_BYTES)
                .last()
                .unwrap_or_default();
            Ok(text.get(..end).unwrap_or_default().to_owned())
        }
    }
}

fn number(text: &str) -> Result<MergeValue, Bad> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = if !plain {
        None
    } else if let Ok(whole) = text.parse::<i64>() {
        Some(Number::from(whole))
    } else {
        text.parse::<f64>().ok().and_then(Number::from_f64)
    };
    number.map(MergeValue::Number).ok_or(bad("Please enter a number"))
}

/// A day as `YYYY-MM-DD` or in the field's format.
fn day(text: &str, format: &str) -> Option<Date> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let (year, month, day) = if shaped(text, "####-##-##") {
        (part(0, 4)?, part(5, 7)?, part(8, 10)?)
    } else if shaped(text, "##/##/####") && format == "DD/MM/YYYY" {
        (part(6, 10)?, part(3, 5)?, part(0, 2)?)
    } else if shaped(text, "##/##/####") {
        (part(6, 10)?, part(0, 2)?, part(3, 5)?)
    } else {
        return None;
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `MM/DD`, never with a year; the 29th of February counts.
fn is_birthday(text: &str) -> bool {
    let day = text.split_once('/').filter(|_| shaped(text, "##/##"));
    day.and_then(|(month, day)| Date::new(2000, month.parse().ok()?, day.parse().ok()?).ok())
        .is_some()
}

/// Whether every `#` of the shape is a digit of the text and all else is the same.
fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| {
            if wanted == b'#' {
                byte.is_ascii_digit()
            } else {
                byte == wanted
            }
        })
}

fn is_url(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .filter_map(|scheme| text.strip_prefix(scheme))
        .any(|rest| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            host.contains('.') && !rest.contains(char::is_whitespace)
        })
}

fn address(field: &MergeField, parts: &serde_json::Map<String, Value>) -> Result<Write, Bad> {
    if field.kind != MergeType::Address {
        return Err(Bad::Schema);
    }
    let part = |name: &str, needed: bool| match parts.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        None if !needed => Ok(String::new()),
        _ => Err(Bad::Schema),
    };
    let mut address = Address {
        addr1: part("addr1", true)?,
        addr2: part("addr2", false)?,
        city: part("city", true)?,
        state: part("state", true)?,
        zip: part("zip", true)?,
        country: part("country", false)?,
    };
    let incomplete = [&address.addr1, &address.city, &address.state, &address.zip]
        .iter()
        .any(|part| part.trim().is_empty());
    if incomplete {
        return Err(bad("Please enter a complete address"));
    }
    if address.country.is_empty() {
        address.country = "US".into();
    }
    Ok(Write::Set(MergeValue::Address(Box::new(address))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    fn ask(kind: MergeType, sent: &Value) -> Result<Write, Bad> {
        let field = MergeField::new("T", "T", kind).choices(&["Gold", "Silver"]);
        read(&field, sent, &Options::default())
    }

    fn stored(kind: MergeType, sent: Value) -> Value {
        match ask(kind, &sent) {
            Ok(Write::Set(value)) => serde_json::to_value(value).unwrap(),
            other => panic!("{kind:?} {sent}: {other:?}"),
        }
    }

    fn message(kind: MergeType, sent: Value) -> String {
        match ask(kind, &sent) {
            Err(Bad::Value(message)) => message.into_owned(),
            other => panic!("{kind:?} {sent}: {other:?}"),
        }
    }

    #[test]
    fn values_are_stored_as_their_type_reads_back() {
        for (kind, sent, wanted) in [
            (MergeType::Text, json!("Ada"), json!("Ada")),
            (MergeType::Text, json!(12), json!("12")),
            (MergeType::Number, json!(15.5), json!(15.5)),
            (MergeType::Number, json!("100"), json!(100)),
            (MergeType::Number, json!("-0.25"), json!(-0.25)),
            (MergeType::Date, json!("2024-02-29"), json!("2024-02-29")),
            (MergeType::Date, json!("12/31/2024"), json!("2024-12-31")),
            (MergeType::Birthday, json!("02/29"), json!("02/29")),
            (MergeType::Phone, json!("000"), json!("000")),
            (
                MergeType::Url,
                json!("https://shop.tld/a?b=c"),
                json!("https://shop.tld/a?b=c"),
            ),
            (MergeType::Zip, json!("90210"), json!("90210")),
            (MergeType::Dropdown, json!("Gold"), json!("Gold")),
        ] {
            assert_eq!(stored(kind, sent), wanted, "{kind:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_in_the_vendors_words() {
        for (kind, sent, wanted) in [
            (MergeType::Number, json!("AAAAA"), "Please enter a number"),
            (MergeType::Number, json!("inf"), "Please enter a number"),
            (MergeType::Date, json!("2023-02-29"), "Please enter the date"),
            (MergeType::Date, json!("31/12/2024"), "Please enter the date"),
            (
                MergeType::Date,
                json!("2024-02-29T00:00:00Z"),
                "Please enter the date",
            ),
            (
                MergeType::Birthday,
                json!("1990-02-01"),
                "Please enter a month (01-12) and a day (01-31)",
            ),
            (
                MergeType::Birthday,
                json!("13/01"),
                "Please enter a month (01-12) and a day (01-31)",
            ),
            (
                MergeType::Address,
                json!("1 Main St"),
                "Please enter a complete address",
            ),
            (
                MergeType::Zip,
                json!("SW1A"),
                "Please enter a zip code (5 digits)",
            ),
            (MergeType::Url, json!("shop"), "Please enter a URL"),
            (
                MergeType::Radio,
                json!("gold"),
                "Value must be one of these: Gold, Silver (not gold)",
            ),
            (
                MergeType::Text,
                json!("x".repeat(256)),
                "This value is too long. It should have 255 characters or less.",
            ),
        ] {
            assert_eq!(message(kind, sent), wanted, "{kind:?}");
        }
    }

    #[test]
    fn nothing_clears_and_null_is_no_value() {
        for kind in [
            MergeType::Text,
            MergeType::Number,
            MergeType::Address,
            MergeType::Date,
        ] {
            assert_eq!(ask(kind, &json!("")), Ok(Write::Clear));
            for sent in [json!(null), json!(true), json!(["a"])] {
                assert_eq!(ask(kind, &sent), Err(Bad::Schema));
            }
        }
        let options = Options {
            null_value: NullValue::Ignore,
            ..Options::default()
        };
        let field = MergeField::new("T", "T", MergeType::Text);
        assert_eq!(read(&field, &json!(null), &options), Ok(Write::Keep));
    }

    #[test]
    fn an_address_needs_four_parts() {
        let whole = json!({ "addr1": "1 Main St", "city": "Bonn", "state": "NW", "zip": "53111" });
        assert_eq!(
            stored(MergeType::Address, whole.clone()),
            json!({ "addr1": "1 Main St", "addr2": "", "city": "Bonn", "state": "NW", "zip": "53111", "country": "US" })
        );
        let mut lacking = whole.clone();
        lacking.as_object_mut().unwrap().remove("zip");
        assert_eq!(ask(MergeType::Address, &lacking), Err(Bad::Schema));
        let mut empty = whole.clone();
        empty["city"] = json!("");
        assert_eq!(
            message(MergeType::Address, empty),
            "Please enter a complete address"
        );
        assert_eq!(ask(MergeType::Text, &whole), Err(Bad::Schema));
    }

    #[test]
    fn a_long_value_can_be_cut_between_letters() {
        let options = Options {
            long_value: LongValue::Cut,
            ..Options::default()
        };
        let field = MergeField::new("T", "T", MergeType::Text);
        let sent = json!(format!("{}é", "x".repeat(254)));
        assert_eq!(
            read(&field, &sent, &options),
            Ok(Write::Set(MergeValue::Text("x".repeat(254))))
        );
    }
}
