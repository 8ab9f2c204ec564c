//! What "done" means for a connector: rules with ids, run over every one of them.

pub mod destination;
pub mod script;
pub mod source;

/// A rule a connector does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule's id, such as `SRC-004`.
    pub rule: &'static str,
    /// What was expected and what was found.
    pub message: String,
}
