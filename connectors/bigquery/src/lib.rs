//! Source `bigquery`: Google BigQuery.
//!
//! A `table:` model whose rows lie in BigQuery is read as it is, without a query. Any other model is asked
//! about first ([`job`]: a dry run gives columns, types and errors with their place), then runs as one job
//! under an id chosen here. Rows come as Arrow by the Storage Read API ([`storage`], [`streams`]), or as
//! JSON by REST ([`pages`]) where results are small or that API may not be used. Both routes read the same
//! values ([`cell`], [`scalar`]) into the types that were announced ([`kind`]).
//!
//! A read is complete when every stream ended with the server's word and as many rows came as the job has.
//! Dropping the stream cancels a job that still runs.
//!
//! Access tokens are asked for over the one HTTP client ([`token`]); messages of the Storage Read API are
//! those of the crate `gcloud-googleapis`.

mod api;
mod batch;
mod cell;
mod check;
mod codes;
mod columns;
mod config;
mod credentials;
mod failure;
mod job;
mod jwt;
mod kind;
mod narrow;
mod pages;
mod query;
mod read;
mod scalar;
mod slot;
mod source;
mod storage;
mod streams;
mod table;
mod token;
mod wire;

use std::sync::Arc;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{OpenContext, SourceDescriptor};
use outflow_sdk::source::Source;

pub use config::BigQuerySettings;
pub use source::BigQuery;

/// How the registry knows this source.
pub const DESCRIPTOR: SourceDescriptor = SourceDescriptor {
    type_name: "bigquery",
    title: "Google BigQuery",
    settings_schema: || schemars::schema_for!(BigQuerySettings),
    codes: codes::CODES,
    open,
};

fn open(settings: serde_json::Value, context: &OpenContext) -> Result<Arc<dyn Source>, ConnectorError> {
    let settings: BigQuerySettings = serde_json::from_value(settings).map_err(|error| {
        ConnectorError::config(
            "bigquery_settings",
            format!("settings of source '{}': {error}", context.connection),
        )
    })?;
    Ok(Arc::new(BigQuery::new(settings, context)?))
}
