//! Map, diff, plan and run.
