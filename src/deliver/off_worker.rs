//! Work that blocks, off the async workers.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` where it may block, while the other tasks of this worker go on elsewhere.
///
/// On one thread there is nobody to hand the other tasks to; simulations rely on the order.
pub fn off_worker<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
