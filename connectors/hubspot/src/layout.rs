//! A mapping tied to live properties: which rows can be valid, which records they mean, and where
//! an operation goes next. Pure; knows nothing of the network.

use memchr::memmem::Finder;
use outflow_sdk::destination::{Action, Mode, Operation, Rejection, Removed, Route};
use outflow_sdk::value::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::capabilities::{ARCHIVE, CREATE, LOOKUP, RECORD_ID, UPDATE, UPSERT, membership};
use crate::config::Version;
use crate::values::{self, Kind};

/// One mapped field.
#[derive(Clone, Debug)]
pub(crate) struct BoundField {
    /// As the mapping names it.
    pub(crate) name: String,
    /// `"name":`, ready to write.
    pub(crate) json_key: Vec<u8>,
    /// How values are checked and written.
    pub(crate) kind: Kind,
    /// Id of the list, for memberships.
    pub(crate) list: Option<String>,
}

impl BoundField {
    pub(crate) fn property(name: &str, kind: Kind) -> Self {
        let mut json_key = Vec::new();
        values::write_text(name, &mut json_key);
        json_key.push(b':');
        Self {
            name: name.to_owned(),
            json_key,
            kind,
            list: None,
        }
    }

    pub(crate) fn membership(name: &str, list: String) -> Self {
        Self {
            list: Some(list),
            ..Self::property(name, Kind::Membership)
        }
    }

    pub(crate) fn stage(&self) -> u8 {
        u8::from(self.kind == Kind::Membership)
    }

    /// Refuses a value the property cannot have.
    pub(crate) fn inspect(&self, value: &Value) -> Result<(), Rejection> {
        values::check(&self.kind, value).map_err(|flaw| Rejection {
            code: flaw.code.into(),
            field: Some(self.name.clone()),
            message: format!("{} {}", self.name, flaw.words),
        })
    }
}

/// A mapping tied to live properties.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) mode: Mode,
    /// Fields by number.
    pub(crate) fields: Vec<BoundField>,
    /// Number of the match field. None when it is not mapped, which is a problem no row survives.
    pub(crate) key: Option<usize>,
    /// Name of the match property.
    pub(crate) key_name: String,
    /// How answers begin the match property: `"email":"`.
    pub(crate) key_member: Finder<'static>,
    /// `/crm/objects/2026-03/contacts/batch`
    pub(crate) batch_path: String,
    /// `/crm/lists/2026-03`
    pub(crate) lists_path: String,
    /// Whether records are contacts, which answer to secondary addresses too.
    pub(crate) has_secondary_addresses: bool,
}

impl Layout {
    pub(crate) fn new(
        version: Version,
        object: &str,
        mode: Mode,
        fields: Vec<BoundField>,
        key_name: &str,
    ) -> Self {
        let key = fields.iter().position(|field| field.name == key_name);
        let is_address = key
            .and_then(|key| fields.get(key))
            .is_some_and(|field| field.kind == Kind::Email);
        let mut key_member = Vec::new();
        values::write_text(key_name, &mut key_member);
        key_member.extend_from_slice(b":\"");
        Self {
            mode,
            key,
            fields,
            key_name: key_name.to_owned(),
            key_member: Finder::new(&key_member).into_owned(),
            batch_path: format!("{}/{object}/batch", version.path("crm/objects")),
            lists_path: version.path("crm/lists"),
            has_secondary_addresses: is_address,
        }
    }

    /// Whether records are matched by their own id.
    pub(crate) fn keyed_by_record_id(&self) -> bool {
        self.key_name == RECORD_ID
    }

    /// The match value of an operation, if it has one.
    pub(crate) fn match_value<'a>(&self, operation: &'a Operation) -> Option<&'a Value> {
        let value = operation.record.get(self.key?)?.as_ref()?;
        (!values::is_empty(value)).then_some(value)
    }

    /// Refuses what HubSpot is certain to refuse.
    pub(crate) fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        let removal = matches!(operation.action, Action::Remove(_));
        let address_known = removal && operation.remote.is_some();
        if !address_known && self.match_value(operation).is_none() {
            return Err(Rejection {
                code: "missing_match".into(),
                field: Some(self.key_name.clone()),
                message: format!(
                    "{} is empty, so the record cannot be found or created",
                    self.key_name
                ),
            });
        }
        if removal {
            return Ok(());
        }
        for (field, value) in self.fields.iter().zip(operation.record.iter()) {
            if let Some(value) = value {
                field.inspect(value)?;
            }
        }
        Ok(())
    }

    /// Hash of the record an operation means.
    pub(crate) fn identity(&self, operation: &Operation) -> u64 {
        match (self.match_value(operation), &operation.remote) {
            (Some(value), _) => xxh3_64(values::comparable(&values::text_of(value)).as_bytes()),
            (None, Some(remote)) => xxh3_64(format!("record {remote}").as_bytes()),
            (None, None) => xxh3_64(format!("row {}", operation.row).as_bytes()),
        }
    }

    /// Where an operation goes next.
    pub(crate) fn route(&self, operation: &Operation) -> Route {
        let known = operation.remote.is_some();
        match (operation.action, self.mode) {
            (Action::Write, Mode::Upsert | Mode::Mirror) if !known => UPSERT,
            (Action::Write, Mode::Create) if !known => CREATE,
            _ if !known => LOOKUP,
            (Action::Write | Action::Remove(Removed::Clear), _) => self.known_route(operation),
            (Action::Remove(_), _) => ARCHIVE,
        }
    }

    fn known_route(&self, operation: &Operation) -> Route {
        let mut list = None;
        for number in &operation.pending {
            let Some(field) = self.fields.get(usize::from(*number)) else {
                continue;
            };
            if self.is_settled_unsent(operation, *number) {
                continue;
            }
            if field.stage() == 0 {
                return UPDATE;
            }
            list = list.or(Some(*number));
        }
        list.map_or(UPDATE, membership)
    }

    /// Whether a pending field of a known record needs no sending: nothing is to change, it is the
    /// address itself, or it is what a cleared record is still found by.
    pub(crate) fn is_settled_unsent(&self, operation: &Operation, number: u16) -> bool {
        let clears = operation.action == Action::Remove(Removed::Clear);
        let at = usize::from(number);
        if self.key == Some(at) {
            return clears || self.keyed_by_record_id();
        }
        !clears && !matches!(operation.record.get(at), Some(Some(_)))
    }

    /// The mapped field of this name: names in HubSpot's texts are repeated only when they are ours.
    pub(crate) fn known_name(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .map(|field| field.name.as_str())
            .find(|known| *known == name)
    }
}
