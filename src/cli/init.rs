//! `outflow init`: a project to start from.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::open;
use super::output::{Output, Tone};
use crate::project;
use crate::sync::error::Exit;

/// Arguments of `outflow init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  outflow init\n  outflow init crm-sync && cd crm-sync && outflow check --offline"
)]
pub(crate) struct InitArgs {
    /// Folder of the new project [default: the project folder]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Writes the template; refuses to overwrite anything.
pub(crate) fn run(args: &InitArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let folder = args
        .folder
        .as_ref()
        .map_or_else(|| dir.to_owned(), |folder| dir.join(folder));
    let written = project::init(&folder, open::registry())
        .map_err(|error| Failure::config("init", error.to_string()))?;
    for path in &written {
        let mark = out.paint(Tone::Success, "created");
        out.line(format_args!("{mark} {}", path.display()));
    }
    let elsewhere = folder.as_path() != Path::new(".");
    let option = if elsewhere {
        format!(" -C {}", folder.display())
    } else {
        String::new()
    };
    out.line("\nnext:");
    out.line(format_args!(
        "  outflow{option} check --offline    # the files fit together"
    ));
    out.line("  export HUBSPOT_TOKEN=…             # a service key of HubSpot");
    out.line(format_args!(
        "  outflow{option} check              # the token works, the fields exist"
    ));
    out.line(format_args!(
        "  outflow{option} plan               # what would be sent"
    ));
    out.line(format_args!("  outflow{option} run"));
    Ok(Exit::Done)
}
