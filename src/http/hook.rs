//! `POST /hooks/NAME`: a signed call from outside that starts syncs.
//!
//! The signature is the caller's proof, so no token is asked for. What is refused is counted and logged
//! without its content.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use serde_json::Value;
use serde_json::value::RawValue;

use super::answers::Taken;
use super::app::App;
use super::reading::Named;
use super::refusal::Refusal;
use super::signature;
use crate::daemon::HookedSync;
use crate::project::{Hook, Project};
use crate::sync::asked::AskedKeys;

/// Bytes of a call at most.
pub(super) const MOST_BYTES: usize = 256 << 10;

/// How long a call is told from its repetition, milliseconds: callers try again for hours, not months.
const REMEMBERED_MS: i64 = 30 * 86_400_000;

pub(super) async fn call(
    State(app): State<Arc<App>>,
    Named(name): Named,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match taken(&app, &name, &headers, body).await {
        Ok(answer) => {
            app.metrics.hook(answer.status);
            Json(answer).into_response()
        }
        Err(refusal) => {
            app.metrics.hook(refusal.code());
            tracing::warn!(code = refusal.code(), "a hook's call was refused");
            refusal.into_response()
        }
    }
}

async fn taken(app: &App, name: &str, headers: &HeaderMap, body: Body) -> Result<Taken, Refusal> {
    let edition = app.handle.edition();
    let hook = edition.project.hooks.iter().find(|hook| hook.name == name);
    let hook =
        hook.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "no_such_hook", "no hook has this name"))?;
    let body = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "hook_too_large",
            format!("a call is at most {MOST_BYTES} bytes long"),
        )
    })?;
    let now_ms = app.handle.clock.now_ms();
    let call = signature::check(hook, headers, &body, now_ms).map_err(|untrusted| {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            untrusted.code(),
            "the call is not trusted; the daemon's log says why",
        )
    })?;
    if !call.starts {
        return Ok(Taken {
            status: "ignored",
            syncs: Vec::new(),
        });
    }
    let syncs = hook.syncs.clone();
    let since_ms = now_ms - REMEMBERED_MS;
    let hooked = hooked(hook, &edition.project, &body)?;
    if !app.handle.hook(name, call.print, hooked, since_ms).await? {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "hook_replay",
            "this call was taken before",
        ));
    }
    Ok(Taken {
        status: "accepted",
        syncs,
    })
}

/// The syncs a call starts, for the row it names where the hook says where that is.
fn hooked(hook: &Hook, project: &Project, body: &[u8]) -> Result<Vec<HookedSync>, Refusal> {
    let columns_of = |sync: &String| project.sync(sync).map_or(&[][..], |spec| spec.key.as_slice());
    // The place a profile has of its own is for keys of one column; other syncs run as a whole.
    let names_row = |sync: &String| !hook.key.is_empty() && columns_of(sync).len() == hook.key.len();
    let key = match hook.syncs.iter().any(names_row) {
        true => Some(key_of(&hook.key, body)?),
        false => None,
    };
    let one = |sync: &String| {
        let columns = columns_of(sync);
        let keys = key.as_deref().filter(|_| names_row(sync));
        let keys = keys.map(|key| {
            let mut keys = AskedKeys::new(columns);
            keys.add_json(key)
                .map(|()| keys)
                .map_err(|bad| Refusal::bad_request("hook_key", format!("the key of the call {bad}")))
        });
        Ok(HookedSync {
            sync: sync.clone(),
            keys: keys.transpose()?,
        })
    };
    hook.syncs.iter().map(one).collect()
}

/// The parts of the key that a call names, as a JSON list.
fn key_of(pointers: &[String], body: &[u8]) -> Result<Box<RawValue>, Refusal> {
    let missing = || {
        Refusal::bad_request(
            "hook_no_key",
            "the call has no key where the hook's `key` says it is",
        )
    };
    let event: Value = serde_json::from_slice(body).map_err(|_| missing())?;
    let part = |pointer: &String| match event.pointer(pointer) {
        None | Some(Value::Null) => Err(missing()),
        // Its digits may be gone by now.
        Some(Value::Number(number)) if number.is_f64() => Err(Refusal::bad_request(
            "hook_key",
            "the key of the call is no whole number of 64 bits",
        )),
        Some(part) => Ok(part),
    };
    let parts: Result<Vec<&Value>, Refusal> = pointers.iter().map(part).collect();
    serde_json::value::to_raw_value(&parts?).map_err(|_| missing())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(pointers: &[&str], body: &str) -> String {
        let pointers: Vec<String> = pointers.iter().map(|one| (*one).to_owned()).collect();
        match key_of(&pointers, body.as_bytes()) {
            Ok(key) => key.get().to_owned(),
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    #[test]
    fn a_key_is_where_the_pointer_says_or_the_call_is_refused() {
        let event = r#"{"userId": "u-1", "user": {"id": 18446744073709551615}, "none": null, "far": 1e30}"#;
        for (pointers, expected) in [
            (&["/userId"][..], r#"["u-1"]"#),
            (&["/userId", "/user/id"], r#"["u-1",18446744073709551615]"#),
            (&["/anonymousId"], "hook_no_key"),
            (&["/none"], "hook_no_key"),
            (&["/userId", "/none"], "hook_no_key"),
            (&["/far"], "hook_key"),
        ] {
            assert_eq!(key(pointers, event), expected, "{pointers:?}");
        }
        assert_eq!(key(&["/userId"], "not json"), "hook_no_key");
    }
}
