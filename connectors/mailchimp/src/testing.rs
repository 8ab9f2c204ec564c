//! What the unit tests share: a mapping with every kind of field, and operations on it.

#![allow(clippy::unwrap_used)]

use outflow_sdk::CompactString;
use outflow_sdk::destination::{Action, Mode, Operation, Removed};
use outflow_sdk::value::{Decimal, Value};

use crate::config::{MappingOptions, StatusIfNew};
use crate::groups::Interest;
use crate::layout::Layout;
use crate::target::{BoundField, Kind, Plain};
use crate::values::MergeKind;

pub(crate) const EMAIL: u16 = 0;
pub(crate) const FNAME: u16 = 1;
pub(crate) const LTV: u16 = 2;
pub(crate) const STATUS: u16 = 3;
pub(crate) const TAGS: u16 = 4;
pub(crate) const VIP_TAG: u16 = 5;
pub(crate) const INTEREST: u16 = 6;
pub(crate) const SEGMENT: u16 = 7;
pub(crate) const PERMISSION: u16 = 8;
pub(crate) const VIP: u16 = 9;
pub(crate) const LATITUDE: u16 = 10;
pub(crate) const LONGITUDE: u16 = 11;
const FIELDS: usize = 12;

pub(crate) fn options() -> MappingOptions {
    MappingOptions {
        status_if_new: Some(StatusIfNew::Transactional),
        ..MappingOptions::default()
    }
}

pub(crate) fn members(mode: Mode) -> Layout {
    members_with(mode, options())
}

pub(crate) fn members_with(mode: Mode, options: MappingOptions) -> Layout {
    let fields = vec![
        BoundField::new("email_address", Kind::Email),
        BoundField::new("FNAME", Kind::Merge(MergeKind::Text)),
        BoundField::new("LTV", Kind::Merge(MergeKind::Number)),
        BoundField::new("status", Kind::Status),
        BoundField::new("tags", Kind::Tags),
        BoundField::new("tag:VIP", Kind::Tag("VIP".into())),
        BoundField::new("interest:Topics/Travel", Kind::Interest("9143cf3bd1".into())),
        BoundField::new("segment:Gold", Kind::Segment("77".into())),
        BoundField::new("permission:Email", Kind::Permission("a1b2c3d4e5".into())),
        BoundField::new("vip", Kind::Plain(Plain::Vip)),
        BoundField::new("latitude", Kind::Plain(Plain::Latitude)),
        BoundField::new("longitude", Kind::Plain(Plain::Longitude)),
    ];
    Layout::new("/3.0/lists/abc".into(), mode, fields, options)
}

pub(crate) fn interest(id: &str, name: &str) -> Interest {
    Interest {
        id: id.into(),
        category: "Topics".into(),
        name: name.into(),
    }
}

/// A write of an address, a first name and these.
pub(crate) fn op(row: u64, email: &str, others: &[(u16, Value)]) -> Operation {
    let mut record: Vec<Option<Value>> = vec![None; FIELDS];
    record[usize::from(EMAIL)] = Some(Value::text(email));
    record[usize::from(FNAME)] = Some(Value::text("Ann"));
    for (field, value) in others {
        record[usize::from(*field)] = Some(value.clone());
    }
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

pub(crate) fn known(mut operation: Operation, remote: &str, pending: &[u16]) -> Operation {
    operation.remote = Some(CompactString::from(remote));
    operation.pending = pending.to_vec();
    operation
}

/// A removal of a member whose address is stored, without a record.
pub(crate) fn removal(rule: Removed, remote: &str, pending: &[u16]) -> Operation {
    Operation {
        row: 1,
        key: CompactString::from("1"),
        action: Action::Remove(rule),
        remote: Some(CompactString::from(remote)),
        record: vec![None; FIELDS].into(),
        pending: pending.to_vec(),
    }
}

pub(crate) fn number(text: &str) -> Value {
    Value::Number(Decimal::parse(text).unwrap())
}
