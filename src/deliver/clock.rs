//! The wall clock as a seam. Waiting is done on tokio's clock alone; wall time is needed only to
//! know which day a quota belongs to and to keep a limiter's window across restarts.

use std::time::Duration;

use tokio::time::Instant;

/// Tells wall time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

/// A wall clock that starts at a given moment and moves with tokio's clock, so that a simulation
/// under paused time sees both advance together.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    base_ms: i64,
    start: Instant,
}

impl VirtualClock {
    /// A clock that shows `base_ms` (milliseconds since 1970) now. Call it inside a tokio runtime.
    pub fn starting_at(base_ms: i64) -> Self {
        Self {
            base_ms,
            start: Instant::now(),
        }
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> i64 {
        self.base_ms + whole_ms(self.start.elapsed())
    }
}

/// `duration` in milliseconds, as wall times are counted.
pub(super) fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
