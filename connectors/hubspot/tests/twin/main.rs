//! The connector against the local twin of HubSpot, over real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contacts;
mod drive;
mod faults;
mod fields;
mod lists;
mod objects;
