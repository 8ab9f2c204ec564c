//! The `outflow` command: arguments, runtime, exit code.

use std::process::ExitCode;

use clap::Parser;
use outflow::cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    cli::prepare(&arguments);
    cli::guarded(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return cli::no_runtime(&error),
        };
        let exit = runtime.block_on(cli::execute(arguments));
        // What is still under way was given up; nothing of it is waited for.
        runtime.shutdown_background();
        exit
    })
}
