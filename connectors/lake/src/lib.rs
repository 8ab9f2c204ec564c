//! Source `lake`: a local folder of CSV, Parquet and JSON lines files and SQLite databases.
//!
//! A read runs on a thread of its own ([`source`]): the format's reader pushes Arrow batches into a
//! short channel and stops when the other end is dropped. A `table:` model goes straight from the
//! file to batches. A `sql:` model runs on SQLite ([`engine`]): databases are attached read-only,
//! files the statement names are first copied into a private temporary database.
//!
//! Formats without types of their own, and SQLite, whose columns may hold anything, are looked
//! through once before they are read ([`kind`]), so that a column has one type from its first batch
//! to its last and no later value can fail to fit.

mod catalogue;
mod cell;
mod codes;
mod columns;
mod config;
mod csv;
mod engine;
mod import;
mod jsonl;
mod kind;
mod mentioned;
mod messages;
mod narrow;
mod open;
mod parquet;
mod parquet_columns;
mod projection;
mod sink;
mod source;
mod sqlite;
mod stamp;

use std::sync::Arc;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{OpenContext, SourceDescriptor};
use outflow_sdk::source::Source;

pub use config::{CsvSettings, LakeSettings};
pub use source::Lake;

/// How the registry knows this source.
pub const DESCRIPTOR: SourceDescriptor = SourceDescriptor {
    type_name: "lake",
    title: "Local files: CSV, Parquet, JSON lines and SQLite",
    settings_schema: || schemars::schema_for!(LakeSettings),
    codes: codes::CODES,
    open,
};

fn open(settings: serde_json::Value, context: &OpenContext) -> Result<Arc<dyn Source>, ConnectorError> {
    let settings: LakeSettings = serde_json::from_value(settings).map_err(|error| {
        ConnectorError::config(
            "lake_settings",
            format!("settings of source '{}': {error}", context.connection),
        )
    })?;
    Ok(Arc::new(Lake::new(settings, context)?))
}
