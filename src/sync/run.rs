//! Run: one sync from its model to the state, as a state machine whose every stop is accounted for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use outflow_deliver::{Account, DeliveryReport, End, Ledger, Policy, Slowest, deliver, off_worker};
use outflow_project::SyncSpec;
use outflow_sdk::ErrorKind;
use outflow_sdk::destination::Binding;
use outflow_state::{
    Changes, Filter, FilterChange, RunId, RunRecord, RunStatus, SyncState, Tally, note_changes,
};
use tokio::sync::watch;
use tracing::Instrument;

use super::asked::AskedKeys;
use super::classify::keeps_key_text;
use super::error::RunError;
use super::fit::must_fit;
use super::held::HeldValues;
use super::ledger::{FILTER_CHANGES, PlanFeed, RunFacts, RunLedger};
use super::plan::{Immediate, Plan, PlannedRow, RowToSend, Waves};
use super::prepare::{Prepared, Stage, mapping_print};
use super::progress::DeliveryProgress;
use super::quota::Quotas;
use super::report::RunReport;
use super::spill::Sequence;

/// Rows in one transaction of what is settled without a request.
const CHUNK: usize = 2_000;

/// Runs syncs, one at a time or several together.
#[derive(Clone)]
pub struct Runner {
    /// What the runs stand on.
    pub stage: Stage,
    /// The accounts' limiters, shared by all syncs.
    pub quotas: Arc<Quotas>,
    /// Retry policy.
    pub policy: Policy,
    /// Turns true when the process is asked to stop.
    pub stop: watch::Receiver<bool>,
}

/// How far a run got.
#[derive(Default)]
pub(super) struct Course {
    pub(super) tally: Tally,
    removals: u64,
    limiter_wait: Duration,
    retries: u64,
    pub(super) slowest: Slowest,
    /// In how many records each field got another value, in mapping order.
    fields: Vec<u64>,
    pub(super) deferred: bool,
    pub(super) resumes_in: Option<Duration>,
    duplicate_keys: Vec<String>,
    null_key_rows: Vec<u64>,
    /// Match values that are not free for other rows.
    pub(super) held: HeldValues,
}

impl Runner {
    // These two are no `async fn`: those are compiled where they are awaited, with that crate's settings, and all
    // they await with them.

    /// Runs one sync. Everything that can happen is in the report.
    pub fn run<'a>(&'a self, sync: &'a Arc<SyncSpec>) -> BoxFuture<'a, RunReport> {
        Box::pin(self.run_for(sync, None))
    }

    /// Runs one sync for the rows with these keys alone. Everything that can happen is in the report.
    pub fn run_keys<'a>(&'a self, sync: &'a Arc<SyncSpec>, keys: &'a AskedKeys) -> BoxFuture<'a, RunReport> {
        Box::pin(self.run_for(sync, Some(keys)))
    }

    async fn run_for(&self, sync: &Arc<SyncSpec>, keys: Option<&AskedKeys>) -> RunReport {
        let asked = keys.map(|keys| keys.len() as u64);
        let clock = &self.stage.clock;
        let started_ms = clock.now_ms();
        let started = tokio::time::Instant::now();
        let mut course = Course::default();
        let (run_id, error) = match self.stage.store.begin_run_of(&sync.name, started_ms, asked) {
            Ok(run_id) => {
                self.stage.progress.started(&sync.name, run_id);
                // Of the level of warnings, so that those name their run whatever else is filtered out.
                let span = tracing::warn_span!("run", sync = %sync.name, run = run_id);
                (
                    run_id,
                    self.attempt(sync, run_id, keys, &mut course)
                        .instrument(span)
                        .await
                        .err(),
                )
            }
            Err(error) => (0, Some(error.into())),
        };
        let fields = std::mem::take(&mut course.fields);
        let mut report = self.report(sync, run_id, course, error, started.elapsed());
        report.keys = asked;
        let record = RunRecord {
            id: run_id,
            sync: sync.name.clone(),
            started_ms,
            finished_ms: Some(clock.now_ms()),
            status: report.status,
            keys: asked,
            tally: report.tally,
            error: report
                .error
                .as_ref()
                .map(|error| (error.code().to_owned(), error.to_string())),
            detail: report.detail(sync, &fields),
        };
        if run_id != 0
            && let Err(error) = self.stage.store.finish_run(&record)
            && report.error.is_none()
        {
            report.status = RunStatus::Failed;
            report.error = Some(error.into());
        }
        if report.status == RunStatus::Ok
            && keys.is_none()
            && let Err(error) = self.stage.remember_success(sync, started_ms)
        {
            // The next run reads more than it must, and no less.
            tracing::warn!(%error, "the time of this success could not be noted");
        }
        self.stage.progress.done(&sync.name);
        report
    }

    fn report(
        &self,
        sync: &SyncSpec,
        run_id: RunId,
        course: Course,
        mut error: Option<RunError>,
        duration: Duration,
    ) -> RunReport {
        let mut tally = course.tally;
        if error.is_some() {
            // What a run that failed did not get to, or could not write down, is the next one's.
            let planned = tally.read + course.removals;
            tally.deferred += planned.saturating_sub(tally.accounted());
        } else if tally.accounted() != tally.read + course.removals {
            let message = format!(
                "{} rows read and {} removals, but {} accounted for in sync {}",
                tally.read,
                course.removals,
                tally.accounted(),
                sync.name
            );
            error = Some(RunError::Internal(message));
        }
        let status = match &error {
            Some(RunError::Guard(_)) => RunStatus::Guarded,
            Some(RunError::Cancelled) => RunStatus::Deferred,
            Some(_) => RunStatus::Failed,
            None if course.deferred => RunStatus::Deferred,
            None if tally.rejected + tally.invalid_key + tally.held > 0 => RunStatus::Rejects,
            None => RunStatus::Ok,
        };
        RunReport {
            sync: sync.name.clone(),
            run_id,
            status,
            keys: None,
            tally,
            removals: course.removals,
            duration,
            limiter_wait: course.limiter_wait,
            retries: course.retries,
            slowest: course.slowest,
            resumes_in: course.resumes_in,
            error,
            duplicate_keys: course.duplicate_keys,
            null_key_rows: course.null_key_rows,
        }
    }

    async fn attempt(
        &self,
        sync: &Arc<SyncSpec>,
        run: RunId,
        keys: Option<&AskedKeys>,
        course: &mut Course,
    ) -> Result<(), RunError> {
        self.settle_open_jobs(sync, run, course).await?;
        if course.deferred {
            return Ok(());
        }
        // Nothing is written before the plan is made, so the work can be given up at any point of it.
        let preparing = async {
            match keys {
                Some(keys) => self.stage.prepare_keys(sync, run, keys).await,
                None => self.stage.prepare(sync, run).await,
            }
        };
        let prepared = tokio::select! {
            biased;
            prepared = preparing => prepared?,
            () = asked(self.stop.clone()) => return Err(RunError::Cancelled),
        };
        let Prepared {
            mut plan,
            mut filter,
            state,
            layout,
            binding,
        } = prepared;
        course.tally.add(&plan.tally);
        course.removals = plan.remove + plan.asleep;
        course.duplicate_keys = std::mem::take(&mut plan.duplicate_keys);
        course.null_key_rows = std::mem::take(&mut plan.null_key_rows);
        course.held = std::mem::take(&mut plan.held);
        tracing::info!(
            read = plan.tally.read,
            create = plan.create,
            update = plan.update,
            remove = plan.remove,
            "planned"
        );
        let mut filter_changes = Some(Vec::new());
        if let Some(binding) = &binding {
            self.stage.remember_schema(&state, binding.as_ref())?;
            if state
                .identity
                .as_ref()
                .is_some_and(|known| !known.account.is_empty())
            {
                self.stage.remember_aim(sync, &state)?;
            }
        }
        let mut generation = off_worker(|| self.settle_now(&state, &mut plan, &mut filter_changes))?;
        let operations = plan.operations();
        let outcome = if operations > 0 {
            let waves = std::mem::replace(&mut plan.rows, Waves::new(&self.stage.folder()));
            let facts = Facts {
                sync,
                run,
                state: &state,
                layout,
                operations,
            };
            self.deliver_waves(&facts, waves, course, &mut filter_changes, &mut generation)
                .await
        } else {
            Ok(())
        };
        match (&mut filter, generation, filter_changes) {
            (Some(filter), generation, changes) => {
                off_worker(|| self.keep_filter(&state, filter, changes, generation))?;
            }
            (None, Some(generation), Some(changes)) if generation != state.generation => {
                off_worker(|| note_changes(&self.stage.store, &state, generation, &changes));
            }
            (None, ..) => {}
        }
        // Rows that were not read are still to be adopted.
        if state.adopt && outcome.is_ok() && keys.is_none() {
            self.stage.store.set_adopt(state.id, false)?;
        }
        outcome
    }

    /// Writes what the plan settles without a request.
    fn settle_now(
        &self,
        state: &SyncState,
        plan: &mut Plan,
        filter: &mut Option<Vec<FilterChange>>,
    ) -> Result<Option<u64>, RunError> {
        let mut generation = None;
        let mut changes = Changes {
            closed: std::mem::take(&mut plan.closed),
            ..Changes::default()
        };
        for immediate in plan.immediate.rows::<Immediate>()? {
            match immediate? {
                Immediate::Touch { row, before, known } => {
                    let before = known.then_some(before);
                    note(
                        filter,
                        FilterChange {
                            key: row.key,
                            before,
                            after: Some(row.print),
                        },
                    );
                    changes.rows.push(row);
                }
                Immediate::Fault(reject) => changes.rejects.push(reject),
                Immediate::Forget { key, before } => {
                    note(
                        filter,
                        FilterChange {
                            key,
                            before: Some(before),
                            after: None,
                        },
                    );
                    changes.removed.push(key);
                }
            }
            if changes.rows.len() + changes.rejects.len() + changes.removed.len() >= CHUNK {
                generation = Some(self.stage.store.commit(state.id, [&changes])?);
                changes = Changes::default();
            }
        }
        if !changes.is_empty() {
            generation = Some(self.stage.store.commit(state.id, [&changes])?);
        }
        Ok(generation)
    }

    /// Delivers wave after wave; what a wave that did not end well keeps from going out is deferred.
    async fn deliver_waves(
        &self,
        facts: &Facts<'_>,
        waves: Waves,
        course: &mut Course,
        filter: &mut Option<Vec<FilterChange>>,
        generation: &mut Option<u64>,
    ) -> Result<(), RunError> {
        let binding = match self.open(facts).await {
            Ok(binding) => binding,
            Err(error) => {
                course.tally.deferred += facts.operations;
                if let RunError::Destination(refused) = &error
                    && let ErrorKind::QuotaExhausted { until } = refused.kind
                {
                    course.deferred = true;
                    course.resumes_in = until;
                    return Ok(());
                }
                return Err(error);
            }
        };
        let mut left = facts.operations;
        let Waves {
            renames,
            writes,
            removals,
        } = waves;
        let schema_print = binding.schema_print() ^ mapping_print(facts.sync);
        for rows in renames.into_iter().chain([writes]) {
            let all = rows.len();
            let held_back = || self.hold_back(facts, schema_print, rows, course, generation);
            let outcome = match off_worker(held_back) {
                Ok(rows) => {
                    left -= all;
                    self.deliver(facts, &binding, rows, course, filter, generation)
                        .await
                }
                Err(error) => Err(error),
            };
            if outcome.is_err() || course.deferred {
                course.tally.deferred += left;
                return outcome;
            }
        }
        if left == 0 {
            return Ok(());
        }
        let shared = || self.shared(facts, &binding, removals, course, filter, generation);
        let removals = match off_worker(shared) {
            Ok(removals) => removals,
            Err(error) => {
                course.tally.deferred += left;
                return Err(error);
            }
        };
        self.deliver(facts, &binding, removals, course, filter, generation)
            .await
    }

    /// The removals of records that no living row describes. The others are forgotten: their record
    /// stays, as somebody else's.
    fn shared(
        &self,
        facts: &Facts<'_>,
        binding: &Arc<dyn Binding>,
        mut removals: Sequence,
        course: &mut Course,
        filter: &mut Option<Vec<FilterChange>>,
        generation: &mut Option<u64>,
    ) -> Result<Sequence, RunError> {
        let (mut leaving, mut addresses) = (HashSet::new(), HashSet::new());
        for row in removals.rows::<PlannedRow>()? {
            let row = row?;
            leaving.insert(row.key);
            addresses.extend(row.remote.as_deref().map(|remote| binding.record_of(remote)));
        }
        let mut shared = HashSet::new();
        if !addresses.is_empty() {
            self.stage.store.each_remote(facts.state.id, |key, remote| {
                let address = binding.record_of(remote);
                if addresses.contains(&address) && !leaving.contains(&key) {
                    shared.insert(address);
                }
            })?;
        }
        if shared.is_empty() {
            return Ok(removals);
        }
        let mut left = Sequence::new(&self.stage.folder());
        let mut changes = Changes::default();
        for row in removals.rows::<PlannedRow>()? {
            let row = row?;
            let address = row.remote.as_deref().map(|remote| binding.record_of(remote));
            if !address.is_some_and(|address| shared.contains(&address)) {
                left.push(&row)?;
                continue;
            }
            let change = FilterChange {
                key: row.key,
                before: Some(row.stored_print),
                after: None,
            };
            note(filter, change);
            changes.removed.push(row.key);
            course.removals -= 1;
        }
        tracing::info!(
            rows = changes.removed.len(),
            "left the model, but other rows describe their records, which stay"
        );
        *generation = Some(self.stage.store.commit(facts.state.id, [&changes])?);
        Ok(left)
    }

    async fn deliver(
        &self,
        facts: &Facts<'_>,
        binding: &Arc<dyn Binding>,
        rows: Sequence,
        course: &mut Course,
        filter: &mut Option<Vec<FilterChange>>,
        generation: &mut Option<u64>,
    ) -> Result<(), RunError> {
        if rows.is_empty() {
            return Ok(());
        }
        let destination = self.stage.destination(facts.sync)?;
        let account = self.quotas.account(destination.as_ref())?;
        tell_time_zone(&account, binding.as_ref());
        let stage = &self.stage;
        let run_facts = RunFacts {
            sync: Arc::clone(facts.sync),
            id: facts.state.id,
            run: facts.run,
            layout: facts.layout,
            schema_print: binding.schema_print() ^ mapping_print(facts.sync),
            keep_key_text: keeps_key_text(facts.sync),
            // Every job so far took a request.
            first_job: course.tally.requests,
            keep_filter: filter.is_some() && facts.operations <= FILTER_CHANGES as u64,
        };
        let ledger = Arc::new(RunLedger::new(
            run_facts,
            Arc::clone(&stage.store),
            Arc::clone(&stage.clock),
        ));
        let feed = PlanFeed {
            rows: rows.into_rows::<RowToSend>()?,
            ledger: Arc::clone(&ledger),
            next: 0,
        };
        let progress = DeliveryProgress {
            sync: facts.sync.name.clone(),
            progress: Arc::clone(&stage.progress),
        };
        let saving = self.quotas.keep_saving(destination.as_ref(), &account);
        let report = deliver(
            Arc::clone(binding),
            Arc::clone(&account),
            Box::new(feed),
            Arc::clone(&ledger) as Arc<dyn Ledger>,
            self.policy,
            self.stop.clone(),
            Arc::new(progress),
        )
        .await;
        drop(saving);
        let settlement = ledger.finish();
        course.tally.add(&settlement.tally);
        course.fields.resize(facts.sync.fields.len(), 0);
        for (sum, more) in course.fields.iter_mut().zip(&settlement.fields) {
            *sum += more;
        }
        course.held.extend(settlement.held);
        *generation = (*generation).max(settlement.generation);
        match (filter.as_mut(), settlement.filter) {
            (Some(known), Some(more)) => known.extend(more),
            _ => *filter = None,
        }
        let saved = self.quotas.save(destination.as_ref(), &account);
        // Why the delivery ended says more than that its quota could not be noted either.
        end_of(course, report).and(saved)
    }

    /// Binds for writing: the account is the state's own, and the mapping fits.
    async fn open(&self, facts: &Facts<'_>) -> Result<Arc<dyn Binding>, RunError> {
        let binding = self.stage.bind(facts.sync, facts.state, true).await?;
        must_fit(facts.sync, binding.as_ref())?;
        self.stage
            .store
            .set_target(facts.state.id, &facts.sync.key, &binding.target())?;
        self.stage.remember_schema(facts.state, binding.as_ref())?;
        self.stage.remember_aim(facts.sync, facts.state)?;
        Ok(binding)
    }

    /// Brings the filter up to what was acknowledged, so that the next run need not read the state.
    fn keep_filter(
        &self,
        state: &SyncState,
        filter: &mut Filter,
        changes: Option<Vec<FilterChange>>,
        generation: Option<u64>,
    ) -> Result<(), RunError> {
        let store = &self.stage.store;
        match (generation, changes) {
            (None, _) => filter.keep(state.generation)?,
            // Rejects alone move no row.
            (Some(generation), _) if generation == state.generation => filter.keep(generation)?,
            (Some(generation), Some(changes)) => {
                filter.apply(&changes);
                filter.save(generation)?;
            }
            (Some(_), None) => Filter::rebuild(store, state.id)?,
        }
        store.checkpoint()?;
        Ok(())
    }
}

/// Waits until someone asks to stop.
pub(super) async fn asked(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|asked| *asked).await.is_err() {
        // Whoever could ask is gone.
        std::future::pending::<()>().await;
    }
}

pub(super) struct Facts<'a> {
    pub(super) sync: &'a Arc<SyncSpec>,
    run: RunId,
    pub(super) state: &'a SyncState,
    layout: u32,
    operations: u64,
}

/// Has the account count its days in its own time zone.
pub(super) fn tell_time_zone(account: &Account, binding: &dyn Binding) {
    if let Some(zone) = binding.time_zone()
        && !account.set_time_zone(&zone)
    {
        tracing::warn!(
            zone,
            "unknown time zone; the daily quota's day is taken to end at midnight UTC"
        );
    }
}

fn note(filter: &mut Option<Vec<FilterChange>>, change: FilterChange) {
    if let Some(changes) = filter {
        changes.push(change);
        if changes.len() > FILTER_CHANGES {
            *filter = None;
        }
    }
}

fn end_of(course: &mut Course, report: DeliveryReport) -> Result<(), RunError> {
    course.tally.requests += report.requests;
    course.retries += report.retries;
    course.limiter_wait += report.limiter_wait;
    course.slowest.merge(report.slowest);
    match report.end {
        End::Done => Ok(()),
        End::Deferred { until } => {
            course.deferred = true;
            course.resumes_in = until;
            Ok(())
        }
        End::Stopped(error) => Err(RunError::Destination(error)),
        End::Cancelled => Err(RunError::Cancelled),
        End::Failed(failure) => Err(RunError::Delivery(failure)),
    }
}
