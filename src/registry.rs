//! The only list of connectors: one line each, under its cargo feature.

use outflow_sdk::descriptor::{DestinationDescriptor, SourceDescriptor};

/// The connectors a project may name.
#[derive(Clone, Default)]
pub struct Registry {
    /// What `type:` of a source may be.
    pub sources: Vec<SourceDescriptor>,
    /// What `type:` of a destination may be.
    pub destinations: Vec<DestinationDescriptor>,
}

impl Registry {
    /// Every connector this build has.
    pub fn built_in() -> Self {
        Self {
            sources: sources(),
            destinations: destinations(),
        }
    }

    /// A source connector by its `type:`.
    pub fn source(&self, type_name: &str) -> Option<&SourceDescriptor> {
        self.sources.iter().find(|known| known.type_name == type_name)
    }

    /// A destination connector by its `type:`.
    pub fn destination(&self, type_name: &str) -> Option<&DestinationDescriptor> {
        self.destinations
            .iter()
            .find(|known| known.type_name == type_name)
    }
}

/// Source connectors of this build.
pub fn sources() -> Vec<SourceDescriptor> {
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

/// Destination connectors of this build.
pub fn destinations() -> Vec<DestinationDescriptor> {
    vec![
        #[cfg(feature = "hubspot")]
        outflow_hubspot::DESCRIPTOR,
        #[cfg(feature = "mailchimp")]
        outflow_mailchimp::DESCRIPTOR,
        #[cfg(feature = "marketing-cloud")]
        outflow_marketing_cloud::DESCRIPTOR,
    ]
}
