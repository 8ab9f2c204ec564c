//! What an answer means for the request as a whole.
//!
//! REST errors are JSON with a number (`errorcode`), SOAP errors faults with HTTP status 500, and
//! whatever stands before both answers in HTML. Texts may quote values and are never passed on.

use std::time::Duration;

use outflow_sdk::error::LimitScope;
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::Value as Json;

use crate::soap::{self, Element};

/// How long to stay away when requests are blocked (errorcode 50200): minutes, as its guide says.
const BLOCKED: Duration = Duration::from_secs(300);

/// The number in a JSON error; some answers have it as text.
pub(crate) fn error_code(body: &Json) -> Option<i64> {
    match body.get("errorcode")? {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Whether a SOAP answer says that the token has expired.
pub(crate) fn is_expired(response: &HttpResponse) -> bool {
    response.status == 401 || fault(response).is_some_and(|fault| fault.contains("Token Expired"))
}

/// The text of a SOAP fault.
fn fault(response: &HttpResponse) -> Option<String> {
    let body = soap::body(&response.body)?;
    let fault = body.child("Fault")?;
    let text = fault
        .text_of("faultstring")
        .or_else(|| fault.child("Reason").and_then(|reason| reason.text_of("Text")));
    Some(text.unwrap_or_default().to_owned())
}

/// The message of a SOAP answer, by its element's name.
///
/// # Errors
/// What the answer means when it is another one.
pub(crate) fn message(response: &HttpResponse, name: &str) -> Result<Element, ConnectorError> {
    if !(200..300).contains(&response.status) {
        return Err(classify_soap(response));
    }
    let mut body = soap::body(&response.body).ok_or_else(|| unreadable(response))?;
    let at = body.children.iter().position(|child| child.name == name);
    at.map(|at| body.children.swap_remove(at))
        .ok_or_else(|| unreadable(response))
}

/// Classifies a SOAP answer outside 2xx. Throttling shows as status 500 as well.
pub(crate) fn classify_soap(response: &HttpResponse) -> ConnectorError {
    match fault(response) {
        Some(text) if text.contains("Token Expired") || text.contains("Login Failed") => ConnectorError::new(
            ErrorKind::Auth,
            "marketing_cloud_unauthorized",
            "Marketing Cloud does not accept its own access token",
        )
        .with_hint("check that the installed package is still installed and may use the SOAP API"),
        Some(_) => ConnectorError::new(
            ErrorKind::Transient { after: None },
            "marketing_cloud_fault",
            "Marketing Cloud's SOAP service answers with a fault",
        )
        .with_hint("it does so when it is asked too often; the run can simply be repeated"),
        None => classify(response),
    }
}

/// Classifies a REST answer that is neither a success nor a refusal of rows.
pub(crate) fn classify(response: &HttpResponse) -> ConnectorError {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let (kind, code, message, hint): (_, _, String, Option<&str>) = match response.status {
        401 => (
            ErrorKind::Auth,
            "marketing_cloud_unauthorized",
            "Marketing Cloud does not accept its own access token".into(),
            Some("check that the installed package is still installed and enabled"),
        ),
        403 => (
            ErrorKind::Auth,
            "marketing_cloud_forbidden",
            "the installed package may not do this".into(),
            Some(
                "give it the scopes data_extensions_read and data_extensions_write, for journeys also list_and_subscribers_read",
            ),
        ),
        429 => (
            throttled(response, &body),
            "marketing_cloud_throttled",
            "Marketing Cloud turns requests away for a while".into(),
            Some("everything that uses the tenant shares its rate; lower `limits:`"),
        ),
        413 => (
            ErrorKind::BatchRejected {
                code: "too_large".into(),
                field: None,
            },
            "marketing_cloud_too_large",
            "the request is too large for Marketing Cloud".into(),
            None,
        ),
        404 => (
            ErrorKind::Config,
            "marketing_cloud_not_found",
            "Marketing Cloud does not know this address or object".into(),
            Some("check base_url, and that the data extension still exists in this business unit"),
        ),
        // A gateway gave up waiting: the work behind it may well have been done.
        408 | 504 | 524 => (
            ErrorKind::Ambiguous,
            "marketing_cloud_timeout",
            format!(
                "Marketing Cloud did not answer in time (status {})",
                response.status
            ),
            None,
        ),
        500..=599 => (
            ErrorKind::Transient {
                after: response.retry_after(),
            },
            "marketing_cloud_unavailable",
            format!("Marketing Cloud is unavailable (status {})", response.status),
            Some("see status.salesforce.com; the run can simply be repeated"),
        ),
        300..=399 => (
            ErrorKind::Config,
            "marketing_cloud_redirect",
            "Marketing Cloud's address answers with a redirect".into(),
            Some("set base_url to the address it leads to"),
        ),
        status => (
            ErrorKind::Contract,
            "marketing_cloud_unexpected_status",
            format!("Marketing Cloud answers with status {status}, which this request should never get"),
            None,
        ),
    };
    let mut error = ConnectorError::new(kind, code, message);
    error.hint = hint.map(str::to_owned);
    error
}

fn throttled(response: &HttpResponse, body: &Json) -> ErrorKind {
    let told = body.get("retryAfter").and_then(Json::as_u64);
    let told = told.map(|seconds| Duration::from_secs(seconds.min(86_400)));
    let after = response.retry_after().max(told);
    let is_blocked = error_code(body) == Some(50_200);
    ErrorKind::RateLimited {
        scope: LimitScope::Window,
        after: if is_blocked {
            after.max(Some(BLOCKED))
        } else {
            after
        },
    }
}

/// An answer 2xx that cannot be read: the request may have been applied.
pub(crate) fn unreadable(response: &HttpResponse) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Ambiguous,
        "marketing_cloud_unreadable_answer",
        format!(
            "Marketing Cloud's answer (status {}) is cut short or not what its documentation says",
            response.status
        ),
    )
}

#[cfg(test)]
mod tests {
    use outflow_sdk::conformance::script::answer;

    use super::*;

    const EXPIRED: &str = "<soap:Envelope xmlns:soap='x'><soap:Body><soap:Fault><faultcode>q0:Security</faultcode>\
        <faultstring>Token Expired</faultstring></soap:Fault></soap:Body></soap:Envelope>";

    #[test]
    fn both_forms_of_429_say_how_long_to_stay_away() {
        let after = |body: &'static str| match classify(&answer(429, body)).kind {
            ErrorKind::RateLimited { after, .. } => after.map(|after| after.as_secs()),
            other => unreachable!("{other:?}"),
        };
        assert_eq!(after(r#"{"errorcode":50100,"retryAfter":5}"#), Some(5));
        assert_eq!(after(r#"{"errorcode":50200}"#), Some(300));
        assert_eq!(after(r#"{"errorcode":"50200","retryAfter":900}"#), Some(900));
        assert_eq!(after("<html>"), None);
    }

    #[test]
    fn soap_faults_are_told_apart() {
        assert!(is_expired(&answer(500, EXPIRED)));
        assert_eq!(classify_soap(&answer(500, EXPIRED)).kind, ErrorKind::Auth);
        let other = EXPIRED.replace("Token Expired", "Too many requests of ann@example.com");
        let error = classify_soap(&answer(500, other));
        assert!(matches!(error.kind, ErrorKind::Transient { .. }));
        assert!(!format!("{error:?}").contains("ann@"));
        assert!(matches!(
            classify_soap(&answer(502, "<html>")).kind,
            ErrorKind::Transient { .. }
        ));
    }

    #[test]
    fn answers_to_nothing_in_particular_are_classified() {
        for (status, expected) in [
            (413, "marketing_cloud_too_large"),
            (404, "marketing_cloud_not_found"),
            (302, "marketing_cloud_redirect"),
            (504, "marketing_cloud_timeout"),
            (418, "marketing_cloud_unexpected_status"),
        ] {
            assert_eq!(classify(&answer(status, "<html>")).code, expected);
        }
    }
}
