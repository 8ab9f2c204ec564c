//! One exchange with HubSpot: address, credential, time allowed. No sleep, no retry, with one
//! exception: an answer 401 to an OAuth token is met by one refresh and one resend, since nothing
//! was applied and only the connector knows how to renew its credential.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use outflow_sdk::http::{Exchange, HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::{Settings, Version};
use crate::oauth::OAuth;
use crate::status;

/// What may stand as it is in a path segment or a form field.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A connection: where to send, and as whom.
pub(crate) struct Client {
    exchange: Arc<dyn Exchange>,
    base: String,
    pub(crate) version: Version,
    credential: Credential,
    timeout: Duration,
    account_key: String,
    account: OnceLock<Account>,
}

enum Credential {
    Token(Secret),
    OAuth(OAuth),
}

/// The account a credential belongs to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    pub(crate) portal_id: u64,
    #[serde(default)]
    pub(crate) time_zone: Option<String>,
    #[serde(default)]
    pub(crate) ui_domain: Option<String>,
}

impl Client {
    pub(crate) fn new(settings: Settings, exchange: Arc<dyn Exchange>) -> Result<Self, ConnectorError> {
        let base = settings.base_url.trim_end_matches('/').to_owned();
        let timeout = settings.timeout.0;
        let (identity, credential) = match (settings.token, settings.oauth) {
            (Some(token), _) => (token.expose().to_owned(), Credential::Token(token)),
            (None, Some(oauth)) => (
                format!("{}\n{}", oauth.client_id, oauth.refresh_token.expose()),
                Credential::OAuth(OAuth::new(oauth)),
            ),
            (None, None) => return Err(ConnectorError::config("hubspot_settings", "no credential")),
        };
        // 64 bits of a hash cannot be turned back into a credential several times as long.
        let account_key = format!(
            "hubspot:{:016x}",
            xxh3_64(format!("{base}\n{identity}").as_bytes())
        );
        Ok(Self {
            exchange,
            base,
            version: settings.version,
            credential,
            timeout,
            account_key,
            account: OnceLock::new(),
        })
    }

    pub(crate) fn account_key(&self) -> &str {
        &self.account_key
    }

    /// Sends once and returns whatever HubSpot answers.
    pub(crate) async fn call(
        &self,
        method: &'static str,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<HttpResponse, ConnectorError> {
        let oauth = match &self.credential {
            Credential::Token(token) => return self.send(method, path, content_type, body, token).await,
            Credential::OAuth(oauth) => oauth,
        };
        let token = oauth.token(self, None).await?;
        let response = self
            .send(method, path, content_type, body.clone(), &token)
            .await?;
        if response.status != 401 {
            return Ok(response);
        }
        let renewed = oauth.token(self, Some(&token)).await?;
        self.send(method, path, content_type, body, &renewed).await
    }

    async fn send(
        &self,
        method: &'static str,
        path: &str,
        content_type: &'static str,
        body: Bytes,
        token: &Secret,
    ) -> Result<HttpResponse, ConnectorError> {
        let authorization = format!("Bearer {}", token.expose());
        let headers = vec![
            ("authorization", authorization),
            ("content-type", content_type.to_owned()),
        ];
        let response = self.exchange(method, path, headers, body).await?;
        tracing::debug!(
            method,
            path,
            status = response.status,
            correlation = status::correlation(&response),
            "HubSpot answered"
        );
        Ok(response)
    }

    /// Sends without a credential; for the token endpoint.
    pub(crate) async fn exchange(
        &self,
        method: &'static str,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<HttpResponse, ConnectorError> {
        let request = HttpRequest {
            method,
            url: format!("{}{path}", self.base),
            headers,
            body,
            timeout: self.timeout,
            max_answer: MAX_ANSWER,
        };
        Ok(self.exchange.exchange(request).await?)
    }

    /// Reads; an answer that got lost does no harm and may be asked for again.
    pub(crate) async fn read(&self, path: &str) -> Result<HttpResponse, ConnectorError> {
        self.call("GET", path, "application/json", Bytes::new())
            .await
            .map_err(harmless)
    }

    /// The typed body of a successful read.
    pub(crate) fn expect<T: DeserializeOwned>(
        &self,
        response: &HttpResponse,
        what: &str,
    ) -> Result<T, ConnectorError> {
        if !(200..300).contains(&response.status) {
            return Err(self.unusable(response));
        }
        serde_json::from_slice(&response.body).map_err(|_| {
            ConnectorError::new(
                ErrorKind::Contract,
                "hubspot_unexpected_answer",
                format!("HubSpot's answer for {what} is not what its documentation says"),
            )
            .with_hint("check that base_url leads to HubSpot's API")
            .with_correlation(status::correlation(response).map(str::to_owned))
        })
    }

    /// What an answer outside 2xx means for the request as a whole.
    pub(crate) fn unusable(&self, response: &HttpResponse) -> ConnectorError {
        status::classify(response, self.time_zone(), Timestamp::now())
    }

    /// The account's time zone, once the account was asked for.
    pub(crate) fn time_zone(&self) -> Option<&str> {
        self.account
            .get()
            .and_then(|account| account.time_zone.as_deref())
    }

    /// The account behind the credential, asked for once.
    pub(crate) async fn account(&self) -> Result<&Account, ConnectorError> {
        if let Some(account) = self.account.get() {
            return Ok(account);
        }
        let path = format!("{}/details", self.version.path("account-info"));
        let response = self.read(&path).await?;
        let account: Account = self.expect(&response, "the account's details")?;
        Ok(self.account.get_or_init(|| account))
    }
}

/// Reading changes nothing, so a lost answer is a reason to try again and no more.
pub(crate) fn harmless(mut error: ConnectorError) -> ConnectorError {
    if error.kind == ErrorKind::Ambiguous {
        error.kind = ErrorKind::Transient { after: None };
    }
    error
}
