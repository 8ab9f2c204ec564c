//! The control paths of this twin alone, for other processes: `/_twin/…`.

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::front::{Refused, done, missing, parse};
use crate::server::Asked;

use super::account::Account;
use super::arrange;
use super::extension::{Column, ColumnType};
use super::subscribers::Subscriber;

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

/// Does what a control request asks for.
pub(super) fn control(account: &Account, asked: &Asked) -> Result<Value, Refused> {
    let path = asked.uri.path();
    match (asked.method.clone(), path) {
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
    Ok(done())
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
