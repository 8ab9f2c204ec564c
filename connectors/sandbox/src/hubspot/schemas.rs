//! The schemas API: custom object types.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::State;
use super::call::{Call, Handled, Reply};
use super::definitions::Property;
use super::errors::ApiError;
use super::json::iso;
use super::properties::{self, check_name};
use super::store::{Kind, ObjectStore};

/// Routes a call below `/crm-object-schemas/{version}/schemas`.
pub(super) fn handle(call: &Call<'_>) -> Handled {
    let rest: Vec<&str> = call.rest.iter().map(AsRef::as_ref).collect();
    let read = || call.require("crm.schemas.custom.read");
    match (rest.as_slice(), call.method.clone()) {
        ([], Method::GET) => {
            read()?;
            let state = call.account.state();
            let results: Vec<Value> = state
                .objects
                .iter()
                .filter(|store| store.kind == Kind::Custom)
                .map(view)
                .collect();
            Ok(Reply::ok(&json!({ "results": results })))
        }
        ([], Method::POST) => call
            .require("crm.schemas.custom.write")
            .and_then(|()| create(call)),
        ([name], Method::GET) => {
            read()?;
            let state = call.account.state();
            let store = state
                .object(name)
                .and_then(|position| state.objects.get(position));
            Ok(Reply::ok(&view(store.ok_or_else(ApiError::not_found)?)))
        }
        ([] | [_], _) => Err(ApiError::no_method()),
        _ => Err(ApiError::no_route()),
    }
}

fn view(store: &ObjectStore) -> Value {
    let properties: Vec<&Property> = store
        .definitions
        .iter()
        .filter(|property| !property.archived)
        .collect();
    let required: Vec<&str> = store
        .required
        .iter()
        .map(|id| store.definitions.name(*id))
        .collect();
    let qualified = store.names.first().map_or("", String::as_str);
    let name = if store.kind == Kind::Custom {
        qualified.split_once('_').map_or(qualified, |(_, name)| name)
    } else {
        store.label.as_str()
    };
    let since = properties
        .first()
        .map_or("", |property| property.created_at.as_str());
    json!({
        "id": store.type_id.rsplit('-').next().unwrap_or_default(),
        "objectTypeId": store.type_id,
        "fullyQualifiedName": qualified,
        "name": name,
        "labels": { "singular": store.label, "plural": store.label },
        "requiredProperties": required,
        "searchableProperties": required,
        "primaryDisplayProperty": required.first().copied().unwrap_or_default(),
        "secondaryDisplayProperties": [],
        "properties": properties,
        "associations": [],
        "archived": false,
        "createdAt": since,
        "updatedAt": since,
    })
}

#[derive(Deserialize)]
struct Labels {
    singular: Option<String>,
    plural: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    labels: Labels,
    required_properties: Vec<String>,
    properties: Vec<Value>,
    primary_display_property: Option<String>,
}

fn create(call: &Call<'_>) -> Handled {
    let body: Create = call.parse()?;
    check_name(&body.name)?;
    let label = body.labels.singular.or(body.labels.plural);
    let label = label.ok_or_else(|| ApiError::validation("labels needs singular and plural"))?;
    let names: Vec<&str> = body
        .properties
        .iter()
        .filter_map(|property| property.get("name")?.as_str())
        .collect();
    let unknown = body
        .required_properties
        .iter()
        .chain(&body.primary_display_property)
        .find(|name| !names.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        return Err(ApiError::validation(format!(
            "Property \"{unknown}\" does not exist"
        )));
    }
    let mut guard = call.account.state();
    let state: &mut State = &mut guard;
    let options = &call.account.options;
    if state
        .object(&format!("p{}_{}", options.hub_id, body.name))
        .is_some()
    {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "OBJECT_ALREADY_EXISTS",
            format!("An object type named '{}' already exists.", body.name),
        ));
    }
    let position = state.add_custom_type(options, &body.name, &label, call.now);
    let defined = define(
        call,
        state,
        position,
        &body.name,
        body.properties,
        &body.required_properties,
    );
    if defined.is_err() {
        // Nothing was written to it: the type can go as it came.
        state.objects.truncate(position);
    }
    defined
}

fn define(
    call: &Call<'_>,
    state: &mut State,
    position: usize,
    name: &str,
    properties: Vec<Value>,
    required: &[String],
) -> Handled {
    let store = state.objects.get_mut(position).ok_or_else(ApiError::no_route)?;
    for mut property in properties {
        if let Some(fields) = property.as_object_mut() {
            fields
                .entry("groupName")
                .or_insert_with(|| json!(format!("{name}_information")));
        }
        let property: properties::Create =
            serde_json::from_value(property).map_err(|error| ApiError::json(&error))?;
        properties::create(call, store, property)?;
    }
    store.required = required
        .iter()
        .filter_map(|name| store.definitions.find(name))
        .collect();
    let mut body = view(store);
    if let Some(body) = body.as_object_mut() {
        body.insert("createdAt".into(), json!(iso(call.now)));
    }
    Ok(Reply::json(StatusCode::CREATED, &body))
}
