//! Reading some rows by their keys: the condition behind the model.

use outflow_sdk::keys::{KeyColumn, KeyKind, Keys, place};
use outflow_sdk::value::Value;

use crate::kind::{Kind, Typed};
use crate::names::quoted;

/// `text` as a literal: a backslash escapes what follows it.
pub(crate) fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The condition for `keys`; none where a column's values cannot be compared with what was asked for. The
/// whole model is read then.
pub(crate) fn condition(keys: &Keys, columns: &[Typed]) -> Option<String> {
    let names = columns.iter().map(|column| column.name.as_str());
    let compared = |name: &String| {
        let column = columns.get(place(names.clone(), name)?)?;
        let kind = match column.kind {
            Kind::Integer => KeyKind::Integer,
            Kind::Decimal { .. } | Kind::Decfloat | Kind::Float => KeyKind::Number,
            Kind::Text => KeyKind::Text,
            Kind::Date => KeyKind::Date,
            _ => return None,
        };
        Some(KeyColumn {
            sql: quoted(&column.name),
            kind,
        })
    };
    let columns: Option<Vec<KeyColumn>> = keys.columns.iter().map(compared).collect();
    Some(keys.condition(&columns?, |_, value| {
        vec![match value {
            Value::Text(text) => text_literal(text),
            Value::Date(_) => format!("DATE '{value}'"),
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
            columns: vec!["id".into()],
            keys: vec![
                vec![Value::Number(Decimal::from(7))],
                vec![Value::text("2024-02-29")],
                vec![Value::text(r"x\' OR 1=1 --")],
            ],
            nulls: true,
        };
        for (kind, expected) in [
            (Kind::Integer, Some(r#"("ID" IN (7)) OR "ID" IS NULL"#)),
            (
                Kind::Date,
                Some(r#"("ID" IN (DATE '2024-02-29')) OR "ID" IS NULL"#),
            ),
            (
                Kind::Text,
                Some(r#"("ID" IN ('2024-02-29', '7', 'x\\'' OR 1=1 --')) OR "ID" IS NULL"#),
            ),
            (Kind::Boolean, None),
        ] {
            let columns = [Typed {
                name: "ID".into(),
                kind,
                type_name: String::new(),
            }];
            assert_eq!(condition(&keys, &columns).as_deref(), expected, "{kind:?}");
        }
    }
}
