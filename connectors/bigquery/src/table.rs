//! Tables without a query: their columns, and names that may have been meant.

use outflow_sdk::names::did_you_mean;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::api::{Api, Call};
use crate::failure::{Doing, Fault};
use crate::kind::{TableSchema, Typed};
use crate::query::{Query, TableName};

/// A table as the API has it (<https://cloud.google.com/bigquery/docs/reference/rest/v2/tables>).
#[derive(Deserialize)]
struct Table {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    schema: TableSchema,
    #[serde(default)]
    location: Option<String>,
}

/// A table's columns.
pub(crate) struct Described {
    pub(crate) columns: Vec<Typed>,
    /// Whether its rows lie in BigQuery itself: only then are they read without a query.
    pub(crate) is_stored: bool,
    /// Where it is.
    pub(crate) location: Option<String>,
}

/// Looks at a table.
///
/// # Errors
/// `missing_table` with the nearest name, `permission_denied`, and what any call may fail with.
pub(crate) async fn describe(
    api: &Api,
    query: &Query,
    name: &TableName,
) -> Result<Described, ConnectorError> {
    let path = [
        "projects",
        &name.project,
        "datasets",
        &name.dataset,
        "tables",
        &name.table,
    ];
    let table: Table = match api.json(&Call::get(&path)).await {
        Ok(table) => table,
        Err(fault) => return Err(suggest(api, told(&fault, api, query), name).await),
    };
    Ok(Described {
        columns: table.schema.columns(),
        is_stored: table.kind == "TABLE",
        location: table.location,
    })
}

/// A lack of permission is about this table, not about the project.
fn told(fault: &Fault, api: &Api, query: &Query) -> ConnectorError {
    fault.told(&api.settings, Doing::Running(query))
}

/// Adds the name of the table that may have been meant.
pub(crate) async fn suggest(api: &Api, error: ConnectorError, name: &TableName) -> ConnectorError {
    #[derive(Default, Deserialize)]
    struct List {
        #[serde(default)]
        tables: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "tableReference")]
        reference: Reference,
    }
    #[derive(Deserialize)]
    struct Reference {
        #[serde(rename = "tableId")]
        table: String,
    }
    if error.code != "missing_table" || !matches!(error.kind, ErrorKind::Source { .. }) {
        return error;
    }
    let call = Call::get(&["projects", &name.project, "datasets", &name.dataset, "tables"])
        .with("maxResults", "1000");
    // A suggestion is no reason for another error, nor for a wait.
    let Ok(answer) = api.once(&call).await else {
        return error;
    };
    let list: List = serde_json::from_slice(&answer.body).unwrap_or_default();
    match did_you_mean(
        &name.table,
        list.tables.iter().map(|entry| entry.reference.table.as_str()),
    ) {
        Some(near) => error.with_hint(format!("did you mean {}.{near}?", name.dataset)),
        None => error,
    }
}
