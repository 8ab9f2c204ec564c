//! The log: to stderr, for people or as JSON lines, never across a progress bar.
//!
//! The filter is `OUTFLOW_LOG`, else `RUST_LOG`, else `warn`; `run` logs `info` of our own when its
//! stderr is no terminal, so that a scheduler's log says what happened.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use super::arguments::{Arguments, LogFormat};
use super::output::colour_wanted;

/// The progress bars that lines on stderr must not run into.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The process's progress bars.
pub(crate) fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Installs the log for the process.
pub(crate) fn install(arguments: &Arguments) {
    let terminal = io::stderr().is_terminal();
    let format = arguments.globals.log_format.unwrap_or(if terminal {
        LogFormat::Human
    } else {
        LogFormat::Json
    });
    let unattended = arguments.verb.runs_unattended() && !terminal;
    let filter = filter(unattended);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Stderr)
        .with_ansi(colour_wanted(terminal));
    let lines = match format {
        LogFormat::Human => lines.compact().with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A second install in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init();
}

fn filter(unattended: bool) -> Targets {
    let named = ["OUTFLOW_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let default = Targets::new().with_default(Level::WARN);
    let default = match unattended {
        true => default.with_target("outflow", Level::INFO),
        false => default,
    };
    match named {
        Some(text) => text.parse().unwrap_or_else(|error| {
            let line = format!("warning: the log filter `{text}` is not understood: {error}\n");
            to_stderr(line.as_bytes());
            default
        }),
        None => default,
    }
}

/// Writes whole lines to stderr, with the progress bars out of the way.
pub(crate) fn to_stderr(bytes: &[u8]) {
    let write = || {
        // Nobody is left to tell when stderr is gone.
        let _ = io::stderr().write_all(bytes);
    };
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

#[derive(Clone, Copy)]
struct Stderr;

/// One event, written when it is complete.
struct Event(Vec<u8>);

impl Write for Event {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        to_stderr(&self.0);
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Event;

    fn make_writer(&self) -> Event {
        Event(Vec::with_capacity(256))
    }
}
