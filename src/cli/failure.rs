//! What a person is told when a verb cannot do its work: what is wrong, where, what to do next.

use outflow_sdk::{ConnectorError, ErrorKind};
use thiserror::Error;

use super::output::{Tone, paint};
use crate::project::Problem;
use crate::state::StateError;
use crate::sync::error::{Exit, RunError};

/// Why a verb stopped.
#[derive(Debug, Error)]
#[error("{what}")]
pub(crate) struct Failure {
    /// Stable code.
    pub(crate) code: String,
    /// What is wrong.
    pub(crate) what: String,
    /// Where: a file, a sync, a connection.
    pub(crate) place: Option<String>,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// Diagnostics at their place in the project's files; they stand for `what` when there are any.
    pub(crate) problems: Vec<Problem>,
    /// The process's exit code.
    pub(crate) exit: Exit,
}

impl Failure {
    /// A failure with an exit code.
    pub(crate) fn new(exit: Exit, code: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            what: what.into(),
            place: None,
            hint: None,
            problems: Vec::new(),
            exit,
        }
    }

    /// Usage or configuration is wrong.
    pub(crate) fn config(code: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Exit::Config, code, what)
    }

    /// An invariant of ours is broken.
    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::new(Exit::Bug, "internal", format!("internal error: {}", what.into()))
            .hint("this is a bug in outflow: please report it with the command you ran")
    }

    /// The project's files are wrong.
    pub(crate) fn problems(problems: Vec<Problem>) -> Self {
        let count = problems.iter().filter(|problem| problem.is_error()).count();
        let plural = if count == 1 { "" } else { "s" };
        Self {
            problems,
            ..Self::config("project", format!("the project has {count} error{plural}"))
        }
    }

    /// A source could not do what was asked.
    pub(crate) fn source(place: impl Into<String>, error: ConnectorError) -> Self {
        Self::connector(place, error, Exit::Source)
    }

    /// A destination could not do what was asked.
    pub(crate) fn destination(place: impl Into<String>, error: ConnectorError) -> Self {
        Self::connector(place, error, Exit::Destination)
    }

    fn connector(place: impl Into<String>, error: ConnectorError, otherwise: Exit) -> Self {
        let exit = match error.kind {
            ErrorKind::Config => Exit::Config,
            ErrorKind::Auth => Exit::Credentials,
            ErrorKind::QuotaExhausted { .. } => Exit::Deferred,
            ErrorKind::Internal => Exit::Bug,
            _ => otherwise,
        };
        Self {
            hint: error.hint,
            ..Self::new(exit, error.code, error.message).at(place)
        }
    }

    /// A plan or run stopped.
    pub(crate) fn of_run(error: &RunError) -> Self {
        Self {
            hint: error.hint().map(ToOwned::to_owned),
            ..Self::new(error.exit(), error.code(), error.to_string())
        }
    }

    /// Names the place.
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Says what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For people, on stderr.
    pub(crate) fn render(&self, colour: bool) -> String {
        let mut out: String = self
            .problems
            .iter()
            .map(|problem| problem.render(colour))
            .collect();
        out.push_str(&format!(
            "{} {}\n",
            paint(colour, Tone::Error, "error:"),
            self.what
        ));
        if let Some(place) = &self.place {
            out.push_str(&format!("  {place}\n"));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("  {} {hint}\n", paint(colour, Tone::Hint, "hint:")));
        }
        out
    }

    /// For programs, on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": {
                "code": self.code,
                "message": self.what,
                "where": self.place,
                "hint": self.hint,
            },
            "problems": self.problems,
        })
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::of_run(&error)
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::of_run(&RunError::State(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_where_and_what_next() {
        let failure = Failure::config("no_sync", "no sync is named `customer`")
            .at("mappings/")
            .hint("did you mean `customers`?");
        assert_eq!(
            failure.render(false),
            "error: no sync is named `customer`\n  mappings/\n  hint: did you mean `customers`?\n"
        );
        assert_eq!(failure.json()["error"]["code"], "no_sync");
    }

    #[test]
    fn a_refused_credential_is_told_apart_from_a_destination_that_is_down() {
        let auth = ConnectorError::new(ErrorKind::Auth, "unauthorized", "the token is not accepted");
        assert_eq!(Failure::destination("crm", auth).exit, Exit::Credentials);
        let down = ConnectorError::new(
            ErrorKind::Transient { after: None },
            "unreachable",
            "cannot connect",
        );
        assert_eq!(Failure::destination("crm", down).exit, Exit::Destination);
    }
}
