//! Moves the results of runs to `report_to:`, aside from the loop: the folder may be slow, or not there. And
//! before the first run makes up for what an earlier process did not get to, which may be much.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use crate::project::Project;
use crate::reports::{ReportError, Reporter};
use crate::state::Store;

/// How long a move is waited for when the daemon stops; what is not moved then waits for the next start.
const LAST_MOVE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Reporting {
    reporter: Arc<Reporter>,
    workers: Handle,
    works: JoinSet<Work>,
    begun: bool,
    /// Syncs with results that wait.
    waiting: BTreeSet<String>,
    /// Something came after the move under way had begun.
    again: bool,
}

/// What was done aside from the loop.
pub(super) enum Work {
    /// What an earlier process left was put aside, of these syncs.
    Begin(Result<BTreeSet<String>, ReportError>),
    /// Results were moved.
    Move(Result<usize, ReportError>),
}

/// How it ended.
pub(super) enum Moved {
    /// Everything is where it belongs.
    All,
    /// What was there; more has come since, or is still to be put aside.
    Some,
    /// It did not happen.
    Not(Unreported),
}

/// Results that are not where they belong.
pub(super) struct Unreported {
    /// Of these syncs.
    pub(super) syncs: BTreeSet<String>,
    /// Why.
    pub(super) reason: String,
}

impl Reporting {
    pub(super) fn new(store: Arc<Store>, workers: Handle) -> Self {
        Self {
            reporter: Arc::new(Reporter::new(store)),
            workers,
            works: JoinSet::new(),
            begun: false,
            waiting: BTreeSet::new(),
            again: false,
        }
    }

    pub(super) fn reporter(&self) -> Arc<Reporter> {
        Arc::clone(&self.reporter)
    }

    /// Makes up for what an earlier process did not get to. No run may begin before [`has_begun`].
    ///
    /// [`has_begun`]: Self::has_begun
    pub(super) fn begin(&mut self, project: Arc<Project>) {
        if project.report_to.is_none() {
            self.begun = true;
            return;
        }
        let reporter = self.reporter();
        let begin = move || {
            let syncs = reporter.missing()?;
            reporter.begin(&project)?;
            Ok(syncs)
        };
        self.works
            .spawn_blocking_on(move || Work::Begin(begin()), &self.workers);
    }

    /// Whether runs may begin.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// A run ended. Its results are put aside, or cannot be: then why.
    pub(super) fn ended(
        &mut self,
        project: &Project,
        sync: &str,
        unnoted: Option<String>,
    ) -> Option<Unreported> {
        project.report_to.as_ref()?;
        if unnoted.is_none() {
            self.waiting.insert(sync.to_owned());
        }
        self.move_all(project);
        unnoted.map(|reason| Unreported {
            syncs: BTreeSet::from([sync.to_owned()]),
            reason,
        })
    }

    /// Syncs with ended runs whose results are not put aside yet; none when the state cannot tell.
    fn missing(&self) -> Option<BTreeSet<String>> {
        self.reporter
            .missing()
            .inspect_err(|error| tracing::error!(%error, "cannot tell which runs are to be reported"))
            .ok()
    }

    fn move_all(&mut self, project: &Project) {
        let Some(to) = project.report_to.clone() else {
            return;
        };
        self.again = !self.works.is_empty();
        if !self.again {
            let reporter = self.reporter();
            self.works
                .spawn_blocking_on(move || Work::Move(reporter.deliver(&to)), &self.workers);
        }
    }

    /// Whether something is under way.
    pub(super) fn is_working(&self) -> bool {
        !self.works.is_empty()
    }

    /// Waits for what is under way; none when there is nothing.
    pub(super) async fn worked(&mut self) -> Option<Result<Work, JoinError>> {
        self.works.join_next().await
    }

    /// It ended.
    pub(super) fn over(&mut self, over: Result<Work, JoinError>, project: &Project) -> Moved {
        let had_begun = std::mem::replace(&mut self.begun, true);
        let result = match over {
            Ok(Work::Begin(result)) => {
                return self.after_begin(result.map_err(|error| error.to_string()), project);
            }
            Ok(Work::Move(result)) => result.map(drop).map_err(|error| error.to_string()),
            Err(error) if had_begun => Err(format!("a bug: {error}")),
            Err(error) => return self.after_begin(Err(format!("a bug: {error}")), project),
        };
        let moved = match result {
            // Taken out meanwhile: nobody waits for them.
            _ if project.report_to.is_none() => {
                self.waiting.clear();
                Moved::Some
            }
            // What came meanwhile is moved next.
            Ok(()) if self.again => Moved::Some,
            Ok(()) => {
                self.waiting.clear();
                let all = self.missing().is_some_and(|missing| missing.is_empty());
                if all { Moved::All } else { Moved::Some }
            }
            Err(reason) => {
                tracing::error!(
                    reason,
                    "results could not be written to `report_to`; they wait for the next run"
                );
                Moved::Not(Unreported {
                    syncs: self.waiting.clone(),
                    reason,
                })
            }
        };
        if std::mem::take(&mut self.again) {
            self.move_all(project);
        }
        moved
    }

    fn after_begin(&mut self, result: Result<BTreeSet<String>, String>, project: &Project) -> Moved {
        if project.report_to.is_none() {
            // Taken out meanwhile: nobody waits for them.
            return Moved::Some;
        }
        let reason = match result {
            Ok(syncs) => {
                if !syncs.is_empty() {
                    tracing::info!(
                        syncs = syncs.len(),
                        "results of earlier runs are put aside for `report_to`"
                    );
                }
                self.waiting.extend(syncs);
                self.move_all(project);
                return Moved::Some;
            }
            Err(reason) => reason,
        };
        self.move_all(project);
        tracing::error!(
            reason,
            "earlier runs cannot be noted for `report_to`; the next run tries again"
        );
        Moved::Not(Unreported {
            syncs: self.missing().unwrap_or_default(),
            reason,
        })
    }

    /// Lets what was begun end, within bounds.
    pub(super) async fn settle(&mut self, project: &Project) {
        let all = async {
            while let Some(over) = self.worked().await {
                self.over(over, project);
            }
        };
        if tokio::time::timeout(LAST_MOVE, all).await.is_err() {
            tracing::warn!("results wait in the state's folder: `report_to` is too slow");
        }
    }
}
