//! Deleting contacts: asked for here, done later, for the whole enterprise and for good.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::server::Asked;

use super::account::Account;
use super::rest::{Reply, plain};
use super::subscribers::SubscriberStatus;

/// Contacts of one request.
const MOST: usize = 1_000_000;

/// `POST /contacts/v1/contacts/actions/delete?type=keys`. Keys nobody has are no error.
pub(super) fn delete(account: &Account, asked: &Asked) -> Reply {
    let by_keys = form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes())
        .any(|(name, value)| name.eq_ignore_ascii_case("type") && value.eq_ignore_ascii_case("keys"));
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let keys = body.get("values").and_then(Value::as_array);
    let keys =
        keys.filter(|keys| (1..=MOST).contains(&keys.len()) && keys.iter().all(Value::is_string) && by_keys);
    let Some(keys) = keys else {
        return plain(
            StatusCode::BAD_REQUEST,
            10_004,
            "The request body is not in the expected format.",
        );
    };
    let mut state = account.state();
    for key in keys.iter().filter_map(Value::as_str) {
        for subscriber in state
            .subscribers
            .iter_mut()
            .filter(|one| one.key.eq_ignore_ascii_case(key))
        {
            subscriber.status = SubscriberStatus::Deleted;
        }
        if !state.deleted_contacts.iter().any(|known| known == key) {
            state.deleted_contacts.push(key.to_owned());
        }
    }
    let id = state.uuid();
    Reply::new(
        StatusCode::OK,
        json!({
            "operationInitiated": true, "operationID": 2_000 + state.deleted_contacts.len(),
            "requestServiceMessageID": id, "hasErrors": false, "resultMessages": [], "serviceMessageID": id,
        }),
    )
}
