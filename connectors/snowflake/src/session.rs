//! A session: logged in, renewed when its hour is over, ended when it is dropped, with its query aborted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outflow_sdk::ConnectorError;
use outflow_sdk::http::Exchange;
use outflow_sdk::secret::Secret;
use outflow_sdk::tag::Tag;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::call::{ANSWER, Call, MAX_RESULT, PAUSES, QUERY, send};
use crate::config::Settings;
use crate::failure::{Doing, astray};
use crate::login;
use crate::refusal::Refusal;
use crate::wire::{
    Answer, IN_PROGRESS, LoggedIn, Monitored, NOT_EXECUTING, Place, QueryData, Renewed, SESSION_EXPIRED,
    SESSION_GONE,
};

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
    /// Where it works.
    place: Place,
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
        let (tokens, place) = log_in(settings, exchange.as_ref(), tag.as_ref(), 0).await?;
        Ok(Self {
            line: Arc::new(Line {
                settings: Arc::clone(settings),
                exchange: Arc::clone(exchange),
                tag,
                tokens: tokio::sync::Mutex::new(tokens),
                sequence: AtomicU64::new(0),
            }),
            place,
            runtime: Handle::current(),
            running: Mutex::new(None),
            heartbeat: Mutex::new(None),
        })
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.line.settings
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
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
        call.max_answer = MAX_RESULT;
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
                log_in(&self.settings, self.exchange.as_ref(), tag, generation + 1)
                    .await?
                    .0
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
) -> Result<(Tokens, Place), ConnectorError> {
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
    let tokens = Tokens {
        session: logged_in.token,
        master: logged_in.master_token,
        generation,
    };
    Ok((tokens, logged_in.session_info.unwrap_or_default()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
