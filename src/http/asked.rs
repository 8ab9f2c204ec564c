//! Runs asked for under a key of the caller's: asked twice, run once, also over a restart.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{Mutex, watch};

use super::refusal::Refusal;
use crate::daemon::{Handle, Stage};
use crate::state::{AskedRun, Store};
use crate::sync::asked::AskedKeys;

/// How long a key is remembered, milliseconds.
const REMEMBERED_MS: i64 = 86_400_000;

/// Keys that this process follows to the end of their runs. Of older ones the state knows the run, unless
/// it is still in the queue: then so many newer keys came meanwhile that asking anew is the lesser evil.
const FOLLOWED: usize = 4_000;

/// The keys of this process, beside those the state remembers.
pub(super) struct AskedRuns {
    store: Arc<Store>,
    // Held while a run is asked for, so that two calls with one key do not both start one.
    now: Mutex<Recent>,
}

/// The newest keys.
#[derive(Default)]
struct Recent {
    by_key: HashMap<String, Following>,
    /// The oldest first.
    order: VecDeque<(i64, String)>,
}

struct Following {
    what: (String, u64),
    asked_ms: i64,
    stage: watch::Receiver<Stage>,
}

impl Recent {
    /// Forgets those that are too old; looks at no others.
    fn sweep(&mut self, now_ms: i64) {
        while let Some((asked_ms, _)) = self.order.front()
            && now_ms - asked_ms >= REMEMBERED_MS
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((asked_ms, key)) = self.order.pop_front() else {
            return;
        };
        // A clock that was set back may have let the same key in twice.
        if self
            .by_key
            .get(&key)
            .is_some_and(|known| known.asked_ms == asked_ms)
        {
            self.by_key.remove(&key);
        }
    }

    fn get(&self, key: &str, now_ms: i64) -> Option<&Following> {
        let known = self.by_key.get(key)?;
        (now_ms - known.asked_ms < REMEMBERED_MS).then_some(known)
    }

    fn insert(&mut self, key: String, following: Following) {
        self.order.push_back((following.asked_ms, key.clone()));
        self.by_key.insert(key, following);
        while self.order.len() > FOLLOWED {
            self.forget_oldest();
        }
    }
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
        now.sweep(now_ms);
        if let Some(known) = now.get(&key, now_ms) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn following(asked_ms: i64) -> Following {
        Following {
            what: ("customers".to_owned(), 0),
            asked_ms,
            stage: watch::Sender::new(Stage::Queued).subscribe(),
        }
    }

    #[test]
    fn keys_are_followed_for_a_day_and_no_longer() {
        let mut recent = Recent::default();
        recent.insert("first".into(), following(1_000));
        recent.insert("second".into(), following(2_000));
        recent.sweep(REMEMBERED_MS + 999);
        assert!(recent.get("first", REMEMBERED_MS + 999).is_some());
        recent.sweep(REMEMBERED_MS + 1_000);
        assert!(!recent.by_key.contains_key("first") && recent.by_key.contains_key("second"));
        assert_eq!(recent.order.len(), 1);
    }

    #[test]
    fn only_so_many_keys_are_followed_and_the_newest_of_them() {
        let mut recent = Recent::default();
        for number in 0..FOLLOWED + 2 {
            recent.insert(number.to_string(), following(5));
        }
        assert_eq!((recent.by_key.len(), recent.order.len()), (FOLLOWED, FOLLOWED));
        assert!(recent.get("1", 6).is_none() && recent.get("2", 6).is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_no_key_that_was_asked_for_again() {
        let mut recent = Recent::default();
        recent.insert("first".into(), following(9 * REMEMBERED_MS));
        recent.insert("again".into(), following(5));
        assert!(recent.get("again", REMEMBERED_MS + 5).is_none(), "it is too old");
        recent.insert("again".into(), following(REMEMBERED_MS + 5));
        recent.sweep(10 * REMEMBERED_MS);
        assert!(recent.by_key.is_empty() && recent.order.is_empty());
        recent.insert("again".into(), following(1));
        recent.insert("again".into(), following(2));
        recent.forget_oldest();
        assert!(recent.get("again", 3).is_some());
    }
}
