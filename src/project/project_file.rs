//! `outflow.yaml` as it is written: the types that are decoded, and whose doc comments are the JSON
//! Schema and the reference page.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::access::{HookKeys, HttpKeys};
use super::alerts::AlertKeys;
use super::model::DaemonLimits;
use super::report::ReportKeys;
use super::validate::ForeignKey;

/// The connections of a project, and where its state is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectFile {
    /// The folder of the state; a relative path starts at the project's folder. Keep it: it knows
    /// what each destination has accepted.
    #[schemars(extend("default" = DEFAULT_STATE))]
    pub(crate) state: Option<String>,
    /// Where models are read from, by a name of your choice.
    #[schemars(required)]
    pub(crate) sources: Option<SourceConnections>,
    /// Where records are written to, by a name of your choice.
    #[schemars(required)]
    pub(crate) destinations: Option<DestinationConnections>,
    /// How much `outflow serve` does at once.
    pub(crate) daemon: Option<DaemonKeys>,
    /// The HTTP API of `outflow serve`.
    pub(crate) http: Option<HttpKeys>,
    /// Signed calls from outside that start syncs, by a name of your choice: `POST /hooks/NAME`.
    pub(crate) hooks: Option<BTreeMap<String, HookKeys>>,
    /// Who is told when a sync gets into trouble and when it is out of it, by a name of your choice.
    pub(crate) alerts: Option<BTreeMap<String, AlertKeys>>,
    /// A folder that gets the results of every run, for other tools to read.
    pub(crate) report_to: Option<ReportKeys>,
}

/// How much `outflow serve` does at once. Syncs that are due and have no place wait for one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DaemonKeys {
    /// Runs at once, of all syncs.
    #[schemars(range(min = 1, max = 64), extend("default" = 4))]
    pub(crate) runs: Option<u16>,
    /// Runs at once that read from or write to one connection.
    #[schemars(range(min = 1, max = 64), extend("default" = 2))]
    pub(crate) runs_per_connection: Option<u16>,
}

impl DaemonKeys {
    /// The limits, with defaults for what is not said.
    pub(crate) fn limits(&self) -> DaemonLimits {
        let usual = DaemonLimits::default();
        DaemonLimits {
            runs: self.runs.map_or(usual.runs, usize::from),
            runs_per_connection: self
                .runs_per_connection
                .map_or(usual.runs_per_connection, usize::from),
        }
    }
}

/// Where the state is unless `state:` says otherwise.
pub(crate) const DEFAULT_STATE: &str = ".outflow";

/// Sources by name; each is decoded by its connector.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SourceConnections(pub(crate) serde_json::Map<String, serde_json::Value>);

/// Destinations by name; each is decoded by its connector.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct DestinationConnections(pub(crate) serde_json::Map<String, serde_json::Value>);

impl JsonSchema for SourceConnections {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SourceConnections".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/source" } })
    }
}

impl JsonSchema for DestinationConnections {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DestinationConnections".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/destination" } })
    }
}

/// Keys that mean something to readers of the design but not to this version.
pub(crate) fn keys_of_later_versions() -> Vec<ForeignKey> {
    [("vars", "write `${env:NAME}` where the value is used")]
        .into_iter()
        .map(|(key, instead)| ForeignKey {
            key: key.to_owned(),
            code: "not_supported",
            message: format!("`{key}` is not supported by this version"),
            hint: Some(format!("remove it; {instead}")),
        })
        .collect()
}
