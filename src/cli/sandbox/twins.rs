//! The twins of all destinations on ports in a row, and the page over them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use outflow_sandbox::{FrontPage, hubspot, mailchimp, marketing_cloud};

use super::super::failure::Failure;

/// The credential HubSpot's twin accepts.
pub(crate) const TOKEN: &str = "pat-na1-sandbox";

/// Ports of the twins and their page: HubSpot, Mailchimp, Marketing Cloud, page.
pub(crate) const PORTS: u16 = 4;

/// What the twins are started with.
#[derive(Clone, Debug, Default)]
pub(crate) struct TwinOptions {
    /// The first of their ports; 0 takes free ones.
    pub(crate) port: u16,
    /// HubSpot's request limits.
    pub(crate) rate: Option<hubspot::Rate>,
    /// Time every request waits.
    pub(crate) latency: Duration,
    /// Whether requests are kept, for their pages and for those who ask what was sent.
    pub(crate) log: bool,
    /// Folder that keeps what they have between two starts.
    pub(crate) data: Option<PathBuf>,
}

/// Running twins; dropping them stops them and saves what they have.
pub(crate) struct Twins {
    pub(crate) hubspot: hubspot::Twin,
    pub(crate) mailchimp: mailchimp::Twin,
    pub(crate) marketing_cloud: marketing_cloud::Twin,
    pub(crate) page: FrontPage,
}

impl Twins {
    /// Starts all of them, or none.
    ///
    /// # Errors
    /// When a port is taken, or what they kept cannot be read.
    pub(crate) async fn start(options: &TwinOptions) -> Result<Self, NotStarted> {
        let port = |offset: u16| match options.port {
            0 => 0,
            first => first.saturating_add(offset),
        };
        let listen = |offset| SocketAddr::from((Ipv4Addr::LOCALHOST, port(offset)));
        let failed = |offset: u16| {
            move |error| NotStarted {
                port: port(offset),
                error,
            }
        };
        let hubspot = hubspot::Twin::start(options.hubspot(listen(0)))
            .await
            .map_err(failed(0))?;
        let mailchimp = mailchimp::Twin::start(options.mailchimp(listen(1)))
            .await
            .map_err(failed(1))?;
        let marketing_cloud = marketing_cloud::Twin::start(options.marketing_cloud(listen(2)))
            .await
            .map_err(failed(2))?;
        let page = FrontPage::start(listen(3), &hubspot, &mailchimp, &marketing_cloud)
            .await
            .map_err(failed(3))?;
        Ok(Self {
            hubspot,
            mailchimp,
            marketing_cloud,
            page,
        })
    }

    /// Requests to any of them since the start or since they were forgotten.
    pub(crate) fn request_count(&self) -> u64 {
        self.hubspot.request_count() + self.mailchimp.request_count() + self.marketing_cloud.request_count()
    }

    /// Forgets the requests so far.
    pub(crate) fn clear_requests(&self) {
        self.hubspot.clear_requests();
        self.mailchimp.clear_requests();
        self.marketing_cloud.clear_requests();
    }

    /// Saves what they have, if they have a folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let saved = self
            .hubspot
            .save()
            .and_then(|()| self.mailchimp.save())
            .and_then(|()| self.marketing_cloud.save());
        saved.map_err(|error| {
            Failure::config(
                "sandbox_data",
                format!("the sandbox's records cannot be saved: {error}"),
            )
        })
    }
}

impl TwinOptions {
    fn hubspot(&self, listen: SocketAddr) -> hubspot::Options {
        let defaults = hubspot::Options::default();
        hubspot::Options {
            listen,
            tokens: vec![hubspot::Token::new(TOKEN)],
            rate: self.rate,
            latency: self.latency,
            log_requests: if self.log { defaults.log_requests } else { 0 },
            data: self.data.clone(),
            ..defaults
        }
    }

    fn mailchimp(&self, listen: SocketAddr) -> mailchimp::Options {
        let defaults = mailchimp::Options::default();
        mailchimp::Options {
            listen,
            latency: self.latency,
            log_requests: if self.log { defaults.log_requests } else { 0 },
            data: self.data.clone(),
            ..defaults
        }
    }

    fn marketing_cloud(&self, listen: SocketAddr) -> marketing_cloud::Options {
        let defaults = marketing_cloud::Options::default();
        marketing_cloud::Options {
            listen,
            latency: self.latency,
            log_requests: if self.log { defaults.log_requests } else { 0 },
            data: self.data.clone(),
            ..defaults
        }
    }
}

/// Why the twins did not start.
#[derive(Debug)]
pub(crate) struct NotStarted {
    /// The port of the one that did not.
    port: u16,
    error: io::Error,
}

impl NotStarted {
    /// Whether another port would help.
    pub(crate) fn is_port_taken(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }
}

impl From<NotStarted> for Failure {
    fn from(reason: NotStarted) -> Self {
        let failure = Failure::config("sandbox", format!("the sandbox cannot start: {}", reason.error));
        if reason.is_port_taken() {
            return failure
                .at(format!("127.0.0.1:{}", reason.port))
                .hint("another program, perhaps another sandbox, uses this port; choose one with --port");
        }
        failure
    }
}
