//! The properties API.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::check_count;
use super::call::{Call, Handled, Reply};
use super::definitions::{Group, Property, PropertyOption, PropertyType};
use super::errors::ApiError;
use super::json::iso;
use super::objects::{find_object, scope_name};
use super::store::ObjectStore;

/// Most unique properties of one object type.
const MAX_UNIQUE: usize = 10;

/// Routes a call below `/crm/properties/{version}/`.
pub(super) fn handle(call: &Call<'_>) -> Handled {
    let rest: Vec<&str> = call.rest.iter().map(AsRef::as_ref).collect();
    let Some((&type_name, rest)) = rest.split_first() else {
        return Err(ApiError::no_route());
    };
    let (object, kind) = find_object(call, type_name)?;
    // The lock is taken once the scope is known to be granted.
    let writes = call.method != Method::GET && rest != ["batch", "read"];
    match (rest, call.method.as_str()) {
        (["batch", "create" | "read" | "archive"], "POST")
        | ([] | ["groups"], "GET" | "POST")
        | ([_] | ["groups", _], "GET" | "PATCH" | "DELETE") => {}
        (["batch", "create" | "read" | "archive"] | [] | [_] | ["groups", _], _) => {
            return Err(ApiError::no_method());
        }
        _ => return Err(ApiError::no_route()),
    }
    let action = if writes { "write" } else { "read" };
    call.require(format!("crm.schemas.{}.{action}", scope_name(kind)))?;
    let mut state = call.account.state();
    let store = state.objects.get_mut(object).ok_or_else(ApiError::no_route)?;
    match (rest, call.method.as_str()) {
        ([], "GET") => list(call, store),
        ([], _) => {
            let property = create(call, store, call.parse()?)?;
            Ok(Reply::json(StatusCode::CREATED, &json!(property)))
        }
        (["batch", "create"], _) => batch_create(call, store),
        (["batch", "read"], _) => batch_read(call, store),
        (["batch", _], _) => batch_archive(call, store),
        (["groups"], "GET") => {
            let groups: Vec<&Group> = store
                .definitions
                .groups
                .iter()
                .filter(|group| !group.archived)
                .collect();
            Ok(Reply::ok(&json!({ "results": groups })))
        }
        (["groups"], _) => create_group(call, store),
        (["groups", name], "GET") => Ok(Reply::ok(&json!(group(store, name)?))),
        (["groups", name], "PATCH") => update_group(call, store, name),
        (["groups", name], _) => archive_group(store, name),
        ([name], "GET") => read_one(call, store, name),
        ([name], "PATCH") => update(call, store, name),
        ([name], _) => {
            archive(store, name, call.now)?;
            Ok(Reply::empty())
        }
        _ => Err(ApiError::no_route()),
    }
}

fn list(call: &Call<'_>, store: &ObjectStore) -> Handled {
    let archived = call.query_flag("archived");
    let results: Vec<&Property> = store
        .definitions
        .iter()
        .filter(|property| property.archived == archived)
        .collect();
    Ok(Reply::ok(&json!({ "results": results })))
}

fn read_one(call: &Call<'_>, store: &ObjectStore, name: &str) -> Handled {
    let archived = call.query_flag("archived");
    let property = store
        .definitions
        .find(name)
        .and_then(|id| store.definitions.get(id))
        .filter(|property| property.archived == archived);
    Ok(Reply::ok(&json!(property.ok_or_else(ApiError::not_found)?)))
}

/// What a property is created from.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    name: String,
    label: String,
    #[serde(rename = "type")]
    value_type: PropertyType,
    field_type: String,
    group_name: Option<String>,
    #[serde(default)]
    options: Vec<PropertyOption>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    has_unique_value: bool,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    form_field: bool,
    display_order: Option<i32>,
    data_sensitivity: Option<String>,
}

/// Defines a property, or restores an archived one of that name.
pub(super) fn create(call: &Call<'_>, store: &mut ObjectStore, body: Create) -> Result<Property, ApiError> {
    let group_name = body
        .group_name
        .ok_or_else(|| ApiError::validation("groupName is missing"))?;
    check_name(&body.name)?;
    if !body.value_type.field_types().contains(&body.field_type.as_str()) {
        return Err(ApiError::validation(format!(
            "fieldType {} does not go with the property's type; allowed: {}",
            body.field_type,
            body.value_type.field_types().join(", ")
        )));
    }
    if body.value_type == PropertyType::Enumeration && body.options.is_empty() {
        return Err(ApiError::validation("An enumeration needs options"));
    }
    check_options(&body.options)?;
    let groups = &store.definitions.groups;
    if !groups
        .iter()
        .any(|group| group.name == group_name && !group.archived)
    {
        return Err(ApiError::validation(format!(
            "Property group {group_name} does not exist"
        )));
    }
    let existing = store
        .definitions
        .find(&body.name)
        .and_then(|id| store.definitions.get(id));
    if existing.is_some_and(|property| !property.archived) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "OBJECT_ALREADY_EXISTS",
            format!("A property named '{}' already exists.", body.name),
        )
        .with_sub_category("Properties.PROPERTY_WITH_NAME_EXISTS"));
    }
    let unique = store
        .definitions
        .iter()
        .filter(|property| property.has_unique_value && !property.hubspot_defined && !property.archived)
        .count();
    if body.has_unique_value && unique >= MAX_UNIQUE {
        return Err(ApiError::validation(format!(
            "An object type has at most {MAX_UNIQUE} unique properties"
        )));
    }
    let now = iso(call.now);
    let property = Property {
        label: body.label,
        field_type: body.field_type.clone(),
        group_name,
        options: body.options,
        description: body.description,
        has_unique_value: body.has_unique_value,
        hidden: body.hidden,
        form_field: body.form_field,
        display_order: body.display_order.unwrap_or(-1),
        data_sensitivity: body.data_sensitivity.unwrap_or_else(|| "non_sensitive".into()),
        calculated: body.field_type == "calculation_equation",
        created_at: existing.map_or_else(|| now.clone(), |property| property.created_at.clone()),
        updated_at: now,
        ..Property::new(body.name, body.value_type)
    };
    store.definitions.put(property.clone());
    store.index_unique_properties();
    Ok(property)
}

/// Internal names are lower-case letters, digits and underscores, and start with a letter.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if letters && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 100 {
        return Ok(());
    }
    Err(ApiError::validation(
        "An internal name has lower-case letters, digits and underscores, and starts with a letter",
    ))
}

fn check_options(options: &[PropertyOption]) -> Result<(), ApiError> {
    for (position, option) in options.iter().enumerate() {
        let earlier = options.get(..position).unwrap_or_default();
        if earlier
            .iter()
            .any(|other| other.value == option.value || other.label == option.label)
        {
            return Err(ApiError::validation("Option labels and values must be unique"));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    label: Option<String>,
    description: Option<String>,
    group_name: Option<String>,
    field_type: Option<String>,
    options: Option<Vec<PropertyOption>>,
    hidden: Option<bool>,
    form_field: Option<bool>,
    display_order: Option<i32>,
}

/// `options` replaces the whole list; without it the options stay.
fn update(call: &Call<'_>, store: &mut ObjectStore, name: &str) -> Handled {
    let body: Update = call.parse()?;
    let (id, property) = store.definitions.live(name).ok_or_else(ApiError::not_found)?;
    if let Some(field_type) = &body.field_type
        && !property.value_type.field_types().contains(&field_type.as_str())
    {
        return Err(ApiError::validation(format!(
            "fieldType {field_type} does not go with the property's type"
        )));
    }
    check_options(body.options.as_deref().unwrap_or_default())?;
    if let Some(group_name) = &body.group_name {
        group(store, group_name)?;
    }
    let property = store.definitions.get_mut(id).ok_or_else(ApiError::not_found)?;
    property.updated_at = iso(call.now);
    set(&mut property.label, body.label);
    set(&mut property.description, body.description);
    set(&mut property.group_name, body.group_name);
    set(&mut property.field_type, body.field_type);
    set(&mut property.options, body.options);
    set(&mut property.hidden, body.hidden);
    set(&mut property.form_field, body.form_field);
    set(&mut property.display_order, body.display_order);
    Ok(Reply::ok(&json!(property)))
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Archives a property in use by nobody.
pub(super) fn archive(store: &mut ObjectStore, name: &str, now: i64) -> Result<(), ApiError> {
    let (id, property) = store.definitions.live(name).ok_or_else(ApiError::not_found)?;
    if !property.modification_metadata.archivable {
        return Err(
            ApiError::validation(format!("Property {name} is in use and cannot be deleted"))
                .with_sub_category("PropertyValidationError.CANNOT_DELETE_PROPERTY_IN_USE"),
        );
    }
    if let Some(property) = store.definitions.get_mut(id) {
        property.archived = true;
        property.archived_at = Some(iso(now));
    }
    Ok(())
}

#[derive(Deserialize)]
struct BatchCreate {
    inputs: Vec<Create>,
}

fn batch_create(call: &Call<'_>, store: &mut ObjectStore) -> Handled {
    let body: BatchCreate = call.parse()?;
    check_count(body.inputs.len())?;
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in body.inputs {
        let name = input.name.clone();
        match create(call, store, input) {
            Ok(property) => results.push(property),
            Err(error) => errors.push(error.with_context("name", vec![name]).item()),
        }
    }
    Ok(envelope(StatusCode::CREATED, json!(results), errors, call.now))
}

#[derive(Deserialize)]
struct Names {
    inputs: Vec<Name>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct BatchRead {
    inputs: Vec<Name>,
    archived: bool,
}

fn batch_read(call: &Call<'_>, store: &ObjectStore) -> Handled {
    let body: BatchRead = call.parse()?;
    check_count(body.inputs.len())?;
    let (mut results, mut missing) = (Vec::new(), Vec::new());
    for Name { name } in body.inputs {
        let found = store
            .definitions
            .find(&name)
            .and_then(|id| store.definitions.get(id));
        match found.filter(|property| property.archived == body.archived) {
            Some(property) => results.push(property),
            None => missing.push(name),
        }
    }
    let errors = if missing.is_empty() {
        vec![]
    } else {
        vec![ApiError::not_found().with_context("name", missing).item()]
    };
    Ok(envelope(StatusCode::OK, json!(results), errors, call.now))
}

fn batch_archive(call: &Call<'_>, store: &mut ObjectStore) -> Handled {
    let body: Names = call.parse()?;
    check_count(body.inputs.len())?;
    for Name { name } in body.inputs {
        match archive(store, &name, call.now) {
            Err(error) if error.status != StatusCode::NOT_FOUND => return Err(error),
            _ => {}
        }
    }
    Ok(Reply::empty())
}

fn envelope(success: StatusCode, results: Value, errors: Vec<Value>, now: i64) -> Reply {
    let mut body = json!({
        "status": "COMPLETE",
        "startedAt": iso(now),
        "completedAt": iso(now),
        "results": results,
    });
    if errors.is_empty() {
        return Reply::json(success, &body);
    }
    if let Some(body) = body.as_object_mut() {
        body.insert("numErrors".into(), json!(errors.len()));
        body.insert("errors".into(), json!(errors));
    }
    Reply::json(StatusCode::MULTI_STATUS, &body)
}

fn group<'s>(store: &'s ObjectStore, name: &str) -> Result<&'s Group, ApiError> {
    let group = store
        .definitions
        .groups
        .iter()
        .find(|group| group.name == name && !group.archived);
    group.ok_or_else(ApiError::not_found)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    name: Option<String>,
    label: Option<String>,
    display_order: Option<i32>,
}

fn create_group(call: &Call<'_>, store: &mut ObjectStore) -> Handled {
    let body: GroupBody = call.parse()?;
    let (Some(name), Some(label)) = (body.name, body.label) else {
        return Err(ApiError::validation("A group needs name and label"));
    };
    check_name(&name)?;
    if group(store, &name).is_ok() {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "OBJECT_ALREADY_EXISTS",
            format!("A property group named '{name}' already exists."),
        ));
    }
    let group = Group {
        name,
        label,
        display_order: body.display_order.unwrap_or(-1),
        archived: false,
    };
    store.definitions.groups.retain(|other| other.name != group.name);
    store.definitions.groups.push(group.clone());
    Ok(Reply::json(StatusCode::CREATED, &json!(group)))
}

fn update_group(call: &Call<'_>, store: &mut ObjectStore, name: &str) -> Handled {
    let body: GroupBody = call.parse()?;
    group(store, name)?;
    let group = store
        .definitions
        .groups
        .iter_mut()
        .find(|group| group.name == name && !group.archived);
    let group = group.ok_or_else(ApiError::not_found)?;
    set(&mut group.label, body.label);
    set(&mut group.display_order, body.display_order);
    Ok(Reply::ok(&json!(group)))
}

fn archive_group(store: &mut ObjectStore, name: &str) -> Handled {
    group(store, name)?;
    if store
        .definitions
        .iter()
        .any(|property| property.group_name == name && !property.archived)
    {
        return Err(ApiError::validation(format!(
            "Property group {name} still has properties"
        )));
    }
    if let Some(group) = store
        .definitions
        .groups
        .iter_mut()
        .find(|group| group.name == name)
    {
        group.archived = true;
    }
    Ok(Reply::empty())
}
