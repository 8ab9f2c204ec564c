//! What stands around every vendor's API: the log and the queue of faults, the page for people, and the
//! control paths for other processes.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::faults::{Fault, Queue};
use crate::log::{Log, LoggedRequest};
use crate::server::{Answer, Asked, Ending, Service};

const JSON: &str = "application/json";

/// The clock, the log and the faults of one twin.
#[derive(Debug)]
pub(crate) struct Desk<K> {
    clock: Clock,
    started: i64,
    log: Mutex<Log>,
    faults: Mutex<Queue<K>>,
}

impl<K: Clone> Desk<K> {
    /// A desk that keeps so many requests, and so many bytes of each.
    pub(crate) fn new(requests: usize, body_bytes: usize) -> Self {
        let clock = Clock::default();
        Self {
            started: clock.now_ms(),
            log: Mutex::new(Log::new(requests, body_bytes)),
            faults: Mutex::new(Queue::default()),
            clock,
        }
    }

    /// Milliseconds since 1970, by the twin's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// When the twin started.
    pub(crate) fn started(&self) -> i64 {
        self.started
    }

    /// Moves the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Queue<K>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_start(&self) -> u64 {
        u64::try_from(self.now_ms() - self.started).unwrap_or_default()
    }
}

/// Why a control request is refused.
pub(crate) type Refused = (StatusCode, String);

/// A vendor's API behind the front.
pub(crate) trait Vendor: Send + Sync + 'static {
    /// What can happen to a request.
    type Fault: Clone + DeserializeOwned + Send + Sync;

    /// Whether a request whose client went away before anything was done is carried out all the same, and
    /// counts among the simultaneous ones until it is.
    const OUTLIVES_CLIENT: bool;

    fn desk(&self) -> &Desk<Self::Fault>;

    /// A fault's name in the log.
    fn fault_name(fault: &Self::Fault) -> &'static str;

    /// Forgets everything but the settings.
    fn reset(&self);

    /// Changes the time every request waits.
    fn set_latency(&self, latency: Duration);

    /// The page for people.
    fn page(&self, asked: &Asked) -> Answer;

    /// A request outside the API and the front, such as for a file that an answer linked to.
    fn beside(&self, _asked: &Asked) -> Option<Answer> {
        None
    }

    /// Does what a control request asks for that is this vendor's alone.
    ///
    /// # Errors
    /// Status and text of a refusal; [`missing`] when there is no such path.
    fn control(&self, asked: &Asked) -> Result<Value, Refused>;

    /// Most requests that are answered at once.
    fn limit(&self) -> usize {
        usize::MAX
    }

    /// The answer to a request too many, which no fault hits.
    fn crowded(&self) -> Answer {
        Answer::cut()
    }

    /// Answers a request to the API.
    fn answer(&self, asked: &Asked, fault: Option<Self::Fault>) -> impl Future<Output = Answer> + Send;
}

/// What the server calls.
pub(crate) struct Front<V>(pub(crate) Arc<V>);

impl<V: Vendor> Service for Front<V> {
    async fn answer(&self, asked: Asked) -> Answer {
        let vendor = Arc::clone(&self.0);
        let path = asked.uri.path();
        if path.starts_with("/_twin/") {
            return controlled(&*vendor, &asked);
        }
        if path == "/" {
            return vendor.page(&asked);
        }
        if let Some(answer) = vendor.beside(&asked) {
            return answer;
        }
        if !V::OUTLIVES_CLIENT {
            return serve(vendor, asked).await;
        }
        // In a task of its own, which goes on without its client.
        match tokio::spawn(serve(vendor, asked)).await {
            Ok(answer) => answer,
            Err(_) => Answer::cut(),
        }
    }
}

/// Counts a request as over, whatever becomes of it.
struct InFlight<V: Vendor>(Arc<V>);

impl<V: Vendor> Drop for InFlight<V> {
    fn drop(&mut self) {
        self.0.desk().log().end();
    }
}

async fn serve<V: Vendor>(vendor: Arc<V>, asked: Asked) -> Answer {
    let desk = vendor.desk();
    let limit = vendor.limit();
    let (logged, fault, is_crowded) = {
        let mut log = desk.log();
        log.begin();
        let is_crowded = log.in_flight() > limit;
        let fault = if is_crowded {
            None
        } else {
            desk.faults().take(asked.method.as_str(), asked.uri.path())
        };
        let name = fault.as_ref().map(V::fault_name);
        let logged = log
            .keeps()
            .then(|| log.keep(LoggedRequest::new(desk.since_start(), &asked, name)));
        (logged, fault, is_crowded)
    };
    let counted = InFlight(Arc::clone(&vendor));
    let answer = if is_crowded {
        vendor.crowded()
    } else {
        vendor.answer(&asked, fault).await
    };
    drop(counted);
    if let Some(n) = logged {
        let status = if answer.ending == Ending::Cut {
            0
        } else {
            answer.status.as_u16()
        };
        desk.log().settle(n, status);
    }
    answer
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    advance_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatencyBody {
    ms: u64,
}

/// The typed body of a control request.
pub(crate) fn parse<'a, T: Deserialize<'a>>(asked: &'a Asked) -> Result<T, Refused> {
    serde_json::from_slice(&asked.body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// The answer to a control request that was done and has nothing to tell.
pub(crate) fn done() -> Value {
    json!({ "done": true })
}

/// The refusal of a path there is no control at.
pub(crate) fn missing(path: &str) -> Refused {
    (StatusCode::NOT_FOUND, format!("no control at {path}"))
}

fn controlled<V: Vendor>(vendor: &V, asked: &Asked) -> Answer {
    let told = match common(vendor, asked) {
        Ok(None) => vendor.control(asked),
        Ok(Some(value)) => Ok(value),
        Err(refused) => Err(refused),
    };
    match told {
        Ok(body) => Answer::new(StatusCode::OK, JSON, body.to_string()),
        Err((status, message)) => Answer::new(status, JSON, json!({ "error": message }).to_string()),
    }
}

/// The control paths every twin has; none when this is not one of them.
fn common<V: Vendor>(vendor: &V, asked: &Asked) -> Result<Option<Value>, Refused> {
    let desk = vendor.desk();
    match (asked.method.clone(), asked.uri.path()) {
        (Method::POST, "/_twin/faults") => desk.faults().push(parse::<Fault<V::Fault>>(asked)?),
        (Method::DELETE, "/_twin/faults") => desk.faults().clear(),
        (Method::GET, "/_twin/requests") => {
            let all = desk.log().all();
            return Ok(Some(all.iter().map(LoggedRequest::report).collect()));
        }
        (Method::GET, "/_twin/count") => {
            return Ok(Some(json!({ "requests": desk.log().count() })));
        }
        (Method::DELETE, "/_twin/requests") => desk.log().clear(),
        (Method::POST, "/_twin/reset") => {
            vendor.reset();
            desk.faults().clear();
            desk.log().clear();
        }
        (Method::PUT, "/_twin/latency") => {
            vendor.set_latency(Duration::from_millis(parse::<LatencyBody>(asked)?.ms));
        }
        (Method::POST, "/_twin/clock") => {
            desk.advance(Duration::from_millis(parse::<ClockBody>(asked)?.advance_ms));
        }
        _ => return Ok(None),
    }
    Ok(Some(done()))
}
