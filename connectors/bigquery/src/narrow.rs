//! Reading some rows by their keys: the condition behind the model.

use outflow_sdk::keys::{KeyColumn, KeyKind, Keys, place};
use outflow_sdk::value::Value;

use crate::kind::{Kind, Typed};
use crate::query::quoted;

/// `text` as a literal: a backslash escapes, and a plain string does not go over the end of its line.
pub(crate) fn text_literal(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('\'', "\\'")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    format!("'{escaped}'")
}

/// The condition for `keys`; none where a column's values cannot be compared with what was asked for. The
/// whole model is read then.
pub(crate) fn condition(keys: &Keys, columns: &[Typed]) -> Option<String> {
    let names = columns.iter().map(|column| column.name.as_str());
    let found: Option<Vec<&Typed>> = keys
        .columns
        .iter()
        .map(|name| columns.get(place(names.clone(), name)?))
        .collect();
    let found = found?;
    let compared = |column: &&Typed| {
        let kind = match column.kind {
            Kind::Integer => KeyKind::Integer,
            Kind::Numeric | Kind::BigNumeric | Kind::Float => KeyKind::Number,
            Kind::Text => KeyKind::Text,
            Kind::Date => KeyKind::Date,
            _ => return None,
        };
        Some(KeyColumn {
            sql: quoted(&column.name),
            kind,
        })
    };
    let compared: Option<Vec<KeyColumn>> = found.iter().map(compared).collect();
    Some(keys.condition(&compared?, |at, value| {
        let kind = found.get(at).map(|column| &column.kind);
        vec![match value {
            Value::Text(text) => text_literal(text),
            Value::Date(_) => format!("DATE '{value}'"),
            // A plain literal with a point is a float there.
            Value::Number(_) if matches!(kind, Some(Kind::Numeric | Kind::BigNumeric)) => {
                format!("BIGNUMERIC '{value}'")
            }
            // And one without a point is an integer, of 64 bits at most.
            Value::Number(_) if matches!(kind, Some(Kind::Float)) => format!("{value}e0"),
            other => other.to_string(),
        }]
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::value::Decimal;

    use super::*;

    #[test]
    fn keys_are_compared_as_their_column_is() {
        let keys = Keys {
            columns: vec!["ID".into()],
            keys: vec![
                vec![Value::Number(Decimal::from(7))],
                vec![Value::text("2024-02-29")],
                vec![Value::text("x\\'\n OR 1=1 --")],
            ],
            nulls: false,
        };
        for (kind, type_name, expected) in [
            (Kind::Integer, "INT64", Some("`id` IN (7)")),
            (Kind::Numeric, "NUMERIC", Some("`id` IN (BIGNUMERIC '7')")),
            (Kind::Float, "FLOAT64", Some("`id` IN (7e0)")),
            (Kind::Date, "DATE", Some("`id` IN (DATE '2024-02-29')")),
            (
                Kind::Text,
                "STRING",
                Some(r"`id` IN ('2024-02-29', '7', 'x\\\'\n OR 1=1 --')"),
            ),
            (Kind::Boolean, "BOOL", None),
        ] {
            let columns = [Typed {
                name: "id".into(),
                kind: kind.clone(),
                type_name: type_name.into(),
            }];
            assert_eq!(condition(&keys, &columns).as_deref(), expected, "{kind:?}");
        }
    }
}
