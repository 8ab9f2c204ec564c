//! How each sync stands, in the words of the pages.

use std::sync::Arc;

use serde::Serialize;

use super::when::When;
use crate::daemon::timetable::Standing as Timed;
use crate::daemon::{LiveRun, Phase};
use crate::deliver::Waiting;
use crate::documents::Standing;
use crate::http::app::App;
use crate::http::refusal::Refusal;
use crate::project::{SyncSpec, Trouble};
use crate::state::{Alert, Pause, RunId, RunRecord, RunStatus};

/// What is known of a sync.
pub(super) struct Known {
    pub(super) spec: Arc<SyncSpec>,
    pub(super) standing: Standing,
    timed: Option<Timed>,
    pause: Option<Pause>,
    live: Option<LiveRun>,
    troubles: Vec<Alert>,
}

/// Every sync of the project, by name.
pub(super) async fn all(app: &App) -> Result<Vec<Known>, Refusal> {
    of(app, app.handle.edition().project.syncs.clone()).await
}

/// One sync.
pub(super) async fn one(app: &App, name: &str) -> Result<Known, Refusal> {
    let spec = app.handle.edition().project.sync(name).cloned();
    let spec = spec.ok_or_else(Refusal::no_such_sync)?;
    of(app, vec![spec]).await?.pop().ok_or_else(Refusal::no_such_sync)
}

async fn of(app: &App, specs: Vec<Arc<SyncSpec>>) -> Result<Vec<Known>, Refusal> {
    let timed = app.handle.standings().await?;
    let live = app.handle.live.now();
    let now_ms = app.handle.clock.now_ms();
    app.read(move |store| {
        let alerts = store.alerts()?;
        specs
            .into_iter()
            .map(|spec| {
                let is_it = |name: &str| name == spec.name;
                Ok(Known {
                    standing: Standing::of(store, &spec, now_ms)?,
                    timed: timed
                        .iter()
                        .find(|(name, _)| is_it(name))
                        .map(|(_, timed)| *timed),
                    pause: store.timing(&spec.name)?.and_then(|timing| timing.paused),
                    live: live.iter().find(|run| is_it(&run.sync)).cloned(),
                    troubles: alerts
                        .iter()
                        .filter(|alert| is_it(&alert.sync))
                        .cloned()
                        .collect(),
                    spec,
                })
            })
            .collect()
    })
    .await
}

/// How grave something is: the class of its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tone {
    Good,
    Busy,
    Idle,
    Warn,
    Bad,
}

/// A sync as pages show it.
#[derive(Serialize)]
pub(super) struct View {
    pub(super) name: String,
    source: String,
    destination: String,
    object: String,
    schedule: String,
    pub(super) tone: Tone,
    /// One or two words.
    state: &'static str,
    /// Why it stands so, where there is more to say.
    why: Option<String>,
    fresh: Option<When>,
    last: Option<Last>,
    next: Option<When>,
    rows: u64,
    pub(super) rejects: u64,
    running: Option<Running>,
    queued: bool,
    paused: bool,
}

#[derive(Serialize)]
struct Last {
    run: RunId,
    started: When,
    ended: &'static str,
    tone: Tone,
}

/// A run under way.
#[derive(Serialize)]
pub(super) struct Running {
    run: Option<RunId>,
    doing: &'static str,
    read: u64,
    planned: Option<u64>,
    settled: u64,
}

impl Running {
    pub(super) fn of(run: &LiveRun) -> Self {
        Self {
            run: run.run,
            doing: match run.phase {
                Phase::Reading => "reading the model",
                Phase::Sending => "sending",
                Phase::Waiting(Waiting::Window) => "waiting for the account's limit",
                Phase::Waiting(Waiting::Throttled) => "slowed down by the destination",
                Phase::Waiting(Waiting::Outage) => "waiting for the destination to come back",
                Phase::Waiting(Waiting::Job) => "waiting for a job at the destination",
            },
            read: run.read,
            planned: run.planned,
            settled: run.settled,
        }
    }
}

impl View {
    pub(super) fn of(known: &Known, now_ms: i64) -> Self {
        let when = |ms: i64| When::of(ms, now_ms);
        let (standing, timed) = (&known.standing, known.timed);
        let (tone, state, why) = judged(known, now_ms);
        Self {
            name: known.spec.name.clone(),
            source: known.spec.source.clone(),
            destination: known.spec.destination.clone(),
            object: known.spec.object.clone(),
            schedule: standing.schedule.clone(),
            tone,
            state,
            why,
            fresh: standing.fresh_ms.map(when),
            last: standing.last.as_ref().map(|run| {
                let (tone, ended) = ended(run);
                Last {
                    run: run.id,
                    started: when(run.started_ms),
                    ended,
                    tone,
                }
            }),
            next: match &known.pause {
                Some(_) => None,
                None => timed.and_then(|timed| timed.owed_ms.or(timed.due_ms)).map(when),
            },
            rows: standing.rows,
            rejects: standing.rejects,
            running: known.live.as_ref().map(Running::of),
            queued: timed.is_some_and(|timed| timed.queued_ms.is_some()),
            paused: known.pause.is_some(),
        }
    }
}

/// How a sync stands: the mark, a word, and why.
fn judged(known: &Known, now_ms: i64) -> (Tone, &'static str, Option<String>) {
    let words = |ms: i64| When::of(ms, now_ms).words().to_owned();
    if known.live.is_some() {
        return (Tone::Busy, "Running", None);
    }
    if let Some(pause) = &known.pause {
        let why = format!("paused by {}, {}", pause.by, words(pause.at_ms));
        return (Tone::Idle, "Paused", Some(why));
    }
    let trouble = |trouble: Trouble| known.troubles.iter().find(|one| one.trouble == trouble.word());
    let error = known.standing.error.as_ref();
    let stopped = || error.map(|error| format!("{} ({})", error.message, error.code));
    if trouble(Trouble::Credentials).is_some() {
        return (Tone::Bad, "No access", stopped());
    }
    if trouble(Trouble::Guarded).is_some() {
        return (Tone::Bad, "Stopped by a guard", stopped());
    }
    if trouble(Trouble::Failed).is_some() {
        return (Tone::Bad, "Failed", stopped());
    }
    if let Some(late) = trouble(Trouble::Late) {
        let why = match known.standing.fresh_ms {
            Some(fresh) => format!("no run has gone through since {}", words(fresh)),
            None => format!("no run has gone through; late since {}", words(late.since_ms)),
        };
        return (Tone::Warn, "Late", Some(why));
    }
    if let Some(timed) = known.timed {
        if let Some(owed) = timed.owed_ms.filter(|owed| *owed > now_ms) {
            let why = format!("out of quota; goes on {}", words(owed));
            return (Tone::Warn, "Waiting for quota", Some(why));
        }
        if let Some(since) = timed.queued_ms {
            let why = format!("due {}; other runs are first", words(since));
            return (Tone::Busy, "Waiting its turn", Some(why));
        }
    }
    match known.standing.fresh_ms {
        Some(_) => (Tone::Good, "Fresh", None),
        None => (Tone::Idle, "Not run yet", None),
    }
}

/// How a run ended, in a few words.
pub(super) fn ended(run: &RunRecord) -> (Tone, &'static str) {
    let cancelled = run.error.as_ref().is_some_and(|(code, _)| code == "cancelled");
    match run.status {
        RunStatus::Running => (Tone::Busy, "Running"),
        RunStatus::Ok => (Tone::Good, "Done"),
        RunStatus::Rejects => (Tone::Warn, "Done, with rejects"),
        RunStatus::Failed => (Tone::Bad, "Failed"),
        RunStatus::Guarded => (Tone::Bad, "Stopped by a guard"),
        RunStatus::Deferred if cancelled => (Tone::Idle, "Cancelled"),
        RunStatus::Deferred => (Tone::Warn, "Deferred"),
    }
}
