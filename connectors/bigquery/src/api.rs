//! The REST API: one call at a time, with the token in it, tried again where that is safe.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::http::{Exchange, HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::{ConnectorError, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::config::Settings;
use crate::failure::{Fault, Refusal};
use crate::token::Tokens;

/// Time for a call, besides what it asks the server to wait.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Pauses before a call that failed in passing is made again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
];
/// The longest pause a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What stays as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':');

/// The API of one source.
pub(crate) struct Api {
    pub(crate) settings: Settings,
    exchange: Arc<dyn Exchange>,
    /// None when nobody is to be named.
    pub(crate) tokens: Option<Tokens>,
}

/// One call.
pub(crate) struct Call {
    method: &'static str,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Bytes,
    wait: Duration,
}

impl Call {
    /// A GET of a path of segments.
    pub(crate) fn get(segments: &[&str]) -> Self {
        Self::new("GET", segments, Bytes::new())
    }

    /// A POST of JSON. It must be one that may be made twice.
    pub(crate) fn post(segments: &[&str], body: &Json) -> Self {
        Self::new("POST", segments, body.to_string().into())
    }

    fn new(method: &'static str, segments: &[&str], body: Bytes) -> Self {
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            path.push_str(&utf8_percent_encode(segment, PATH).to_string());
        }
        Self {
            method,
            path,
            query: Vec::new(),
            body,
            wait: Duration::ZERO,
        }
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a parameter if there is a value for it.
    pub(crate) fn maybe(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Lets the server wait so long before it answers.
    pub(crate) fn waiting(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self.with("timeoutMs", wait.as_millis().to_string())
    }
}

impl Api {
    /// An API over a network.
    pub(crate) fn new(settings: Settings, exchange: Arc<dyn Exchange>, tokens: Option<Tokens>) -> Self {
        Self {
            settings,
            exchange,
            tokens,
        }
    }

    /// Makes a call until it succeeds, fails for good, or has failed in passing too often; gives the
    /// answer's JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Fault> {
        self.read(call, |body| serde_json::from_slice(body).ok()).await
    }

    /// The same with another way to read the answer. An answer that cannot be read may have been cut: the
    /// call is made again.
    pub(crate) async fn read<T>(&self, call: &Call, read: impl Fn(&Bytes) -> Option<T>) -> Result<T, Fault> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let outcome = match self.once(call).await {
                Ok(answer) => {
                    read(&answer.body).ok_or(Fault::Malformed("is cut off or is not what BigQuery answers"))
                }
                Err(fault) => Err(fault),
            };
            let fault = match outcome {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            match fault.passing().and_then(|after| Some((after, pauses.next()?))) {
                Some((after, pause)) => {
                    tokio::time::sleep(jittered(pause).max(after.min(LONGEST_PAUSE))).await
                }
                None => return Err(fault),
            }
        }
    }

    /// Makes a call once; an access token that is refused is renewed, and the call made with the new one.
    pub(crate) async fn once(&self, call: &Call) -> Result<HttpResponse, Fault> {
        let answer = self.send(call).await?;
        match &self.tokens {
            Some(tokens) if answer.status == 401 => tokens.forget().await,
            _ => return settled(answer),
        }
        settled(self.send(call).await?)
    }

    async fn send(&self, call: &Call) -> Result<HttpResponse, Fault> {
        let mut url = format!("{}/bigquery/v2{}", self.settings.base_url, call.path);
        if !call.query.is_empty() {
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&call.query)
                .finish();
            url.push('?');
            url.push_str(&query);
        }
        self.exchange(call.method, url, call.body.clone(), call.wait)
            .await
    }

    /// One exchange with any of Google's APIs.
    pub(crate) async fn exchange(
        &self,
        method: &'static str,
        url: String,
        body: Bytes,
        wait: Duration,
    ) -> Result<HttpResponse, Fault> {
        let mut headers = Vec::with_capacity(2);
        if let Some(tokens) = &self.tokens {
            headers.push(("authorization", tokens.bearer().await.map_err(Fault::Token)?));
        }
        if method == "POST" {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let request = HttpRequest {
            method,
            url,
            headers,
            body,
            timeout: TIMEOUT + wait,
            max_answer: MAX_ANSWER,
        };
        self.exchange.exchange(request).await.map_err(Fault::Exchange)
    }
}

fn settled(answer: HttpResponse) -> Result<HttpResponse, Fault> {
    if answer.status == 200 {
        Ok(answer)
    } else {
        Err(Fault::Refused(Refusal::of(&answer)))
    }
}

/// Between three quarters and five quarters of a pause, so that many do not come back at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + 0.5 * rand::random::<f64>())
}

/// An error of ours.
pub(crate) fn internal(message: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Internal, "bigquery_reader", message)
}
