//! Ctrl-C and SIGTERM: the first asks to stop, the second aborts.

use tokio::sync::watch;

use super::logging::to_stderr;

/// What a verb does when it is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It settles what is in flight, which may take a while.
    Settles,
    /// It ends by itself at once.
    Ends,
    /// Nothing; it is aborted.
    Aborts,
}

/// The process's wish to stop.
pub(crate) struct Stop {
    asked: watch::Receiver<bool>,
    aborted: watch::Receiver<bool>,
}

impl Stop {
    /// Listens for signals until the process ends.
    pub(crate) fn listen(ending: Ending) -> Self {
        let (ask, asked) = watch::channel(false);
        let (abort, aborted) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            ask.send_replace(true);
            if ending == Ending::Settles {
                to_stderr(b"stopping: what is in flight is settled first (Ctrl-C again aborts)\n");
            }
            if ending != Ending::Aborts {
                signal().await;
            }
            abort.send_replace(true);
            // The senders live as long as somebody may look.
            std::future::pending::<()>().await;
        });
        Self { asked, aborted }
    }

    /// For whoever stops by itself when asked.
    pub(crate) fn asked(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }

    /// Waits until someone asks to stop.
    pub(crate) async fn wait(&self) {
        wait_for(self.asked.clone()).await;
    }

    /// Waits until someone aborts.
    pub(crate) async fn aborted(&self) {
        wait_for(self.aborted.clone()).await;
    }
}

async fn wait_for(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|set| *set).await.is_err() {
        // The listener is gone with the runtime.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
