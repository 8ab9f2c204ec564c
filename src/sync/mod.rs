//! Map, diff, plan and run.

pub(crate) mod cast;
mod columns;
pub mod diff;
pub mod guard;
pub mod map;
pub mod spill;
