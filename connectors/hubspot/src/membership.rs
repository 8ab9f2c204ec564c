//! What an answer to a membership request means for every row in it.

use outflow_sdk::destination::{Action, Effect, Operation, Outcome};
use serde_json::Value as Json;

/// One outcome for every operation. Records that were members already, or were none, are in no part
/// of the answer and are as they should be; those in `recordIdsMissing` no longer exist.
pub(crate) fn settle(body: &[u8], operations: &[Operation]) -> Option<Vec<Outcome>> {
    let body: Json = serde_json::from_slice(body).ok()?;
    // The odd spelling of the first is HubSpot's.
    let parts = [
        "recordsIdsAdded",
        "recordIdsAdded",
        "recordIdsRemoved",
        "recordIdsMissing",
    ];
    if !parts
        .iter()
        .any(|part| body.get(part).is_some_and(Json::is_array))
    {
        return body.is_object().then(|| vec![Outcome::InDoubt; operations.len()]);
    }
    let missing = ids(&body, "recordIdsMissing");
    let outcome = |operation: &Operation| {
        let remote = operation.remote.clone();
        if remote
            .as_deref()
            .is_some_and(|id| missing.iter().any(|gone| gone == id))
        {
            return Outcome::StaleRemote;
        }
        let effect = match operation.action {
            Action::Write => Effect::Updated,
            Action::Remove(_) => Effect::Removed,
        };
        Outcome::Applied { effect, remote }
    };
    Some(operations.iter().map(outcome).collect())
}

fn ids(body: &Json, part: &str) -> Vec<String> {
    let text = |id: &Json| match id {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    body.get(part)
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(text)
        .collect()
}
