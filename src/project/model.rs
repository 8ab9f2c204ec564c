//! The typed project: what every other part of the program works with.
//!
//! Values of these types are consistent: names resolve, keys and matches are mapped, durations are
//! positive. Positions and diagnostics stay in the loader.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use outflow_sdk::cast::Cast;
use outflow_sdk::destination::{Destination, Mode, Removed};
use outflow_sdk::source::{Model, Source};
use outflow_sdk::value::Value;

use super::access::{ApiToken, Hook};
use super::alerts::AlertTarget;
use super::report::ReportTo;

/// A project folder, read and checked.
#[derive(Clone)]
pub struct Project {
    /// The project's folder.
    pub root: PathBuf,
    /// Folder of the state.
    pub state: PathBuf,
    /// Source connections by name.
    pub sources: BTreeMap<String, SourceConnection>,
    /// Destination connections by name.
    pub destinations: BTreeMap<String, DestinationConnection>,
    /// Syncs in the order of their names.
    pub syncs: Vec<Arc<SyncSpec>>,
    /// `daemon:`.
    pub daemon: DaemonLimits,
    /// `http.tokens:`.
    pub tokens: Vec<ApiToken>,
    /// `hooks:`.
    pub hooks: Vec<Hook>,
    /// `alerts:`.
    pub alerts: Vec<AlertTarget>,
    /// `report_to:`.
    pub report_to: Option<ReportTo>,
}

/// How much `outflow serve` does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaemonLimits {
    /// Runs at once, of all syncs.
    pub runs: usize,
    /// Runs at once that read from or write to one connection.
    pub runs_per_connection: usize,
}

impl Default for DaemonLimits {
    fn default() -> Self {
        Self {
            runs: 4,
            runs_per_connection: 2,
        }
    }
}

/// A source as `outflow.yaml` names it.
#[derive(Clone)]
pub struct SourceConnection {
    /// `type:`.
    pub type_name: &'static str,
    /// The opened connector.
    pub source: Arc<dyn Source>,
}

/// A destination as `outflow.yaml` names it.
#[derive(Clone)]
pub struct DestinationConnection {
    /// `type:`.
    pub type_name: &'static str,
    /// The opened connector.
    pub destination: Arc<dyn Destination>,
}

/// One mapping file: a model, where it goes and how.
#[derive(Clone, Debug)]
pub struct SyncSpec {
    /// `sync:`, unique in the project.
    pub name: String,
    /// The mapping file, relative to the project.
    pub file: PathBuf,
    /// `source:`.
    pub source: String,
    /// `model:`, with its `vars:` put in.
    pub model: SyncModel,
    /// `key:`; at least one column.
    pub key: Vec<String>,
    /// `destination:`.
    pub destination: String,
    /// `object:`.
    pub object: String,
    /// `match:`; each is a mapped field.
    pub match_fields: Vec<String>,
    /// `mode:`.
    pub mode: Mode,
    /// `removed:`; present exactly in mode mirror.
    pub removed: Option<Removed>,
    /// `schedule:`.
    pub schedule: Schedule,
    /// `priority:`.
    pub priority: Priority,
    /// `late_after:`.
    pub late_after: Option<Duration>,
    /// `fields:` in the file's order.
    pub fields: Vec<FieldMapping>,
    /// `guards:`.
    pub guards: Guards,
    /// The mapping's keys for its destination alone, as that connector's schema describes them.
    pub options: serde_json::Value,
}

/// What a sync reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncModel {
    /// The same query at every run.
    Fixed(Model),
    /// SQL that asks for what changed since the last success, cut where the time of it belongs. Rows it
    /// does not give may well be there: nothing follows from their absence.
    Since(Vec<String>),
}

impl SyncModel {
    /// The model at a run whose last success began at `last_success`.
    pub fn at(&self, last_success: Timestamp) -> Model {
        match self {
            SyncModel::Fixed(model) => model.clone(),
            SyncModel::Since(parts) => Model::Sql(parts.join(&format!("'{last_success}'"))),
        }
    }

    /// Whether a read gives only a part of the rows there are.
    pub fn is_narrowed(&self) -> bool {
        matches!(self, SyncModel::Since(_))
    }
}

/// When a sync runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// Only when asked.
    #[default]
    Manual,
    /// A cron expression or a word such as `@hourly`, with an IANA time zone (UTC by default).
    Cron {
        /// The expression.
        expression: String,
        /// Time zone.
        time_zone: Option<String>,
    },
    /// At a fixed interval.
    Every(Duration),
    /// After other syncs succeeded.
    After(Vec<String>),
}

/// Which of several syncs that are due runs first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After the others.
    Low,
    /// As they become due.
    #[default]
    Normal,
    /// Before the others.
    High,
}

/// Where one destination field's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldMapping {
    /// Destination field.
    pub field: String,
    /// Its value.
    pub source: FieldSource,
    /// `as:`.
    pub cast: Option<Cast>,
    /// `scale:`, digits after the point.
    pub scale: Option<u8>,
    /// `null:`.
    pub null: NullPolicy,
}

/// A column, a constant or a template.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldSource {
    /// A column of the model.
    Column(String),
    /// The same value for every row.
    Constant(Value),
    /// Text made from columns.
    Template {
        /// The template.
        text: String,
        /// The columns it names.
        columns: Vec<String>,
    },
}

/// What a NULL does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NullPolicy {
    /// Empties the field.
    #[default]
    Clear,
    /// Leaves the field as it is.
    Keep,
    /// Rejects the row.
    Fail,
}

/// What must hold before anything is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guards {
    /// `max_removed:`.
    pub max_removed: Option<Share>,
    /// `min_rows:`.
    pub min_rows: Option<u64>,
}

/// A number of rows, or a share of the known ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// Rows.
    Rows(u64),
    /// Per cent.
    Percent(f64),
}

impl Project {
    /// A sync by name.
    pub fn sync(&self, name: &str) -> Option<&Arc<SyncSpec>> {
        self.syncs.iter().find(|sync| sync.name == name)
    }
}
