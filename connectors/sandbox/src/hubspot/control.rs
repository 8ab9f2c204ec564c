//! The control paths of this twin alone, for other processes: `/_twin/…`.

use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::front::{Refused, done, missing, parse};
use crate::server::Asked;

use super::account::Account;
use super::options::Rate;

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
struct TokenBody {
    token: String,
}

/// Does what a control request asks for.
pub(super) fn control(account: &Account, asked: &Asked) -> Result<Value, Refused> {
    let now = account.desk.now_ms();
    match (asked.method.clone(), asked.uri.path()) {
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
        (_, path) => return Err(missing(path)),
    }
    Ok(done())
}
