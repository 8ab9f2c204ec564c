//! The rows of a plan, field by field: for people and as JSON.

use outflow_sdk::value::Value;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::forecast::{Forecast, shown};
use super::output::{Output, Tone, printable};
use crate::project::SyncSpec;
use crate::sync::classify::match_text;
use crate::sync::error::RunError;
use crate::sync::plan::{Planned, PlannedRow, Waves};

/// Characters of a value that people are shown.
const SHOWN_VALUE: usize = 60;

/// Whether a row is part of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It is.
    Sent,
    /// The destination would refuse it unsent.
    Refused,
}

/// Shows the first rows of a plan; gives how many more there are.
pub(crate) fn show(
    sync: &SyncSpec,
    forecast: &mut Forecast,
    limit: u64,
    out: &mut Output,
) -> Result<u64, Failure> {
    let total = forecast
        .plan
        .operations()
        .saturating_sub(forecast.preview.refused);
    each(forecast, limit, |row, values| {
        one(sync, row, values, out);
        Ok(())
    })?;
    Ok(total.saturating_sub(limit))
}

/// Gives each row of a plan as the JSON text of its operation; the flag says whether it is the first.
pub(crate) fn documents(
    sync: &SyncSpec,
    forecast: &mut Forecast,
    limit: u64,
    write: &mut dyn FnMut(&str, bool),
) -> Result<(), Failure> {
    let mut first = true;
    each(forecast, limit, |row, values| {
        let text = document(sync, row, values)?;
        write(&text, first);
        first = false;
        Ok(())
    })
}

fn each(
    forecast: &mut Forecast,
    limit: u64,
    mut act: impl FnMut(&PlannedRow, &[Option<Value>]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut left = limit;
    let mut rows = std::mem::replace(&mut forecast.plan.rows, Waves::new(std::path::Path::new("")));
    let result = (|| {
        let failed = |error| Failure::of_run(&RunError::from(error));
        let mut number = 0;
        for wave in rows.each() {
            for row in wave.rows::<PlannedRow>().map_err(failed)? {
                if left == 0 {
                    return Ok(());
                }
                let row = row.map_err(failed)?;
                let operation = row.operation(number).map_err(failed)?;
                number += 1;
                if shown(forecast, &operation) == Shown::Sent {
                    left -= 1;
                    act(&row, &operation.record)?;
                }
            }
        }
        Ok(())
    })();
    forecast.plan.rows = rows;
    result
}

fn one(sync: &SyncSpec, row: &PlannedRow, values: &[Option<Value>], out: &mut Output) {
    let (mark, tone) = match row.planned {
        Planned::Create => ("+", Tone::Success),
        Planned::Update => ("~", Tone::Warning),
        Planned::Remove(_) => ("-", Tone::Error),
    };
    let word = match row.planned {
        Planned::Remove(rule) => format!("{rule:?}").to_lowercase(),
        planned => planned.word().to_owned(),
    };
    let key = if row.key_text.is_empty() {
        "(key not kept)"
    } else {
        &row.key_text
    };
    let record = match (match_text(sync, values), &row.remote) {
        (Some(text), _) => format!(" {}", printable(&text)),
        (None, Some(remote)) => format!(" record {remote}"),
        (None, None) => String::new(),
    };
    let mark = out.paint(tone, format!("{mark} {word}"));
    out.line(format_args!("  {mark} {}{record}", printable(key)));
    for &number in &row.pending {
        let at = usize::from(number);
        let Some(field) = sync.fields.get(at) else {
            continue;
        };
        let before = match row.acknowledged.get(at) {
            None | Some(0) => "new",
            Some(_) => "changed",
        };
        let value = values.get(at).and_then(Option::as_ref);
        let state = out.paint(Tone::Faint, format!("({before})"));
        out.line(format_args!(
            "      {} {state} → {}",
            field.field,
            value_text(value)
        ));
    }
}

/// A value for people: NULL as `(empty)`, long text cut.
fn value_text(value: Option<&Value>) -> String {
    let text = match value {
        None => return "(left as it is)".into(),
        Some(Value::Null) => return "(empty)".into(),
        Some(value) => printable(&value.to_string()),
    };
    match text.char_indices().nth(SHOWN_VALUE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[derive(Serialize)]
struct Document<'a> {
    key: &'a str,
    op: &'static str,
    #[serde(rename = "match")]
    match_value: Option<String>,
    remote: Option<&'a str>,
    fields: Fields<'a>,
}

/// The fields that are sent, in mapping order.
struct Fields<'a> {
    sync: &'a SyncSpec,
    pending: &'a [u16],
    values: &'a [Option<Value>],
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.pending.len()))?;
        for &number in self.pending {
            let at = usize::from(number);
            if let Some(field) = self.sync.fields.get(at) {
                let value = self.values.get(at).and_then(Option::as_ref);
                map.serialize_entry(&field.field, &json_value(value))?;
            }
        }
        map.end()
    }
}

/// A value as JSON; numbers keep all their digits.
fn json_value(value: Option<&Value>) -> Option<Box<RawValue>> {
    let text = match value? {
        Value::Null => return None,
        value @ (Value::Bool(_) | Value::Number(_)) => value.to_string(),
        Value::Json(text) => text.clone(),
        Value::List(items) => serde_json::Value::from(items.clone()).to_string(),
        value => serde_json::Value::from(value.to_string()).to_string(),
    };
    RawValue::from_string(text).ok()
}

fn document(sync: &SyncSpec, row: &PlannedRow, values: &[Option<Value>]) -> Result<String, Failure> {
    let document = Document {
        key: &row.key_text,
        op: row.planned.word(),
        match_value: match_text(sync, values),
        remote: row.remote.as_deref(),
        fields: Fields {
            sync,
            pending: &row.pending,
            values,
        },
    };
    serde_json::to_string(&document).map_err(|error| Failure::bug(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::value::Decimal;

    use super::*;

    #[test]
    fn values_keep_their_kind_and_all_their_digits() {
        let json = |value: Value| json_value(Some(&value)).map(|raw| raw.get().to_owned());
        let long = "12345678901234567890.123";
        let number = Value::Number(Decimal::parse(long).unwrap());
        assert_eq!(json(number), Some(long.into()));
        assert_eq!(json(Value::text("NO")), Some("\"NO\"".into()));
        assert_eq!(json(Value::Bool(false)), Some("false".into()));
        assert_eq!(json(Value::Date(0)), Some("\"1970-01-01\"".into()));
        assert_eq!(json(Value::Json("{\"a\":1}".into())), Some("{\"a\":1}".into()));
        assert_eq!(json(Value::Null), None, "printed as null");
    }

    #[test]
    fn people_see_short_values_and_no_control_characters() {
        assert_eq!(value_text(Some(&Value::Null)), "(empty)");
        assert_eq!(value_text(None), "(left as it is)");
        assert_eq!(value_text(Some(&Value::text("a\u{1b}b"))), "a\u{fffd}b");
        let long = value_text(Some(&Value::text(&"ä".repeat(100))));
        assert_eq!(long.chars().count(), SHOWN_VALUE + 1);
    }
}
