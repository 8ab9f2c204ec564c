//! What a run would do. Nothing is written, neither here nor at the destination.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::answers::Plan;
use super::app::App;
use super::reading::{Named, Queried, understood};
use super::refusal::Refusal;
use crate::documents::{self, PlanSummary};
use crate::sync::error::{Exit, RunError};
use crate::sync::forecast::forecast;
use crate::sync::prepare::Stage;
use crate::sync::progress::Silent;

/// Rows shown unless the caller says otherwise, and at most.
const USUAL: u64 = 100;
const MOST: u64 = 1_000;

/// How much of a plan is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    limit: Option<u64>,
}

pub(super) async fn plan(
    State(app): State<Arc<App>>,
    Named(name): Named,
    shown: Queried<Shown>,
) -> Result<Json<Plan>, Refusal> {
    let limit = understood(shown)?.limit.unwrap_or(USUAL).min(MOST);
    let project = Arc::clone(&app.handle.edition().project);
    let spec = project.sync(&name).cloned().ok_or_else(Refusal::no_such_sync)?;
    let stage = Stage {
        project,
        // A reader's store: a plan cannot write anything, even by mistake.
        store: Arc::clone(&app.store),
        clock: Arc::clone(&app.handle.clock),
        progress: Arc::new(Silent),
    };
    let quotas = Arc::clone(&app.handle.quotas);
    // The semaphore is never closed.
    let _place = app.plans.acquire().await;
    // Dropped with the request, the set gives the plan up.
    let mut task = JoinSet::new();
    task.spawn_on(
        async move {
            let mut forecast = forecast(&stage, &quotas, &spec, |_| Ok(())).await?;
            let mut operations = Vec::new();
            forecast.each(limit, |row, values| {
                operations.push(documents::operation(&spec, row, values)?);
                Ok::<_, RunError>(())
            })?;
            Ok::<_, RunError>(Plan {
                summary: PlanSummary::of(&spec.name, &forecast),
                refused_rows: documents::refused_rows(&forecast),
                operations,
            })
        },
        &app.workers,
    );
    match task.join_next().await {
        Some(Ok(plan)) => Ok(Json(plan?)),
        _ => Err(Refusal::bug()),
    }
}

impl From<RunError> for Refusal {
    fn from(error: RunError) -> Self {
        let status = match error.exit() {
            Exit::Bug => StatusCode::INTERNAL_SERVER_ERROR,
            Exit::Guard => StatusCode::CONFLICT,
            Exit::Config => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::BAD_GATEWAY,
        };
        let refusal = Self::new(status, error.code(), error.to_string());
        match error.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}
