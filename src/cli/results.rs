//! `report_to:` for runs of the command line. What goes wrong with it is logged and changes no exit code.

use std::sync::Arc;

use super::failure::Failure;
use crate::deliver::off_worker;
use crate::project::Project;
use crate::reports::Reporter;
use crate::state::Store;
use crate::sync::report::RunReport;

/// Writes the results of this process's runs.
pub(super) struct Results<'p> {
    project: &'p Project,
    reporter: Reporter,
}

impl<'p> Results<'p> {
    /// Makes up for what an earlier process did not get to.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn begin(project: &'p Project, store: &Arc<Store>) -> Result<Self, Failure> {
        let reporter = Reporter::new(Arc::clone(store));
        if project.report_to.is_some() {
            // No run of this process has begun, and there is one writer.
            store.close_cut_off_runs()?;
            if let Err(error) = reporter.begin(project) {
                tracing::warn!(%error, "earlier runs cannot be noted for `report_to`; the next run tries again");
            }
        }
        Ok(Self { project, reporter })
    }

    /// A run ended.
    pub(super) fn note(&self, report: &RunReport) {
        if let Err(error) = off_worker(|| self.reporter.note(self.project, report.run_id)) {
            tracing::warn!(
                sync = report.sync,
                %error,
                "the run cannot be noted for `report_to`; the next run tries again"
            );
        }
    }

    /// All runs have ended.
    pub(super) fn deliver(&self) {
        let Some(to) = &self.project.report_to else {
            return;
        };
        if let Err(error) = off_worker(|| self.reporter.deliver(to)) {
            tracing::warn!(%error, "results could not be written to `report_to`; they wait for the next run");
        }
    }
}
