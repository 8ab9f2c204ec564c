//! `outflow check`: everything that can be known to be wrong before a run, in one go.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::arguments::Json;
use super::failure::Failure;
use super::open;
use super::output::{Output, Tone, counted};
use crate::project::{Problem, Project};
use crate::sync::check::{Checked, Place, check};
use crate::sync::error::Exit;
use crate::sync::report::overall_exit;

/// Arguments of `outflow check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow check --offline       # files only: for a pull request\n  \
    outflow check --json\n\n\
    Exits 2 when the project is wrong, 3 when a credential is, 4 when a source and 5 when a destination\n\
    cannot be used. Warnings do not count.")]
pub(crate) struct CheckArgs {
    /// Look at the files alone; unset variables are warnings
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Checks the project's files and, unless offline, its connections.
pub(crate) async fn run(args: &CheckArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let loaded = open::read(dir, args.offline);
    let mut exits: Vec<Exit> = Vec::new();
    if loaded.problems.iter().any(Problem::is_error) {
        exits.push(Exit::Config);
    }
    let mut problems = loaded.problems.clone();
    let mut checked = Checked::default();
    if let (Some(project), false) = (&loaded.project, args.offline) {
        checked = check(project).await;
        for finding in &checked.findings {
            if !finding.warning {
                exits.push(finding.exit);
            }
            problems.push(open::at(&loaded, finding));
        }
    }
    if args.json.json {
        let problems: Vec<Value> = problems.iter().map(document).collect();
        let fine: Vec<Value> = checked.fine.iter().map(seen).collect();
        out.json(&json!({ "problems": problems, "checked": fine }))?;
        return Ok(overall_exit(exits));
    }
    for problem in &problems {
        let text = problem.render(out.colour);
        out.raw(&text);
    }
    tell(out, loaded.project.as_ref(), &checked, &problems, args.offline);
    Ok(overall_exit(exits))
}

fn tell(out: &mut Output, project: Option<&Project>, checked: &Checked, problems: &[Problem], offline: bool) {
    for (place, says) in &checked.fine {
        let mark = out.paint(Tone::Success, "ok");
        let (kind, name) = named(place);
        out.line(format_args!("{mark} {kind} {name}: {says}"));
    }
    let errors = problems.iter().filter(|problem| problem.is_error()).count() as u64;
    let warnings = problems.len() as u64 - errors;
    let ending = match warnings {
        0 => String::new(),
        warnings => format!(", {}", counted(warnings, "warning")),
    };
    match project {
        Some(project) if errors == 0 => {
            let what = format!(
                "{}, {} and {} are in order{ending}",
                counted(project.sources.len() as u64, "source"),
                counted(project.destinations.len() as u64, "destination"),
                counted(project.syncs.len() as u64, "sync")
            );
            let what = out.paint(Tone::Success, what);
            let scope = if offline { " (files only)" } else { "" };
            out.line(format_args!("{what}{scope}"));
        }
        _ => {
            let what = out.paint(Tone::Error, counted(errors, "error"));
            out.line(format_args!("{what}{ending}"));
        }
    }
}

fn named(place: &Place) -> (&'static str, &str) {
    match place {
        Place::Source(name) => ("source", name),
        Place::Destination(name) => ("destination", name),
        Place::Sync(name, _) => ("sync", name),
    }
}

fn seen((place, says): &(Place, String)) -> Value {
    let (kind, name) = named(place);
    json!({ "kind": kind, "name": name, "message": says })
}

fn document(problem: &Problem) -> Value {
    serde_json::to_value(problem).unwrap_or_else(|_| json!({ "message": problem.message }))
}
