//! What the unit tests share: a mapping with every kind of field, and operations on it.

#![allow(clippy::unwrap_used)]

use outflow_sdk::CompactString;
use outflow_sdk::destination::{Action, Mode, Operation};
use outflow_sdk::value::{Decimal, Value};

use crate::config::Version;
use crate::layout::{BoundField, Layout};
use crate::values::Kind;

/// Contacts matched by e-mail: `email`, `firstname`, `ltv`, and two lists (ids 8 and 9).
pub(crate) fn contacts(mode: Mode) -> Layout {
    contacts_by("email", mode)
}

/// The same matched by another property, which takes the address's place.
pub(crate) fn contacts_by(key: &str, mode: Mode) -> Layout {
    let kind = if key == "email" { Kind::Email } else { Kind::Text };
    let fields = vec![
        BoundField::property(key, kind),
        BoundField::property("firstname", Kind::Text),
        BoundField::property("ltv", Kind::Number),
        BoundField::membership("list:8", "8".into()),
        BoundField::membership("list:News", "9".into()),
    ];
    Layout::new(Version::March2026, "contacts", mode, fields, key)
}

/// A record of [`contacts`] without list memberships.
pub(crate) fn record(email: &str, firstname: &str) -> Vec<Option<Value>> {
    vec![
        Some(Value::text(email)),
        Some(Value::text(firstname)),
        Some(Value::Number(Decimal::parse("12.50").unwrap())),
        None,
        None,
    ]
}

/// A write of everything the record holds.
pub(crate) fn op(row: u64, remote: Option<&str>, record: Vec<Option<Value>>) -> Operation {
    let pending = (0u16..)
        .zip(&record)
        .filter(|(_, value)| value.is_some())
        .map(|(number, _)| number)
        .collect();
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action: Action::Write,
        remote: remote.map(CompactString::from),
        record: record.into(),
        pending,
    }
}
