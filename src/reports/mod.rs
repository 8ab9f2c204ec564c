//! How runs ended, as tables in a folder: `report_to:` of `outflow.yaml`.
//!
//! A run's files are made at its end, before the sync can run again, and put aside in the state's folder
//! (`Reporter::note`); from there they are moved to the folder that others read (`Reporter::deliver`). So
//! what cannot be delivered waits, and nothing is lost. Which runs are noted is remembered in the state; a
//! crash in between makes the same files again, under the same names.

mod columns;
mod folder;
mod page;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};

pub use page::page;

use crate::project::{Project, ReportTo};
use crate::state::{RunId, RunRecord, RunStatus, StateError, Store};
use columns::Table;
use folder::TableFile;

/// The note in the state that says which runs are noted.
const NOTE: &str = "reports";

/// Where files wait, in the state's folder.
const WAITING: &str = "reports";

/// Row errors in memory at a time.
const PAGE: usize = 5_000;

/// Why results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file or folder.
    #[error("{} cannot be written: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A table does not fit its own columns: a bug.
    #[error("the results do not fit their table: {0}")]
    Table(String),
}

impl ReportError {
    pub(crate) fn folder(path: &Path, source: std::io::Error) -> Self {
        Self::Folder {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<ArrowError> for ReportError {
    fn from(error: ArrowError) -> Self {
        Self::Table(error.to_string())
    }
}

impl From<ParquetError> for ReportError {
    fn from(error: ParquetError) -> Self {
        Self::Table(error.to_string())
    }
}

/// The runs that are noted: every one up to a number, and some above it that ended before others did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    up_to: RunId,
    above: BTreeSet<RunId>,
}

impl Noted {
    fn holds(&self, run: RunId) -> bool {
        run <= self.up_to || self.above.contains(&run)
    }

    /// After these runs were looked at, of which those that had ended are noted.
    fn after(&self, runs: &[RunRecord]) -> Self {
        let mut above = self.above.clone();
        above.extend(ended(runs).map(|run| run.id));
        let open = runs.iter().filter(|run| run.status == RunStatus::Running);
        let lowest = open.map(|run| run.id).min();
        let up_to = match lowest {
            Some(lowest) => self.up_to.max(lowest - 1),
            None => above.last().map_or(self.up_to, |last| self.up_to.max(*last)),
        };
        above.retain(|run| *run > up_to);
        Self { up_to, above }
    }
}

fn ended(runs: &[RunRecord]) -> impl Iterator<Item = &RunRecord> {
    runs.iter().filter(|run| run.status != RunStatus::Running)
}

/// Writes how runs ended. One for each open state.
pub struct Reporter {
    store: Arc<Store>,
    /// Several runs may end at one time, and a move may go on meanwhile.
    noting: Mutex<()>,
    delivering: Mutex<()>,
}

impl Reporter {
    /// Of this state.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            noting: Mutex::default(),
            delivering: Mutex::default(),
        }
    }

    /// Notes what a process before this one did not get to, after runs that were cut off are told as ended
    /// and before any run begins.
    ///
    /// # Errors
    /// When the state cannot be read, or a file not be written.
    pub fn begin(&self, project: &Project) -> Result<(), ReportError> {
        let Some(to) = &project.report_to else {
            return Ok(());
        };
        let waiting = self.waiting();
        folder::sweep(&waiting).map_err(|error| ReportError::folder(&waiting, error))?;
        self.write(project, to, None)
    }

    /// Notes every run that has ended and is not noted yet; `run` has ended just now, and is the first one
    /// if none ever was noted. To be called before its sync runs again.
    ///
    /// # Errors
    /// When the state cannot be read, or a file not be written. The runs are noted by the next call then.
    pub fn note(&self, project: &Project, run: RunId) -> Result<(), ReportError> {
        match &project.report_to {
            // 0: it was not even opened, so no history has it.
            Some(to) if run != 0 => self.write(project, to, Some(run)),
            _ => Ok(()),
        }
    }

    /// Without a first run, runs are noted only if some were before.
    fn write(&self, project: &Project, to: &ReportTo, first: Option<RunId>) -> Result<(), ReportError> {
        let _one_at_a_time = self.noting.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = match (self.noted()?, first) {
            (Some(noted), _) => noted,
            (None, Some(first)) => {
                let noted = self.starting_with(first)?;
                // At once: should its files not come about, the next call makes them.
                self.remember(&noted)?;
                noted
            }
            (None, None) => return Ok(()),
        };
        let runs = self.store.runs_after(noted.up_to)?;
        for run in ended(&runs).filter(|run| !noted.holds(run.id)) {
            self.put_aside(project, to, run)?;
        }
        self.remember(&noted.after(&runs))
    }

    /// What cannot be read counts as never written, so that reports go on.
    fn noted(&self) -> Result<Option<Noted>, StateError> {
        let text = self.store.recall(NOTE)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn remember(&self, noted: &Noted) -> Result<(), ReportError> {
        let text = serde_json::to_string(noted).map_err(|error| ReportError::Table(error.to_string()))?;
        Ok(self.store.remember(NOTE, &text)?)
    }

    /// Syncs with runs that have ended and are not noted yet. None before any run was to be.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn missing(&self) -> Result<BTreeSet<String>, StateError> {
        let Some(noted) = self.noted()? else {
            return Ok(BTreeSet::new());
        };
        let runs = self.store.runs_after(noted.up_to)?;
        let missing = ended(&runs).filter(|run| !noted.holds(run.id));
        Ok(missing.map(|run| run.sync.clone()).collect())
    }

    /// Everything before the first run, and before those that are still under way at its end, stays untold.
    fn starting_with(&self, first: RunId) -> Result<Noted, ReportError> {
        let runs = self.store.runs_after(0)?;
        let open = runs.iter().filter(|run| run.status == RunStatus::Running);
        let first = open.map(|run| run.id).min().map_or(first, |open| open.min(first));
        Ok(Noted {
            up_to: first - 1,
            above: BTreeSet::new(),
        })
    }

    /// Makes the files of one run.
    fn put_aside(&self, project: &Project, to: &ReportTo, run: &RunRecord) -> Result<(), ReportError> {
        let name = folder::place(run, to.by_day);
        let waiting = self.waiting();
        let sync = project.sync(&run.sync).map(AsRef::as_ref);
        let mut file = TableFile::create(&waiting, Table::Runs, &name)?;
        file.write(&columns::run(run, sync)?)?;
        file.close()?;
        let mut file = TableFile::create(&waiting, Table::RowErrors, &name)?;
        let mut after = None;
        loop {
            let rejects = self.store.rejects_of_run(run, after, PAGE)?;
            file.write(&columns::row_errors(run, &rejects)?)?;
            after = rejects.last().map(|reject| reject.key);
            if rejects.len() < PAGE {
                break;
            }
        }
        file.close()
    }

    /// Moves what waits to the folder that others read; gives how many files that were.
    ///
    /// # Errors
    /// When a file cannot be written there. It and the rest wait for the next call.
    pub fn deliver(&self, to: &ReportTo) -> Result<usize, ReportError> {
        let _one_at_a_time = self.delivering.lock().unwrap_or_else(PoisonError::into_inner);
        folder::move_all(&self.waiting(), &to.folder)
    }

    fn waiting(&self) -> PathBuf {
        self.store.dir().join(WAITING)
    }
}

#[cfg(test)]
mod tests;
