//! What a twin is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a Mailchimp twin. Every behaviour the vendor leaves open is an option here; the
/// default is what is hardest on a client.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// API keys that are accepted. What follows the hyphen must be the data centre.
    pub api_keys: Vec<String>,
    /// OAuth access tokens that are accepted.
    pub access_tokens: Vec<String>,
    /// The account's data centre.
    pub data_center: String,
    /// How a good key of another data centre is refused (both are documented).
    pub wrong_data_center: WrongDataCenter,
    /// Name of the audience there is from the start; its id is [`super::AUDIENCE`].
    pub audience: String,
    /// Requests answered at the same time, over all clients; `None` for any number.
    pub connections: Option<usize>,
    /// How a request too many is refused.
    pub overload: Overload,
    /// Time every request waits before it is looked at.
    pub latency: Duration,
    /// Seed of every random choice.
    pub seed: u64,
    /// Requests kept for [`super::Twin::requests`]; 0 turns the log off.
    pub log_requests: usize,
    /// Bytes kept of each request's body.
    pub log_body_bytes: usize,
    /// Whether objects carry `_links`, as the vendor's do (three quarters of a member).
    pub links: bool,
    /// Domains, and domains they are under, whose addresses look fake.
    pub fake_domains: Vec<String>,
    /// What `null` does as a merge value (the vendor does not say).
    pub null_value: NullValue,
    /// What a merge value over 255 bytes does (the vendor does not say).
    pub long_value: LongValue,
    /// What a merge tag over ten characters, or with others than letters, digits and `_`, does.
    pub bad_tag: BadTag,
    /// What a `count` over 1000 does.
    pub large_count: LargeCount,
    /// Merge fields an audience can have.
    pub merge_field_limit: usize,
    /// Whether addresses come back with escaped quotes in the errors of a batch.
    pub escape_error_addresses: bool,
    /// How long the link to a batch's results is good for.
    pub results_link_life: Duration,
    /// Folder that keeps the audiences between two starts; `None` keeps nothing.
    pub data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_keys: vec!["0123456789abcdef0123456789abcdef-us1".into()],
            access_tokens: vec!["sandbox-token".into()],
            data_center: "us1".into(),
            wrong_data_center: WrongDataCenter::KeyInvalid,
            audience: "Sandbox".into(),
            connections: Some(10),
            overload: Overload::Problem,
            latency: Duration::ZERO,
            seed: 7,
            log_requests: 20_000,
            log_body_bytes: 1 << 20,
            links: true,
            fake_domains: [
                "example.com",
                "example.net",
                "example.org",
                "example",
                "invalid",
                "localhost",
                "test",
                "mailinator.com",
            ]
            .map(str::to_owned)
            .to_vec(),
            null_value: NullValue::Refuse,
            long_value: LongValue::Refuse,
            bad_tag: BadTag::Shorten,
            large_count: LargeCount::Refuse,
            merge_field_limit: 30,
            escape_error_addresses: false,
            results_link_life: Duration::from_secs(600),
            data: None,
        }
    }
}

/// How a good key of another data centre is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongDataCenter {
    /// 401 *API Key Invalid*.
    KeyInvalid,
    /// 403 *Wrong Datacenter*.
    Forbidden,
}

/// How a request too many is refused. None of them says when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// 429 with a problem document.
    Problem,
    /// 429 with an HTML page, as at high volume.
    Page,
    /// 403 with an HTML page, as at high volume.
    Forbidden,
}

/// What `null` does as a merge value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullValue {
    /// The member is refused.
    Refuse,
    /// The field is left as it is.
    Ignore,
}

/// What a merge value over 255 bytes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongValue {
    /// The member is refused.
    Refuse,
    /// The value is cut without a word.
    Cut,
}

/// What an impossible merge tag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTag {
    /// The field gets another tag than the one asked for.
    Shorten,
    /// The field is refused.
    Refuse,
}

/// What a `count` over 1000 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LargeCount {
    /// 400.
    Refuse,
    /// 1000 rows, without a word.
    Cap,
}
