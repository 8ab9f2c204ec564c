//! The connector against an account of our own making, which can do what a real one rarely does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../account/mod.rs"]
mod account;
mod checks;
mod conformance;
mod cuts;
mod files;
mod long;
mod messages;
mod secrets;
mod sessions;
mod shared;
mod types;
