//! Since: from when on a narrowed model is read.
//!
//! That is the start of the last run that left nothing undone: whatever changed before it was read then or
//! earlier, and acknowledged. A run with rejects is none, so their rows are read again. A changed mapping
//! starts from the beginning: rows that did not change may have values now that nobody sent.

use jiff::Timestamp;
use outflow_project::SyncSpec;
use outflow_state::SyncState;
use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::prepare::Stage;

/// The last success as it is noted in the state.
#[derive(Serialize, Deserialize)]
struct Success {
    /// Hash of what the sync read and mapped.
    print: u64,
    /// When the run began, in milliseconds since 1970.
    started_ms: i64,
}

impl Stage {
    /// When the last run of a narrowed sync began that left nothing undone, in whole seconds; 1970 before
    /// it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) fn last_success(&self, sync: &SyncSpec, state: &SyncState) -> Result<Timestamp, RunError> {
        if !sync.model.is_narrowed() {
            return Ok(Timestamp::UNIX_EPOCH);
        }
        let noted = self.store.success(state.id)?;
        let success: Option<Success> = noted.and_then(|text| serde_json::from_str(&text).ok());
        let start = success
            .filter(|success| success.print == print(sync))
            // Part of a second would be lost on warehouses that keep whole ones.
            .and_then(|success| Timestamp::from_second(success.started_ms.div_euclid(1000)).ok());
        Ok(start.unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Notes that a run left nothing undone.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn remember_success(&self, sync: &SyncSpec, started_ms: i64) -> Result<(), RunError> {
        if !sync.model.is_narrowed() {
            return Ok(());
        }
        let success = Success {
            print: print(sync),
            started_ms,
        };
        let text = serde_json::to_string(&success).map_err(|error| RunError::Internal(error.to_string()))?;
        let state = self.state_of(sync)?;
        Ok(self.store.set_success(state.id, &text)?)
    }
}

fn print(sync: &SyncSpec) -> u64 {
    let text = format!(
        "{}|{:?}|{:?}|{}|{}|{:?}|{:?}|{:?}|{}",
        sync.source,
        sync.model,
        sync.key,
        sync.destination,
        sync.object,
        sync.match_fields,
        sync.mode,
        sync.fields,
        sync.options
    );
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}
