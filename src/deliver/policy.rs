//! How hard a delivery tries.

use std::time::Duration;

/// How hard one delivery tries before it leaves the rest to the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts of one request (or one row) that meets transient errors.
    pub attempts: u32,
    /// Attempts of one request that the destination throttles. Higher, because being throttled says
    /// nothing against the request.
    pub throttled_attempts: u32,
    /// A destination that answers nothing for this long is down: the delivery stops.
    pub give_up: Duration,
    /// Operations held at once, in multiples of what fills every request in flight. Bounds memory.
    pub look_ahead: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 6,
            throttled_attempts: 20,
            give_up: Duration::from_secs(300),
            look_ahead: 4,
        }
    }
}
