//! The control paths outside the API's space, for other processes: `/_twin/…`.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::server::{Answer, Asked};

use super::account::Account;
use super::faults::Fault;
use super::options::Rate;
use crate::log::LoggedRequest;

const JSON: &str = "application/json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateBody {
    requests: u32,
    per_ms: u64,
    daily: Option<u64>,
    #[serde(default = "five")]
    search_per_second: u32,
}

fn five() -> u32 {
    5
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    advance_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    token: String,
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

fn control(account: &Account, asked: &Asked) -> Result<Value, Refused> {
    let now = account.clock.now_ms();
    match (asked.method.clone(), asked.uri.path()) {
        (Method::POST, "/_twin/faults") => {
            account.faults().push(parse::<Fault>(asked)?);
        }
        (Method::DELETE, "/_twin/faults") => account.faults().clear(),
        (Method::GET, "/_twin/requests") => {
            return Ok(account.log().all().iter().map(LoggedRequest::report).collect());
        }
        (Method::DELETE, "/_twin/requests") => account.log().clear(),
        (Method::POST, "/_twin/reset") => account.reset(),
        (Method::PUT, "/_twin/rate") => {
            let body: Option<RateBody> = parse(asked)?;
            let mut state = account.state();
            state.meter.set_rate(body.map(|body| Rate {
                requests: body.requests,
                per: Duration::from_millis(body.per_ms),
                daily: body.daily,
                search_per_second: body.search_per_second,
            }));
            state.meter.reset();
        }
        (Method::POST, "/_twin/clock") => {
            account
                .clock
                .advance(Duration::from_millis(parse::<ClockBody>(asked)?.advance_ms));
        }
        (Method::POST, "/_twin/tokens/expire") => {
            account
                .state()
                .credentials
                .expire(&parse::<TokenBody>(asked)?.token, now);
        }
        (Method::POST, "/_twin/grants/revoke") => {
            account
                .state()
                .credentials
                .revoke(&parse::<TokenBody>(asked)?.token);
        }
        (_, path) => return Err((StatusCode::NOT_FOUND, format!("no control at {path}"))),
    }
    Ok(json!({ "done": true }))
}
