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

use super::answers::Taken;
use super::app::App;
use super::reading::Named;
use super::refusal::Refusal;
use super::signature;

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
    if !app.handle.hook(name, call.print, syncs.clone(), since_ms).await? {
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
