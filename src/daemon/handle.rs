//! What others may ask of the daemon.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::edition::Edition;
use super::live::{Live, Stage};
use super::timetable::{Refused, Standing};
use crate::deliver::Clock;
use crate::project::Problem;
use crate::state::{StateError, Store};
use crate::sync::asked::AskedKeys;
use crate::sync::quota::Quotas;

/// The daemon for everyone but itself: what may be read at any time, and a way to ask.
#[derive(Clone)]
pub struct Handle {
    /// The state.
    pub store: Arc<Store>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// The accounts' limiters.
    pub quotas: Arc<Quotas>,
    /// Runs under way.
    pub live: Arc<Live>,
    pub(super) edition: watch::Receiver<Arc<Edition>>,
    pub(super) commands: mpsc::Sender<Command>,
}

/// Why the daemon did not do what it was asked.
#[derive(Debug, Error)]
pub enum AskError {
    /// The project has no such sync.
    #[error("no sync has this name")]
    Unknown,
    /// It is paused.
    #[error("the sync is paused")]
    Paused,
    /// More rows wait for their turn than may.
    #[error("too many rows wait for their turn already")]
    Busy,
    /// Nothing to stop.
    #[error("the sync neither runs nor waits for its turn")]
    Idle,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<Refused> for AskError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => AskError::Unknown,
            Refused::Paused => AskError::Paused,
        }
    }
}

/// What a reload did.
#[derive(Debug)]
pub enum Reloaded {
    /// The new files are in force.
    Adopted,
    /// They are wrong; what ran before goes on.
    Kept(Vec<Problem>),
}

/// A sync that a hook's call starts.
#[derive(Clone, Debug)]
pub struct HookedSync {
    /// Its name.
    pub sync: String,
    /// The rows the call names; none = the whole model.
    pub keys: Option<AskedKeys>,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, AskError>>;

pub(super) enum Command {
    Run {
        sync: String,
        by: String,
        reply: Reply<watch::Receiver<Stage>>,
    },
    Rows {
        sync: String,
        keys: AskedKeys,
        by: String,
        reply: Reply<watch::Receiver<Stage>>,
    },
    Pause {
        sync: String,
        by: String,
        reply: Reply<()>,
    },
    Resume {
        sync: String,
        by: String,
        reply: Reply<()>,
    },
    Cancel {
        sync: String,
        by: String,
        reply: Reply<()>,
    },
    Hook {
        hook: String,
        print: Vec<u8>,
        since_ms: i64,
        syncs: Vec<HookedSync>,
        reply: Reply<bool>,
    },
    Standings {
        reply: Reply<Vec<(String, Standing)>>,
    },
    Reload {
        reply: Reply<Reloaded>,
    },
}

impl Handle {
    /// The project in force.
    pub fn edition(&self) -> Arc<Edition> {
        Arc::clone(&self.edition.borrow())
    }

    /// Has a sync run as soon as it may. What comes back follows that run; a request that waits for
    /// its turn already is joined.
    ///
    /// # Errors
    /// When there is no such sync, it is paused, or the daemon stops.
    pub async fn run(&self, sync: &str, by: &str) -> Result<watch::Receiver<Stage>, AskError> {
        let (sync, by) = (sync.to_owned(), by.to_owned());
        self.ask(|reply| Command::Run { sync, by, reply }).await
    }

    /// Has a sync run for the rows with these keys, as soon as it may. Calls that come close together are
    /// one run; what comes back follows it.
    ///
    /// # Errors
    /// When there is no such sync, it is paused, too many rows wait, or the daemon stops.
    pub async fn rows(
        &self,
        sync: &str,
        keys: AskedKeys,
        by: &str,
    ) -> Result<watch::Receiver<Stage>, AskError> {
        let (sync, by) = (sync.to_owned(), by.to_owned());
        self.ask(|reply| Command::Rows {
            sync,
            keys,
            by,
            reply,
        })
        .await
    }

    /// Pauses a sync until it is resumed, over restarts. A run under way goes on.
    ///
    /// # Errors
    /// When there is no such sync, it cannot be written down, or the daemon stops.
    pub async fn pause(&self, sync: &str, by: &str) -> Result<(), AskError> {
        let (sync, by) = (sync.to_owned(), by.to_owned());
        self.ask(|reply| Command::Pause { sync, by, reply }).await
    }

    /// Ends a sync's pause.
    ///
    /// # Errors
    /// When there is no such sync, it cannot be written down, or the daemon stops.
    pub async fn resume(&self, sync: &str, by: &str) -> Result<(), AskError> {
        let (sync, by) = (sync.to_owned(), by.to_owned());
        self.ask(|reply| Command::Resume { sync, by, reply }).await
    }

    /// Stops a sync's run, or drops the one that waits for its turn. What is in flight settles; the
    /// next time runs as ever.
    ///
    /// # Errors
    /// When there is no such sync, nothing to stop, or the daemon stops.
    pub async fn cancel(&self, sync: &str, by: &str) -> Result<(), AskError> {
        let (sync, by) = (sync.to_owned(), by.to_owned());
        self.ask(|reply| Command::Cancel { sync, by, reply }).await
    }

    /// Has syncs run because a hook was called, once per `print`, also if they are paused now (then
    /// after the pause) or the process ends (then after the next start). Calls before `since_ms` are
    /// forgotten. False when this call is known.
    ///
    /// # Errors
    /// When it cannot be written down, or the daemon stops: the call then was not taken.
    pub async fn hook(
        &self,
        hook: &str,
        print: Vec<u8>,
        syncs: Vec<HookedSync>,
        since_ms: i64,
    ) -> Result<bool, AskError> {
        let hook = hook.to_owned();
        self.ask(|reply| Command::Hook {
            hook,
            print,
            since_ms,
            syncs,
            reply,
        })
        .await
    }

    /// How every sync stands, by name.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn standings(&self) -> Result<Vec<(String, Standing)>, AskError> {
        self.ask(|reply| Command::Standings { reply }).await
    }

    /// Reads the project's files again.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn reload(&self) -> Result<Reloaded, AskError> {
        self.ask(|reply| Command::Reload { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, AskError> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(command(reply)).await.is_err() {
            return Err(AskError::Stopping);
        }
        answer.await.unwrap_or(Err(AskError::Stopping))
    }
}
