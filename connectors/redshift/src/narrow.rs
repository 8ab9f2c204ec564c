//! Reading some rows by their keys: the condition behind the model.

use outflow_sdk::keys::{KeyColumn, KeyKind, Keys, place};
use outflow_sdk::value::Value;

use crate::dialect::Dialect;
use crate::kind::{Kind, Typed};
use crate::names::quoted;

/// Types that are compared with text as they are, so that an index can be used.
const TEXT_TYPES: [&str; 4] = ["text", "varchar", "bpchar", "name"];

/// The condition for `keys`; none where a column's values cannot be compared with what was asked for. The
/// whole model is read then.
pub(crate) fn condition(keys: &Keys, columns: &[Typed], dialect: Dialect) -> Option<String> {
    let names = columns.iter().map(|column| column.name.as_str());
    let found: Option<Vec<&Typed>> = keys
        .columns
        .iter()
        .map(|name| columns.get(place(names.clone(), name)?))
        .collect();
    let found = found?;
    let compared: Option<Vec<KeyColumn>> = found.iter().map(|column| compared(column)).collect();
    Some(keys.condition(&compared?, |at, value| {
        let is_uuid = found.get(at).is_some_and(|column| column.type_name == "uuid");
        match value {
            Value::Text(text) if is_uuid && !reads_as_uuid(text) => Vec::new(),
            Value::Text(text) => vec![dialect.text_literal(text)],
            Value::Date(_) => vec![format!("DATE '{value}'")],
            other => vec![other.to_string()],
        }
    }))
}

fn compared(column: &Typed) -> Option<KeyColumn> {
    let name = quoted(&column.name);
    let as_it_is = |kind| KeyColumn {
        sql: name.clone(),
        kind,
    };
    Some(match column.kind {
        Kind::Integer => as_it_is(KeyKind::Integer),
        // A short float is read as the fewest digits that mean it, and compared as more.
        Kind::Float32 => return None,
        Kind::Float64 | Kind::Decimal { .. } => as_it_is(KeyKind::Number),
        Kind::Date => as_it_is(KeyKind::Date),
        Kind::Text | Kind::Padded => {
            let type_name = column.type_name.as_str();
            if TEXT_TYPES.contains(&type_name) || type_name == "uuid" {
                as_it_is(KeyKind::Text)
            } else if type_name == "inet" {
                // Cast to text it has a mask that it is not read with.
                return None;
            } else {
                KeyColumn {
                    sql: format!("CAST({name} AS varchar)"),
                    kind: KeyKind::Text,
                }
            }
        }
        _ => return None,
    })
}

/// Whether the server would read a text as a UUID and not refuse the query for it.
fn reads_as_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::value::Decimal;

    use super::*;

    fn column(name: &str, kind: Kind, type_name: &str) -> Typed {
        Typed {
            name: name.into(),
            kind,
            type_name: type_name.into(),
        }
    }

    fn asked(columns: &[&str], keys: Vec<Vec<Value>>) -> Keys {
        Keys {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            keys,
            nulls: false,
        }
    }

    #[test]
    fn keys_are_compared_as_their_column_is() {
        let number = |text: &str| Value::Number(Decimal::parse(text).unwrap());
        let keys = asked(
            &["ID"],
            vec![
                vec![number("7")],
                vec![Value::text("2024-02-29")],
                vec![Value::text("x\\' OR 1=1 --")],
                vec![Value::text("3f2504e0-4f89-11d3-9a0c-0305e82c3301")],
            ],
        );
        for (kind, type_name, dialect, expected) in [
            (Kind::Integer, "int8", Dialect::Postgres, "\"id\" IN (7)"),
            (
                Kind::Date,
                "date",
                Dialect::Redshift,
                "\"id\" IN (DATE '2024-02-29')",
            ),
            (
                Kind::Text,
                "varchar",
                Dialect::Redshift,
                r#""id" IN ('2024-02-29', '3f2504e0-4f89-11d3-9a0c-0305e82c3301', '7', 'x\\'' OR 1=1 --')"#,
            ),
            (
                Kind::Text,
                "uuid",
                Dialect::Postgres,
                r#""id" IN ('3f2504e0-4f89-11d3-9a0c-0305e82c3301')"#,
            ),
            (
                Kind::Text,
                "mood",
                Dialect::Postgres,
                r#"CAST("id" AS varchar) IN ('2024-02-29', '3f2504e0-4f89-11d3-9a0c-0305e82c3301', '7', 'x\'' OR 1=1 --')"#,
            ),
        ] {
            let columns = [column("id", kind, type_name)];
            let found = condition(&keys, &columns, dialect);
            assert_eq!(found.as_deref(), Some(expected), "{type_name}");
        }
        for (kind, type_name) in [
            (Kind::Json, "jsonb"),
            (Kind::Text, "inet"),
            (Kind::Float32, "float4"),
        ] {
            let columns = [column("id", kind, type_name)];
            assert_eq!(condition(&keys, &columns, Dialect::Postgres), None, "{type_name}");
        }
    }
}
