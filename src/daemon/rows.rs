//! Runs of some rows alone, as the daemon is asked for them.

use tokio::sync::watch;

use super::driver::Daemon;
use super::handle::{AskError, HookedSync};
use super::live::Stage;
use super::timetable::Refused;
use super::waiting::{Batch, TOGETHER_MS, TooMany};
use crate::project::SyncSpec;
use crate::sync::asked::AskedKeys;

impl Daemon {
    /// Rows that a caller asked for.
    pub(super) fn ask_rows(
        &mut self,
        sync: &str,
        keys: AskedKeys,
        by: &str,
        now_ms: i64,
    ) -> Result<watch::Receiver<Stage>, AskError> {
        self.timetable.ask_rows(sync, now_ms + TOGETHER_MS, false)?;
        tracing::info!(sync, by, keys = keys.len(), "rows asked for");
        self.waiting
            .add(sync, keys, false)
            .map_err(|TooMany| AskError::Busy)
    }

    /// What a hook's call starts, which is written down as owed by now: should the process end before the
    /// rows had their turn, the whole model makes up for them.
    pub(super) fn hooked(&mut self, hooked: HookedSync, now_ms: i64) -> Result<(), Refused> {
        let HookedSync { sync, keys } = hooked;
        let Some(keys) = keys else {
            return self.timetable.owe(&sync, now_ms);
        };
        self.timetable.ask_rows(&sync, now_ms + TOGETHER_MS, true)?;
        match self.waiting.add(&sync, keys, true) {
            Ok(_) => Ok(()),
            Err(TooMany) => self.timetable.owe(&sync, now_ms),
        }
    }

    /// The rows of the run that starts now; what waits behind them may follow at once.
    pub(super) fn next_rows(&mut self, spec: &SyncSpec, now_ms: i64) -> Option<Batch> {
        let sync = spec.name.as_str();
        let found = loop {
            let Some(batch) = self.waiting.next(sync) else {
                break None;
            };
            if batch.keys.columns() == spec.key {
                break Some(batch);
            }
            // They were asked for by another key, before the mapping changed.
            batch.stage.send_replace(Stage::Dropped);
            if batch.kept {
                let _ = self.timetable.owe(sync, now_ms);
            }
        };
        if self.waiting.has(sync) {
            let _ = self.timetable.ask_rows(sync, now_ms, true);
        }
        found
    }

    /// Drops the rows that callers asked for and that did not start yet; whether there were any.
    pub(super) fn withdraw_rows(&mut self, sync: &str) -> bool {
        let found = self.waiting.withdraw(sync);
        if !self.waiting.has(sync) {
            self.timetable.withdraw_rows(sync);
        }
        found
    }

    /// When a sync goes on, as the state must remember it: also for rows that a hook named and that the
    /// next process will not know.
    pub(super) fn debt_ms(&self, sync: &str, owed_ms: Option<i64>, now_ms: i64) -> Option<i64> {
        let rows_ms = self.waiting.owes(sync).then_some(now_ms);
        [owed_ms, rows_ms].into_iter().flatten().min()
    }

    /// The daemon stops: whole runs make up for the rows that wait, after the next start.
    pub(super) fn leave_rows(&mut self, now_ms: i64) {
        for sync in self.waiting.syncs() {
            if let Err(error) = self.settings.store.owe(sync, Some(now_ms)) {
                tracing::error!(sync, %error, "cannot write down that rows were asked for");
            }
        }
        self.waiting.retain(|_| false);
    }
}
