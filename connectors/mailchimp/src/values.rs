//! Values as Mailchimp writes them. Merge fields take strings, numbers and address objects; `""`
//! empties them, and `null` is never sent, since nobody says what it does.

use std::borrow::Cow;
use std::io::Write;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use outflow_sdk::value::{Decimal, Value, civil_date};

/// Longest value Mailchimp stores in a merge field, in bytes.
pub(crate) const MAX_BYTES: usize = 255;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Parts of an address. The first four must not be empty.
const ADDRESS_PARTS: [&str; 6] = ["addr1", "city", "state", "zip", "addr2", "country"];
const ADDRESS_REQUIRED: usize = 4;

/// How a merge field's values are checked and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MergeKind {
    Text,
    Number,
    Date,
    /// Month and day.
    Birthday,
    Address,
    /// `us`: NNN-NNN-NNNN, else anything.
    Phone {
        us: bool,
    },
    /// Five digits of a US code.
    Zip,
    Url,
    /// One of these.
    Choice(Vec<String>),
}

/// Consent of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Subscribed,
    Unsubscribed,
    Cleaned,
    Pending,
    Transactional,
}

impl Status {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "subscribed" => Some(Status::Subscribed),
            "unsubscribed" => Some(Status::Unsubscribed),
            "cleaned" => Some(Status::Cleaned),
            "pending" => Some(Status::Pending),
            "transactional" => Some(Status::Transactional),
            _ => None,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::Subscribed => "subscribed",
            Status::Unsubscribed => "unsubscribed",
            Status::Cleaned => "cleaned",
            Status::Pending => "pending",
            Status::Transactional => "transactional",
        }
    }

    /// Whether the person is not to be mailed, nor asked whether they want to be.
    pub(crate) fn is_opted_out(self) -> bool {
        matches!(self, Status::Unsubscribed | Status::Cleaned)
    }

    /// The status a value of the consent column stands for; none when the column says nothing.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(Status::Subscribed),
            Value::Bool(false) => Some(Status::Unsubscribed),
            Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Some(Status::Subscribed),
                "false" => Some(Status::Unsubscribed),
                word => Status::parse(word),
            },
            _ => None,
        }
    }
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
pub(crate) const INVALID_STATUS: Flaw = flaw(
    "invalid_status",
    "takes subscribed, unsubscribed, pending, transactional, cleaned, true or false, this is none",
);
pub(crate) const INVALID_OPTION: Flaw = flaw("invalid_option", "does not have this option");
pub(crate) const INVALID_NUMBER: Flaw = flaw("invalid_number", "takes numbers, this is none");
pub(crate) const INVALID_BOOL: Flaw = flaw("invalid_boolean", "takes true or false, this is neither");
pub(crate) const INVALID_DATE: Flaw = flaw("invalid_date", "takes dates, this is none");
pub(crate) const INVALID_INSTANT: Flaw = flaw("invalid_timestamp", "takes instants, this is none");
pub(crate) const INVALID_BIRTHDAY: Flaw = flaw(
    "invalid_birthday",
    "takes a month and a day (MM/DD), this is neither",
);
pub(crate) const INVALID_ADDRESS: Flaw = flaw(
    "invalid_address",
    "takes an object with addr1, city, state and zip, none of them empty",
);
pub(crate) const INVALID_PHONE: Flaw = flaw("invalid_phone", "takes US phone numbers of ten digits");
pub(crate) const INVALID_ZIP: Flaw = flaw("invalid_zip", "takes US zip codes of five digits");
pub(crate) const INVALID_URL: Flaw = flaw(
    "invalid_url",
    "takes addresses that begin with http:// or https://",
);
pub(crate) const INVALID_EMAIL_TYPE: Flaw = flaw("invalid_email_type", "takes html or text, this is neither");
pub(crate) const INVALID_LANGUAGE: Flaw =
    flaw("invalid_language", "takes language codes such as en or pt_BR");
pub(crate) const INVALID_TAG: Flaw = flaw("invalid_tags", "takes a list of tag names");
pub(crate) const TOO_LONG: Flaw = flaw("too_long", "takes at most 255 bytes");

/// Whether the value empties its field: NULL, or text or a list without anything in it.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::Json(text) => matches!(text.as_str(), "null" | "\"\"" | "{}" | "[]"),
        Value::List(items) => items.iter().all(|item| item.trim().is_empty()),
        _ => false,
    }
}

/// The value's text before any conversion.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) | Value::Json(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Refuses what Mailchimp is certain to refuse, or to cut short.
pub(crate) fn check(kind: &MergeKind, value: &Value) -> Result<(), Flaw> {
    if is_empty(value) {
        return Ok(());
    }
    let fits = |fits: bool, flaw: Flaw| if fits { Ok(()) } else { Err(flaw) };
    match kind {
        MergeKind::Text => fits(text_of(value).len() <= MAX_BYTES, TOO_LONG),
        MergeKind::Number => fits(number_of(value).is_some(), INVALID_NUMBER),
        MergeKind::Date => fits(date_of(value).is_some(), INVALID_DATE),
        MergeKind::Birthday => fits(birthday_of(value).is_some(), INVALID_BIRTHDAY),
        MergeKind::Address => fits(address_of(value).is_some(), INVALID_ADDRESS),
        MergeKind::Phone { us: true } => fits(us_phone_of(value).is_some(), INVALID_PHONE),
        MergeKind::Phone { us: false } => fits(text_of(value).len() <= MAX_BYTES, TOO_LONG),
        MergeKind::Zip => fits(zip_of(value).is_some(), INVALID_ZIP),
        MergeKind::Url => {
            let text = text_of(value);
            fits(is_url(text.trim()), INVALID_URL)?;
            fits(text.len() <= MAX_BYTES, TOO_LONG)
        }
        MergeKind::Choice(choices) => {
            let text = text_of(value);
            fits(choices.iter().any(|choice| *choice == text), INVALID_OPTION)
        }
    }
}

/// Writes the value of a merge field as JSON.
pub(crate) fn write(kind: &MergeKind, value: &Value, out: &mut Vec<u8>) {
    if is_empty(value) {
        out.extend_from_slice(b"\"\"");
        return;
    }
    let text = match kind {
        MergeKind::Number => match number_of(value) {
            Some(number) => return write_plain(&number, out),
            None => text_of(value),
        },
        MergeKind::Address => match address_of(value) {
            Some(parts) => return write_address(&parts, out),
            None => text_of(value),
        },
        MergeKind::Date => date_of(value).map_or_else(|| text_of(value), |date| date.to_string().into()),
        MergeKind::Birthday => birthday_of(value).map_or_else(|| text_of(value), Cow::Owned),
        MergeKind::Phone { us: true } => us_phone_of(value).map_or_else(|| text_of(value), Cow::Owned),
        MergeKind::Zip => zip_of(value).map_or_else(|| text_of(value), Cow::Owned),
        MergeKind::Url => text_of(value).trim().to_owned().into(),
        MergeKind::Text | MergeKind::Phone { us: false } | MergeKind::Choice(_) => text_of(value),
    };
    write_text(&text, out);
}

/// Writes any text as a JSON string.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    // Writing into memory cannot fail, and a string always has a JSON form.
    let _ = serde_json::to_writer(out, text);
}

/// Writes what needs no quotes.
pub(crate) fn write_plain(value: &dyn std::fmt::Display, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

fn write_address(parts: &[(&str, String)], out: &mut Vec<u8>) {
    for (at, (name, part)) in parts.iter().enumerate() {
        out.push(if at == 0 { b'{' } else { b',' });
        write_text(name, out);
        out.push(b':');
        write_text(part, out);
    }
    out.push(b'}');
}

/// Refuses clear nonsense only: Mailchimp's own rule is not published, and a wrongly refused row is
/// worse than one line of a batch spent on a bad one.
pub(crate) fn is_address(text: &str) -> bool {
    text.rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !text
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
}

/// Whether `text` can be the code of a language: `en`, `pt_BR`, `zh-Hant`.
pub(crate) fn is_language(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    (2..=10).contains(&text.len()) && text.bytes().all(plain)
}

/// The number a value stands for.
pub(crate) fn number_of(value: &Value) -> Option<Cow<'_, Decimal>> {
    match value {
        Value::Number(number) => Some(Cow::Borrowed(number)),
        Value::Text(text) => Decimal::parse(text).map(Cow::Owned),
        _ => None,
    }
}

/// The switch a value stands for. NULL is off.
pub(crate) fn bool_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" | "" => Some(false),
            _ => None,
        },
        Value::Null => Some(false),
        _ => None,
    }
}

/// A date; an instant counts as its UTC date.
fn date_of(value: &Value) -> Option<civil::Date> {
    let date = match value {
        Value::Date(days) => civil_date(*days),
        Value::Timestamp(micros) => civil_date(i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?),
        Value::Text(text) => iso_date(text.trim()),
        _ => None,
    }?;
    (date.year() >= 0).then_some(date)
}

fn iso_date(text: &str) -> Option<civil::Date> {
    (text.len() == 10).then(|| text.parse().ok())?
}

/// `MM/DD`, never with a year.
fn birthday_of(value: &Value) -> Option<String> {
    let written = |month: i8, day: i8| format!("{month:02}/{day:02}");
    if let Some(date) = date_of(value) {
        return Some(written(date.month(), date.day()));
    }
    let Value::Text(text) = value else {
        return None;
    };
    let (month, day) = text.trim().trim_start_matches("--").split_once(['/', '-'])?;
    let two = |part: &str| (1..=2).contains(&part.len()).then(|| part.parse::<i8>().ok())?;
    // A leap year: somebody was born on 29 February.
    let date = civil::Date::new(2024, two(month)?, two(day)?).ok()?;
    Some(written(date.month(), date.day()))
}

/// The parts of an address in a fixed order, empty ones left out.
fn address_of(value: &Value) -> Option<Vec<(&'static str, String)>> {
    let (Value::Json(text) | Value::Text(text)) = value else {
        return None;
    };
    let given: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let part = |name: &str| match given.get(name) {
        Some(serde_json::Value::String(text)) => text.trim().to_owned(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let parts = ADDRESS_PARTS.map(|name| (name, part(name)));
    let complete = parts
        .iter()
        .take(ADDRESS_REQUIRED)
        .all(|(_, part)| !part.is_empty());
    complete.then(|| parts.into_iter().filter(|(_, part)| !part.is_empty()).collect())
}

/// `NNN-NNN-NNNN` from ten digits, whatever stands between them; a leading country code 1 is dropped.
fn us_phone_of(value: &Value) -> Option<String> {
    let text = text_of(value);
    let plain = |character: char| character.is_ascii_digit() || " +-().".contains(character);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.strip_prefix('1') {
        Some(rest) if rest.len() == 10 => rest,
        _ => &digits,
    };
    let fits = digits.len() == 10 && text.chars().all(plain);
    fits.then(|| {
        Some(format!(
            "{}-{}-{}",
            digits.get(..3)?,
            digits.get(3..6)?,
            digits.get(6..)?
        ))
    })?
}

/// Five digits; a number has lost its leading zeros, and what follows a hyphen is not kept.
fn zip_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => format!("{:05}", number.as_i128()?),
        Value::Text(text) => {
            let text = text.trim();
            let (code, rest) = text.split_once('-').unwrap_or((text, "0000"));
            let is_extension = rest.len() == 4 && rest.bytes().all(|byte| byte.is_ascii_digit());
            is_extension.then(|| code.to_owned())?
        }
        _ => return None,
    };
    (text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.chars().any(char::is_whitespace)
}

/// An instant as Mailchimp reads it: UTC, whole seconds.
pub(crate) fn instant_of(value: &Value) -> Option<String> {
    let instant = match value {
        Value::Timestamp(micros) => Timestamp::from_microsecond(*micros).ok(),
        Value::Date(days) => {
            let midnight = civil_date(*days)?.at(0, 0, 0, 0);
            TimeZone::UTC.to_timestamp(midnight).ok()
        }
        Value::Text(text) => text.trim().parse::<Timestamp>().ok(),
        _ => None,
    }?;
    let at = TimeZone::UTC.to_datetime(instant);
    (at.year() >= 0).then(|| {
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    })
}

/// The items of a list column: an array, JSON, or text with commas. None when it is none of these.
pub(crate) fn items_of(value: &Value) -> Option<Vec<Cow<'_, str>>> {
    let items: Vec<Cow<'_, str>> = match value {
        Value::Null => Vec::new(),
        Value::List(items) => items.iter().map(|item| Cow::Borrowed(item.trim())).collect(),
        Value::Text(text) => text.split(',').map(|item| Cow::Borrowed(item.trim())).collect(),
        Value::Json(text) => {
            let items: Vec<String> = serde_json::from_str(text).ok()?;
            items
                .into_iter()
                .map(|item| Cow::Owned(item.trim().to_owned()))
                .collect()
        }
        _ => return None,
    };
    Some(items.into_iter().filter(|item| !item.is_empty()).collect())
}

#[cfg(test)]
mod tests;
