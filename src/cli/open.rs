//! Opening what a verb works with: the project, its state, and what a run stands on.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::failure::Failure;
use super::logging::to_stderr;
use super::output::colour_wanted;
use super::progress::progress;
use super::stop::Stop;
use crate::deliver::{Clock, Policy, SystemClock};
use crate::project::{self, LoadOptions, Loaded, Problem, Project, Severity, SyncSpec};
use crate::registry::{self, Registry};
use crate::state::{Access, Store};
use crate::sync::check::{Finding, Place, of_column, of_field};
use crate::sync::error::RunError;
use crate::sync::prepare::Stage;
use crate::sync::quota::Quotas;
use crate::sync::report::RunReport;
use crate::sync::run::Runner;

/// The connectors of this build.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(registry::built_in)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemClock.now_ms()
}

/// Reads a project's files, whatever is wrong with them.
pub(crate) fn read(dir: &Path, offline: bool) -> Loaded {
    project::load(dir, LoadOptions::new(registry(), offline))
}

/// A project that can be worked with, and what is wrong with the rest of it.
pub(crate) struct Opened {
    pub(crate) project: Arc<Project>,
    loaded: Loaded,
}

impl Opened {
    /// For verbs that use connections: secrets must be there.
    ///
    /// # Errors
    /// When `outflow.yaml` is wrong as a whole.
    pub(crate) fn load(dir: &Path) -> Result<Self, Failure> {
        Self::from_loaded(read(dir, false), dir)
    }

    /// For verbs that look at the state alone: secrets may be elsewhere.
    ///
    /// # Errors
    /// When `outflow.yaml` is wrong as a whole.
    pub(crate) fn load_offline(dir: &Path) -> Result<Self, Failure> {
        Self::from_loaded(read(dir, true), dir)
    }

    fn from_loaded(mut loaded: Loaded, dir: &Path) -> Result<Self, Failure> {
        if let Some(project) = loaded.project.take() {
            return Ok(Self {
                project: Arc::new(project),
                loaded,
            });
        }
        if !dir.join("outflow.yaml").exists() {
            return Err(Failure::config("no_project", "there is no outflow.yaml here")
                .at(dir.display().to_string())
                .hint("name the project's folder with -C DIR, or start one with `outflow init`"));
        }
        let errors = loaded.problems.into_iter().filter(Problem::is_error).collect();
        Err(Failure::problems(errors))
    }

    /// Errors that keep some of the project from running.
    pub(crate) fn broken(&self) -> Vec<&Problem> {
        self.loaded
            .problems
            .iter()
            .filter(|problem| problem.is_error())
            .collect()
    }

    /// Names of syncs that are written down but cannot run.
    pub(crate) fn excluded(&self) -> &[String] {
        &self.loaded.excluded
    }

    /// Shows on stderr what keeps some of the project from running.
    pub(crate) fn tell_broken(&self) {
        let colour = stderr_colour();
        for problem in self.broken() {
            to_stderr(problem.render(colour).as_bytes());
        }
    }

    /// Why a plan or run stopped, at its place in the mapping where it has one.
    pub(crate) fn failure(&self, sync: &SyncSpec, error: &RunError) -> Failure {
        let findings: Vec<Finding> = match error {
            RunError::Columns(problems) => problems
                .iter()
                .map(|problem| of_column(sync, problem.clone()))
                .collect(),
            RunError::Fields(problems) => problems
                .iter()
                .map(|problem| of_field(sync, problem.clone()))
                .collect(),
            _ => Vec::new(),
        };
        let failure = Failure::of_run(error).at(format!("sync {} ({})", sync.name, sync.file.display()));
        if findings.is_empty() {
            return failure;
        }
        let end = match error {
            RunError::Columns(_) => "model",
            _ => "destination",
        };
        Failure {
            what: format!("the mapping does not fit the {end}"),
            problems: findings.iter().map(|finding| at(&self.loaded, finding)).collect(),
            ..failure
        }
    }

    /// The same, for stderr; empty when the run ended well.
    pub(crate) fn explain(&self, sync: &SyncSpec, report: &RunReport) -> String {
        report
            .error
            .as_ref()
            .map(|error| self.failure(sync, error).render(stderr_colour()))
            .unwrap_or_default()
    }
}

/// Whether stderr shows colours.
pub(crate) fn stderr_colour() -> bool {
    use std::io::IsTerminal;
    colour_wanted(std::io::stderr().is_terminal())
}

/// A finding as a diagnostic at its place in the files.
pub(crate) fn at(loaded: &Loaded, finding: &Finding) -> Problem {
    let severity = if finding.warning {
        Severity::Warning
    } else {
        Severity::Error
    };
    let (code, message, hint) = (finding.code, finding.message.clone(), finding.hint.clone());
    let located = match &finding.place {
        Place::Sync(sync, path) => {
            let in_sql = finding
                .model_place
                .and_then(|place| loaded.model_problem(sync, place, severity, code, &message, hint.clone()));
            in_sql.or_else(|| loaded.problem_at(sync, path, severity, code, &message, hint.clone()))
        }
        Place::Source(name) => {
            let path = format!("sources.{name}");
            loaded.connection_problem(&path, severity, code, &message, hint.clone())
        }
        Place::Destination(name) => {
            let path = format!("destinations.{name}");
            loaded.connection_problem(&path, severity, code, &message, hint.clone())
        }
    };
    located.unwrap_or_else(|| Problem {
        file: "outflow.yaml".into(),
        line: 1,
        column: 1,
        length: 1,
        code,
        severity,
        message,
        hint,
        path: String::new(),
        excerpt: None,
    })
}

/// The project's state.
///
/// # Errors
/// When it cannot be opened, or another process writes to it.
pub(crate) fn store(project: &Project, access: Access) -> Result<Arc<Store>, Failure> {
    let store = Store::open(&project.state, access)?;
    Ok(Arc::new(store))
}

/// What plans and runs stand on.
///
/// # Errors
/// When the state cannot be opened.
pub(crate) fn stage(opened: &Opened, access: Access) -> Result<Stage, Failure> {
    Ok(Stage {
        project: Arc::clone(&opened.project),
        store: store(&opened.project, access)?,
        clock: Arc::new(SystemClock),
        progress: progress(),
    })
}

/// The accounts' limiters of this process.
pub(crate) fn quotas(stage: &Stage) -> Arc<Quotas> {
    // Jitter must differ between processes; what is planned and sent does not depend on it.
    let seed = rand::random();
    Arc::new(Quotas::new(
        Arc::clone(&stage.store),
        Arc::clone(&stage.clock),
        seed,
    ))
}

/// Runs syncs of a project.
///
/// # Errors
/// When the state cannot be opened, or another process writes to it.
pub(crate) fn runner(opened: &Opened, access: Access, stop: &Stop) -> Result<Runner, Failure> {
    let stage = stage(opened, access)?;
    Ok(Runner {
        quotas: quotas(&stage),
        stage,
        policy: Policy::default(),
        stop: stop.asked(),
    })
}
