//! `outflow sandbox`: local twins of all destinations in the foreground.

mod settings;
mod twins;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use outflow_sandbox::hubspot::Rate;
use outflow_sandbox::{mailchimp, marketing_cloud};

use super::failure::Failure;
use super::output::{Output, Tone};
use super::stop::Stop;
use crate::sync::error::Exit;

pub(crate) use settings::Settings;
pub(crate) use twins::{PORTS, TOKEN, TwinOptions, Twins};

/// Where the twins listen when nobody says otherwise: this port and those after it.
pub(crate) const DEFAULT_PORT: u16 = 4710;

/// Arguments of `outflow sandbox`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow sandbox\n  \
    outflow sandbox --port 0 --tier none --latency-ms 50\n  \
    outflow sandbox -C outflow-demo        # the demo's twins, with what they have\n\n\
    Twins of HubSpot, Mailchimp and Marketing Cloud, and a page over all of them, listen on four ports\n\
    in a row. Point a destination at one with `base_url:` and the credential it prints. Ctrl-C stops them.")]
pub(crate) struct SandboxArgs {
    /// First of four ports on 127.0.0.1; 0 takes free ones [default: the project's, else 4710]
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
    /// Folder that keeps what the twins have between two starts [default: the project's, else none]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Whose limits the HubSpot twin has.
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
    let options = TwinOptions {
        port,
        rate: args.tier.rate(),
        latency: Duration::from_millis(args.latency_ms),
        log: !args.no_log,
        data,
    };
    let twins = Twins::start(&options).await?;
    tell(&twins, &options, out);
    stop.wait().await;
    twins.save()?;
    Ok(Exit::Done)
}

/// Where each twin is and what it accepts.
fn tell(twins: &Twins, options: &TwinOptions, out: &mut Output) {
    let title = |out: &mut Output, name: &str, url: &str| {
        let title = out.paint(Tone::Strong, format!("{name} sandbox"));
        out.line(format_args!("{title}  {url}"));
    };
    title(out, "HubSpot", &twins.hubspot.base_url());
    out.line(format_args!("  token          {TOKEN}"));
    title(out, "Mailchimp", &twins.mailchimp.base_url());
    for key in &mailchimp::Options::default().api_keys {
        out.line(format_args!("  api_key        {key}"));
    }
    out.line(format_args!("  audience       {}", mailchimp::AUDIENCE));
    title(out, "Marketing Cloud", &twins.marketing_cloud.base_url());
    let client = marketing_cloud::Options::default();
    out.line(format_args!("  client_id      {}", client.client_id));
    out.line(format_args!("  client_secret  {}", client.client_secret));
    if let Some(data) = &options.data {
        out.line(format_args!("Kept in {}", data.display()));
    }
    let page = out.paint(Tone::Strong, twins.page.url());
    out.line(format_args!(
        "What they have, on one page: {page}\nCtrl-C stops them"
    ));
}
