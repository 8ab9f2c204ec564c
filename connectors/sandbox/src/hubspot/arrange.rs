//! Arranging situations from a test: records, definitions, lists, rules, without the API's checks of
//! who may do what.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use super::Twin;
use super::account::State;
use super::call::Version;
use super::definitions::Property;
use super::errors::ApiError;
use super::json::{Properties, Sent, iso};
use super::lists::ProcessingType;
use super::merge;
use super::options::{Rate, Token};
use super::record::{Record, Standing};
use super::store::{ObjectStore, RequiredRule};
use super::validate;
use super::write::{Keys, Planner, Target};

/// A situation that cannot be arranged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ArrangeError(String);

impl From<ApiError> for ArrangeError {
    fn from(error: ApiError) -> Self {
        Self(error.message.clone())
    }
}

/// A record as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// Record id.
    pub id: String,
    /// Values that are set, without those derived from the record itself. A new record that was given no
    /// `lifecyclestage` has `lead`.
    pub properties: BTreeMap<String, String>,
    /// Whether it is archived, merged away or erased.
    pub archived: bool,
    /// When each property last changed, in milliseconds since 1970; cleared ones included.
    pub changed_at: BTreeMap<String, i64>,
    /// When it was created, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was last written, in milliseconds since 1970.
    pub updated_at: i64,
}

impl RecordView {
    /// A value that is set.
    pub fn get(&self, property: &str) -> Option<&str> {
        self.properties.get(property).map(String::as_str)
    }
}

/// A list as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListView {
    /// List id.
    pub id: String,
    /// Name.
    pub name: String,
    /// How it gets its members.
    pub processing: ProcessingType,
    /// Object type id of its members.
    pub object_type_id: String,
    /// Record ids of its members, ascending.
    pub members: Vec<String>,
}

pub(super) fn view(store: &ObjectStore, record: &Record) -> RecordView {
    let mut properties = BTreeMap::new();
    let mut changed_at = BTreeMap::new();
    for stored in record.content.iter() {
        let name = store.definitions.name(stored.property).to_owned();
        if !stored.text.is_empty() {
            properties.insert(name.clone(), stored.text.to_owned());
        }
        changed_at.insert(name, stored.changed);
    }
    RecordView {
        id: record.id.to_string(),
        properties,
        archived: record.standing != Standing::Live,
        changed_at,
        created_at: record.created,
        updated_at: record.updated,
    }
}

impl Twin {
    /// Live contacts in order of creation.
    pub fn contacts(&self) -> Vec<RecordView> {
        self.records("contacts")
            .into_iter()
            .filter(|record| !record.archived)
            .collect()
    }

    /// All records of an object type in order of creation, archived and merged ones included.
    /// Empty when there is no such type.
    pub fn records(&self, object: &str) -> Vec<RecordView> {
        self.with_store(object, |store| {
            Ok(store.records().map(|(_, record)| view(store, record)).collect())
        })
        .unwrap_or_default()
    }

    /// How many live records there are.
    pub fn count(&self, object: &str) -> usize {
        self.with_store(object, |store| Ok(store.live_count()))
            .unwrap_or_default()
    }

    /// The live record with this id.
    pub fn record(&self, object: &str, id: &str) -> Option<RecordView> {
        self.with_store(object, |store| {
            let slot = store.live(id, true).ok_or_else(ApiError::not_found)?;
            store
                .record(slot)
                .map(|record| view(store, record))
                .ok_or_else(|| ApiError::not_found().into())
        })
        .ok()
    }

    /// The live contact with this address, primary or secondary.
    pub fn contact(&self, email: &str) -> Option<RecordView> {
        self.with_store("contacts", |store| {
            let found = store
                .email
                .and_then(|property| store.by_unique(property, &email.to_lowercase()));
            let record = found.and_then(|slot| store.record(slot));
            record
                .map(|record| view(store, record))
                .ok_or_else(|| ApiError::not_found().into())
        })
        .ok()
    }

    /// Creates a record as somebody else would; gives its id.
    ///
    /// # Errors
    /// Values the API would refuse.
    pub fn put_record(&self, object: &str, properties: &[(&str, &str)]) -> Result<String, ArrangeError> {
        self.write(object, None, properties)
    }

    /// Writes values of a record as somebody else would.
    ///
    /// # Errors
    /// No such record, or values the API would refuse.
    pub fn set_record(
        &self,
        object: &str,
        id: &str,
        properties: &[(&str, &str)],
    ) -> Result<(), ArrangeError> {
        self.write(object, Some(id), properties).map(|_| ())
    }

    fn write(
        &self,
        object: &str,
        id: Option<&str>,
        properties: &[(&str, &str)],
    ) -> Result<String, ArrangeError> {
        let now = self.account.desk.now_ms();
        let mut guard = self.account.state();
        let position = position(&guard, object)?;
        let State { objects, blocked, .. } = &mut *guard;
        let store = objects.get_mut(position).ok_or_else(ApiError::not_found)?;
        let target = match id {
            None => Target::New,
            Some(id) => Target::Existing(store.live(id, true).ok_or_else(ApiError::not_found)?),
        };
        let sent = properties
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), Sent::Text(Cow::Borrowed(*value))))
            .collect();
        let writes = Planner::new(
            store,
            &self.account.options,
            blocked,
            Version::V3,
            Keys::default(),
        )
        .plan(target, None, Properties(sent))
        .map_err(|refusal| refusal.error(self.account.options.hub_id))?;
        let slot = match target {
            Target::New => super::batch::create(store, writes, now),
            Target::Existing(slot) => {
                store.update(slot, &writes, now);
                slot
            }
        };
        Ok(store
            .record(slot)
            .map_or_else(String::new, |record| record.id.to_string()))
    }

    /// Gives a contact another address beside its primary one.
    ///
    /// # Errors
    /// No such contact, or an address that is impossible or taken.
    pub fn add_secondary_email(&self, id: &str, address: &str) -> Result<(), ArrangeError> {
        let now = self.account.desk.now_ms();
        self.with_store("contacts", |store| {
            let slot = store.live(id, true).ok_or_else(ApiError::not_found)?;
            let (Some(email), Some(additional)) = (store.email, store.additional_emails) else {
                return Err(ApiError::not_found().into());
            };
            let definition = store.definitions.get(email).ok_or_else(ApiError::not_found)?;
            let address = validate::value(definition, Cow::Borrowed(address), true, None)
                .map_err(|bad| ArrangeError(bad.message))?
                .into_owned();
            if store.by_unique(email, &address).is_some() {
                return Err(ArrangeError(format!("{address} is taken")));
            }
            let others = store
                .record(slot)
                .and_then(|record| record.content.get(additional));
            let others = others.map_or_else(|| address.clone(), |others| format!("{others};{address}"));
            store.update(slot, &[(additional, others)], now);
            Ok(())
        })
    }

    /// Archives a record as somebody else would.
    ///
    /// # Errors
    /// No such record.
    pub fn archive_record(&self, object: &str, id: &str) -> Result<(), ArrangeError> {
        let now = self.account.desk.now_ms();
        self.with_store(object, |store| {
            let slot = store.live(id, true).ok_or_else(ApiError::not_found)?;
            store.retire(slot, Standing::Archived(now), now);
            Ok(())
        })
    }

    /// Merges the second record into the first; gives the id of the result.
    ///
    /// # Errors
    /// No such records.
    pub fn merge(&self, object: &str, primary: &str, other: &str) -> Result<String, ArrangeError> {
        let mut state = self.account.state();
        let position = position(&state, object)?;
        let slot = merge::merge(&self.account, &mut state, position, primary, other)?;
        let record = state.objects.get(position).and_then(|store| store.record(slot));
        Ok(record.map_or_else(String::new, |record| record.id.to_string()))
    }

    /// Defines a property, or replaces the definition of that name.
    ///
    /// # Errors
    /// No such object type.
    pub fn define_property(&self, object: &str, property: Property) -> Result<(), ArrangeError> {
        let now = iso(self.account.desk.now_ms());
        self.with_store(object, |store| {
            let group = store
                .definitions
                .groups
                .first()
                .map_or_else(String::new, |group| group.name.clone());
            let mut property = property;
            if property.group_name.is_empty() {
                property.group_name = group;
            }
            property.created_at.clone_from(&now);
            property.updated_at = now;
            store.definitions.put(property);
            store.index_unique_properties();
            Ok(())
        })
    }

    /// Archives a property, the vendor's own ones included.
    ///
    /// # Errors
    /// No such object type or property.
    pub fn archive_property(&self, object: &str, name: &str) -> Result<(), ArrangeError> {
        let now = iso(self.account.desk.now_ms());
        self.with_store(object, |store| {
            let id = store.definitions.find(name).ok_or_else(ApiError::not_found)?;
            let property = store.definitions.get_mut(id).ok_or_else(ApiError::not_found)?;
            property.archived = true;
            property.archived_at = Some(now);
            Ok(())
        })
    }

    /// Defines a custom object type with these properties, the first `required` of which every new
    /// record needs; gives its type id (`2-…`).
    ///
    /// # Errors
    /// A name that is taken.
    pub fn define_object_type(
        &self,
        name: &str,
        properties: Vec<Property>,
        required: &[&str],
    ) -> Result<String, ArrangeError> {
        let qualified = format!("p{}_{name}", self.account.options.hub_id);
        let now = self.account.desk.now_ms();
        {
            let mut state = self.account.state();
            if state.object(&qualified).is_some() {
                return Err(ArrangeError(format!("{qualified} exists")));
            }
            state.add_custom_type(&self.account.options, name, name, now);
        }
        for property in properties {
            self.define_property(&qualified, property)?;
        }
        self.with_store(&qualified, |store| {
            store.required = required
                .iter()
                .filter_map(|name| store.definitions.find(name))
                .collect();
            Ok(store.type_id.clone())
        })
    }

    /// Makes a property mandatory for new records; enforced on 2026-09 paths alone.
    ///
    /// # Errors
    /// No such object type or property.
    pub fn require_property(&self, object: &str, name: &str) -> Result<(), ArrangeError> {
        self.with_store(object, |store| {
            let id = store.definitions.find(name).ok_or_else(ApiError::not_found)?;
            store.rules.push(RequiredRule::OnCreate(id));
            Ok(())
        })
    }

    /// Makes a property mandatory while `when` has `value`; enforced on 2026-09 paths alone.
    ///
    /// # Errors
    /// No such object type or property.
    pub fn require_property_when(
        &self,
        object: &str,
        name: &str,
        when: &str,
        value: &str,
    ) -> Result<(), ArrangeError> {
        self.with_store(object, |store| {
            let property = store.definitions.find(name).ok_or_else(ApiError::not_found)?;
            let when = store.definitions.find(when).ok_or_else(ApiError::not_found)?;
            store.rules.push(RequiredRule::When {
                property,
                when,
                value: value.into(),
            });
            Ok(())
        })
    }

    /// Creates a list of contacts; gives its id.
    pub fn define_list(&self, name: &str, processing: ProcessingType) -> String {
        let now = self.account.desk.now_ms();
        self.account
            .state()
            .lists
            .add(name, "0-1", processing, now)
            .to_string()
    }

    /// The lists in order of creation.
    pub fn lists(&self) -> Vec<ListView> {
        let state = self.account.state();
        state
            .lists
            .live()
            .map(|list| ListView {
                id: list.id.to_string(),
                name: list.name.clone(),
                processing: list.processing,
                object_type_id: list.object_type_id.clone(),
                members: list.members.keys().map(u64::to_string).collect(),
            })
            .collect()
    }

    /// Accepts one more credential.
    pub fn add_token(&self, token: &Token) {
        self.account.state().credentials.add(token);
    }

    /// Makes a credential expire now.
    pub fn expire_token(&self, token: &str) {
        let now = self.account.desk.now_ms();
        self.account.state().credentials.expire(token, now);
    }

    /// Revokes a refresh token; access tokens it gave stay valid.
    pub fn revoke_grant(&self, refresh_token: &str) {
        self.account.state().credentials.revoke(refresh_token);
    }

    /// Moves the twin's clock forward: windows, days, index and access tokens follow it.
    pub fn advance_clock(&self, by: Duration) {
        self.account.desk.advance(by);
    }

    /// Changes the request limits.
    pub fn set_rate(&self, rate: Option<Rate>) {
        self.account.state().meter.set_rate(rate);
    }

    /// Sets how many requests the account has used today.
    pub fn set_daily_used(&self, used: u64) {
        let now = self.account.desk.now_ms();
        self.account.state().meter.set_used(used, now);
    }

    /// Changes the time every request waits.
    pub fn set_latency(&self, latency: Duration) {
        self.account.state().latency = latency;
    }

    fn with_store<T>(
        &self,
        object: &str,
        body: impl FnOnce(&mut ObjectStore) -> Result<T, ArrangeError>,
    ) -> Result<T, ArrangeError> {
        let mut state = self.account.state();
        let position = position(&state, object)?;
        let store = state.objects.get_mut(position).ok_or_else(ApiError::not_found)?;
        body(store)
    }
}

fn position(state: &State, object: &str) -> Result<usize, ArrangeError> {
    state
        .object(object)
        .ok_or_else(|| ArrangeError(format!("there is no object type {object}")))
}
