//! What a run would do.

use outflow_sdk::value::Value;
use schemars::JsonSchema;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::project::SyncSpec;
use crate::sync::classify::match_text;
use crate::sync::error::RunError;
use crate::sync::forecast::Forecast;
use crate::sync::plan::RowToSend;

/// What a run would do, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlanSummary {
    /// The sync.
    pub sync: String,
    /// Records that would be created.
    pub create: u64,
    /// Records that would be updated.
    pub update: u64,
    /// Records that would be removed.
    pub remove: u64,
    /// Rows that are at the destination already.
    pub unchanged: u64,
    /// Rows the model gave.
    pub read: u64,
    /// Rows refused before, or not fit to be sent.
    pub rejected: u64,
    /// Of these, rows the destination would refuse unsent.
    pub refused: u64,
    /// Rows refused for consent or compliance.
    pub suppressed: u64,
    /// Rows without a key of their own.
    pub invalid_key: u64,
    /// Jobs of an earlier run whose result is not known yet: a run asks about them first.
    pub open_jobs: u64,
    /// Their rows, which count as not acknowledged here.
    pub open_job_rows: u64,
    /// Requests it takes.
    pub requests: u64,
    /// Least time that takes at the account's limits.
    pub seconds: f64,
}

impl PlanSummary {
    /// The numbers of a forecast.
    pub fn of(sync: &str, forecast: &Forecast) -> Self {
        let tally = forecast.plan.tally;
        Self {
            sync: sync.to_owned(),
            create: forecast.create(),
            update: forecast.update(),
            remove: forecast.remove(),
            unchanged: tally.unchanged,
            read: tally.read,
            rejected: tally.rejected + forecast.preview.refused,
            refused: forecast.preview.refused,
            suppressed: tally.suppressed,
            invalid_key: tally.invalid_key,
            open_jobs: forecast.open_jobs.jobs,
            open_job_rows: forecast.open_jobs.rows,
            requests: forecast.preview.requests,
            seconds: forecast.time.as_secs_f64(),
        }
    }
}

/// A row the destination would refuse unsent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedRow {
    /// The row's key.
    pub key: String,
    /// Stable code.
    pub code: String,
    /// The destination field, when one is named.
    pub field: Option<String>,
    /// What is wrong with it.
    pub message: String,
}

/// The first rows of a plan that the destination would refuse unsent.
pub fn refused_rows(forecast: &Forecast) -> Vec<RefusedRow> {
    let rows = forecast.refused.iter();
    rows.map(|(key, rejection)| RefusedRow {
        key: key.clone(),
        code: rejection.code.clone(),
        field: rejection.field.clone(),
        message: rejection.message.clone(),
    })
    .collect()
}

#[derive(Serialize)]
struct Operation<'a> {
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
                map.serialize_entry(&field.field, &JsonValue(value))?;
            }
        }
        map.end()
    }
}

/// A value as JSON; numbers keep all their digits.
struct JsonValue<'a>(Option<&'a Value>);

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = |text: String| RawValue::from_string(text).ok();
        match self.0 {
            None | Some(Value::Null) => serializer.serialize_none(),
            Some(Value::Bool(flag)) => serializer.serialize_bool(*flag),
            Some(value @ Value::Number(_)) => raw(value.to_string()).serialize(serializer),
            Some(Value::Json(text)) => raw(text.to_string()).serialize(serializer),
            Some(Value::Text(text)) => serializer.serialize_str(text),
            Some(Value::List(items)) => serializer.collect_seq(items),
            Some(value) => serializer.collect_str(value),
        }
    }
}

/// A row of a plan as JSON text: numbers keep all their digits.
///
/// # Errors
/// When it has no JSON form, which is a bug.
pub(crate) fn operation(
    sync: &SyncSpec,
    row: &RowToSend,
    values: &[Option<Value>],
) -> Result<Box<RawValue>, RunError> {
    let operation = Operation {
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
    serde_json::value::to_raw_value(&operation).map_err(|error| RunError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::value::Decimal;

    use super::*;

    #[test]
    fn values_keep_their_kind_and_all_their_digits() {
        let json = |value: Value| serde_json::to_string(&JsonValue(Some(&value))).unwrap();
        let long = "12345678901234567890.123";
        let number = Value::Number(Decimal::parse(long).unwrap());
        assert_eq!(json(number), long);
        assert_eq!(json(Value::text("NO")), "\"NO\"");
        assert_eq!(json(Value::Bool(false)), "false");
        assert_eq!(json(Value::Date(0)), "\"1970-01-01\"");
        assert_eq!(json(Value::List(vec!["a\"".into()])), r#"["a\""]"#);
        assert_eq!(json(Value::Json("{\"a\":1}".into())), "{\"a\":1}");
        assert_eq!(json(Value::Null), "null");
    }
}
