//! Property definitions: what an object's fields are, and creating those that are missing.

use std::collections::HashSet;

use outflow_sdk::destination::{Field, FieldType};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::capabilities::{BATCH_ROWS, ObjectType};
use crate::client::Client;
use crate::values::{Kind, MAX_TEXT};

/// A property definition, as far as values depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) label: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) field_type: String,
    pub(crate) group_name: Option<String>,
    options: Option<Vec<PropertyOption>>,
    pub(crate) calculated: Option<bool>,
    pub(crate) archived: Option<bool>,
    pub(crate) hubspot_defined: Option<bool>,
    has_unique_value: Option<bool>,
    external_options: Option<bool>,
    referenced_object_type: Option<String>,
    modification_metadata: Option<Modification>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct PropertyOption {
    value: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Modification {
    read_only_value: Option<bool>,
}

#[derive(Deserialize)]
struct Listing {
    results: Vec<Property>,
}

impl Property {
    /// A property that does not exist yet, as [`create`] will make it for values of `value_type`.
    pub(crate) fn planned(name: &str, value_type: Option<FieldType>, unique: bool) -> Self {
        let (kind, field_type) = match value_type {
            Some(FieldType::Number) => ("number", "number"),
            Some(FieldType::Bool | FieldType::Membership) => ("bool", "booleancheckbox"),
            Some(FieldType::Date) => ("date", "date"),
            Some(FieldType::Timestamp) => ("datetime", "date"),
            Some(FieldType::Text | FieldType::Choice | FieldType::Choices) | None => ("string", "text"),
        };
        Self {
            name: name.to_owned(),
            label: label_of(name),
            kind: kind.to_owned(),
            field_type: field_type.to_owned(),
            has_unique_value: Some(unique),
            ..Self::default()
        }
    }

    /// Whether its values identify records.
    pub(crate) fn is_unique(&self) -> bool {
        self.has_unique_value.unwrap_or(false)
    }

    /// Why its values cannot be written, if they cannot.
    pub(crate) fn unwritable(&self) -> Option<&'static str> {
        let read_only = |data: &Modification| data.read_only_value.unwrap_or(false);
        if self.calculated.unwrap_or(false) {
            Some("HubSpot calculates it")
        } else if self.archived.unwrap_or(false) {
            Some("it is archived")
        } else if self.modification_metadata.as_ref().is_some_and(read_only) {
            Some("HubSpot sets it itself")
        } else {
            None
        }
    }

    /// Internal values of its options.
    pub(crate) fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().flatten().map(|option| option.value.as_str())
    }

    /// How its values are checked and written.
    pub(crate) fn value_kind(&self, object: &ObjectType) -> Kind {
        match self.kind.as_str() {
            "string" if self.name == "email" && object.is_contacts() => Kind::Email,
            "number" => Kind::Number,
            "bool" => Kind::Bool,
            "date" => Kind::Date,
            "datetime" => Kind::DateTime,
            "enumeration" if self.field_type == "checkbox" => Kind::Choices(self.closed_options()),
            "enumeration" => Kind::Choice(self.closed_options()),
            _ => Kind::Text,
        }
    }

    /// The options, unless HubSpot keeps them elsewhere.
    fn closed_options(&self) -> Option<HashSet<String>> {
        let elsewhere = self.external_options.unwrap_or(false)
            || self
                .referenced_object_type
                .as_ref()
                .is_some_and(|name| !name.is_empty());
        let options: HashSet<String> = self.options().map(str::to_owned).collect();
        (!elsewhere && !options.is_empty()).then_some(options)
    }

    /// The field as every destination describes it.
    pub(crate) fn field(&self, object: &ObjectType, required: bool) -> Field {
        let kind = self.value_kind(object);
        let is_email = kind == Kind::Email;
        let field_type = match kind {
            Kind::Text | Kind::Email => FieldType::Text,
            Kind::Number => FieldType::Number,
            Kind::Bool => FieldType::Bool,
            Kind::Date => FieldType::Date,
            Kind::DateTime => FieldType::Timestamp,
            Kind::Choice(_) => FieldType::Choice,
            Kind::Choices(_) => FieldType::Choices,
            Kind::Membership => FieldType::Membership,
        };
        Field {
            name: self.name.clone(),
            label: self.label.clone(),
            field_type,
            options: self.options().map(str::to_owned).collect(),
            max_length: (field_type == FieldType::Text).then_some(MAX_TEXT),
            writable: self.unwritable().is_none(),
            unique: self.is_unique() || is_email,
            required,
        }
    }
}

/// `favourite_colour` → `Favourite colour`.
fn label_of(name: &str) -> String {
    let mut label = name.replace('_', " ");
    if let Some(first) = label.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    label
}

/// Whether HubSpot takes `name` as the internal name of a property.
pub(crate) fn is_internal_name(name: &str) -> bool {
    name.starts_with(|character: char| character.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// All live properties of an object.
///
/// # Errors
/// `Config` when there is no such object, else as the exchange went.
pub(crate) async fn list(client: &Client, object: &ObjectType) -> Result<Vec<Property>, ConnectorError> {
    let path = format!("{}/{}", client.version.path("crm/properties"), object.name);
    let response = client.read(&path).await?;
    if matches!(response.status, 400 | 404) {
        return Err(ConnectorError::config(
            "unknown_object",
            format!("HubSpot has no object `{}`", object.name),
        )
        .with_hint("use contacts, companies, or a custom object's type id (2-…) or full name (p…_name)"));
    }
    let listing: Listing = client.expect(&response, "property definitions")?;
    Ok(listing.results)
}

/// Properties a new record of a custom object must have; none are known for HubSpot's own objects, nor
/// when the credential may not read the object's schema.
pub(crate) async fn required(client: &Client, object: &ObjectType) -> Result<Schema, ConnectorError> {
    if !object.is_custom() {
        return Ok(Schema::default());
    }
    let path = format!(
        "{}/schemas/{}",
        client.version.path("crm-object-schemas"),
        object.name
    );
    let response = client.read(&path).await?;
    if matches!(response.status, 400 | 403 | 404) {
        return Ok(Schema::default());
    }
    client.expect(&response, "the object's schema")
}

/// What a custom object's schema adds to its properties.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Schema {
    pub(crate) object_type_id: Option<String>,
    pub(crate) required_properties: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewProperty<'a> {
    name: &'a str,
    label: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    field_type: &'a str,
    group_name: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    has_unique_value: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    options: &'a [NewOption],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewOption {
    label: &'static str,
    value: &'static str,
    display_order: u8,
    hidden: bool,
}

const YES_NO: [NewOption; 2] = [
    NewOption {
        label: "Yes",
        value: "true",
        display_order: 0,
        hidden: false,
    },
    NewOption {
        label: "No",
        value: "false",
        display_order: 1,
        hidden: false,
    },
];

impl<'a> NewProperty<'a> {
    fn of(property: &'a Property, group: &'a str) -> Self {
        NewProperty {
            name: &property.name,
            label: &property.label,
            kind: &property.kind,
            field_type: &property.field_type,
            group_name: group,
            has_unique_value: property.is_unique(),
            options: if property.kind == "bool" { &YES_NO } else { &[] },
        }
    }
}

/// Creates properties, a hundred a request; those that appeared meanwhile are as good.
///
/// # Errors
/// `Config` when HubSpot refuses a definition, else as the exchange went.
pub(crate) async fn create(
    client: &Client,
    object: &ObjectType,
    properties: &[Property],
    group: &str,
) -> Result<(), ConnectorError> {
    for some in properties.chunks(BATCH_ROWS) {
        if some.len() > 1 && create_together(client, object, some, group).await? {
            continue;
        }
        for property in some {
            create_one(client, object, property, group).await?;
        }
    }
    Ok(())
}

/// Whether HubSpot created all of them. If not, some may be there by now, or one is refused: each by itself
/// tells.
async fn create_together(
    client: &Client,
    object: &ObjectType,
    properties: &[Property],
    group: &str,
) -> Result<bool, ConnectorError> {
    #[derive(Serialize)]
    struct Batch<'a> {
        inputs: Vec<NewProperty<'a>>,
    }
    let inputs = properties.iter().map(|one| NewProperty::of(one, group));
    let batch = Batch {
        inputs: inputs.collect(),
    };
    let path = format!("{}/batch/create", path(client, object));
    let response = post(client, &path, &batch).await?;
    match response.status {
        200 | 201 => Ok(true),
        207 | 400 | 404 | 405 | 409 => Ok(false),
        _ => Err(client.unusable(&response)),
    }
}

async fn create_one(
    client: &Client,
    object: &ObjectType,
    property: &Property,
    group: &str,
) -> Result<(), ConnectorError> {
    let response = post(client, &path(client, object), &NewProperty::of(property, group)).await?;
    match response.status {
        200..=299 | 409 => Ok(()),
        400 => Err(ConnectorError::config(
            "create_field_refused",
            format!("HubSpot refuses to create property `{}` in group `{group}`", property.name),
        )
        .with_hint("check that the group exists (`group:` names another) and that the account may have more properties")),
        _ => Err(client.unusable(&response)),
    }
}

fn path(client: &Client, object: &ObjectType) -> String {
    format!("{}/{}", client.version.path("crm/properties"), object.name)
}

async fn post(client: &Client, path: &str, body: &impl Serialize) -> Result<HttpResponse, ConnectorError> {
    let body = serde_json::to_vec(body)
        .map_err(|error| ConnectorError::new(ErrorKind::Internal, "hubspot_encoding", error.to_string()))?;
    client.call("POST", path, "application/json", body.into()).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn property(value: serde_json::Value) -> Property {
        serde_json::from_value(value).unwrap()
    }

    fn contacts() -> ObjectType {
        ObjectType::parse("contacts").unwrap()
    }

    #[test]
    fn a_definition_tells_how_to_write_values() {
        for (kind, field_type, expected) in [
            ("string", "textarea", Kind::Text),
            ("number", "number", Kind::Number),
            ("bool", "booleancheckbox", Kind::Bool),
            ("date", "date", Kind::Date),
            ("datetime", "date", Kind::DateTime),
            ("phone_number", "phonenumber", Kind::Text),
            ("enumeration", "select", Kind::Choice(None)),
        ] {
            let property =
                property(json!({ "name": "x", "type": kind, "fieldType": field_type, "options": null }));
            assert_eq!(property.value_kind(&contacts()), expected, "{kind}");
        }
    }

    #[test]
    fn options_count_only_when_hubspot_lists_them() {
        let options = json!([{ "label": "A", "value": "a", "hidden": true }]);
        let stage = property(json!({ "type": "enumeration", "fieldType": "checkbox", "options": options }));
        assert!(matches!(stage.value_kind(&contacts()), Kind::Choices(Some(set)) if set.contains("a")));
        let owner = property(json!({
            "type": "enumeration", "fieldType": "select", "options": options, "referencedObjectType": "OWNER"
        }));
        assert_eq!(owner.value_kind(&contacts()), Kind::Choice(None));
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        assert!(
            property(json!({ "calculated": true }))
                .unwritable()
                .unwrap()
                .contains("calculates")
        );
        assert!(
            property(json!({ "archived": true }))
                .unwritable()
                .unwrap()
                .contains("archived")
        );
        let system =
            property(json!({ "modificationMetadata": { "readOnlyValue": true, "archivable": false } }));
        assert!(system.unwritable().unwrap().contains("itself"));
        assert_eq!(property(json!({ "name": "city" })).unwritable(), None);
    }

    #[test]
    fn planned_properties_follow_their_values() {
        let planned = Property::planned("last_order_at", Some(FieldType::Timestamp), false);
        assert_eq!(
            (planned.kind.as_str(), planned.field_type.as_str()),
            ("datetime", "date")
        );
        assert_eq!(planned.label, "Last order at");
        assert!(Property::planned("customer_id", None, true).is_unique());
    }

    #[test]
    fn internal_names_are_plain() {
        for good in ["email", "ltv_2", "a"] {
            assert!(is_internal_name(good), "{good}");
        }
        for bad in ["", "LTV", "2nd", "_x", "first name", "größe"] {
            assert!(!is_internal_name(bad), "{bad}");
        }
    }
}
