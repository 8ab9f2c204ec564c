//! What every handler has at hand.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast, watch};

use super::asked::AskedRuns;
use super::metrics::Metrics;
use super::pages::Pages;
use super::refusal::Refusal;
use crate::daemon::{Ended, Handle};
use crate::state::{StateError, Store};

/// Plans that are made at once; others wait.
const PLANS: usize = 2;

/// The daemon as HTTP sees it.
pub struct App {
    /// The daemon.
    pub(super) handle: Handle,
    /// The state, for reading: runs that write do not hold it up.
    pub(super) store: Arc<Store>,
    /// Where plans are made: they use whole threads for a while.
    pub(super) workers: tokio::runtime::Handle,
    /// Plans at once.
    pub(super) plans: Arc<Semaphore>,
    pub(super) metrics: Arc<Metrics>,
    /// Runs that ended, as they do.
    pub(super) ended: broadcast::Sender<Arc<Ended>>,
    /// Runs asked for under a key of the caller's.
    pub(super) asked: AskedRuns,
    /// Who looks at pages, and what they show beside the state.
    pub(super) pages: Pages,
    /// Whether only this machine can reach us.
    pub(super) loopback: bool,
    /// True when the daemon is to stop.
    pub(super) stop: watch::Receiver<bool>,
}

impl App {
    /// Serves `handle` on an address; `store` is the daemon's, opened for reading.
    pub fn new(
        handle: Handle,
        store: Arc<Store>,
        workers: tokio::runtime::Handle,
        metrics: Arc<Metrics>,
        ended: broadcast::Sender<Arc<Ended>>,
        address: IpAddr,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            asked: AskedRuns::new(Arc::clone(&handle.store)),
            handle,
            store,
            workers,
            plans: Arc::new(Semaphore::new(PLANS)),
            metrics,
            ended,
            pages: Pages::default(),
            loopback: address.is_loopback(),
            stop,
        })
    }

    /// Reads the state, off the threads that answer requests.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(Refusal::bug()),
        }
    }
}

/// Waits until a flag turns true, or nobody can turn it any more.
pub(super) async fn turned(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|set| *set).await;
}
