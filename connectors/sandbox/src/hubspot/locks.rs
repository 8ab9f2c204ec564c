//! Records locked by a write in progress: the vendor answers 423 to another write of the same records.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::account::Account;

#[derive(Deserialize)]
struct Body {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id: Option<String>,
    id_property: Option<String>,
    #[serde(rename = "properties")]
    _properties: Option<IgnoredAny>,
}

/// Locks held for one request; given back when it is over or its client goes away.
pub(super) struct Held<'a> {
    account: &'a Account,
    keys: Vec<String>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.account.state();
        for key in &self.keys {
            state.locked.remove(key);
        }
    }
}

/// Locks the records a batch write names, or `None` if one of them is being written already.
pub(super) fn lock<'a>(account: &'a Account, path: &str, body: &[u8]) -> Option<Held<'a>> {
    let keys = keys(path, body);
    let mut state = account.state();
    let locked: &mut HashSet<String> = &mut state.locked;
    if keys.iter().any(|key| locked.contains(key)) {
        return None;
    }
    locked.extend(keys.iter().cloned());
    drop(state);
    Some(Held { account, keys })
}

/// What a batch write addresses. Bodies that cannot be read lock nothing: they are refused later.
fn keys(path: &str, body: &[u8]) -> Vec<String> {
    let writes = ["/batch/upsert", "/batch/update"]
        .iter()
        .any(|end| path.ends_with(end));
    if !writes {
        return Vec::new();
    }
    let inputs = serde_json::from_slice::<Body>(body)
        .map(|body| body.inputs)
        .unwrap_or_default();
    let mut keys: Vec<String> = inputs
        .into_iter()
        .filter_map(|input| {
            let property = input.id_property.unwrap_or_default();
            Some(format!("{property}={}", input.id?.to_lowercase()))
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
