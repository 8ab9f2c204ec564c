//! What is told, and how one message is sent.

use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::http::{Exchange, HttpRequest, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use ring::hmac;
use serde_json::json;

use super::alarm::Change;
use super::mail;
use crate::project::{AlertTarget, AlertWay};

/// Time one message may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a target is sent about a change.
pub(super) fn text(target: &AlertTarget, change: &Change) -> String {
    match target.way {
        AlertWay::Slack { .. } => json!({ "text": change.line() }).to_string(),
        AlertWay::Webhook { .. } | AlertWay::Email(_) => {
            let mut document = serde_json::to_value(change).unwrap_or_default();
            if let Some(object) = document.as_object_mut() {
                object.insert("text".into(), change.line().into());
            }
            document.to_string()
        }
    }
}

/// How a message was taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// By everybody.
    All,
    /// By some; whom it did not reach, and why. Sending it again would reach the others twice.
    Partly(String),
}

/// Sends one message.
///
/// # Errors
/// Why it was not taken, in words that do not show the address.
pub async fn send(
    exchange: &dyn Exchange,
    target: &AlertTarget,
    text: &str,
    now_ms: i64,
) -> Result<Sent, String> {
    match &target.way {
        AlertWay::Slack { url } => post(exchange, url, None, text, now_ms).await,
        AlertWay::Webhook { url, secret } => post(exchange, url, secret.as_ref(), text, now_ms).await,
        AlertWay::Email(settings) => mail::send(settings, text, now_ms).await,
    }
}

async fn post(
    exchange: &dyn Exchange,
    url: &Secret,
    secret: Option<&Secret>,
    text: &str,
    now_ms: i64,
) -> Result<Sent, String> {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if let Some(secret) = secret {
        let timestamp = (now_ms / 1_000).to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let tag = hmac::sign(&key, format!("{timestamp}.{text}").as_bytes());
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        headers.push(("x-outflow-timestamp", timestamp));
        headers.push(("x-outflow-signature", format!("sha256={digits}")));
    }
    let request = HttpRequest {
        method: "POST",
        url: url.expose().to_owned(),
        headers,
        body: Bytes::copy_from_slice(text.as_bytes()),
        timeout: TIMEOUT,
        max_answer: MAX_ANSWER,
    };
    match exchange.exchange(request).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(Sent::All),
        Ok(answer) => Err(format!("it answered {}", answer.status)),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use async_trait::async_trait;
    use outflow_sdk::http::{ExchangeError, HttpResponse};

    use super::*;
    use crate::project::Trouble;

    #[derive(Default)]
    struct Wall {
        status: u16,
        seen: Mutex<Vec<HttpRequest>>,
    }

    #[async_trait]
    impl Exchange for Wall {
        async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
            self.seen.lock().unwrap().push(request);
            Ok(HttpResponse {
                status: self.status,
                headers: Vec::new(),
                body: Bytes::new(),
            })
        }
    }

    fn target(secret: Option<&str>) -> AlertTarget {
        let url = Secret::new("https://hooks.example/T0/secret-path");
        AlertTarget {
            name: "team".into(),
            way: match secret.map(Secret::new) {
                Some(secret) => AlertWay::Webhook {
                    url,
                    secret: Some(secret),
                },
                None => AlertWay::Slack { url },
            },
            on: Trouble::ALL.to_vec(),
            syncs: None,
        }
    }

    #[tokio::test]
    async fn a_message_is_signed_as_a_hook_expects_it() {
        let wall = Wall {
            status: 200,
            ..Wall::default()
        };
        let target = target(Some("k"));
        send(&wall, &target, "{\"a\":1}", 1_800_000_000_500)
            .await
            .unwrap();
        let seen = wall.seen.lock().unwrap();
        let header = |name: &str| {
            let found = seen[0].headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(header("x-outflow-timestamp"), Some("1800000000"));
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"k");
        let tag = hmac::sign(&key, b"1800000000.{\"a\":1}");
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            header("x-outflow-signature"),
            Some(format!("sha256={digits}").as_str())
        );
    }

    #[tokio::test]
    async fn a_refused_message_says_so_without_the_address() {
        let wall = Wall {
            status: 404,
            ..Wall::default()
        };
        let reason = send(&wall, &target(None), "{}", 0).await.unwrap_err();
        assert_eq!(reason, "it answered 404");
    }
}
