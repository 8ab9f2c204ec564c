//! `outflow alerts`: whether those who would be told can be reached.

use std::path::Path;

use clap::{Args, Subcommand};
use outflow_sdk::http::Network;
use serde_json::json;

use super::arguments::Json;
use super::failure::Failure;
use super::open::{self, Opened};
use super::output::{Output, Tone};
use crate::daemon::{Sent, send};
use crate::sync::error::Exit;

/// Arguments of `outflow alerts`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outflow alerts test team")]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    verb: AlertsVerb,
}

#[derive(Debug, Subcommand)]
enum AlertsVerb {
    /// Send a message that says it is a test
    #[command(
        after_help = "Examples:\n  outflow alerts test\n  outflow alerts test team\n\n\
        Exits 5 when one of them did not take it."
    )]
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct TestArgs {
    /// A name below `alerts:` in outflow.yaml [default: all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    json: Json,
}

impl AlertsArgs {
    /// Whether a JSON document is wanted.
    pub(crate) fn wants_json(&self) -> bool {
        let AlertsVerb::Test(args) = &self.verb;
        args.json.json
    }
}

/// Sends a test to each target.
pub(crate) async fn run(args: &AlertsArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let AlertsVerb::Test(args) = &args.verb;
    let opened = Opened::load(dir)?;
    opened.tell_broken();
    let targets: Vec<_> = opened
        .project
        .alerts
        .iter()
        .filter(|target| args.name.as_ref().is_none_or(|name| *name == target.name))
        .collect();
    if targets.is_empty() {
        let what = match &args.name {
            Some(name) => format!("`alerts:` has no `{name}`"),
            None => "the project has no `alerts:`".into(),
        };
        return Err(Failure::config("no_such_alert", what).hint("they are in outflow.yaml"));
    }
    let network = Network::new().map_err(|error| Failure::destination("alerts", error))?;
    let text = json!({ "text": "Outflow: this is a test; nothing is wrong" }).to_string();
    let mut results = Vec::new();
    for target in targets {
        let sent = match send(&network, target, &text, open::now_ms()).await {
            Ok(Sent::All) => Ok(()),
            Ok(Sent::Partly(reason)) | Err(reason) => Err(reason),
        };
        if !args.json.json {
            match &sent {
                Ok(()) => out.line(format_args!("{} {}", out.paint(Tone::Success, "ok"), target.name)),
                Err(reason) => {
                    let mark = out.paint(Tone::Error, "failed");
                    out.line(format_args!("{mark} {}: {reason}", target.name));
                }
            }
        }
        results.push((target.name.clone(), sent.err()));
    }
    if args.json.json {
        let alerts: Vec<_> = results
            .iter()
            .map(|(name, error)| json!({ "name": name, "error": error }))
            .collect();
        out.json(&json!({ "alerts": alerts }))?;
    }
    let failed = results.iter().any(|(_, error)| error.is_some());
    Ok(if failed { Exit::Destination } else { Exit::Done })
}
