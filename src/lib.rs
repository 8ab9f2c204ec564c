//! Outflow keeps contacts in marketing tools equal to a model in the warehouse.
//!
//! One changed row, end to end: [`project`] reads the YAML, a source connector streams the model as
//! Arrow batches, [`sync`] maps, diffs and plans, [`deliver`] sends inside the account's limits,
//! [`state`] commits what the destination acknowledged, and the run is reported. Each of those layers is
//! a crate of its own; here is what people and schedulers meet.

pub use outflow_deliver as deliver;
pub use outflow_project as project;
pub use outflow_state as state;
pub use outflow_sync as sync;

pub mod cli;
pub mod codes;
#[cfg(test)]
mod committed;
pub mod daemon;
pub mod documents;
pub mod http;
pub mod registry;
pub mod reports;
