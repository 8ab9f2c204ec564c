//! A plan packed into requests: how many there are, how long they take, which rows would be refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::destination::{Binding, Operation, Rejection, Request};
use serde_json::Value;
use serde_json::value::RawValue;

use super::output::Output;
use super::plan_rows::Shown;
use crate::deliver::{Audience, Preview, preview};
use crate::project::SyncSpec;
use crate::state::OpenJobs;
use crate::sync::error::RunError;
use crate::sync::plan::{Plan, PlannedRow};
use crate::sync::prepare::Stage;
use crate::sync::quota::Quotas;

/// Refused rows that are named.
const SHOWN_REFUSED: usize = 100;

/// A plan, and what carrying it out takes.
pub(crate) struct Forecast {
    pub(crate) plan: Plan,
    pub(crate) binding: Option<Arc<dyn Binding>>,
    pub(crate) preview: Preview,
    pub(crate) refused: Vec<(String, Rejection)>,
    refused_creates: u64,
    refused_updates: u64,
    refused_removals: u64,
    pub(crate) time: Duration,
    /// Jobs of an earlier run whose result is not known yet; their rows count as not acknowledged here.
    pub(crate) open_jobs: OpenJobs,
}

impl Forecast {
    /// Records that would be created.
    pub(crate) fn create(&self) -> u64 {
        self.plan.create.saturating_sub(self.refused_creates)
    }

    /// Records that would be updated.
    pub(crate) fn update(&self) -> u64 {
        self.plan.update.saturating_sub(self.refused_updates)
    }

    /// Records that would be removed.
    pub(crate) fn remove(&self) -> u64 {
        self.plan.remove.saturating_sub(self.refused_removals)
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
    let mut prepared = stage.prepare(sync, 0).await?;
    let mut forecast = Forecast {
        plan: prepared.plan,
        binding: None,
        preview: Preview::default(),
        refused: Vec::new(),
        refused_creates: 0,
        refused_updates: 0,
        refused_removals: 0,
        time: Duration::ZERO,
        open_jobs: OpenJobs::of(&stage.store.open_jobs(prepared.state.id)?),
    };
    if forecast.plan.operations() == 0 {
        return Ok(forecast);
    }
    let binding = match prepared.binding.take() {
        Some(binding) => binding,
        None => stage.bind(sync, &prepared.state, false).await?,
    };
    let problems: Vec<_> = binding
        .problems()
        .into_iter()
        .filter(|problem| !problem.warning)
        .collect();
    if !problems.is_empty() {
        return Err(RunError::Fields(problems));
    }
    let mut next = 0;
    for wave in forecast.plan.rows.each() {
        let numbers = next..;
        next += wave.len();
        let operations = wave
            .rows::<PlannedRow>()?
            .zip(numbers)
            .map(|(row, number)| Ok::<_, RunError>(row?.operation(number)?));
        let seen = preview(binding.as_ref(), operations, lines)?;
        forecast.preview.requests += seen.requests;
        forecast.preview.refused += seen.refused;
    }
    let noted = std::mem::take(&mut lines.plan);
    forecast.refused = noted.refused;
    // Which kind a refused operation was is known to the row alone.
    if !noted.numbers.is_empty() {
        let mut numbers = noted.numbers.into_iter().peekable();
        let mut number = 0;
        for wave in forecast.plan.rows.each() {
            for row in wave.rows::<PlannedRow>()? {
                let row = row?;
                if numbers.next_if_eq(&number).is_some() {
                    match row.planned.word() {
                        "create" => forecast.refused_creates += 1,
                        "update" => forecast.refused_updates += 1,
                        _ => forecast.refused_removals += 1,
                    }
                }
                number += 1;
            }
        }
    }
    let destination = stage.destination(sync)?;
    let account = quotas.account(destination.as_ref())?;
    forecast.time = account.forecast(forecast.preview.requests);
    forecast.binding = Some(binding);
    Ok(forecast)
}

/// What is noted while a plan is packed.
#[derive(Default)]
struct Noted {
    refused: Vec<(String, Rejection)>,
    /// Numbers of all refused operations, ascending.
    numbers: Vec<u64>,
}

/// Prints each request as a JSON line, if there is somewhere to print.
pub(crate) struct RequestLines<'a> {
    pub(crate) out: Option<&'a mut Output>,
    sync: &'a str,
    plan: Noted,
}

impl<'a> RequestLines<'a> {
    /// Counts and prints nothing.
    pub(crate) fn counting(sync: &'a str) -> Self {
        Self {
            out: None,
            sync,
            plan: Noted::default(),
        }
    }
}

#[derive(serde::Serialize)]
struct RequestLine<'a> {
    sync: &'a str,
    method: &'a str,
    path: &'a str,
    body: Box<RawValue>,
}

impl Audience<RunError> for RequestLines<'_> {
    fn request(&mut self, request: &Request, _: &[Operation]) -> Result<(), RunError> {
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

    fn refused(&mut self, operation: &Operation, rejection: &Rejection) -> Result<(), RunError> {
        self.plan.numbers.push(operation.row);
        if self.plan.refused.len() < SHOWN_REFUSED {
            self.plan
                .refused
                .push((operation.key.to_string(), rejection.clone()));
        }
        Ok(())
    }
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

/// A row is shown unless it would be refused.
pub(crate) fn shown(forecast: &Forecast, operation: &Operation) -> Shown {
    match forecast
        .binding
        .as_ref()
        .map(|binding| binding.inspect(operation))
    {
        Some(Err(_)) => Shown::Refused,
        _ => Shown::Sent,
    }
}
