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
    /// What was there; more has come since.
    Some,
    /// The results of these syncs wait, and why.
    Not(BTreeSet<String>, String),
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

    /// Makes up for what an earlier process did not get to. Before any run begins.
    pub(super) fn begin(&mut self, project: &Project) {
        if let Err(error) = self.reporter.begin(project) {
            tracing::error!(%error, "earlier runs cannot be noted for `report_to`; the next run tries again");
        }
        self.move_all(project);
    }

    /// A run ended, and its results are put aside.
    pub(super) fn ended(&mut self, project: &Project, sync: &str) {
        if project.report_to.is_some() {
            self.waiting.insert(sync.to_owned());
            self.move_all(project);
        }
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
            // What came meanwhile is moved next.
            Ok(()) if self.again => Moved::Some,
            Ok(()) => {
                self.waiting.clear();
                Moved::All
            }
            Err(reason) => {
                tracing::error!(
                    reason,
                    "results could not be written to `report_to`; they wait for the next run"
                );
                Moved::Not(self.waiting.clone(), reason)
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
