//! A connection: one exchange, with the token that opens it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::http::{Exchange, HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Settings;
use crate::soap::{self, Element};
use crate::status;
use crate::token::Session;

/// Path of all SOAP requests.
pub(crate) const SOAP_PATH: &str = "/Service.asmx";

/// Content type of all SOAP requests.
pub(crate) const SOAP_TYPE: &str = "text/xml; charset=utf-8";

/// Pages after which a list is taken for endless.
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

/// A connection to one business unit.
pub(crate) struct Client {
    pub(crate) exchange: Arc<dyn Exchange>,
    /// Where tokens come from, without a slash at the end.
    pub(crate) auth: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) account_id: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) session: Mutex<Option<Session>>,
    account_key: String,
}

impl Client {
    pub(crate) fn new(settings: Settings, exchange: Arc<dyn Exchange>) -> Self {
        let auth = settings.auth_base();
        let account_id = settings.account_id.map(|id| id.0);
        // Throttling is the tenant's and the business unit's, whichever client asks.
        let unit = account_id.as_deref().unwrap_or(&settings.client_id);
        let account_key = format!(
            "marketing_cloud:{:016x}",
            xxh3_64(format!("{auth}\n{unit}").as_bytes())
        );
        Self {
            exchange,
            auth,
            client_id: settings.client_id,
            client_secret: settings.client_secret,
            account_id,
            timeout: settings.timeout.0,
            session: Mutex::default(),
            account_key,
        }
    }

    pub(crate) fn account_key(&self) -> &str {
        &self.account_key
    }

    /// Sends a REST request once and returns whatever is answered; a token that was refused is renewed
    /// once.
    pub(crate) async fn rest(
        &self,
        method: &'static str,
        path: &str,
        body: Bytes,
    ) -> Result<HttpResponse, ConnectorError> {
        let session = self.session(None).await?;
        let response = self.send_rest(&session, method, path, body.clone()).await?;
        if response.status != 401 {
            return Ok(response);
        }
        let renewed = self.session(Some(&session.token)).await?;
        self.send_rest(&renewed, method, path, body).await
    }

    async fn send_rest(
        &self,
        session: &Session,
        method: &'static str,
        path: &str,
        body: Bytes,
    ) -> Result<HttpResponse, ConnectorError> {
        let headers = vec![
            ("authorization", format!("Bearer {}", session.token.expose())),
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        self.send(method, format!("{}{path}", session.rest), headers, body)
            .await
    }

    /// Sends a SOAP body once and returns whatever is answered; a token that has expired is renewed
    /// once.
    pub(crate) async fn soap(&self, action: &str, body: &str) -> Result<HttpResponse, ConnectorError> {
        let session = self.session(None).await?;
        let response = self.send_soap(&session, action, body).await?;
        if !status::is_expired(&response) {
            return Ok(response);
        }
        let renewed = self.session(Some(&session.token)).await?;
        self.send_soap(&renewed, action, body).await
    }

    async fn send_soap(
        &self,
        session: &Session,
        action: &str,
        body: &str,
    ) -> Result<HttpResponse, ConnectorError> {
        let headers = vec![
            ("content-type", SOAP_TYPE.to_owned()),
            ("soapaction", action.to_owned()),
        ];
        let envelope = soap::envelope(&session.token, body);
        self.send(
            "POST",
            format!("{}{SOAP_PATH}", session.soap),
            headers,
            envelope.into(),
        )
        .await
    }

    async fn send(
        &self,
        method: &'static str,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<HttpResponse, ConnectorError> {
        let request = HttpRequest {
            method,
            url,
            headers,
            body,
            timeout: self.timeout,
            max_answer: MAX_ANSWER,
        };
        let response = self.exchange.exchange(request).await?;
        tracing::debug!(method, status = response.status, "Marketing Cloud answered");
        Ok(response)
    }

    /// All objects of a type whose property equals a value.
    ///
    /// # Errors
    /// As the exchange went, `Contract` when the answer is none.
    pub(crate) async fn retrieve(
        &self,
        object: &str,
        properties: &[&str],
        property: &str,
        value: &str,
    ) -> Result<Vec<Element>, ConnectorError> {
        let first = soap::retrieve(object, properties, property, &[value]);
        self.retrieve_all(object, first).await
    }

    /// All objects a retrieve request asks for, page by page.
    ///
    /// # Errors
    /// As the exchange went, `Contract` when the answer is none.
    pub(crate) async fn retrieve_all(
        &self,
        object: &str,
        first: String,
    ) -> Result<Vec<Element>, ConnectorError> {
        let mut found = Vec::new();
        let mut request = first;
        for _ in 0..MOST_PAGES {
            let response = self.soap("Retrieve", &request).await.map_err(harmless)?;
            let mut message = status::message(&response, "RetrieveResponseMsg").map_err(harmless)?;
            let overall = message.text_of("OverallStatus").unwrap_or_default().to_owned();
            let more = message.text_of("RequestID").map(str::to_owned);
            if overall != "OK" && overall != "MoreDataAvailable" {
                return Err(ConnectorError::new(
                    ErrorKind::Contract,
                    "marketing_cloud_retrieve",
                    format!("Marketing Cloud does not give the {object} objects that were asked for"),
                )
                .with_hint(if object == "Subscriber" {
                    "give the installed package the scope list_and_subscribers_read"
                } else {
                    "check that the installed package may read data extensions"
                }));
            }
            message.children.retain(|child| child.name == "Results");
            found.append(&mut message.children);
            match (overall.as_str(), more) {
                ("MoreDataAvailable", Some(id)) => request = soap::retrieve_more(object, &id),
                _ => return Ok(found),
            }
        }
        Err(ConnectorError::new(
            ErrorKind::Contract,
            "marketing_cloud_retrieve",
            format!("Marketing Cloud's list of {object} objects has no end"),
        ))
    }
}

/// Reading changes nothing, so a lost answer is a reason to try again and no more.
pub(crate) fn harmless(mut error: ConnectorError) -> ConnectorError {
    if error.kind == ErrorKind::Ambiguous {
        error.kind = ErrorKind::Transient { after: None };
    }
    error
}
