//! The rows a run was asked for by their keys.

use outflow_sdk::destination::Mode;

use super::{Classifier, Context};
use crate::error::RunError;
use crate::keyed::KeyedScan;
use crate::plan::Plan;

/// Turns a complete read of some keys into a plan. Rows of other keys are not looked at.
///
/// A key whose row the model does not have any more is taken as a whole read takes it: removed by the
/// mapping's rule, or its reject closed.
///
/// # Errors
/// When the state or a temporary file cannot be read or written.
pub(crate) fn classify_keys(context: &Context<'_>, keyed: KeyedScan) -> Result<Plan, RunError> {
    let KeyedScan { scan, gone, nulls } = keyed;
    let mut classifier = Classifier::new(context, &scan, context.state.rows, None)?;
    classifier.candidates(scan.candidates)?;
    // A row without a readable key may be the one that seems to be gone.
    let removes = context.sync.mode == Mode::Mirror && nulls == 0;
    for key in gone {
        let stored = match &mut classifier.lookup {
            Some(lookup) if removes => lookup.get(key)?,
            _ => None,
        };
        if let Some(stored) = stored {
            classifier.removal(stored)?;
        }
        if classifier.rejects.binary_search(&key).is_ok() {
            classifier.close_reject(key)?;
        }
    }
    classifier.finish()
}
