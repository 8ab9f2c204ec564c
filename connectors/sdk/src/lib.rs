//! What every Outflow connector is written against.
//!
//! A **source** runs a model and streams its rows as Arrow batches, ending with a
//! [`source::ReadReceipt`] that says whether the read was complete. A **destination** describes an
//! object as data ([`destination::Capabilities`], [`destination::Field`]), turns planned
//! [`destination::Operation`]s into requests, sends each request once, and answers with exactly one
//! [`destination::Outcome`] for every operation that was in it.
//!
//! Policy lives elsewhere: connectors never sleep, retry, queue or count quota. They classify what
//! happened into the closed set of [`error::ErrorKind`] and the delivery layer decides.
//!
//! Values cross the boundary in one canonical form ([`value::Value`]), so that the same fact read
//! from two places has the same [`print`](mod@print).

pub mod cast;
pub mod codes;
pub mod conformance;
pub mod descriptor;
pub mod destination;
pub mod error;
pub mod http;
pub mod keys;
pub mod limits;
pub mod names;
pub mod numbers;
pub mod print;
pub mod secret;
pub mod source;
pub mod statement;
pub mod table_name;
pub mod tag;
pub mod value;

pub use compact_str::CompactString;
pub use error::{ConnectorError, ErrorKind, ModelPlace};
