//! Forecast: a plan packed into requests. How many there are, how long they take, which rows would be
//! refused.

use std::sync::Arc;
use std::time::Duration;

use outflow_deliver::{Audience, Preview, preview};
use outflow_project::SyncSpec;
use outflow_sdk::destination::{Binding, Operation, Rejection, Request};
use outflow_sdk::value::Value;
use outflow_state::OpenJobs;

use super::error::RunError;
use super::fit::must_fit;
use super::plan::{Plan, PlannedRow, RowToSend, Waves};
use super::prepare::Stage;
use super::quota::Quotas;
use super::spill::Sequence;

/// Refused rows that are named.
const SHOWN_REFUSED: usize = 100;

/// A plan, and what carrying it out takes.
pub struct Forecast {
    /// The plan.
    pub plan: Plan,
    /// The destination, where it had to be asked.
    pub binding: Option<Arc<dyn Binding>>,
    /// What was packed.
    pub preview: Preview,
    /// The first rows the destination would refuse unsent, by key.
    pub refused: Vec<(String, Rejection)>,
    refused_creates: u64,
    refused_updates: u64,
    refused_removals: u64,
    /// Least time the requests take at the account's limits.
    pub time: Duration,
    /// Jobs of an earlier run whose result is not known yet; their rows count as not acknowledged here.
    pub open_jobs: OpenJobs,
}

impl Forecast {
    /// Records that would be created.
    pub fn create(&self) -> u64 {
        self.plan.create.saturating_sub(self.refused_creates)
    }

    /// Records that would be updated.
    pub fn update(&self) -> u64 {
        self.plan.update.saturating_sub(self.refused_updates)
    }

    /// Shows the first rows that would be sent, each with its record.
    ///
    /// # Errors
    /// When the plan cannot be read again, and whatever `act` fails with.
    pub fn each<E: From<RunError>>(
        &mut self,
        limit: u64,
        mut act: impl FnMut(&RowToSend, &[Option<Value>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = limit;
        let mut rows = std::mem::replace(&mut self.plan.rows, Waves::new(std::path::Path::new("")));
        let result = (|| {
            let mut number = 0;
            for wave in rows.each() {
                for row in rows_to_send(wave)? {
                    if left == 0 {
                        return Ok(());
                    }
                    let row = row?;
                    let operation = row.clone().into_operation(number);
                    number += 1;
                    if self.would_be_sent(&operation) {
                        left -= 1;
                        act(&row, &operation.record)?;
                    }
                }
            }
            Ok(())
        })();
        self.plan.rows = rows;
        result
    }

    /// Whether the destination would take it, as far as that is known without sending.
    fn would_be_sent(&self, operation: &Operation) -> bool {
        self.binding
            .as_ref()
            .is_none_or(|binding| binding.inspect(operation).is_ok())
    }

    /// Records that would be removed.
    pub fn remove(&self) -> u64 {
        self.plan.remove.saturating_sub(self.refused_removals)
    }
}

/// The rows of a wave. Boxed, so that they are unpacked by this crate's code and not by that of whoever looks at the
/// forecast.
fn rows_to_send(
    wave: &mut Sequence,
) -> Result<Box<dyn Iterator<Item = Result<RowToSend, RunError>> + '_>, RunError> {
    Ok(Box::new(wave.rows()?.map(|row: Result<RowToSend, _>| Ok(row?))))
}

/// Plans one sync and packs it into requests, each of which is shown to `each`.
///
/// # Errors
/// Whatever would stop a run before its first write.
pub async fn forecast(
    stage: &Stage,
    quotas: &Quotas,
    sync: &Arc<SyncSpec>,
    each: impl FnMut(&Request) -> Result<(), RunError>,
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
    must_fit(sync, binding.as_ref())?;
    let mut noted = Noted {
        each,
        refused: Vec::new(),
        numbers: Vec::new(),
    };
    let mut next = 0;
    for wave in forecast.plan.rows.each() {
        let numbers = next..;
        next += wave.len();
        let operations = rows_to_send(wave)?
            .zip(numbers)
            .map(|(row, number)| Ok::<_, RunError>(row?.into_operation(number)));
        let seen = preview(binding.as_ref(), operations, &mut noted)?;
        forecast.preview.requests += seen.requests;
        forecast.preview.refused += seen.refused;
    }
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
struct Noted<F> {
    each: F,
    refused: Vec<(String, Rejection)>,
    /// Numbers of all refused operations, ascending.
    numbers: Vec<u64>,
}

impl<F: FnMut(&Request) -> Result<(), RunError>> Audience<RunError> for Noted<F> {
    fn request(&mut self, request: &Request, _: &[Operation]) -> Result<(), RunError> {
        (self.each)(request)
    }

    fn refused(&mut self, operation: &Operation, rejection: &Rejection) -> Result<(), RunError> {
        self.numbers.push(operation.row);
        if self.refused.len() < SHOWN_REFUSED {
            self.refused.push((operation.key.to_string(), rejection.clone()));
        }
        Ok(())
    }
}
