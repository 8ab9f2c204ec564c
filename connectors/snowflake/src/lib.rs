//! Source `snowflake`: models read over the protocol that Snowflake's own drivers speak.
//!
//! A read logs in ([`login`], [`session`]), lets the server describe the model without running it, runs it
//! as a subquery of one SELECT ([`query`]), waits for it however long it takes, and takes the result
//! ([`result`]): its first rows come with the answer, the rest as files ("chunks") behind links that expire.
//! Chunks are fetched ahead within bounds of memory ([`chunks`], [`fetch`]) and decoded one at a time, in
//! order, on a thread of their own ([`decode`]): from Arrow ([`convert`]) or from JSON ([`rowset`],
//! [`batch`], [`cell`]), whichever the server sends, into the same values.
//!
//! A read is complete only when every chunk held the rows the server had counted for it, and all of them
//! together the total. Dropping the stream aborts the query and ends the session.

mod batch;
mod call;
mod cell;
mod check;
mod chunks;
mod codes;
mod config;
mod convert;
mod decode;
mod failure;
mod fetch;
mod key;
mod kind;
mod login;
mod names;
mod narrow;
mod oauth;
mod query;
mod read;
mod refusal;
mod result;
mod rowset;
mod session;
mod source;
mod timestamps;
mod wire;

use std::sync::Arc;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::SourceDescriptor;
use outflow_sdk::source::Source;

pub use config::{OauthSettings, SnowflakeSettings};
pub use source::Snowflake;

/// How the registry knows Snowflake.
pub const DESCRIPTOR: SourceDescriptor = SourceDescriptor {
    type_name: "snowflake",
    title: "Snowflake",
    settings_schema: || schemars::schema_for!(SnowflakeSettings),
    codes: codes::CODES,
    open: |settings, context| {
        let settings: SnowflakeSettings = serde_json::from_value(settings).map_err(|error| {
            ConnectorError::config(
                "warehouse_settings",
                format!("settings of source '{}': {error}", context.connection),
            )
        })?;
        Ok(Arc::new(Snowflake::new(settings, context)?) as Arc<dyn Source>)
    },
};
