//! Work that blocks, off the async workers.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` where it may block, while the other tasks of this worker go on elsewhere.
///
/// On one thread there is nobody to hand the other tasks to; simulations rely on the order.
pub fn off_worker<T>(work: impl FnOnce() -> T) -> T {
    if has_workers() {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Whether this runtime has several threads. Where it has one, work is done in place: then it takes no
/// virtual time, and simulations repeat themselves.
pub fn has_workers() -> bool {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    matches!(flavor, Ok(RuntimeFlavor::MultiThread))
}
