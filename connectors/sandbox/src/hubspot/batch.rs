//! Batch create, update and upsert.
//!
//! All inputs are planned before any is applied: without trace ids one refusal refuses the batch,
//! with unique trace ids on all inputs the good ones are written and the answer is 207.

use std::borrow::Cow;

use foldhash::{HashSet, HashSetExt};
use hyper::StatusCode;
use rand::seq::SliceRandom;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::account::State;
use super::address::{address, check_duplicates};
use super::call::{Call, Handled, Reply};
use super::definitions::PropertyId;
use super::errors::{ApiError, bad_properties};
use super::json::{Properties, Sent, Text, iso, raw, string};
use super::options::{AllFailed, NullValue};
use super::render::{Beside, Renderer, Shown};
use super::store::{ObjectStore, Slot};
use super::write::{Planner, Refusal, Target, Writes};

/// Most inputs of one batch.
pub(super) const MAX_INPUTS: usize = 100;

/// Which batch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    Create,
    Update,
    Upsert,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    id_property: Option<Text<'a>>,
    #[serde(borrow)]
    object_write_trace_id: Option<Text<'a>>,
    #[serde(borrow)]
    properties: Properties<'a>,
    associations: Option<Vec<IgnoredAny>>,
}

/// Refuses what no batch of the vendor takes.
pub(super) fn check_count(count: usize) -> Result<(), ApiError> {
    match count {
        0 => Err(ApiError::validation("inputs must have at least one element")),
        1..=MAX_INPUTS => Ok(()),
        _ => Err(ApiError::validation(format!(
            "The maximum number of inputs supported in a batch request is {MAX_INPUTS} and {count} were given"
        ))),
    }
}

/// The whole batch is refused because an id is in it twice.
pub(super) fn duplicates(id: &str) -> ApiError {
    ApiError::validation(format!(
        "Duplicate IDs found in batch input: [{id}]. IDs must be unique"
    ))
    .with_context("ids", vec![id.to_owned()])
}

/// Ids that lead nowhere: told in a 207, even without trace ids.
pub(super) fn not_found(store: &ObjectStore, ids: Vec<String>) -> ApiError {
    let message = format!(
        "Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.",
        store.label
    );
    ApiError::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message).with_context("ids", ids)
}

/// An id property that identifies nothing.
pub(super) fn not_unique(store: &ObjectStore, name: &str) -> ApiError {
    ApiError::validation(format!(
        "Unable to perform update/upsert by non-unique {} property {name}",
        store.type_id
    ))
}

/// `POST …/{type}/batch/{create,update,upsert}`.
pub(super) fn write(call: &Call<'_>, object: usize, batch: Batch) -> Handled {
    let body: Body<'_> = call.parse()?;
    check_count(body.inputs.len())?;
    let options = &call.account.options;
    for input in &body.inputs {
        check_input(input, batch, options.null_value)?;
    }
    let traced = is_traced(&body.inputs)?;
    let (heads, properties): (Vec<_>, Vec<_>) = body
        .inputs
        .into_iter()
        .map(|input| {
            (
                (input.id, input.id_property, input.object_write_trace_id),
                input.properties,
            )
        })
        .unzip();

    let mut guard = call.account.state();
    let State {
        objects,
        blocked,
        rng,
        ..
    } = &mut *guard;
    let Some(store) = objects.get_mut(object) else {
        return Err(ApiError::no_route());
    };

    let mut addresses = Vec::with_capacity(heads.len());
    for (id, id_property, _) in &heads {
        let property = id_property.as_ref().map(|text| text.0.as_ref());
        addresses.push(address(
            store,
            batch,
            id.as_ref().map(|text| text.0.as_ref()),
            property,
        )?);
    }
    let keys = check_duplicates(store, &addresses, options.secondary_email)?;

    let mut planner = Planner::new(store, options, blocked, call.version, keys);
    let mut planned: Vec<(usize, Target, Writes<'_>)> = Vec::with_capacity(heads.len());
    let mut refused: Vec<(usize, Refusal)> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for (position, (address, properties)) in addresses.iter().zip(properties).enumerate() {
        let Some(target) = address.target else {
            missing.push(address.id.to_owned());
            continue;
        };
        match planner.plan(target, address.key, properties) {
            Ok(writes) => planned.push((position, target, writes)),
            Err(refusal) => refused.push((position, refusal)),
        }
    }
    drop(planner);
    let all_refused = planned.is_empty() && missing.is_empty();
    if !refused.is_empty() && (!traced || (all_refused && options.all_failed == AllFailed::BadRequest)) {
        return Err(whole_refusal(refused, options.hub_id));
    }

    let mut errors: Vec<Value> = Vec::new();
    for (position, refusal) in &refused {
        let mut error = refusal.error(options.hub_id);
        error.errors.clear();
        if let Refusal::Exists(id) = refusal {
            error = error.with_context("existingId", vec![id.to_string()]);
        }
        if let Some((_, _, Some(trace))) = heads.get(*position) {
            error = error.with_context("objectWriteTraceId", vec![trace.0.clone().into_owned()]);
        }
        errors.push(error.item());
    }
    if !missing.is_empty() {
        errors.push(not_found(store, missing).item());
    }

    let mut done: Vec<Done> = planned
        .into_iter()
        .map(|(position, target, writes)| apply(store, position, target, writes, call.now))
        .collect();
    if options.shuffle {
        done.shuffle(rng);
    }
    // An answer repeats what was sent, and adds what the vendor sets.
    let mut out = Envelope::begin(call.body.len() + done.len() * 480 + 256, call.now);
    let mut renderer = Renderer::new(store);
    for row in &done {
        let trace_id = match heads.get(row.position) {
            Some((_, _, Some(trace))) if options.echo_trace_ids => Some(trace.0.as_ref()),
            _ => None,
        };
        let beside = Beside {
            new: (batch == Batch::Upsert).then_some(row.new),
            trace_id,
            hub_id: None,
        };
        let shown = if row.new {
            Shown::Created
        } else {
            Shown::Written(&row.written)
        };
        out.row(|out| renderer.record(out, row.slot, shown, beside));
    }
    let success = if batch == Batch::Create {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(out.end(success, &errors, call.now))
}

struct Done {
    position: usize,
    slot: Slot,
    new: bool,
    written: Vec<PropertyId>,
}

fn apply(store: &mut ObjectStore, position: usize, target: Target, writes: Writes<'_>, now: i64) -> Done {
    match target {
        Target::New => {
            let slot = create(store, writes, now);
            Done {
                position,
                slot,
                new: true,
                written: Vec::new(),
            }
        }
        Target::Existing(slot) => {
            store.update(slot, &writes, now);
            let written = writes.iter().map(|(property, _)| *property).collect();
            Done {
                position,
                slot,
                new: false,
                written,
            }
        }
    }
}

/// Adds a record with the values the vendor sets by itself.
pub(super) fn create(store: &mut ObjectStore, mut writes: Writes<'_>, now: i64) -> Slot {
    if let Some(lifecycle) = store.lifecycle
        && !writes.iter().any(|(property, _)| *property == lifecycle)
    {
        writes.push((lifecycle, Cow::Borrowed("lead")));
    }
    store.create(&writes, now)
}

fn check_input(input: &Input<'_>, batch: Batch, null_value: NullValue) -> Result<(), ApiError> {
    if batch != Batch::Create && input.id.is_none() {
        return Err(ApiError::validation("Every input needs an id"));
    }
    if batch == Batch::Upsert && input.id_property.is_none() {
        return Err(ApiError::validation("Every input needs an idProperty"));
    }
    check_properties(&input.properties, null_value)?;
    check_associations(input.associations.as_deref())
}

/// Refuses `null` values, if the account is set so.
pub(super) fn check_properties(properties: &Properties<'_>, null_value: NullValue) -> Result<(), ApiError> {
    if null_value != NullValue::Refuse {
        return Ok(());
    }
    match properties.0.iter().find(|(_, value)| *value == Sent::Null) {
        Some((name, _)) => Err(ApiError::validation(format!(
            "Invalid input JSON: property {name} must be a string, not null"
        ))),
        None => Ok(()),
    }
}

/// The twin holds no associations, and says so rather than losing them.
pub(super) fn check_associations(associations: Option<&[IgnoredAny]>) -> Result<(), ApiError> {
    match associations {
        Some([_, ..]) => Err(ApiError::validation(
            "This twin does not hold associations; send none",
        )),
        _ => Ok(()),
    }
}

/// Whether partial success applies: trace ids on all inputs. Repeated ones are refused.
fn is_traced(inputs: &[Input<'_>]) -> Result<bool, ApiError> {
    let mut seen = HashSet::with_capacity(inputs.len());
    for input in inputs {
        let Some(Text(trace)) = &input.object_write_trace_id else {
            return Ok(false);
        };
        if !seen.insert(trace.as_ref()) {
            return Err(ApiError::validation(
                "objectWriteTraceId must be unique in a batch",
            ));
        }
    }
    Ok(true)
}

/// The answer to a batch that is refused as a whole.
fn whole_refusal(refused: Vec<(usize, Refusal)>, hub_id: u64) -> ApiError {
    let mut bad = Vec::new();
    let mut first = None;
    for (_, refusal) in refused {
        match refusal {
            Refusal::Properties(properties) => bad.extend(properties),
            other => first = first.or(Some(other)),
        }
    }
    match first {
        Some(other) if bad.is_empty() => other.error(hub_id),
        _ => bad_properties(&bad, hub_id),
    }
}

/// The answer of every batch: status, times, results, errors.
pub(super) struct Envelope {
    out: Vec<u8>,
    rows: usize,
}

impl Envelope {
    pub(super) fn begin(capacity: usize, now: i64) -> Self {
        let mut out = Vec::with_capacity(capacity);
        raw(&mut out, "{\"status\":\"COMPLETE\",\"startedAt\":");
        string(&mut out, &iso(now));
        raw(&mut out, ",\"results\":[");
        Self { out, rows: 0 }
    }

    pub(super) fn row(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.rows > 0 {
            raw(&mut self.out, ",");
        }
        self.rows += 1;
        write(&mut self.out);
    }

    /// 207 when there are errors.
    pub(super) fn end(mut self, success: StatusCode, errors: &[Value], now: i64) -> Reply {
        raw(&mut self.out, "]");
        let status = if errors.is_empty() {
            success
        } else {
            raw(
                &mut self.out,
                &format!(",\"numErrors\":{},\"errors\":", errors.len()),
            );
            // Writing into a Vec cannot fail.
            let _ = serde_json::to_writer(&mut self.out, errors);
            StatusCode::MULTI_STATUS
        };
        raw(&mut self.out, ",\"completedAt\":");
        string(&mut self.out, &iso(now));
        raw(&mut self.out, "}");
        Reply {
            status,
            body: self.out,
        }
    }
}
