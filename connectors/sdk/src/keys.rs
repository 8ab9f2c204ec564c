//! Rows asked for by their keys, and how a source's SQL narrows a model to them.
//!
//! A key comes from outside: a part of it is a text or a number, whatever the column's type is. Here it
//! becomes a value of that type, or is found to be one that no row can have. What goes into SQL is always
//! a number's own digits, a date, or a text that the source itself has quoted.
//!
//! Narrowing may give rows besides those asked for (a collation that ignores case, a composite key part
//! by part): whoever reads passes them over. It must never leave out one that was asked for. Where a
//! source's comparison may do that, [`Keys::is_exact`] says so, and nothing follows from the row's absence.

use std::collections::BTreeSet;

use arrow_schema::DataType;

use crate::value::{Decimal, Value, days_since_epoch};

/// Whole numbers up to this size are the same number in every type that holds numbers.
const EXACT_EVERYWHERE: i128 = 1 << 53;

/// Rows asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The columns of the key.
    pub columns: Vec<String>,
    /// One key each, a [`Value::Text`] or [`Value::Number`] per column.
    pub keys: Vec<Vec<Value>>,
    /// Whether rows with NULL in their key are asked for too.
    pub nulls: bool,
}

/// What the values of a key column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Other numbers.
    Number,
    /// Text.
    Text,
    /// Calendar dates.
    Date,
}

impl KeyKind {
    /// The kind of a column; none for types whose values nobody can ask for.
    pub fn of(kind: &DataType) -> Option<Self> {
        Some(match kind {
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => KeyKind::Integer,
            DataType::UInt64
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => KeyKind::Number,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => KeyKind::Text,
            DataType::Date32 | DataType::Date64 => KeyKind::Date,
            DataType::Dictionary(_, values) => return Self::of(values),
            _ => return None,
        })
    }

    /// A part of a key as a value of this kind; none when no row can have it.
    pub fn value(self, part: &Value) -> Option<Value> {
        let number = || match part {
            Value::Number(number) => Some(number.clone()),
            Value::Text(text) => Decimal::parse(text),
            _ => None,
        };
        match self {
            KeyKind::Integer => {
                let whole = i64::try_from(number()?.as_i128()?).ok()?;
                Some(Value::Number(Decimal::from(whole)))
            }
            // Longer numbers are no key anybody has, and no literal every warehouse reads.
            KeyKind::Number => number()
                .filter(|number| {
                    let Decimal::Small { unscaled, scale } = number else {
                        return false;
                    };
                    *scale <= 38 && unscaled.unsigned_abs() < 10u128.pow(38)
                })
                .map(Value::Number),
            KeyKind::Text => Some(Value::text(&part.to_string())),
            KeyKind::Date => {
                let date: jiff::civil::Date = part.to_string().parse().ok()?;
                // Warehouses refuse the whole query for a literal of the year 0 or before.
                (date.year() > 0).then(|| Value::Date(days_since_epoch(date)))
            }
        }
    }
}

/// A key column as SQL compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// The column as it is compared: its quoted name, or an expression of it.
    pub sql: String,
    /// What its values are.
    pub kind: KeyKind,
}

impl Keys {
    /// The keys as values of columns of these kinds; those that no row can have are left out.
    pub fn typed(&self, kinds: &[KeyKind]) -> Vec<Vec<Value>> {
        let typed = |key: &Vec<Value>| {
            let parts = key.iter().zip(kinds);
            parts.map(|(part, kind)| kind.value(part)).collect()
        };
        self.keys.iter().filter_map(typed).collect()
    }

    /// Whether a row with this key cannot be missed by a source that compares as its SQL does: the row's
    /// absence from a complete read then means that it is not there. Text beyond ASCII may be stored in
    /// another normal form, and a number with a point in another precision.
    pub fn is_exact(key: &[Value], kinds: &[KeyKind]) -> bool {
        key.iter().zip(kinds).all(|(part, kind)| match (part, kind) {
            (Value::Number(_), KeyKind::Integer) => true,
            (Value::Number(number), KeyKind::Number) => number
                .as_i128()
                .is_some_and(|whole| whole.unsigned_abs() <= EXACT_EVERYWHERE.unsigned_abs()),
            (Value::Text(text), KeyKind::Text) => text.is_ascii(),
            _ => false,
        })
    }

    /// The condition that narrows a model to these keys. `literals` are the ways in which a value may be
    /// written and stored in the column of that number; none where it cannot be. Of a composite key each
    /// column is narrowed on its own.
    pub fn condition(
        &self,
        columns: &[KeyColumn],
        literals: impl Fn(usize, &Value) -> Vec<String>,
    ) -> String {
        let kinds: Vec<KeyKind> = columns.iter().map(|column| column.kind).collect();
        let keys = self.typed(&kinds);
        let parts = columns.iter().enumerate().map(|(at, column)| {
            let values: BTreeSet<String> = keys
                .iter()
                .filter_map(|key| key.get(at))
                .flat_map(|value| literals(at, value))
                .collect();
            if values.is_empty() {
                return "1 = 0".to_owned();
            }
            let values: Vec<String> = values.into_iter().collect();
            format!("{} IN ({})", column.sql, values.join(", "))
        });
        let asked = parts.collect::<Vec<_>>().join(" AND ");
        let nulls: Vec<String> = columns
            .iter()
            .map(|column| format!("{} IS NULL", column.sql))
            .collect();
        match (self.nulls, self.keys.is_empty()) {
            (false, _) => asked,
            (true, true) => nulls.join(" OR "),
            (true, false) => format!("({asked}) OR {}", nulls.join(" OR ")),
        }
    }
}

/// The place of a key's column among a model's: exact first, else ignoring case.
pub fn place<'n>(columns: impl Iterator<Item = &'n str> + Clone, wanted: &str) -> Option<usize> {
    let exact = columns.clone().position(|name| name == wanted);
    exact.or_else(|| columns.clone().position(|name| name.eq_ignore_ascii_case(wanted)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(Decimal::parse(text).unwrap())
    }

    fn column(name: &str, kind: KeyKind) -> KeyColumn {
        KeyColumn {
            sql: format!("\"{name}\""),
            kind,
        }
    }

    fn asked(keys: &[&[Value]]) -> Keys {
        Keys {
            columns: (0..keys[0].len()).map(|at| format!("k{at}")).collect(),
            keys: keys.iter().map(|key| key.to_vec()).collect(),
            nulls: false,
        }
    }

    fn quoted(_: usize, value: &Value) -> Vec<String> {
        vec![match value {
            Value::Number(number) => number.to_string(),
            other => format!("'{}'", other.to_string().replace('\'', "''")),
        }]
    }

    #[test]
    fn a_part_is_read_as_its_column_is() {
        for (part, kind, expected) in [
            (Value::text("7"), KeyKind::Integer, Some(number("7"))),
            (number("7.0"), KeyKind::Integer, Some(number("7"))),
            (number("7.5"), KeyKind::Integer, None),
            (number("9223372036854775808"), KeyKind::Integer, None),
            (Value::text("7 or 1=1"), KeyKind::Integer, None),
            (
                number("9223372036854775808"),
                KeyKind::Number,
                Some(number("9223372036854775808")),
            ),
            (Value::text("1e999"), KeyKind::Number, None),
            (number("7"), KeyKind::Text, Some(Value::text("7"))),
            (Value::text("a'b"), KeyKind::Text, Some(Value::text("a'b"))),
            (Value::text("1970-01-02"), KeyKind::Date, Some(Value::Date(1))),
            (Value::text("yesterday"), KeyKind::Date, None),
            (Value::text("0000-01-01"), KeyKind::Date, None),
            (Value::text("-009999-01-01"), KeyKind::Date, None),
            (
                number("170000000000000000000000000000000000000"),
                KeyKind::Number,
                None,
            ),
        ] {
            assert_eq!(kind.value(&part), expected, "{part:?} {kind:?}");
        }
    }

    #[test]
    fn a_condition_holds_literals_alone_and_nothing_where_no_row_can_match() {
        let keys = asked(&[
            &[number("2")],
            &[Value::text("1")],
            &[Value::text("x' OR 1=1 --")],
        ]);
        let of = |kind| keys.condition(&[column("id", kind)], quoted);
        assert_eq!(of(KeyKind::Integer), "\"id\" IN (1, 2)");
        assert_eq!(of(KeyKind::Text), "\"id\" IN ('1', '2', 'x'' OR 1=1 --')");
        assert_eq!(of(KeyKind::Date), "1 = 0");
        let keys = Keys { nulls: true, ..keys };
        assert_eq!(
            keys.condition(&[column("id", KeyKind::Integer)], quoted),
            "(\"id\" IN (1, 2)) OR \"id\" IS NULL"
        );
        let nobody = Keys {
            keys: Vec::new(),
            ..keys
        };
        assert_eq!(
            nobody.condition(&[column("id", KeyKind::Integer)], quoted),
            "\"id\" IS NULL"
        );
        let pairs = asked(&[
            &[number("1"), Value::text("a")],
            &[Value::text("x"), Value::text("b")],
        ]);
        assert_eq!(
            pairs.condition(
                &[column("a", KeyKind::Integer), column("b", KeyKind::Text)],
                quoted
            ),
            "\"a\" IN (1) AND \"b\" IN ('a')",
            "a key with a part that cannot be is left out as a whole"
        );
    }

    #[test]
    fn only_what_every_source_compares_alike_is_exact() {
        let exact = |part: Value, kind| Keys::is_exact(&[part], &[kind]);
        assert!(exact(number("-9223372036854775808"), KeyKind::Integer));
        assert!(exact(number("9007199254740992"), KeyKind::Number));
        assert!(!exact(number("9007199254740993"), KeyKind::Number));
        assert!(!exact(number("0.1"), KeyKind::Number));
        assert!(exact(Value::text("c-1"), KeyKind::Text));
        assert!(!exact(Value::text("é"), KeyKind::Text));
        assert!(!exact(Value::Date(1), KeyKind::Date));
    }
}
