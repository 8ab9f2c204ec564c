//! `outflow serve`: the daemon.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::open;
use super::output::{Output, counted};
use super::stop::Stop;
use crate::daemon::{Daemon, DaemonError, Edition, Settings};
use crate::deliver::{Policy, SystemClock};
use crate::project::Interval;
use crate::state::Access;
use crate::sync::error::Exit;

/// Arguments of `outflow serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow serve\n  \
    outflow serve -C /srv/crm-sync --grace 2m\n\n\
    Runs each sync as its `schedule:` says. One process at a time works on a project: a second\n\
    `serve`, or `run` beside it, is told so and exits 2.\n\n\
    SIGTERM and Ctrl-C stop it: nothing new is sent, what is in flight settles, and it exits 0. The\n\
    project's files are read again when they change and on SIGHUP; files with errors are reported in\n\
    the log, and what ran before goes on.")]
pub(crate) struct ServeArgs {
    /// Most time that runs may settle what is in flight after a stop, such as `30s` or `2m`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    grace: Duration,
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

/// Serves until asked to stop.
pub(crate) async fn run(
    args: &ServeArgs,
    dir: &Path,
    out: &mut Output,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let edition = Edition::of(open::read(dir, false)).map_err(|broken| Failure::problems(broken.problems))?;
    let store = open::store(&edition.project, Access::Write)?;
    let workers = tokio::runtime::Builder::new_multi_thread()
        .thread_name("outflow-run")
        .enable_all()
        .build()
        .map_err(|error| Failure::config("no_threads", format!("cannot start worker threads: {error}")))?;
    let syncs = edition.project.syncs.len() as u64;
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
        workers: workers.handle().clone(),
        grace: args.grace,
        ended: Box::new(|_| {}),
    };
    let (daemon, _handle) = Daemon::new(settings).map_err(failure)?;
    out.line(format_args!("outflow serves {}", counted(syncs, "sync")));
    out.flush();
    daemon.run(stop.asked(), hang_ups()).await;
    workers.shutdown_background();
    Ok(Exit::Done)
}

fn failure(error: DaemonError) -> Failure {
    match error {
        DaemonError::State(error) => error.into(),
        DaemonError::Schedule(..) => Failure::config("bad_schedule", error.to_string()),
    }
}

/// A message for every SIGHUP.
fn hang_ups() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    #[cfg(unix)]
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut signals) = signal(SignalKind::hangup()) else {
            return;
        };
        // Two in a row are one.
        while signals.recv().await.is_some() && !sender.is_closed() {
            let _ = sender.try_send(());
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_period_is_a_length_of_time_or_seconds() {
        assert_eq!(time("45"), Ok(Duration::from_secs(45)));
        assert_eq!(time("1m30s"), Ok(Duration::from_secs(90)));
        assert!(time("soon").is_err());
    }
}
