//! The JSON documents that others rely on: what `--json` prints and the HTTP API answers.
//!
//! Each is a type, so that the command line and the API say the same thing under the same keys, and
//! the API's description is made from what is really sent. Keys are stable; more may come.

mod explanation;
mod plan;
mod readings;
mod reject;
mod run;
mod standing;
pub(crate) mod time;

use schemars::JsonSchema;
use serde::Serialize;

pub use explanation::{AcknowledgedRow, Explained, Explanation, TriedOnce};
pub(crate) use plan::operation;
pub use plan::{PlanSummary, RefusedRow, refused_rows};
pub use reject::{Reject, when};
pub use run::{Buckets, Run, RunResult, SlowRequest, Stopped};
pub use standing::{Standing, schedule};

/// What went wrong, for programs and people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Wrong {
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

impl Wrong {
    pub(crate) fn of((code, message): &(String, String)) -> Self {
        Self {
            code: code.clone(),
            message: message.clone(),
        }
    }
}
