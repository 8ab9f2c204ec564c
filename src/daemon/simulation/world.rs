//! Everything around the daemon: the time, the shop's tables, the accounts, whoever is told, and what is
//! wrong with all of them right now.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use super::post::Message;
use super::server::Account;
use super::table::Table;
use super::trouble::{What, episodes};
use crate::deliver::{Clock, VirtualClock};

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// 2026-10-10T00:00:00Z: in Berlin the clocks go back on the 25th.
pub(super) const BEGIN: i64 = 1_791_590_400_000;

pub(super) struct World(Mutex<Around>);

pub(super) struct Around {
    /// None while no process lives: then time is where the last one left it.
    clock: Option<VirtualClock>,
    left_ms: i64,
    pub(super) random: StdRng,
    episodes: BTreeMap<(String, What), Vec<Range<i64>>>,
    /// By the sync that reads it.
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) told: Vec<Message>,
    /// What must not happen and did.
    pub(super) violations: Vec<String>,
    /// How often each kind of trouble was met.
    pub(super) met: BTreeMap<What, u64>,
}

thread_local! {
    /// Connectors are opened by plain functions, which find their world here.
    static HERE: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

impl World {
    /// A world whose troubles last until `calm_ms`.
    pub(super) fn new(seed: u64, calm_ms: i64, tables: BTreeMap<String, Table>) -> Arc<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let accounts = ["crm", "news"].map(|name| (name.to_owned(), Account::default()));
        let around = Around {
            clock: None,
            left_ms: BEGIN,
            episodes: episodes(&mut random, BEGIN, calm_ms),
            random,
            tables,
            accounts: accounts.into(),
            told: Vec::new(),
            violations: Vec::new(),
            met: BTreeMap::new(),
        };
        let world = Arc::new(Self(Mutex::new(around)));
        HERE.set(Some(Arc::clone(&world)));
        world
    }

    /// The world of this thread's simulation.
    pub(super) fn here() -> Arc<Self> {
        HERE.with_borrow(|world| world.clone().unwrap())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Around> {
        self.0.lock().unwrap()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.lock().now_ms()
    }

    /// A process starts; to be called in its runtime.
    pub(super) fn wake(&self) -> VirtualClock {
        let mut around = self.lock();
        let clock = VirtualClock::starting_at(around.left_ms);
        around.clock = Some(clock);
        clock
    }

    /// The process is at its end; to be called in its runtime, which has the time.
    pub(super) fn rest(&self) {
        let mut around = self.lock();
        around.left_ms = around.now_ms();
        around.clock = None;
    }

    /// Time goes on without a process.
    pub(super) fn pass(&self, ms: i64) {
        self.lock().left_ms += ms;
    }

    /// Waits for some virtual milliseconds.
    pub(super) async fn wait(&self, ms: Range<i64>) {
        let ms = self.lock().random.random_range(ms);
        sleep(Duration::from_millis(ms.unsigned_abs())).await;
    }
}

impl Around {
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.as_ref().map_or(self.left_ms, Clock::now_ms)
    }

    /// Until when this is so at that place, if it is.
    pub(super) fn until(&self, place: &str, what: What) -> Option<i64> {
        let now_ms = self.now_ms();
        let spans = self.episodes.get(&(place.to_owned(), what))?.iter();
        spans
            .filter(|span| span.contains(&now_ms))
            .map(|span| span.end)
            .max()
    }

    /// Whether this is so at that place and, by chance, hits now.
    pub(super) fn hit(&mut self, place: &str, what: What, chance: f64) -> bool {
        let hit = self.until(place, what).is_some() && self.random.random_bool(chance);
        if hit {
            *self.met.entry(what).or_default() += 1;
        }
        hit
    }

    pub(super) fn wrong(&mut self, what: String) {
        let at = (self.now_ms() - BEGIN) / MINUTE;
        self.violations.push(format!("minute {at}: {what}"));
    }
}
