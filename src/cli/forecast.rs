//! The requests of a plan, as lines that people and programs read.

use std::sync::Arc;

use bytes::Bytes;
use outflow_sdk::destination::Request;
use serde_json::Value;
use serde_json::value::RawValue;

use super::output::Output;
use crate::project::SyncSpec;
use crate::sync;
use crate::sync::error::RunError;
pub(crate) use crate::sync::forecast::Forecast;
use crate::sync::prepare::Stage;
use crate::sync::quota::Quotas;

/// Prints each request as a JSON line, if there is somewhere to print.
pub(crate) struct RequestLines<'a> {
    pub(crate) out: Option<&'a mut Output>,
    sync: &'a str,
}

impl<'a> RequestLines<'a> {
    /// Counts and prints nothing.
    pub(crate) fn counting(sync: &'a str) -> Self {
        Self { out: None, sync }
    }
}

#[derive(serde::Serialize)]
struct RequestLine<'a> {
    sync: &'a str,
    method: &'a str,
    path: &'a str,
    body: Box<RawValue>,
}

impl RequestLines<'_> {
    fn show(&mut self, request: &Request) -> Result<(), RunError> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let line = RequestLine {
            sync: self.sync,
            method: request.method,
            path: &request.path,
            body: body(&request.body)?,
        };
        let text = serde_json::to_string(&line).map_err(|error| RunError::Internal(error.to_string()))?;
        out.line(text);
        Ok(())
    }
}

/// Plans one sync and packs it into requests.
///
/// # Errors
/// Whatever would stop a run before its first write.
pub(crate) async fn forecast(
    stage: &Stage,
    quotas: &Quotas,
    sync: &Arc<SyncSpec>,
    lines: &mut RequestLines<'_>,
) -> Result<Forecast, RunError> {
    sync::forecast::forecast(stage, quotas, sync, |request| lines.show(request)).await
}

/// A body byte for byte when it is JSON, else as a JSON text.
fn body(bytes: &Bytes) -> Result<Box<RawValue>, RunError> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let raw = if text.is_empty() {
        RawValue::from_string("null".into())
    } else {
        RawValue::from_string(text.clone()).or_else(|_| RawValue::from_string(Value::from(text).to_string()))
    };
    raw.map_err(|error| RunError::Internal(error.to_string()))
}
