//! The Marketing Cloud Engagement destination: rows of data extensions, and journey entry events.
//!
//! | file | subject |
//! |---|---|
//! | `config` | settings of a connection, mapping keys of Marketing Cloud alone, limits |
//! | `capabilities` | what can be done with each object, and the routes requests take |
//! | `token`, `client`, `status` | the access token, one exchange with it, answers that concern a whole request |
//! | `soap` | envelopes, and their answers as trees |
//! | `extension`, `checks` | a data extension and its columns: found, created; where a mapping does not fit |
//! | `values` | values as Marketing Cloud writes them, and which cannot be valid |
//! | `layout`, `encode` | a mapping tied to a data extension; operations as request bodies |
//! | `interpret`, `jobs` | what an answer, or a job's result, means for every row |
//! | `consent` | whom All Subscribers says not to mail |
//! | `contacts` | deleting the contacts of rows that left the model, where a mapping asks for it |
//! | `hands` | keys that one row gives up and another takes in the same run |
//! | `journey` | journey entry events |
//! | `destination`, `binding` | the traits, put together from the above |
//!
//! Rows go out as asynchronous jobs of up to 2,500; a few rows at the end of a run go out in one
//! synchronous request, whose answer is there at once. One data extension is written by one request
//! at a time: parallel writers of it deadlock. Removal is SOAP's alone.
//!
//! A key that changed is a new row: it is written whole, then the old one is deleted.
//!
//! Consent lives in All Subscribers and decides there whether someone is mailed, whatever a column
//! says. This destination never writes to it, so nobody is ever subscribed again by a sync; it reads it
//! where a mapping asks for that.
//!
//! Marketing Cloud keeps time in UTC-6 all year. Instants are converted to that and written without a
//! zone; calendar dates are written as they are.

mod binding;
mod capabilities;
mod checks;
mod client;
mod codes;
mod config;
mod consent;
mod contacts;
mod destination;
mod encode;
mod extension;
mod hands;
mod interpret;
mod jobs;
mod journey;
mod layout;
mod soap;
mod status;
#[cfg(test)]
mod testing;
mod token;
mod values;

use std::sync::Arc;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{DestinationDescriptor, ObjectKey, OpenContext};
use outflow_sdk::destination::Destination;
use outflow_sdk::http::Network;

pub use config::{MappingOptions, Settings};
pub use destination::MarketingCloud;

/// What the registry needs to know.
pub const DESCRIPTOR: DestinationDescriptor = DestinationDescriptor {
    type_name: "marketing_cloud",
    title: "Salesforce Marketing Cloud: rows of data extensions, journey entry events",
    settings_schema: || schemars::schema_for!(Settings),
    codes: codes::CODES,
    mapping_schema: || schemars::schema_for!(MappingOptions),
    object_key: Some(ObjectKey {
        key: "data_extension",
        object: capabilities::DATA_EXTENSION,
    }),
    objects: &capabilities::OBJECTS,
    capabilities: |object| Ok(capabilities::capabilities(capabilities::object_in(object)?)),
    open,
};

fn open(settings: serde_json::Value, _context: &OpenContext) -> Result<Arc<dyn Destination>, ConnectorError> {
    let network = Arc::new(Network::new()?);
    Ok(Arc::new(MarketingCloud::open(settings, network)?))
}
