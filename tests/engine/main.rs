//! A project in a temporary folder against the HubSpot twin: what a user gets from a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod bench_project;
mod changes;
mod events;
mod faults;
mod held;
mod jobs;
mod keyed;
mod keyed_sqlite;
mod keys;
mod living_rows;
mod narrowed;
mod rejects;
mod removals;
mod three_destinations;
