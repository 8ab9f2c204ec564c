//! Sources `redshift` and `postgres`: one connector, two dialects of one protocol.
//!
//! A read opens a connection of its own ([`session`]), asks the server for the columns and types of the
//! model by preparing it outside a transaction ([`layout`]), and runs it through the simple protocol
//! ([`read`]): rows arrive as text and are turned into Arrow batches as they come ([`batch`], [`cell`]).
//! There is no cursor: a reader that is slow slows the server down, and memory holds a few batches.
//! Dropping the stream cancels the query.
//!
//! Large models of Redshift may come by way of S3 instead ([`unload`]): Redshift writes files there, which
//! are read and removed.
//!
//! Only a row count that the server confirms, followed by its word that it is ready again, makes a
//! read complete. The model is run as a subquery of one SELECT ([`query`]) after it was found to be one
//! statement ([`outflow_sdk::statement`]), in a session that may not write.

#[cfg(all(test, feature = "unload"))]
#[allow(dead_code, reason = "tested here, used in builds without the feature")]
#[path = "unload/absent.rs"]
mod absent;
mod array;
mod batch;
mod cell;
mod check;
mod codes;
mod config;
mod dialect;
mod failure;
mod iam;
mod kind;
mod layout;
mod names;
mod narrow;
mod query;
mod read;
mod session;
mod sigv4;
mod source;
mod tls;
#[cfg_attr(not(feature = "unload"), path = "unload/absent.rs")]
mod unload;
mod unload_settings;

use std::sync::Arc;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{OpenContext, SourceDescriptor};
use outflow_sdk::source::Source;
use serde::de::DeserializeOwned;

pub use config::{IamSettings, PostgresSettings, RedshiftSettings, TlsMode};
pub use source::Warehouse;
pub use unload_settings::UnloadSettings;

/// How the registry knows Amazon Redshift.
pub const REDSHIFT: SourceDescriptor = SourceDescriptor {
    type_name: "redshift",
    title: "Amazon Redshift, provisioned or serverless",
    settings_schema: || schemars::schema_for!(RedshiftSettings),
    codes: codes::CODES,
    open: |settings, context| {
        let settings: RedshiftSettings = parse(settings, context)?;
        Ok(Arc::new(Warehouse::redshift(settings, context)?) as Arc<dyn Source>)
    },
};

/// How the registry knows PostgreSQL.
pub const POSTGRES: SourceDescriptor = SourceDescriptor {
    type_name: "postgres",
    title: "PostgreSQL",
    settings_schema: || schemars::schema_for!(PostgresSettings),
    codes: codes::CODES,
    open: |settings, context| {
        let settings: PostgresSettings = parse(settings, context)?;
        Ok(Arc::new(Warehouse::postgres(settings, context)?) as Arc<dyn Source>)
    },
};

fn parse<T: DeserializeOwned>(
    settings: serde_json::Value,
    context: &OpenContext,
) -> Result<T, ConnectorError> {
    serde_json::from_value(settings).map_err(|error| {
        ConnectorError::config(
            "warehouse_settings",
            format!("settings of source '{}': {error}", context.connection),
        )
    })
}
