//! What a run tells while it goes on.

use std::sync::Arc;
use std::time::Duration;

use outflow_deliver::Waiting;
use outflow_state::RunId;

/// Listener of a run; called often, must be cheap.
pub trait Progress: Send + Sync {
    /// The run has its number.
    fn started(&self, _sync: &str, _run: RunId) {}
    /// The model is being read.
    fn read(&self, _sync: &str, _rows: u64) {}
    /// The plan is made: so many operations follow.
    fn planned(&self, _sync: &str, _operations: u64) {}
    /// Operations settled since the last call.
    fn settled(&self, _sync: &str, _operations: u64) {}
    /// Nothing goes out for a while, and why.
    fn waiting(&self, _sync: &str, _why: Waiting, _at_most: Option<Duration>) {}
    /// The sync is done.
    fn done(&self, _sync: &str) {}
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {}

/// Passes on what delivery tells of one sync.
pub(crate) struct DeliveryProgress {
    /// Sync name.
    pub(crate) sync: String,
    /// Who is told.
    pub(crate) progress: Arc<dyn Progress>,
}

impl outflow_deliver::Progress for DeliveryProgress {
    fn settled(&self, operations: usize) {
        self.progress.settled(&self.sync, operations as u64);
    }

    fn waiting(&self, why: Waiting, at_most: Option<Duration>) {
        self.progress.waiting(&self.sync, why, at_most);
    }
}
