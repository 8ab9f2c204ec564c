//! Signing in with a token, and out again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::form::Form;
use super::render::{self, Trouble};
use super::session;
use super::visitor::{Visitor, stale_form};
use crate::http::access;
use crate::http::app::App;

/// Whose seal the form has that nobody has signed in by.
const BEARER: &[u8] = b"sign in";

/// Where to go afterwards.
#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct SignIn<'a> {
    seal: String,
    next: &'a str,
    wrong: bool,
}

pub(super) async fn page(State(app): State<Arc<App>>, Query(query): Query<Next>) -> Response {
    if app.handle.edition().project.tokens.is_empty() {
        return Redirect::to("/").into_response();
    }
    show(&app, safe(&query.next), false)
}

fn show(app: &App, next: &str, wrong: bool) -> Response {
    let page = SignIn {
        seal: app.pages.seals.seal(BEARER),
        next,
        wrong,
    };
    let status = if wrong {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::OK
    };
    render::bare(status, "sign_in.html", "Sign in", &page)
}

pub(super) async fn enter(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    match opened(&app, &headers, body).await {
        Ok(response) => response,
        Err(trouble) => trouble.into_response(),
    }
}

async fn opened(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Trouble> {
    access::from_here(headers)?;
    let form = Form::read(body).await?;
    if !app.pages.seals.fits(BEARER, form.seal()) {
        return Err(stale_form().into());
    }
    let next = safe(form.field("next").unwrap_or_default());
    let edition = app.handle.edition();
    let token = match access::known(&edition.project.tokens, form.field("token").unwrap_or_default()) {
        Ok(token) => token,
        Err(refusal) => {
            app.metrics.refused(refusal.code());
            tracing::warn!("somebody tried to sign in with a token that is not known");
            return Ok(show(app, next, true));
        }
    };
    tracing::info!(by = token.name, "signed in");
    let id = app.pages.sessions.open(token.digest, app.handle.clock.now_ms());
    let cookie = [(header::SET_COOKIE, session::cookie(&id, headers))];
    Ok((cookie, Redirect::to(next)).into_response())
}

pub(super) async fn leave(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    if let Some(key) = &visitor.session {
        app.pages.sessions.close(key);
    }
    let cookie = [(header::SET_COOKIE, session::no_cookie(&headers))];
    (cookie, Redirect::to("/sign-in")).into_response()
}

/// A path of ours, or the first page: nobody is sent elsewhere by a link.
fn safe(next: &str) -> &str {
    let ours = next.starts_with('/')
        && next
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.'))
        && !next.starts_with("//");
    if ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        for path in ["/", "/syncs/a_b-1/rejects", "/runs/7"] {
            assert_eq!(safe(path), path);
        }
        for path in [
            "",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/a\r\nSet-Cookie: x",
            "javascript:alert(1)",
        ] {
            assert_eq!(safe(path), "/", "{path}");
        }
    }
}
