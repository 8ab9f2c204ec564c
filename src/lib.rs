//! Outflow keeps contacts in marketing tools equal to a model in the warehouse.
//!
//! One changed row, end to end: [`project`] reads the YAML, a source connector streams the model as
//! Arrow batches, [`sync`] maps, diffs and plans, [`deliver`] sends inside the account's limits,
//! [`state`] commits what the destination acknowledged, and the run is reported.

pub mod cli;
pub mod codes;
pub mod daemon;
pub mod deliver;
pub mod documents;
pub mod http;
mod numbers;
pub mod project;
pub mod registry;
pub mod reports;
pub mod state;
pub mod sync;
