//! The `outflow` binary.

fn main() {}
