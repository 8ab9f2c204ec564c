//! Live progress as server-sent events: `progress` with all runs under way whenever something about
//! them changes, and `ended` for each run that ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use serde::Serialize;
use tokio::sync::{broadcast, watch};

use super::answers::{Live, LiveRuns};
use super::app::{App, turned};
use crate::daemon::Ended;
use crate::documents::RunResult;

/// Least time between two `progress` events.
const PACE: Duration = Duration::from_millis(250);

/// A comment this often tells both ends that the other is there.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn events(
    State(app): State<Arc<App>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let watching = Watching {
        version: app.handle.live.version(),
        ended: app.ended.subscribe(),
        stop: app.stop.clone(),
        next: tokio::time::Instant::now(),
        shown: None,
        app,
    };
    let stream = futures::stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE))
}

struct Watching {
    app: Arc<App>,
    version: watch::Receiver<u64>,
    ended: broadcast::Receiver<Arc<Ended>>,
    stop: watch::Receiver<bool>,
    /// When the next `progress` may be sent.
    next: tokio::time::Instant,
    shown: Option<LiveRuns>,
}

impl Watching {
    /// The next event; none when the daemon stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.changed() {
                return Some(event);
            }
            tokio::select! {
                biased;
                () = turned(&mut self.stop) => return None,
                ended = self.ended.recv() => match ended {
                    Ok(ended) => return event("ended", &RunResult::of(&ended.report)),
                    // Who reads too slowly misses some; the history has them.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                changed = self.version.changed() => {
                    changed.ok()?;
                    tokio::time::sleep_until(self.next).await;
                }
            }
        }
    }

    fn changed(&mut self) -> Option<Event> {
        let runs = self.app.handle.live.now();
        let runs = LiveRuns {
            runs: runs.iter().map(Live::of).collect(),
        };
        if self.shown.as_ref() == Some(&runs) {
            return None;
        }
        self.next = tokio::time::Instant::now() + PACE;
        let event = event("progress", &runs);
        self.shown = Some(runs);
        event
    }
}

fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    // Documents of ours always have a JSON form.
    Event::default().event(name).json_data(data).ok()
}
