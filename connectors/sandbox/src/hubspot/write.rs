//! Planning one write: whether the values sent fit the record and the account, and what is stored.

use std::borrow::Cow;
use std::collections::HashSet;

use hyper::StatusCode;

use super::call::Version;
use super::definitions::{Property, PropertyId};
use super::errors::{ApiError, BadProperty, Detail, bad_properties};
use super::json::{Properties, Sent};
use super::options::{EmailConflict, LifecycleBackward, NullValue, Options};
use super::record::Content;
use super::store::{Kind, ObjectStore, RequiredRule, Slot};
use super::validate;

/// What a write goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    New,
    Existing(Slot),
}

/// Values to store.
pub(super) type Writes<'a> = Vec<(PropertyId, Cow<'a, str>)>;

/// Why one write is refused.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    Properties(Vec<BadProperty>),
    /// A contact with this address exists.
    Exists(u64),
    Other(ApiError),
}

impl Refusal {
    pub(super) fn error(&self, hub_id: u64) -> ApiError {
        match self {
            Refusal::Properties(bad) => bad_properties(bad, hub_id),
            Refusal::Exists(id) => ApiError::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                format!("Contact already exists. Existing ID: {id}"),
            ),
            Refusal::Other(error) => error.clone(),
        }
    }
}

/// What the inputs of a request are addressed by: a unique value, or a record id.
pub(super) type Keys<'k> = foldhash::HashSet<(Option<PropertyId>, Cow<'k, str>)>;

/// One input while it is planned.
struct Row<'r, 'a> {
    target: Target,
    /// Property and value it was addressed by.
    key: Option<(PropertyId, &'a str)>,
    current: Option<&'r Content>,
    writes: Writes<'a>,
    bad: Vec<BadProperty>,
}

/// Plans the writes of one request.
#[derive(Debug)]
pub(super) struct Planner<'s> {
    store: &'s ObjectStore,
    options: &'s Options,
    blocked: &'s HashSet<String>,
    version: Version,
    /// Property and value other inputs of this request are addressed by.
    keys: Keys<'s>,
    /// Unique values that earlier inputs of this request will take.
    claimed: HashSet<(PropertyId, String)>,
    /// Property numbers by position in the previous input: rows mostly have the same columns.
    columns: Vec<PropertyId>,
}

impl<'s> Planner<'s> {
    pub(super) fn new(
        store: &'s ObjectStore,
        options: &'s Options,
        blocked: &'s HashSet<String>,
        version: Version,
        keys: Keys<'s>,
    ) -> Self {
        Self {
            store,
            options,
            blocked,
            version,
            keys,
            claimed: HashSet::new(),
            columns: Vec::new(),
        }
    }

    /// Checks all values of one input. `key` is the property and value an upsert was addressed by.
    pub(super) fn plan<'a>(
        &mut self,
        target: Target,
        key: Option<(PropertyId, &'a str)>,
        sent: Properties<'a>,
    ) -> Result<Writes<'a>, Refusal> {
        let current = match target {
            Target::New => None,
            Target::Existing(slot) => self.store.record(slot).map(|record| &record.content),
        };
        let writes = Vec::with_capacity(sent.0.len() + 2);
        let mut row = Row {
            target,
            key,
            current,
            writes,
            bad: Vec::new(),
        };
        if let (Target::New, Some((property, value))) = (target, key) {
            self.value(&mut row, property, Cow::Borrowed(value))?;
        }
        for (position, (name, value)) in sent.0.into_iter().enumerate() {
            let Some((id, property)) = self.property(position, &name) else {
                let message = format!("Property \"{name}\" does not exist");
                row.bad
                    .push(BadProperty::new(&name, "PROPERTY_DOESNT_EXIST", message));
                continue;
            };
            if property.is_read_only() {
                let message = format!("\"{name}\" is a read only property; its value cannot be set");
                row.bad.push(BadProperty::new(&name, "READ_ONLY_VALUE", message));
                continue;
            }
            let value = match value {
                Sent::Text(text) => text,
                Sent::Null if self.options.null_value == NullValue::Clear => Cow::Borrowed(""),
                Sent::Null => continue,
            };
            self.value(&mut row, id, value)?;
        }
        if !row.bad.is_empty() {
            return Err(Refusal::Properties(row.bad));
        }
        self.required(target, current, &row.writes)?;
        Ok(row.writes)
    }

    fn property(&mut self, position: usize, name: &str) -> Option<(PropertyId, &'s Property)> {
        let definitions = &self.store.definitions;
        if let Some(&id) = self.columns.get(position)
            && let Some(property) = definitions.get(id)
            && property.name == name
            && !property.archived
        {
            return Some((id, property));
        }
        let (id, property) = definitions.live(name)?;
        if let Some(column) = self.columns.get_mut(position) {
            *column = id;
        } else if self.columns.len() == position {
            self.columns.push(id);
        }
        Some((id, property))
    }

    /// Adds one value to the row's writes, or to what is bad about it.
    fn value<'a>(
        &mut self,
        row: &mut Row<'_, 'a>,
        id: PropertyId,
        sent: Cow<'a, str>,
    ) -> Result<(), Refusal> {
        let store = self.store;
        let Some(property) = store.definitions.get(id) else {
            return Ok(());
        };
        let is_lifecycle = store.lifecycle == Some(id);
        let stored = match row.current {
            Some(content) if is_lifecycle || property.is_multiple() => content.get(id),
            _ => None,
        };
        let value = match validate::value(property, sent, store.email == Some(id), stored) {
            Ok(value) => value,
            Err(refused) => {
                row.bad.push(refused);
                return Ok(());
            }
        };
        if is_lifecycle && steps_back(property, stored, &value) {
            if self.options.lifecycle_backward == LifecycleBackward::Refuse {
                let message = "The lifecycle stage can only move forward";
                row.bad.push(BadProperty::new(
                    &property.name,
                    "INVALID_LIFECYCLE_STAGE",
                    message,
                ));
            }
            return Ok(());
        }
        if !value.is_empty() && store.is_unique(id) {
            match self.unique(row.target, row.key, id, property, &value)? {
                Claim::Free => {}
                Claim::Kept => return Ok(()),
                Claim::Promoted(additional, others) => put(&mut row.writes, additional, Cow::Owned(others)),
                Claim::Taken(refused) => {
                    row.bad.push(refused);
                    return Ok(());
                }
            }
        }
        put(&mut row.writes, id, value);
        Ok(())
    }

    /// Whether a unique value can be written.
    fn unique(
        &mut self,
        target: Target,
        key: Option<(PropertyId, &str)>,
        id: PropertyId,
        property: &Property,
        value: &str,
    ) -> Result<Claim, Refusal> {
        let store = self.store;
        let wanted = store.comparable(id, value);
        let is_email = store.email == Some(id);
        if is_email && self.blocked.contains(wanted.as_ref()) {
            let message = "This address was erased for good and cannot be used again";
            return Ok(Claim::Taken(BadProperty::new(
                &property.name,
                "GDPR_BLACKLISTED_EMAIL",
                message,
            )));
        }
        let is_key = key.is_some_and(|(key, text)| key == id && store.comparable(key, text) == wanted);
        // The key was looked up when the input was addressed: no need to do it again.
        let owner = match target {
            Target::New if is_key => None,
            Target::Existing(slot) if is_key => Some(slot),
            _ => store.by_unique(id, &wanted),
        };
        let Some(owner) = owner else {
            let taken = !is_key
                && (self.keys.contains(&(Some(id), wanted.clone()))
                    || !self.claimed.insert((id, wanted.clone().into_owned())));
            if taken {
                return Ok(Claim::Taken(conflicting(
                    property,
                    value,
                    "another input",
                    "Another input",
                )));
            }
            return Ok(Claim::Free);
        };
        let owner_record = store.record(owner);
        let owner_id = owner_record.map_or(0, |record| record.id);
        let is_primary = owner_record
            .and_then(|record| record.content.get(id))
            .is_some_and(|primary| store.comparable(id, primary) == wanted);
        match target {
            Target::Existing(slot) if slot == owner && is_primary => Ok(Claim::Free),
            // Addressed by its own secondary address: the primary one stays.
            Target::Existing(slot) if slot == owner && is_key => Ok(Claim::Kept),
            Target::Existing(slot) if slot == owner => Ok(self.promote(owner, id, &wanted)),
            Target::New if is_email && is_primary => Err(Refusal::Exists(owner_id)),
            Target::Existing(_) if is_email && self.options.email_conflict == EmailConflict::Conflict => {
                Err(Refusal::Exists(owner_id))
            }
            Target::New => Ok(Claim::Taken(conflicting(
                property,
                value,
                "a new record",
                &owner_id.to_string(),
            ))),
            Target::Existing(slot) => {
                let own = store.record(slot).map_or(0, |record| record.id).to_string();
                Ok(Claim::Taken(conflicting(
                    property,
                    value,
                    &own,
                    &owner_id.to_string(),
                )))
            }
        }
    }

    /// A record's own secondary address becomes its primary one; the primary becomes secondary.
    fn promote(&self, slot: Slot, email: PropertyId, wanted: &str) -> Claim {
        let store = self.store;
        let Some(additional) = store.additional_emails else {
            return Claim::Free;
        };
        let Some(record) = store.record(slot) else {
            return Claim::Free;
        };
        let mut others: Vec<&str> = record
            .content
            .get(additional)
            .unwrap_or_default()
            .split(';')
            .filter(|other| !other.is_empty() && *other != wanted)
            .collect();
        others.extend(record.content.get(email));
        Claim::Promoted(additional, others.join(";"))
    }

    fn required(
        &self,
        target: Target,
        current: Option<&Content>,
        writes: &Writes<'_>,
    ) -> Result<(), Refusal> {
        let store = self.store;
        let after = |id: PropertyId| -> Option<&str> {
            match writes.iter().find(|(written, _)| *written == id) {
                Some((_, text)) => Some(text.as_ref()).filter(|text| !text.is_empty()),
                None => current.and_then(|content| content.get(id)),
            }
        };
        if target == Target::New {
            let any_of: &[&str] = match store.kind {
                Kind::Contact => &["email", "firstname", "lastname"],
                Kind::Company => &["name", "domain"],
                Kind::Custom => &[],
            };
            let has_any = any_of.is_empty()
                || any_of
                    .iter()
                    .filter_map(|name| store.definitions.find(name))
                    .any(|id| after(id).is_some());
            let mut missing: Vec<String> = if has_any {
                Vec::new()
            } else {
                any_of.iter().map(|name| (*name).to_owned()).collect()
            };
            missing.extend(
                store
                    .required
                    .iter()
                    .filter(|id| after(**id).is_none())
                    .map(|id| store.definitions.name(*id).to_owned()),
            );
            if !missing.is_empty() {
                let message = format!(
                    "Error creating {}. Some required properties were not set.",
                    store.label
                );
                return Err(Refusal::Other(
                    ApiError::validation(message).with_context("properties", missing),
                ));
            }
        }
        if self.version != Version::September2026 {
            return Ok(());
        }
        let mut errors = Vec::new();
        for rule in &store.rules {
            let (property, code) = match rule {
                RequiredRule::OnCreate(property) if target == Target::New => {
                    (property, "MISSING_REQUIRED_PROPERTY")
                }
                RequiredRule::When {
                    property,
                    when,
                    value,
                } if after(*when) == Some(value) => (property, "MISSING_CONDITIONAL_REQUIRED_PROPERTY"),
                _ => continue,
            };
            if after(*property).is_none() {
                let name = store.definitions.name(*property);
                errors.push(Detail {
                    message: format!("Property \"{name}\" is required"),
                    code: Some(code.into()),
                    context: Some(("propertyName", vec![name.to_owned()])),
                });
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let mut error = ApiError::validation("Required properties are missing");
        error.errors = errors;
        Err(Refusal::Other(error))
    }
}

enum Claim {
    Free,
    /// Nothing is written.
    Kept,
    /// The other addresses change too.
    Promoted(PropertyId, String),
    Taken(BadProperty),
}

fn put<'a>(writes: &mut Writes<'a>, id: PropertyId, value: Cow<'a, str>) {
    match writes.iter_mut().find(|(written, _)| *written == id) {
        Some(entry) => entry.1 = value,
        None => writes.push((id, value)),
    }
}

/// Options are listed from the first stage to the last.
fn steps_back(stages: &Property, current: Option<&str>, wanted: &str) -> bool {
    let place = |stage: &str| stages.options.iter().position(|option| option.value == stage);
    match (current.and_then(place), place(wanted)) {
        (Some(current), Some(wanted)) => wanted < current,
        _ => false,
    }
}

/// Another record has this unique value. The second record named is the one that has it.
fn conflicting(property: &Property, value: &str, own: &str, owner: &str) -> BadProperty {
    let message = format!(
        "Cannot set PropertyValueCoordinates{{propertyName={}, value={value}}} on {own}. {owner} already has \
         that value.",
        property.name
    );
    BadProperty::new(&property.name, "CONFLICTING_UNIQUE_VALUE", message)
}
