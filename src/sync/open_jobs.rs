//! Open jobs: what an earlier run left to the destination is settled before the model is read.
//!
//! A job's rows count as not acknowledged until its result is known. Reading the model first would
//! send them a second time, so nothing is read while a job is open: the run asks until every job is
//! done or lost, or ends without having begun.

use std::sync::Arc;

use compact_str::CompactString;
use futures::future::join_all;
use outflow_deliver::{End, JobResult, OpenJob, resume};
use outflow_project::SyncSpec;
use outflow_sdk::destination::{Action, Answer, Effect, Mode, Operation, Outcome, Rejection};
use outflow_sdk::print::KeyHash;
use outflow_state::{
    Attempt, Changes, Job, JobRow, Reject, RejectClass, RunId, Store, StoredRow, SyncState, WHEN_ASKED,
};

use super::diff::acknowledged;
use super::error::RunError;
use super::progress::DeliveryProgress;
use super::run::{Course, Runner, asked, tell_time_zone};

impl Runner {
    /// Asks about every open job of the sync and writes down what became of its rows.
    ///
    /// # Errors
    /// When a job is still open in the end: because someone asked to stop, or the destination cannot
    /// be asked. Out of quota is no error; the run is deferred.
    pub(super) async fn settle_open_jobs(
        &self,
        sync: &Arc<SyncSpec>,
        run: RunId,
        course: &mut Course,
    ) -> Result<(), RunError> {
        let state = self.stage.state_of(sync)?;
        let jobs = self.stage.store.open_jobs(state.id)?;
        if jobs.is_empty() {
            return Ok(());
        }
        let rows: usize = jobs.iter().map(|job| job.rows.len()).sum();
        tracing::info!(jobs = jobs.len(), rows, "settling jobs of an earlier run first");
        let binding = tokio::select! {
            biased;
            binding = self.stage.bind(sync, &state, false) => binding?,
            () = asked(self.stop.clone()) => return Err(RunError::Cancelled),
        };
        let destination = self.stage.destination(sync)?;
        let account = self.quotas.account(destination.as_ref())?;
        tell_time_zone(&account, binding.as_ref());
        let progress = DeliveryProgress {
            sync: sync.name.clone(),
            progress: Arc::clone(&self.stage.progress),
        };
        let saving = self.quotas.keep_saving(destination.as_ref(), &account);
        let settlement = Settlement {
            sync,
            store: &self.stage.store,
            state: &state,
            run,
        };
        let settled = join_all(jobs.iter().map(|job| async {
            let clock = &self.stage.clock;
            let open = OpenJob {
                ticket: job.ticket.clone(),
                operations: operations(job),
                time_left: job.time_left(clock.now_ms()),
            };
            let stop = self.stop.clone();
            let resumed = resume(binding.as_ref(), &account, &open, self.policy, stop, &progress).await;
            let end = settlement.write(job, resumed.result, clock.now_ms());
            (end, resumed.requests, resumed.slowest)
        }))
        .await;
        drop(saving);
        self.quotas.save(destination.as_ref(), &account)?;
        let mut outcome = Ok(());
        for (end, requests, slowest) in settled {
            course.tally.requests += requests;
            course.slowest.merge(slowest);
            let ended = end.and_then(|end| stopped(course, end));
            if outcome.is_ok() {
                outcome = ended;
            }
        }
        outcome
    }
}

/// Why the run does not go on, if a job stays open.
fn stopped(course: &mut Course, end: Option<End>) -> Result<(), RunError> {
    match end {
        None | Some(End::Done) => Ok(()),
        Some(End::Deferred { until }) => {
            course.deferred = true;
            course.resumes_in = course.resumes_in.max(until);
            Ok(())
        }
        Some(End::Stopped(error)) => Err(RunError::Destination(error)),
        Some(End::Cancelled) => Err(RunError::Cancelled),
        Some(End::Failed(failure)) => Err(RunError::Delivery(failure)),
    }
}

/// What a job was started with, without what is gone.
fn operations(job: &Job) -> Vec<Operation> {
    let operation = |(number, row): (u64, &JobRow)| Operation {
        row: number,
        key: CompactString::from(row.key_text.as_deref().unwrap_or_default()),
        action: row.removed.map_or(Action::Write, Action::Remove),
        remote: row.remote.as_deref().map(CompactString::from),
        record: Arc::from([]),
        pending: Vec::new(),
    };
    (0..).zip(&job.rows).map(operation).collect()
}

/// Writes down what became of a job.
struct Settlement<'a> {
    sync: &'a SyncSpec,
    store: &'a Store,
    state: &'a SyncState,
    run: RunId,
}

impl Settlement<'_> {
    /// Gives why a job is still open, if it is.
    fn write(&self, job: &Job, result: JobResult, now_ms: i64) -> Result<Option<End>, RunError> {
        let answer = match result {
            JobResult::Open(end) => return Ok(Some(end)),
            JobResult::Answered(answer) => answer,
            JobResult::Refused(error) => {
                tracing::warn!(
                    code = error.code,
                    rows = job.rows.len(),
                    "a job was refused as a whole"
                );
                same_for_all(job, || Outcome::Retry {
                    code: error.code.to_owned(),
                    after: None,
                })
            }
            JobResult::Lost => {
                tracing::warn!(rows = job.rows.len(), "nobody knows what became of a job");
                same_for_all(job, || Outcome::InDoubt)
            }
        };
        let mut digest = Digest {
            settlement: self,
            job,
            now_ms,
            correlation: answer.correlation.or_else(|| Some(job.ticket.id.clone())),
            stored: self.stored(job)?,
            fields: Vec::new(),
            changes: Changes {
                finished: vec![job.id],
                ..Changes::default()
            },
        };
        digest.fields = digest.stored.names_of(job.layout);
        for (row, outcome) in job.rows.iter().zip(answer.outcomes) {
            digest.one(row, outcome)?;
        }
        self.store.commit(self.state.id, [&digest.changes])?;
        Ok(None)
    }

    fn stored(&self, job: &Job) -> Result<Stored, RunError> {
        let mut keys: Vec<KeyHash> = job.rows.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        let mut lookup = self.store.lookup(self.state.id)?;
        let mut rows = std::collections::HashMap::new();
        for key in keys {
            if let Some(row) = lookup.get(key)? {
                rows.insert(key, row);
            }
        }
        Ok(Stored {
            rows,
            layouts: self.store.layouts()?,
        })
    }
}

fn same_for_all(job: &Job, outcome: impl Fn() -> Outcome) -> Answer {
    Answer {
        outcomes: job.rows.iter().map(|_| outcome()).collect(),
        observed: None,
        correlation: None,
    }
}

/// What the state has of a job's rows.
struct Stored {
    rows: std::collections::HashMap<KeyHash, StoredRow>,
    layouts: std::collections::HashMap<u32, Arc<[String]>>,
}

impl Stored {
    fn names_of(&self, layout: u32) -> Vec<String> {
        self.layouts
            .get(&layout)
            .map(|names| names.to_vec())
            .unwrap_or_default()
    }
}

struct Digest<'a> {
    settlement: &'a Settlement<'a>,
    job: &'a Job,
    now_ms: i64,
    correlation: Option<String>,
    stored: Stored,
    /// Names of the job's fields.
    fields: Vec<String>,
    changes: Changes,
}

impl Digest<'_> {
    fn one(&mut self, row: &JobRow, outcome: Outcome) -> Result<(), RunError> {
        match outcome {
            Outcome::Applied { effect, remote } => self.applied(row, effect, remote.as_deref()),
            Outcome::Rejected(rejection) => {
                self.set_aside(row, RejectClass::Permanent, "rejected", &rejection)
            }
            Outcome::Suppressed(rejection) => {
                self.set_aside(row, RejectClass::Suppressed, "suppressed", &rejection)
            }
            Outcome::InDoubt => {
                self.forget(row);
                match self.job.replay_safe {
                    true => self.no_doubt(row),
                    false => self.hold(row),
                }
            }
            // Not applied: the row differs still, so this run sends it.
            Outcome::Retry { .. } | Outcome::StaleRemote | Outcome::Resolved { .. } => self.no_doubt(row),
        }
    }

    fn applied(&mut self, row: &JobRow, effect: Effect, remote: Option<&str>) -> Result<(), RunError> {
        if row.removed.is_some() {
            if row.complete {
                self.changes.removed.push(row.key);
            }
            return Ok(());
        }
        let known = self.stored.rows.get(&row.key);
        let remote = remote
            .or(row.address.as_deref())
            .or(row.remote.as_deref())
            .map(CompactString::from)
            .or_else(|| known.and_then(|known| known.remote.clone()));
        let untouched = effect == Effect::Untouched;
        if untouched && remote.is_none() {
            // Mode update, and no such record: it may come to be, so nothing is remembered.
            return self.no_doubt(row);
        }
        let mut prints = match known {
            Some(known) => acknowledged(&self.fields, known, &self.stored.layouts),
            None => vec![0; self.fields.len()],
        };
        if !untouched {
            for (field, print) in row.fields.iter().zip(&row.prints) {
                if let Some(place) = prints.get_mut(usize::from(*field)) {
                    *place = *print;
                }
            }
        }
        self.changes.rows.push(StoredRow {
            key: row.key,
            print: if row.complete && !untouched { row.print } else { 0 },
            layout: self.job.layout,
            prints,
            remote,
            key_text: row.key_text.clone(),
            match_text: None,
            applied_ms: self.now_ms,
            run: self.settlement.run,
        });
        Ok(())
    }

    /// A known row of which nobody knows whether the job's fields arrived: they count as not
    /// acknowledged, so that they are sent again even if the model has taken its old values back.
    fn forget(&mut self, row: &JobRow) {
        let Some(known) = self.stored.rows.get(&row.key) else {
            return;
        };
        if row.removed.is_some() {
            return;
        }
        let mut prints = acknowledged(&self.fields, known, &self.stored.layouts);
        for field in &row.fields {
            if let Some(print) = prints.get_mut(usize::from(*field)) {
                *print = 0;
            }
        }
        self.changes.rows.push(StoredRow {
            print: 0,
            layout: self.job.layout,
            prints,
            ..known.clone()
        });
    }

    fn hold(&mut self, row: &JobRow) -> Result<(), RunError> {
        let doubt = Rejection {
            code: "job_lost".to_owned(),
            field: None,
            message: match self.settlement.sync.mode {
                Mode::Append => {
                    "was in a job of which nothing was heard; it is not sent again unless `outflow rejects retry` names it"
                }
                _ => "was in a job of which nothing was heard; the next run settles it",
            }
            .to_owned(),
        };
        self.set_aside(row, RejectClass::InDoubt, "in_doubt", &doubt)
    }

    /// The row was not applied or may be sent again: it is held no longer, if it was.
    fn no_doubt(&mut self, row: &JobRow) -> Result<(), RunError> {
        let reject = self.open_reject(row)?;
        if reject.is_some_and(|reject| reject.class == RejectClass::InDoubt) {
            self.changes.closed.push(row.key);
        }
        Ok(())
    }

    fn open_reject(&self, row: &JobRow) -> Result<Option<Reject>, RunError> {
        Ok(self.settlement.store.reject(self.settlement.state.id, row.key)?)
    }

    fn set_aside(
        &mut self,
        row: &JobRow,
        class: RejectClass,
        outcome: &str,
        rejection: &Rejection,
    ) -> Result<(), RunError> {
        let before = self.open_reject(row)?;
        let must_be_asked = class == RejectClass::InDoubt && self.settlement.sync.mode == Mode::Append;
        let key_text = before.as_ref().map(|before| before.key_text.clone());
        self.changes.rejects.push(Reject {
            key: row.key,
            print: row.print,
            schema_print: self.job.schema_print,
            class,
            code: rejection.code.clone(),
            field: rejection.field.clone(),
            message: rejection.message.clone(),
            // Where the job does not have it, the model tells when it is read.
            key_text: row.key_text.clone().or(key_text).unwrap_or_default(),
            match_text: before.as_ref().and_then(|before| before.match_text.clone()),
            attempts: before.as_ref().map_or(1, |before| before.attempts.max(1)),
            first_seen_ms: before.as_ref().map_or(self.now_ms, |before| before.first_seen_ms),
            last_seen_ms: self.now_ms,
            next_retry_ms: must_be_asked.then_some(WHEN_ASKED),
        });
        self.changes.attempts.push(Attempt {
            key: row.key,
            at_ms: self.now_ms,
            run: self.settlement.run,
            outcome: outcome.to_owned(),
            code: rejection.code.clone(),
            correlation: self.correlation.clone(),
        });
        Ok(())
    }
}
