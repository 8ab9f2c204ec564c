//! Where the results of runs are written, besides the state.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A folder that gets the results of every run as Parquet files: `outflow_runs` and `outflow_row_errors`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportKeys {
    /// The folder; a relative path starts at the project's folder. It is made if it is not there.
    #[schemars(required, length(min = 1), extend("examples" = ["./reports"]))]
    pub(crate) folder: Option<String>,
    /// Whether each day has a folder of its own.
    #[schemars(extend("default" = "none"))]
    pub(crate) partition: Option<Partition>,
}

/// How files are spread over folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Partition {
    /// All in one.
    #[default]
    None,
    /// One for each day on which runs started, such as `date=2026-11-29`; UTC.
    Day,
}

/// `report_to:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTo {
    /// The folder.
    pub folder: PathBuf,
    /// Whether each day has a folder of its own.
    pub by_day: bool,
}

impl ReportKeys {
    /// The settings, if they are complete.
    pub(crate) fn report_to(self, root: &Path) -> Option<ReportTo> {
        Some(ReportTo {
            folder: root.join(self.folder?),
            by_day: self.partition == Some(Partition::Day),
        })
    }

    /// Whether the folder is on another machine, such as `s3://bucket`.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.folder
            .as_deref()
            .is_some_and(|folder| folder.contains("://"))
    }
}
