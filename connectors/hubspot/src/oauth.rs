//! OAuth: an access token that is renewed ahead of its end, by one caller at a time.

use std::time::Duration;

use outflow_sdk::http::HttpResponse;
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::{Client, UNRESERVED, harmless};
use crate::config::OAuthSettings;

/// Credentials of an OAuth app and the access token they gave last.
pub(crate) struct OAuth {
    settings: OAuthSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    access: Option<Access>,
    /// The newest refresh token, when HubSpot gave another than the settings'.
    refresh_token: Option<Secret>,
}

struct Access {
    token: Secret,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default = "half_an_hour")]
    expires_in: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: Option<String>,
    status: Option<String>,
}

fn half_an_hour() -> u64 {
    1_800
}

impl OAuth {
    pub(crate) fn new(settings: OAuthSettings) -> Self {
        Self {
            settings,
            state: Mutex::default(),
        }
    }

    /// A token to send with. `refused` is the one HubSpot just answered with 401; if another caller
    /// has renewed it meanwhile, theirs is given.
    pub(crate) async fn token(
        &self,
        client: &Client,
        refused: Option<&Secret>,
    ) -> Result<Secret, ConnectorError> {
        // Held across the exchange: that is what makes everybody else wait for this renewal.
        let mut state = self.state.lock().await;
        if let Some(access) = &state.access {
            let is_refused = refused.is_some_and(|token| token.expose() == access.token.expose());
            if !is_refused && Instant::now() < access.renew_at {
                return Ok(access.token.clone());
            }
        }
        state.access = None;
        let grant = self.renew(client, &state).await?;
        if let Some(refresh_token) = grant.refresh_token {
            state.refresh_token = Some(Secret::new(refresh_token));
        }
        let token = Secret::new(grant.access_token);
        let lifetime = Duration::from_secs(grant.expires_in.min(86_400));
        state.access = Some(Access {
            token: token.clone(),
            renew_at: Instant::now() + lifetime.mul_f32(0.9),
        });
        Ok(token)
    }

    async fn renew(&self, client: &Client, state: &State) -> Result<Grant, ConnectorError> {
        let refresh_token = state
            .refresh_token
            .as_ref()
            .unwrap_or(&self.settings.refresh_token);
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.settings.client_id),
            ("client_secret", self.settings.client_secret.expose()),
            ("refresh_token", refresh_token.expose()),
        ]
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, UNRESERVED)))
        .join("&");
        let path = format!("{}/token", client.version.path("oauth"));
        let content_type = ("content-type", "application/x-www-form-urlencoded".to_owned());
        let response = client
            .exchange("POST", &path, vec![content_type], form.into())
            .await
            .map_err(harmless)?;
        match response.status {
            200..=299 => {
                let grant: Grant = client.expect(&response, "a new access token")?;
                if grant.access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    Ok(grant)
                } else {
                    Err(ConnectorError::new(
                        ErrorKind::Contract,
                        "hubspot_unexpected_answer",
                        "HubSpot gave an access token that cannot be sent",
                    ))
                }
            }
            400 | 401 | 403 => Err(refused(&response)),
            _ => Err(harmless(client.unusable(&response))),
        }
    }
}

fn refused(response: &HttpResponse) -> ConnectorError {
    let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    let (error, status) = (refusal.error.as_deref(), refusal.status.as_deref());
    let (code, message, hint) = match (error, status) {
        (Some("invalid_client"), _) | (_, Some("BAD_CLIENT_ID" | "BAD_CLIENT_SECRET")) => (
            "hubspot_oauth_client",
            "HubSpot does not accept the OAuth app's client_id and client_secret",
            "copy both again from the app's settings",
        ),
        (Some("access_denied"), _) | (_, Some("BAD_HUB")) => (
            "hubspot_oauth_account",
            "the HubSpot account that authorised the app is gone",
            "authorise the app in another account and set the new refresh_token",
        ),
        _ => (
            "hubspot_oauth_grant",
            "HubSpot no longer accepts the refresh token: the app was uninstalled or the grant revoked",
            "install the app in the account again and set the new refresh_token",
        ),
    };
    ConnectorError::new(ErrorKind::Auth, code, message).with_hint(hint)
}
