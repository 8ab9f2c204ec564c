//! Runs the HubSpot twin by itself: prints its base URL and serves until it is interrupted.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use outflow_sandbox::hubspot::{Options, Rate, Twin};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A local HubSpot.
#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Request limits of a tier: starter, professional or enterprise. None by default.
    #[arg(long)]
    rate: Option<String>,
    /// Keep no requests (for benchmarks).
    #[arg(long)]
    no_log: bool,
    /// Milliseconds every request waits.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Milliseconds by which search lags behind writes.
    #[arg(long, default_value_t = 3000)]
    index_lag_ms: u64,
    /// Folder to keep records in between two runs.
    #[arg(long)]
    data: Option<PathBuf>,
}

// One thread: a twin shares the cores with what it is there to measure.
#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
        latency: Duration::from_millis(arguments.latency_ms),
        index_lag: Duration::from_millis(arguments.index_lag_ms),
        data: arguments.data,
        ..Options::default()
    };
    if let Some(tier) = &arguments.rate {
        let rate = Rate::tier(tier).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("there is no tier {tier}: starter, professional, enterprise"),
            )
        })?;
        options.rate = Some(rate);
    }
    if arguments.no_log {
        options.log_requests = 0;
    }
    let twin = Twin::start(options).await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", twin.base_url())?;
    stdout.flush()?;
    tokio::signal::ctrl_c().await
}
