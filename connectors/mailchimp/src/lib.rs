//! The Mailchimp destination: members of an audience with their merge fields, consent status, tags,
//! interests, static segments and marketing permissions.
//!
//! | file | subject |
//! |---|---|
//! | `config`, `limits` | settings of a connection, mapping keys of Mailchimp alone |
//! | `capabilities` | what can be done with members, and the routes requests take |
//! | `audience`, `merge_fields`, `groups` | what the account has: audiences, merge fields, interests, segments |
//! | `target` | what a mapped field is at Mailchimp, by its name |
//! | `checks` | where a mapping does not fit what the audience has |
//! | `layout` | a mapping tied to an audience: inspection, identity, routing |
//! | `values`, `encode`, `memberships` | values as Mailchimp writes them, operations as request bodies |
//! | `client`, `status` | one exchange with its credential; answers that concern a whole request |
//! | `interpret`, `member`, `refusal` | what an answer means for every row in it |
//! | `destination`, `binding` | the traits, put together from the above |
//!
//! Contacts go out in batches of 500 where a batch can express the change, and one by one where it
//! cannot. Consent has three rules. `status` is written only for a row whose mapping names a column
//! for it. A batch never carries a status that would subscribe someone: it carries `status_if_new`,
//! which Mailchimp applies to new members alone, and its answer tells the status of those that exist.
//! Only after such a look at the member, and never for one who is unsubscribed, cleaned or archived,
//! does a request of its own change the status.

mod audience;
mod binding;
mod capabilities;
mod checks;
mod client;
mod codes;
mod config;
mod destination;
mod encode;
mod events;
mod groups;
mod interpret;
mod layout;
mod limits;
mod member;
mod memberships;
mod merge_fields;
mod refusal;
mod status;
mod target;
#[cfg(test)]
mod testing;
mod values;

use std::sync::Arc;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{DestinationDescriptor, OpenContext};
use outflow_sdk::destination::Destination;
use outflow_sdk::http::Network;

pub use config::{MappingOptions, Settings, StatusIfNew};
pub use destination::Mailchimp;

/// How the registry knows this connector.
pub const DESCRIPTOR: DestinationDescriptor = DestinationDescriptor {
    type_name: "mailchimp",
    title: "Mailchimp audience members: merge fields, tags, interests and segments",
    settings_schema: || schemars::schema_for!(Settings),
    codes: codes::CODES,
    mapping_schema: || schemars::schema_for!(MappingOptions),
    object_key: None,
    objects: &capabilities::OBJECTS,
    capabilities: |object| Ok(capabilities::capabilities(capabilities::object_in(object)?.0)),
    open,
};

fn open(settings: serde_json::Value, _context: &OpenContext) -> Result<Arc<dyn Destination>, ConnectorError> {
    let network = Arc::new(Network::new()?);
    Ok(Arc::new(Mailchimp::open(settings, network)?))
}
