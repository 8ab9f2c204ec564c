//! The REST routes: tokens, rows one request at a time, reads, entry events.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::server::{Answer, Asked};

use super::account::{Account, FiredEvent, Token};
use super::contacts;
use super::extension::Extension;
use super::faults::FaultKind;
use super::jobs;

const JSON: &str = "application/json; charset=utf-8";
const DOCUMENTATION: &str =
    "https://developer.salesforce.com/docs/atlas.en-us.mc-apis.meta/mc-apis/error-handling.htm";
/// Bytes of a synchronous request.
const MOST_BYTES: usize = 5_000_000;
/// Rows of a page that is asked for without a size, and of the largest.
const PAGE: (usize, usize) = (50, 2_500);

/// An answer before it goes on the wire.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Value,
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body }
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::new(self.status, JSON, self.body.to_string())
    }
}

/// An error as most routes write it.
pub(super) fn plain(status: StatusCode, code: i64, message: &str) -> Reply {
    Reply::new(
        status,
        json!({ "documentation": DOCUMENTATION, "errorcode": code, "message": message }),
    )
}

/// The answer to a token that is not or no longer good.
pub(super) fn unauthorized() -> Reply {
    plain(StatusCode::UNAUTHORIZED, 0, "Not Authorized")
}

/// `POST /v2/token`, JSON or a form.
pub(super) fn token(account: &Account, asked: &Asked) -> Answer {
    let refuse = |status, error: &str, description: &str| {
        let body = json!({
            "error": error, "error_description": description,
            "error_uri": "https://developer.salesforce.com/docs",
        });
        Reply::new(status, body).answer()
    };
    let content = asked
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let fields: Option<Map<String, Value>> = if content.starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(&asked.body);
        Some(
            pairs
                .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
                .collect(),
        )
    } else {
        serde_json::from_slice(&asked.body).ok()
    };
    let Some(fields) = fields else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The request body cannot be read.",
        );
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("grant_type") != "client_credentials" {
        return refuse(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "The grant type is not supported.",
        );
    }
    if text("client_id") != account.options.client_id
        || text("client_secret") != account.options.client_secret
    {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "Client authentication failed. Make sure that the client ID and client secret are valid and that the package is installed and enabled.",
        );
    }
    let unit = match fields.get("account_id") {
        None | Some(Value::Null) => Some(account.options.account_id),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let known =
        |unit: &u64| *unit == account.options.account_id || account.options.other_accounts.contains(unit);
    let Some(unit) = unit.filter(known) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "The account is not available to this client.",
        );
    };
    let host = asked
        .headers
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("127.0.0.1");
    let base = format!("http://{host}/");
    let life = account.options.token_life;
    let mut state = account.state();
    let value: String = (0..12).map(|_| state.uuid().replace('-', "")).collect();
    let until = account.desk.now_ms() + i64::try_from(life.as_millis()).unwrap_or(i64::MAX / 2);
    state.tokens.insert(value.clone(), Token { account: unit, until });
    state.tokens_given += 1;
    let body = json!({
        "access_token": value, "token_type": "Bearer", "expires_in": life.as_secs(),
        "scope": "data_extensions_read data_extensions_write list_and_subscribers_read journeys_execute",
        "soap_instance_url": base, "rest_instance_url": base,
    });
    Reply::new(StatusCode::OK, body).answer()
}

/// Answers a REST request.
pub(super) fn answer(account: &Account, asked: &Asked, fault: Option<&FaultKind>) -> Answer {
    let bearer = asked
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = bearer
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    match account.opened_by(token) {
        Some(unit) => route(account, unit, asked, fault).answer(),
        None => unauthorized().answer(),
    }
}

fn route(account: &Account, unit: u64, asked: &Asked, fault: Option<&FaultKind>) -> Reply {
    let path = percent_decode_str(asked.uri.path())
        .decode_utf8_lossy()
        .into_owned();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let folded: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
    let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
    let key = |at: usize| {
        let segment = segments.get(at).copied().unwrap_or_default();
        let is_key = segment
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("key:"));
        segment.get(4..).filter(|_| is_key).unwrap_or_default()
    };
    let query = |wanted: &str| {
        form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name.trim_start_matches('$').eq_ignore_ascii_case(wanted))
            .and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let is = |method: &Method| asked.method == *method;
    match folded.as_slice() {
        ["data", "v1", "async", "dataextensions", _, "rows"] if is(&Method::PUT) || is(&Method::POST) => {
            jobs::submit(account, unit, key(4), &asked.body, is(&Method::POST), fault)
        }
        ["data", "v1", "async", id, "status"] if is(&Method::GET) => jobs::status(account, id),
        ["data", "v1", "async", id, "results"] if is(&Method::GET) => {
            jobs::results(account, id, query("page").unwrap_or(1), fault)
        }
        ["hub", "v1", "dataevents", _, "rowset"] if is(&Method::POST) => {
            rowset(account, unit, key(3), &asked.body, fault)
        }
        ["data", "v1", "customobjectdata", "key", _, "rowset"] if is(&Method::GET) => {
            let size = query("pagesize").unwrap_or(PAGE.0).clamp(1, PAGE.1);
            read(
                account,
                unit,
                segments.get(4).copied().unwrap_or_default(),
                query("page").unwrap_or(1),
                size,
            )
        }
        ["contacts", "v1", "contacts", "actions", "delete"] if is(&Method::POST) => {
            contacts::delete(account, asked)
        }
        ["interaction", "v1", "events"] if is(&Method::POST) => event(account, &asked.body),
        _ => plain(StatusCode::NOT_FOUND, 404, "Not Found"),
    }
}

/// `POST /hub/v1/dataevents/key:{key}/rowset`: rows before the first bad one are stored, no other.
fn rowset(account: &Account, unit: u64, key: &str, body: &[u8], fault: Option<&FaultKind>) -> Reply {
    if body.len() > MOST_BYTES {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, 0, "The request is too large.");
    }
    if key.is_empty() {
        return plain(StatusCode::BAD_REQUEST, 10_001, "Parameter {guid} is invalid.");
    }
    let Ok(rows) = serde_json::from_slice::<Vec<Map<String, Value>>>(body) else {
        return plain(
            StatusCode::BAD_REQUEST,
            10_004,
            "The request body is not in the expected format.",
        );
    };
    let mut state = account.state();
    let Some(extension) = state.extension(unit, key) else {
        return plain(StatusCode::BAD_REQUEST, 10_001, "Parameter {key} is invalid.");
    };
    let failed = |errors: Vec<Value>, id: &str| {
        let mut body = json!({
            "message": format!("Unable to save rows for data extension ID {id}"),
            "errorcode": 10_006, "documentation": "",
        });
        if let (false, Some(body)) = (errors.is_empty(), body.as_object_mut()) {
            body.insert("additionalErrors".into(), errors.into());
        }
        Reply::new(StatusCode::BAD_REQUEST, body)
    };
    if matches!(fault, Some(FaultKind::Storage)) {
        return failed(Vec::new(), &extension.id);
    }
    let mut texts: Vec<String> = Vec::new();
    let has_null = |row: &Map<String, Value>| {
        let values = row.get("values").and_then(Value::as_object);
        values.is_some_and(|values| values.values().any(Value::is_null))
    };
    for row in &rows {
        match flat(extension, row) {
            Err(reply) => return reply,
            // Several integrators report that a null fails the call without a reason.
            Ok(_) if texts.is_empty() && has_null(row) => return failed(Vec::new(), &extension.id),
            Ok(row) if texts.is_empty() => {
                if let Err(text) = extension.put(&row, false) {
                    texts.push(text);
                }
            }
            // What else is wrong is told, though nothing after the first bad row is stored.
            Ok(row) => texts.extend(extension.clone().put(&row, false).err()),
        }
    }
    if texts.is_empty() {
        return Reply::new(StatusCode::OK, rows.into_iter().map(Value::Object).collect());
    }
    texts.dedup();
    let errors = texts
        .into_iter()
        .map(|message| json!({ "message": message, "errorcode": 10_000, "documentation": "" }));
    failed(errors.collect(), &extension.id)
}

/// The flat row of `{"keys": {…}, "values": {…}}`.
fn flat(extension: &Extension, row: &Map<String, Value>) -> Result<Map<String, Value>, Reply> {
    let part = |name: &str| row.get(name).and_then(Value::as_object);
    let shape = || {
        plain(
            StatusCode::BAD_REQUEST,
            10_004,
            "The request body is not in the expected format.",
        )
    };
    let (keys, values) = (part("keys").ok_or_else(shape)?, part("values").ok_or_else(shape)?);
    let is_primary = |name: &str| {
        let at = extension.column(name);
        at.and_then(|at| extension.columns.get(at))
            .is_some_and(|column| column.primary)
    };
    if let Some(name) = keys.keys().find(|name| !is_primary(name)) {
        let message = format!("Primary key '{name}' does not exist.");
        return Err(Reply::new(
            StatusCode::BAD_REQUEST,
            json!({ "message": message, "errorcode": 10_000, "documentation": "" }),
        ));
    }
    if !values.keys().any(|name| extension.column(name).is_some()) {
        let message = "At least one existing field is required in the values property";
        return Err(Reply::new(
            StatusCode::BAD_REQUEST,
            json!({
                "message": format!("Unable to save rows for data extension ID {}", extension.id),
                "errorcode": 10_006, "documentation": "",
                "additionalErrors": [{ "message": message, "errorcode": 10_000, "documentation": "" }],
            }),
        ));
    }
    let mut all = keys.clone();
    all.extend(values.clone());
    Ok(all)
}

/// `GET /data/v1/customobjectdata/key/{key}/rowset`: names in lower case, all values text.
fn read(account: &Account, unit: u64, key: &str, page: usize, size: usize) -> Reply {
    let mut state = account.state();
    let token = state.uuid();
    let Some(extension) = state.extension(unit, key) else {
        return plain(StatusCode::NOT_FOUND, 404, "Not Found");
    };
    let from = page.saturating_sub(1).saturating_mul(size);
    let items: Vec<Value> = extension
        .rows()
        .skip(from)
        .take(size)
        .map(|cells| {
            let (mut keys, mut values) = (Map::new(), Map::new());
            for (column, cell) in extension.columns.iter().zip(cells) {
                let into = if column.primary { &mut keys } else { &mut values };
                into.insert(column.name.to_lowercase(), cell.shown().into());
            }
            json!({ "keys": keys, "values": values })
        })
        .collect();
    let mut body = json!({
        "links": { "self": format!("/v1/customobjectdata/token/{token}/rowset?$page={page}") },
        "requestToken": token, "customObjectId": extension.id, "customObjectKey": extension.key,
        "pageSize": size, "page": page, "count": extension.count(), "top": 0,
    });
    if let (false, Some(body)) = (items.is_empty(), body.as_object_mut()) {
        body.insert("items".into(), items.into());
    }
    Reply::new(StatusCode::OK, body)
}

/// `POST /interaction/v1/events`.
fn event(account: &Account, body: &[u8]) -> Reply {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (contact_key, event_definition_key) = (text("ContactKey"), text("EventDefinitionKey"));
    let data = body.get("Data").cloned().unwrap_or_default();
    let mut state = account.state();
    let known = state.entry_sources.contains(&event_definition_key);
    if contact_key.is_empty() || !known || data.get("eventInstanceId").is_some() {
        return plain(StatusCode::BAD_REQUEST, 30_003, "The event cannot be fired.");
    }
    state.events.push(FiredEvent {
        contact_key,
        event_definition_key,
        data,
    });
    let id = state.uuid();
    Reply::new(StatusCode::CREATED, json!({ "eventInstanceId": id }))
}
