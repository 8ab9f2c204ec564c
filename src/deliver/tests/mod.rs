//! The promises under virtual time, against a server in memory that counts, refuses, fails and
//! remembers. Each test names the promise of the design it tries to break.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod fake;
mod harness;

mod failures;
mod jobs;
mod limits;
mod outages;
mod resumed;
mod rows;
mod simulation;
mod slowest;
mod stops;
