//! The JSON Schemas of both kinds of file, put together from our types and the connectors' own.

use std::collections::BTreeMap;

use outflow_sdk::descriptor::{DestinationDescriptor, ObjectKey};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::mapping_file::MappingFile;
use super::project_file::ProjectFile;
use outflow_sdk::descriptor::Registry;

/// The schemas a project is checked against.
pub(crate) struct Schemas {
    /// Of `outflow.yaml`.
    pub(crate) project: Value,
    /// Of a mapping, with the keys of every connector.
    pub(crate) mapping: Value,
    /// Of a mapping to one type of destination.
    pub(crate) mapping_to: BTreeMap<&'static str, Value>,
    /// The keys every mapping may have.
    pub(crate) common_keys: Vec<String>,
    /// The mapping keys that belong to connectors: key → types that have it.
    pub(crate) connector_keys: BTreeMap<String, Vec<&'static str>>,
    /// The mapping keys that stand for an object, by type of destination.
    pub(crate) object_keys: BTreeMap<&'static str, ObjectKey>,
}

impl Schemas {
    pub(crate) fn new(registry: &Registry) -> Self {
        let mut connector_keys: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        let mut mapping_to = BTreeMap::new();
        for connector in &registry.destinations {
            for key in keys_of(&(connector.mapping_schema)()) {
                connector_keys.entry(key).or_default().push(connector.type_name);
            }
            mapping_to.insert(connector.type_name, mapping_schema([connector]));
        }
        Self {
            project: project_schema(registry),
            mapping: mapping_schema(&registry.destinations),
            mapping_to,
            common_keys: keys_of(&schemars::schema_for!(MappingFile)),
            connector_keys,
            object_keys: registry
                .destinations
                .iter()
                .filter_map(|connector| Some((connector.type_name, connector.object_key?)))
                .collect(),
        }
    }
}

/// The JSON Schemas of `outflow.yaml` and of a mapping file, for editors: `{"outflow": …, "mapping": …}`.
pub fn json_schema(registry: &Registry) -> Value {
    json!({
        "outflow": project_schema(registry),
        "mapping": mapping_schema_for_editors(registry),
    })
}

/// The schemas as files for an editor: name and text.
pub fn schema_files(registry: &Registry) -> [(&'static str, String); 2] {
    let text = |schema: Value| format!("{schema:#}\n");
    [
        ("outflow.schema.json", text(project_schema(registry))),
        ("mapping.schema.json", text(mapping_schema_for_editors(registry))),
    ]
}

fn project_schema(registry: &Registry) -> Value {
    let mut schema = schema_of::<ProjectFile>("outflow.yaml");
    let mut sources = Vec::new();
    let mut destinations = Vec::new();
    let mut definitions = Map::new();
    for connector in &registry.sources {
        let settings = (connector.settings_schema)();
        let prefix = format!("source.{}", connector.type_name);
        sources.push(connection(
            settings,
            connector.type_name,
            connector.title,
            &prefix,
            &mut definitions,
        ));
    }
    for connector in &registry.destinations {
        let settings = (connector.settings_schema)();
        let prefix = format!("destination.{}", connector.type_name);
        destinations.push(connection(
            settings,
            connector.type_name,
            connector.title,
            &prefix,
            &mut definitions,
        ));
    }
    definitions.insert("source".into(), one_of(sources));
    definitions.insert("destination".into(), one_of(destinations));
    define(&mut schema, definitions);
    schema
}

fn one_of(branches: Vec<Value>) -> Value {
    json!({ "oneOf": branches })
}

/// A connector's settings with `type:` as their first key.
fn connection(
    settings: Schema,
    type_name: &str,
    title: &str,
    prefix: &str,
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut schema = embed(settings, prefix, definitions);
    let Value::Object(object) = &mut schema else {
        return schema;
    };
    let mut properties = Map::new();
    properties.insert(
        "type".into(),
        json!({ "type": "string", "const": type_name, "description": title }),
    );
    if let Some(Value::Object(own)) = object.remove("properties") {
        properties.extend(own);
    }
    object.insert("type".into(), "object".into());
    object.insert("properties".into(), Value::Object(properties));
    object.insert("additionalProperties".into(), Value::Bool(false));
    let mut required = vec![Value::from("type")];
    if let Some(Value::Array(own)) = object.remove("required") {
        required.extend(own);
    }
    object.insert("required".into(), Value::Array(required));
    schema
}

/// The schema of a mapping to any destination, with the ways to name its object.
fn mapping_schema_for_editors(registry: &Registry) -> Value {
    let mut schema = mapping_schema(&registry.destinations);
    let keys = registry
        .destinations
        .iter()
        .filter_map(|connector| connector.object_key);
    let mut ways: Vec<Value> = keys.map(|object| json!({ "required": [object.key] })).collect();
    if let (false, Value::Object(schema)) = (ways.is_empty(), &mut schema) {
        ways.insert(0, json!({ "required": ["object"] }));
        schema.insert("anyOf".into(), ways.into());
    }
    schema
}

/// The schema of a mapping that may have the keys of these connectors beside the common ones.
fn mapping_schema<'a>(connectors: impl IntoIterator<Item = &'a DestinationDescriptor>) -> Value {
    let mut schema = schema_of::<MappingFile>("mappings/*.yaml");
    let mut definitions = Map::new();
    let mut added: Map<String, Value> = Map::new();
    let connectors: Vec<&DestinationDescriptor> = connectors.into_iter().collect();
    // Where another key may stand for the object, the loader says which of the two is missing.
    if connectors.iter().any(|connector| connector.object_key.is_some())
        && let Some(Value::Array(required)) = schema.get_mut("required")
    {
        required.retain(|key| key != "object");
    }
    for connector in &connectors {
        let own = embed(
            (connector.mapping_schema)(),
            connector.type_name,
            &mut definitions,
        );
        let Some(Value::Object(properties)) = own.get("properties") else {
            continue;
        };
        // What one destination requires is no duty of a mapping to another.
        if let ([_], Some(Value::Array(own))) = (connectors.as_slice(), own.get("required"))
            && let Some(Value::Array(required)) = schema.get_mut("required")
        {
            required.extend(own.iter().cloned());
        }
        for (key, property) in properties {
            let mut property = property.clone();
            let text = property
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let text = format!("({}) {text}", connector.type_name);
            if let Value::Object(property) = &mut property {
                property.insert("description".into(), text.into());
            }
            match added.get_mut(key) {
                None => {
                    added.insert(key.clone(), property);
                }
                Some(first) => *first = json!({ "anyOf": [first.clone(), property] }),
            }
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (key, property) in added {
            properties.entry(key).or_insert(property);
        }
    }
    define(&mut schema, definitions);
    schema
}

pub(crate) fn keys_of(schema: &Schema) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::keys).cloned().collect()
}

fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Value::Object(object) = &mut schema {
        object.insert("title".into(), title.into());
    }
    schema
}

fn define(schema: &mut Value, definitions: Map<String, Value>) {
    if let Value::Object(object) = schema {
        let known = object.entry("$defs").or_insert_with(|| json!({}));
        if let Value::Object(known) = known {
            known.extend(definitions);
        }
    }
}

/// Moves a connector's definitions under `prefix`, so that two connectors may use one name.
fn embed(schema: Schema, prefix: &str, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = schema.to_value();
    rename_references(&mut schema, prefix);
    if let Value::Object(object) = &mut schema {
        object.remove("$schema");
        object.remove("title");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            definitions.extend(
                own.into_iter()
                    .map(|(name, value)| (format!("{prefix}.{name}"), value)),
            );
        }
    }
    schema
}

fn rename_references(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                match inner {
                    Value::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/$defs/{prefix}.{name}");
                        }
                    }
                    _ => rename_references(inner, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, prefix)),
        _ => {}
    }
}
