//! One request to the account, and its answer: sent again until there is one.

use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::http::{Exchange, HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::Value;

use crate::config::Settings;
use crate::failure::{Doing, no_answer, not_an_answer};
use crate::login;
use crate::wire::Answer;

/// Time for an answer to a query: the server lets go of a request after 45 s.
pub(crate) const QUERY: Duration = Duration::from_secs(90);
/// Time for any other answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);
/// Largest answer with rows, in bytes. Snowflake puts some 100 kB into one and the rest into files; where
/// there is no storage for files, a result comes whole.
pub(crate) const MAX_RESULT: usize = 256 << 20;
/// Pauses before a request that got no answer is sent again. Each may be: queries carry an id of ours, by
/// which the server knows one it has.
pub(crate) const PAUSES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// The longest pause a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A request to the account.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    pub(crate) timeout: Duration,
    pub(crate) max_answer: usize,
}

impl Call {
    pub(crate) fn post(path: &str, body: Value) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            parameters: vec![("requestId", uuid())],
            body,
            timeout: ANSWER,
            max_answer: MAX_ANSWER,
        }
    }

    pub(crate) fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            parameters: Vec::new(),
            body: Value::Null,
            timeout: QUERY,
            max_answer: MAX_RESULT,
        }
    }

    /// The request of one attempt.
    pub(crate) fn request(&self, base_url: &str, token: Option<&Secret>, attempt: usize) -> HttpRequest {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in &self.parameters {
            query.append_pair(key, value);
        }
        query.append_pair("request_guid", &uuid());
        if attempt > 0 {
            query.append_pair("retryCount", &attempt.to_string());
        }
        let separator = if self.path.contains('?') { '&' } else { '?' };
        let mut headers = vec![
            ("accept", "application/snowflake".to_owned()),
            ("CLIENT_APP_ID", login::CLIENT_APP_ID.to_owned()),
            ("CLIENT_APP_VERSION", login::CLIENT_APP_VERSION.to_owned()),
        ];
        if let Some(token) = token {
            headers.push(("authorization", format!("Snowflake Token=\"{}\"", token.expose())));
        }
        let body = if self.body.is_null() {
            Bytes::new()
        } else {
            headers.push(("content-type", "application/json".to_owned()));
            Bytes::from(self.body.to_string())
        };
        HttpRequest {
            method: self.method,
            url: format!("{base_url}{}{separator}{}", self.path, query.finish()),
            headers,
            body,
            timeout: self.timeout,
            max_answer: self.max_answer,
        }
    }
}

/// Sends a request until it is answered, four times at most.
pub(crate) async fn send(
    settings: &Settings,
    exchange: &dyn Exchange,
    call: &Call,
    token: Option<&Secret>,
    doing: Doing<'_>,
) -> Result<Answer, ConnectorError> {
    let mut pauses = PAUSES.into_iter();
    let mut attempt = 0;
    loop {
        let request = call.request(&settings.base_url, token, attempt);
        let (error, asked) = match exchange.exchange(request).await {
            Ok(response) => match understood(settings, &response, doing) {
                Ok(answer) => return Ok(answer),
                Err(error) => (error, response.retry_after()),
            },
            Err(error) => (no_answer(settings, doing, error), None),
        };
        // Where nothing listens, nothing will in a moment: once is enough.
        let hopeless = error.code == "unreachable" && attempt > 0;
        let pause = pauses.next().filter(|_| is_worth_a_try(&error) && !hopeless);
        let Some(pause) = pause else {
            return Err(error);
        };
        attempt += 1;
        let jitter = rand::random_range(0.5..1.0);
        tokio::time::sleep(
            pause
                .mul_f64(jitter)
                .max(asked.unwrap_or_default().min(LONGEST_PAUSE)),
        )
        .await;
    }
}

fn is_worth_a_try(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::Source { transient: true }
}

fn understood(
    settings: &Settings,
    response: &HttpResponse,
    doing: Doing<'_>,
) -> Result<Answer, ConnectorError> {
    let failed = || not_an_answer(settings, doing, response.status);
    if matches!(response.status, 408 | 429 | 500..=599) {
        return Err(failed());
    }
    let answer = Answer::parse(&response.body).ok_or_else(failed)?;
    // An error of the API has a code, whatever the status; anything else needs a 200 to be believed.
    if response.status == 200 || (!answer.success && answer.code.is_some()) {
        Ok(answer)
    } else {
        Err(failed())
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let random: u128 = rand::random();
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
