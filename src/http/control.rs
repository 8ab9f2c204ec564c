//! Acting: start, stop, pause, resume, read the files again.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::watch;

use super::access::Caller;
use super::answers::{Done, Reloaded, Triggered};
use super::app::App;
use super::reading::{Named, Queried, understood};
use super::refusal::Refusal;
use crate::daemon::{self, Stage};
use crate::documents::RunResult;
use crate::project::Interval;
use crate::state::RunStatus;

/// How long `wait=true` waits, and the longest anyone may.
const USUAL_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Longest key of the caller's own.
const LONGEST_KEY: usize = 200;

/// How to trigger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    wait: Option<String>,
}

impl Trigger {
    /// How long the caller waits for the run to end.
    pub(super) fn wait(&self) -> Result<Duration, Refusal> {
        let wait = match self.wait.as_deref() {
            None | Some("false" | "0") => Duration::ZERO,
            Some("" | "true") => USUAL_WAIT,
            Some(text) => match (text.parse::<u32>(), Interval::parse(text)) {
                (Ok(seconds), _) => Duration::from_secs(seconds.into()),
                (_, Some(Interval(time))) => time,
                _ => {
                    return Err(Refusal::bad_request(
                        "bad_query",
                        "`wait` is `true`, or a length of time such as `30s`",
                    ));
                }
            },
        };
        Ok(wait.min(LONGEST_WAIT))
    }
}

pub(super) async fn trigger(
    State(app): State<Arc<App>>,
    Named(sync): Named,
    Extension(Caller(by)): Extension<Caller>,
    query: Queried<Trigger>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let wait = understood(query)?.wait()?;
    let stage = match key(&headers)? {
        None => app.handle.run(&sync, &by).await?,
        Some(key) => app.asked.run(&app.handle, &sync, None, &by, key).await?,
    };
    Ok(followed(sync, stage, wait).await)
}

/// The answer about a run that was asked for, once it has ended or after so long.
pub(super) async fn followed(sync: String, stage: watch::Receiver<Stage>, wait: Duration) -> Response {
    let stage = settled(stage, wait).await;
    let ended = match &stage {
        Stage::Ended(_) | Stage::Dropped => true,
        Stage::Past(run) => run.status != RunStatus::Running,
        Stage::Queued | Stage::Running(_) => false,
    };
    let status = if ended {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    (status, Json(triggered(sync, &stage))).into_response()
}

/// `Idempotency-Key`, if there is one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= LONGEST_KEY => Ok(Some(key)),
        _ => Err(Refusal::bad_request(
            "bad_idempotency_key",
            "`Idempotency-Key` is 1 to 200 characters of ASCII",
        )),
    }
}

/// How the run stands once it has ended, or after so long.
async fn settled(mut stage: watch::Receiver<Stage>, wait: Duration) -> Stage {
    let over = stage.wait_for(|stage| matches!(stage, Stage::Ended(_) | Stage::Dropped));
    // Too late is as good as any other time to look.
    let _ = tokio::time::timeout(wait, over).await;
    stage.borrow().clone()
}

fn triggered(sync: String, stage: &Stage) -> Triggered {
    let (status, run_id, result) = match stage {
        Stage::Queued => ("queued", None, None),
        Stage::Running(run) => ("running", Some(*run), None),
        Stage::Dropped => ("dropped", None, None),
        Stage::Ended(ended) => (
            ended.report.status.word(),
            Some(ended.report.run_id),
            Some(RunResult::of(&ended.report)),
        ),
        Stage::Past(run) => (run.status.word(), Some(run.id), None),
    };
    Triggered {
        sync,
        status: status.to_owned(),
        run_id,
        result,
    }
}

pub(super) async fn pause(
    State(app): State<Arc<App>>,
    Named(sync): Named,
    Extension(Caller(by)): Extension<Caller>,
) -> Result<Json<Done>, Refusal> {
    app.handle.pause(&sync, &by).await?;
    Ok(Json(Done { sync, done: "paused" }))
}

pub(super) async fn resume(
    State(app): State<Arc<App>>,
    Named(sync): Named,
    Extension(Caller(by)): Extension<Caller>,
) -> Result<Json<Done>, Refusal> {
    app.handle.resume(&sync, &by).await?;
    Ok(Json(Done {
        sync,
        done: "resumed",
    }))
}

pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Named(sync): Named,
    Extension(Caller(by)): Extension<Caller>,
) -> Result<Json<Done>, Refusal> {
    app.handle.cancel(&sync, &by).await?;
    Ok(Json(Done {
        sync,
        done: "cancelled",
    }))
}

pub(super) async fn reload(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let (status, answer) = match app.handle.reload().await? {
        daemon::Reloaded::Adopted => (
            StatusCode::OK,
            Reloaded {
                reloaded: true,
                problems: Vec::new(),
            },
        ),
        daemon::Reloaded::Kept(problems) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Reloaded {
                reloaded: false,
                problems,
            },
        ),
    };
    Ok((status, Json(answer)).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_wait_is_a_length_of_time_within_bounds() {
        let wait = |text: Option<&str>| {
            Trigger {
                wait: text.map(str::to_owned),
            }
            .wait()
        };
        assert_eq!(wait(None).unwrap(), Duration::ZERO);
        assert_eq!(wait(Some("true")).unwrap(), USUAL_WAIT);
        assert_eq!(wait(Some("90")).unwrap(), Duration::from_secs(90));
        assert_eq!(wait(Some("1m30s")).unwrap(), Duration::from_secs(90));
        assert_eq!(wait(Some("9d")).unwrap(), LONGEST_WAIT);
        assert_eq!(wait(Some("soon")).unwrap_err().code(), "bad_query");
    }
}
