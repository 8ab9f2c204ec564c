//! Committer: what batches change becomes transactions, beside the run where there are threads for it.

use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use outflow_deliver::{LedgerError, has_workers};
use outflow_state::{Changes, Store, SyncId};

/// Most batches written in one transaction: about half of the requests that are under way at once, so that
/// the others are at the destination meanwhile. Without a bound all of them come to wait for the same flush.
const GROUP: usize = 3;

/// Writes one sync's changes; ends when its last clone is dropped.
#[derive(Clone)]
pub(super) enum Committer {
    /// On a thread of its own: batches that come meanwhile share the next transaction.
    Beside(mpsc::SyncSender<Batch>),
    /// In place, one transaction each: this runtime has one thread, whose virtual time would stand still
    /// for as long as another one worked.
    InPlace(Arc<Store>, SyncId),
}

/// Changes, and who waits for them to be on disk.
pub(super) struct Batch {
    changes: Changes,
    done: oneshot::Sender<Result<u64, LedgerError>>,
}

impl Committer {
    /// Writes to this sync. Call it inside a tokio runtime.
    pub(super) fn start(store: Arc<Store>, id: SyncId) -> Self {
        if !has_workers() {
            return Self::InPlace(store, id);
        }
        let (sender, batches) = mpsc::sync_channel::<Batch>(256);
        tokio::task::spawn_blocking(move || commit_batches(&store, id, &batches));
        Self::Beside(sender)
    }

    /// Writes the changes; gives the store's generation once they are on disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) async fn commit(&self, changes: Changes) -> Result<u64, LedgerError> {
        let stopped = || LedgerError("the state's writer has stopped".into());
        match self {
            Self::Beside(batches) => {
                let (done, wait) = oneshot::channel();
                // The channel is bounded by the requests in flight, so this does not block for long.
                batches.send(Batch { changes, done }).map_err(|_| stopped())?;
                wait.await.map_err(|_| stopped())?
            }
            Self::InPlace(store, id) => store
                .commit(*id, [&changes])
                .map_err(|error| LedgerError(error.into())),
        }
    }
}

/// Writes waiting batches together until nobody can send any more. Those that come while others are
/// being written still go with them.
fn commit_batches(store: &Store, id: SyncId, batches: &mpsc::Receiver<Batch>) {
    while let Ok(first) = batches.recv() {
        let mut waiting = vec![first.done];
        let more = batches.try_iter().take(GROUP - 1).map(|batch| {
            waiting.push(batch.done);
            batch.changes
        });
        let result = store.commit(id, std::iter::once(first.changes).chain(more));
        for done in waiting {
            let answer = match &result {
                Ok(generation) => Ok(*generation),
                Err(error) => Err(LedgerError(error.to_string().into())),
            };
            // Nobody waits any more when the run was dropped.
            let _ = done.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use outflow_state::Access;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_waits_is_told_why_nothing_could_be_written() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path(), Access::Write).unwrap());
        let store = Arc::new(Store::open(folder.path(), Access::Read).unwrap());
        let committer = Committer::start(store, 1);
        let batch = || Changes {
            closed: vec![1],
            ..Changes::default()
        };
        let (first, second) = tokio::join!(committer.commit(batch()), committer.commit(batch()));
        for answer in [first, second] {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("cannot be written"), "{error}");
        }
    }
}
