//! A project folder, its twin, and runs on it.

use std::path::Path;
use std::sync::Arc;

use outflow::deliver::{Policy, SystemClock};
use outflow::project::{LoadOptions, load};
use outflow::registry;
use outflow::state::{Access, Store, Tally};
use outflow::sync::prepare::Stage;
use outflow::sync::progress::Silent;
use outflow::sync::quota::Quotas;
use outflow::sync::report::RunReport;
use outflow::sync::run::Runner;
use outflow_sandbox::hubspot::{Options, Twin};
use serde_json::Value;
use tokio::sync::watch;

/// A folder with one CSV model `customers` and one mapping, and a twin it syncs to.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub twin: Twin,
}

pub const MAPPING: &str = "
sync: customers
source: lake
model: { table: customers }
key: id
destination: crm
object: contacts
match: email
mode: upsert
fields:
  email: email
  firstname: first
  city: city
";

impl Bench {
    /// Starts a twin and lays a project out.
    pub async fn new(mapping: &str, customers: &str) -> Self {
        Self::with(mapping, customers, Options::default()).await
    }

    pub async fn with(mapping: &str, customers: &str, options: Options) -> Self {
        let twin = Twin::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("data")).unwrap();
        std::fs::create_dir_all(root.join("mappings")).unwrap();
        std::fs::write(root.join("token"), "pat-na1-sandbox\n").unwrap();
        let token = root.join("token");
        let outflow = format!(
            "sources:\n  lake: {{ type: lake, path: ./data }}\ndestinations:\n  crm:\n    type: hubspot\n    \
             token: \"${{file:{}}}\"\n    base_url: {}\n    limits: none\n",
            token.display(),
            twin.base_url()
        );
        std::fs::write(root.join("outflow.yaml"), outflow).unwrap();
        let bench = Self { folder, twin };
        bench.map(mapping);
        bench.model(customers);
        bench
    }

    /// Writes the mapping.
    pub fn map(&self, mapping: &str) {
        std::fs::write(self.root().join("mappings/customers.yaml"), mapping).unwrap();
    }

    /// Writes the model.
    pub fn model(&self, customers: &str) {
        std::fs::write(self.root().join("data/customers.csv"), customers).unwrap();
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn store(&self, access: Access) -> Store {
        Store::open(&self.root().join(".outflow"), access).unwrap()
    }

    /// A runner as a fresh process would make it.
    pub fn runner(&self) -> Runner {
        runner_of(self.root())
    }

    /// One run in a process of its own; every row must be accounted for.
    pub async fn run(&self) -> RunReport {
        self.run_with(Policy::default()).await
    }

    /// The same with another retry policy.
    pub async fn run_with(&self, policy: Policy) -> RunReport {
        self.twin.clear_requests();
        let mut runner = self.runner();
        runner.policy = policy;
        let sync = Arc::clone(&runner.stage.project.syncs[0]);
        let report = runner.run(&sync).await;
        assert_eq!(
            report.tally.accounted(),
            report.tally.read + report.removals,
            "{:?}",
            report.tally
        );
        report
    }

    /// A run that must end well.
    pub async fn run_ok(&self) -> Tally {
        let report = self.run().await;
        assert!(report.error.is_none(), "{:?}", report.error);
        report.tally
    }

    /// Bodies of the write requests of the last run, inputs sorted by the key they carry.
    pub fn writes(&self) -> Vec<(String, Value)> {
        self.twin
            .requests()
            .into_iter()
            .filter(|request| request.method != "GET")
            .map(|request| {
                (
                    request.path.clone(),
                    serde_json::from_slice(&request.body).unwrap_or(Value::Null),
                )
            })
            .collect()
    }

    /// Number of requests of the last run.
    pub fn requests(&self) -> usize {
        self.twin.requests().len()
    }

    /// A field of a contact.
    pub fn field(&self, email: &str, field: &str) -> Option<String> {
        self.twin
            .contact(email)
            .and_then(|contact| contact.get(field).map(str::to_owned))
    }
}

/// A runner on the project in `root`, as a fresh process would make it.
pub fn runner_of(root: &Path) -> Runner {
    let registry = registry::built_in();
    let loaded = load(root, LoadOptions::new(&registry, false));
    let errors: Vec<String> = loaded
        .problems
        .iter()
        .map(|problem| problem.message.clone())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let project = Arc::new(loaded.project.unwrap());
    let store = Arc::new(Store::open(&root.join(".outflow"), Access::Write).unwrap());
    let clock = Arc::new(SystemClock);
    Runner {
        quotas: Arc::new(Quotas::new(Arc::clone(&store), clock.clone(), 1)),
        stage: Stage {
            project,
            store,
            clock,
            progress: Arc::new(Silent),
        },
        policy: Policy::default(),
        stop: watch::channel(false).1,
    }
}

/// The `properties` of every input of every write.
pub fn properties(writes: &[(String, Value)]) -> Vec<Value> {
    writes
        .iter()
        .flat_map(|(_, body)| body["inputs"].as_array().cloned().unwrap_or_default())
        .map(|input| input["properties"].clone())
        .collect()
}
