//! What an answer means for every row in its request.
//!
//! Refusals are told apart by text, in one place, here. The texts quote values, so none of them is
//! passed on; only names of columns the mapping itself has survive.

use outflow_sdk::destination::{Operation, Outcome, Rejection, Route};
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::Value as Json;

use crate::layout::Layout;
use crate::soap::Element;
use crate::status;
use crate::values::{
    INVALID_BOOL, INVALID_DATE, INVALID_DECIMAL, INVALID_EMAIL, INVALID_LOCALE, INVALID_PHONE, TOO_LONG,
};

/// Code of a row that is refused without a reason we know.
const NO_REASON: &str = "refused";

/// Numbers of requests that are wrong in themselves, whatever their rows hold.
pub(crate) const WRONG_REQUEST: [i64; 3] = [10_001, 10_003, 10_004];

/// A request that is wrong in itself.
pub(crate) fn wrong_request(code: i64) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Contract,
        "marketing_cloud_request",
        format!("Marketing Cloud cannot read the request (errorcode {code})"),
    )
}

/// What a text about one row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowFault {
    /// Something that passes: a deadlock, a timeout.
    Passing(&'static str),
    /// The row itself.
    Row(Rejection),
    /// The data extension: it is not as it was when the sync was bound to it.
    Schema(&'static str),
}

/// Reads a text about one row.
pub(crate) fn row_fault(text: &str, layout: &Layout) -> RowFault {
    let says = |part: &str| text.contains(part);
    let folded = text.to_lowercase();
    if says("Rerun the transaction") || folded.contains("deadlock") {
        return RowFault::Passing("deadlock");
    }
    if folded.contains("timeout expired") || folded.contains("timed out") {
        return RowFault::Passing("row_timeout");
    }
    if says("does not have any primary keys defined") {
        return RowFault::Schema("the data extension has no primary key any more");
    }
    let unknown_column = folded.contains("column not found")
        || folded.contains("invalid column name")
        || (says("Primary key") && says("does not exist"))
        || says("At least one existing field is required");
    if unknown_column {
        return RowFault::Schema("the data extension no longer has a mapped column");
    }
    if folded.contains("data extension") && folded.contains("does not exist") {
        return RowFault::Schema("there is no such data extension any more");
    }
    let field = layout.named_in(text).map(str::to_owned);
    let known = [
        ("maximum length", TOO_LONG.code, TOO_LONG.words),
        ("would be truncated", TOO_LONG.code, TOO_LONG.words),
        ("valid email address", INVALID_EMAIL.code, INVALID_EMAIL.words),
        ("InvalidEmailAddress", INVALID_EMAIL.code, INVALID_EMAIL.words),
        ("valid phone number", INVALID_PHONE.code, INVALID_PHONE.words),
        ("valid locale", INVALID_LOCALE.code, INVALID_LOCALE.words),
        ("valid date", INVALID_DATE.code, INVALID_DATE.words),
        ("valid boolean", INVALID_BOOL.code, INVALID_BOOL.words),
        ("valid number", INVALID_DECIMAL.code, INVALID_DECIMAL.words),
        ("valid decimal", INVALID_DECIMAL.code, INVALID_DECIMAL.words),
        (
            "Cannot insert the value NULL",
            "missing_required",
            "is required by the data extension and is empty",
        ),
        (
            "required field",
            "missing_required",
            "is required by the data extension and is empty",
        ),
        (
            "Violation of PRIMARY KEY",
            "duplicate_key",
            "has another row under the same key",
        ),
    ];
    let found = known.iter().find(|(part, ..)| says(part));
    let subject = field.as_deref().unwrap_or("a column");
    let (code, message) = match found {
        Some((_, code, words)) => (*code, format!("{subject} {words}")),
        None if field.is_some() => (
            "invalid_value",
            format!("{subject} has a value Marketing Cloud refuses"),
        ),
        None => (
            NO_REASON,
            "Marketing Cloud refuses the row and gives no reason we know".to_owned(),
        ),
    };
    RowFault::Row(Rejection {
        code: code.into(),
        field,
        message,
    })
}

impl RowFault {
    /// The outcome of the row.
    ///
    /// # Errors
    /// `Config` when the data extension is not as it was.
    pub(crate) fn outcome(self) -> Result<Outcome, ConnectorError> {
        match self {
            RowFault::Passing(code) => Ok(Outcome::Retry {
                code: code.into(),
                after: None,
            }),
            RowFault::Row(rejection) => Ok(Outcome::Rejected(rejection)),
            RowFault::Schema(message) => Err(schema_changed(message)),
        }
    }
}

/// The data extension is not as it was.
pub(crate) fn schema_changed(message: &str) -> ConnectorError {
    ConnectorError::config("marketing_cloud_schema_changed", message)
        .with_hint("run `outflow check` to see what is missing")
}

/// The answer to a synchronous request.
///
/// # Errors
/// What concerns the request as a whole. Rows before a refused one are stored, rows after it are not,
/// and nothing says which it was: the request is split until each row has an answer of its own.
pub(crate) fn direct(
    layout: &Layout,
    route: Route,
    operations: &[Operation],
    response: &HttpResponse,
) -> Result<Vec<Outcome>, ConnectorError> {
    match response.status {
        200..=299 => {
            let rows: Vec<Json> =
                serde_json::from_slice(&response.body).map_err(|_| status::unreadable(response))?;
            if rows.len() != operations.len() {
                return Err(status::unreadable(response));
            }
            Ok(operations
                .iter()
                .map(|operation| layout.applied(route, operation))
                .collect())
        }
        400 => refused_direct(layout, operations, response),
        _ => Err(status::classify(response)),
    }
}

fn refused_direct(
    layout: &Layout,
    operations: &[Operation],
    response: &HttpResponse,
) -> Result<Vec<Outcome>, ConnectorError> {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let Some(code) = status::error_code(&body) else {
        return Err(not_marketing_cloud());
    };
    let texts: Vec<&str> = body
        .get("additionalErrors")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(|error| error.get("message")?.as_str())
        .collect();
    let main = body.get("message").and_then(Json::as_str).unwrap_or_default();
    if code == 10_006 && texts.is_empty() {
        return Err(ConnectorError::new(
            ErrorKind::Transient { after: None },
            "marketing_cloud_storage",
            "Marketing Cloud could not store the rows just now",
        ));
    }
    if WRONG_REQUEST.contains(&code) {
        return Err(wrong_request(code));
    }
    // Each text may be about another row; the first that names a reason speaks for a row that is alone.
    let faults = || {
        texts
            .iter()
            .copied()
            .chain([main])
            .map(|text| row_fault(text, layout))
    };
    if let Some(RowFault::Schema(message)) = faults().find(|fault| matches!(fault, RowFault::Schema(_))) {
        return Err(schema_changed(message));
    }
    let has_reason =
        |fault: &RowFault| !matches!(fault, RowFault::Row(rejection) if rejection.code == NO_REASON);
    let fault = faults()
        .find(has_reason)
        .unwrap_or_else(|| row_fault(main, layout));
    if operations.len() == 1 {
        return Ok(vec![fault.outcome()?]);
    }
    let (code, field) = match fault {
        RowFault::Row(rejection) => (rejection.code, rejection.field),
        RowFault::Passing(code) | RowFault::Schema(code) => (code.to_owned(), None),
    };
    Err(ConnectorError::new(
        ErrorKind::BatchRejected { code, field },
        "marketing_cloud_rows_refused",
        "Marketing Cloud refuses a row of the request and does not say which",
    ))
}

/// A refusal that is none of Marketing Cloud's.
pub(crate) fn not_marketing_cloud() -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Contract,
        "marketing_cloud_foreign_answer",
        "something that is not Marketing Cloud's API refuses the request",
    )
    .with_hint("check base_url, and for a proxy or firewall on the way")
}

/// The answer to a deletion.
///
/// # Errors
/// What concerns the request as a whole.
pub(crate) fn deleted(
    layout: &Layout,
    route: Route,
    operations: &[Operation],
    response: &HttpResponse,
) -> Result<Vec<Outcome>, ConnectorError> {
    let message = status::message(response, "DeleteResponse")?;
    let mut outcomes: Vec<Option<Outcome>> = vec![None; operations.len()];
    for (order, result) in message.all("Results").enumerate() {
        let at = result
            .text_of("OrdinalID")
            .and_then(|text| text.parse().ok())
            .unwrap_or(order);
        if let (Some(slot), Some(operation)) = (outcomes.get_mut(at), operations.get(at)) {
            *slot = deletion(layout, route, operation, result)?;
        }
    }
    if outcomes.iter().all(Option::is_none) {
        return Err(status::unreadable(response));
    }
    Ok(outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or(Outcome::InDoubt))
        .collect())
}

fn deletion(
    layout: &Layout,
    route: Route,
    operation: &Operation,
    result: &Element,
) -> Result<Option<Outcome>, ConnectorError> {
    let texts = ["StatusMessage", "ErrorMessage"].map(|name| result.text_of(name).unwrap_or_default());
    let folded = texts.join(" ").to_lowercase();
    let is_gone = result.text_of("ErrorCode") == Some("310007")
        || ["row not found", "no matching", "row does not exist"]
            .iter()
            .any(|part| folded.contains(part));
    let refused = || match row_fault(&texts.join(" "), layout) {
        RowFault::Schema(message) => Err(schema_changed(message)),
        _ if is_gone => Ok(layout.applied(route, operation)),
        RowFault::Row(rejection) => Ok(Outcome::Rejected(Rejection {
            code: "delete_refused".into(),
            message: "Marketing Cloud does not delete the row".into(),
            ..rejection
        })),
        passing => passing.outcome(),
    };
    Ok(match result.text_of("StatusCode") {
        Some("OK") => Some(layout.applied(route, operation)),
        Some("Error") => Some(refused()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
