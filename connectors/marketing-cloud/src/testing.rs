//! What the unit tests share: a data extension with every kind of column, and operations on its rows.

#![allow(clippy::unwrap_used)]

use outflow_sdk::CompactString;
use outflow_sdk::destination::{Action, MappedField, Mode, ObjectSpec, Operation, Removed};
use outflow_sdk::value::{Decimal, Value};
use serde_json::Value as Json;

use crate::config::Instants;
use crate::extension::{Column, Extension};
use crate::layout::Layout;
use crate::values::Kind;

pub(crate) const ID: u16 = 0;
pub(crate) const EMAIL: u16 = 1;
pub(crate) const NAME: u16 = 2;
pub(crate) const POINTS: u16 = 3;
pub(crate) const SPENT: u16 = 4;
pub(crate) const BORN: u16 = 5;
pub(crate) const VIP: u16 = 6;
pub(crate) const PLAN: u16 = 7;
const FIELDS: usize = 8;

pub(crate) fn column(name: &str, kind: Kind) -> Column {
    Column {
        name: name.into(),
        kind,
        required: false,
        primary: false,
        has_default: false,
    }
}

pub(crate) fn primary(name: &str, kind: Kind) -> Column {
    Column {
        required: true,
        primary: true,
        ..column(name, kind)
    }
}

pub(crate) fn columns() -> Vec<Column> {
    let spent = Kind::Decimal {
        precision: 10,
        scale: 2,
    };
    vec![
        primary("Id", Kind::Text(Some(36))),
        column("Email", Kind::Email),
        column("Name", Kind::Text(Some(50))),
        column("Points", Kind::Number),
        column("Spent", spent),
        column("Born", Kind::Date),
        column("Vip", Kind::Boolean),
        Column {
            required: true,
            ..column("Plan", Kind::Text(Some(20)))
        },
    ]
}

pub(crate) fn extension() -> Extension {
    Extension {
        key: "customers".into(),
        id: None,
        columns: columns(),
        sendable: None,
    }
}

pub(crate) fn layout() -> Layout {
    Layout {
        key: "customers".into(),
        segment: "key:customers".into(),
        columns: columns(),
        keys: vec![ID],
        instants: Instants::ServerTime,
        relation: None,
        deletes_contacts: false,
    }
}

/// A data extension whose key has two columns.
pub(crate) fn composite() -> Layout {
    Layout {
        key: "orders / 2024".into(),
        segment: "5f2e".into(),
        columns: vec![
            primary("Shop", Kind::Text(Some(20))),
            primary("Number", Kind::Number),
            column("Total", Kind::Number),
        ],
        keys: vec![0, 1],
        instants: Instants::ServerTime,
        relation: None,
        deletes_contacts: false,
    }
}

pub(crate) fn number(text: &str) -> Value {
    Value::Number(Decimal::parse(text).unwrap())
}

pub(crate) fn operation(row: u64, record: Vec<Option<Value>>) -> Operation {
    let pending = (0u16..)
        .zip(&record)
        .filter(|(_, value)| value.is_some())
        .map(|(number, _)| number)
        .collect();
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action: Action::Write,
        remote: None,
        record: record.into(),
        pending,
    }
}

/// A write of an id, a plan and these.
pub(crate) fn row(number: u64, id: &str, others: &[(u16, Value)]) -> Operation {
    let mut record: Vec<Option<Value>> = vec![None; FIELDS];
    record[usize::from(ID)] = Some(Value::text(id));
    record[usize::from(PLAN)] = Some(Value::text("gold"));
    for (field, value) in others {
        record[usize::from(*field)] = Some(value.clone());
    }
    operation(number, record)
}

/// The same row once it is known under an address, with these fields changed.
pub(crate) fn known(mut operation: Operation, remote: &str, pending: &[u16]) -> Operation {
    operation.remote = Some(CompactString::from(remote));
    operation.pending = pending.to_vec();
    operation
}

/// A removal of a row whose address is stored, without a record.
pub(crate) fn removal(rule: Removed, remote: &str, pending: &[u16]) -> Operation {
    Operation {
        action: Action::Remove(rule),
        record: Vec::new().into(),
        ..known(row(1, "x", &[]), remote, pending)
    }
}

pub(crate) fn spec(mode: Mode, fields: &[&str]) -> ObjectSpec {
    ObjectSpec {
        sync: "test".into(),
        object: "data_extension".into(),
        match_fields: vec!["Id".into()],
        mode,
        removed: None,
        fields: fields
            .iter()
            .map(|name| MappedField {
                name: (*name).into(),
                value_type: None,
            })
            .collect(),
        options: Json::Null,
    }
}
