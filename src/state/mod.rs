//! What every destination last acknowledged, in one SQLite file.

mod model;

pub use model::{
    Attempt, Changes, Identity, Reject, RejectClass, RunId, RunRecord, RunStatus, StoredRow, SyncId,
    SyncState, Tally,
};
