//! `outflow sandbox`: local twins of all destinations in the foreground.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use outflow_sandbox::hubspot::{Options, Rate, Token, Twin};
use outflow_sandbox::{mailchimp, marketing_cloud};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::output::{Output, Tone};
use super::stop::Stop;
use crate::sync::error::Exit;

/// Where the twin listens when nobody says otherwise.
pub(crate) const DEFAULT_PORT: u16 = 4710;

/// The credential the twin accepts.
pub(crate) const TOKEN: &str = "pat-na1-sandbox";

/// Settings of a project's own twin, below its folder.
const SETTINGS: &str = "sandbox/sandbox.json";

/// Arguments of `outflow sandbox`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow sandbox\n  \
    outflow sandbox --port 0 --tier none --latency-ms 50\n  \
    outflow sandbox -C outflow-demo        # the demo's twin, with its contacts\n\n\
    Twins of HubSpot, Mailchimp and Marketing Cloud listen on three ports in a row. Point a destination\n\
    at one with `base_url:` and the credential it prints. Ctrl-C stops them.")]
pub(crate) struct SandboxArgs {
    /// First of three ports on 127.0.0.1; 0 takes free ones [default: the project's, else 4710]
    #[arg(long, alias = "hubspot-port", value_name = "N")]
    port: Option<u16>,
    /// HubSpot's request limits
    #[arg(long, alias = "hubspot-tier", value_enum, default_value_t = Tier::Professional)]
    tier: Tier,
    /// Milliseconds every request waits
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// Keep no log of requests (for benchmarks)
    #[arg(long)]
    no_log: bool,
    /// Folder that keeps the HubSpot twin's records between two starts [default: the project's, else none]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Whose limits the twin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// No limits
    None,
    /// 100 requests per 10 seconds, 250,000 a day
    Free,
    /// 190 requests per 10 seconds, 625,000 a day
    Professional,
    /// 190 requests per 10 seconds, 1,000,000 a day
    Enterprise,
}

impl Tier {
    fn rate(self) -> Option<Rate> {
        match self {
            Tier::None => None,
            Tier::Free => Some(Rate::starter()),
            Tier::Professional => Some(Rate::professional()),
            Tier::Enterprise => Some(Rate::enterprise()),
        }
    }
}

/// Where a project's own twin listens and keeps its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    /// Relative to the project's folder.
    pub(crate) data: PathBuf,
}

impl Settings {
    /// The settings of the project in `dir`, if it has a twin of its own.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(SETTINGS);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, &error.to_string())),
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| unreadable(&path, &error.to_string()))
    }

    /// Keeps the settings in the project in `dir`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(SETTINGS);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, format!("{}\n", serde_json::to_string(self)?))
    }
}

fn unreadable(path: &Path, reason: &str) -> Failure {
    Failure::config(
        "sandbox_settings",
        format!("the sandbox's settings cannot be read: {reason}"),
    )
    .at(path.display().to_string())
    .hint("delete the file, or run `outflow demo` again")
}

/// Serves until asked to stop.
pub(crate) async fn run(
    args: &SandboxArgs,
    dir: &Path,
    out: &mut Output,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let settings = Settings::read(dir)?;
    let port = args
        .port
        .unwrap_or_else(|| settings.as_ref().map_or(DEFAULT_PORT, |settings| settings.port));
    let data = args
        .data
        .clone()
        .or_else(|| settings.map(|settings| dir.join(settings.data)));
    let options = Options {
        latency: Duration::from_millis(args.latency_ms),
        log_requests: if args.no_log {
            0
        } else {
            Options::default().log_requests
        },
        ..options(port, args.tier.rate(), data.clone())
    };
    let twin = Twin::start(options)
        .await
        .map_err(|error| not_started(port, &error))?;
    let url = twin.base_url();
    let title = out.paint(Tone::Strong, "HubSpot sandbox");
    out.line(format_args!("{title}  {url}"));
    out.line(format_args!("  token    {TOKEN}"));
    out.line(format_args!("  page     {url}/"));
    if let Some(data) = &data {
        out.line(format_args!("  data     {}", data.display()));
    }
    let others = Others::start(args, port).await?;
    others.tell(out);
    out.line("Ctrl-C stops them");
    stop.wait().await;
    twin.save().map_err(|error| {
        Failure::config(
            "sandbox_data",
            format!("the sandbox's records cannot be saved: {error}"),
        )
    })?;
    Ok(Exit::Done)
}

/// The twins beside HubSpot's. They keep nothing between two starts.
struct Others {
    mailchimp: mailchimp::Twin,
    marketing_cloud: marketing_cloud::Twin,
}

impl Others {
    /// Starts them on the ports after `first`.
    async fn start(args: &SandboxArgs, first: u16) -> Result<Self, Failure> {
        let latency = Duration::from_millis(args.latency_ms);
        let port = |number: u16| {
            if first == 0 {
                0
            } else {
                first.saturating_add(number)
            }
        };
        let listen = |number| SocketAddr::from((Ipv4Addr::LOCALHOST, port(number)));
        let mut options = mailchimp::Options {
            listen: listen(1),
            latency,
            ..mailchimp::Options::default()
        };
        let mut other = marketing_cloud::Options {
            listen: listen(2),
            latency,
            ..marketing_cloud::Options::default()
        };
        if args.no_log {
            (options.log_requests, other.log_requests) = (0, 0);
        }
        Ok(Self {
            mailchimp: mailchimp::Twin::start(options)
                .await
                .map_err(|error| not_started(port(1), &error))?,
            marketing_cloud: marketing_cloud::Twin::start(other)
                .await
                .map_err(|error| not_started(port(2), &error))?,
        })
    }

    fn tell(&self, out: &mut Output) {
        let (options, url) = (mailchimp::Options::default(), self.mailchimp.base_url());
        let title = out.paint(Tone::Strong, "Mailchimp sandbox");
        out.line(format_args!("{title}  {url}"));
        for key in &options.api_keys {
            out.line(format_args!("  api_key  {key}"));
        }
        out.line(format_args!("  audience {}", mailchimp::AUDIENCE));
        out.line(format_args!("  page     {url}/"));
        let (options, url) = (
            marketing_cloud::Options::default(),
            self.marketing_cloud.base_url(),
        );
        let title = out.paint(Tone::Strong, "Marketing Cloud sandbox");
        out.line(format_args!("{title}  {url}"));
        out.line(format_args!("  client_id      {}", options.client_id));
        out.line(format_args!("  client_secret  {}", options.client_secret));
        out.line(format_args!("  page     {url}/"));
    }
}

/// A twin's options: on this machine alone, with its one token.
pub(crate) fn options(port: u16, rate: Option<Rate>, data: Option<PathBuf>) -> Options {
    Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tokens: vec![Token::new(TOKEN)],
        rate,
        data,
        ..Options::default()
    }
}

/// Why a twin did not start.
pub(crate) fn not_started(port: u16, error: &io::Error) -> Failure {
    let failure = Failure::config("sandbox", format!("the sandbox cannot start: {error}"));
    if error.kind() == io::ErrorKind::AddrInUse {
        return failure
            .at(format!("127.0.0.1:{port}"))
            .hint("another program, perhaps another sandbox, uses this port; choose one with --port");
    }
    failure
}
