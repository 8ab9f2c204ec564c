//! Map, diff, plan and run: the pure core, and the state machine that drives it.
//!
//! A run first asks about jobs that an earlier one left open at the destination. Then [`scan`] reads
//! the model once and sets aside the rows that are not as acknowledged; [`classify`]
//! compares those with the state, field by field, and gives a [`plan::Plan`]; [`guard`] may stop it;
//! [`run`] has it delivered and [`ledger`] writes what was acknowledged.

pub mod asked;
pub mod check;
pub mod classify;
mod columns;
mod committer;
pub mod diff;
pub mod error;
mod fit;
pub mod forecast;
pub mod guard;
pub mod held;
pub mod keyed;
pub mod ledger;
pub mod map;
mod open_jobs;
mod packed;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod quota;
mod renames;
pub mod report;
pub mod run;
pub mod scan;
mod since;
pub mod spill;
