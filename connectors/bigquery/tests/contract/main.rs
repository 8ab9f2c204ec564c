//! The connector against servers: one of ours that is true to the wire and fails as told, and the emulator
//! `bqemulator`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod cancel;
mod conformance;
mod cutter;
mod emulated;
#[path = "../../../../tests/warehouse/bigquery_server.rs"]
mod emulator;
mod grpc;
mod jobs;
mod messages;
mod pages;
mod rest;
mod shared;
mod streams;
