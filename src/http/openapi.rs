//! The API's description, made from the routes and the types they answer with.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::State;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::app::App;
use super::refusal::Refusal;
use super::routes::{Answer, Need, ROUTES, Route};

pub(super) async fn document(State(_): State<Arc<App>>) -> Json<&'static Value> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(describe);
    Json(&DOCUMENT)
}

/// The OpenAPI document.
fn describe() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .for_serialize();
    let mut schemas = settings.into_generator();
    let refusal = schemas.subschema_for::<Refusal>().to_value();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(
                route.method.word().into(),
                operation(route, &mut schemas, &refusal),
            );
        }
    }
    let components: Map<String, Value> = schemas.take_definitions(true).into_iter().collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Outflow",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The daemon of a project: its syncs, runs and rejects, and what may be done with them. \
                Times are ISO 8601 in UTC. Keys are stable; more may come.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of `http.tokens` in outflow.yaml; not needed on a loopback address without any." },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator, refusal: &Value) -> Value {
    let mut parameters: Vec<Value> = in_path(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(route.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.required,
            "description": parameter.help,
            "schema": { "type": parameter.kind },
        })
    }));
    let mut responses = Map::new();
    for (status, text, answer) in route.answers {
        responses.insert(status.to_string(), response(text, *answer, schemas));
    }
    for (status, text) in refusals(route) {
        responses.entry(status).or_insert_with(
            || json!({ "description": text, "content": { "application/json": { "schema": refusal } } }),
        );
    }
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let (Some(body), Value::Object(operation)) = (route.body, &mut operation) {
        let schema = body(schemas).to_value();
        let content = json!({ "application/json": { "schema": schema } });
        operation.insert(
            "requestBody".into(),
            json!({ "required": true, "content": content }),
        );
    }
    if let (Need::Role(role), Value::Object(operation)) = (route.need, &mut operation) {
        operation.insert("security".into(), json!([{ "token": [] }]));
        let role = serde_json::to_value(role).unwrap_or_default();
        operation.insert("x-role".into(), role);
    }
    operation
}

fn response(text: &str, answer: Answer, schemas: &mut SchemaGenerator) -> Value {
    let content = match answer {
        Answer::Json(schema) => json!({ "application/json": { "schema": schema(schemas).to_value() } }),
        Answer::Text(kind) => json!({ kind: { "schema": { "type": "string" } } }),
    };
    json!({ "description": text, "content": content })
}

/// What every route of its kind may also answer.
fn refusals(route: &Route) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    let mut add = |status: u16, text| all.push((status.to_string(), text));
    let query = route
        .parameters
        .iter()
        .any(|parameter| parameter.place == "query");
    if query || route.path.contains('{') {
        add(400, "A parameter or the body is not understood");
    }
    if matches!(route.need, Need::Role(_)) {
        add(401, "No token, or an unknown one");
        add(403, "The token's role may not do this, or the caller is foreign");
    }
    if route.path.contains('{') {
        add(404, "There is no such thing");
    }
    for status in route.refusals {
        add(
            *status,
            match status {
                401 => "The call is not trusted",
                404 => "There is no such thing",
                409 => "Not in its present state",
                413 => "Too large",
                422 => "It does not fit",
                429 => "Too much waits for its turn",
                502 => "The source or the destination failed",
                _ => "Not now",
            },
        );
    }
    if !matches!(route.need, Need::Nothing) {
        add(500, "The state cannot be used, or a bug");
        add(503, "The daemon is stopping, or took too long");
    }
    all
}

/// Names of a path's parts that vary.
fn in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = describe();
        for route in ROUTES {
            let pointer = format!("/paths/{}/{}", route.path.replace('/', "~1"), route.method.word());
            assert!(document.pointer(&pointer).is_some(), "{pointer}");
        }
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
