//! How a run ended: for the timetable, and for the log.

use super::timetable::Outcome;
use crate::state::RunStatus;
use crate::sync::error::RunError;
use crate::sync::report::RunReport;

/// What the timetable makes of a report.
pub(super) fn outcome(report: &RunReport, cancelled: bool, stopping: bool) -> Outcome {
    match (report.status, &report.error) {
        (RunStatus::Ok | RunStatus::Rejects, _) => Outcome::Done,
        _ if cancelled => Outcome::Cancelled,
        (RunStatus::Deferred, Some(RunError::Cancelled)) if stopping => Outcome::Deferred(Some(0)),
        (RunStatus::Deferred, None) => {
            let after = report
                .resumes_in
                .map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            Outcome::Deferred(after)
        }
        _ => Outcome::Failed,
    }
}

/// Logs how a run ended. Messages of errors are our own words, or a vendor's without values.
pub(super) fn tell(report: &RunReport) {
    let (sync, run, status) = (&report.sync, report.run_id, report.status.word());
    let (tally, requests) = (&report.tally, report.tally.requests);
    match &report.error {
        Some(error) if !matches!(error, RunError::Cancelled) => tracing::error!(
            sync,
            run,
            status,
            requests,
            code = error.code(),
            hint = error.hint(),
            "run ended: {error}"
        ),
        _ => tracing::info!(
            sync,
            run,
            status,
            read = tally.read,
            created = tally.created,
            updated = tally.updated,
            removed = tally.removed,
            rejected = tally.rejected,
            deferred = tally.deferred,
            requests,
            "run ended"
        ),
    }
}
