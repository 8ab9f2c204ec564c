//! Asynchronous jobs: accepted now, stored later, told row by row.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::destination::{Answer, Asked, Operation, Outcome, Sent, Ticket};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::capabilities::ROWS;
use crate::client::{Client, harmless};
use crate::interpret::{WRONG_REQUEST, not_marketing_cloud, row_fault, schema_changed, wrong_request};
use crate::layout::Layout;
use crate::status;

/// Wait before the first ask: small jobs take half a second to two.
const FIRST_ASK: Duration = Duration::from_secs(1);

/// Results on a page, unless the answer says otherwise.
const PAGE: usize = 50;

/// How long a job may take. Minutes are usual under load; a job that is never found again is sent
/// again, which stores the same rows.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

#[derive(Deserialize)]
struct Receipt {
    #[serde(default, rename = "requestId")]
    request_id: Option<String>,
    #[serde(default, rename = "resultMessages")]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default, rename = "resultClass")]
    class: Option<String>,
    #[serde(default, rename = "resultCode")]
    code: Option<String>,
}

#[derive(Deserialize)]
struct StatusAnswer {
    #[serde(default)]
    status: Option<Status>,
    #[serde(default, rename = "resultMessages")]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default, rename = "requestStatus")]
    request: Option<String>,
    #[serde(default, rename = "resultStatus")]
    result: Option<String>,
    #[serde(default, rename = "hasErrors")]
    has_errors: Option<bool>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    page: Option<usize>,
    #[serde(default, rename = "pageSize")]
    page_size: Option<usize>,
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    items: Option<Vec<Item>>,
}

/// What became of one row.
#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Results of one job read so far: whole pages.
#[derive(Default)]
struct Read {
    pages: usize,
    items: Vec<Item>,
}

/// Results read so far, by job.
#[derive(Default)]
pub(crate) struct Results(Mutex<HashMap<String, Read>>);

/// What a submission gave.
///
/// # Errors
/// What concerns the request as a whole.
pub(crate) fn submitted(
    layout: &Layout,
    operations: &[Operation],
    response: &HttpResponse,
) -> Result<Sent, ConnectorError> {
    let receipt: Option<Receipt> = serde_json::from_slice(&response.body).ok();
    match (response.status, receipt) {
        (200..=299, Some(receipt)) => {
            let errors = receipt
                .messages
                .iter()
                .any(|message| message.class.as_deref() == Some("Error"));
            match receipt.request_id.filter(|id| is_id(id)) {
                Some(id) if !errors => Ok(Sent::Accepted(Ticket {
                    id,
                    poll_every: FIRST_ASK,
                    deadline: DEADLINE,
                })),
                Some(_) => refused(layout, operations, &receipt.messages),
                None => Err(status::unreadable(response)),
            }
        }
        (200..=299, None) => Err(status::unreadable(response)),
        (400, Some(receipt)) if !receipt.messages.is_empty() => {
            refused(layout, operations, &receipt.messages)
        }
        (400, _) => unread(layout, operations, response),
        _ => Err(status::classify(response)),
    }
}

/// A refusal in the words of other routes. Numbers for a request that is wrong in itself stop the sync;
/// any other may be about one of its rows, or its size.
fn unread(
    layout: &Layout,
    operations: &[Operation],
    response: &HttpResponse,
) -> Result<Sent, ConnectorError> {
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match status::error_code(&body) {
        None => Err(not_marketing_cloud()),
        Some(code) if WRONG_REQUEST.contains(&code) => Err(wrong_request(code)),
        Some(_) => refused(layout, operations, &[]),
    }
}

fn refused(layout: &Layout, operations: &[Operation], messages: &[Message]) -> Result<Sent, ConnectorError> {
    let says = |code: &str| {
        messages
            .iter()
            .any(|message| message.code.as_deref() == Some(code))
    };
    if says("CustomObjectNotFound") {
        return Err(schema_changed(&format!(
            "there is no data extension `{}` any more",
            layout.key
        )));
    }
    if operations.len() == 1 {
        let outcome = row_fault("", layout).outcome()?;
        return Ok(Sent::Settled(Answer {
            outcomes: vec![outcome],
            observed: None,
            correlation: None,
        }));
    }
    Err(ConnectorError::new(
        ErrorKind::BatchRejected {
            code: "refused".into(),
            field: None,
        },
        "marketing_cloud_job_refused",
        "Marketing Cloud refuses the job as a whole",
    ))
}

/// Ids become part of a path.
fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !id.is_empty() && id.len() <= 64 && id.bytes().all(plain)
}

impl Results {
    /// Asks once: for the job's status, or, once it is done with errors, for a page of its results.
    ///
    /// # Errors
    /// As the exchange went; `Config` when the data extension is not as it was.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        layout: &Layout,
        ticket: &Ticket,
        operations: &[Operation],
    ) -> Result<Asked, ConnectorError> {
        if !is_id(&ticket.id) {
            return Err(ConnectorError::new(
                ErrorKind::Internal,
                "marketing_cloud_ticket",
                "a job has no id",
            ));
        }
        match self.read_so_far(&ticket.id) {
            Some(read) => self.page(client, layout, ticket, operations, read).await,
            None => self.status(client, layout, ticket, operations).await,
        }
    }

    async fn status(
        &self,
        client: &Client,
        layout: &Layout,
        ticket: &Ticket,
        operations: &[Operation],
    ) -> Result<Asked, ConnectorError> {
        let path = format!("/data/v1/async/{}/status", ticket.id);
        let answer: StatusAnswer = get(client, &path).await?;
        let Some(status) = answer.status else {
            // Just after it was accepted a job is not found; an answer about nothing at all is none.
            return if answer.messages.is_empty() {
                Err(odd())
            } else {
                Ok(Asked::Running)
            };
        };
        // `Error` has been seen just before a job completed with everything stored.
        if status.request.as_deref() != Some("Complete") {
            return Ok(Asked::Running);
        }
        let fine = match (status.result.as_deref(), status.has_errors) {
            (_, Some(true)) => false,
            (Some("OK"), _) | (None, Some(false)) => true,
            _ => false,
        };
        if fine {
            let outcomes = operations.iter().map(|operation| layout.applied(ROWS, operation));
            return Ok(Asked::Answered(answered(outcomes.collect(), ticket)));
        }
        self.keep(&ticket.id, Read::default());
        Ok(Asked::Partly)
    }

    async fn page(
        &self,
        client: &Client,
        layout: &Layout,
        ticket: &Ticket,
        operations: &[Operation],
        mut read: Read,
    ) -> Result<Asked, ConnectorError> {
        let number = read.pages + 1;
        let path = format!("/data/v1/async/{}/results?page={number}", ticket.id);
        let page: Page = match get(client, &path).await {
            Ok(page) => page,
            Err(error) => {
                self.keep(&ticket.id, read);
                return Err(error);
            }
        };
        let items = page.items.unwrap_or_default();
        let total = page.count.unwrap_or(operations.len());
        let here = read.items.len() + items.len();
        let is_last = here >= total;
        // Under load a page comes without its items; and rows are told by their place alone, so a page
        // that is another one or not full would give rows the answers of others.
        let is_another = page.page.is_some_and(|page| page != number);
        let is_short = !is_last && items.len() < page.page_size.unwrap_or(PAGE);
        if is_another || is_short || (items.is_empty() && total > 0) {
            self.keep(&ticket.id, read);
            return Ok(Asked::Running);
        }
        read.items.extend(items);
        read.pages = number;
        if !is_last {
            self.keep(&ticket.id, read);
            return Ok(Asked::Partly);
        }
        let outcomes = rows(layout, operations, &read.items)?;
        Ok(Asked::Answered(answered(outcomes, ticket)))
    }

    fn read_so_far(&self, id: &str) -> Option<Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn keep(&self, id: &str, read: Read) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert(id.to_owned(), read);
    }
}

fn answered(outcomes: Vec<Outcome>, ticket: &Ticket) -> Answer {
    Answer {
        outcomes,
        observed: None,
        correlation: Some(ticket.id.clone()),
    }
}

/// Results carry no keys: they are as many as the rows, in their order.
fn rows(layout: &Layout, operations: &[Operation], items: &[Item]) -> Result<Vec<Outcome>, ConnectorError> {
    if items.len() != operations.len() {
        // It tells of some rows and not of which: smaller jobs will.
        return Err(ConnectorError::new(
            ErrorKind::BatchRejected {
                code: "refused".into(),
                field: None,
            },
            "marketing_cloud_results",
            "Marketing Cloud's results do not say which rows of the job were refused",
        ));
    }
    let outcome = |(operation, item): (&Operation, &Item)| match item.status.as_deref() {
        Some("OK") => Ok(layout.applied(ROWS, operation)),
        Some("Error") => row_fault(item.message.as_deref().unwrap_or_default(), layout).outcome(),
        _ => Ok(Outcome::InDoubt),
    };
    operations.iter().zip(items).map(outcome).collect()
}

async fn get<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<T, ConnectorError> {
    let response = client.rest("GET", path, Bytes::new()).await.map_err(harmless)?;
    // A job that is not known yet is told with 404 as well.
    if !(200..300).contains(&response.status) && response.status != 404 {
        return Err(harmless(status::classify(&response)));
    }
    serde_json::from_slice(&response.body).map_err(|_| odd())
}

fn odd() -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Transient { after: None },
        "marketing_cloud_job_answer",
        "Marketing Cloud's answer about a job is not what its documentation says",
    )
}
