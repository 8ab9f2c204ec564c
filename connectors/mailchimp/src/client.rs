//! One exchange with Mailchimp: address, credential, time allowed. No sleep, no retry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::http::{Exchange, HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::sync::OnceCell;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Settings;
use crate::status;

/// Where an OAuth token tells its data centre.
const METADATA: &str = "https://login.mailchimp.com/oauth2/metadata";
/// Most rows Mailchimp gives in one page.
const PAGE: usize = 1_000;
/// Pages after which a collection is taken for endless.
const MOST_PAGES: usize = 1_000;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// `text` as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A connection: where to send, and as whom.
pub(crate) struct Client {
    exchange: Arc<dyn Exchange>,
    base: OnceCell<String>,
    /// Why an API key does not tell where to send.
    key_fault: Option<ConnectorError>,
    credential: Secret,
    timeout: Duration,
    account_key: String,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    dc: Option<String>,
    #[serde(default)]
    error: Option<Json>,
}

impl Client {
    pub(crate) fn new(settings: &Settings, exchange: Arc<dyn Exchange>) -> Result<Self, ConnectorError> {
        let base = match (&settings.base_url, &settings.api_key) {
            (Some(given), _) => {
                let given = given.trim_end_matches('/');
                Some(given.strip_suffix("/3.0").unwrap_or(given).to_owned())
            }
            (None, Some(_)) => settings.data_centre().ok().map(address),
            (None, None) => None,
        };
        let key_fault = match &settings.api_key {
            Some(_) if base.is_none() => settings.data_centre().err(),
            _ => None,
        };
        let credential = match settings.api_key.as_ref().or(settings.access_token.as_ref()) {
            Some(credential) => credential.clone(),
            None => return Err(ConnectorError::config("mailchimp_settings", "no credential")),
        };
        // 64 bits of a hash cannot be turned back into a credential several times as long. The data
        // centre is part of the credential or found by it.
        let of = base.as_deref().unwrap_or(METADATA);
        let account_key = format!(
            "mailchimp:{:016x}",
            xxh3_64(format!("{of}\n{}", credential.expose()).as_bytes())
        );
        Ok(Self {
            exchange,
            base: OnceCell::new_with(base),
            key_fault,
            credential,
            timeout: settings.timeout.0,
            account_key,
        })
    }

    pub(crate) fn account_key(&self) -> &str {
        &self.account_key
    }

    /// Sends once and returns whatever Mailchimp answers. `path` begins with `/3.0`.
    pub(crate) async fn call(
        &self,
        method: &'static str,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<HttpResponse, ConnectorError> {
        let base = self.base.get_or_try_init(|| self.data_centre()).await?;
        let request = HttpRequest {
            method,
            url: format!("{base}{path}"),
            headers: vec![
                ("authorization", format!("Bearer {}", self.credential.expose())),
                ("content-type", content_type.to_owned()),
                ("accept", "application/json".to_owned()),
            ],
            body,
            timeout: self.timeout,
            max_answer: MAX_ANSWER,
        };
        let response = self.exchange.exchange(request).await?;
        tracing::debug!(
            method,
            status = response.status,
            correlation = response.header("x-request-id"),
            "Mailchimp answered"
        );
        Ok(response)
    }

    /// The address of an OAuth token's data centre.
    async fn data_centre(&self) -> Result<String, ConnectorError> {
        if let Some(fault) = &self.key_fault {
            return Err(fault.clone());
        }
        let request = HttpRequest {
            method: "GET",
            url: METADATA.to_owned(),
            headers: vec![("authorization", format!("OAuth {}", self.credential.expose()))],
            body: Bytes::new(),
            timeout: self.timeout,
            max_answer: MAX_ANSWER,
        };
        let response = self
            .exchange
            .exchange(request)
            .await
            .map_err(|error| harmless(error.into()))?;
        let told: Option<Metadata> = serde_json::from_slice(&response.body).ok();
        let refused = || {
            ConnectorError::new(
                ErrorKind::Auth,
                "mailchimp_oauth_token",
                "Mailchimp does not accept the OAuth access token",
            )
            .with_hint("authorise the app again and set the new `access_token`")
        };
        match (response.status, told) {
            // Refusals come with any status and are told in the body.
            (_, Some(Metadata { error: Some(_), .. })) => Err(refused()),
            (200..=299, Some(Metadata { dc: Some(centre), .. })) if is_data_centre(&centre) => {
                Ok(address(&centre))
            }
            (200..=299, _) => Err(harmless(status::unreadable(&response))),
            (400, _) => Err(refused()),
            _ => Err(harmless(status::classify(&response))),
        }
    }

    /// Reads; an answer that got lost does no harm and may be asked for again.
    pub(crate) async fn read(&self, path: &str) -> Result<HttpResponse, ConnectorError> {
        self.call("GET", path, "application/json", Bytes::new())
            .await
            .map_err(harmless)
    }

    /// The typed body of a successful answer.
    pub(crate) fn expect<T: DeserializeOwned>(
        &self,
        response: &HttpResponse,
        what: &str,
    ) -> Result<T, ConnectorError> {
        if !(200..300).contains(&response.status) {
            return Err(harmless(status::classify(response)));
        }
        serde_json::from_slice(&response.body).map_err(|_| unexpected(response, what))
    }

    /// All items of a collection, page by page. `path` may have a query.
    pub(crate) async fn collect<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        what: &str,
    ) -> Result<Vec<T>, ConnectorError> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = format!("{path}{joint}count={PAGE}&offset={}", items.len());
            let response = self.read(&page).await?;
            let mut body: serde_json::Map<String, Json> = self.expect(&response, what)?;
            let total = body.get("total_items").and_then(Json::as_u64);
            let read: Vec<T> = body
                .remove(key)
                .and_then(|page| serde_json::from_value(page).ok())
                .ok_or_else(|| unexpected(&response, what))?;
            let is_last = read.is_empty();
            items.extend(read);
            if is_last || total.is_none_or(|total| items.len() as u64 >= total) {
                return Ok(items);
            }
        }
        Err(ConnectorError::new(
            ErrorKind::Contract,
            "mailchimp_unexpected_answer",
            format!("Mailchimp's list of {what} has no end"),
        ))
    }
}

fn address(data_centre: &str) -> String {
    format!("https://{data_centre}.api.mailchimp.com")
}

fn is_data_centre(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty() && text.len() <= 16 && text.bytes().all(plain)
}

fn unexpected(response: &HttpResponse, what: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Contract,
        "mailchimp_unexpected_answer",
        format!("Mailchimp's answer for {what} is not what its documentation says"),
    )
    .with_hint("check that base_url leads to Mailchimp's API")
    .with_correlation(status::correlation(response))
}

/// Reading changes nothing, so a lost answer is a reason to try again and no more.
pub(crate) fn harmless(mut error: ConnectorError) -> ConnectorError {
    if error.kind == ErrorKind::Ambiguous {
        error.kind = ErrorKind::Transient { after: None };
    }
    error
}
