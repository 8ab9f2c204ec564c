//! The processes, one after the other: each opens project and state anew, and is stopped or cut off.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, watch};

use super::destination::registry;
use super::post::Post;
use super::table::Table;
use super::world::{Around, HOUR, MINUTE, World};
use crate::daemon::timetable::Cause;
use crate::daemon::{Daemon, Edition, Settings};
use crate::deliver::Policy;
use crate::project::{LoadOptions, Loaded, load};
use crate::state::{Access, RunRecord, RunStatus, Store};

/// What the daemon tells of a run that the history does not.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) run: i64,
    pub(super) cause: Cause,
    /// When it goes on, milliseconds since 1970.
    pub(super) resumes_ms: Option<i64>,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is asked to stop.
    Stopped,
    /// The same, while nothing runs.
    Over,
    /// It is gone from one moment to the next.
    CutOff,
}

const PROJECT: &str = r#"
sources:
  shop: { type: shop }
destinations:
  crm: { type: account, account: crm }
  news: { type: account, account: news }
alerts:
  team: { type: webhook, url: "${env:TEAM}" }
"#;

const MAPPINGS: [(&str, &str); 3] = [
    (
        "people",
        "destination: crm
mode: mirror
removed: archive
schedule: { cron: \"@hourly\", time_zone: Europe/Berlin }
",
    ),
    (
        "visits",
        "destination: crm
mode: upsert
schedule: { every: 15m }
",
    ),
    (
        "readers",
        "destination: news
mode: mirror
removed: delete
schedule: { after: people }
late_after: 3h
",
    ),
];

const FIELDS: &str = "source: shop
key: id
match: email
fields:
  email: email
  customer: { column: id, as: text }
  name: name
  score: score
  rev: rev
";

/// See the module.
pub(super) struct Daemons {
    pub(super) world: Arc<World>,
    folder: tempfile::TempDir,
    /// From when to when each process lived.
    pub(super) lives: Vec<Range<i64>>,
    pub(super) told: Arc<Mutex<Vec<Told>>>,
    rest_ms: i64,
    seed: u64,
}

impl Daemons {
    /// Nobody lives yet. Troubles end at `calm_ms`, changes of rows at `rest_ms`.
    pub(super) fn new(seed: u64, calm_ms: i64, rest_ms: i64) -> Self {
        let random = &mut StdRng::seed_from_u64(!seed);
        let tables =
            MAPPINGS.map(|(name, rest)| (name.to_owned(), Table::new(random, rest.contains("mirror"))));
        let folder = in_memory();
        let path = folder.path();
        fs::create_dir(path.join("mappings")).unwrap();
        fs::write(path.join("outflow.yaml"), PROJECT).unwrap();
        for (name, rest) in MAPPINGS {
            let text = format!("sync: {name}\nobject: {name}\nmodel: {{ table: {name} }}\n{rest}{FIELDS}");
            fs::write(path.join(format!("mappings/{name}.yaml")), text).unwrap();
        }
        let daemons = Self {
            world: World::new(seed, calm_ms, BTreeMap::from(tables)),
            folder,
            lives: Vec::new(),
            told: Arc::default(),
            rest_ms,
            seed,
        };
        daemons.fix_secret();
        daemons
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join(".outflow")
    }

    /// A store's secret is drawn at random and decides the order of rows: here it is always the same.
    fn fix_secret(&self) {
        drop(Store::open(&self.state(), Access::Write).unwrap());
        let file = rusqlite::Connection::open(self.state().join("state.db")).unwrap();
        file.execute(
            "UPDATE header SET value = ?1 WHERE name = 'seed'",
            [self.seed.cast_signed()],
        )
        .unwrap();
    }

    /// One process, until then.
    pub(super) fn live(&mut self, until_ms: i64, end: End) {
        let from_ms = self.world.now_ms();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(self.process(until_ms, end));
        let aside = self.folder.path().join("aside");
        if end == End::CutOff {
            // What dies does not tidy up behind itself: what is on disk now is what stays.
            copy(&self.state(), &aside);
        }
        self.lives.push(from_ms..self.world.now_ms());
        drop(runtime);
        if end == End::CutOff {
            fs::remove_dir_all(self.state()).unwrap();
            fs::rename(aside, self.state()).unwrap();
        }
    }

    async fn process(&self, until_ms: i64, end: End) {
        let clock = self.world.wake();
        let root = self.folder.path().to_owned();
        let edition = Edition::of(read(&root)).unwrap();
        let (world, shop, told) = (&self.world, Arc::clone(&self.world), Arc::clone(&self.told));
        let settings = Settings {
            root: root.clone(),
            read: Box::new(move || read(&root)),
            store: Arc::new(Store::open(&edition.project.state, Access::Write).unwrap()),
            edition,
            clock: Arc::new(clock),
            policy: Policy {
                give_up: Duration::from_secs(60),
                ..Policy::default()
            },
            seed: self.seed,
            // Two seconds would be a million looks at files that do not change.
            tick: Duration::from_secs(240),
            workers: tokio::runtime::Handle::current(),
            grace: Duration::from_secs(30),
            exchange: Arc::new(Post(Arc::clone(&self.world))),
            ended: Box::new(move |ended| {
                let report = &ended.report;
                let over = matches!(report.status, RunStatus::Ok | RunStatus::Rejects);
                if over && report.tally.held == 0 {
                    shop.lock().tables.get_mut(&report.sync).unwrap().settled();
                }
                let after = ended.report.resumes_in.map(|wait| wait.as_millis() as i64);
                told.lock().unwrap().push(Told {
                    run: ended.report.run_id,
                    cause: ended.cause,
                    resumes_ms: after.map(|after| ended.finished_ms + after),
                });
            }),
        };
        let (stop, stopping) = watch::channel(false);
        let (_reload, reloads) = mpsc::channel(1);
        let (daemon, _handle) = Daemon::new(settings).unwrap();
        let daemon = tokio::spawn(daemon.run(stopping, reloads));
        while self.world.now_ms() < until_ms {
            let left = until_ms - self.world.now_ms();
            world.wait(left.min(2 * MINUTE)..left.min(HOUR) + 1).await;
            self.change_rows();
        }
        // Rather in the middle of something than between two runs, but for the last one.
        while world.lock().tables.values().any(|table| table.busy) == (end == End::Over) {
            world.wait(500..2_000).await;
        }
        world.wait(1..9_000).await;
        if end != End::CutOff {
            stop.send_replace(true);
            daemon.await.unwrap();
        }
        self.world.rest();
    }

    /// Something happens in the shop.
    fn change_rows(&self) {
        let mut around = self.world.lock();
        let rests = around.now_ms() >= self.rest_ms;
        let mut random = StdRng::seed_from_u64(around.random.random());
        let Around { tables, accounts, .. } = &mut *around;
        for (name, table) in tables {
            if rests {
                table.correct();
                continue;
            }
            let there = accounts
                .values()
                .flat_map(|account| account.emails(name))
                .collect();
            for _ in 0..random.random_range(0..4) {
                table.change(&mut random, &there);
            }
        }
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&self.state(), Access::Read).unwrap()
    }

    /// Every run in the order of its start.
    pub(super) fn runs(&self) -> Vec<RunRecord> {
        self.store().runs_after(0).unwrap()
    }

    /// What happened, in lines that are the same whenever the same happened.
    pub(super) fn log(&self) -> Vec<String> {
        let runs = self.runs().into_iter().map(|run| format!("{run:?}"));
        let around = self.world.lock();
        let told = around.told.iter().map(|message| format!("{message:?}"));
        let records = around
            .accounts
            .values()
            .map(|account| format!("{:?}", account.records));
        runs.chain(told).chain(records).collect()
    }
}

/// A folder whose files need no disk where the system has one: a simulated month waits for none of its
/// sixty thousand commits to get there.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

fn read(root: &Path) -> Loaded {
    let options = LoadOptions {
        offline: false,
        env: &|name| (name == "TEAM").then(|| "https://hooks.example/team".to_owned()),
        registry: &registry(),
    };
    load(root, options)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
