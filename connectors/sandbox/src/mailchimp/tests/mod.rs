//! The rules of the contract, each asked through real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod batches;
mod compliance;
mod faults;
mod fields;
mod groups;
mod kept;
mod limits;
mod members;
mod page;
mod subscribe;

use serde_json::{Value, json};

use super::{AUDIENCE, Options, Twin};

pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef-us1";

/// A path below the audience there is from the start.
pub(super) fn list(below: &str) -> String {
    format!("/lists/{AUDIENCE}{below}")
}

/// The path of a member.
pub(super) fn path(email: &str) -> String {
    list(&format!("/members/{}", id(email)))
}

/// The hash of an address.
pub(super) fn id(email: &str) -> String {
    super::member::hex(super::member::hash(email))
}

/// A twin and a client with its key.
pub(super) struct Bench {
    pub(super) twin: Twin,
    pub(super) client: reqwest::Client,
}

/// An answer with its headers.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, title and detail of a problem document.
    pub(super) fn problem(&self) -> (u16, &str, &str) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json; charset=utf-8"),
            "{}",
            self.text
        );
        assert_eq!(self.body["status"], self.status);
        assert_eq!(self.body["instance"].as_str(), self.header("x-request-id"));
        (
            self.status,
            self.body["title"].as_str().unwrap(),
            self.body["detail"].as_str().unwrap(),
        )
    }
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(super) async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let twin = Twin::start(options).await.unwrap();
        // No pool: a connection that was cut must not be offered to the next request.
        let client = reqwest::Client::builder()
            .tls_built_in_root_certs(false)
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { twin, client }
    }

    /// A request outside the API's space, without credentials.
    pub(super) fn outside(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.client
            .request(method, format!("{}{path}", self.twin.base_url()))
    }

    pub(super) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.outside(method, &format!("/3.0{path}"))
            .basic_auth("any", Some(KEY))
    }

    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Got {
            status,
            headers,
            text,
            body,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.send(self.request("GET", path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Got {
        self.send(self.request("DELETE", path)).await
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        self.send(self.request(method, path).json(&body)).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Got {
        self.call("POST", path, body).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Got {
        self.call("PUT", path, body).await
    }

    /// Adds a subscribed member with these merge fields.
    pub(super) async fn add(&self, email: &str, merge_fields: Value) -> Got {
        let body = json!({ "email_address": email, "status": "subscribed", "merge_fields": merge_fields });
        let got = self.post(&list("/members"), body).await;
        assert_eq!(got.status, 200, "{}", got.text);
        got
    }

    /// A control request of another process.
    pub(super) async fn control(&self, method: &str, path: &str, body: Value) -> Got {
        self.send(self.outside(method, &format!("/_twin/{path}")).json(&body))
            .await
    }
}
