//! Whoever is told of trouble: a webhook that loses messages at times, before or after it read them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use outflow_sdk::http::{Exchange, ExchangeError, HttpRequest, HttpResponse};
use serde::Deserialize;

use super::trouble::What;
use super::world::World;

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Message {
    pub(super) sync: String,
    pub(super) trouble: String,
    pub(super) recovered: bool,
    pub(super) at: jiff::Timestamp,
}

pub(super) struct Post(pub(super) Arc<World>);

#[async_trait]
impl Exchange for Post {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
        self.0.wait(20..800).await;
        let mut around = self.0.lock();
        if around.hit("team", What::Lossy, 0.5) {
            return Ok(HttpResponse {
                status: 503,
                headers: Vec::new(),
                body: Bytes::new(),
            });
        }
        let message: Message = serde_json::from_slice(&request.body).unwrap();
        around.told.push(message);
        if around.hit("team", What::Lossy, 0.3) {
            return Err(ExchangeError::Lost {
                host: "team".into(),
                reason: "hung up".into(),
            });
        }
        Ok(HttpResponse {
            status: 204,
            headers: Vec::new(),
            body: Bytes::new(),
        })
    }
}
