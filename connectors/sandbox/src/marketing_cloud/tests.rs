//! The rules of the contract, each asked through real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod deletion;
mod faults;
mod jobs;
mod kept;
mod rows;
mod schema;
mod subscribers;
mod values;

use std::time::Duration;

use serde_json::{Value, json};

use super::{Column, ColumnType, Options, Twin};

/// A job is not found for this long, and then takes as long: nothing ends by itself while a test runs.
pub(super) const JOB: Duration = Duration::from_secs(60);
pub(super) const ASYNC: &str = "/data/v1/async/dataextensions/key:people/rows";
pub(super) const ROWSET: &str = "/hub/v1/dataevents/key:people/rowset";
pub(super) const READ: &str = "/data/v1/customobjectdata/key/people/rowset";

/// A twin with a data extension `people`, a client and its token.
pub(super) struct Bench {
    pub(super) twin: Twin,
    client: reqwest::Client,
    pub(super) token: String,
}

/// An answer.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Got {
    /// Status, `errorcode` and `message` of an error.
    pub(super) fn error(&self) -> (u16, i64, &str) {
        (
            self.status,
            self.body["errorcode"].as_i64().unwrap(),
            self.body["message"].as_str().unwrap(),
        )
    }

    /// Texts of `additionalErrors`; none when there is no such member.
    pub(super) fn details(&self) -> Option<Vec<&str>> {
        let errors = self.body.get("additionalErrors")?.as_array().unwrap();
        let texts = errors.iter().map(|error| error["message"].as_str().unwrap());
        Some(texts.collect())
    }

    /// Texts of every element of this name, in their order.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(&self.text).unwrap();
        let found = document
            .descendants()
            .filter(|node| node.tag_name().name() == name);
        found
            .map(|node| node.text().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Columns of every type.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::new("Email", ColumnType::EmailAddress).primary(),
        Column::new("First", ColumnType::Text).length(5, 0),
        Column::new("Score", ColumnType::Number),
        Column::new("Spent", ColumnType::Decimal).length(6, 2),
        Column::new("Vip", ColumnType::Boolean),
        Column::new("Born", ColumnType::Date),
        Column::new("Phone", ColumnType::Phone),
        Column::new("Locale", ColumnType::Locale),
    ]
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(super) async fn with(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let twin = Twin::start(Options {
            unseen: JOB,
            running: JOB,
            ..options
        })
        .await
        .unwrap();
        twin.define("people", columns());
        let mut bench = Self::over(twin);
        bench.token = bench.token_of(7_281_234).await;
        bench
    }

    /// A client without a token over a twin as it is.
    pub(super) fn over(twin: Twin) -> Self {
        // No pool: a connection that was cut must not be offered to the next request.
        let client = reqwest::Client::builder()
            .tls_built_in_root_certs(false)
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self {
            twin,
            client,
            token: String::new(),
        }
    }

    pub(super) fn outside(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.client
            .request(method, format!("{}{path}", self.twin.base_url()))
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

    /// A token of a business unit.
    pub(super) async fn token_of(&self, unit: u64) -> String {
        let body = json!({
            "grant_type": "client_credentials", "client_id": "sandbox-client",
            "client_secret": "sandbox-secret", "account_id": unit,
        });
        let got = self.send(self.outside("POST", "/v2/token").json(&body)).await;
        got.body["access_token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.send(self.outside("GET", path).bearer_auth(&self.token))
            .await
    }

    pub(super) async fn write(&self, method: &str, path: &str, body: &Value) -> Got {
        let request = self.outside(method, path).bearer_auth(&self.token);
        self.send(request.json(body)).await
    }

    /// Sends a row through the synchronous route.
    pub(super) async fn put(&self, email: &str, values: Value) -> Got {
        let rows = json!([{ "keys": { "Email": email }, "values": values }]);
        self.write("POST", ROWSET, &rows).await
    }

    /// Submits rows and gives the job's id.
    pub(super) async fn submit(&self, method: &str, items: Value) -> String {
        let got = self.write(method, ASYNC, &json!({ "items": items })).await;
        assert_eq!((got.status, &got.body["resultMessages"]), (202, &json!([])));
        got.body["requestId"].as_str().unwrap().to_owned()
    }

    /// Lets a job end, and gives status and message of every result of a page.
    pub(super) async fn results(&self, job: &str, page: usize) -> Vec<(String, String)> {
        self.twin.advance_clock(JOB * 2);
        let got = self
            .get(&format!("/data/v1/async/{job}/results?page={page}"))
            .await;
        let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        let items = got.body["items"].as_array().unwrap().iter();
        items
            .map(|item| (text(item, "status"), text(item, "message")))
            .collect()
    }

    pub(super) async fn soap(&self, action: &str, body: &str) -> Got {
        let request = self.outside("POST", "/Service.asmx").header("soapaction", action);
        self.send(
            request
                .header("content-type", "text/xml")
                .body(self.envelope(body)),
        )
        .await
    }

    pub(super) fn envelope(&self, body: &str) -> String {
        format!(
            "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><Body>{body}</Body><Header>\
             <fueloauth xmlns=\"http://exacttarget.com\">{}</fueloauth></Header></Envelope>",
            self.token
        )
    }

    /// A value of a row as reads show it.
    pub(super) fn value(&self, email: &str, column: &str) -> Option<String> {
        self.twin.value("people", &[("Email", email)], column)
    }
}
