//! What a record must have after a write: something to call it by, what its schema requires, and what the
//! account's administrator does.

use super::call::Version;
use super::definitions::PropertyId;
use super::errors::{ApiError, Detail};
use super::record::Content;
use super::store::{Kind, ObjectStore, RequiredRule};
use super::write::{Refusal, Target, Writes};

/// Properties one of which a new record needs.
fn any_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Contact => &["email", "firstname", "lastname"],
        Kind::Company => &["name", "domain"],
        Kind::Custom => &[],
    }
}

/// The rules of one object type.
#[derive(Debug)]
pub(super) struct Required<'s> {
    store: &'s ObjectStore,
    version: Version,
    /// One of these a new record needs.
    any_of: Vec<PropertyId>,
}

impl<'s> Required<'s> {
    pub(super) fn new(store: &'s ObjectStore, version: Version) -> Self {
        let any_of = any_of(store.kind)
            .iter()
            .filter_map(|name| store.definitions.find(name))
            .collect();
        Self {
            store,
            version,
            any_of,
        }
    }

    /// Refuses a write after which something required is missing.
    pub(super) fn check(
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
            let names = any_of(store.kind);
            let has_any = names.is_empty() || self.any_of.iter().any(|id| after(*id).is_some());
            let mut missing: Vec<String> = if has_any {
                Vec::new()
            } else {
                names.iter().map(|name| (*name).to_owned()).collect()
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
