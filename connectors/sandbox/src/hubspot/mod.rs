//! A twin of HubSpot's CRM API: contacts, companies and custom objects with their properties, search
//! and lists, OAuth, account information, limits and faults.
//!
//! One request goes: [`call`] (fault, version, credential, limits) → [`objects`], [`batch`], … →
//! [`write`] (do the values fit?) → [`store`] (records and their indexes) → [`render`]. The dated
//! versions 2026-03 and 2026-09 and the legacy v3 serve one store.
//!
//! Outside the API's space there are a page for people at `/` and control paths for other processes:
//! `POST|DELETE /_twin/faults`, `GET|DELETE /_twin/requests`, `GET /_twin/count`, `POST /_twin/reset`, `PUT /_twin/rate`,
//! `POST /_twin/clock`, `POST /_twin/tokens/expire`, `POST /_twin/grants/revoke`.

mod account;
mod account_info;
mod address;
mod arrange;
mod auth;
mod batch;
mod call;
mod column;
mod control;
mod defaults;
mod definitions;
mod errors;
mod faults;
mod json;
mod limits;
mod lists;
mod lists_api;
mod locks;
mod merge;
mod oauth;
mod objects;
mod options;
mod page;
mod properties;
mod record;
mod records;
mod render;
mod required;
mod schemas;
mod search;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod unique;
mod validate;
mod write;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::front::{Desk, Front, Refused, Vendor};
use crate::front_page::Glance;
use crate::server::{Answer, Asked, Ending, Server};

pub use crate::log::LoggedRequest;
use account::Account;
pub use arrange::{ArrangeError, ListView, RecordView};
pub use definitions::{ModificationMetadata, Property, PropertyOption, PropertyType};
pub use faults::{Fault, FaultKind};
pub use lists::ProcessingType;
pub use options::{
    AllFailed, EmailConflict, Grant, LifecycleBackward, NullValue, Options, Rate, SecondaryEmail, Token,
};

/// A running twin; dropping it stops the server and saves its data, if it has a folder.
pub struct Twin {
    account: Arc<Account>,
    server: Server,
}

impl Twin {
    /// Starts a twin on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound, the time zone is unknown, or saved data cannot be read.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listen = options.listen;
        let account = Arc::new(Account::new(options)?);
        snapshot::load(&account)?;
        let server = Server::start(listen, Arc::new(Front(Arc::clone(&account)))).await?;
        Ok(Self { account, server })
    }

    /// Where it listens, such as `http://127.0.0.1:4720`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Requests to the API, oldest first, as many as are kept.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.account.desk.log().all()
    }

    /// Requests to the API since the start or the last [`Twin::clear_requests`], kept or not.
    pub fn request_count(&self) -> u64 {
        self.account.desk.log().count()
    }

    /// Requests to the API that are being answered.
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

    /// Saves records, definitions and lists to the data folder, if there is one.
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

    const OUTLIVES_CLIENT: bool = false;

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
    let held = if account.options.lock_records {
        match locks::lock(account, asked.uri.path(), &asked.body) {
            Some(held) => Some(held),
            None => return refuse(account, FaultKind::Locked423),
        }
    } else {
        None
    };
    let mut wait = account.state().latency;
    match fault {
        // Whoever does not wait for it leaves before anything is done.
        Some(FaultKind::Latency { time }) => tokio::time::sleep(time).await,
        Some(FaultKind::Late { time }) => wait += time,
        _ => {}
    }
    // The account's own work is part of the time every answer takes.
    let due = tokio::time::Instant::now() + wait;
    let answer = outcome(account, asked, fault);
    if !wait.is_zero() {
        tokio::time::sleep_until(due).await;
    }
    drop(held);
    answer
}

fn outcome(account: &Account, asked: &Asked, fault: Option<FaultKind>) -> Answer {
    let ending = match fault {
        None | Some(FaultKind::Latency { .. } | FaultKind::Late { .. }) => Ending::Whole,
        Some(FaultKind::CutAfter) => Ending::Cut,
        Some(FaultKind::Truncated) => Ending::Truncated,
        Some(FaultKind::CutBefore) => return Answer::cut(),
        Some(other) => return refuse(account, other),
    };
    let mut answer = call::answer(account, asked);
    answer.ending = ending;
    answer
}

/// Faults that answer without looking at the request.
fn refuse(account: &Account, fault: FaultKind) -> Answer {
    let (correlation, request) = {
        let mut state = account.state();
        (state.uuid(), state.uuid())
    };
    let now = account.desk.now_ms();
    let error = |code: u16, message: &str| {
        let body = json!({ "status": "error", "message": message, "correlationId": correlation });
        Answer::new(status(code), call::JSON, body.to_string())
    };
    let mut answer = match fault {
        FaultKind::Status { code, body, headers } => {
            let mut answer = error(code, "A fault was asked for");
            if let Some(body) = body {
                answer.body = body.into();
            }
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (name.parse(), value.parse()) {
                    answer.headers.push((name, value));
                }
            }
            answer
        }
        FaultKind::Html { code } => {
            let body = "<html><head><title>Error</title></head><body><h1>Bad gateway</h1></body></html>\n";
            Answer::new(status(code), "text/html", body)
        }
        FaultKind::EmptyOk => {
            let body = json!({
                "status": "COMPLETE",
                "startedAt": json::iso(now),
                "completedAt": json::iso(now),
                "results": [],
            });
            Answer::new(StatusCode::OK, call::JSON, body.to_string())
        }
        FaultKind::Locked423 => error(
            423,
            "The records are locked by other writes; try again in 2 seconds",
        ),
        FaultKind::Migrating477 { retry_after } => {
            let mut answer = error(477, "The account is being moved to another data centre");
            answer.set("retry-after", &retry_after.to_string());
            answer
        }
        FaultKind::Daily429 => limits::Policy::Daily.refuse(&correlation, &request),
        FaultKind::Window429 => limits::Policy::Window.refuse(&correlation, &request),
        FaultKind::Latency { .. }
        | FaultKind::Late { .. }
        | FaultKind::CutBefore
        | FaultKind::CutAfter
        | FaultKind::Truncated => Answer::cut(),
    };
    answer.set("x-hubspot-correlation-id", &correlation);
    answer
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
