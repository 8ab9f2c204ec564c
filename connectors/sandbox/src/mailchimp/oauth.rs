//! `GET /oauth2/metadata`: where the account of an access token lives. At the vendor it has a host of its
//! own (`login.mailchimp.com`), since a token does not tell its data centre.

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::server::{Answer, Asked};

use super::account::Account;
use super::call::JSON;

/// Answers 200 in any case: a failure has to be looked for in the body.
pub(super) fn metadata(account: &Account, asked: &Asked) -> Answer {
    let header =
        |name: &hyper::header::HeaderName| asked.headers.get(name).and_then(|value| value.to_str().ok());
    if asked.method != Method::GET {
        let body = json!({ "error": "invalid_request", "error_description": "Only GET is supported." });
        return Answer::new(StatusCode::METHOD_NOT_ALLOWED, JSON, body.to_string());
    }
    // The scheme is `OAuth`, not `Bearer`.
    let token = header(&AUTHORIZATION).and_then(|text| text.strip_prefix("OAuth "));
    let known = token.is_some_and(|token| account.state().credentials.is_token(token.trim()));
    let body = if known {
        json!({
            "dc": account.options.data_center,
            "role": "owner",
            "accountname": "Sandbox",
            "user_id": 127_001,
            "login": {
                "email": "owner@sandbox.tld",
                "avatar": null,
                "login_id": 127_001,
                "login_name": "sandbox",
                "login_email": "owner@sandbox.tld",
            },
            "login_url": "https://login.mailchimp.com",
            "api_endpoint": format!("http://{}", header(&HOST).unwrap_or("127.0.0.1")),
        })
    } else {
        json!({ "error": "invalid_token", "error_description": "The access token is not valid." })
    };
    Answer::new(StatusCode::OK, JSON, body.to_string())
}
