//! Local twins of the destinations: real HTTP servers with the vendors' rules, limits and faults.
//!
//! A twin follows the vendor's published contract and is never more lenient than the vendor. It
//! shares no code with the connector it serves, so that a misreading of the contract on one side
//! does not pass unnoticed. Where the contract is silent, the behaviour is an option, and the
//! default is what is hardest on the client.

mod clock;
mod faults;
mod front;
mod front_page;
mod html;
pub mod hubspot;
mod log;
pub mod mailchimp;
pub mod marketing_cloud;
mod server;
mod snapshot;
mod uuid;

pub use front_page::FrontPage;
