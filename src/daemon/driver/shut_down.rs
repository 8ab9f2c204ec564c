//! Shut down: the end of a daemon, within its grace period.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Daemon;
use crate::daemon::live::Stage;

/// How long runs that were given up are waited for.
const LAST_MOMENT: Duration = Duration::from_secs(1);

impl Daemon {
    /// No new batches; what is in flight settles within the grace period, and what does not is written
    /// down as to be gone on with.
    pub(super) async fn shut_down(mut self) {
        self.commands.close();
        tracing::info!(runs = self.running.len(), "stopping");
        for running in self.running.values() {
            running.stop.send_replace(true);
        }
        let deadline = Instant::now() + self.settings.grace;
        while !self.runs.is_empty() {
            match tokio::time::timeout_at(deadline, self.runs.join_next_with_id()).await {
                Ok(Some(Ok((id, over)))) => {
                    if let Some(running) = self.running.remove(&id) {
                        self.finished(&running, over, true);
                    }
                }
                Ok(Some(over)) => self.over(over),
                Ok(None) => break,
                Err(_) => {
                    self.give_up().await;
                    break;
                }
            }
        }
        for (_, stage) in self.queued.drain() {
            stage.send_replace(Stage::Dropped);
        }
        self.leave_rows(self.settings.clock.now_ms());
        let project = Arc::clone(&self.edition.borrow().project);
        self.reporting.settle(&project).await;
        tracing::info!("stopped");
    }

    async fn give_up(&mut self) {
        tracing::warn!(
            runs = self.running.len(),
            "the grace period is over: requests in flight are given up, the next start goes on from what was acknowledged"
        );
        self.runs.abort_all();
        let all = async { while self.runs.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_MOMENT, all).await;
        let now_ms = self.settings.clock.now_ms();
        for (_, running) in self.running.drain() {
            if let Err(error) = self.settings.store.owe(&running.sync, Some(now_ms)) {
                tracing::error!(sync = running.sync, %error, "cannot write down that the run goes on");
            }
            self.live.end(&running.sync, Stage::Dropped);
        }
        if let Err(error) = self.settings.store.close_cut_off_runs() {
            tracing::error!(%error, "cannot write down that runs were cut off");
        }
    }
}
