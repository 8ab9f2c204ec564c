//! What a twin is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a Marketing Cloud twin. Where the vendor is silent the default is what is hardest on a
/// client.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. Authentication, REST and SOAP share it.
    pub listen: SocketAddr,
    /// Client id of the installed package.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Business unit (MID) of tokens that name none.
    pub account_id: u64,
    /// Other business units a token may name.
    pub other_accounts: Vec<u64>,
    /// Life of a token, in seconds as its answer tells.
    pub token_life: Duration,
    /// How long a job's status is not found after it was accepted.
    pub unseen: Duration,
    /// How long a job then waits and runs.
    pub running: Duration,
    /// Time every request waits before it is looked at.
    pub latency: Duration,
    /// Seed of every random choice.
    pub seed: u64,
    /// Requests kept for [`super::Twin::requests`]; 0 turns the log off.
    pub log_requests: usize,
    /// Bytes kept of each request's body.
    pub log_body_bytes: usize,
    /// Folder that keeps the account between two starts; `None` keeps nothing.
    pub data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            client_id: "sandbox-client".into(),
            client_secret: "sandbox-secret".into(),
            account_id: 7_281_234,
            other_accounts: vec![7_281_235],
            token_life: Duration::from_secs(1_079),
            unseen: Duration::from_millis(300),
            running: Duration::from_millis(300),
            latency: Duration::ZERO,
            seed: 7,
            log_requests: 20_000,
            log_body_bytes: 1 << 20,
            data: None,
        }
    }
}
