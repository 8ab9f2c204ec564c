//! Runs a delivery and keeps what the ledger was told.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use outflow_sdk::destination::{Action, Limits, Operation, Removed};
use outflow_sdk::value::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::super::{
    AcceptedJob, Account, DeliveryReport, Fate, Feed, FeedError, JobNumber, Ledger, LedgerError, Policy,
    Settled, VirtualClock, deliver,
};
use super::fake::{Twin, identity};

/// 2026-11-02T22:00:00Z.
pub(super) const EVENING: i64 = 1_793_656_800_000;

/// A write of `fields` to record `key`.
pub(super) fn write(row: u64, key: u64, fields: &[u16]) -> Operation {
    let last = fields.iter().max().map_or(0, |field| usize::from(*field) + 1);
    let mut record = vec![None; last];
    for field in fields {
        record[usize::from(*field)] = Some(Value::Number(i64::try_from(row).unwrap().into()));
    }
    Operation {
        row,
        key: key.to_string().into(),
        action: Action::Write,
        remote: None,
        record: record.into(),
        pending: fields.to_vec(),
    }
}

/// A removal of record `key`.
pub(super) fn remove(row: u64, key: u64) -> Operation {
    Operation {
        row,
        key: key.to_string().into(),
        action: Action::Remove(Removed::Archive),
        remote: Some(format!("id-{key}").into()),
        record: Arc::from([]),
        pending: Vec::new(),
    }
}

/// `count` writes of one field to as many records.
pub(super) fn writes(count: u64) -> Vec<Operation> {
    (0..count).map(|row| write(row, row, &[0])).collect()
}

/// No limit but `concurrency` requests in flight.
pub(super) fn unlimited(concurrency: usize) -> Limits {
    Limits {
        window: None,
        concurrency,
        daily: None,
        reserve_percent: 0,
    }
}

struct List {
    operations: std::vec::IntoIter<Operation>,
    fails_at_end: bool,
    read: Arc<AtomicUsize>,
}

impl Feed for List {
    fn next(&mut self) -> Option<Result<Operation, FeedError>> {
        let next = self.operations.next();
        if next.is_none() && self.fails_at_end {
            return Some(Err(FeedError("the disk is gone".into())));
        }
        self.read
            .fetch_add(usize::from(next.is_some()), Ordering::Relaxed);
        next.map(Ok)
    }
}

#[derive(Default)]
struct Notebook {
    settled: Mutex<Vec<Settled>>,
    /// Tickets of accepted jobs, and whether they are finished.
    jobs: Mutex<Vec<(String, bool)>>,
    read: Arc<AtomicUsize>,
    most_held: AtomicUsize,
    finals: AtomicUsize,
    takes: Duration,
    fails_after: Option<usize>,
}

#[async_trait]
impl Ledger for Notebook {
    async fn accepted(&self, job: AcceptedJob<'_>) -> Result<JobNumber, LedgerError> {
        sleep(self.takes).await;
        if self.fails_after == Some(0) {
            return Err(LedgerError("the disk is full".into()));
        }
        let mut jobs = self.jobs.lock().unwrap();
        assert_eq!(job.operations.len(), job.fields.len());
        assert_eq!(job.operations.len(), job.addresses.len());
        jobs.push((job.ticket.id.clone(), false));
        Ok(jobs.len() as u64 - 1)
    }

    async fn settle(&self, settled: Vec<Settled>, finished: Option<JobNumber>) -> Result<(), LedgerError> {
        sleep(self.takes).await;
        if let Some(number) = finished {
            self.jobs.lock().unwrap()[number as usize].1 = true;
        }
        let mut all = self.settled.lock().unwrap();
        let held = self.read.load(Ordering::Relaxed) - self.finals.load(Ordering::Relaxed);
        self.most_held.fetch_max(held, Ordering::Relaxed);
        if self.fails_after.is_some_and(|count| all.len() >= count) {
            return Err(LedgerError("the disk is full".into()));
        }
        let finals = settled.iter().filter(|one| one.fate.is_final()).count();
        self.finals.fetch_add(finals, Ordering::Relaxed);
        all.extend(settled);
        Ok(())
    }
}

/// A delivery to be run.
pub(super) struct Trial {
    pub twin: Arc<Twin>,
    pub account: Arc<Account>,
    pub operations: Vec<Operation>,
    pub policy: Policy,
    pub ledger_takes: Duration,
    pub ledger_fails_after: Option<usize>,
    pub feed_fails: bool,
    pub cancel_after: Option<Duration>,
}

/// What came of it.
pub(super) struct Ran {
    pub report: DeliveryReport,
    pub settled: Vec<Settled>,
    /// Jobs accepted, and those of them that are still open.
    pub jobs: (usize, usize),
    pub took: Duration,
    pub most_held: usize,
    pub twin: Arc<Twin>,
    given: Vec<Operation>,
}

impl Trial {
    pub(super) fn new(twin: Twin, limits: Limits, operations: Vec<Operation>) -> Self {
        let account = Account::new(limits, Arc::new(VirtualClock::starting_at(EVENING)), 42);
        Self {
            twin: Arc::new(twin),
            account,
            operations,
            policy: Policy::default(),
            ledger_takes: Duration::ZERO,
            ledger_fails_after: None,
            feed_fails: false,
            cancel_after: None,
        }
    }

    pub(super) async fn run(self) -> Ran {
        let read = Arc::new(AtomicUsize::new(0));
        let feed = List {
            operations: self.operations.clone().into_iter(),
            fails_at_end: self.feed_fails,
            read: Arc::clone(&read),
        };
        let ledger = Arc::new(Notebook {
            takes: self.ledger_takes,
            fails_after: self.ledger_fails_after,
            read,
            ..Notebook::default()
        });
        let (cancel, signal) = watch::channel(false);
        if let Some(after) = self.cancel_after {
            tokio::spawn(async move {
                sleep(after).await;
                cancel.send_replace(true);
            });
        }
        let start = Instant::now();
        let report = deliver(
            Arc::clone(&self.twin) as _,
            self.account,
            Box::new(feed),
            Arc::clone(&ledger) as _,
            self.policy,
            signal,
            Arc::new(()),
        )
        .await;
        let settled = std::mem::take(&mut *ledger.settled.lock().unwrap());
        let jobs = std::mem::take(&mut *ledger.jobs.lock().unwrap());
        Ran {
            report,
            settled,
            jobs: (jobs.len(), jobs.iter().filter(|(_, finished)| !finished).count()),
            took: start.elapsed(),
            most_held: ledger.most_held.load(Ordering::Relaxed),
            twin: self.twin,
            given: self.operations,
        }
    }
}

impl Ran {
    /// Checks what must hold of every delivery whose ledger and feed work: each operation has one
    /// final fate, and what was acknowledged is at the destination.
    pub(super) fn check(self) -> Self {
        let mut finals: HashMap<u64, usize> = HashMap::new();
        for settled in &self.settled {
            let over = finals.entry(settled.operation.row).or_default();
            assert_eq!(*over, 0, "row {} is told of after its end", settled.operation.row);
            *over += usize::from(settled.fate.is_final());
        }
        for operation in &self.given {
            assert_eq!(finals.get(&operation.row), Some(&1), "row {}", operation.row);
        }
        assert_eq!(finals.len(), self.given.len(), "rows nobody gave");
        let world = self.twin.world();
        assert_eq!(world.violations, Vec::<String>::new());
        let removals = self
            .given
            .iter()
            .filter(|operation| operation.action != Action::Write);
        let removed: HashSet<u64> = removals.map(identity).collect();
        for settled in &self.settled {
            let Fate::Applied { fields, .. } = &settled.fate else {
                continue;
            };
            let key = identity(&settled.operation);
            if removed.contains(&key) {
                continue;
            }
            for field in fields {
                let at = world
                    .records
                    .get(&key)
                    .and_then(|record| record.get(field))
                    .copied();
                assert!(
                    at >= Some(settled.operation.row),
                    "field {field} of row {}",
                    settled.operation.row
                );
            }
        }
        drop(world);
        self
    }

    pub(super) fn fate(&self, row: u64) -> &Fate {
        let mut fates = self
            .settled
            .iter()
            .filter(|one| one.operation.row == row && one.fate.is_final());
        &fates.next().unwrap().fate
    }

    pub(super) fn count(&self, wanted: impl Fn(&Fate) -> bool) -> usize {
        self.settled.iter().filter(|one| wanted(&one.fate)).count()
    }

    pub(super) fn applied(&self) -> usize {
        self.count(|fate| matches!(fate, Fate::Applied { last: true, .. }))
    }

    pub(super) fn deferred(&self) -> usize {
        self.count(|fate| matches!(fate, Fate::Deferred { .. }))
    }

    pub(super) fn requests(&self) -> usize {
        self.twin.world().seen.len()
    }
}
