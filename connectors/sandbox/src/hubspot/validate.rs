//! Whether a value fits its property, and the form in which it is stored.

use std::borrow::Cow;

use jiff::civil::Date;

use super::definitions::{Property, PropertyType};
use super::errors::BadProperty;
use super::json::iso;

/// Longest text value, in characters.
pub(super) const MAX_TEXT: usize = 65_536;
const DAY_MS: i64 = 86_400_000;

/// Top-level domains that do not exist: reserved names and the usual slips. The vendor knows the
/// whole list; these are the ones tests and typing errors meet.
const NO_DOMAINS: [&str; 14] = [
    "test",
    "example",
    "invalid",
    "localhost",
    "local",
    "internal",
    "lan",
    "con",
    "cmo",
    "comm",
    "ocm",
    "nett",
    "ogr",
    "gmail",
];

/// Whether its values are any texts, as long as they are not too long. E-mail addresses are not.
pub(super) fn takes_texts(property: &Property) -> bool {
    matches!(
        property.value_type,
        PropertyType::String | PropertyType::PhoneNumber
    )
}

/// The stored form of `sent`, or why it is refused. Empty text clears and always fits.
/// `current` is the value now stored: multiple choices can be appended to it.
pub(super) fn value<'a>(
    property: &Property,
    sent: Cow<'a, str>,
    is_email: bool,
    current: Option<&str>,
) -> Result<Cow<'a, str>, BadProperty> {
    if sent.is_empty() {
        return Ok(sent);
    }
    let refuse = |code, message: String| Err(BadProperty::new(&property.name, code, message));
    match property.value_type {
        PropertyType::String | PropertyType::PhoneNumber => {
            // Bytes first: counting characters is only needed for long texts.
            if sent.len() > MAX_TEXT && sent.chars().count() > MAX_TEXT {
                let message = format!("Property values must be at most {MAX_TEXT} characters");
                return refuse("PROPERTY_VALUE_TOO_LONG", message);
            }
            if is_email { email(property, sent) } else { Ok(sent) }
        }
        PropertyType::Number if is_number(&sent) => Ok(sent),
        PropertyType::Number => refuse("INVALID_INTEGER", format!("{sent} was not a valid number.")),
        PropertyType::Bool if sent == "true" || sent == "false" => Ok(sent),
        PropertyType::Bool => refuse(
            "INVALID_OPTION",
            format!("{sent} was not one of the allowed options: [true, false]"),
        ),
        PropertyType::Date => match date(&sent) {
            Ok(Some(stored)) => Ok(Cow::Owned(stored)),
            Ok(None) => Ok(sent),
            Err(message) => refuse("INVALID_DATE", message),
        },
        PropertyType::Datetime => match instant(&sent) {
            Some(ms) => Ok(Cow::Owned(iso(ms))),
            None => refuse("INVALID_LONG", format!("{sent} was not a valid long.")),
        },
        PropertyType::Enumeration if property.is_multiple() => choices(property, sent, current),
        PropertyType::Enumeration if is_option(property, &sent) => Ok(sent),
        PropertyType::Enumeration => refuse("INVALID_OPTION", no_option(property, &sent)),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

/// `Ok(None)`: as sent. `Ok(Some)`: normalised.
fn date(text: &str) -> Result<Option<String>, String> {
    if text.len() == 10 && text.parse::<Date>().is_ok() {
        return Ok(None);
    }
    let Some(ms) = whole_number(text) else {
        return Err(format!("{text} was not a valid date."));
    };
    let time = ms.rem_euclid(DAY_MS) / 1000;
    if ms.rem_euclid(DAY_MS) != 0 {
        let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
        return Err(format!(
            "{ms} is at {hours}:{minutes}:{seconds}.0 UTC, not midnight!"
        ));
    }
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(instant) => Ok(Some(
            instant
                .to_zoned_datetime(jiff::tz::TimeZone::UTC)
                .date()
                .to_string(),
        )),
        Err(_) => Err(format!("{text} was not a valid date.")),
    }
}

/// ISO 8601 with `Z`, or milliseconds since 1970.
fn instant(text: &str) -> Option<i64> {
    if let Some(ms) = whole_number(text) {
        return jiff::Timestamp::from_millisecond(ms).ok().map(|_| ms);
    }
    if !text.ends_with('Z') || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

fn whole_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn is_option(property: &Property, value: &str) -> bool {
    property.options.iter().any(|option| option.value == value)
}

fn no_option(property: &Property, value: &str) -> String {
    let allowed: Vec<_> = property
        .options
        .iter()
        .map(|option| option.value.as_str())
        .collect();
    format!(
        "{value} was not one of the allowed options: [{}]",
        allowed.join(", ")
    )
}

/// `a;b` overwrites, `;b` appends. Stored in the order of the definition, not in the order sent.
fn choices<'a>(
    property: &Property,
    sent: Cow<'a, str>,
    current: Option<&str>,
) -> Result<Cow<'a, str>, BadProperty> {
    let (added, kept) = match sent.strip_prefix(';') {
        Some(added) => (added, current.unwrap_or_default()),
        None => (sent.as_ref(), ""),
    };
    if let Some(unknown) = added.split(';').find(|value| !is_option(property, value)) {
        return Err(BadProperty::new(
            &property.name,
            "INVALID_OPTION",
            no_option(property, unknown),
        ));
    }
    let chosen: Vec<&str> = property
        .options
        .iter()
        .map(|option| option.value.as_str())
        .filter(|option| {
            added
                .split(';')
                .chain(kept.split(';'))
                .any(|value| value == *option)
        })
        .collect();
    Ok(Cow::Owned(chosen.join(";")))
}

fn email<'a>(property: &Property, sent: Cow<'a, str>) -> Result<Cow<'a, str>, BadProperty> {
    if !is_email(&sent) {
        let message = format!("Email address {sent} is invalid");
        return Err(BadProperty::new(&property.name, "INVALID_EMAIL", message));
    }
    let has_capitals = if sent.is_ascii() {
        sent.bytes().any(|byte| byte.is_ascii_uppercase())
    } else {
        sent.chars().any(char::is_uppercase)
    };
    if has_capitals {
        Ok(Cow::Owned(sent.to_lowercase()))
    } else {
        Ok(sent)
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    // No dot at either end, nor two in a row.
    let mut last = '.';
    let local_fits = local.len() <= 64
        && local.chars().all(|letter| {
            let between = letter != '.' || last != '.';
            last = letter;
            between
                && (letter.is_alphanumeric()
                    || (letter.is_ascii() && "!#$%&'*+-/=?^_`{|}~.".contains(letter)))
        })
        && last != '.';
    let label_fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    let Some((_, top)) = domain.rsplit_once('.') else {
        return false;
    };
    let top_fits = top.chars().count() >= 2
        && (top.chars().all(char::is_alphabetic) || top.to_ascii_lowercase().starts_with("xn--"))
        && !NO_DOMAINS.iter().any(|unknown| top.eq_ignore_ascii_case(unknown));
    local_fits && top_fits && domain.len() <= 253 && domain.split('.').all(label_fits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stored(property: &Property, sent: &str) -> Result<String, &'static str> {
        value(property, Cow::Borrowed(sent), property.name == "email", Some("b"))
            .map(Cow::into_owned)
            .map_err(|bad| bad.code)
    }

    #[test]
    fn numbers_have_digits_and_at_most_one_point() {
        let number = Property::number("n");
        for good in ["1", "-1", "1.50", ".5", "7.", "00012"] {
            assert_eq!(stored(&number, good).as_deref(), Ok(good), "{good}");
        }
        for bad in ["1,5", "1.2.3", "1e5", "$1", " 1", "+1", "-", ".", "ten", "NaN"] {
            assert_eq!(stored(&number, bad), Err("INVALID_INTEGER"), "{bad}");
        }
    }

    #[test]
    fn booleans_are_true_or_false() {
        let flag = Property::new("b", PropertyType::Bool);
        assert_eq!(stored(&flag, "true").as_deref(), Ok("true"));
        for bad in ["True", "1", "yes"] {
            assert_eq!(stored(&flag, bad), Err("INVALID_OPTION"), "{bad}");
        }
        let refusal = value(&flag, "yes".into(), false, None).unwrap_err();
        assert_eq!(
            refusal.message,
            "yes was not one of the allowed options: [true, false]"
        );
    }

    #[test]
    fn dates_are_days_or_midnights() {
        let day = Property::new("d", PropertyType::Date);
        assert_eq!(stored(&day, "2026-11-02").as_deref(), Ok("2026-11-02"));
        assert_eq!(stored(&day, "1793577600000").as_deref(), Ok("2026-11-02"));
        assert_eq!(stored(&day, "-86400000").as_deref(), Ok("1969-12-31"));
        for bad in [
            "2026-13-01",
            "2026-02-30",
            "02/11/2026",
            "2026-11-02T00:00:00Z",
            "soon",
        ] {
            assert_eq!(stored(&day, bad), Err("INVALID_DATE"), "{bad}");
        }
        let refusal = value(&day, "1793607330000".into(), false, None).unwrap_err();
        assert_eq!(
            refusal.message,
            "1793607330000 is at 8:15:30.0 UTC, not midnight!"
        );
    }

    #[test]
    fn instants_are_stored_with_milliseconds() {
        let time = Property::new("t", PropertyType::Datetime);
        assert_eq!(
            stored(&time, "2026-11-02T08:15:30Z").as_deref(),
            Ok("2026-11-02T08:15:30.000Z")
        );
        assert_eq!(
            stored(&time, "1793607330123").as_deref(),
            Ok("2026-11-02T08:15:30.123Z")
        );
        // Seconds are taken for milliseconds and land in 1970, as they do at the vendor.
        assert_eq!(
            stored(&time, "1793607330").as_deref(),
            Ok("1970-01-21T18:13:27.330Z")
        );
        for bad in [
            "2026-11-02 08:15:30",
            "2026-11-02",
            "2026-11-02T08:15:30+02:00",
            "now",
        ] {
            assert_eq!(stored(&time, bad), Err("INVALID_LONG"), "{bad}");
        }
    }

    #[test]
    fn choices_are_values_not_labels() {
        let one = Property::choice("c", &["lead", "customer"]);
        assert_eq!(stored(&one, "lead").as_deref(), Ok("lead"));
        assert_eq!(stored(&one, "Lead"), Err("INVALID_OPTION"));
        let refusal = value(&one, "x".into(), false, None).unwrap_err();
        assert_eq!(
            refusal.message,
            "x was not one of the allowed options: [lead, customer]"
        );
    }

    #[test]
    fn several_choices_overwrite_or_append() {
        let many = Property::choices("m", &["a", "b", "c"]);
        assert_eq!(stored(&many, "c;a").as_deref(), Ok("a;c"));
        assert_eq!(stored(&many, ";c").as_deref(), Ok("b;c"));
        for bad in ["a; b", "a;;b", "d", "a,b", ";"] {
            assert_eq!(stored(&many, bad), Err("INVALID_OPTION"), "{bad}");
        }
    }

    #[test]
    fn texts_end_at_65536_characters() {
        let text = Property::text("s");
        assert!(stored(&text, &"é".repeat(MAX_TEXT)).is_ok());
        assert_eq!(
            stored(&text, &"x".repeat(MAX_TEXT + 1)),
            Err("PROPERTY_VALUE_TOO_LONG")
        );
    }

    #[test]
    fn addresses_are_lower_cased_and_must_be_possible() {
        let address = Property::unique("email");
        assert_eq!(
            stored(&address, "Ann.Lee+x@Example.COM").as_deref(),
            Ok("ann.lee+x@example.com")
        );
        for bad in [
            "ann",
            "ann@",
            "@example.com",
            "ann@example",
            "ann@@example.com",
            "a b@example.com",
            "ann@example..com",
            "ann@example.con",
            "ann@host.test",
            ".ann@example.com",
            "ann.@example.com",
            "an..n@example.com",
            ".@example.com",
            "ann@example.c",
            "ann@-x.com",
            " ann@example.com",
            "a@b.c1",
        ] {
            assert_eq!(stored(&address, bad), Err("INVALID_EMAIL"), "{bad}");
        }
    }

    #[test]
    fn empty_text_clears_whatever_the_type() {
        for value_type in [
            PropertyType::Number,
            PropertyType::Date,
            PropertyType::Enumeration,
        ] {
            assert_eq!(stored(&Property::new("p", value_type), "").as_deref(), Ok(""));
        }
    }
}
