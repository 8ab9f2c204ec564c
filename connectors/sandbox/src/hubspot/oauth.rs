//! The OAuth endpoints: tokens from refresh tokens and codes, introspection, revocation.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::auth::{Exchanged, Refused};
use super::call::{Call, Handled, Reply, Version};
use super::errors::ApiError;

pub(super) fn handle(call: &Call<'_>) -> Handled {
    let rest: Vec<&str> = call.rest.iter().map(AsRef::as_ref).collect();
    match rest.as_slice() {
        ["token"] => post(call, token),
        ["token", "introspect"] if call.version != Version::V1 => post(call, introspect),
        ["token", "revoke"] if call.version != Version::V1 => post(call, revoke),
        ["access-tokens", secret] if call.version == Version::V1 => {
            if call.method != Method::GET {
                return Err(ApiError::no_method());
            }
            legacy_token(call, secret)
        }
        _ => Err(ApiError::no_route()),
    }
}

fn post(call: &Call<'_>, handler: impl Fn(&Call<'_>, &Form) -> Handled) -> Handled {
    if call.method != Method::POST {
        return Err(ApiError::no_method());
    }
    handler(call, &Form(call.form()?))
}

struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }
}

fn token(call: &Call<'_>, form: &Form) -> Handled {
    let hub_id = call.account.options.hub_id;
    let credentials = &mut call.account.state().credentials;
    let client = form.get("client_id");
    if let Err(refused) = credentials.client(client, form.get("client_secret")) {
        return Ok(refuse(refused));
    }
    let exchanged = match form.get("grant_type") {
        "refresh_token" => credentials.refresh(client, form.get("refresh_token"), call.now),
        "authorization_code" if form.get("redirect_uri").is_empty() => Err(Refused {
            status: "BAD_REDIRECT_URI",
            error: "invalid_request",
            message: "missing redirect uri",
        }),
        "authorization_code" => credentials.redeem(client, form.get("code"), call.now),
        _ => Err(Refused {
            status: "BAD_GRANT_TYPE",
            error: "unsupported_grant_type",
            message: "missing or unknown grant_type",
        }),
    };
    Ok(match exchanged {
        Ok(exchanged) => Reply::ok(&granted(&exchanged, call.version, hub_id)),
        Err(refused) => refuse(refused),
    })
}

fn granted(exchanged: &Exchanged, version: Version, hub_id: u64) -> Value {
    let mut body = json!({
        "token_type": "bearer",
        "access_token": exchanged.access_token,
        "refresh_token": exchanged.refresh_token,
        "expires_in": exchanged.expires_in,
    });
    if version != Version::V1
        && let Some(body) = body.as_object_mut()
    {
        body.insert("hub_id".into(), json!(hub_id));
        body.insert("scopes".into(), json!(exchanged.scopes));
        body.insert("token_use".into(), json!("access_token"));
    }
    body
}

fn refuse(refused: Refused) -> Reply {
    let body = json!({
        "status": refused.status,
        "message": refused.message,
        "error": refused.error,
        "error_description": refused.message,
    });
    Reply::json(StatusCode::BAD_REQUEST, &body)
}

fn introspect(call: &Call<'_>, form: &Form) -> Handled {
    let credentials = &call.account.state().credentials;
    if let Err(refused) = credentials.client(form.get("client_id"), form.get("client_secret")) {
        return Ok(refuse(refused));
    }
    Ok(Reply::ok(
        &match credentials.introspect(form.get("token"), call.now) {
            None => json!({ "active": false }),
            Some((scopes, client, left)) => json!({
                "active": true,
                "token_use": "access_token",
                "client_id": client,
                "hub_id": call.account.options.hub_id,
                "scopes": scopes,
                "expires_in": left,
            }),
        },
    ))
}

fn revoke(call: &Call<'_>, form: &Form) -> Handled {
    let credentials = &mut call.account.state().credentials;
    if let Err(refused) = credentials.client(form.get("client_id"), form.get("client_secret")) {
        return Ok(refuse(refused));
    }
    let token = form.get("token");
    if !credentials.revoke(token) {
        credentials.expire(token, call.now);
    }
    Ok(Reply {
        status: StatusCode::OK,
        body: b"{}".to_vec(),
    })
}

fn legacy_token(call: &Call<'_>, secret: &str) -> Handled {
    let credentials = &call.account.state().credentials;
    let Some((scopes, client, left)) = credentials.introspect(secret, call.now) else {
        return Err(ApiError::not_found());
    };
    Ok(Reply::ok(&json!({
        "token": secret,
        "hub_id": call.account.options.hub_id,
        "app_id": client,
        "scopes": scopes,
        "expires_in": left,
        "token_type": "access",
    })))
}
