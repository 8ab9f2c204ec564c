//! What a run tells while it goes on.

/// Listener of a run; called often, must be cheap.
pub trait Progress: Send + Sync {
    /// The model is being read.
    fn read(&self, _sync: &str, _rows: u64) {}
    /// The plan is made: so many operations follow.
    fn planned(&self, _sync: &str, _operations: u64) {}
    /// Operations settled since the last call.
    fn settled(&self, _sync: &str, _operations: u64) {}
    /// The sync is done.
    fn done(&self, _sync: &str) {}
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {}
