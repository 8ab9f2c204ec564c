//! Every code the program can show, what it means and what to do: for `outflow code` and the page.
//!
//! Each crate lists its own codes beside its code. `tests/codes/check.py` looks through the sources for
//! codes and fails for one that is not listed, or is listed and never said.

mod page;
mod program;
#[cfg(test)]
mod tests;

use outflow_sdk::codes::{COMMON, Code};

pub use page::page;

use crate::registry::Registry;
use crate::sync::error::Exit;

/// Codes of one kind.
pub(crate) struct Chapter {
    /// What they are about.
    pub(crate) title: String,
    /// The codes.
    pub(crate) codes: &'static [Code],
}

/// Every code, chapter by chapter.
pub(crate) fn chapters(registry: &Registry) -> Vec<Chapter> {
    let own = [
        ("Project files", program::PROJECT),
        ("Runs, plans and rows", program::RUNS),
        ("State and machine", program::STATE),
        ("Commands", program::COMMANDS),
        ("HTTP API and hooks", program::API),
        ("Connectors, whichever", COMMON),
    ];
    let own = own.map(|(title, codes)| (title.to_owned(), codes));
    let mut chapters: Vec<Chapter> = own
        .into_iter()
        .map(|(title, codes)| Chapter { title, codes })
        .collect();
    let sources = registry.sources.iter().map(|one| (one.type_name, one.codes));
    let destinations = registry.destinations.iter().map(|one| (one.type_name, one.codes));
    for (name, codes) in sources.chain(destinations) {
        match chapters.iter_mut().find(|known| std::ptr::eq(known.codes, codes)) {
            // One crate, several types.
            Some(known) => known.title.push_str(&format!(" and `type: {name}`")),
            None => chapters.push(Chapter {
                title: format!("Connections of `type: {name}`"),
                codes,
            }),
        }
    }
    chapters
}

/// What an exit code means and what to do. A new one needs its words here.
pub(crate) fn exit(exit: Exit) -> (&'static str, &'static str) {
    match exit {
        Exit::Done => ("Done.", "Nothing."),
        Exit::Rejects => (
            "Done, and rows are refused or in doubt.",
            "`outflow rejects` lists them.",
        ),
        Exit::Config => (
            "The command line, the project's files or this machine is not right.",
            "Mend what the message names; trying again changes nothing.",
        ),
        Exit::Credentials => (
            "A credential is refused or lacks a permission.",
            "Renew it at the source or destination.",
        ),
        Exit::Source => (
            "The model could not be read.",
            "See the code; nothing was removed.",
        ),
        Exit::Destination => (
            "The destination could not be used, or somebody could not be told.",
            "See the code; what was acknowledged is kept.",
        ),
        Exit::Guard => (
            "A guard stopped the run before its first write.",
            "Look at the model, then raise the guard or mend the model.",
        ),
        Exit::Deferred => (
            "Out of quota, or stopped on request.",
            "Nothing: the next run goes on.",
        ),
        Exit::Bug => ("A bug in Outflow.", "Report it with the command you ran."),
    }
}
