//! The connector against a real PostgreSQL server, one for all tests of this program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../../../../tests/warehouse/cluster.rs"]
mod cluster;
mod conformance;
mod cuts;
mod cutter;
mod login;
mod messages;
mod shared;
mod types;
#[cfg(feature = "unload")]
mod unload;
