//! `POST /api/v1/syncs/SYNC/rows`: some rows brought up to date at once, by their keys.
//!
//! What is wrong with a key is told by its place in the call, never by its value.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::Caller;
use super::app::App;
use super::control::{Trigger, followed, key};
use super::reading::{Named, Queried, understood};
use super::refusal::Refusal;
use crate::sync::asked::AskedKeys;

/// Most keys of a call.
const MOST_KEYS: usize = 1_000;

/// Bytes of a call at most.
const MOST_BYTES: usize = 256 << 10;

/// Rows that are to be brought up to date.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "describes what a call holds")]
pub(super) struct RowsAsked {
    /// Their keys, at most 1000: a text or number each, and for a key of several columns a list of its
    /// parts in the order of `key:`, or a map of them by column.
    #[schemars(schema_with = "keys_schema")]
    keys: Vec<serde_json::Value>,
}

fn keys_schema(_: &mut SchemaGenerator) -> Schema {
    let part = json_schema!({ "type": ["string", "number"] });
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_KEYS,
        "items": {
            "anyOf": [
                part.clone(),
                { "type": "array", "items": part.clone() },
                { "type": "object", "additionalProperties": part },
            ],
        },
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'b> {
    #[serde(borrow)]
    keys: Vec<&'b RawValue>,
}

pub(super) async fn rows(
    State(app): State<Arc<App>>,
    Named(sync): Named,
    Extension(Caller(by)): Extension<Caller>,
    query: Queried<Trigger>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let wait = understood(query)?.wait()?;
    let own_key = key(&headers)?;
    let edition = app.handle.edition();
    let spec = edition.project.sync(&sync).ok_or_else(Refusal::no_such_sync)?;
    let body = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("a call is at most {MOST_BYTES} bytes long"),
        )
    })?;
    let keys = asked(&spec.key, &body)?;
    let stage = match own_key {
        None => app.handle.rows(&sync, keys, &by).await?,
        Some(own_key) => {
            app.asked
                .run(&app.handle, &sync, Some(keys), &by, own_key)
                .await?
        }
    };
    Ok(followed(sync, stage, wait).await)
}

/// The keys of a call.
fn asked(columns: &[String], body: &[u8]) -> Result<AskedKeys, Refusal> {
    let call: Call<'_> = serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Refusal::bad_request("bad_body", format!("the body is not of its form at {place}"))
            .hint("send {\"keys\": [\u{2026}]}")
    })?;
    if call.keys.is_empty() || call.keys.len() > MOST_KEYS {
        return Err(Refusal::bad_request(
            "number_of_keys",
            format!(
                "a call has 1 to {MOST_KEYS} keys, and this one has {}",
                call.keys.len()
            ),
        ));
    }
    let mut keys = AskedKeys::new(columns);
    for (at, raw) in call.keys.into_iter().enumerate() {
        keys.add_json(raw).map_err(|bad| {
            Refusal::bad_request("bad_key", format!("keys[{at}] {bad}"))
                .hint(format!("the sync's key is {}", columns.join(", ")))
        })?;
    }
    if !keys.fit_one_run() {
        return Err(Refusal::bad_request(
            "number_of_keys",
            "the keys are too long for one run",
        ));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn code(columns: &[&str], body: &str) -> String {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        match asked(&columns, body.as_bytes()) {
            Ok(keys) => keys.len().to_string(),
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    #[test]
    fn a_call_holds_keys_of_the_syncs_own_shape_and_nothing_else() {
        let many = format!("{{\"keys\": [{}1]}}", "1,".repeat(1_000));
        for (body, expected) in [
            (r#"{"keys": [1, "a", 1, [2], {"id": 3}]}"#, "4"),
            (r#"{"keys": []}"#, "number_of_keys"),
            (many.as_str(), "number_of_keys"),
            (r#"{"keys": [null]}"#, "bad_key"),
            (r#"{"keys": [true]}"#, "bad_key"),
            (r#"{"keys": [[1, 2]]}"#, "bad_key"),
            (r#"{"keys": 1}"#, "bad_body"),
            (r#"{"keys": [1], "wait": true}"#, "bad_body"),
            (r#"{"keys": [1"#, "bad_body"),
            ("[1]", "bad_body"),
            ("", "bad_body"),
            ("\u{0}", "bad_body"),
        ] {
            assert_eq!(code(&["id"], body), expected, "{body}");
        }
        assert_eq!(
            code(&["a", "b"], r#"{"keys": [[1, "x"], {"b": "x", "a": 1}]}"#),
            "1"
        );
        assert_eq!(code(&["a", "b"], r#"{"keys": [1]}"#), "bad_key");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place_and_not_by_its_value() {
        let body = r#"{"keys": ["ann@example.com", ["bob@example.com", 1]]}"#;
        let refusal = asked(&["email".to_owned()], body.as_bytes()).unwrap_err();
        let text = serde_json::to_string(&refusal).unwrap();
        assert!(
            text.contains("keys[1]") && !text.contains("example.com"),
            "{text}"
        );
    }
}
