//! `/runs/NUMBER`: what became of every row of a run.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use serde::Serialize;

use super::render::{self, Trouble};
use super::standing::{Running, Tone, ended};
use super::visitor::Visitor;
use super::when::{When, took};
use crate::http::app::App;
use crate::state::{Refusals, RunId, RunRecord, RunStatus, SlowRequest};

/// A run in a table.
#[derive(Serialize)]
pub(super) struct Row {
    run: RunId,
    sync: String,
    started: When,
    took: Option<String>,
    ended: &'static str,
    tone: Tone,
    read: u64,
    created: u64,
    updated: u64,
    removed: u64,
    rejected: u64,
    requests: u64,
}

impl Row {
    pub(super) fn of(run: &RunRecord, now_ms: i64) -> Self {
        let (tone, ended) = ended(run);
        Self {
            run: run.id,
            sync: run.sync.clone(),
            started: When::of(run.started_ms, now_ms),
            took: run.finished_ms.map(|at| took(at - run.started_ms)),
            ended,
            tone,
            read: run.tally.read,
            created: run.tally.created,
            updated: run.tally.updated,
            removed: run.tally.removed,
            rejected: run.tally.rejected,
            requests: run.tally.requests,
        }
    }
}

/// One line of the ledger.
#[derive(Serialize)]
struct Bucket {
    name: &'static str,
    means: &'static str,
    rows: u64,
    class: &'static str,
}

#[derive(Serialize)]
struct Changed {
    field: String,
    records: u64,
}

#[derive(Serialize)]
struct Refused {
    outcome: &'static str,
    code: String,
    tries: u64,
}

/// One of the slowest requests.
#[derive(Serialize)]
struct Slow {
    route: String,
    took: String,
    rows: u64,
    sent: When,
    /// How far into the run that was.
    after: String,
    again: bool,
    code: Option<String>,
    correlation: Option<String>,
}

impl Slow {
    fn of(request: &SlowRequest, started_ms: i64, now_ms: i64) -> Self {
        let took_ms = i64::try_from(request.took_ms).unwrap_or(i64::MAX);
        Self {
            route: request.route.clone(),
            took: took(took_ms),
            rows: request.rows,
            sent: When::of(request.sent_ms, now_ms),
            after: took(request.sent_ms.saturating_sub(started_ms)),
            again: request.again,
            code: request.code.clone(),
            correlation: request.correlation.clone(),
        }
    }
}

#[derive(Serialize)]
struct Page {
    run: Row,
    running: Option<Running>,
    error: Option<String>,
    ledger: Vec<Bucket>,
    accounted: u64,
    /// Removals tried.
    removals: u64,
    balanced: bool,
    retries: u64,
    limiter_wait: String,
    slowest: Vec<Slow>,
    changed: Vec<Changed>,
    refused: Vec<Refused>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let missing = || Trouble::missing("No run has this number.");
    let id: RunId = id.parse().map_err(|_| missing())?;
    let found = app
        .read(move |store| {
            let Some(run) = store.run(id)? else {
                return Ok(None);
            };
            let refusals = match store.sync(&run.sync)? {
                Some(sync) => store.refusals(sync.id, id)?,
                None => Vec::new(),
            };
            Ok(Some((run, refusals)))
        })
        .await?;
    let (run, refusals) = found.ok_or_else(missing)?;
    let live = app.handle.live.now();
    let live = live.iter().find(|live| live.run == Some(id));
    let page = Page {
        running: live.map(Running::of),
        ..told(&run, refusals, app.handle.clock.now_ms())
    };
    let title = format!("Run {id} of {}", run.sync);
    Ok(render::page("run.html", &title, &visitor, &page))
}

fn told(run: &RunRecord, refusals: Vec<Refusals>, now_ms: i64) -> Page {
    let (tally, detail) = (&run.tally, &run.detail);
    let accounted = tally.accounted();
    // Runs of earlier versions did not count the removals they tried: what is over is them.
    let removals = match detail.removals {
        0 => accounted.saturating_sub(tally.read),
        tried => tried,
    };
    let wait_ms = i64::try_from(detail.limiter_wait_ms).unwrap_or(i64::MAX);
    let mut changed: Vec<Changed> = detail
        .fields
        .iter()
        .map(|(field, records)| Changed {
            field: field.clone(),
            records: *records,
        })
        .collect();
    changed.sort_by_key(|one| std::cmp::Reverse(one.records));
    Page {
        run: Row::of(run, now_ms),
        running: None,
        error: run
            .error
            .as_ref()
            .map(|(code, message)| format!("{message} ({code})")),
        ledger: ledger(run),
        accounted,
        removals,
        balanced: run.status != RunStatus::Running && accounted == tally.read + removals,
        retries: detail.retries,
        limiter_wait: took(wait_ms),
        slowest: detail
            .slowest
            .iter()
            .map(|request| Slow::of(request, run.started_ms, now_ms))
            .collect(),
        changed,
        refused: refusals
            .into_iter()
            .map(|one| Refused {
                outcome: outcome(&one.outcome),
                code: one.code,
                tries: one.tries,
            })
            .collect(),
    }
}

fn ledger(run: &RunRecord) -> Vec<Bucket> {
    let tally = &run.tally;
    let bucket = |name, rows, class, means| Bucket {
        name,
        means,
        rows,
        class,
    };
    vec![
        bucket(
            "Unchanged",
            tally.unchanged,
            "quiet",
            "equal to what the destination has already",
        ),
        bucket("Created", tally.created, "good", "new records at the destination"),
        bucket("Updated", tally.updated, "good", "records that got new values"),
        bucket(
            "Removed",
            tally.removed,
            "good",
            "records of rows that left the model",
        ),
        bucket(
            "Rejected",
            tally.rejected,
            "bad",
            "refused, in this run or before, and not changed since",
        ),
        bucket(
            "Suppressed",
            tally.suppressed,
            "quiet",
            "left alone for consent or compliance",
        ),
        bucket(
            "Invalid key",
            tally.invalid_key,
            "bad",
            "rows without a key of their own",
        ),
        bucket(
            "Deferred",
            tally.deferred,
            "warn",
            "not sent yet: out of quota, or the run stopped",
        ),
        bucket(
            "Held",
            tally.held,
            "warn",
            "sent, and the answer is not known yet",
        ),
    ]
}

/// How a try ended, in words.
pub(super) fn outcome(word: &str) -> &'static str {
    match word {
        "rejected" => "refused",
        "suppressed" => "refused for consent or compliance",
        "exhausted" => "not delivered after several tries",
        "in_doubt" => "sent, without an answer",
        "job_open" => "in a job without a result yet",
        _ => "not acknowledged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{RunDetail, Tally};

    #[test]
    fn a_ledger_balances_rows_and_removals_also_of_runs_that_did_not_count_removals() {
        let mut run = RunRecord {
            id: 1,
            sync: "customers".into(),
            started_ms: 0,
            finished_ms: Some(5),
            status: RunStatus::Ok,
            tally: Tally {
                read: 10,
                unchanged: 9,
                updated: 1,
                removed: 2,
                ..Tally::default()
            },
            error: None,
            keys: None,
            detail: RunDetail::default(),
        };
        let page = told(&run, Vec::new(), 9);
        assert_eq!((page.accounted, page.removals, page.balanced), (12, 2, true));
        run.detail.removals = 3;
        assert!(!told(&run, Vec::new(), 9).balanced);
        run.detail.removals = 2;
        assert!(told(&run, Vec::new(), 9).balanced);
        let sum: u64 = ledger(&run).iter().map(|bucket| bucket.rows).sum();
        assert_eq!(sum, run.tally.accounted(), "no bucket is missing");
    }
}
