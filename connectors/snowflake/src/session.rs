//! A session: logged in, renewed when its hour is over, ended when it is dropped, with its query aborted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use outflow_sdk::http::{Exchange, HttpRequest, HttpResponse};
use outflow_sdk::secret::Secret;
use outflow_sdk::tag::Tag;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::config::Settings;
use crate::failure::{Doing, astray, no_answer, not_an_answer};
use crate::login;
use crate::refusal::Refusal;
use crate::wire::{
    Answer, IN_PROGRESS, LoggedIn, Monitored, NOT_EXECUTING, QueryData, Renewed, SESSION_EXPIRED,
    SESSION_GONE,
};

/// Time for an answer to a query: the server lets go of a request after 45 s.
const QUERY: Duration = Duration::from_secs(90);
/// Time for any other answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Pauses before a request that got no answer is sent again. Each may be: queries carry an id of ours, by
/// which the server knows one it has.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// The longest pause a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Pauses before a running query is asked for again, where the server answers at once instead of holding
/// the request.
const POLLS: [Duration; 7] = [
    Duration::from_millis(500),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(1_500),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(5),
];
/// A session that nobody uses for four hours ends; a read may take longer than that.
const HEARTBEAT: Duration = Duration::from_secs(15 * 60);
/// Times a request is sent anew because its session had expired.
const RENEWALS: usize = 2;
/// Times an abort is repeated that came before its query.
const ABORTS: usize = 4;

/// A session with the account.
pub(crate) struct Session {
    line: Arc<Line>,
    runtime: Handle,
    /// Request id of the query that may be running.
    running: Mutex<Option<String>>,
    heartbeat: Mutex<Option<AbortHandle>>,
}

/// What a session's requests need.
struct Line {
    settings: Arc<Settings>,
    exchange: Arc<dyn Exchange>,
    tag: Option<Tag>,
    tokens: tokio::sync::Mutex<Tokens>,
    sequence: AtomicU64,
}

#[derive(Clone)]
struct Tokens {
    session: Secret,
    master: Option<Secret>,
    /// Counts renewals, so that of two requests that fail together one renews.
    generation: u64,
}

/// A request to the account.
struct Call {
    method: &'static str,
    path: String,
    parameters: Vec<(&'static str, String)>,
    body: Value,
    timeout: Duration,
}

impl Call {
    fn post(path: &str, body: Value) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            parameters: vec![("requestId", uuid())],
            body,
            timeout: ANSWER,
        }
    }

    fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            parameters: Vec::new(),
            body: Value::Null,
            timeout: QUERY,
        }
    }

    /// The request of one attempt.
    fn request(&self, base_url: &str, token: Option<&Secret>, attempt: usize) -> HttpRequest {
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
        }
    }
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// `Auth` when the credential is refused, `Config` when account, role, warehouse, database or schema are
    /// not there, transient ones when the server cannot be reached.
    pub(crate) async fn open(
        settings: &Arc<Settings>,
        exchange: &Arc<dyn Exchange>,
        tag: Option<Tag>,
    ) -> Result<Self, ConnectorError> {
        let tokens = log_in(settings, exchange.as_ref(), tag.as_ref(), 0).await?;
        Ok(Self {
            line: Arc::new(Line {
                settings: Arc::clone(settings),
                exchange: Arc::clone(exchange),
                tag,
                tokens: tokio::sync::Mutex::new(tokens),
                sequence: AtomicU64::new(0),
            }),
            runtime: Handle::current(),
            running: Mutex::new(None),
            heartbeat: Mutex::new(None),
        })
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.line.settings
    }

    /// Keeps the session alive for as long as it is held.
    pub(crate) fn keep_alive(&self) {
        let line = Arc::clone(&self.line);
        let task = self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(HEARTBEAT).await;
                // Whatever is wrong shows when the session is needed.
                let beat = Call::post("/session/heartbeat", Value::Null);
                let _ = line.call(&beat, Doing::Looking).await;
            }
        });
        if let Some(before) = lock(&self.heartbeat).replace(task.abort_handle()) {
            before.abort();
        }
    }

    /// Runs one statement, however long it takes, or lets the server say what it would give.
    ///
    /// # Errors
    /// Whatever the server says is wrong with it, and what keeps its answer from us.
    pub(crate) async fn run(
        &self,
        sql: &str,
        describe_only: bool,
        doing: Doing<'_>,
    ) -> Result<Answer, ConnectorError> {
        let sequence = self.line.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let mut call = Call::post(
            "/queries/v1/query-request",
            json!({
                "sqlText": sql,
                "asyncExec": false,
                "sequenceId": sequence,
                "describeOnly": describe_only,
            }),
        );
        call.timeout = QUERY;
        let request_id = call.parameters.first().map(|(_, id)| id.clone());
        *lock(&self.running) = request_id;
        let answer = self.line.call(&call, doing).await?;
        let answer = self.line.finished(answer, doing).await?;
        *lock(&self.running) = None;
        Ok(answer)
    }

    /// The result of a query once more, with links that are good for some hours again.
    ///
    /// # Errors
    /// As [`Session::run`]; the server keeps results for a day.
    pub(crate) async fn result(&self, query_id: &str, doing: Doing<'_>) -> Result<Answer, ConnectorError> {
        let call = Call::get(format!("/queries/{query_id}/result"));
        let answer = self.line.call(&call, doing).await?;
        self.line.finished(answer, doing).await
    }

    /// Bytes a query scanned, if the server tells.
    pub(crate) async fn bytes_scanned(&self, query_id: &str) -> Option<u64> {
        let mut call = Call::get(format!("/monitoring/queries/{query_id}"));
        call.timeout = ANSWER;
        let answer = self.line.call(&call, Doing::Looking).await.ok()?;
        let monitored: Monitored = answer.data()?;
        monitored.queries.first()?.stats.as_ref()?.scan_bytes
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(heartbeat) = lock(&self.heartbeat).take() {
            heartbeat.abort();
        }
        let running = lock(&self.running).take();
        let line = Arc::clone(&self.line);
        self.runtime.spawn(async move {
            if let Some(request_id) = running {
                line.abort(&request_id).await;
            }
            line.close().await;
        });
    }
}

impl Line {
    /// Sends a request with the session's token, and once more with a new one when that has expired.
    async fn call(&self, call: &Call, doing: Doing<'_>) -> Result<Answer, ConnectorError> {
        let mut renewals = 0;
        loop {
            let tokens = self.tokens.lock().await.clone();
            let answer = send(
                &self.settings,
                self.exchange.as_ref(),
                call,
                Some(&tokens.session),
                doing,
            )
            .await?;
            let expired = answer.code() == SESSION_EXPIRED;
            let gone = SESSION_GONE.contains(&answer.code());
            if !(expired || gone) || renewals == RENEWALS {
                return Ok(answer);
            }
            renewals += 1;
            self.renew(tokens.generation, expired).await?;
        }
    }

    /// New tokens in place of those of `generation`: by the master token, else by logging in again.
    async fn renew(&self, generation: u64, by_master: bool) -> Result<(), ConnectorError> {
        let mut tokens = self.tokens.lock().await;
        if tokens.generation != generation {
            return Ok(());
        }
        let renewed = match (&tokens.master, by_master) {
            (Some(master), true) => self.ask_for_tokens(master, &tokens.session).await,
            _ => None,
        };
        *tokens = match renewed {
            Some(renewed) => Tokens {
                session: renewed.session_token,
                master: renewed.master_token.or_else(|| tokens.master.clone()),
                generation: generation + 1,
            },
            None => {
                let tag = self.tag.as_ref();
                log_in(&self.settings, self.exchange.as_ref(), tag, generation + 1).await?
            }
        };
        Ok(())
    }

    async fn ask_for_tokens(&self, master: &Secret, session: &Secret) -> Option<Renewed> {
        let body = json!({"oldSessionToken": session.expose(), "requestType": "RENEW"});
        let call = Call::post("/session/token-request", body);
        let answer = send(
            &self.settings,
            self.exchange.as_ref(),
            &call,
            Some(master),
            Doing::Looking,
        )
        .await
        .ok()?;
        answer.success.then(|| answer.data())?
    }

    /// Waits until a query has ended.
    async fn finished(&self, mut answer: Answer, doing: Doing<'_>) -> Result<Answer, ConnectorError> {
        let mut polls = POLLS.into_iter();
        while IN_PROGRESS.contains(&answer.code()) {
            let path = answer
                .data::<QueryData<'_>>()
                .and_then(|data| self.own_path(data.get_result_url.as_deref()?))
                .ok_or_else(|| astray(&self.settings, doing, "no place to ask for the result"))?;
            let asked = Instant::now();
            answer = self.call(&Call::get(path), doing).await?;
            if IN_PROGRESS.contains(&answer.code()) && asked.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(polls.next().unwrap_or(POLLS[POLLS.len() - 1])).await;
            }
        }
        if answer.success {
            return Ok(answer);
        }
        let data = answer.data::<QueryData<'_>>();
        let (sql_state, query_id) = data
            .map(|data| (data.sql_state, data.query_id))
            .unwrap_or_default();
        let refusal = Refusal {
            code: answer.code(),
            sql_state: sql_state.as_deref().unwrap_or_default(),
            message: answer.message.as_deref().unwrap_or_default(),
            query_id,
        };
        Err(refusal.told(&self.settings, doing))
    }

    /// The path of an address at this account; the token goes nowhere else.
    fn own_path(&self, url: &str) -> Option<String> {
        let path = url.strip_prefix(&self.settings.base_url).unwrap_or(url);
        (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
    }

    async fn abort(&self, request_id: &str) {
        for _ in 0..ABORTS {
            let call = Call::post("/queries/v1/abort-request", json!({"requestId": request_id}));
            match self.call(&call, Doing::Looking).await {
                // The request to run it may still be on its way.
                Ok(answer) if answer.code() == NOT_EXECUTING => tokio::time::sleep(PAUSES[0]).await,
                _ => return,
            }
        }
    }

    async fn close(&self) {
        let mut call = Call::post("/session", Value::Null);
        call.parameters.push(("delete", "true".to_owned()));
        // Not renewed for this: a session that has ended has ended.
        let token = self.tokens.lock().await.session.clone();
        let request = call.request(&self.settings.base_url, Some(&token), 0);
        let _ = self.exchange.exchange(request).await;
    }
}

async fn log_in(
    settings: &Settings,
    exchange: &dyn Exchange,
    tag: Option<&Tag>,
    generation: u64,
) -> Result<Tokens, ConnectorError> {
    let body = login::body(settings, exchange, tag).await?;
    let mut call = Call::post("/session/v1/login-request", body);
    let place = login::query_string(settings);
    if !place.is_empty() {
        call.path = format!("{}?{place}", call.path);
    }
    let doing = Doing::LoggingIn;
    let answer = send(settings, exchange, &call, None, doing).await?;
    if !answer.success {
        let refusal = Refusal {
            code: answer.code(),
            sql_state: "",
            message: answer.message.as_deref().unwrap_or_default(),
            query_id: None,
        };
        return Err(refusal.told(settings, doing));
    }
    let logged_in: LoggedIn = answer
        .data()
        .ok_or_else(|| astray(settings, doing, "no session token"))?;
    Ok(Tokens {
        session: logged_in.token,
        master: logged_in.master_token,
        generation,
    })
}

/// Sends a request until it is answered, four times at most.
async fn send(
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
        let pause = pauses.next().filter(|_| is_worth_a_try(&error));
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let random: u128 = rand::random();
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
