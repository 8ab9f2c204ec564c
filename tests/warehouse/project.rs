//! A project's folder: runs on it, and the program called in it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use outflow::deliver::{Policy, SystemClock};
use outflow::project::{LoadOptions, load};
use outflow::registry;
use outflow::state::{Access, Store};
use outflow::sync::prepare::Stage;
use outflow::sync::progress::Silent;
use outflow::sync::quota::Quotas;
use outflow::sync::report::RunReport;
use outflow::sync::run::Runner;

/// Runs every sync as a fresh process would. A good end is not asked for.
pub async fn run_all(root: &Path) -> Vec<RunReport> {
    let registry = registry::built_in();
    let loaded = load(root, LoadOptions::new(&registry, false));
    let problems: Vec<String> = loaded
        .problems
        .iter()
        .map(|problem| problem.render(false))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let project = Arc::new(loaded.project.unwrap());
    let store = Arc::new(Store::open(&root.join(".outflow"), Access::Write).unwrap());
    let clock = Arc::new(SystemClock);
    let runner = Runner {
        quotas: Arc::new(Quotas::new(Arc::clone(&store), clock.clone(), 1)),
        stage: Stage {
            project: Arc::clone(&project),
            store,
            clock,
            progress: Arc::new(Silent),
        },
        policy: Policy::default(),
        stop: tokio::sync::watch::channel(false).1,
    };
    let mut reports = Vec::new();
    for sync in &project.syncs {
        reports.push(runner.run(sync).await);
    }
    reports
}

/// What the program said.
pub struct Said {
    code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Fails, with everything that was said, unless the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Calls the program in a folder.
pub fn outflow(root: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(arguments)
        .current_dir(root)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
