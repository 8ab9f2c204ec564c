//! Keyed: the rows with some keys are read, compared and sent, and no others.
//!
//! It is a run like any other: the same state, limits, ledger and rule that runs of one sync never
//! overlap. What is different follows from having read some rows only:
//!
//! * A row that was not asked for is not touched, whatever the source gave.
//! * A key that was asked for and has no row any more is taken as a whole run takes it: `removed:` applies,
//!   and its guard, to which counts what such runs removed since the last run of the whole model that went
//!   through: many small ones must not do together what one may not. That needs a complete read, a model
//!   without `{{ last_success }}`, a key whose absence is certain ([`Keys::is_exact`]), and no row without a
//!   key in the model, for it may be that very row. When the read gave nothing at all, the model is asked for
//!   any row first: an emptied table removes nothing.
//! * `min_rows` counts whole models, so it is not looked at.
//! * `{{ last_success }}` is 1970: a row that was asked for is read whenever it changed. The time of the
//!   last success does not move, and neither does freshness: other rows may wait still.
//! * A state that adopts what is at the destination goes on to do so until a whole run.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use futures::StreamExt;
use jiff::Timestamp;
use outflow_deliver::off_worker;
use outflow_project::{Guards, SyncSpec};
use outflow_sdk::destination::Mode;
use outflow_sdk::keys::Keys;
use outflow_sdk::print::{KeyHash, Printer};
use outflow_sdk::source::{ReadEvent, ReadRequest, Source};
use outflow_state::{RunId, SyncState};

use super::asked::AskedKeys;
use super::classify::{Context, classify_keys};
use super::error::RunError;
use super::guard::{self, GuardStop};
use super::map::{BatchPrints, ColumnProblem, Mapping, Room};
use super::prepare::{Prepared, Stage, check_key};
use super::scan::Scan;

/// What a complete read of some keys found.
pub(super) struct KeyedScan {
    /// Their rows, each of which is to be compared.
    pub(super) scan: Scan,
    /// Keys that certainly have no row any more, ascending; none of a model that is narrowed otherwise too.
    pub(super) gone: Vec<KeyHash>,
    /// Rows with NULL in their key that were seen.
    pub(super) nulls: u64,
}

impl Stage {
    /// Reads the rows with these keys and plans; writes nothing anywhere.
    ///
    /// # Errors
    /// Anything that keeps the plan from being whole, guards included.
    pub async fn prepare_keys(
        &self,
        sync: &Arc<SyncSpec>,
        run: RunId,
        asked: &AskedKeys,
    ) -> Result<Prepared, RunError> {
        let state = self.state_of(sync)?;
        check_key(sync, &state)?;
        if asked.columns() != sync.key {
            return Err(RunError::Columns(vec![other_key(sync)]));
        }
        let fields: Vec<String> = sync.fields.iter().map(|field| field.field.clone()).collect();
        let layout = self.store.layout(&fields)?;
        let source = self.source(sync)?;
        let request = ReadRequest {
            model: sync.model.at(Timestamp::UNIX_EPOCH),
            columns: Mapping::columns_of(sync),
            sync: sync.name.clone(),
            run_id: run.to_string(),
        };
        let reading = KeyedReading {
            sync,
            keys: asked.keys(),
            printer: self.store.printer(),
        };
        let folder = self.folder();
        let scan = Scan::new(&folder);
        let mut keyed = reading.read(source.as_ref(), request.clone(), scan).await?;
        if sync.mode == Mode::Mirror && keyed.nulls == 0 && self.knows_any(&state, &keyed.gone)? {
            // Asked for on its own: together with the keys it would keep an index from being used.
            keyed.nulls = reading.nulls(source.as_ref(), request.clone()).await?;
        }
        self.progress.read(&sync.name, keyed.scan.read);
        let (schema_print, binding) = self.look_at_target(sync, &state).await?;
        let context = Context {
            sync,
            store: &self.store,
            state: &state,
            layout,
            schema_print,
            run,
            now_ms: self.clock.now_ms(),
            folder: &folder,
        };
        let read = keyed.scan.read;
        let plan = off_worker(|| classify_keys(&context, keyed))?;
        if read == 0 && plan.remove + plan.forgotten > 0 && is_empty(sync, source.as_ref(), request).await? {
            return Err(GuardStop::Empty { known: plan.known }.into());
        }
        let guards = Guards {
            min_rows: None,
            ..sync.guards.clone()
        };
        let before = match plan.remove {
            0 => 0,
            _ => self.store.removed_by_keys(&sync.name)?,
        };
        // That the model has rows is known by now.
        let read = read.max(1);
        guard::check(&guards, read, plan.known, plan.remove, plan.forgotten, before)?;
        self.progress.planned(&sync.name, plan.operations());
        Ok(Prepared {
            plan,
            filter: None,
            state,
            layout,
            binding,
        })
    }
}

impl Stage {
    /// Whether the state has a row of one of these keys, which ascend.
    fn knows_any(&self, state: &SyncState, keys: &[KeyHash]) -> Result<bool, RunError> {
        if keys.is_empty() || state.rows == 0 {
            return Ok(false);
        }
        let mut lookup = self.store.lookup(state.id)?;
        for key in keys {
            if lookup.get(*key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn other_key(sync: &SyncSpec) -> ColumnProblem {
    ColumnProblem {
        path: "key".into(),
        code: "key_changed",
        message: format!("rows were asked for before the key was {}", sync.key.join(", ")),
        hint: Some("ask again".into()),
    }
}

/// Whether a model has no row at all.
async fn is_empty(sync: &SyncSpec, source: &dyn Source, request: ReadRequest) -> Result<bool, RunError> {
    // Warehouses that keep columns apart charge for those that are read.
    let request = ReadRequest {
        columns: sync.key.clone(),
        ..request
    };
    let mut reading = source.read(request).await.map_err(RunError::Source)?;
    while let Some(event) = reading.events.next().await {
        match event.map_err(RunError::Source)? {
            ReadEvent::Batch(batch) if batch.num_rows() > 0 => return Ok(false),
            ReadEvent::Batch(_) => {}
            ReadEvent::End(_) => return Ok(true),
        }
    }
    Err(RunError::cut_read(0))
}

struct KeyedReading<'a> {
    sync: &'a SyncSpec,
    keys: Keys,
    printer: Printer,
}

/// A key that is asked for.
#[derive(Clone, Copy)]
struct Wanted {
    exact: bool,
    found: bool,
}

impl KeyedReading<'_> {
    /// Reads to the end; every row of a wanted key becomes a candidate.
    async fn read(
        &self,
        source: &dyn Source,
        request: ReadRequest,
        mut scan: Scan,
    ) -> Result<KeyedScan, RunError> {
        let reading = source.read_keys(request, self.keys.clone()).await;
        let mut reading = reading.map_err(RunError::Source)?;
        let mapping =
            Mapping::compile(self.sync, &reading.schema, self.printer).map_err(RunError::Columns)?;
        let mut wanted = self.wanted(&mapping, &reading.schema)?;
        let (mut rows, mut nulls) = (0u64, 0u64);
        while let Some(event) = reading.events.next().await {
            match event.map_err(RunError::Source)? {
                ReadEvent::Batch(batch) => {
                    rows += batch.num_rows() as u64;
                    nulls += take(&batch, &mapping, &mut wanted, &mut scan)?;
                }
                ReadEvent::End(receipt) => {
                    if !receipt.complete || receipt.rows != rows {
                        return Err(RunError::cut_read(rows));
                    }
                    scan.receipt = receipt;
                    let gone = if self.sync.model.is_narrowed() {
                        Vec::new()
                    } else {
                        gone(&wanted)
                    };
                    return Ok(KeyedScan { scan, gone, nulls });
                }
            }
        }
        Err(RunError::cut_read(rows))
    }

    /// How many rows without a key a model has: none, or one, for it may have more.
    async fn nulls(&self, source: &dyn Source, request: ReadRequest) -> Result<u64, RunError> {
        let keys = Keys {
            keys: Vec::new(),
            nulls: true,
            ..self.keys.clone()
        };
        let mut reading = source.read_keys(request, keys).await.map_err(RunError::Source)?;
        let mapping =
            Mapping::compile(self.sync, &reading.schema, self.printer).map_err(RunError::Columns)?;
        let (mut rows, mut keys) = (0, Vec::new());
        while let Some(event) = reading.events.next().await {
            match event.map_err(RunError::Source)? {
                ReadEvent::Batch(batch) => {
                    rows += batch.num_rows() as u64;
                    keys.clear();
                    mapping.keys(&batch, &mut keys);
                    if keys.iter().any(Option::is_none) {
                        return Ok(1);
                    }
                }
                ReadEvent::End(receipt) if receipt.complete && receipt.rows == rows => return Ok(0),
                ReadEvent::End(_) => break,
            }
        }
        Err(RunError::cut_read(rows))
    }

    /// The keys by their hashes, as the state has them.
    fn wanted(
        &self,
        mapping: &Mapping,
        schema: &arrow_schema::Schema,
    ) -> Result<HashMap<KeyHash, Wanted>, RunError> {
        let kinds = mapping.key_kinds(schema).map_err(RunError::Columns)?;
        let mut scratch = Vec::new();
        let keys = self.keys.typed(&kinds).into_iter().map(|key| {
            let wanted = Wanted {
                exact: Keys::is_exact(&key, &kinds),
                found: false,
            };
            (self.printer.key(&key, &mut scratch), wanted)
        });
        Ok(keys.collect())
    }
}

/// Makes candidates of a batch's rows that are wanted; gives the rows without a key.
fn take(
    batch: &RecordBatch,
    mapping: &Mapping,
    wanted: &mut HashMap<KeyHash, Wanted>,
    scan: &mut Scan,
) -> Result<u64, RunError> {
    let mut keys = Vec::with_capacity(batch.num_rows());
    mapping.keys(batch, &mut keys);
    let nulls = keys.iter().filter(|key| key.is_none()).count() as u64;
    let mask: BooleanArray = keys
        .iter()
        .map(|key| Some(key.is_some_and(|key| wanted.contains_key(&key))))
        .collect();
    if mask.true_count() == 0 {
        return Ok(nulls);
    }
    let batch = filter_record_batch(batch, &mask)
        .map_err(|error| RunError::Internal(format!("rows cannot be picked: {error}")))?;
    let mut prints = BatchPrints::default();
    mapping.prints(&batch, &mut prints);
    let mut room = Room::default();
    for (row, (key, print)) in prints.keys.iter().zip(&prints.prints).enumerate() {
        let Some(key) = *key else { continue };
        if let Some(wanted) = wanted.get_mut(&key) {
            wanted.found = true;
        }
        scan.read += 1;
        scan.candidates
            .push(key, mapping.record(&batch, row, key, *print, &mut room)?)?;
    }
    Ok(nulls)
}

fn gone(wanted: &HashMap<KeyHash, Wanted>) -> Vec<KeyHash> {
    let gone = wanted.iter().filter(|(_, wanted)| wanted.exact && !wanted.found);
    let mut gone: Vec<KeyHash> = gone.map(|(key, _)| *key).collect();
    gone.sort_unstable();
    gone
}
