//! A twin of Mailchimp's Marketing API 3.0: audiences with merge fields, interests, tags and static
//! segments, members one by one and in batches of 500, asynchronous batches, limits and faults.
//!
//! One request goes: [`call`] (credential, route) → [`members_api`], [`subscribe`], … → [`body`] (does it
//! fit the schema?) → [`values`] (do the merge values fit?) → [`write`] (may it be done?) → [`audience`]
//! → [`render`].
//!
//! Outside the API's space there are a page for people at `/`, `GET /oauth2/metadata`, the results of
//! batches, and control paths for other processes: `POST|DELETE /_twin/faults`,
//! `GET|DELETE /_twin/requests`, `GET /_twin/count`, `POST /_twin/reset`, `PUT /_twin/connections`, `PUT /_twin/latency`,
//! `POST /_twin/clock`, `POST /_twin/credentials/revoke`, `POST /_twin/audiences`, `PUT /_twin/required`,
//! `POST /_twin/members/{unsubscribe|clean|review|confirm|forget|throttle}`.

mod account;
mod arrange;
mod audience;
mod auth;
mod batches;
mod body;
mod call;
mod control;
mod events;
mod faults;
mod interests;
mod lists_api;
mod member;
mod members_api;
mod merge_api;
mod merge_field;
mod oauth;
mod options;
mod page;
mod problem;
mod query;
mod render;
mod segments;
mod snapshot;
mod subscribe;
mod tags;
#[cfg(test)]
mod tests;
mod values;
mod write;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::front::{Desk, Front, Refused, Vendor};
use crate::front_page::Glance;
use crate::server::{Answer, Asked, Ending, Server};

use account::Account;
use problem::Problem;

pub use crate::log::LoggedRequest;
pub use arrange::{ArrangeError, MemberView};
pub use faults::{Fault, FaultKind};
pub use member::Status;
pub use merge_field::{MergeField, MergeOptions, MergeType};
pub use options::{BadTag, LargeCount, LongValue, NullValue, Options, Overload, WrongDataCenter};

/// Id of the audience there is from the start.
pub const AUDIENCE: &str = "a1b2c3d4e5";

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

    /// Where it listens, such as `http://127.0.0.1:4720`; the API is below `/3.0`.
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

    /// Requests to the API that are being answered, those whose client went away included.
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

    /// Saves audiences and members to the data folder, if there is one.
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

    fn beside(&self, asked: &Asked) -> Option<Answer> {
        let is_result = asked.uri.path().starts_with("/batch-results/");
        is_result.then(|| batches::results(self, asked))
    }

    fn limit(&self) -> usize {
        self.state().connections.unwrap_or(usize::MAX)
    }

    fn crowded(&self) -> Answer {
        overloaded(self)
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
    let mut omit_last = false;
    let ending = match fault {
        None | Some(FaultKind::Latency { .. }) => Ending::Whole,
        Some(FaultKind::CutAfter) => Ending::Cut,
        Some(FaultKind::Truncated) => Ending::Truncated,
        Some(FaultKind::CutBefore) => return Answer::cut(),
        Some(FaultKind::OmitLast) => {
            omit_last = true;
            Ending::Whole
        }
        Some(other) => return hit(account, other),
    };
    let mut answer = if asked.uri.path() == "/oauth2/metadata" {
        oauth::metadata(account, asked)
    } else {
        call::answer(account, asked, omit_last)
    };
    answer.ending = ending;
    answer
}

/// The answer to a request too many.
fn overloaded(account: &Account) -> Answer {
    match account.options.overload {
        Overload::Problem => refuse(account, &Problem::too_many_requests()),
        Overload::Page => edge(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        Overload::Forbidden => edge(StatusCode::FORBIDDEN, "Forbidden"),
    }
}

fn refuse(account: &Account, problem: &Problem) -> Answer {
    let instance = account.state().uuid();
    call::dressed(call::refusal(problem, &instance), &instance)
}

/// A page of what stands in front of the API: no JSON, no request id.
fn edge(status: StatusCode, title: &str) -> Answer {
    let body = format!(
        "<html>\r\n<head><title>{code} {title}</title></head>\r\n<body>\r\n<center><h1>{code} {title}</h1></center>\r\n<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n",
        code = status.as_u16()
    );
    let mut answer = Answer::new(status, "text/html", body);
    answer.set("server", "openresty");
    answer
}

/// Faults that answer without looking at the request.
fn hit(account: &Account, fault: FaultKind) -> Answer {
    match fault {
        FaultKind::Status { code, body, headers } => {
            let mut answer = refuse(account, &Problem::of_status(status(code)));
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
        FaultKind::Html { code } => edge(status(code), "Bad Gateway"),
        FaultKind::EmptyOk => {
            let body = json!({
                "new_members": [],
                "updated_members": [],
                "errors": [],
                "total_created": 0,
                "total_updated": 0,
                "error_count": 0,
            });
            Answer::new(StatusCode::OK, call::JSON, body.to_string())
        }
        FaultKind::Connections429 => refuse(account, &Problem::too_many_requests()),
        FaultKind::Edge429 => edge(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        FaultKind::Edge403 => edge(StatusCode::FORBIDDEN, "Forbidden"),
        FaultKind::Blocked503 => {
            let reference = account.state().short_id();
            let body = format!(
                "<html><head><title>Request Blocked</title></head><body><h1>Request Blocked</h1><p>Reference Number: {reference}</p></body></html>\n"
            );
            Answer::new(StatusCode::SERVICE_UNAVAILABLE, "text/html", body)
        }
        FaultKind::Internal500 => refuse(account, &Problem::internal()),
        FaultKind::UserDisabled403 => refuse(account, &Problem::user_disabled()),
        FaultKind::MethodDisabled503 => refuse(account, &Problem::method_disabled()),
        FaultKind::Latency { .. }
        | FaultKind::CutBefore
        | FaultKind::CutAfter
        | FaultKind::Truncated
        | FaultKind::OmitLast => Answer::cut(),
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
