//! YAML files in, a typed project or a list of problems out.
//!
//! [`load`] reads `outflow.yaml` and `mappings/*.yaml` into trees that remember where everything
//! stands (`tree`), checks them against a JSON Schema made from our own types and the connectors'
//! (`schema`, `validate`, `alternatives`), puts secrets in place of their references
//! (`references`), and checks what a schema cannot say (`connections`, `mapping`, `query`, `fields`,
//! `schedule`). Every [`Problem`] knows its file, line and column and what to do about it; none
//! shows a secret. The same types give the JSON Schema for editors and the reference page.

mod access;
mod alerts;
mod alternatives;
mod capabilities;
mod connections;
mod fields;
mod file;
mod forms;
mod hook_keys;
mod init;
mod load;
mod mail;
mod mapping;
mod mapping_file;
mod model;
mod model_place;
mod page;
mod placeholder;
mod problem;
mod project_file;
mod query;
mod references;
mod report;
mod scalar;
mod schedule;
mod schema;
#[cfg(test)]
mod tests;
mod tree;
mod validate;

pub use access::{ApiToken, Hook, HookProfile, Role};
pub use alerts::{AlertTarget, AlertWay, Trouble};
pub use forms::Interval;
pub use init::{InitError, init};
pub use load::{LoadOptions, Loaded, load, project_files};
pub use mail::{Mail, MailEncryption};
pub use model::{
    DaemonLimits, DestinationConnection, FieldMapping, FieldSource, Guards, NullPolicy, Priority, Project,
    Schedule, Share, SourceConnection, SyncModel, SyncSpec,
};
pub use page::reference;
pub use problem::{Excerpt, Problem, Severity};
pub use report::ReportTo;
pub use schedule::parse_cron;
pub use schema::{json_schema, schema_files};
pub use tree::Span;
