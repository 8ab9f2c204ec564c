//! Who looks at a page, and whether they may.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::form::Form;
use super::render::Trouble;
use super::session::{self, SessionKey};
use crate::http::access::{self, Caller};
use crate::http::app::App;
use crate::http::refusal::Refusal;
use crate::project::Role;

/// Who looks at a page.
#[derive(Clone)]
pub(super) struct Visitor {
    /// The token's name.
    pub(super) name: String,
    pub(super) role: Role,
    /// The session, when there is one to end.
    pub(super) session: Option<SessionKey>,
    /// The seal of their forms.
    pub(super) seal: String,
}

impl Visitor {
    /// Whether they see buttons.
    pub(super) fn may_act(&self) -> bool {
        self.role >= Role::Operator
    }
}

/// Lets a visitor through who has at least this role; one nobody knows is asked to sign in.
pub(super) async fn guard(
    State((app, role)): State<(Arc<App>, Role)>,
    request: Request,
    next: Next,
) -> Response {
    let asks = request.method().is_safe();
    let refusal = match admit(&app, role, request.headers(), asks) {
        Ok(visitor) => match sealed(&app, &visitor, request).await {
            Ok(mut request) => {
                let caller = Caller(visitor.name.clone());
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(visitor);
                return next.run(request).await;
            }
            Err(refusal) => refusal,
        },
        Err(refusal) if asks && refusal.status() == StatusCode::UNAUTHORIZED => {
            return Redirect::to(&sign_in_first(request.uri().path())).into_response();
        }
        Err(refusal) => refusal,
    };
    app.metrics.refused(refusal.code());
    tracing::debug!(code = refusal.code(), "page refused");
    Trouble::from(refusal).into_response()
}

fn admit(app: &App, role: Role, headers: &HeaderMap, asks: bool) -> Result<Visitor, Refusal> {
    if !asks {
        access::from_here(headers)?;
    }
    let visitor = identify(app, headers)?;
    access::enough(visitor.role, role)?;
    Ok(visitor)
}

fn identify(app: &App, headers: &HeaderMap) -> Result<Visitor, Refusal> {
    let edition = app.handle.edition();
    let tokens = &edition.project.tokens;
    let session = session::presented(headers);
    let known = session.and_then(|key| {
        let digest = app.pages.sessions.token(&key, app.handle.clock.now_ms())?;
        let token = tokens.iter().find(|token| token.digest == digest)?;
        Some((key, token))
    });
    if let Some((key, token)) = known {
        return Ok(Visitor {
            name: token.name.clone(),
            role: token.role,
            session: Some(key),
            seal: app.pages.seals.seal(&key),
        });
    }
    let (Caller(name), role) = access::identify(tokens, app.loopback, headers)?;
    Ok(Visitor {
        seal: app.pages.seals.seal(bearer(&name).as_bytes()),
        name,
        role,
        session: None,
    })
}

/// Whose seal a visitor without a session has.
fn bearer(name: &str) -> String {
    format!("caller {name}")
}

/// A request that changes something comes from a form of ours; its fields are put with it.
async fn sealed(app: &App, visitor: &Visitor, request: Request) -> Result<Request, Refusal> {
    if request.method().is_safe() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let form = Form::read(body).await?;
    let fits = match &visitor.session {
        Some(key) => app.pages.seals.fits(key, form.seal()),
        None => app
            .pages
            .seals
            .fits(bearer(&visitor.name).as_bytes(), form.seal()),
    };
    if !fits {
        return Err(stale_form());
    }
    let mut request = Request::from_parts(parts, axum::body::Body::empty());
    request.extensions_mut().insert(form);
    Ok(request)
}

/// A form whose seal does not fit.
pub(super) fn stale_form() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "stale_form",
        "this form is out of date; go back, load the page again and repeat it",
    )
}

/// The sign-in form, which leads back to `path`.
fn sign_in_first(path: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if path != "/" && path != "/live" {
        query.append_pair("next", path);
    }
    match query.finish() {
        query if query.is_empty() => "/sign-in".into(),
        query => format!("/sign-in?{query}"),
    }
}
