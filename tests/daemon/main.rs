//! `outflow serve` as a process of its own, against a HubSpot twin in this one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod alerts;
mod api;
mod client;
mod emails;
mod hooks;
mod pages;
mod pages_access;
mod post_office;
#[path = "../cli/project.rs"]
#[allow(dead_code, reason = "the command line's tests use the rest")]
mod project;
mod reloads;
mod reporting;
mod rows;
mod schedules;
mod served;
mod stops;
