//! `outflow serve`: the daemon.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use outflow_sdk::http::Network;
use tokio::sync::{broadcast, mpsc, watch};

use super::failure::Failure;
use super::open;
use super::output::{Output, counted};
use super::stop::Stop;
use crate::daemon::{Daemon, DaemonError, Edition, Settings, TICK};
use crate::deliver::{Policy, SystemClock};
use crate::http::{self, App, Listener, Metrics};
use crate::project::Interval;
use crate::state::Access;
use crate::sync::error::Exit;

/// Arguments of `outflow serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow serve\n  \
    outflow serve -C /srv/crm-sync --listen 0.0.0.0:8321 --grace 2m\n\n\
    Runs each sync as its `schedule:` says. One process at a time works on a project: a second\n\
    `serve`, or `run` beside it, is told so and exits 2.\n\n\
    SIGTERM and Ctrl-C stop it: nothing new is sent, what is in flight settles, and it exits 0. The\n\
    project's files are read again when they change and on SIGHUP; files with errors are reported in\n\
    the log, and what ran before goes on.\n\n\
    Its address in a browser shows every sync, run, reject and field. The HTTP API serves /health/live,\n\
    /health/ready, /metrics, /api/v1 (described by /api/v1/openapi.json) and /hooks/NAME. Callers need\n\
    a token of `http.tokens` in outflow.yaml; without any, this machine alone is served.")]
pub(crate) struct ServeArgs {
    /// Where the HTTP API listens; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8321", value_parser = address)]
    listen: SocketAddr,
    /// Most time that runs may settle what is in flight after a stop, such as `30s` or `2m`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    grace: Duration,
}

/// An address, by name or number.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text
        .to_socket_addrs()
        .map_err(|error| format!("an address is written like `127.0.0.1:8321`: {error}"))?;
    found.next().ok_or_else(|| "this name has no address".into())
}

/// A length of time; a bare number is seconds.
fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let interval = Interval::parse(text);
    interval
        .map(|Interval(time)| time)
        .ok_or_else(|| "a length of time is written like `30s` or `1m30s`".into())
}

/// Ended runs that a slow reader of events may fall behind.
const ENDED_KEPT: usize = 256;

/// Serves until asked to stop.
pub(crate) async fn run(
    args: &ServeArgs,
    dir: &Path,
    out: &mut Output,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let edition = Edition::of(open::read(dir, false)).map_err(|broken| Failure::problems(broken.problems))?;
    let store = open::store(&edition.project, Access::Write)?;
    let reader = open::store(&edition.project, Access::Read)?;
    let listener = Listener::bind(args.listen)
        .await
        .map_err(|error| not_bound(args.listen, &error))?;
    let address = listener
        .address()
        .map_err(|error| not_bound(args.listen, &error))?;
    let workers = tokio::runtime::Builder::new_multi_thread()
        .thread_name("outflow-run")
        .enable_all()
        .build()
        .map_err(|error| Failure::config("no_threads", format!("cannot start worker threads: {error}")))?;
    let network = Network::new().map_err(|error| Failure::destination("alerts", error))?;
    let metrics = Metrics::new().map_err(|error| Failure::bug(error.to_string()))?;
    let metrics = Arc::new(metrics);
    let (ended, _) = broadcast::channel(ENDED_KEPT);
    let syncs = edition.project.syncs.len() as u64;
    let open = edition.project.tokens.is_empty();
    let root = dir.to_owned();
    let settings = Settings {
        root: dir.to_owned(),
        read: Box::new(move || open::read(&root, false)),
        edition,
        store,
        clock: Arc::new(SystemClock),
        policy: Policy::default(),
        // Jitter must differ between processes; what is planned and sent does not depend on it.
        seed: rand::random(),
        tick: TICK,
        workers: workers.handle().clone(),
        grace: args.grace,
        exchange: Arc::new(network),
        ended: {
            let (metrics, ended) = (Arc::clone(&metrics), ended.clone());
            Box::new(move |run| {
                metrics.ended(run);
                // Nobody may be listening.
                let _ = ended.send(Arc::clone(run));
            })
        },
    };
    let (daemon, handle) = Daemon::new(settings).map_err(failure)?;
    let app = App::new(
        handle,
        reader,
        workers.handle().clone(),
        metrics,
        ended,
        address.ip(),
        stop.asked(),
    );
    let reload = hang_ups()?;
    // Served to the very end, so that whoever asks sees it stop.
    let (close, closed) = watch::channel(false);
    let server = tokio::spawn(http::serve(listener, app, closed));
    if open && !address.ip().is_loopback() {
        tracing::warn!("`http.tokens` is not set, so on this address only health is told");
    }
    tracing::info!(syncs, %address, "serving");
    out.line(format_args!(
        "outflow serves {} on http://{address}",
        counted(syncs, "sync")
    ));
    out.flush();
    daemon.run(stop.asked(), reload).await;
    close.send_replace(true);
    if server.await.is_err() {
        tracing::error!("the HTTP server ended by a bug");
    }
    workers.shutdown_background();
    Ok(Exit::Done)
}

fn not_bound(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::config("cannot_listen", format!("cannot listen on {address}: {error}"))
        .hint("another daemon may listen there; choose an address with --listen")
}

fn failure(error: DaemonError) -> Failure {
    match error {
        DaemonError::State(error) => error.into(),
        DaemonError::Schedule(..) => Failure::config("bad_schedule", error.to_string()),
    }
}

/// A message for every SIGHUP, from now on.
#[cfg(unix)]
fn hang_ups() -> Result<mpsc::Receiver<()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut signals = signal(SignalKind::hangup())
        .map_err(|error| Failure::config("no_signals", format!("cannot listen for SIGHUP: {error}")))?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        // Two in a row are one.
        while signals.recv().await.is_some() && !sender.is_closed() {
            let _ = sender.try_send(());
        }
    });
    Ok(receiver)
}

#[cfg(not(unix))]
fn hang_ups() -> Result<mpsc::Receiver<()>, Failure> {
    Ok(mpsc::channel(1).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!(address("127.0.0.1:0"), Ok(SocketAddr::from(([127, 0, 0, 1], 0))));
        assert!(address("[::1]:80").is_ok_and(|address| address.ip().is_loopback()));
        assert!(address("8321").is_err());
    }

    #[test]
    fn a_grace_period_is_a_length_of_time_or_seconds() {
        assert_eq!(time("45"), Ok(Duration::from_secs(45)));
        assert_eq!(time("1m30s"), Ok(Duration::from_secs(90)));
        assert!(time("soon").is_err());
    }
}
