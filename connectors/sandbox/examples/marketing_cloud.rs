//! Runs the Marketing Cloud twin by itself: prints its base URL and serves until it is interrupted.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use outflow_sandbox::marketing_cloud::{Options, Twin};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A local Marketing Cloud.
#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Keep no requests (for benchmarks).
    #[arg(long)]
    no_log: bool,
    /// Milliseconds every request waits.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Milliseconds a job's status is not found, and again as many the job then waits and runs.
    #[arg(long, default_value_t = 300)]
    job_ms: u64,
}

// One thread: a twin shares the cores with what it is there to measure.
#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
        latency: Duration::from_millis(arguments.latency_ms),
        unseen: Duration::from_millis(arguments.job_ms),
        running: Duration::from_millis(arguments.job_ms),
        ..Options::default()
    };
    if arguments.no_log {
        options.log_requests = 0;
    }
    let twin = Twin::start(options).await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", twin.base_url())?;
    stdout.flush()?;
    tokio::signal::ctrl_c().await
}
