//! What every destination last acknowledged, in one SQLite file.
//!
//! A row is written only with its acknowledgement ([`Store::commit`]), so the store never says more
//! than the destination has. A run asks [`Filter`] first, which knows every row's print from memory,
//! and reads from the store only what differs ([`Lookup`]) or is gone ([`Unseen`]).

mod alerts;
mod calls;
mod commit;
mod erase;
mod error;
mod export;
mod filter;
mod filter_file;
mod filter_journal;
#[cfg(test)]
mod fixtures;
mod import;
mod jobs;
mod lines;
mod matches;
#[cfg(test)]
mod measure;
mod model;
pub mod prefetch;
mod prints;
mod rejects;
mod row_writes;
mod rows;
mod run_detail;
mod runs;
mod schema;
mod store;
mod syncs;
mod timetable;

pub use alerts::{Alert, Notice};
pub use calls::AskedRun;
pub use commit::ATTEMPTS_KEPT;
pub use error::StateError;
pub use filter::{Filter, Probe};
pub use filter_journal::note_changes;
pub use jobs::{Job, JobId, JobRow, OpenJobs};
pub use lines::Transferred;
pub use model::{
    Attempt, Changes, FilterChange, Identity, Reject, RejectClass, RunDetail, RunId, RunRecord, RunStatus,
    SlowRequest, StoredRow, SyncId, SyncState, Tally, WHEN_ASKED,
};
pub use rejects::SyncReject;
pub use rows::{Lookup, Unseen};
pub use run_detail::{FieldChange, Refusals};
pub use store::{Access, Store};
pub use timetable::{Pause, Timing};
