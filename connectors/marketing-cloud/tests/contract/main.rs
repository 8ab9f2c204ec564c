//! The rules of every destination, and what exchanges with Marketing Cloud are made of, over a scripted
//! network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod conformance;
mod contacts;
mod hands;
mod jobs;
mod rows;
mod schema;
mod world;
