//! Jobs that a destination accepted before the process ended: the next one settles them.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use outflow::deliver::Clock;
use outflow::state::{Access, Store};
use outflow::sync::report::RunReport;
use outflow_sandbox::marketing_cloud::{Column, ColumnType, Options, Twin};
use tokio::sync::watch;

use crate::bench_project::runner_of;

/// Enough rows for a job of their own.
const ROWS: u32 = 80;

const MAPPING: &str = "sync: sfmc\nsource: lake\nmodel: { table: customers }\nkey: id\ndestination: sfmc\n\
    data_extension: customers\nmatch: Id\nmode: upsert\nfields: { Id: id, City: city }\n";

struct World {
    folder: tempfile::TempDir,
    twin: Twin,
}

/// A wall clock that stands still.
struct At(i64);

impl Clock for At {
    fn now_ms(&self) -> i64 {
        self.0
    }
}

impl World {
    /// A twin whose jobs run until [`Twin::advance_clock`] ends them.
    async fn new() -> Self {
        let options = Options {
            unseen: Duration::from_millis(1),
            running: Duration::from_secs(7_200),
            ..Options::default()
        };
        let twin = Twin::start(options).await.unwrap();
        twin.define(
            "customers",
            vec![
                Column::new("Id", ColumnType::Text).length(20, 0).primary(),
                Column::new("City", ColumnType::Text).length(50, 0),
            ],
        );
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("data")).unwrap();
        std::fs::create_dir_all(root.join("mappings")).unwrap();
        let secret = root.join("secret");
        std::fs::write(&secret, "sandbox-secret").unwrap();
        let outflow = format!(
            "sources: {{ lake: {{ type: lake, path: ./data }} }}\ndestinations:\n  \
             sfmc: {{ type: marketing_cloud, client_id: sandbox-client, \
             client_secret: \"${{file:{}}}\", base_url: \"{}\" }}\n",
            secret.display(),
            twin.base_url(),
        );
        std::fs::write(root.join("outflow.yaml"), outflow).unwrap();
        std::fs::write(root.join("mappings/sfmc.yaml"), MAPPING).unwrap();
        Self { folder, twin }
    }

    fn model(&self, city: &str) {
        let rows: String = (1..=ROWS).map(|id| format!("{id},{city}\n")).collect();
        std::fs::write(
            self.folder.path().join("data/customers.csv"),
            format!("id,city\n{rows}"),
        )
        .unwrap();
    }

    fn city(&self, id: u32) -> Option<String> {
        let id = id.to_string();
        self.twin.value("customers", &[("Id", &id)], "City")
    }

    /// A run in a process of its own, which someone stops once the twin has accepted `jobs` jobs.
    async fn run_until(&self, jobs: usize) -> RunReport {
        let (stop, stopped) = watch::channel(false);
        let mut runner = runner_of(self.folder.path());
        runner.stop = stopped;
        let sync = Arc::clone(&runner.stage.project.syncs[0]);
        let accepted = async {
            while self.twin.jobs() < jobs {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // Its ticket is on disk before it is asked about for the first time.
            let store = Arc::clone(&runner.stage.store);
            let id = store.sync("sfmc").unwrap().unwrap().id;
            while store.open_jobs(id).unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.send_replace(true);
        };
        let (report, ()) = tokio::join!(runner.run(&sync), accepted);
        report
    }

    /// A run in a process of its own, at a moment after now.
    async fn run_later(&self, by: Duration) -> RunReport {
        let mut runner = runner_of(self.folder.path());
        let now = runner.stage.clock.now_ms() + i64::try_from(by.as_millis()).unwrap();
        runner.stage.clock = Arc::new(At(now));
        let sync = Arc::clone(&runner.stage.project.syncs[0]);
        runner.run(&sync).await
    }

    fn open_jobs(&self) -> usize {
        self.stored_jobs().unwrap()
    }

    /// None while there is no state yet.
    fn stored_jobs(&self) -> Option<usize> {
        let store = Store::open(&self.folder.path().join(".outflow"), Access::Read).ok()?;
        let id = store.sync("sfmc").ok()??.id;
        Some(store.open_jobs(id).ok()?.len())
    }

    /// The program in a process of its own.
    fn outflow(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outflow"));
        command.arg("-C").arg(self.folder.path()).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let said = self.outflow(arguments).output().unwrap();
        serde_json::from_slice(&said.stdout).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_outlives_the_process_that_started_it() {
    let world = World::new().await;
    world.model("Oslo");
    let report = world.run_until(1).await;
    assert_eq!(report.tally.held, u64::from(ROWS), "{:?}", report.tally);
    assert_eq!(report.tally.accounted(), report.tally.read);
    assert_eq!(world.open_jobs(), 1);
    world.twin.advance_clock(Duration::from_secs(10_000));
    let report = world.run_later(Duration::ZERO).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!(report.tally.unchanged, u64::from(ROWS), "{:?}", report.tally);
    assert_eq!(
        (world.twin.jobs(), world.open_jobs()),
        (1, 0),
        "nothing is sent twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_job_may_have_written_is_sent_again_even_if_it_is_taken_back() {
    let world = World::new().await;
    world.model("Oslo");
    world.run_until(1).await;
    world.twin.advance_clock(Duration::from_secs(10_000));
    world.run_later(Duration::ZERO).await;
    world.model("Rome");
    world.run_until(2).await;
    assert_eq!(
        world.city(7).as_deref(),
        Some("Rome"),
        "applied, and nobody heard of it"
    );
    // The model takes its old values back while the job is given up.
    world.model("Oslo");
    let runs = tokio::join!(world.run_later(Duration::from_secs(3_600)), async {
        while world.twin.jobs() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.twin.advance_clock(Duration::from_secs(10_000));
    });
    assert!(runs.0.error.is_none(), "{:?}", runs.0.error);
    assert_eq!(runs.0.tally.updated, u64::from(ROWS), "{:?}", runs.0.tally);
    assert_eq!(world.city(7).as_deref(), Some("Oslo"));
    assert_eq!(world.open_jobs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_job_is_told_of_and_the_next_run_settles_it() {
    let world = World::new().await;
    world.model("Oslo");
    let mut child = world.outflow(&["run"]).spawn().unwrap();
    while world.stored_jobs().unwrap_or(0) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it waits for its job");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let status = world.json(&["status", "--json"]);
    assert_eq!(status["syncs"][0]["open_jobs"], 1, "{status}");
    assert_eq!(status["syncs"][0]["open_job_rows"], ROWS, "{status}");
    let plan = world.json(&["plan", "--json", "--summary"]);
    assert_eq!(plan["syncs"][0]["open_jobs"], 1, "{plan}");
    let why = world.json(&["explain", "sfmc", "7", "--json"]);
    assert!(why["reason"].as_str().unwrap().contains("sent in a job"), "{why}");

    world.twin.advance_clock(Duration::from_secs(10_000));
    let run = world.json(&["run", "--json"]);
    assert_eq!(run["syncs"][0]["unchanged"], ROWS, "{run}");
    assert_eq!((world.twin.jobs(), world.open_jobs()), (1, 0));
    let why = world.json(&["explain", "sfmc", "7", "--json"]);
    assert!(why["reason"].as_str().unwrap().contains("acknowledged"), "{why}");
}
