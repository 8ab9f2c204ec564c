//! Planning one write: whether the values sent fit the record and the account, and what is stored.

use std::borrow::Cow;
use std::collections::HashSet;

use hyper::StatusCode;

use super::call::Version;
use super::column::{Column, Columns};
use super::definitions::{Property, PropertyId};
use super::errors::{ApiError, BadProperty, bad_properties};
use super::json::{Properties, Sent};
use super::options::{EmailConflict, LifecycleBackward, NullValue, Options};
use super::record::Content;
use super::required::Required;
use super::store::{ObjectStore, Slot};
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
    /// Property and value other inputs of this request are addressed by.
    keys: Keys<'s>,
    /// Unique values that earlier inputs of this request will take.
    claimed: foldhash::HashSet<(PropertyId, String)>,
    columns: Columns<'s>,
    required: Required<'s>,
    /// By property: the number of the input that last wrote it.
    written_by: Vec<usize>,
    input: usize,
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
            keys,
            claimed: foldhash::HashSet::default(),
            columns: Columns::new(store),
            required: Required::new(store, version),
            written_by: vec![0; store.definitions.len()],
            input: 0,
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
        self.input += 1;
        if let (Target::New, Some((id, value))) = (target, key)
            && let Some(property) = self.store.definitions.get(id)
        {
            let column = Column::new(self.store, id, property);
            self.value(&mut row, &column, Cow::Borrowed(value))?;
        }
        for (position, (name, value)) in sent.0.into_iter().enumerate() {
            if let Some(column) = self.columns.find(position, &name) {
                self.sent(&mut row, &column, value)?;
            } else {
                let message = format!("Property \"{name}\" does not exist");
                row.bad
                    .push(BadProperty::new(&name, "PROPERTY_DOESNT_EXIST", message));
            }
        }
        if !row.bad.is_empty() {
            return Err(Refusal::Properties(row.bad));
        }
        self.required.check(target, current, &row.writes)?;
        Ok(row.writes)
    }

    /// Adds one property as sent.
    fn sent<'a>(
        &mut self,
        row: &mut Row<'_, 'a>,
        column: &Column<'s>,
        sent: Sent<'a>,
    ) -> Result<(), Refusal> {
        let name = column.name;
        let value = match sent {
            Sent::Text(text) if column.is_plain_text && text.len() <= validate::MAX_TEXT => {
                self.put(&mut row.writes, column.id, text);
                return Ok(());
            }
            _ if column.is_read_only => {
                let message = format!("\"{name}\" is a read only property; its value cannot be set");
                row.bad.push(BadProperty::new(name, "READ_ONLY_VALUE", message));
                return Ok(());
            }
            Sent::Text(text) => text,
            Sent::Null if self.options.null_value == NullValue::Clear => Cow::Borrowed(""),
            Sent::Null => return Ok(()),
        };
        // A new record was given its key before its properties.
        let is_repeated_key = row.target == Target::New
            && row.key == Some((column.id, value.as_ref()))
            && row.writes.first() == Some(&(column.id, Cow::Borrowed(value.as_ref())));
        if is_repeated_key {
            return Ok(());
        }
        self.value(row, column, value)
    }

    /// Adds one value to the row's writes, or to what is bad about it.
    fn value<'a>(
        &mut self,
        row: &mut Row<'_, 'a>,
        column: &Column<'s>,
        sent: Cow<'a, str>,
    ) -> Result<(), Refusal> {
        let Column { id, property, .. } = *column;
        let stored = match row.current {
            Some(content) if column.is_lifecycle || property.is_multiple() => content.get(id),
            _ => None,
        };
        let value = match validate::value(property, sent, column.is_email, stored) {
            Ok(value) => value,
            Err(refused) => {
                row.bad.push(refused);
                return Ok(());
            }
        };
        if column.is_lifecycle && steps_back(property, stored, &value) {
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
        if column.is_unique && !value.is_empty() {
            match self.unique(row.target, row.key, id, property, &value)? {
                Claim::Free => {}
                Claim::Kept => return Ok(()),
                Claim::Promoted(additional, others) => {
                    self.put(&mut row.writes, additional, Cow::Owned(others));
                }
                Claim::Taken(refused) => {
                    row.bad.push(refused);
                    return Ok(());
                }
            }
        }
        self.put(&mut row.writes, id, value);
        Ok(())
    }

    /// The last value of a property counts, in the place of the first.
    fn put<'a>(&mut self, writes: &mut Writes<'a>, id: PropertyId, value: Cow<'a, str>) {
        let written_by = self.written_by.get_mut(usize::from(id));
        let is_new = written_by.is_none_or(|input| std::mem::replace(input, self.input) != self.input);
        if !is_new && let Some(entry) = writes.iter_mut().find(|(written, _)| *written == id) {
            entry.1 = value;
        } else {
            writes.push((id, value));
        }
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
}

enum Claim {
    Free,
    /// Nothing is written.
    Kept,
    /// The other addresses change too.
    Promoted(PropertyId, String),
    Taken(BadProperty),
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
