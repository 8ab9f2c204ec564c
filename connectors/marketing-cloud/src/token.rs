//! The access token: taken with the client's credentials, renewed ahead of its end by one caller at a
//! time, and the addresses that come with it.

use std::time::Duration;

use outflow_sdk::http::{HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;
use tokio::time::Instant;

use crate::client::{Client, harmless};
use crate::status;

/// How long before its end a token is renewed. Marketing Cloud asks for one token per 20 minutes.
const AHEAD: Duration = Duration::from_secs(120);

/// Where Marketing Cloud's own addresses end.
const OWN: &str = ".marketingcloudapis.com";

/// A token with the addresses it opens.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) token: Secret,
    /// Base of REST requests, without a slash at the end.
    pub(crate) rest: String,
    /// Base of SOAP requests, without a slash at the end.
    pub(crate) soap: String,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    #[serde(default = "eighteen_minutes")]
    expires_in: u64,
    rest_instance_url: String,
    soap_instance_url: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: Option<String>,
}

fn eighteen_minutes() -> u64 {
    1_079
}

impl Client {
    /// The token in use. `refused` is one that was turned away: it is replaced, unless somebody else
    /// has done so meanwhile.
    ///
    /// # Errors
    /// `Auth` when the credentials are not accepted.
    pub(crate) async fn session(&self, refused: Option<&Secret>) -> Result<Session, ConnectorError> {
        // Held across the exchange: that is what makes everybody else wait for this renewal.
        let mut session = self.session.lock().await;
        if let Some(known) = session.as_ref() {
            let is_refused = refused.is_some_and(|token| token.expose() == known.token.expose());
            if !is_refused && Instant::now() < known.renew_at {
                return Ok(known.clone());
            }
        }
        *session = None;
        let renewed = self.renew().await?;
        *session = Some(renewed.clone());
        Ok(renewed)
    }

    async fn renew(&self) -> Result<Session, ConnectorError> {
        let mut body = serde_json::json!({
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.expose(),
        });
        if let Some(account) = &self.account_id {
            body["account_id"] = account.as_str().into();
        }
        let request = HttpRequest {
            method: "POST",
            url: format!("{}/v2/token", self.auth),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into(),
            timeout: self.timeout,
            max_answer: MAX_ANSWER,
        };
        let response = self
            .exchange
            .exchange(request)
            .await
            .map_err(|error| harmless(error.into()))?;
        match response.status {
            200..=299 => self.granted(&response),
            400 | 401 | 403 => Err(refused(&response)),
            _ => Err(harmless(status::classify(&response))),
        }
    }

    fn granted(&self, response: &HttpResponse) -> Result<Session, ConnectorError> {
        let unexpected = |message: &str| {
            ConnectorError::new(
                ErrorKind::Contract,
                "marketing_cloud_unexpected_answer",
                format!("Marketing Cloud's answer for an access token {message}"),
            )
            .with_hint("check that base_url leads to Marketing Cloud's authentication address")
        };
        let grant: Grant = serde_json::from_slice(&response.body)
            .map_err(|_| unexpected("is not what its documentation says"))?;
        let plain = |byte: u8| byte.is_ascii_graphic();
        if grant.access_token.is_empty() || !grant.access_token.bytes().all(plain) {
            return Err(unexpected("has a token that cannot be sent"));
        }
        let trusted = |url: &str| {
            self.trusts(url)
                .then(|| url.trim_end_matches('/').to_owned())
                .ok_or_else(|| unexpected("names an address that is not Marketing Cloud's own"))
        };
        let lifetime = Duration::from_secs(grant.expires_in.min(86_400));
        let lasts = lifetime.saturating_sub(AHEAD).max(lifetime / 2);
        Ok(Session {
            token: Secret::new(grant.access_token),
            rest: trusted(&grant.rest_instance_url)?,
            soap: trusted(&grant.soap_instance_url)?,
            renew_at: Instant::now() + lasts,
        })
    }

    /// Whether the token may be sent there: to Marketing Cloud, or to where the token came from.
    fn trusts(&self, url: &str) -> bool {
        let Some(host) = host(url) else { return false };
        if url.starts_with("https://") && host.ends_with(OWN) {
            return true;
        }
        let same_scheme = url.starts_with("https://") || self.auth.starts_with("http://");
        same_scheme && self::host(&self.auth) == Some(host)
    }
}

/// The host of an http address, without port. None where it has a user or is not plain.
fn host(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return None,
        None => authority,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (!host.is_empty() && host.bytes().all(plain)).then_some(host)
}

fn refused(response: &HttpResponse) -> ConnectorError {
    let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    let (code, message, hint) = match refusal.error.as_deref() {
        Some("invalid_client") => (
            "marketing_cloud_client",
            "Marketing Cloud does not accept the client_id and client_secret",
            "copy both again from the installed package's server-to-server component",
        ),
        Some("invalid_scope" | "unsupported_grant_type" | "unauthorized_client") => (
            "marketing_cloud_package",
            "the installed package is no server-to-server integration",
            "add an API integration component of that type to the package",
        ),
        _ => (
            "marketing_cloud_account",
            "Marketing Cloud gives this client no token for the business unit",
            "check account_id, and that the package is licensed for that business unit",
        ),
    };
    ConnectorError::new(ErrorKind::Auth, code, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_from_plain_addresses_alone() {
        assert_eq!(host("https://a.b-c.example:443/x"), Some("a.b-c.example"));
        assert_eq!(host("http://127.0.0.1:8080"), Some("127.0.0.1"));
        for bad in [
            "https://user@evil.example/",
            "ftp://x",
            "https://",
            "https://a b/",
            "https://a:x/",
            "x",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }
}
