//! The rows of a plan, field by field: for people and as JSON.

use outflow_sdk::value::Value;

use super::failure::Failure;
use super::forecast::Forecast;
use super::output::{Output, Tone, printable};
use crate::documents;
use crate::project::SyncSpec;
use crate::sync::classify::match_text;
use crate::sync::plan::{Planned, RowToSend};

/// Characters of a value that people are shown.
const SHOWN_VALUE: usize = 60;

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
    forecast.each(limit, |row, values| {
        one(sync, row, values, out);
        Ok::<_, Failure>(())
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
    forecast.each(limit, |row, values| {
        let operation = documents::operation(sync, row, values)?;
        write(operation.get(), first);
        first = false;
        Ok(())
    })
}

fn one(sync: &SyncSpec, row: &RowToSend, values: &[Option<Value>], out: &mut Output) {
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

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn people_see_short_values_and_no_control_characters() {
        assert_eq!(value_text(Some(&Value::Null)), "(empty)");
        assert_eq!(value_text(None), "(left as it is)");
        assert_eq!(value_text(Some(&Value::text("a\u{1b}b"))), "a\u{fffd}b");
        let long = value_text(Some(&Value::text(&"ä".repeat(100))));
        assert_eq!(long.chars().count(), SHOWN_VALUE + 1);
    }
}
