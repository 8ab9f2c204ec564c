//! A mapping tied to a data extension: inspection, identity, addresses and routes of rows.

use outflow_sdk::CompactString;
use outflow_sdk::destination::{Action, Effect, Operation, Outcome, Rejection, Removed, Route};
use outflow_sdk::value::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::capabilities::{CONSENT, CONTACTS, DELETE, ROWS};
use crate::config::Instants;
use crate::consent::Relation;
use crate::extension::Column;
use crate::soap;
use crate::values::{self, INVALID_TEXT};

/// Marks the address of a row whose new key is written and whose old one is still to be deleted.
const RENAMED: char = '+';

/// Marks the address of a row, known or not, whose person was looked up, or asked to be deleted, in this
/// run. It is never kept.
const LOOKED_UP: char = '?';

/// A mapping tied to a data extension.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// External key of the data extension.
    pub(crate) key: String,
    /// How REST paths name it.
    pub(crate) segment: String,
    /// The column of each mapped field.
    pub(crate) columns: Vec<Column>,
    /// Field numbers of the primary key, in the order of `match:`.
    pub(crate) keys: Vec<u16>,
    pub(crate) instants: Instants,
    /// How rows lead to subscribers, where consent is asked for.
    pub(crate) relation: Option<Relation>,
    /// Whether the contact of a row that is deleted is deleted as well; its key is the primary key then.
    pub(crate) deletes_contacts: bool,
}

/// What the state knows as the address of an operation's row.
pub(crate) fn known_address(operation: &Operation) -> Option<&str> {
    let remote = operation.remote.as_deref()?;
    let known = remote.strip_prefix(LOOKED_UP).unwrap_or(remote);
    (!known.is_empty() || known == remote).then_some(known)
}

fn is_looked_up(operation: &Operation) -> bool {
    let remote = operation.remote.as_deref();
    remote.is_some_and(|remote| remote.starts_with(LOOKED_UP))
}

/// The outcome of an operation whose person was looked up, or asked to be deleted: its row goes on.
pub(crate) fn goes_on(operation: &Operation) -> Outcome {
    let known = known_address(operation).unwrap_or_default();
    Outcome::Resolved {
        remote: format!("{LOOKED_UP}{known}").into(),
    }
}

/// A row's address: the text of each of its key columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) keys: Vec<String>,
    /// The row has another key by now; this one is to be deleted.
    pub(crate) is_old: bool,
}

impl Address {
    pub(crate) fn read(remote: &str) -> Option<Self> {
        let remote = remote.strip_prefix(LOOKED_UP).unwrap_or(remote);
        let (text, is_old) = match remote.strip_prefix(RENAMED) {
            Some(rest) => (rest, true),
            None => (remote, false),
        };
        let keys: Vec<String> = serde_json::from_str(text).ok()?;
        Some(Self { keys, is_old })
    }

    fn write(&self) -> CompactString {
        let text = serde_json::Value::from(self.keys.clone()).to_string();
        if self.is_old {
            format!("{RENAMED}{text}").into()
        } else {
            text.into()
        }
    }

    fn folded(&self) -> Vec<String> {
        self.keys.iter().map(|key| values::fold(key)).collect()
    }
}

/// Hash of a key, ignoring what Marketing Cloud ignores.
fn hash(keys: Vec<String>) -> u64 {
    let folded = Address { keys, is_old: false }.folded();
    xxh3_64(folded.join("\u{0}").as_bytes())
}

impl Layout {
    pub(crate) fn column(&self, field: u16) -> Option<&Column> {
        self.columns.get(usize::from(field))
    }

    pub(crate) fn is_key(&self, field: u16) -> bool {
        self.keys.contains(&field)
    }

    fn value(operation: &Operation, field: u16) -> Option<&Value> {
        operation.record.get(usize::from(field))?.as_ref()
    }

    /// The key the row has now, as far as the operation says.
    pub(crate) fn own(&self, operation: &Operation) -> Option<Vec<String>> {
        let text = |field: &u16| {
            let column = self.column(*field)?;
            values::key_text(column.kind, Self::value(operation, *field)?, self.instants)
        };
        self.keys.iter().map(text).collect()
    }

    /// The address the state has of the row.
    pub(crate) fn stored(&self, operation: &Operation) -> Option<Address> {
        let address = Address::read(operation.remote.as_deref()?)?;
        (address.keys.len() == self.keys.len()).then_some(address)
    }

    /// The key a request is to name: the row's own, or the stored one of a row without a record.
    pub(crate) fn target(&self, operation: &Operation) -> Option<Vec<String>> {
        let stored = || self.stored(operation).map(|address| address.keys);
        match operation.action {
            Action::Write => self.own(operation).or_else(stored),
            Action::Remove(_) => stored().or_else(|| self.own(operation)),
        }
    }

    /// Whether the row was written under another key.
    pub(crate) fn is_renamed(&self, operation: &Operation) -> bool {
        match (self.stored(operation), self.own(operation)) {
            (Some(stored), Some(own)) => {
                let own = Address {
                    keys: own,
                    is_old: false,
                };
                operation.action == Action::Write && stored.folded() != own.folded()
            }
            _ => false,
        }
    }

    /// Refuses what Marketing Cloud is certain to refuse.
    pub(crate) fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        if self.target(operation).is_none() {
            return Err(self.missing_key(operation));
        }
        if operation.action != Action::Write {
            return Ok(());
        }
        for (number, (column, value)) in self.columns.iter().zip(operation.record.iter()).enumerate() {
            if let Some(value) = value {
                self.inspect_column(number, column, value)?;
            }
        }
        Ok(())
    }

    /// Refuses a value its column cannot have in any row.
    pub(crate) fn inspect_value(&self, field: u16, value: &Value) -> Result<(), Rejection> {
        let number = usize::from(field);
        let column = self.columns.get(number);
        column.map_or(Ok(()), |column| self.inspect_column(number, column, value))
    }

    fn inspect_column(&self, number: usize, column: &Column, value: &Value) -> Result<(), Rejection> {
        let refuse = |code: &str, words: &str| {
            Err(Rejection {
                code: code.into(),
                field: Some(column.name.clone()),
                message: format!("{} {words}", column.name),
            })
        };
        if column.required && values::is_empty(value) {
            return refuse(
                "missing_required",
                "is required by the data extension and is empty",
            );
        }
        if let Err(flaw) = values::check(column.kind, value) {
            return refuse(flaw.code, flaw.words);
        }
        // Some go into SOAP requests, which cannot hold every character.
        let leads = self
            .relation
            .is_some_and(|relation| usize::from(relation.field) == number);
        if (column.primary || leads) && !soap::can_hold(&values::text_of(value)) {
            return refuse(INVALID_TEXT.code, INVALID_TEXT.words);
        }
        Ok(())
    }

    fn missing_key(&self, operation: &Operation) -> Rejection {
        let unfit = |field: &&u16| {
            let value = Self::value(operation, **field);
            value.is_none_or(|value| match self.column(**field) {
                Some(column) => values::key_text(column.kind, value, self.instants).is_none(),
                None => true,
            })
        };
        let field = self.keys.iter().find(unfit).and_then(|field| self.column(*field));
        let name = field.map_or("the primary key", |column| column.name.as_str());
        let is_given = self.keys.iter().any(|field| {
            let value = Self::value(operation, *field);
            value.is_some_and(|value| !values::is_empty(value)) && unfit(&field)
        });
        Rejection {
            code: if is_given { "invalid_key" } else { "missing_match" }.into(),
            field: field.map(|column| column.name.clone()),
            message: if is_given {
                format!("{name} has a value its column cannot hold, so the row cannot be found or created")
            } else {
                format!("{name} is empty, so the row cannot be found or created")
            },
        }
    }

    /// Hash of the row an operation means.
    pub(crate) fn identity(&self, operation: &Operation) -> u64 {
        let keys = self
            .target(operation)
            .unwrap_or_else(|| vec![format!("row {}", operation.row)]);
        hash(keys)
    }

    /// Hash of the key a row gives up: the one it had before, when it has another by now.
    pub(crate) fn given_up(&self, operation: &Operation) -> u64 {
        match self.stored(operation) {
            Some(address) => hash(address.keys),
            None => self.identity(operation),
        }
    }

    /// Hash of the row an address leads to.
    pub(crate) fn record_of(&self, remote: &str) -> u64 {
        match Address::read(remote) {
            Some(address) => hash(address.keys),
            None => xxh3_64(remote.as_bytes()),
        }
    }

    /// Where an operation goes next.
    pub(crate) fn route(&self, operation: &Operation) -> Route {
        match operation.action {
            Action::Remove(Removed::Delete) if self.deletes_contacts && !is_looked_up(operation) => CONTACTS,
            Action::Remove(Removed::Delete) => DELETE,
            Action::Remove(_) => ROWS,
            Action::Write if self.stored(operation).is_some_and(|address| address.is_old) => DELETE,
            Action::Write if self.relation.is_some() && !is_looked_up(operation) => CONSENT,
            Action::Write => ROWS,
        }
    }

    /// What became of a row that was accepted on a route.
    pub(crate) fn applied(&self, route: Route, operation: &Operation) -> Outcome {
        let effect = match operation.action {
            Action::Remove(_) => Effect::Removed,
            Action::Write if known_address(operation).is_none() => Effect::Created,
            Action::Write => Effect::Updated,
        };
        let remote = self.address(route, operation);
        Outcome::Applied { effect, remote }
    }

    /// The address the row has once the operation is applied on a route.
    pub(crate) fn address(&self, route: Route, operation: &Operation) -> Option<CompactString> {
        let address = |keys, is_old| Address { keys, is_old }.write();
        match operation.action {
            Action::Remove(_) => None,
            Action::Write if route == ROWS && self.is_renamed(operation) => {
                self.stored(operation).map(|stored| address(stored.keys, true))
            }
            Action::Write => self.own(operation).map(|own| address(own, false)),
        }
    }

    /// The mapped column a text of Marketing Cloud names: names are repeated only when they are ours.
    pub(crate) fn named_in(&self, text: &str) -> Option<&str> {
        let names = self.columns.iter().map(|column| column.name.as_str());
        let quoted = |name: &&str| {
            text.contains(&format!("[{name}]"))
                || text.contains(&format!("'{name}'"))
                || text.starts_with(&format!("{name}:"))
        };
        names.clone().find(quoted)
    }
}

#[cfg(test)]
mod tests;
