//! The `outflow` binary as people and programs use it: arguments in, documents, words and exit codes
//! out, against a HubSpot twin in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checks;
mod demo;
mod disks;
mod documents;
mod explained;
mod log;
mod plans;
mod project;
mod readme;
mod reports;
mod runs;
mod secrecy;
mod signals;
mod terminal;
mod words;
