//! Reading some rows of SQLite by their keys.
//!
//! A whole read looks at every value before it decides on types; a narrowed one must have the same types
//! and not look at everything. So what whole reads saw is remembered, and the narrowed rows are added to
//! it. Where nothing is remembered yet, the first narrowed read looks at everything too.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use outflow_sdk::keys::{KeyColumn, KeyKind, Keys};
use outflow_sdk::value::{Decimal, Value};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};

use crate::kind::Observed;
use crate::sink::Look;
use crate::sqlite::quoted;

/// Most models that are remembered: those with a time in them are others at every run.
const MOST_REMEMBERED: usize = 64;

/// What the columns of models were seen to hold, by where they are and their SQL.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<HashMap<String, Vec<Observed>>>);

impl Remembered {
    fn models(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Observed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of a model.
    pub(crate) fn get(&self, model: &str) -> Option<Vec<Observed>> {
        self.models().get(model).cloned()
    }

    /// Remembers a model.
    pub(crate) fn set(&self, model: String, observed: Vec<Observed>) {
        let mut models = self.models();
        if models.len() >= MOST_REMEMBERED && !models.contains_key(&model) {
            models.clear();
        }
        models.insert(model, observed);
    }
}

/// How much of a model is read.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) look: Look,
    /// The rows that are asked for; none = all.
    pub(crate) keys: Option<&'a Keys>,
    pub(crate) remembered: &'a Remembered,
}

/// The condition for `keys`, whose columns are called `names` here. SQLite converts a value to its
/// column's affinity where there is one; where there is none, a number and its text are two values, and
/// both are asked for.
pub(crate) fn condition(keys: &Keys, names: &[String]) -> String {
    let columns: Vec<KeyColumn> = names
        .iter()
        .map(|name| KeyColumn {
            sql: quoted(name),
            kind: KeyKind::Text,
        })
        .collect();
    keys.condition(&columns, |_, value| forms(value))
}

fn forms(value: &Value) -> Vec<String> {
    let text = value.to_string();
    let number = match Decimal::parse(&text) {
        Some(number @ Decimal::Small { .. }) => Some(number.to_string()),
        _ => None,
    };
    let literal = format!("'{}'", text.replace('\'', "''"));
    // A number may be stored in its shortest form where it was asked for in another.
    let shortest = number.clone().filter(|number| *number != text);
    let shortest = shortest.map(|number| format!("'{number}'"));
    [Some(literal), shortest, number].into_iter().flatten().collect()
}

/// A statement without the semicolon that ends it. It is known to be one, and to read only.
pub(crate) fn as_subquery(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    let text = Batch::new(connection, sql)
        .next()?
        .and_then(|statement| statement.expanded_sql())
        .unwrap_or_else(|| sql.to_owned());
    Ok(text.trim_end().trim_end_matches(';').to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_asked_for_in_every_form_it_may_be_stored_in() {
        let forms = |text: &str| forms(&Value::text(text)).join(" ");
        assert_eq!(forms("7"), "'7' 7");
        assert_eq!(forms("7.50"), "'7.50' '7.5' 7.5");
        assert_eq!(forms("x' OR 1=1 --"), "'x'' OR 1=1 --'");
        assert_eq!(forms("1e999"), "'1e999'");
    }

    #[test]
    fn a_statement_loses_the_semicolon_that_ends_it_and_no_other() {
        let connection = Connection::open_in_memory().unwrap();
        for (sql, expected) in [
            ("select ';' as a; ", "select ';' as a"),
            ("select 1 -- one\n;", "select 1 -- one\n"),
            ("select 1 -- one", "select 1 -- one"),
        ] {
            assert_eq!(as_subquery(&connection, sql).unwrap(), expected);
        }
    }

    #[test]
    fn a_model_that_changes_all_the_time_does_not_fill_the_memory() {
        let remembered = Remembered::default();
        for number in 0..1_000 {
            remembered.set(format!("select {number}"), Vec::new());
        }
        assert!(remembered.models().len() <= MOST_REMEMBERED);
        assert!(remembered.get("select 999").is_some());
    }
}
