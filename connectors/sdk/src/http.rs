//! One HTTP exchange: the seam between connectors and the network.
//!
//! Connectors build an [`HttpRequest`] and interpret an [`HttpResponse`]; what carries it is an
//! [`Exchange`], so that tests can answer from a script and a simulation can lose packets.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::error::{ConnectorError, ErrorKind};

/// Largest answer, in bytes, that is read to a request that does not expect a large one.
pub const MAX_ANSWER: usize = 64 << 20;

/// A request as it goes out.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// Method.
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Headers; `authorization` belongs here and is never logged.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Bytes,
    /// Whole time allowed.
    pub timeout: Duration,
    /// Largest answer that is read, in bytes; [`MAX_ANSWER`] unless more is expected.
    pub max_answer: usize,
}

/// An answer as it came in.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

impl HttpResponse {
    /// A header by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// `Retry-After` in seconds, if given as a number.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds.min(86_400)))
    }
}

/// No answer came.
#[derive(Clone, Debug, Error)]
pub enum ExchangeError {
    /// Nothing left this machine: the request was not applied.
    #[error("cannot connect to {host}: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// Cause in a few words.
        reason: String,
    },
    /// Bytes may have been sent; the request may have been applied.
    #[error("no answer from {host}: {reason}")]
    Lost {
        /// Host and port.
        host: String,
        /// Cause in a few words.
        reason: String,
    },
    /// The request cannot be sent at all.
    #[error("request cannot be sent: {0}")]
    Invalid(String),
}

impl From<ExchangeError> for ConnectorError {
    fn from(error: ExchangeError) -> Self {
        let message = error.to_string();
        match error {
            ExchangeError::Unreachable { .. } => {
                ConnectorError::new(ErrorKind::Transient { after: None }, "unreachable", message)
                    .with_hint("check base_url, proxy and firewall; the run can simply be repeated")
            }
            ExchangeError::Lost { .. } => ConnectorError::new(ErrorKind::Ambiguous, "no_answer", message),
            ExchangeError::Invalid(_) => ConnectorError::config("invalid_request", message),
        }
    }
}

/// Carries one request and brings one answer.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// Performs the exchange once: no retry, no redirect.
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError>;
}

/// Bytes an answer is given at once when it says that it is so long; one that is longer gets more as it comes.
const ROOM: usize = 1 << 20;

/// The real network.
#[derive(Clone, Debug)]
pub struct Network {
    client: reqwest::Client,
}

impl Network {
    /// A client with connection reuse, system and built-in roots, and no redirects.
    ///
    /// # Errors
    /// `Config` when the TLS set-up of the machine cannot be used.
    pub fn new() -> Result<Self, ConnectorError> {
        // Installing twice is harmless: tests and the binary both come through here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("outflow/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| {
                ConnectorError::config(
                    "tls_setup",
                    format!("cannot set up HTTPS: {}", error.without_url()),
                )
            })?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Exchange for Network {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
        let url =
            reqwest::Url::parse(&request.url).map_err(|error| ExchangeError::Invalid(error.to_string()))?;
        let host = match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            _ => return Err(ExchangeError::Invalid("the address has no host".into())),
        };
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| ExchangeError::Invalid(error.to_string()))?;
        let mut builder = self
            .client
            .request(method, url)
            .timeout(request.timeout)
            .body(request.body);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let lost = |error: reqwest::Error| classify(error, &host);
        let mut response = builder.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let length = response.content_length().unwrap_or(0);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut body = BytesMut::with_capacity(length.min(request.max_answer).min(ROOM));
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > request.max_answer {
                return Err(ExchangeError::Lost {
                    host,
                    reason: format!("the answer is larger than {} bytes", request.max_answer),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse {
            status,
            headers,
            body: body.freeze(),
        })
    }
}

fn classify(error: reqwest::Error, host: &str) -> ExchangeError {
    let host = host.to_owned();
    if error.is_connect() {
        return ExchangeError::Unreachable {
            host,
            reason: innermost(&error),
        };
    }
    if error.is_builder() {
        return ExchangeError::Invalid(innermost(&error));
    }
    let reason = if error.is_timeout() {
        "timed out".into()
    } else {
        innermost(&error)
    };
    ExchangeError::Lost { host, reason }
}

/// The deepest cause: says `connection refused` and never repeats the URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// An exchange that reads so many bytes, with a server that answers 1,024.
    async fn answered(max_answer: usize) -> Result<HttpResponse, ExchangeError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4_096]).await;
            let body = "x".repeat(1_024);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        let request = HttpRequest {
            method: "GET",
            url: format!("http://127.0.0.1:{port}/"),
            headers: Vec::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(10),
            max_answer,
        };
        Network::new().unwrap().exchange(request).await
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_what_its_request_allows() {
        assert_eq!(answered(1_024).await.unwrap().body.len(), 1_024);
        let error = answered(1_023).await.unwrap_err();
        assert!(
            matches!(&error, ExchangeError::Lost { reason, .. } if reason.contains("is larger than")),
            "{error}"
        );
    }
}
