//! Asynchronous batches: `/batches`.
//!
//! One batch runs at a time. Nothing moves by itself: every look at a batch takes the one whose turn
//! it is one status further, so that what a client sees does not depend on the machine.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::server::{Answer, Asked};

use super::account::Account;
use super::body::Reader;
use super::call::{Call, Handled, Reply, route};
use super::member::{digest, hex};
use super::problem::Problem;
use super::query::{Query, iso, iso_or_empty, partial};

/// Most batches that wait.
const MOST_PENDING: usize = 500;
/// Most operations of a batch.
const MOST_OPERATIONS: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Pending,
    Preprocessing,
    Started,
    Finalizing,
    Finished,
}

#[derive(Clone, Debug)]
struct Operation {
    method: Method,
    path: String,
    query: String,
    body: String,
    id: Option<String>,
}

#[derive(Debug)]
struct Batch {
    id: String,
    stage: Stage,
    operations: Vec<Operation>,
    finished: usize,
    errored: usize,
    submitted: i64,
    completed: Option<i64>,
    results: Vec<Value>,
}

/// The batches of an account, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Batches {
    all: Vec<Batch>,
}

impl Batches {
    fn find(&mut self, id: &str) -> Result<&mut Batch, Problem> {
        self.all
            .iter_mut()
            .find(|batch| batch.id == id)
            .ok_or_else(Problem::not_found)
    }
}

fn view(call: &Call<'_>, batch: &Batch) -> Value {
    let total = if batch.stage == Stage::Pending {
        0
    } else {
        batch.operations.len()
    };
    let url = if batch.stage == Stage::Finished {
        results_url(call, &batch.id)
    } else {
        String::new()
    };
    let mut view = json!({
        "id": batch.id,
        "status": batch.stage,
        "total_operations": total,
        "finished_operations": batch.finished,
        "errored_operations": batch.errored,
        "submitted_at": iso(batch.submitted),
        "completed_at": iso_or_empty(batch.completed),
        "response_body_url": url,
    });
    if let Some(links) = call.links().own(&format!("/batches/{}", batch.id)) {
        view["_links"] = json!(links);
    }
    view
}

/// `GET|POST /batches`.
pub(super) fn collection(call: &Call<'_>) -> Handled {
    match call.method {
        Method::GET => {
            let page = call.query.page(&call.account.options)?;
            let state = call.account.state();
            let batches = page.of(state.batches.all.iter().rev());
            let views: Vec<Value> = batches.into_iter().map(|batch| view(call, batch)).collect();
            Ok(Reply::ok(&json!({
                "batches": views, "total_items": state.batches.all.len(),
            })))
        }
        Method::POST => submit(call),
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

fn submit(call: &Call<'_>) -> Handled {
    let map = call.object()?;
    let mut reader = Reader::new(&map, false);
    if reader.value("operations").is_none() {
        reader.error("operations", "This value should not be blank.");
    }
    let items = reader.array("operations").unwrap_or_default();
    if items.len() > MOST_OPERATIONS {
        reader.error(
            "operations",
            "This collection should contain 1000 elements or less.",
        );
    }
    let operations: Option<Vec<Operation>> = items.iter().map(operation).collect();
    if operations.is_none() {
        reader.error(
            "operations",
            "Each item needs a method and a path; params are an object, and the body is a string.",
        );
    }
    reader.finish()?;
    let mut state = call.account.state();
    let pending = state
        .batches
        .all
        .iter()
        .filter(|batch| batch.stage != Stage::Finished)
        .count();
    if pending >= MOST_PENDING {
        return Err(Problem::too_many_batches());
    }
    let batch = Batch {
        id: state.short_id(),
        stage: Stage::Pending,
        operations: operations.unwrap_or_default(),
        finished: 0,
        errored: 0,
        submitted: call.now,
        completed: None,
        results: Vec::new(),
    };
    let view = view(call, &batch);
    state.batches.all.push(batch);
    Ok(Reply::ok(&view))
}

/// One operation as sent; `None` if it has not the shape of one.
fn operation(item: &Value) -> Option<Operation> {
    let text = |name: &str| match item.get(name) {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => None,
    };
    let method = match item.get("method")?.as_str()? {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => return None,
    };
    let path = text("path")?;
    if path.is_empty() {
        return None;
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    match item.get("params") {
        None | Some(Value::Null) => {}
        Some(Value::Object(params)) => {
            for (name, value) in params {
                match value {
                    Value::String(text) => query.append_pair(name, text),
                    other => query.append_pair(name, &other.to_string()),
                };
            }
        }
        Some(_) => return None,
    }
    Some(Operation {
        method,
        path: format!("/3.0/{}", path.trim_start_matches('/')),
        query: query.finish(),
        body: text("body")?,
        id: Some(text("operation_id")?).filter(|id| !id.is_empty()),
    })
}

/// `GET|DELETE /batches/{id}`.
pub(super) fn one(call: &Call<'_>, id: &str) -> Handled {
    match call.method {
        Method::GET => {
            call.account.state().batches.find(id)?;
            advance(call);
            let mut state = call.account.state();
            let batch = state.batches.find(id)?;
            Ok(Reply::ok(&view(call, batch)))
        }
        Method::DELETE => {
            let mut state = call.account.state();
            state.batches.find(id)?;
            state.batches.all.retain(|batch| batch.id != id);
            Ok(Reply::empty())
        }
        _ => Err(Problem::method_not_allowed("GET, DELETE")),
    }
}

/// Takes the batch whose turn it is one status further.
fn advance(call: &Call<'_>) {
    let (id, operations) = {
        let mut state = call.account.state();
        let batches = &mut state.batches.all;
        let Some(batch) = batches.iter_mut().find(|batch| batch.stage != Stage::Finished) else {
            return;
        };
        match batch.stage {
            Stage::Pending => batch.stage = Stage::Preprocessing,
            Stage::Preprocessing => batch.stage = Stage::Started,
            Stage::Started => {
                batch.stage = Stage::Finalizing;
            }
            Stage::Finalizing | Stage::Finished => {
                batch.stage = Stage::Finished;
                batch.completed = Some(call.now);
            }
        }
        if batch.stage != Stage::Finalizing {
            return;
        }
        (batch.id.clone(), batch.operations.clone())
    };
    // Without the lock: every operation is a call like any other.
    let results: Vec<(u16, Value)> = operations.iter().map(|operation| run(call, operation)).collect();
    let mut state = call.account.state();
    if let Ok(batch) = state.batches.find(&id) {
        batch.finished = results.len();
        batch.errored = results.iter().filter(|(status, _)| *status >= 400).count();
        batch.results = results.into_iter().map(|(_, result)| result).collect();
    }
}

/// Status and entry of one operation. Its answer is a string that holds JSON.
fn run(call: &Call<'_>, operation: &Operation) -> (u16, Value) {
    let inner = Call {
        account: call.account,
        method: operation.method.clone(),
        query: Query(&operation.query),
        body: operation.body.as_bytes(),
        now: call.now,
        host: call.host,
        omit_last: false,
    };
    let nested = operation.path.starts_with("/3.0/batches");
    let handled = if nested {
        Err(Problem::bad_request("A batch cannot hold batches."))
    } else {
        route(&inner, &operation.path).and_then(|reply| Ok((reply.status, partial(inner.query, reply.body)?)))
    };
    let (status, body) = handled.unwrap_or_else(|problem| {
        let instance = call.account.state().uuid();
        (problem.status, problem.body(&instance))
    });
    let status = status.as_u16();
    let result = json!({
        "status_code": status,
        "operation_id": operation.id,
        "response": String::from_utf8_lossy(&body),
    });
    (status, result)
}

fn signature(account: &Account, id: &str, expires: i64) -> String {
    hex(digest(
        format!("{id}/{expires}/{}", account.options.seed).as_bytes(),
    ))
}

fn results_url(call: &Call<'_>, id: &str) -> String {
    let life = i64::try_from(call.account.options.results_link_life.as_millis()).unwrap_or(i64::MAX / 4);
    let expires = call.now.saturating_add(life);
    let signature = signature(call.account, id, expires);
    format!(
        "http://{}/batch-results/{id}.tar.gz?Expires={expires}&Signature={signature}",
        call.host
    )
}

/// `GET /batch-results/{id}.tar.gz`: the signed link, without credentials.
pub(super) fn results(account: &Account, asked: &Asked) -> Answer {
    let denied = || {
        Answer::new(
            StatusCode::FORBIDDEN,
            "application/xml",
            "<Error><Code>AccessDenied</Code></Error>",
        )
    };
    let query = Query(asked.uri.query().unwrap_or_default());
    let id = asked
        .uri
        .path()
        .strip_prefix("/batch-results/")
        .and_then(|rest| rest.strip_suffix(".tar.gz"))
        .unwrap_or_default();
    let expires = query
        .get("Expires")
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let signed = query.get("Signature") == Some(signature(account, id, expires));
    if !signed || account.desk.now_ms() > expires {
        return denied();
    }
    let packed = match account.state().batches.find(id) {
        Ok(batch) => pack(&batch.id, &batch.results),
        Err(_) => return denied(),
    };
    match packed {
        Ok(bytes) => Answer::new(StatusCode::OK, "application/gzip", bytes),
        Err(error) => {
            tracing::error!(%error, "the results of a batch could not be packed");
            Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "")
        }
    }
}

/// A tar, compressed, that starts with the folder `./`.
fn pack(id: &str, results: &[Value]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut folder = tar::Header::new_ustar();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_size(0);
    folder.set_mode(0o755);
    folder.set_path("./")?;
    folder.set_cksum();
    archive.append(&folder, io::empty())?;
    let json = serde_json::to_vec(results)?;
    let mut file = tar::Header::new_ustar();
    file.set_size(json.len() as u64);
    file.set_mode(0o644);
    archive.append_data(&mut file, format!("{id}.json"), json.as_slice())?;
    archive.into_inner()?.finish()
}
