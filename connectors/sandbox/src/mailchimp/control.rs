//! The control paths outside the API's space, for other processes: `/_twin/…`.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::log::LoggedRequest;
use crate::server::{Answer, Asked};

use super::account::Account;
use super::arrange::{self, ArrangeError, Deed};
use super::faults::Fault;
use super::merge_field::MergeField;

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
struct SecretBody {
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AudienceBody {
    name: String,
    /// Texts of marketing permissions its members are asked for.
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberBody {
    list_id: String,
    email_address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequiredBody {
    list_id: String,
    tag: String,
    required: bool,
}

/// Answers a control request.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    match control(account, asked) {
        Ok(body) => Answer::new(StatusCode::OK, JSON, body.to_string()),
        Err((status, message)) => Answer::new(status, JSON, json!({ "error": message }).to_string()),
    }
}

type Refused = (StatusCode, String);

fn parse<'a, T: Deserialize<'a>>(asked: &'a Asked) -> Result<T, Refused> {
    serde_json::from_slice(&asked.body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn refused(error: ArrangeError) -> Refused {
    (StatusCode::BAD_REQUEST, error.to_string())
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
        (Method::PUT, "/_twin/connections") => account.state().connections = parse(asked)?,
        (Method::PUT, "/_twin/latency") => {
            account.state().latency = Duration::from_millis(parse::<LatencyBody>(asked)?.ms);
        }
        (Method::POST, "/_twin/clock") => {
            account
                .clock
                .advance(Duration::from_millis(parse::<ClockBody>(asked)?.advance_ms));
        }
        (Method::POST, "/_twin/credentials/revoke") => {
            account
                .state()
                .credentials
                .revoke(&parse::<SecretBody>(asked)?.secret);
        }
        (Method::POST, "/_twin/audiences") => {
            let body: AudienceBody = parse(asked)?;
            let texts: Vec<&str> = body.permissions.iter().map(String::as_str).collect();
            let id = arrange::define_audience(account, &body.name, &texts);
            return Ok(json!({ "id": id }));
        }
        (Method::PUT, "/_twin/required") => {
            let body: RequiredBody = parse(asked)?;
            let require = |field: &mut MergeField| field.required = body.required;
            arrange::change_field(account, &body.list_id, &body.tag, require).map_err(refused)?;
        }
        (Method::POST, _) => {
            let deed = path
                .strip_prefix("/_twin/members/")
                .and_then(Deed::parse)
                .ok_or_else(|| missing(path))?;
            let body: MemberBody = parse(asked)?;
            arrange::act(account, &body.list_id, &body.email_address, deed).map_err(refused)?;
        }
        _ => return Err(missing(path)),
    }
    Ok(json!({ "done": true }))
}

fn missing(path: &str) -> Refused {
    (StatusCode::NOT_FOUND, format!("no control at {path}"))
}
