//! Prepare: from a sync's definition to its plan. Plans and runs share every step of it.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use outflow_deliver::{Clock, Policy, ask, off_worker};
use outflow_project::{Project, SyncSpec};
use outflow_sdk::destination::{Binding, Destination, ObjectSpec};
use outflow_sdk::source::{ReadRequest, Source};
use outflow_state::{Filter, Identity, RunId, Store, SyncState};
use serde::{Deserialize, Serialize};

use super::classify::{Context, classify};
use super::error::RunError;
use super::guard::{self, GuardStop};
use super::map::Mapping;
use super::plan::Plan;
use super::progress::Progress;
use super::scan::scan;

/// How long the destination's fields, once looked at, count as known where nothing is sent. Rejects
/// that wait for a field to change are woken at most this much later.
const SCHEMA_KNOWN_FOR_MS: i64 = 30 * 60 * 1000;

/// Everything a run stands on; made once for all syncs of a project.
#[derive(Clone)]
pub struct Stage {
    /// The project.
    pub project: Arc<Project>,
    /// The store.
    pub store: Arc<Store>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// A plan with what it takes to carry it out.
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The filter, with every row of the model seen; none when some rows alone were read.
    pub filter: Option<Filter>,
    /// The sync in the store.
    pub state: SyncState,
    /// Number of the layout of the mapped fields.
    pub layout: u32,
    /// The destination, if it had to be asked already.
    pub binding: Option<Arc<dyn Binding>>,
}

/// Fields of a destination as last seen.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct SeenSchema {
    print: u64,
    at_ms: i64,
}

impl Stage {
    /// The sync's source.
    ///
    /// # Errors
    /// When the project does not name it.
    pub fn source(&self, sync: &SyncSpec) -> Result<Arc<dyn Source>, RunError> {
        let found = self.project.sources.get(&sync.source);
        found
            .map(|connection| Arc::clone(&connection.source))
            .ok_or_else(|| RunError::Internal(format!("sync {} has no source {}", sync.name, sync.source)))
    }

    /// The sync's destination.
    ///
    /// # Errors
    /// When the project does not name it.
    pub fn destination(&self, sync: &SyncSpec) -> Result<Arc<dyn Destination>, RunError> {
        let found = self.project.destinations.get(&sync.destination);
        found
            .map(|connection| Arc::clone(&connection.destination))
            .ok_or_else(|| {
                RunError::Internal(format!(
                    "sync {} has no destination {}",
                    sync.name, sync.destination
                ))
            })
    }

    /// Folder of temporary files: beside the state, where there is room for it.
    pub fn folder(&self) -> PathBuf {
        if self.project.state.is_dir() {
            self.project.state.clone()
        } else {
            std::env::temp_dir()
        }
    }

    /// Reads the model and plans; writes nothing anywhere. No `async fn`, which would be compiled where it is
    /// awaited, with that crate's settings.
    ///
    /// # Errors
    /// Anything that keeps the plan from being whole, guards included.
    pub fn prepare<'a>(
        &'a self,
        sync: &'a Arc<SyncSpec>,
        run: RunId,
    ) -> BoxFuture<'a, Result<Prepared, RunError>> {
        Box::pin(self.read_and_plan(sync, run))
    }

    async fn read_and_plan(&self, sync: &Arc<SyncSpec>, run: RunId) -> Result<Prepared, RunError> {
        let state = self.state_of(sync)?;
        check_key(sync, &state)?;
        let fields: Vec<String> = sync.fields.iter().map(|field| field.field.clone()).collect();
        let layout = self.store.layout(&fields)?;
        let mut filter = Filter::load(&self.store, &state)?;
        let source = self.source(sync)?;
        let request = ReadRequest {
            model: sync.model.at(self.last_success(sync, &state)?),
            columns: Mapping::columns_of(sync),
            sync: sync.name.clone(),
            run_id: run.to_string(),
        };
        let printer = self.store.printer();
        let folder = self.folder();
        let scan = scan(
            source.as_ref(),
            sync,
            request,
            printer,
            &mut filter,
            &folder,
            self.progress.as_ref(),
        )
        .await?;
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
        let plan = off_worker(|| classify(&context, scan, &mut filter))?;
        guard::check(
            &sync.guards,
            plan.tally.read,
            plan.known,
            plan.remove,
            plan.forgotten,
            0,
        )?;
        self.progress.planned(&sync.name, plan.operations());
        Ok(Prepared {
            plan,
            filter: Some(filter),
            state,
            layout,
            binding,
        })
    }

    /// What must be known of the destination before rows are compared with the state: the hash that open
    /// rejects are compared with, and that it is the one the state describes.
    pub(super) async fn look_at_target(
        &self,
        sync: &Arc<SyncSpec>,
        state: &SyncState,
    ) -> Result<(Option<u64>, Option<Arc<dyn Binding>>), RunError> {
        let (schema_print, mut binding) = self.schema_for_rejects(sync, state).await?;
        if binding.is_none() && self.aims_elsewhere(sync, state)? {
            // Whether it is still the same account and object must be known even if nothing is sent.
            binding = Some(self.bind(sync, state, false).await?);
        }
        Ok((schema_print, binding))
    }

    pub(super) fn state_of(&self, sync: &SyncSpec) -> Result<SyncState, RunError> {
        let identity = Identity {
            key: sync.key.clone(),
            account: String::new(),
            object: sync.object.clone(),
            match_fields: sync.match_fields.clone(),
        };
        Ok(self.store.ensure_sync(&sync.name, &identity)?)
    }

    /// The hash that open rejects are compared with; asks the destination only when some are open and
    /// its fields were not looked at lately.
    async fn schema_for_rejects(
        &self,
        sync: &Arc<SyncSpec>,
        state: &SyncState,
    ) -> Result<(Option<u64>, Option<Arc<dyn Binding>>), RunError> {
        if self.store.reject_count(state.id)? == 0 {
            return Ok((None, None));
        }
        let seen = self.store.recall(&schema_note(state))?;
        let seen: Option<SeenSchema> = seen.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(seen) = seen
            && self.clock.now_ms() - seen.at_ms < SCHEMA_KNOWN_FOR_MS
        {
            return Ok((Some(seen.print ^ mapping_print(sync)), None));
        }
        let binding = self.bind(sync, state, false).await?;
        Ok((Some(binding.schema_print() ^ mapping_print(sync)), Some(binding)))
    }

    /// Asks the destination about the sync's object, and makes sure it is the one the state describes.
    ///
    /// # Errors
    /// When it cannot be asked, is another one, or (for `create_missing`) cannot take the fields.
    pub async fn bind(
        &self,
        sync: &Arc<SyncSpec>,
        state: &SyncState,
        create_missing: bool,
    ) -> Result<Arc<dyn Binding>, RunError> {
        let destination = self.destination(sync)?;
        let seed = self.clock.now_ms().cast_unsigned();
        let binding = ask(Policy::default(), seed, || {
            destination.bind(object_spec(sync, None), create_missing)
        })
        .await
        .map_err(RunError::Destination)?;
        let target = binding.target();
        match state
            .identity
            .as_ref()
            .filter(|identity| !identity.account.is_empty())
        {
            Some(identity) if identity.account != target => {
                let before = identity.account.clone();
                return Err(GuardStop::TargetChanged {
                    sync: sync.name.clone(),
                    before,
                    now: target,
                }
                .into());
            }
            _ => {}
        }
        Ok(binding)
    }

    /// Whether connection, object or the mapping's own keys changed since the target was last seen.
    fn aims_elsewhere(&self, sync: &SyncSpec, state: &SyncState) -> Result<bool, RunError> {
        let seen = self.store.recall(&aim_note(state))?;
        Ok(match seen {
            Some(seen) => seen != self.aim(sync)?,
            None => false,
        })
    }

    /// Remembers what the sync aims at, once it is known to be the state's own target.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn remember_aim(&self, sync: &SyncSpec, state: &SyncState) -> Result<(), RunError> {
        Ok(self.store.remember(&aim_note(state), &self.aim(sync)?)?)
    }

    fn aim(&self, sync: &SyncSpec) -> Result<String, RunError> {
        let account = self.destination(sync)?.account_key();
        let text = format!("{account}\n{}\n{}", sync.object, sync.options);
        Ok(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes())))
    }

    /// Remembers what the destination's fields looked like.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub fn remember_schema(&self, state: &SyncState, binding: &dyn Binding) -> Result<(), RunError> {
        let seen = SeenSchema {
            print: binding.schema_print(),
            at_ms: self.clock.now_ms(),
        };
        let text = serde_json::to_string(&seen).map_err(|error| RunError::Internal(error.to_string()))?;
        Ok(self.store.remember(&schema_note(state), &text)?)
    }
}

/// What the destination is told about a sync; with the model's columns if they are known.
pub fn object_spec(sync: &SyncSpec, schema: Option<&arrow_schema::Schema>) -> ObjectSpec {
    ObjectSpec {
        sync: sync.name.clone(),
        object: sync.object.clone(),
        match_fields: sync.match_fields.clone(),
        mode: sync.mode,
        removed: sync.removed,
        fields: Mapping::fields_of(sync, schema),
        options: sync.options.clone(),
    }
}

/// Hash of what in a mapping decides whether a refused row may be accepted, beside the row's values.
pub(crate) fn mapping_print(sync: &SyncSpec) -> u64 {
    let mut text = format!(
        "{:?}|{:?}|{:?}|{}",
        sync.match_fields, sync.mode, sync.removed, sync.options
    );
    for field in &sync.fields {
        text.push_str(&format!("|{}:{:?}", field.field, field.null));
    }
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

fn aim_note(state: &SyncState) -> String {
    format!("aim/{}", state.id)
}

fn schema_note(state: &SyncState) -> String {
    format!("schema/{}", state.id)
}

pub(super) fn check_key(sync: &SyncSpec, state: &SyncState) -> Result<(), GuardStop> {
    match &state.identity {
        Some(identity) if identity.key != sync.key && state.rows > 0 => Err(GuardStop::KeyChanged {
            sync: sync.name.clone(),
            before: identity.key.join(", "),
            now: sync.key.join(", "),
        }),
        _ => Ok(()),
    }
}
