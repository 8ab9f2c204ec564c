//! Runs asked for under a key of the caller's: asked twice, run once, also over a restart.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{Mutex, watch};

use super::refusal::Refusal;
use crate::daemon::{Handle, Stage};
use crate::state::{AskedRun, Store};
use crate::sync::asked::AskedKeys;

/// How long a key is remembered, milliseconds.
const REMEMBERED_MS: i64 = 86_400_000;

/// The keys of this process, beside those the state remembers.
pub(super) struct AskedRuns {
    store: Arc<Store>,
    // Held while a run is asked for, so that two calls with one key do not both start one.
    now: Mutex<HashMap<String, Following>>,
}

struct Following {
    what: (String, u64),
    asked_ms: i64,
    stage: watch::Receiver<Stage>,
}

impl AskedRuns {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            now: Mutex::default(),
        }
    }

    /// The run this key asked for, of some rows or of the whole model; the first call starts it.
    pub(super) async fn run(
        &self,
        daemon: &Handle,
        sync: &str,
        rows: Option<AskedKeys>,
        by: &str,
        key: &str,
    ) -> Result<watch::Receiver<Stage>, Refusal> {
        // Kept as a hash: it may say something about whoever made it.
        let key = format!(
            "{:032x}",
            xxhash_rust::xxh3::xxh3_128(format!("{by}\n{key}").as_bytes())
        );
        let now_ms = daemon.clock.now_ms();
        let what = (
            sync,
            rows.as_ref()
                .map_or(0, |rows| rows.print(self.store.printer()).max(1)),
        );
        let mut now = self.now.lock().await;
        now.retain(|_, known| now_ms - known.asked_ms < REMEMBERED_MS);
        if let Some(known) = now.get(&key) {
            same((known.what.0.as_str(), known.what.1), what)?;
            return Ok(known.stage.clone());
        }
        if let Some(known) = self.store.asked_run(&key, now_ms - REMEMBERED_MS)? {
            same((known.sync.as_str(), known.body), what)?;
            // Without a number it never started: the process ended before, and it is asked for anew.
            if let Some(run) = known.run.map(|run| self.store.run(run)).transpose()?.flatten() {
                return Ok(watch::Sender::new(Stage::Past(Arc::new(run))).subscribe());
            }
        }
        let stage = match rows {
            Some(rows) => daemon.rows(sync, rows, by).await?,
            None => daemon.run(sync, by).await?,
        };
        let asked = AskedRun {
            sync: sync.to_owned(),
            body: what.1,
            asked_ms: now_ms,
            run: None,
        };
        self.store.remember_asked(&key, &asked, now_ms - REMEMBERED_MS)?;
        tokio::spawn(number(Arc::clone(&self.store), key.clone(), stage.clone()));
        let following = Following {
            what: (sync.to_owned(), what.1),
            asked_ms: now_ms,
            stage: stage.clone(),
        };
        now.insert(key, following);
        Ok(stage)
    }
}

fn same(known: (&str, u64), asked: (&str, u64)) -> Result<(), Refusal> {
    if known == asked {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "this Idempotency-Key was used for another sync or other rows",
    ))
}

/// Writes the run's number down once it has one.
async fn number(store: Arc<Store>, key: String, mut stage: watch::Receiver<Stage>) {
    let Ok(stage) = stage.wait_for(|stage| !matches!(stage, Stage::Queued)).await else {
        return;
    };
    let run = match &*stage {
        Stage::Running(run) => *run,
        Stage::Ended(ended) => ended.report.run_id,
        Stage::Past(run) => run.id,
        Stage::Queued | Stage::Dropped => return,
    };
    drop(stage);
    if let Err(error) = store.number_asked(&key, run) {
        tracing::error!(%error, "cannot write down which run an idempotency key belongs to");
    }
}
