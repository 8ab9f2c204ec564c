//! Fit: whether a mapping suits the live object it is bound to.

use outflow_project::{FieldSource, SyncSpec};
use outflow_sdk::destination::{Binding, FieldProblem};

use super::error::RunError;

/// What the destination finds wrong with the mapping, and its constants that no row could be sent with.
pub(crate) fn misfits(sync: &SyncSpec, binding: &dyn Binding) -> Vec<FieldProblem> {
    let mut problems = binding.problems();
    for (number, mapping) in (0..).zip(&sync.fields) {
        let FieldSource::Constant(value) = &mapping.source else {
            continue;
        };
        // A warning says what some rows may meet; this is about all of them.
        let is_told =
            |problem: &FieldProblem| !problem.warning && problem.field.as_deref() == Some(&mapping.field);
        if problems.iter().any(is_told) {
            continue;
        }
        if let Err(refusal) = binding.inspect_value(number, value) {
            problems.push(FieldProblem {
                field: Some(mapping.field.clone()),
                code: "bad_constant",
                message: format!("every row would be rejected: {}", refusal.message),
                hint: Some("write a value that the field takes".into()),
                warning: false,
            });
        }
    }
    problems
}

/// Stops a sync whose rows could not be sent as mapped.
///
/// # Errors
/// [`RunError::Fields`] with all that is no warning.
pub(crate) fn must_fit(sync: &SyncSpec, binding: &dyn Binding) -> Result<(), RunError> {
    let mut problems = misfits(sync, binding);
    problems.retain(|problem| !problem.warning);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(RunError::Fields(problems))
    }
}
