//! The rules of the contract, each asked through real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod batches;
mod columns;
mod definitions;
mod faults;
mod identity;
mod limits;
mod lists;
mod page;
mod records;
mod search;
mod values;

use serde_json::{Value, json};

use super::{Options, Twin};

pub(super) const BATCH_UPSERT: &str = "/crm/objects/2026-03/contacts/batch/upsert";
pub(super) const CONTACTS: &str = "/crm/objects/2026-03/contacts";

/// A twin and a client with its token.
pub(super) struct Bench {
    pub(super) twin: Twin,
    pub(super) client: reqwest::Client,
    pub(super) token: String,
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

    /// Results by e-mail address or name, since their order means nothing.
    pub(super) fn result(&self, id: &str) -> &Value {
        self.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .find(|result| result["id"] == id)
            .unwrap()
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
        Self {
            twin,
            client,
            token: "pat-na1-sandbox".into(),
        }
    }

    pub(super) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.client
            .request(method, format!("{}{path}", self.twin.base_url()))
            .bearer_auth(&self.token)
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

    /// Upserts by e-mail without trace ids.
    pub(super) async fn upsert(&self, rows: &[(&str, Value)]) -> Got {
        self.post(BATCH_UPSERT, json!({ "inputs": inputs(rows, false) }))
            .await
    }

    /// Upserts by e-mail with the position as trace id.
    pub(super) async fn upsert_traced(&self, rows: &[(&str, Value)]) -> Got {
        self.post(BATCH_UPSERT, json!({ "inputs": inputs(rows, true) }))
            .await
    }

    /// Waits for something that happens by itself.
    pub(super) async fn until(&self, happened: impl Fn(&Twin) -> bool) {
        while !happened(&self.twin) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    pub(super) fn put(&self, properties: &[(&str, &str)]) -> String {
        self.twin.put_record("contacts", properties).unwrap()
    }
}

fn inputs(rows: &[(&str, Value)], traced: bool) -> Vec<Value> {
    rows.iter()
        .enumerate()
        .map(|(position, (email, properties))| {
            let mut input = json!({ "idProperty": "email", "id": email, "properties": properties });
            if traced {
                input["objectWriteTraceId"] = json!(format!("row-{position}"));
            }
            input
        })
        .collect()
}

/// The property errors inside a message.
pub(super) fn embedded(message: &Value) -> Value {
    let text = message
        .as_str()
        .unwrap()
        .strip_prefix("Property values were not valid: ")
        .unwrap();
    serde_json::from_str(text).unwrap()
}
