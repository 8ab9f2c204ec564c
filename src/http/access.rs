//! Who may call what.
//!
//! With `http.tokens` every caller but the health checks needs one, on loopback too. Without, only
//! this machine is served: the address must be a loopback one, and so must the name the caller used
//! for it, or any web page could reach us through a name of its own that leads here. A browser's
//! request that changes something must come from a page of ours.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::app::App;
use super::refusal::Refusal;
use crate::project::{ApiToken, Role};

/// Who calls, for the log and for whoever asks who paused a sync.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) String);

/// Lets a request through whose caller has at least this role.
pub(super) async fn guard(
    State((app, role)): State<(Arc<App>, Role)>,
    mut request: Request,
    next: Next,
) -> Response {
    let edition = app.handle.edition();
    match admit(
        &edition.project.tokens,
        app.loopback,
        role,
        request.method(),
        request.headers(),
    ) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => {
            app.metrics.refused(refusal.code());
            tracing::debug!(
                code = refusal.code(),
                path = request.uri().path(),
                "request refused"
            );
            refusal.into_response()
        }
    }
}

fn admit(
    tokens: &[ApiToken],
    loopback: bool,
    role: Role,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    if method != Method::GET {
        from_here(headers)?;
    }
    let (caller, granted) = identify(tokens, loopback, headers)?;
    enough(granted, role)?;
    Ok(caller)
}

/// Lets a request pass unless a browser says that another site's page sends it.
pub(super) fn from_here(headers: &HeaderMap) -> Result<(), Refusal> {
    if !foreign_page(headers) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "a web page of another origin may not change anything",
    ))
}

/// Whether a role suffices for what another is asked for.
pub(super) fn enough(granted: Role, needed: Role) -> Result<(), Refusal> {
    if granted >= needed {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "role",
        "the token's role may not do this",
    ))
}

/// Who calls by the token in the header, and in which role; without tokens, whoever is on this machine.
pub(super) fn identify(
    tokens: &[ApiToken],
    loopback: bool,
    headers: &HeaderMap,
) -> Result<(Caller, Role), Refusal> {
    if tokens.is_empty() {
        return open(loopback, headers).map(|caller| (caller, Role::Admin));
    }
    let presented = bearer(headers).ok_or_else(|| {
        Refusal::new(StatusCode::UNAUTHORIZED, "no_token", "a token is needed")
            .hint("send `Authorization: Bearer TOKEN`; tokens are in `http.tokens` of outflow.yaml")
    })?;
    let token = known(tokens, presented)?;
    Ok((Caller(token.name.clone()), token.role))
}

/// The token of this text.
pub(super) fn known<'t>(tokens: &'t [ApiToken], presented: &str) -> Result<&'t ApiToken, Refusal> {
    let digest = ApiToken::digest_of(presented);
    // Every token is compared, so that the time taken does not tell which one came near.
    let mut found = None;
    for token in tokens {
        if bool::from(token.digest.ct_eq(&digest)) {
            found = Some(token);
        }
    }
    found.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "wrong_token", "the token is not known"))
}

/// Without tokens: this machine alone.
fn open(loopback: bool, headers: &HeaderMap) -> Result<Caller, Refusal> {
    if !loopback {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "no_tokens",
            "no tokens are set, so only health is told on this address",
        )
        .hint("add `http: { tokens: … }` to outflow.yaml, or listen on 127.0.0.1"));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_none_or(is_local) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "foreign_host",
            "without tokens only localhost is a name for this address",
        ));
    }
    Ok(Caller("local".to_owned()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether a browser says that another site's page sends this.
fn foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = text("origin") else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != text("host")
}

/// Whether `host`, with or without a port, names this machine.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn token(name: &str, role: Role) -> ApiToken {
        ApiToken {
            name: name.to_owned(),
            role,
            digest: ApiToken::digest_of(&format!("{name}-token")),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn code(tokens: &[ApiToken], loopback: bool, role: Role, headers: &HeaderMap) -> String {
        match admit(tokens, loopback, role, &Method::GET, headers) {
            Ok(Caller(name)) => format!("{name} may"),
            Err(refusal) => format!("{} {}", refusal.status().as_u16(), refusal.code()),
        }
    }

    #[test]
    fn a_role_may_what_those_before_it_may() {
        let tokens = [
            token("eye", Role::Viewer),
            token("hand", Role::Operator),
            token("head", Role::Admin),
        ];
        let with = |name: &str| headers(&[("authorization", &format!("Bearer {name}-token"))]);
        for (name, role, expected) in [
            ("eye", Role::Viewer, "eye may"),
            ("eye", Role::Operator, "403 role"),
            ("hand", Role::Viewer, "hand may"),
            ("hand", Role::Operator, "hand may"),
            ("hand", Role::Admin, "403 role"),
            ("head", Role::Admin, "head may"),
            ("nobody", Role::Viewer, "401 wrong_token"),
        ] {
            assert_eq!(
                code(&tokens, true, role, &with(name)),
                expected,
                "{name} {role:?}"
            );
        }
        assert_eq!(
            code(&tokens, true, Role::Viewer, &HeaderMap::new()),
            "401 no_token"
        );
        let basic = headers(&[("authorization", "Basic eye-token")]);
        assert_eq!(code(&tokens, true, Role::Viewer, &basic), "401 no_token");
        let lower = headers(&[("authorization", "bearer eye-token")]);
        assert_eq!(code(&tokens, true, Role::Viewer, &lower), "eye may");
    }

    #[test]
    fn without_tokens_only_this_machine_is_served_under_its_own_name() {
        let host = |name: &str| headers(&[("host", name)]);
        for (name, loopback, expected) in [
            ("127.0.0.1:8321", true, "local may"),
            ("localhost:8321", true, "local may"),
            ("[::1]:8321", true, "local may"),
            ("rebound.example:8321", true, "403 foreign_host"),
            ("localhost.example", true, "403 foreign_host"),
            ("127.0.0.1:8321", false, "403 no_tokens"),
        ] {
            assert_eq!(code(&[], loopback, Role::Admin, &host(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let host = ("host", "localhost:8321");
        for (pairs, allowed) in [
            (vec![host], true),
            (vec![host, ("origin", "http://localhost:8321")], true),
            (vec![host, ("origin", "http://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "none")], true),
        ] {
            let admitted = admit(&[], true, Role::Admin, &Method::POST, &headers(&pairs));
            assert_eq!(admitted.is_ok(), allowed, "{pairs:?}");
        }
    }
}
