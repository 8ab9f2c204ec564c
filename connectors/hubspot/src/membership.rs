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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::op;

    fn operations() -> Vec<Operation> {
        vec![
            op(1, Some("11"), vec![]),
            op(2, Some("22"), vec![]),
            op(3, Some("33"), vec![]),
        ]
    }

    #[test]
    fn members_already_there_count_and_missing_records_are_stale() {
        let body = br#"{"recordsIdsAdded":["11"],"recordIdsRemoved":[],"recordIdsMissing":[33]}"#;
        let outcomes = settle(body, &operations()).unwrap();
        let updated = |id: &str| Outcome::Applied {
            effect: Effect::Updated,
            remote: Some(id.into()),
        };
        assert_eq!(outcomes, [updated("11"), updated("22"), Outcome::StaleRemote]);
    }

    #[test]
    fn an_answer_without_any_part_says_nothing() {
        assert_eq!(settle(b"{}", &operations()).unwrap(), vec![Outcome::InDoubt; 3]);
        assert_eq!(
            settle(b"{\"recordsIdsAdded\":null}", &operations()).unwrap(),
            vec![Outcome::InDoubt; 3]
        );
        for torn in [&b""[..], b"[]", b"null", b"{\"recordsIdsAdded\":[", b"<html>"] {
            assert!(settle(torn, &operations()).is_none());
        }
    }
}
