//! Values as the server takes them, and as it gives them back.

use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::extension::{Column, ColumnType};

/// One stored value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Cell {
    Null,
    Text(String),
    Number(String),
    Date(civil::DateTime),
    Boolean(bool),
}

impl Cell {
    /// As it is compared.
    pub(super) fn text(&self) -> String {
        match self {
            Cell::Date(at) => at.to_string(),
            other => other.shown(),
        }
    }

    /// As reads show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Text(text) | Cell::Number(text) => text.clone(),
            Cell::Boolean(flag) => if *flag { "True" } else { "False" }.to_owned(),
            Cell::Date(at) => {
                let hour = match at.hour() % 12 {
                    0 => 12,
                    hour => hour,
                };
                let half = if at.hour() < 12 { "AM" } else { "PM" };
                format!(
                    "{}/{}/{} {hour}:{:02}:{:02} {half}",
                    at.month(),
                    at.day(),
                    at.year(),
                    at.minute(),
                    at.second()
                )
            }
        }
    }
}

/// Reads a value for a column; the server's words when it does not fit.
pub(super) fn parse(column: &Column, value: &Value) -> Result<Cell, String> {
    let name = &column.name;
    let text = match value {
        Value::Null => return Ok(Cell::Null),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err(format!(
                "{name}: The value for column [{name}] is not valid. Parse error [{}]",
                column.kind.word()
            ));
        }
    };
    if text.is_empty() && column.kind != ColumnType::Text {
        return Ok(Cell::Null);
    }
    let wrong = |what: &str| {
        Err(format!(
            "{name}: The value for column [{name}] is not a valid {what}. Parse error [Invalid{what}]"
        ))
    };
    match column.kind {
        ColumnType::Text => {
            let units = text.encode_utf16().count();
            if column.length.is_some_and(|length| units > length as usize) {
                return Err(too_long(name));
            }
            Ok(Cell::Text(text))
        }
        ColumnType::EmailAddress => {
            let fine = text.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty()
                    && domain.contains('.')
                    && !domain.contains('@')
                    && !text.contains(char::is_whitespace)
            });
            if text.chars().count() > 254 {
                return Err(too_long(name));
            }
            if !fine {
                return Err(format!(
                    "{name}: The value for column [{name}] is not a valid email address. Parse error [InvalidEmailAddress]"
                ));
            }
            Ok(Cell::Text(text))
        }
        ColumnType::Phone => {
            let digits = text.chars().filter(char::is_ascii_digit).count();
            if digits < 7 || text.chars().count() > 50 {
                return Err(format!(
                    "{name}: The value for column [{name}] is not a valid phone number. Parse error [ExactTarget.Core.Validation.ValidationResult[]]"
                ));
            }
            Ok(Cell::Text(text))
        }
        ColumnType::Locale => {
            if text.len() > 5 {
                return wrong("locale");
            }
            Ok(Cell::Text(text))
        }
        ColumnType::Boolean => match text.to_lowercase().as_str() {
            "true" | "1" => Ok(Cell::Boolean(true)),
            "false" | "0" => Ok(Cell::Boolean(false)),
            _ => wrong("boolean"),
        },
        ColumnType::Number => match text.trim().parse::<i32>() {
            Ok(number) => Ok(Cell::Number(number.to_string())),
            Err(_) => wrong("number"),
        },
        ColumnType::Decimal => {
            decimal(column, &text).map_or_else(|| wrong("decimal"), |text| Ok(Cell::Number(text)))
        }
        ColumnType::Date => date(text.trim()).map_or_else(|| wrong("date"), |at| Ok(Cell::Date(at))),
    }
}

fn too_long(name: &str) -> String {
    format!("{name}: The value for column [{name}] exceeds the column's maximum length.")
}

fn decimal(column: &Column, text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let precision = column.length.unwrap_or(18) as usize;
    let scale = column.scale as usize;
    let fits = !whole.is_empty()
        && plain(whole)
        && plain(fraction)
        && fraction.len() <= scale
        && whole.trim_start_matches('0').len() + scale <= precision;
    fits.then(|| text.to_owned())
}

/// A date as the server stores it: without zone, in UTC-6; what has a zone is converted.
fn date(text: &str) -> Option<civil::DateTime> {
    let server = TimeZone::fixed(Offset::constant(-6));
    // A date alone parses as a date with time, at midnight; the other way round the time would be lost.
    let at = if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        server.to_datetime(instant)
    } else if let Ok(at) = text.parse::<civil::DateTime>() {
        at
    } else {
        american(text)?
    };
    (1753..=9999).contains(&at.year()).then_some(at)
}

/// `M/D/YYYY`, alone or with a time as reads show it.
fn american(text: &str) -> Option<civil::DateTime> {
    let with_time = civil::DateTime::strptime("%m/%d/%Y %I:%M:%S %p", text);
    let at = with_time.or_else(|_| civil::Date::strptime("%m/%d/%Y", text).map(|date| date.at(0, 0, 0, 0)));
    at.ok()
}
