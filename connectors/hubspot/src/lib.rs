//! The HubSpot destination: contacts, companies and custom objects, and membership of static lists.
//!
//! | file | subject |
//! |---|---|
//! | `config` | settings of a connection, mapping keys of HubSpot alone |
//! | `limits` | the `limits:` setting and what a tier allows |
//! | `capabilities` | what can be done with an object, and the routes requests take |
//! | `properties`, `lists` | what the account has: property definitions, static lists |
//! | `checks` | where a mapping does not fit what the account has |
//! | `layout` | a mapping tied to live properties: inspection, identity, routing |
//! | `values`, `encode` | values as HubSpot writes them, operations as request bodies |
//! | `client`, `oauth` | one exchange, with its credential |
//! | `interpret`, `membership`, `refusal`, `status` | what an answer means for every row in it |
//! | `destination`, `binding` | the traits, put together from the above |
//!
//! Every write goes through the batch endpoints with an `objectWriteTraceId` of its own on every
//! input, which makes HubSpot accept the good rows of a batch and name the bad ones.

mod binding;
mod capabilities;
mod checks;
mod client;
mod codes;
mod config;
mod destination;
mod encode;
mod interpret;
mod layout;
mod limits;
mod lists;
mod membership;
mod oauth;
mod properties;
mod refusal;
mod status;
#[cfg(test)]
mod testing;
mod values;

use std::sync::Arc;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{DestinationDescriptor, OpenContext};
use outflow_sdk::destination::Destination;
use outflow_sdk::http::Network;

pub use config::{MappingOptions, OAuthSettings, Settings, Tier, Version};
pub use destination::HubSpot;

/// How the registry knows this connector.
pub const DESCRIPTOR: DestinationDescriptor = DestinationDescriptor {
    type_name: "hubspot",
    title: "HubSpot contacts, companies, custom objects and static lists",
    settings_schema: || schemars::schema_for!(Settings),
    codes: codes::CODES,
    mapping_schema: || schemars::schema_for!(MappingOptions),
    object_key: None,
    objects: &capabilities::OBJECTS,
    capabilities: |object| {
        Ok(capabilities::capabilities(&capabilities::ObjectType::parse(
            object,
        )?))
    },
    open,
};

fn open(settings: serde_json::Value, _context: &OpenContext) -> Result<Arc<dyn Destination>, ConnectorError> {
    let network = Arc::new(Network::new()?);
    Ok(Arc::new(HubSpot::open(settings, network)?))
}
