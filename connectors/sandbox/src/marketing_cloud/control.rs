//! The control paths outside the API's space, for other processes: `/_twin/…`.

use std::time::Duration;

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::log::LoggedRequest;
use crate::server::{Answer, Asked};

use super::account::Account;
use super::arrange;
use super::extension::{Column, ColumnType};
use super::faults::Fault;
use super::subscribers::Subscriber;

const JSON: &str = "application/json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    advance_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatencyBody {
    ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtensionBody {
    key: String,
    columns: Vec<ColumnBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnBody {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: Option<u32>,
    #[serde(default)]
    scale: u32,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    primary: bool,
}

type Refused = (StatusCode, String);

/// Answers a control request.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    match control(account, asked) {
        Ok(body) => Answer::new(StatusCode::OK, JSON, body.to_string()),
        Err((status, message)) => Answer::new(status, JSON, json!({ "error": message }).to_string()),
    }
}

fn parse<'a, T: Deserialize<'a>>(asked: &'a Asked) -> Result<T, Refused> {
    serde_json::from_slice(&asked.body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn control(account: &Account, asked: &Asked) -> Result<Value, Refused> {
    let path = asked.uri.path();
    match (asked.method.clone(), path) {
        (Method::POST, "/_twin/faults") => account.faults().push(parse::<Fault>(asked)?),
        (Method::DELETE, "/_twin/faults") => account.faults().clear(),
        (Method::GET, "/_twin/requests") => {
            return Ok(account.log().all().iter().map(LoggedRequest::report).collect());
        }
        (Method::DELETE, "/_twin/requests") => account.log().clear(),
        (Method::POST, "/_twin/reset") => account.reset(),
        (Method::PUT, "/_twin/latency") => {
            account.state().latency = Duration::from_millis(parse::<LatencyBody>(asked)?.ms);
        }
        (Method::POST, "/_twin/clock") => {
            account
                .clock
                .advance(Duration::from_millis(parse::<ClockBody>(asked)?.advance_ms));
        }
        (Method::POST, "/_twin/extensions") => {
            let body: ExtensionBody = parse(asked)?;
            let columns: Result<Vec<Column>, Refused> = body.columns.into_iter().map(column).collect();
            arrange::define(account, &body.key, columns?);
        }
        (Method::PUT, "/_twin/subscribers") => arrange::put_subscriber(account, parse::<Subscriber>(asked)?),
        (Method::GET, "/_twin/events") => {
            let state = account.state();
            return Ok(state
                .events
                .iter()
                .map(|event| json!({ "contact_key": event.contact_key, "event": event.event_definition_key, "data": event.data }))
                .collect());
        }
        (Method::GET, _) => {
            let key = path.strip_prefix("/_twin/rows/").ok_or_else(|| missing(path))?;
            return rows(account, &percent_decode_str(key).decode_utf8_lossy()).ok_or_else(|| missing(path));
        }
        _ => return Err(missing(path)),
    }
    Ok(json!({ "done": true }))
}

fn column(body: ColumnBody) -> Result<Column, Refused> {
    let kind = ColumnType::parse(&body.kind)
        .ok_or_else(|| (StatusCode::BAD_REQUEST, format!("no column type {}", body.kind)))?;
    Ok(Column {
        length: body.length,
        scale: body.scale,
        required: body.required || body.primary,
        primary: body.primary,
        ..Column::new(&body.name, kind)
    })
}

fn rows(account: &Account, key: &str) -> Option<Value> {
    let mut state = account.state();
    let extension = state.extension(account.options.account_id, key)?;
    let rows = extension.rows().map(|cells| {
        let shown = extension.columns.iter().zip(cells);
        Value::Object(
            shown
                .map(|(column, cell)| (column.name.clone(), cell.shown().into()))
                .collect::<Map<_, _>>(),
        )
    });
    Some(rows.collect())
}

fn missing(path: &str) -> Refused {
    (StatusCode::NOT_FOUND, format!("no control at {path}"))
}
