//! Access tokens by the client credentials grant (RFC 6749, 4.4).

use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::http::{Exchange, HttpRequest, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::config::OauthClient;

/// Time for the token endpoint's answer.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// A new access token.
///
/// # Errors
/// `Auth` when the client is refused; transient when its server cannot be reached or fails.
pub(crate) async fn access_token(
    exchange: &dyn Exchange,
    client: &OauthClient,
) -> Result<Secret, ConnectorError> {
    let request = HttpRequest {
        method: "POST",
        url: client.token_url.clone(),
        headers: vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("accept", "application/json".to_owned()),
        ],
        body: Bytes::from(form(client)),
        timeout: ANSWER,
        max_answer: MAX_ANSWER,
    };
    let transient = |message: String| {
        ConnectorError::new(
            ErrorKind::Source { transient: true },
            "oauth_unreachable",
            message,
        )
        .with_hint("check `token_url:` of the source's `oauth:`, and that its server runs")
    };
    let response = exchange
        .exchange(request)
        .await
        .map_err(|error| transient(format!("the OAuth server gave no token: {error}")))?;
    match response.status {
        200 => serde_json::from_slice::<Granted>(&response.body)
            .map(|granted| granted.access_token)
            .map_err(|_| {
                ConnectorError::new(
                    ErrorKind::Contract,
                    "oauth_answer",
                    "the OAuth server's answer has no access token in it",
                )
                .with_hint("check `token_url:` of the source's `oauth:`")
            }),
        400..=499 => {
            // The error code is one of a fixed list (RFC 6749, 5.2).
            let code = serde_json::from_slice::<Refused>(&response.body).map_or_else(
                |_| format!("HTTP {}", response.status),
                |refused| refused.error.chars().take(40).collect(),
            );
            Err(ConnectorError::new(
                ErrorKind::Auth,
                "oauth_refused",
                format!("the OAuth server refuses the client: {code}"),
            )
            .with_hint("check `client_id:`, `client_secret:` and `scope:` of the source's `oauth:`"))
        }
        status => Err(transient(format!(
            "the OAuth server gave no token: HTTP {status}"
        ))),
    }
}

fn form(client: &OauthClient) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client.client_id.expose())
        .append_pair("client_secret", client.client_secret.expose());
    if let Some(scope) = &client.scope {
        form.append_pair("scope", scope);
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::conformance::script::{Script, answer, lost};

    use super::*;

    fn client() -> OauthClient {
        OauthClient {
            token_url: "https://idp.example/token".into(),
            client_id: Secret::new("id"),
            client_secret: Secret::new("very&secret"),
            scope: Some("session:role:R".into()),
        }
    }

    #[tokio::test]
    async fn a_client_gets_a_token() {
        let script = Script::new();
        script.then(answer(200, r#"{"access_token":"a","token_type":"Bearer"}"#));
        assert_eq!(access_token(&script, &client()).await.unwrap().expose(), "a");
        let sent = script.take_requests();
        let body = String::from_utf8(sent[0].body.to_vec()).unwrap();
        assert_eq!(
            body,
            "grant_type=client_credentials&client_id=id&client_secret=very%26secret&scope=session%3Arole%3AR"
        );
    }

    #[tokio::test]
    async fn refusals_and_failures_are_told_apart() {
        let script = Script::new();
        script.then(answer(401, r#"{"error":"invalid_client"}"#));
        script.then(answer(503, "<html>"));
        script.then(answer(200, "<html>"));
        script.then_fail(lost());
        let mut codes = Vec::new();
        for _ in 0..4 {
            let error = access_token(&script, &client()).await.unwrap_err();
            assert!(!format!("{error:?}").contains("secret&"), "{error:?}");
            codes.push(error.code);
        }
        assert_eq!(
            codes,
            [
                "oauth_refused",
                "oauth_unreachable",
                "oauth_answer",
                "oauth_unreachable"
            ]
        );
    }
}
