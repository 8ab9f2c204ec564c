//! Arguments: the verbs and what every verb takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::stop::Ending;
use super::{
    alerts, check, code, demo, explain, fields, history, init, plan, rejects, run, sandbox, schema, serve,
    state, status,
};

/// Outflow keeps contacts in marketing tools equal to a model in the warehouse.
#[derive(Debug, Parser)]
#[command(
    name = "outflow",
    version,
    about,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Start with `outflow demo` (no account needed), or with `outflow init` in an empty folder.\n\n\
        Exit codes: 0 done, 1 done with rejects, 2 usage or configuration, 3 credentials, 4 source,\n\
        5 destination, 6 a guard stopped it, 7 deferred, 70 a bug.\n\
        The log goes to stderr; OUTFLOW_LOG (else RUST_LOG) filters it, such as OUTFLOW_LOG=outflow=debug."
)]
pub struct Arguments {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options that stand before or after the verb.
#[derive(Clone, Debug, Args)]
pub(crate) struct Globals {
    /// Project folder [default: the current folder]
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    /// Form of log lines on stderr [default: human on a terminal, else json]
    #[arg(long, value_enum, value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,
}

impl Globals {
    /// The project's folder.
    pub(crate) fn dir(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| PathBuf::from("."))
    }

    /// The folder, if one was named.
    pub(crate) fn named_dir(&self) -> Option<&PathBuf> {
        self.directory.as_ref()
    }
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `--json`, on every verb that reads.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Json {
    /// Print one JSON document instead of text for people
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// See it work on this machine: a sync to local twins of all destinations, a change, a second sync
    Demo(demo::DemoArgs),
    /// Start a project: outflow.yaml, a mapping, example data
    Init(init::InitArgs),
    /// Check the project's files, credentials, columns and destination fields
    Check(check::CheckArgs),
    /// Show what a run would do; changes nothing anywhere
    Plan(plan::PlanArgs),
    /// Send what changed
    #[command(visible_alias = "apply")]
    Run(run::RunArgs),
    /// Run every sync on its schedule, until stopped
    Serve(serve::ServeArgs),
    /// Test who is told when something is wrong
    Alerts(alerts::AlertsArgs),
    /// Show each sync's last run, freshness and open rejects
    Status(status::StatusArgs),
    /// List past runs
    History(history::HistoryArgs),
    /// List rows that were refused, and have them tried again
    Rejects(rejects::RejectsArgs),
    /// Say what is known of one row and why it was or was not sent
    Explain(explain::ExplainArgs),
    /// List the live fields of a destination's object
    Fields(fields::FieldsArgs),
    /// Look at, reset, export or import the state
    State(state::StateArgs),
    /// Serve local twins of all destinations to try things against
    Sandbox(sandbox::SandboxArgs),
    /// Tell what a code means, and what to do
    Code(code::CodeArgs),
    /// Print the JSON Schema of the project's files
    Schema(schema::SchemaArgs),
}

impl Verb {
    /// Whether the verb's result is a JSON document.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Verb::Check(args) => args.json.json,
            Verb::Plan(args) => args.json.json,
            Verb::Run(args) => args.json.json,
            Verb::Status(args) => args.json.json,
            Verb::History(args) => args.json.json,
            Verb::Alerts(args) => args.wants_json(),
            Verb::Rejects(args) => args.wants_json(),
            Verb::Explain(args) => args.json.json,
            Verb::Fields(args) => args.json.json,
            Verb::Code(args) => args.json.json,
            Verb::State(args) => args.wants_json(),
            Verb::Demo(_) | Verb::Init(_) | Verb::Sandbox(_) | Verb::Schema(_) | Verb::Serve(_) => false,
        }
    }

    /// What the verb does when it is asked to stop.
    pub(crate) fn ending(&self) -> Ending {
        match self {
            Verb::Run(_) | Verb::Demo(_) | Verb::Serve(_) => Ending::Settles,
            Verb::Sandbox(_) => Ending::Ends,
            _ => Ending::Aborts,
        }
    }

    /// Whether the verb goes on by itself and is worth an `info` log when nobody watches.
    pub(crate) fn runs_unattended(&self) -> bool {
        matches!(self, Verb::Run(_) | Verb::Serve(_))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_verb() {
        for line in [
            &["outflow", "-C", "shop", "--log-format", "json", "run"][..],
            &["outflow", "run", "-C", "shop", "--log-format", "json"][..],
        ] {
            let arguments = Arguments::try_parse_from(line).unwrap();
            assert_eq!(arguments.globals.dir(), PathBuf::from("shop"));
            assert_eq!(arguments.globals.log_format, Some(LogFormat::Json));
        }
    }

    #[test]
    fn apply_is_run() {
        let arguments = Arguments::try_parse_from(["outflow", "apply", "--json", "customers*"]).unwrap();
        assert!(arguments.verb.wants_json());
        assert!(matches!(arguments.verb, Verb::Run(_)));
    }

    #[test]
    fn every_verb_shows_an_example() {
        for verb in Arguments::command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                help.contains("outflow "),
                "`outflow {} --help` has no example",
                verb.get_name()
            );
        }
    }
}
