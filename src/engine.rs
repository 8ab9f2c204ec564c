//! The layers below the command, the daemon and its pages: from the project's files to what a
//! destination acknowledged.
//!
//! [`project`] reads the YAML by the connectors of the [`registry`], [`sync`] maps, diffs and plans,
//! [`deliver`] sends, [`state`] keeps what was acknowledged. Nothing here knows what is above it.

#[cfg(test)]
mod committed;
pub mod deliver;
pub mod numbers;
pub mod project;
pub mod registry;
pub mod state;
pub mod sync;
