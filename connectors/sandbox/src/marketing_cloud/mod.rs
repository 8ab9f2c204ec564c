//! A twin of Marketing Cloud Engagement: tokens of business units, data extensions with their schema
//! (SOAP) and rows (asynchronous jobs, synchronous row sets, SOAP deletion), All Subscribers for reading,
//! entry events, faults.
//!
//! One port serves authentication (`/v2/token`), REST and SOAP (`/Service.asmx`, in any case); the
//! answer to a token names it for the others. Outside the API's space there are a page for people at
//! `/` and control paths for other processes: `POST|DELETE /_twin/faults`, `GET|DELETE
//! /_twin/requests`, `GET /_twin/count`, `POST /_twin/reset`, `POST /_twin/clock`, `PUT /_twin/latency`,
//! `POST /_twin/extensions`, `PUT /_twin/subscribers`, `GET /_twin/rows/{key}`, `GET /_twin/events`.

mod account;
mod arrange;
mod contacts;
mod control;
mod extension;
mod faults;
mod jobs;
mod options;
mod page;
mod rest;
mod retrieve;
mod snapshot;
mod soap;
mod subscribers;
#[cfg(test)]
mod tests;
mod values;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;

use crate::front::{Desk, Front, Refused, Vendor};
use crate::front_page::Glance;
use crate::server::{Answer, Asked, Ending, Server};

use account::Account;

pub use crate::log::LoggedRequest;
pub use account::FiredEvent;
pub use extension::{Column, ColumnType};
pub use faults::{Fault, FaultKind};
pub use options::Options;
pub use subscribers::{Subscriber, SubscriberStatus};

/// A running twin; dropping it stops the server and saves its data, if it has a folder.
pub struct Twin {
    account: Arc<Account>,
    server: Server,
}

impl Twin {
    /// Starts a twin on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound, or saved data cannot be read.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listen = options.listen;
        let account = Arc::new(Account::new(options));
        snapshot::load(&account)?;
        let server = Server::start(listen, Arc::new(Front(Arc::clone(&account)))).await?;
        Ok(Self { account, server })
    }

    /// Where it listens, such as `http://127.0.0.1:4720`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Requests to the API, oldest first, as many as are kept; those for tokens included.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.account.desk.log().all()
    }

    /// Requests to the API since the start or the last [`Twin::clear_requests`], kept or not.
    pub fn request_count(&self) -> u64 {
        self.account.desk.log().count()
    }

    /// Requests that are being answered, those whose client went away included.
    pub fn in_flight(&self) -> usize {
        self.account.desk.log().in_flight()
    }

    /// Most requests that were in flight at once.
    pub fn most_in_flight(&self) -> usize {
        self.account.desk.log().most_in_flight()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.account.desk.log().clear();
    }

    /// Queues a fault. Of several that match a request, the one queued first hits it.
    pub fn inject(&self, fault: Fault) {
        self.account.desk.faults().push(fault);
    }

    /// Drops the faults still waiting.
    pub fn clear_faults(&self) {
        self.account.desk.faults().clear();
    }

    /// Writes what it has for a search.
    pub(crate) fn glance(&self) -> Glance {
        let account = Arc::clone(&self.account);
        Box::new(move |html, search| page::glance(html, &account, search))
    }

    /// Saves data extensions, jobs and events to the data folder, if there is one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self) -> io::Result<()> {
        snapshot::save(&self.account)
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        if let Err(error) = snapshot::save(&self.account) {
            tracing::error!(%error, "the sandbox's data could not be saved");
        }
    }
}

impl Vendor for Account {
    type Fault = FaultKind;

    const OUTLIVES_CLIENT: bool = true;

    fn desk(&self) -> &Desk<FaultKind> {
        &self.desk
    }

    fn fault_name(fault: &FaultKind) -> &'static str {
        fault.name()
    }

    fn reset(&self) {
        Account::reset(self);
    }

    fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    fn page(&self, asked: &Asked) -> Answer {
        page::answer(self, asked)
    }

    fn control(&self, asked: &Asked) -> Result<Value, Refused> {
        control::control(self, asked)
    }

    async fn answer(&self, asked: &Asked, fault: Option<FaultKind>) -> Answer {
        answer(self, asked, fault).await
    }
}

async fn answer(account: &Account, asked: &Asked, fault: Option<FaultKind>) -> Answer {
    let wait = account.state().latency;
    if let Some(FaultKind::Latency { time }) = fault {
        // Whoever does not wait for it leaves before anything is done.
        tokio::time::sleep(time).await;
    }
    // The account's own work is part of the time every answer takes.
    let due = tokio::time::Instant::now() + wait;
    let answer = outcome(account, asked, fault);
    if !wait.is_zero() {
        tokio::time::sleep_until(due).await;
    }
    answer
}

fn outcome(account: &Account, asked: &Asked, fault: Option<FaultKind>) -> Answer {
    let is_soap = asked.uri.path().eq_ignore_ascii_case("/Service.asmx");
    let ending = match &fault {
        Some(FaultKind::CutAfter) => Ending::Cut,
        Some(FaultKind::Truncated) => Ending::Truncated,
        Some(FaultKind::CutBefore) => return Answer::cut(),
        Some(fault) => match hit(fault, is_soap) {
            Some(answer) => return answer,
            None => Ending::Whole,
        },
        None => Ending::Whole,
    };
    let mut answer = if is_soap {
        soap::answer(account, asked)
    } else if asked.uri.path().eq_ignore_ascii_case("/v2/token") {
        rest::token(account, asked)
    } else {
        rest::answer(account, asked, fault.as_ref())
    };
    answer.ending = ending;
    answer
}

/// Faults that answer without looking at the request.
fn hit(fault: &FaultKind, is_soap: bool) -> Option<Answer> {
    let status = |code: u16| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Some(match fault {
        FaultKind::Status { code, body, headers } => {
            let mut answer = Answer::new(status(*code), "application/json", body.clone());
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (name.parse(), value.parse()) {
                    answer.headers.push((name, value));
                }
            }
            answer
        }
        FaultKind::Html { code } => Answer::new(
            status(*code),
            "text/html",
            "<html><body><h1>Gateway</h1></body></html>\n",
        ),
        FaultKind::TokenExpired if is_soap => soap::expired(true),
        FaultKind::TokenExpired => rest::unauthorized().answer(),
        FaultKind::Throttled { seconds } => {
            let body = format!(
                "{{\"message\":\"Rate limit exceeded\",\"errorcode\":50100,\"retryAfter\":{seconds},\"documentation\":\"\"}}"
            );
            let mut answer = Answer::new(StatusCode::TOO_MANY_REQUESTS, "application/json", body);
            answer.set("retry-after", &seconds.to_string());
            answer
        }
        FaultKind::Blocked => Answer::new(
            StatusCode::TOO_MANY_REQUESTS,
            "application/json",
            "{\"message\":\"Your requests are temporarily blocked.\",\"errorcode\":50200,\"documentation\":\"\"}",
        ),
        _ => return None,
    })
}
