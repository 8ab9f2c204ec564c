//! The command line: one file per verb, results on stdout, everything else on stderr.
//!
//! Exit codes are the contract of [`crate::sync::error::Exit`]: 0 done, 1 done with rejects, 2 usage
//! or configuration, 3 credentials, 4 source, 5 destination, 6 a guard, 7 deferred, 70 a bug; and
//! 130 when a person aborted.

mod alerts;
mod arguments;
mod check;
mod code;
mod demo;
mod explain;
mod failure;
mod fields;
mod forecast;
mod history;
mod init;
mod logging;
mod open;
mod output;
mod panics;
mod plan;
mod plan_rows;
mod progress;
mod rejects;
mod results;
mod run;
mod sandbox;
mod schema;
mod select;
mod serve;
mod state;
mod status;
mod stop;

use std::io::IsTerminal;
use std::process::ExitCode;

pub use arguments::Arguments;
use arguments::Verb;
use failure::Failure;
use output::Output;
pub use panics::guarded;
use stop::Stop;

use crate::sync::error::Exit;

/// Exit code of a process that was aborted.
const ABORTED: u8 = 130;

/// Sets up what the whole process shares: the TLS provider, the panic message, the log.
pub fn prepare(arguments: &Arguments) {
    // Fails only when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    panics::install();
    logging::install(arguments);
}

/// Says that the operating system refused the threads a process needs.
pub fn no_runtime(error: &std::io::Error) -> ExitCode {
    let failure = Failure::config("no_threads", format!("cannot start worker threads: {error}"))
        .hint("raise the limit of threads (ulimit -u) or the memory of the container");
    tell(&failure);
    code(failure.exit)
}

/// Carries out one verb.
pub async fn execute(arguments: Arguments) -> ExitCode {
    let stop = Stop::listen(arguments.verb.ending());
    let json = arguments.verb.wants_json();
    let mut out = Output::stdout();
    let result = tokio::select! {
        result = dispatch(arguments, &mut out, &stop) => result,
        () = stop.aborted() => return ExitCode::from(ABORTED),
    };
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            tell(&failure);
            if json && let Err(bug) = out.json(&failure.json()) {
                tell(&bug);
            }
            failure.exit
        }
    };
    match out.close() {
        Ok(()) => code(exit),
        Err(failure) => {
            tell(&failure);
            code(failure.exit)
        }
    }
}

async fn dispatch(arguments: Arguments, out: &mut Output, stop: &Stop) -> Result<Exit, Failure> {
    let dir = arguments.globals.dir();
    match arguments.verb {
        Verb::Demo(args) => demo::run(&args, &arguments.globals, out, stop).await,
        Verb::Init(args) => init::run(&args, &dir, out),
        Verb::Check(args) => check::run(&args, &dir, out).await,
        Verb::Plan(args) => plan::run(&args, &dir, out).await,
        Verb::Run(args) => run::run(&args, &dir, out, stop).await,
        Verb::Alerts(args) => alerts::run(&args, &dir, out).await,
        Verb::Status(args) => status::run(&args, &dir, out),
        Verb::History(args) => history::run(&args, &dir, out),
        Verb::Rejects(args) => rejects::run(&args, &dir, out),
        Verb::Explain(args) => explain::run(&args, &dir, out),
        Verb::Fields(args) => fields::run(&args, &dir, out).await,
        Verb::State(args) => state::run(&args, &dir, out),
        Verb::Sandbox(args) => sandbox::run(&args, &dir, out, stop).await,
        Verb::Serve(args) => serve::run(&args, &dir, out, stop).await,
        Verb::Code(args) => code::run(&args, out),
        Verb::Schema(args) => schema::run(&args, out),
    }
}

/// Writes a failure to stderr.
fn tell(failure: &Failure) {
    let colour = output::colour_wanted(std::io::stderr().is_terminal());
    logging::to_stderr(failure.render(colour).as_bytes());
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}
