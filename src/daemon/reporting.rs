//! Moves the results of runs to `report_to:`, aside from the loop: the folder may be slow, or not there.

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
    moves: JoinSet<Result<usize, ReportError>>,
    /// Syncs with results that wait.
    waiting: BTreeSet<String>,
    /// Something came after the move under way had begun.
    again: bool,
}

/// How a move ended.
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
            moves: JoinSet::new(),
            waiting: BTreeSet::new(),
            again: false,
        }
    }

    pub(super) fn reporter(&self) -> Arc<Reporter> {
        Arc::clone(&self.reporter)
    }

    /// Makes up for what an earlier process did not get to. Before any run begins. Gives what that cannot
    /// be done for.
    pub(super) fn begin(&mut self, project: &Project) -> Option<Unreported> {
        let begun = self.reporter.begin(project);
        self.move_all(project);
        let error = begun.err()?;
        tracing::error!(%error, "earlier runs cannot be noted for `report_to`; the next run tries again");
        Some(Unreported {
            syncs: self.missing()?,
            reason: error.to_string(),
        })
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
        self.again = !self.moves.is_empty();
        if !self.again {
            let reporter = self.reporter();
            self.moves
                .spawn_blocking_on(move || reporter.deliver(&to), &self.workers);
        }
    }

    /// Whether a move is under way.
    pub(super) fn is_moving(&self) -> bool {
        !self.moves.is_empty()
    }

    /// Waits for the move under way; none when there is none.
    pub(super) async fn moved(&mut self) -> Option<Result<Result<usize, ReportError>, JoinError>> {
        self.moves.join_next().await
    }

    /// A move ended.
    pub(super) fn over(
        &mut self,
        over: Result<Result<usize, ReportError>, JoinError>,
        project: &Project,
    ) -> Moved {
        let result = match over {
            Ok(result) => result.map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(format!("a bug: {error}")),
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

    /// Lets what was begun end, within bounds.
    pub(super) async fn settle(&mut self, project: &Project) {
        let all = async {
            while let Some(over) = self.moved().await {
                self.over(over, project);
            }
        };
        if tokio::time::timeout(LAST_MOVE, all).await.is_err() {
            tracing::warn!("results wait in the state's folder: `report_to` is too slow");
        }
    }
}
