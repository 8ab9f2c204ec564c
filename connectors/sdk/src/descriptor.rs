//! How a connector introduces itself to the registry: names, settings and a way to open it.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::Schema;

use crate::codes::Code;
use crate::destination::{Capabilities, Destination};
use crate::error::ConnectorError;
use crate::source::Source;

/// What a connector may know of the project that opens it.
#[derive(Clone, Debug)]
pub struct OpenContext {
    /// The project's folder; relative paths in settings start here.
    pub root: PathBuf,
    /// The connection's name in `outflow.yaml`.
    pub connection: String,
}

/// Opens a connection from settings that passed the schema; does no I/O on the network.
pub type Open<T> = fn(serde_json::Value, &OpenContext) -> Result<Arc<T>, ConnectorError>;

/// The connectors a project may name.
#[derive(Clone, Default)]
pub struct Registry {
    /// What `type:` of a source may be.
    pub sources: Vec<SourceDescriptor>,
    /// What `type:` of a destination may be.
    pub destinations: Vec<DestinationDescriptor>,
}

impl Registry {
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

/// A source connector.
#[derive(Clone, Copy)]
pub struct SourceDescriptor {
    /// The value of `type:`.
    pub type_name: &'static str,
    /// One line for lists and the reference.
    pub title: &'static str,
    /// JSON Schema of the settings beside `type:`; doc comments become the reference.
    pub settings_schema: fn() -> Schema,
    /// What its codes mean, beside those of [`COMMON`](crate::codes::COMMON).
    pub codes: &'static [Code],
    /// Opens a connection from settings that passed the schema; does no I/O on the network.
    pub open: Open<dyn Source>,
}

/// A mapping key that names an object by itself, so that `object:` may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectKey {
    /// The key, such as `data_extension`.
    pub key: &'static str,
    /// The object it stands for.
    pub object: &'static str,
}

/// A kind of object a destination has, for lists and the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectKind {
    /// An `object:` of this kind, such as `contacts`.
    pub object: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
}

/// A destination connector.
#[derive(Clone, Copy)]
pub struct DestinationDescriptor {
    /// The value of `type:`.
    pub type_name: &'static str,
    /// One line for lists and the reference.
    pub title: &'static str,
    /// JSON Schema of the settings beside `type:`.
    pub settings_schema: fn() -> Schema,
    /// What its codes mean, beside those of [`COMMON`](crate::codes::COMMON).
    pub codes: &'static [Code],
    /// JSON Schema of the keys a mapping may have for this destination alone (`create_fields`,
    /// `audience`, …), at the mapping's top level.
    pub mapping_schema: fn() -> Schema,
    /// The mapping key that stands for an object, if there is one.
    pub object_key: Option<ObjectKey>,
    /// The kinds of object there are.
    pub objects: &'static [ObjectKind],
    /// What can be done with an `object:`, in the words of [`Destination::capabilities`] and without a
    /// connection.
    pub capabilities: fn(&str) -> Result<Capabilities, ConnectorError>,
    /// Opens a connection from settings that passed the schema; does no I/O on the network.
    pub open: Open<dyn Destination>,
}
