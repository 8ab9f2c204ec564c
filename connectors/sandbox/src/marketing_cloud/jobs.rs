//! Asynchronous rows: `/data/v1/async/…`. A job is not found at first, waits, runs, and then tells of
//! every row in the order they were submitted.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::{Account, State};
use super::faults::FaultKind;
use super::rest::{Reply, plain};

/// Rows of one submission.
const MOST_ROWS: usize = 32_000;
/// Bytes of one submission.
const MOST_BYTES: usize = 5_900_000;
/// Results of one page.
const PAGE: usize = 50;

/// One job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    submitted: i64,
    kind: JobKind,
    /// One result a row: what was wrong with it, if anything.
    results: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum JobKind {
    Fine,
    ErrorFirst,
    Lost,
    Stuck,
}

/// `PUT|POST /data/v1/async/dataextensions/key:{key}/rows`.
pub(super) fn submit(
    account: &Account,
    unit: u64,
    key: &str,
    body: &[u8],
    insert_only: bool,
    fault: Option<&FaultKind>,
) -> Reply {
    if body.len() > MOST_BYTES {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, 0, "The request is too large.");
    }
    let parsed: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    let items = parsed.as_ref().and_then(|body| body.get("items")?.as_array());
    let Some(items) = items.filter(|items| items.iter().all(Value::is_object)) else {
        return plain(
            StatusCode::BAD_REQUEST,
            10_004,
            "The request body is not in the expected format.",
        );
    };
    if items.len() > MOST_ROWS {
        return plain(StatusCode::BAD_REQUEST, 10_000, "Too many items.");
    }
    let mut state = account.state();
    let id = state.uuid();
    let Some(extension) = state.extension(unit, key) else {
        let message = format!(
            "Failed to resolve the Custom Object from the provided ObjectReferenceIdentifier [Id: 00000000-0000-0000-0000-000000000000, Key: {key}]."
        );
        return Reply::new(
            StatusCode::BAD_REQUEST,
            json!({ "requestId": id, "resultMessages": [{
                "resultType": "Validation", "resultClass": "Error",
                "resultCode": "CustomObjectNotFound", "message": message,
            }] }),
        );
    };
    let kind = match fault {
        Some(FaultKind::ErrorFirst) => JobKind::ErrorFirst,
        Some(FaultKind::JobLost) => JobKind::Lost,
        Some(FaultKind::JobStuck) => JobKind::Stuck,
        _ => JobKind::Fine,
    };
    let mut results = Vec::new();
    if matches!(kind, JobKind::Fine | JobKind::ErrorFirst) {
        let rows = items.iter().filter_map(Value::as_object);
        results = rows.map(|row| extension.put(row, insert_only).err()).collect();
    }
    if let (Some(FaultKind::Deadlock), Some(last)) = (fault, results.last_mut()) {
        *last = Some("Transaction (Process ID 77) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.".into());
    }
    let job = Job {
        submitted: account.desk.now_ms(),
        kind,
        results,
    };
    state.jobs.insert(id.clone(), job);
    Reply::new(
        StatusCode::ACCEPTED,
        json!({ "requestId": id, "resultMessages": [] }),
    )
}

/// `GET /data/v1/async/{id}/status`.
pub(super) fn status(account: &Account, id: &str) -> Reply {
    let mut state = account.state();
    let own = state.uuid();
    let age = |job: &Job| account.desk.now_ms() - job.submitted;
    let unseen = millis(account.options.unseen);
    let Some(job) = state
        .jobs
        .get(id)
        .filter(|job| job.kind != JobKind::Lost && age(job) >= unseen)
    else {
        return not_found(&own, id);
    };
    let waited = age(job) - unseen;
    let running = millis(account.options.running);
    let request = match job.kind {
        JobKind::Stuck => "Executing",
        _ if waited < running / 2 => "Pending",
        JobKind::ErrorFirst if waited < running => "Error",
        _ if waited < running => "Executing",
        _ => "Complete",
    };
    let has_errors = request == "Complete" && job.results.iter().any(Option::is_some);
    let result = if has_errors { "Has Errors" } else { "OK" };
    Reply::new(
        StatusCode::OK,
        json!({
            "status": {
                "callDateTime": "2026-01-01T00:00:00.00", "hasErrors": has_errors,
                "requestStatus": request, "resultStatus": result, "requestId": id,
            },
            "requestId": own, "resultMessages": [],
        }),
    )
}

/// `GET /data/v1/async/{id}/results?page=N`: there are none before the job is complete.
pub(super) fn results(account: &Account, id: &str, page: usize, fault: Option<&FaultKind>) -> Reply {
    let mut state = account.state();
    let own = state.uuid();
    let complete = millis(account.options.unseen).saturating_add(millis(account.options.running));
    let Some(job) = state.jobs.get(id).filter(|job| {
        let has_ended = !matches!(job.kind, JobKind::Lost | JobKind::Stuck);
        has_ended && account.desk.now_ms() - job.submitted >= complete
    }) else {
        return not_found(&own, id);
    };
    let from = page.saturating_sub(1).saturating_mul(PAGE);
    let mut items: Vec<Value> = job.results.iter().skip(from).take(PAGE).map(item).collect();
    if matches!(fault, Some(FaultKind::NoItems)) {
        items.clear();
    }
    Reply::new(
        StatusCode::OK,
        json!({
            "page": page, "pageSize": PAGE, "count": job.results.len(), "items": items,
            "requestId": own, "resultMessages": [],
        }),
    )
}

fn item(result: &Option<String>) -> Value {
    match result {
        None => json!({ "errorCode": "None", "message": "", "status": "OK" }),
        Some(message) => json!({ "errorCode": "UnexpectedError", "message": message, "status": "Error" }),
    }
}

fn not_found(own: &str, id: &str) -> Reply {
    Reply::new(
        StatusCode::OK,
        json!({ "requestId": own, "resultMessages": [{
            "resultType": "Operational", "resultClass": "Error",
            "resultCode": "AsyncRequestStatusNotFound",
            "message": format!("Unable to locate an Async Request Status Record for the provided RequestId: {id}."),
        }] }),
    )
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl State {
    /// Jobs that were accepted so far.
    pub(super) fn job_count(&self) -> usize {
        self.jobs.len()
    }
}
