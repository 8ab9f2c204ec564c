//! Rows that are asked for and wait for their turn.
//!
//! Calls of one sync that come close together become one run, and so do those that come while it runs. A
//! call is never split: who made it follows one run.

use std::collections::{HashMap, VecDeque};

use tokio::sync::watch;

use super::live::Stage;
use crate::sync::asked::AskedKeys;

/// How long a first call waits for others, milliseconds.
pub(super) const TOGETHER_MS: i64 = 50;

/// Most runs of one sync that wait.
const MOST_RUNS: usize = 20;

/// More rows wait than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// The keys of one run to come.
pub(super) struct Batch {
    pub(super) keys: AskedKeys,
    /// Who follows it.
    pub(super) stage: watch::Sender<Stage>,
    /// Whether some of them must have their effect whatever happens: a hook named them.
    pub(super) kept: bool,
}

/// All of them, by sync.
#[derive(Default)]
pub(super) struct Waiting {
    syncs: HashMap<String, VecDeque<Batch>>,
}

impl Waiting {
    /// Has a call wait; what comes back follows its run.
    pub(super) fn add(
        &mut self,
        sync: &str,
        keys: AskedKeys,
        kept: bool,
    ) -> Result<watch::Receiver<Stage>, TooMany> {
        let batches = self.syncs.entry(sync.to_owned()).or_default();
        if let Some(last) = batches.back_mut()
            && last.keys.join(&keys)
        {
            last.kept |= kept;
            return Ok(last.stage.subscribe());
        }
        if batches.len() >= MOST_RUNS {
            return Err(TooMany);
        }
        let stage = watch::Sender::new(Stage::Queued);
        let followed = stage.subscribe();
        batches.push_back(Batch { keys, stage, kept });
        Ok(followed)
    }

    /// The keys of a sync's next run.
    pub(super) fn next(&mut self, sync: &str) -> Option<Batch> {
        let batch = self.syncs.get_mut(sync)?.pop_front();
        self.forget_empty();
        batch
    }

    /// Whether rows of a sync wait.
    pub(super) fn has(&self, sync: &str) -> bool {
        self.syncs.contains_key(sync)
    }

    /// Whether rows of a sync wait that must have their effect.
    pub(super) fn owes(&self, sync: &str) -> bool {
        self.syncs.get(sync).into_iter().flatten().any(|batch| batch.kept)
    }

    /// Drops what is not kept; whether there was anything.
    pub(super) fn withdraw(&mut self, sync: &str) -> bool {
        let Some(batches) = self.syncs.get_mut(sync) else {
            return false;
        };
        let before = batches.len();
        batches.retain(|batch| {
            if !batch.kept {
                batch.stage.send_replace(Stage::Dropped);
            }
            batch.kept
        });
        let dropped = batches.len() < before;
        self.forget_empty();
        dropped
    }

    /// Drops the rows of syncs that are gone.
    pub(super) fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.syncs.retain(|sync, batches| {
            let stays = stays(sync);
            if !stays {
                drop_all(batches);
            }
            stays
        });
    }

    /// The syncs whose rows wait.
    pub(super) fn syncs(&self) -> impl Iterator<Item = &str> {
        self.syncs.keys().map(String::as_str)
    }

    fn forget_empty(&mut self) {
        self.syncs.retain(|_, batches| !batches.is_empty());
    }
}

fn drop_all(batches: &mut VecDeque<Batch>) {
    for batch in batches.drain(..) {
        batch.stage.send_replace(Stage::Dropped);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sync::asked::MOST_KEYS;

    fn keys(from: usize, count: usize) -> AskedKeys {
        let mut keys = AskedKeys::new(&["id".to_owned()]);
        for key in from..from + count {
            keys.add_text(&key.to_string()).unwrap();
        }
        keys
    }

    #[test]
    fn calls_become_one_run_as_long_as_it_can_hold_them() {
        let mut waiting = Waiting::default();
        let first = waiting.add("a", keys(0, 10), false).unwrap();
        waiting.add("a", keys(5, 10), true).unwrap();
        waiting.add("a", keys(10_000, MOST_KEYS), false).unwrap();
        waiting.add("b", keys(0, 1), false).unwrap();
        let batch = waiting.next("a").unwrap();
        assert_eq!((batch.keys.len(), batch.kept), (15, true));
        batch.stage.send_replace(Stage::Running(7));
        assert!(matches!(*first.borrow(), Stage::Running(7)));
        assert_eq!(waiting.next("a").unwrap().keys.len(), MOST_KEYS);
        assert!(waiting.next("a").is_none() && !waiting.has("a") && waiting.has("b"));
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let mut waiting = Waiting::default();
        for number in 0..MOST_RUNS {
            waiting
                .add("a", keys(number * MOST_KEYS, MOST_KEYS), false)
                .unwrap();
        }
        assert_eq!(waiting.add("a", keys(0, MOST_KEYS), false).err(), Some(TooMany));
        assert!(waiting.syncs().eq(["a"]));
        waiting.retain(|_| false);
        assert!(!waiting.has("a"));
    }

    #[test]
    fn what_a_hook_named_is_not_withdrawn() {
        let mut waiting = Waiting::default();
        let asked = waiting.add("a", keys(0, MOST_KEYS), false).unwrap();
        let kept = waiting.add("a", keys(9_000, 1), true).unwrap();
        assert!(waiting.withdraw("a") && waiting.owes("a"));
        assert!(matches!(*asked.borrow(), Stage::Dropped));
        assert!(matches!(*kept.borrow(), Stage::Queued));
        waiting.retain(|_| false);
        assert!(matches!(*kept.borrow(), Stage::Dropped));
        assert!(!waiting.owes("a"));
    }
}
