//! The daemon over HTTP: health, metrics, a JSON API, signed hooks, and pages for people.
//!
//! [`routes`] is the one list of what is served: path, who may call it, and what it answers; the
//! router and the OpenAPI document are both made from it. Handlers read the state and ask the daemon
//! through its [`Handle`](crate::daemon::Handle); none of them decides anything about syncs. [`pages`] lists
//! its own routes, which are no part of the API.

mod access;
mod answers;
mod app;
mod asked;
mod control;
mod events;
mod health;
mod hook;
mod metrics;
mod openapi;
mod pages;
mod plan;
mod reading;
mod refusal;
mod routes;
mod rows;
mod server;
mod signature;

pub use app::App;
pub use metrics::Metrics;
pub use server::{Listener, serve};
