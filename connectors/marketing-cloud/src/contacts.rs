//! Deleting contacts: asked for in so many words, for the people behind rows that leave the model.
//!
//! Marketing Cloud deletes a contact in every business unit and channel of the enterprise, some hours or days after
//! it was asked to, and for good. A row's contact is asked for first and its row deleted then, so that a run that
//! ends between the two asks again.
//!
//! Source: REST reference, `POST /contacts/v1/contacts/actions/delete?type=keys`.

use bytes::Bytes;
use outflow_sdk::destination::{Answer, Encoded, Operation, Outcome, Rejection, Request, Route};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::encode::JSON_TYPE;
use crate::interpret::not_marketing_cloud;
use crate::layout::{Layout, goes_on};
use crate::status;

const PATH: &str = "/contacts/v1/contacts/actions/delete?type=keys";

/// Code of contacts that Marketing Cloud does not delete.
const REFUSED: &str = "contact_delete_refused";

#[derive(Deserialize)]
struct Receipt {
    #[serde(default, rename = "operationInitiated")]
    initiated: Option<bool>,
    #[serde(default, rename = "operationID")]
    operation: Option<Json>,
    #[serde(default, rename = "hasErrors")]
    has_errors: Option<bool>,
}

impl Layout {
    /// One request for the contacts of the first operations.
    pub(crate) fn encode_contacts(&self, route: Route, operations: &[Operation]) -> Encoded {
        let asked = operations.get(..route.max_rows).unwrap_or(operations);
        // The primary key is the contact key and nothing else, or there is no such route.
        let keys: Vec<String> = asked
            .iter()
            .filter_map(|operation| self.target(operation)?.into_iter().next())
            .collect();
        let body = json!({ "values": keys, "DeleteOperationType": "ContactAndAttributes" });
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: PATH.into(),
                content_type: JSON_TYPE,
                body: Bytes::from(body.to_string()),
            },
            taken: asked.len(),
            fields: vec![Vec::new(); asked.len()],
        }
    }
}

/// The answer to a request for so many contacts.
///
/// # Errors
/// What concerns the request as a whole. It says nothing of single contacts, so one that is refused is
/// looked for by halves.
pub(crate) fn asked(operations: &[Operation], response: &HttpResponse) -> Result<Answer, ConnectorError> {
    match response.status {
        200..=299 => {
            let receipt: Option<Receipt> = serde_json::from_slice(&response.body).ok();
            let Some(receipt) = receipt.filter(|receipt| receipt.initiated.is_some()) else {
                return Err(status::unreadable(response));
            };
            if receipt.initiated != Some(true) || receipt.has_errors == Some(true) {
                return refused(operations);
            }
            let id = receipt
                .operation
                .and_then(|id| id.as_u64())
                .map(|id| id.to_string());
            tracing::info!(
                operation = id,
                contacts = operations.len(),
                "Marketing Cloud was asked to delete contacts"
            );
            Ok(answer(operations.iter().map(goes_on).collect(), id))
        }
        400 => {
            let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
            match status::error_code(&body) {
                Some(_) => refused(operations),
                None => Err(not_marketing_cloud()),
            }
        }
        403 => Err(status::classify(response).with_hint(
            "give the installed package the scope list_and_subscribers_write, and enable contact deletion",
        )),
        _ => Err(status::classify(response)),
    }
}

fn refused(operations: &[Operation]) -> Result<Answer, ConnectorError> {
    if operations.len() > 1 {
        return Err(ConnectorError::new(
            ErrorKind::BatchRejected {
                code: REFUSED.into(),
                field: None,
            },
            "marketing_cloud_contacts_refused",
            "Marketing Cloud does not delete the contacts and does not say which of them",
        ));
    }
    let rejection = Rejection {
        code: REFUSED.into(),
        field: None,
        message: "Marketing Cloud does not delete the contact, so its row stays as well".into(),
    };
    Ok(answer(vec![Outcome::Rejected(rejection)], None))
}

fn answer(outcomes: Vec<Outcome>, correlation: Option<String>) -> Answer {
    Answer {
        outcomes,
        observed: None,
        correlation,
    }
}
