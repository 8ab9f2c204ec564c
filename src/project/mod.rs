//! YAML files in, a typed project or a list of problems out.

mod model;

pub use model::{
    Cast, DestinationConnection, FieldMapping, FieldSource, Guards, NullPolicy, Project, Schedule, Share,
    SourceConnection, SyncSpec,
};
