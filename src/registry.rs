//! The only list of connectors: one line each, under its cargo feature.

use outflow_sdk::descriptor::{DestinationDescriptor, SourceDescriptor};

#[cfg(test)]
mod tests;

pub use outflow_sdk::descriptor::Registry;

/// Every connector this build has.
pub fn built_in() -> Registry {
    Registry {
        sources: sources(),
        destinations: destinations(),
    }
}

fn sources() -> Vec<SourceDescriptor> {
    vec![
        #[cfg(feature = "lake")]
        outflow_lake::DESCRIPTOR,
        #[cfg(feature = "redshift")]
        outflow_redshift::REDSHIFT,
        #[cfg(feature = "redshift")]
        outflow_redshift::POSTGRES,
        #[cfg(feature = "bigquery")]
        outflow_bigquery::DESCRIPTOR,
        #[cfg(feature = "snowflake")]
        outflow_snowflake::DESCRIPTOR,
    ]
}

fn destinations() -> Vec<DestinationDescriptor> {
    vec![
        #[cfg(feature = "hubspot")]
        outflow_hubspot::DESCRIPTOR,
        #[cfg(feature = "mailchimp")]
        outflow_mailchimp::DESCRIPTOR,
        #[cfg(feature = "marketing-cloud")]
        outflow_marketing_cloud::DESCRIPTOR,
    ]
}
