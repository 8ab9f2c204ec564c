//! Ledger: settled operations become state, one transaction per batch, before their place in flight
//! is given away.

mod jobs;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use compact_str::CompactString;
use foldhash::HashMap;
use outflow_deliver::{AcceptedJob, Clock, Fate, Feed, FeedError, JobNumber, Ledger, LedgerError, Settled};
use outflow_project::SyncSpec;
use outflow_sdk::destination::{Effect, Mode, Operation, Rejection};
use outflow_sdk::print::{KeyHash, Print};
use outflow_state::{
    Attempt, Changes, FilterChange, Reject, RejectClass, RunId, Store, StoredRow, SyncId, Tally, WHEN_ASKED,
};

use super::classify::{match_numbers, match_text};
use super::committer::Committer;
use super::held::HeldValues;
use super::plan::{Planned, RowToSend};
use super::spill::SpillError;

/// Most filter changes remembered; beyond, the filter is rebuilt from the store.
pub(crate) const FILTER_CHANGES: usize = 250_000;

/// What the ledger must know of a row while it is under way.
struct UnderWay {
    key: KeyHash,
    print: Print,
    planned: Planned,
    /// Of what the model has in each field; `0` = nothing to send.
    now: Vec<Print>,
    /// Of what is acknowledged of each field; empty when nothing is.
    prints: Vec<Print>,
    stored_print: Print,
    known: bool,
    remote: Option<CompactString>,
    created: bool,
    tried: Option<(u32, i64)>,
    /// Whether the state holds it as in doubt since this run sent it.
    intended: bool,
}

/// What settled batches added up to.
#[derive(Default)]
pub struct Settlement {
    /// Rows by bucket.
    pub tally: Tally,
    /// Changes to the filter; none when there were too many to remember.
    pub filter: Option<Vec<FilterChange>>,
    /// The store's generation after the last batch.
    pub generation: Option<u64>,
    /// In how many records each field got another value, in mapping order.
    pub fields: Vec<u64>,
    /// Match values of records that were to get another one and did not.
    pub held: HeldValues,
}

/// Writes what became of each row.
pub struct RunLedger {
    sync: Arc<SyncSpec>,
    run: RunId,
    layout: u32,
    schema_print: u64,
    keep_key_text: bool,
    /// Numbers of the fields that identify records.
    matches: Vec<u16>,
    clock: Arc<dyn Clock>,
    under_way: Mutex<HashMap<u64, UnderWay>>,
    settlement: Mutex<Settlement>,
    committer: Mutex<Option<Committer>>,
    jobs: AtomicU64,
}

/// The facts of a run that the ledger writes with every row.
pub struct RunFacts {
    /// The sync.
    pub sync: Arc<SyncSpec>,
    /// The sync in the store.
    pub id: SyncId,
    /// The run.
    pub run: RunId,
    /// Number of the layout of the mapped fields.
    pub layout: u32,
    /// Hash of mapping and destination fields.
    pub schema_print: u64,
    /// Whether rows keep their key in clear.
    pub keep_key_text: bool,
    /// Number of the first job: those of one run never share one.
    pub first_job: JobNumber,
    /// Whether what changes in the filter is remembered; in vain when there will be too much of it.
    pub keep_filter: bool,
}

impl RunLedger {
    /// A ledger that writes to `store`. Call it inside a tokio runtime.
    pub fn new(facts: RunFacts, store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        let committer = Committer::start(store, facts.id);
        Self {
            matches: match_numbers(&facts.sync),
            sync: facts.sync,
            run: facts.run,
            layout: facts.layout,
            schema_print: facts.schema_print,
            keep_key_text: facts.keep_key_text,
            clock,
            under_way: Mutex::default(),
            settlement: Mutex::new(Settlement {
                filter: facts.keep_filter.then(Vec::new),
                ..Settlement::default()
            }),
            committer: Mutex::new(Some(committer)),
            jobs: AtomicU64::new(facts.first_job),
        }
    }

    /// What has settled; the ledger takes nothing more after this.
    pub fn finish(&self) -> Settlement {
        locked(&self.committer).take();
        std::mem::take(&mut *locked(&self.settlement))
    }

    /// Takes note of a row that is given to delivery.
    fn announce(&self, number: u64, row: &mut RowToSend) {
        let under_way = UnderWay {
            key: row.key,
            print: row.print,
            planned: row.planned,
            now: std::mem::take(&mut row.prints),
            prints: std::mem::take(&mut row.acknowledged),
            stored_print: row.stored_print,
            known: row.planned != Planned::Create,
            remote: row.remote.clone(),
            created: false,
            tried: row.tried,
            intended: false,
        };
        locked(&self.under_way).insert(number, under_way);
    }

    async fn written(&self, changes: Changes) -> Result<u64, LedgerError> {
        let committer = locked(&self.committer).clone();
        let committer = committer.ok_or_else(|| LedgerError("the run is over".into()))?;
        committer.commit(changes).await
    }

    /// The operations as rows in doubt.
    fn doubts(&self, operations: &[Operation]) -> Changes {
        let now_ms = self.clock.now_ms();
        let mut changes = Changes::default();
        let mut under_way = locked(&self.under_way);
        for operation in operations {
            if let Some(row) = under_way.get_mut(&operation.row) {
                row.intended = true;
                let doubt = unfielded("sent_unanswered", self.doubt());
                changes
                    .rejects
                    .push(self.reject(row, operation, RejectClass::InDoubt, &doubt, now_ms));
            }
        }
        changes
    }

    /// What is said of a row of which nobody knows whether it arrived.
    fn doubt(&self) -> &'static str {
        match self.sync.mode {
            Mode::Append => {
                "was sent and no answer says whether it arrived; it is not sent again unless `outflow rejects retry` names it"
            }
            _ => "was sent and no answer says whether it was applied; the next run settles it",
        }
    }

    fn reject(
        &self,
        row: &UnderWay,
        operation: &Operation,
        class: RejectClass,
        rejection: &Rejection,
        now_ms: i64,
    ) -> Reject {
        let (attempts, first_seen_ms) = row.tried.unwrap_or((0, now_ms));
        let must_be_asked = class == RejectClass::InDoubt && self.sync.mode == Mode::Append;
        Reject {
            key: row.key,
            print: row.print,
            schema_print: self.schema_print,
            class,
            code: rejection.code.clone(),
            field: rejection.field.clone(),
            message: rejection.message.clone(),
            key_text: operation.key.to_string(),
            match_text: match_text(&self.sync, &operation.record),
            attempts: attempts + 1,
            first_seen_ms,
            last_seen_ms: now_ms,
            next_retry_ms: must_be_asked.then_some(WHEN_ASKED),
        }
    }

    /// What the settled operations change, and what they add to the tally, the filter and the fields.
    fn digest(&self, settled: Vec<Settled>) -> Digest<'_> {
        let mut digest = Digest {
            ledger: self,
            now_ms: self.clock.now_ms(),
            changes: Changes {
                rows: Vec::with_capacity(settled.len()),
                ..Changes::default()
            },
            tally: Tally::default(),
            filter: Vec::with_capacity(settled.len()),
            fields: vec![0; self.sync.fields.len()],
            held: HeldValues::default(),
        };
        // Taken out first: whoever announces the next rows need not wait for all the hashing.
        let mut rows: Vec<Option<UnderWay>> = {
            let mut under_way = locked(&self.under_way);
            let row = |one: &Settled| under_way.remove(&one.operation.row);
            settled.iter().map(row).collect()
        };
        for (row, one) in rows.iter_mut().zip(&settled) {
            if let Some(row) = row {
                digest.one(row, one);
            }
        }
        let rows = rows.into_iter().zip(&settled);
        let unfinished = rows.filter(|(_, one)| !one.fate.is_final());
        let mut unfinished = unfinished.filter_map(|(row, one)| Some((one.operation.row, row?)));
        if let Some(first) = unfinished.next() {
            locked(&self.under_way).extend(std::iter::once(first).chain(unfinished));
        }
        digest
    }
}

#[async_trait]
impl Ledger for RunLedger {
    async fn settle(&self, settled: Vec<Settled>, finished: Option<JobNumber>) -> Result<(), LedgerError> {
        let Digest {
            mut changes,
            tally,
            filter,
            fields,
            held,
            ..
        } = self.digest(settled);
        changes.finished = finished.map(|number| self.job_id(number)).into_iter().collect();
        let mut generation = None;
        if !changes.is_empty() {
            generation = Some(self.written(changes).await?);
        }
        {
            let mut settlement = locked(&self.settlement);
            settlement.tally.add(&tally);
            settlement.generation = settlement.generation.max(generation);
            settlement.held.extend(held);
            settlement.fields.resize(fields.len(), 0);
            for (sum, more) in settlement.fields.iter_mut().zip(&fields) {
                *sum += more;
            }
            let known = settlement.filter.as_ref().map_or(0, Vec::len);
            if known + filter.len() > FILTER_CHANGES {
                settlement.filter = None;
            } else if let Some(changes) = &mut settlement.filter {
                changes.extend(filter);
            }
        }
        Ok(())
    }

    async fn accepted(&self, job: AcceptedJob<'_>) -> Result<JobNumber, LedgerError> {
        let number = self.jobs.fetch_add(1, Ordering::Relaxed);
        let changes = Changes {
            jobs: vec![self.job(number, &job)],
            ..Changes::default()
        };
        self.written(changes).await?;
        Ok(number)
    }

    async fn intend(&self, operations: &[Operation]) -> Result<(), LedgerError> {
        if self.sync.mode != Mode::Append {
            // What may be repeated by the next run need not be remembered.
            return Ok(());
        }
        let changes = self.doubts(operations);
        if !changes.is_empty() {
            self.written(changes).await?;
        }
        Ok(())
    }
}

struct Digest<'a> {
    ledger: &'a RunLedger,
    now_ms: i64,
    changes: Changes,
    tally: Tally,
    filter: Vec<FilterChange>,
    fields: Vec<u64>,
    held: HeldValues,
}

impl Digest<'_> {
    fn one(&mut self, row: &mut UnderWay, settled: &Settled) {
        if !matches!(settled.fate, Fate::Applied { .. }) {
            self.stays(row, &settled.operation);
        }
        match &settled.fate {
            Fate::Applied {
                effect,
                remote,
                fields,
                last,
            } => {
                if remote.is_some() {
                    row.remote.clone_from(remote);
                }
                self.applied(row, &settled.operation, *effect, fields, *last);
            }
            Fate::Rejected(rejection) => {
                self.tally.rejected += 1;
                self.set_aside(row, settled, RejectClass::Permanent, "rejected", rejection);
            }
            Fate::Suppressed(rejection) => {
                self.tally.suppressed += 1;
                self.set_aside(row, settled, RejectClass::Suppressed, "suppressed", rejection);
            }
            Fate::Exhausted { code } => {
                self.tally.rejected += 1;
                let words = "could not be delivered in this run; the next run tries again";
                self.set_aside(
                    row,
                    settled,
                    RejectClass::Transient,
                    "exhausted",
                    &unfielded(code, words),
                );
            }
            Fate::Held { code } => {
                self.tally.held += 1;
                self.forget_pending(row, &settled.operation);
                let words = self.ledger.doubt();
                self.set_aside(
                    row,
                    settled,
                    RejectClass::InDoubt,
                    "in_doubt",
                    &unfielded(code, words),
                );
            }
            Fate::JobOpen => {
                // The job remembers the row; the next run settles it.
                self.tally.held += 1;
                self.attempt(row, settled, "job_open", "job_open");
            }
            Fate::Deferred { .. } => {
                self.tally.deferred += 1;
                if row.intended {
                    // It went out and was turned away unread: there is no doubt about it.
                    self.changes.closed.push(row.key);
                }
            }
        }
    }

    fn applied(
        &mut self,
        row: &mut UnderWay,
        operation: &Operation,
        effect: Effect,
        fields: &[u16],
        last: bool,
    ) {
        if let Planned::Remove(_) = row.planned {
            if last {
                self.tally.removed += 1;
                self.changes.removed.push(row.key);
                self.filter.push(FilterChange {
                    key: row.key,
                    before: Some(row.stored_print),
                    after: None,
                });
            }
            return;
        }
        row.created |= effect == Effect::Created;
        if effect == Effect::Untouched && row.remote.is_none() {
            // Mode update, and no such record: it may come to be, so nothing is remembered.
            self.tally.unchanged += u64::from(last);
            if row.intended || row.tried.is_some() {
                self.changes.closed.push(row.key);
            }
            return;
        }
        let fields = if effect == Effect::Untouched { &[] } else { fields };
        let is_complete = self.acknowledge(row, fields, last);
        let print = if last && is_complete { row.print } else { 0 };
        // A record nothing of which is acknowledged was not written by us, nor ours to remove.
        let is_ours = row.prints.iter().any(|print| *print != 0);
        // Nobody asks for them once the row is done with.
        let (prints, remote) = match last {
            true => (std::mem::take(&mut row.prints), row.remote.take()),
            false => (row.prints.clone(), row.remote.clone()),
        };
        self.changes.rows.push(StoredRow {
            key: row.key,
            print,
            layout: self.ledger.layout,
            prints,
            remote,
            key_text: self.ledger.keep_key_text.then(|| operation.key.to_string()),
            match_text: None,
            applied_ms: if is_ours { self.now_ms } else { 0 },
            run: self.ledger.run,
        });
        let before = row.known.then_some(row.stored_print);
        self.filter.push(FilterChange {
            key: row.key,
            before,
            after: Some(print),
        });
        row.known = true;
        row.stored_print = print;
        if last {
            match (effect, row.created) {
                (_, true) => self.tally.created += 1,
                (Effect::Untouched, _) => self.tally.unchanged += 1,
                _ => self.tally.updated += 1,
            }
        }
    }

    /// Puts the prints of acknowledged fields in their places, and counts those that differ. Whether every
    /// field the model has a value for is acknowledged with that value.
    fn acknowledge(&mut self, row: &mut UnderWay, fields: &[u16], last: bool) -> bool {
        if last && row.prints.is_empty() && are_all(fields, &row.now) {
            // As in most rows of a first run: nothing was acknowledged, now everything is.
            for (print, sum) in row.now.iter().zip(&mut self.fields) {
                *sum += u64::from(*print != 0);
            }
            row.prints = std::mem::take(&mut row.now);
            return true;
        }
        row.prints.resize(self.fields.len(), 0);
        for at in fields.iter().map(|field| usize::from(*field)) {
            let (Some(print), Some(sum)) = (row.prints.get_mut(at), self.fields.get_mut(at)) else {
                continue;
            };
            let now = row.now.get(at).copied().unwrap_or(0);
            if now != 0 && *print != now {
                *print = now;
                *sum += 1;
            }
        }
        is_complete(&row.now, &row.prints)
    }

    /// A known row that was to get another match value, and of which nobody knows that it did.
    fn stays(&mut self, row: &UnderWay, operation: &Operation) {
        let matches = &self.ledger.matches;
        if row.planned == Planned::Update && operation.pending.iter().any(|field| matches.contains(field)) {
            let of = |field: &u16| row.prints.get(usize::from(*field)).copied().unwrap_or(0);
            self.held.stays(matches.iter().map(of));
        }
    }

    /// A known row of which nobody knows whether its fields arrived: they count as not acknowledged, so
    /// that they are sent again even if the model takes its old values back.
    fn forget_pending(&mut self, row: &UnderWay, operation: &Operation) {
        if !row.known || matches!(row.planned, Planned::Remove(_)) {
            return;
        }
        let mut prints = row.prints.clone();
        for field in &operation.pending {
            if let Some(print) = prints.get_mut(usize::from(*field)) {
                *print = 0;
            }
        }
        self.changes.rows.push(StoredRow {
            key: row.key,
            print: 0,
            layout: self.ledger.layout,
            prints,
            remote: row.remote.clone(),
            key_text: self.ledger.keep_key_text.then(|| operation.key.to_string()),
            match_text: None,
            applied_ms: self.now_ms,
            run: self.ledger.run,
        });
        self.filter.push(FilterChange {
            key: row.key,
            before: Some(row.stored_print),
            after: Some(0),
        });
    }

    fn set_aside(
        &mut self,
        row: &UnderWay,
        settled: &Settled,
        class: RejectClass,
        outcome: &str,
        rejection: &Rejection,
    ) {
        let operation = &settled.operation;
        let reject = self.ledger.reject(row, operation, class, rejection, self.now_ms);
        self.changes.rejects.push(reject);
        self.attempt(row, settled, outcome, &rejection.code);
    }

    fn attempt(&mut self, row: &UnderWay, settled: &Settled, outcome: &str, code: &str) {
        self.changes.attempts.push(Attempt {
            key: row.key,
            at_ms: self.now_ms,
            run: self.ledger.run,
            outcome: outcome.to_owned(),
            code: code.to_owned(),
            correlation: settled.correlation.as_deref().map(str::to_owned),
        });
    }
}

/// Whether these are all fields that the model has a value for.
fn are_all(fields: &[u16], now: &[Print]) -> bool {
    let has_value = |field: &&u16| now.get(usize::from(**field)).is_some_and(|print| *print != 0);
    let values = now.iter().filter(|print| **print != 0).count();
    // None twice, or they could not be counted.
    fields.is_sorted_by(|one, next| one < next) && fields.iter().filter(has_value).count() == values
}

/// Whether every field the model has a value for is acknowledged with that value.
fn is_complete(now: &[Print], acknowledged: &[Print]) -> bool {
    now.iter()
        .zip(acknowledged)
        .all(|(now, print)| *now == 0 || now == print)
}

fn unfielded(code: &str, message: &str) -> Rejection {
    Rejection {
        code: code.to_owned(),
        field: None,
        message: message.to_owned(),
    }
}

/// Planned rows as delivery reads them; the ledger learns of each before delivery does.
pub struct PlanFeed<I> {
    /// The rows.
    pub rows: I,
    /// Where they settle.
    pub ledger: Arc<RunLedger>,
    /// Number of the next row.
    pub next: u64,
}

impl<I> Feed for PlanFeed<I>
where
    I: Iterator<Item = Result<RowToSend, SpillError>> + Send,
{
    fn next(&mut self) -> Option<Result<Operation, FeedError>> {
        Some(match self.rows.next()? {
            Ok(mut row) => {
                let number = self.next;
                self.next += 1;
                self.ledger.announce(number, &mut row);
                Ok(row.into_operation(number))
            }
            Err(error) => Err(FeedError(error.into())),
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
