//! Outflow
