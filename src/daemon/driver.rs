//! The loop around the timetable: it waits for the next time, a request, the end of a run or a change
//! of files, and starts what is due.

mod shut_down;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::http::Exchange;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::edition::{Broken, Edition, Watch};
use super::ends::{outcome, tell};
use super::handle::{AskError, Command, Handle, Reloaded};
use super::live::{Ended, Live, Stage};
use super::messenger::Messenger;
use super::plans::{limits, past, plan, schedule_text};
use super::reporting::{Moved, Reporting, Unreported, Work};
use super::rhythm::BadSchedule;
use super::timetable::{Cause, Outcome, Refused, Start, Timetable};
use super::waiting::Waiting;
use super::watchman::Watchman;
use crate::deliver::{Clock, Policy, off_worker};
use crate::project::Loaded;
use crate::state::{Pause, StateError, Store};
use crate::sync::prepare;
use crate::sync::quota::Quotas;
use crate::sync::report::RunReport;
use crate::sync::run::Runner;

/// The usual [`Settings::tick`].
pub const TICK: Duration = Duration::from_secs(2);

/// Told of every run that ended.
pub type Listener = Box<dyn Fn(&Arc<Ended>) + Send + Sync>;

/// What a daemon stands on.
pub struct Settings {
    /// The project's folder.
    pub root: PathBuf,
    /// Reads the project's files.
    pub read: Box<dyn Fn() -> Loaded + Send + Sync>,
    /// The project to begin with.
    pub edition: Edition,
    /// The state, open for writing: its lock is what keeps a second daemon away.
    pub store: Arc<Store>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Retry policy.
    pub policy: Policy,
    /// Makes jitter of retries reproducible.
    pub seed: u64,
    /// How often the files are looked at, and the longest sleep: a machine that slept is noticed.
    pub tick: Duration,
    /// Where runs run: they use whole threads for a while, which must not be those that answer requests.
    pub workers: tokio::runtime::Handle,
    /// How long runs may settle what is in flight when the daemon stops.
    pub grace: Duration,
    /// Carries alerts.
    pub exchange: Arc<dyn Exchange>,
    /// Told of every run that ended.
    pub ended: Listener,
}

/// Why the daemon cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A schedule.
    #[error("sync {0}: {1}")]
    Schedule(String, #[source] BadSchedule),
}

/// A run under way.
struct Running {
    sync: String,
    destination: String,
    stop: watch::Sender<bool>,
    cancelled: bool,
    /// Whether a hook asked for some of its rows: they must have their effect whatever happens.
    kept: bool,
}

impl Running {
    /// What the timetable makes of its end: the whole model makes up for what must not be lost, and its
    /// own failure is told as any.
    fn made_up(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed if self.kept => Outcome::Deferred(None),
            other => other,
        }
    }
}

/// What a run's task leaves.
struct Over {
    cause: Cause,
    report: RunReport,
    /// Why it is not noted for `report_to`.
    unnoted: Option<String>,
}

/// The daemon. See the module.
pub struct Daemon {
    pub(super) settings: Settings,
    pub(super) timetable: Timetable,
    quotas: Arc<Quotas>,
    live: Arc<Live>,
    edition: watch::Sender<Arc<Edition>>,
    commands: mpsc::Receiver<Command>,
    files: Watch,
    runs: JoinSet<Over>,
    running: HashMap<Id, Running>,
    /// Who follows a run that waits for its turn.
    queued: HashMap<String, watch::Sender<Stage>>,
    /// Rows that were asked for.
    pub(super) waiting: Waiting,
    watchman: Watchman,
    reporting: Reporting,
}

impl Daemon {
    /// A daemon that has not started yet, and what others reach it by.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn new(settings: Settings) -> Result<(Self, Handle), DaemonError> {
        let quotas = Arc::new(Quotas::new(
            Arc::clone(&settings.store),
            Arc::clone(&settings.clock),
            settings.seed,
        ));
        let (sender, commands) = mpsc::channel(64);
        let edition = watch::Sender::new(Arc::new(settings.edition.clone()));
        let live = Arc::new(Live::default());
        let handle = Handle {
            store: Arc::clone(&settings.store),
            clock: Arc::clone(&settings.clock),
            quotas: Arc::clone(&quotas),
            live: Arc::clone(&live),
            edition: edition.subscribe(),
            commands: sender,
        };
        let watchman = Watchman::new(Arc::clone(&settings.store))?;
        let reporting = Reporting::new(Arc::clone(&settings.store), settings.workers.clone());
        let mut daemon = Self {
            timetable: Timetable::new(limits(&settings.edition.project)),
            files: Watch::new(&settings.root, &settings.edition),
            settings,
            quotas,
            live,
            edition,
            commands,
            runs: JoinSet::new(),
            running: HashMap::new(),
            queued: HashMap::new(),
            waiting: Waiting::default(),
            watchman,
            reporting,
        };
        daemon.close_cut_off()?;
        let first = daemon.settings.edition.clone();
        daemon.adopt(first)?;
        Ok((daemon, handle))
    }

    /// Runs that a process before this one left without an ending go on at once.
    fn close_cut_off(&self) -> Result<(), DaemonError> {
        let now_ms = self.settings.clock.now_ms();
        for sync in self.settings.store.close_cut_off_runs()? {
            tracing::warn!(sync, "an earlier run was cut off; it goes on now");
            if let Some(spec) = self.settings.edition.project.sync(&sync) {
                self.settings.store.follow(&sync, &schedule_text(spec), now_ms)?;
                self.settings.store.owe(&sync, Some(now_ms))?;
            }
        }
        Ok(())
    }

    /// Runs syncs until `stop` turns true, then lets what is in flight settle. `reload` asks for the
    /// files to be read again.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, mut reload: mpsc::Receiver<()>) {
        let messenger = Messenger {
            store: Arc::clone(&self.settings.store),
            clock: Arc::clone(&self.settings.clock),
            exchange: Arc::clone(&self.settings.exchange),
            edition: self.edition.subscribe(),
            news: self.watchman.news(),
        };
        let mut messages = JoinSet::new();
        messages.spawn(messenger.run());
        let tick = self.settings.tick;
        let mut next_look = Instant::now() + tick;
        self.reporting.begin(Arc::clone(&self.edition.borrow().project));
        loop {
            // By the clock, not by the sleep below: who asks for something often must not keep it away.
            if Instant::now() >= next_look {
                next_look = Instant::now() + tick;
                if self.files.changed() {
                    self.reload();
                }
            }
            let now_ms = self.settings.clock.now_ms();
            self.watchman.look(&self.edition.borrow().project.alerts, now_ms);
            let mut due = None;
            if self.reporting.has_begun() {
                for start in self.timetable.start(now_ms) {
                    self.launch(start, now_ms);
                }
                due = self.timetable.next_ms(now_ms).map(|next| {
                    Instant::now()
                        + Duration::from_millis(next.saturating_sub(now_ms).unsigned_abs()).min(tick)
                });
            }
            let wake = due.map_or(next_look, |due| due.min(next_look));
            tokio::select! {
                biased;
                _ = stop.wait_for(|asked| *asked) => break,
                Some(over) = self.runs.join_next_with_id(), if !self.runs.is_empty() => self.over(over),
                Some(over) = self.reporting.worked(), if self.reporting.is_working() => self.reported(over),
                Some(command) = self.commands.recv() => self.obey(command),
                Some(()) = reload.recv() => {
                    self.reload();
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.shut_down().await;
    }

    fn launch(&mut self, start: Start, now_ms: i64) {
        let Start { sync, cause } = start;
        let project = Arc::clone(&self.edition.borrow().project);
        let Some(spec) = project.sync(&sync).cloned() else {
            // The timetable knows the syncs of this very project.
            self.timetable.ended(&sync, Outcome::Failed, now_ms);
            return;
        };
        let mut kept = false;
        let (stage, keys) = if cause == Cause::Rows {
            let Some(batch) = self.next_rows(&spec, now_ms) else {
                self.timetable.ended(&sync, Outcome::Cancelled, now_ms);
                return;
            };
            kept = batch.kept;
            (batch.stage, Some(batch.keys))
        } else {
            let stage = self.queued.remove(&sync);
            (stage.unwrap_or_else(|| watch::Sender::new(Stage::Queued)), None)
        };
        tracing::info!(sync, cause = cause.word(), "run starts");
        self.live.begin(&sync, cause, now_ms, stage);
        let destination = spec.destination.clone();
        let (stop, asked) = watch::channel(false);
        let reporter = self.reporting.reporter();
        let runner = Runner {
            stage: prepare::Stage {
                project: Arc::clone(&project),
                store: Arc::clone(&self.settings.store),
                clock: Arc::clone(&self.settings.clock),
                progress: Arc::clone(&self.live) as Arc<dyn crate::sync::progress::Progress>,
            },
            quotas: Arc::clone(&self.quotas),
            policy: self.settings.policy,
            stop: asked,
        };
        let work = async move {
            let report = match &keys {
                Some(keys) => runner.run_keys(&spec, keys).await,
                None => runner.run(&spec).await,
            };
            // Before the sync can run again.
            let noted = off_worker(|| reporter.note(&project, report.run_id));
            let noted = noted.inspect_err(|error| {
                tracing::error!(sync = report.sync, %error, "the run cannot be noted for `report_to`; the next run tries again");
            });
            Over {
                cause,
                report,
                unnoted: noted.err().map(|error| error.to_string()),
            }
        };
        let task = self.runs.spawn_on(work, &self.settings.workers);
        let running = Running {
            sync,
            destination,
            stop,
            cancelled: false,
            kept,
        };
        self.running.insert(task.id(), running);
    }

    fn over(&mut self, over: Result<(Id, Over), JoinError>) {
        let id = match &over {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        match over {
            Ok((_, over)) => self.finished(&running, over, false),
            Err(_) => {
                // The panic was told when it happened; the next run of the sync marks this one as cut off.
                tracing::error!(sync = running.sync, "run ended by a bug");
                let now_ms = self.settings.clock.now_ms();
                self.timetable
                    .ended(&running.sync, running.made_up(Outcome::Failed), now_ms);
                self.live.end(&running.sync, Stage::Dropped);
            }
        }
    }

    fn finished(&mut self, running: &Running, over: Over, stopping: bool) {
        let Over {
            cause,
            report,
            unnoted,
        } = over;
        let now_ms = self.settings.clock.now_ms();
        let outcome = running.made_up(outcome(&report, running.cancelled, stopping));
        tell(&report);
        let owed_ms = self.timetable.ended(&running.sync, outcome, now_ms);
        let owed_ms = self.debt_ms(&running.sync, owed_ms, now_ms);
        if let Err(error) = self.settings.store.owe(&running.sync, owed_ms) {
            tracing::error!(sync = running.sync, %error, "cannot write down when the run goes on");
        }
        let ended = Arc::new(Ended {
            cause,
            destination: running.destination.clone(),
            finished_ms: now_ms,
            report,
        });
        self.watchman
            .ended(&self.edition.borrow().project.alerts, &ended.report, now_ms);
        (self.settings.ended)(&ended);
        let project = Arc::clone(&self.edition.borrow().project);
        let unreported = self.reporting.ended(&project, &running.sync, unnoted);
        self.unreported(unreported);
        self.live.end(&running.sync, Stage::Ended(ended));
    }

    fn reported(&mut self, over: Result<Work, JoinError>) {
        let project = Arc::clone(&self.edition.borrow().project);
        let now_ms = self.settings.clock.now_ms();
        match self.reporting.over(over, &project) {
            Moved::All => self.watchman.reported(&project.alerts, now_ms),
            Moved::Some => {}
            Moved::Not(unreported) => self.unreported(Some(unreported)),
        }
    }

    fn unreported(&mut self, unreported: Option<Unreported>) {
        if let Some(Unreported { syncs, reason }) = unreported {
            let now_ms = self.settings.clock.now_ms();
            self.watchman
                .unreported(&self.edition.borrow().project.alerts, &syncs, &reason, now_ms);
        }
    }

    fn obey(&mut self, command: Command) {
        let now_ms = self.settings.clock.now_ms();
        // Whoever asked may be gone: then nobody hears the answer.
        match command {
            Command::Run { sync, by, reply } => {
                let answer = self.timetable.ask(&sync, now_ms).map_err(AskError::from);
                let answer = answer.map(|()| {
                    tracing::info!(sync, by, "run asked for");
                    let stage = self.queued.entry(sync);
                    stage
                        .or_insert_with(|| watch::Sender::new(Stage::Queued))
                        .subscribe()
                });
                let _ = reply.send(answer);
            }
            Command::Rows {
                sync,
                keys,
                by,
                reply,
            } => {
                let _ = reply.send(self.ask_rows(&sync, keys, &by, now_ms));
            }
            Command::Pause { sync, by, reply } => {
                let pause = Pause { at_ms: now_ms, by };
                let _ = reply.send(self.pause(&sync, Some(&pause)));
            }
            Command::Resume { sync, by, reply } => {
                let answer = self.pause(&sync, None);
                if answer.is_ok() {
                    tracing::info!(sync, by, "resumed");
                }
                let _ = reply.send(answer);
            }
            Command::Cancel { sync, by, reply } => {
                let _ = reply.send(self.cancel(&sync, &by));
            }
            Command::Hook {
                hook,
                print,
                since_ms,
                syncs,
                reply,
            } => {
                let names: Vec<String> = syncs.iter().map(|hooked| hooked.sync.clone()).collect();
                let store = &self.settings.store;
                let taken = store.take_call(&hook, &print, &names, now_ms, since_ms);
                if matches!(taken, Ok(true)) {
                    tracing::info!(hook, "hook called");
                    for hooked in syncs {
                        // Hooks name syncs of this very project.
                        let _ = self.hooked(hooked, now_ms);
                    }
                }
                let _ = reply.send(taken.map_err(AskError::from));
            }
            Command::Standings { reply } => {
                let project = Arc::clone(&self.edition.borrow().project);
                let standings = project.syncs.iter().filter_map(|sync| {
                    let standing = self.timetable.standing(&sync.name, now_ms)?;
                    Some((sync.name.clone(), standing))
                });
                let _ = reply.send(Ok(standings.collect()));
            }
            Command::Reload { reply } => {
                let _ = reply.send(Ok(self.reload()));
            }
        }
    }

    fn pause(&mut self, sync: &str, pause: Option<&Pause>) -> Result<(), AskError> {
        if self.edition.borrow().project.sync(sync).is_none() {
            return Err(Refused::Unknown.into());
        }
        self.settings.store.pause(sync, pause)?;
        self.timetable.pause(sync, pause.is_some())?;
        self.watchman.pause(sync, pause.is_some());
        if let Some(pause) = pause {
            tracing::info!(sync, by = pause.by, "paused");
            self.drop_queued(sync);
            self.withdraw_rows(sync);
        }
        Ok(())
    }

    fn cancel(&mut self, sync: &str, by: &str) -> Result<(), AskError> {
        if self.edition.borrow().project.sync(sync).is_none() {
            return Err(AskError::Unknown);
        }
        let mut found = self.timetable.withdraw(sync);
        self.drop_queued(sync);
        found |= self.withdraw_rows(sync);
        for running in self.running.values_mut().filter(|one| one.sync == sync) {
            running.cancelled = true;
            running.stop.send_replace(true);
            found = true;
        }
        if !found {
            return Err(AskError::Idle);
        }
        tracing::info!(sync, by, "cancelled");
        Ok(())
    }

    fn drop_queued(&mut self, sync: &str) {
        if let Some(stage) = self.queued.remove(sync) {
            stage.send_replace(Stage::Dropped);
        }
    }

    /// Reads the files again and puts them in force if all is well with them.
    fn reload(&mut self) -> Reloaded {
        self.files.reading();
        let read = Edition::of((self.settings.read)());
        self.files.depends(&read);
        let problems = match read {
            Ok(edition) => {
                if edition.project.state == self.edition.borrow().project.state {
                    match self.adopt(edition) {
                        Ok(()) => {
                            tracing::info!("project reloaded");
                            return Reloaded::Adopted;
                        }
                        Err(error) => {
                            tracing::error!(%error, "project not reloaded; the one before goes on");
                            return Reloaded::Kept(Vec::new());
                        }
                    }
                }
                tracing::error!(
                    "`state:` cannot change while the daemon runs; the project before goes on: restart it"
                );
                return Reloaded::Kept(Vec::new());
            }
            Err(Broken { problems, .. }) => problems,
        };
        tracing::error!(
            problems = problems.len(),
            "project not reloaded: it has errors; the one before goes on"
        );
        for problem in &problems {
            tracing::error!(
                file = %problem.file.display(),
                line = problem.line,
                column = problem.column,
                code = problem.code,
                "{}", problem.message
            );
        }
        Reloaded::Kept(problems)
    }

    fn adopt(&mut self, edition: Edition) -> Result<(), DaemonError> {
        let now_ms = self.settings.clock.now_ms();
        let store = &self.settings.store;
        let mut plans = Vec::new();
        let mut pasts = HashMap::new();
        let mut watched = Vec::new();
        for spec in &edition.project.syncs {
            let plan = plan(spec)?;
            let past = past(store, spec, &plan, now_ms)?;
            watched.push(self.watchman.watched(spec, &plan.rhythm, &past)?);
            pasts.insert(plan.sync.clone(), past);
            plans.push(plan);
        }
        self.timetable.adopt(limits(&edition.project), plans, |plan| {
            pasts.remove(&plan.sync).unwrap_or_default()
        });
        self.watchman.adopt(watched)?;
        if edition.project.report_to.is_none() {
            self.watchman.unasked(&edition.project.alerts, now_ms);
        }
        self.queued.retain(|sync, stage| {
            let stays = edition.project.sync(sync).is_some();
            if !stays {
                stage.send_replace(Stage::Dropped);
            }
            stays
        });
        self.waiting.retain(|sync| edition.project.sync(sync).is_some());
        self.edition.send_replace(Arc::new(edition));
        Ok(())
    }
}
