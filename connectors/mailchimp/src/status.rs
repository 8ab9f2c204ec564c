//! What an answer outside 2xx means for the request as a whole.
//!
//! Mailchimp's own errors are problem documents in JSON. An answer without one comes from something
//! before the API: then 403 and 429 are throttling at high volume, as its documentation says.

use outflow_sdk::error::LimitScope;
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::Value as Json;

/// The title of a problem document; none when the body is no JSON object.
pub(crate) fn title_of(response: &HttpResponse) -> Option<String> {
    let body: Json = serde_json::from_slice(&response.body).ok()?;
    let title = body.as_object()?.get("title").and_then(Json::as_str);
    Some(title.unwrap_or_default().to_owned())
}

/// Whether the answer is Mailchimp's own 404: the member, segment or audience does not exist.
pub(crate) fn is_not_found(response: &HttpResponse) -> bool {
    let titles = ["Resource Not Found", "ResourceNotFound"];
    response.status == 404 && title_of(response).is_some_and(|title| titles.contains(&title.as_str()))
}

/// Whether the answer says that a member cannot be archived because it is no longer active.
pub(crate) fn is_not_allowed(response: &HttpResponse) -> bool {
    let titles = ["Method Not Allowed", "MethodNotAllowed"];
    response.status == 405 && title_of(response).is_some_and(|title| titles.contains(&title.as_str()))
}

/// Mailchimp's id of the exchange, from headers or body.
pub(crate) fn correlation(response: &HttpResponse) -> Option<String> {
    let in_body = || {
        let body: Json = serde_json::from_slice(&response.body).ok()?;
        Some(body.get("instance")?.as_str()?.to_owned())
    };
    let id = response.header("x-request-id").map(str::to_owned);
    let id = match id {
        None if response.status >= 300 => in_body(),
        id => id,
    }?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (id.len() <= 64 && id.bytes().all(plain)).then_some(id)
}

/// Classifies an answer that is neither a success nor a refusal of rows.
pub(crate) fn classify(response: &HttpResponse) -> ConnectorError {
    let title = title_of(response);
    let after = response.retry_after();
    let (kind, code, message, hint): (_, _, String, Option<&str>) = match (response.status, title.as_deref())
    {
        (401, _) => (
            ErrorKind::Auth,
            "mailchimp_unauthorized",
            "Mailchimp does not accept the credential".into(),
            Some("create a new API key in the account (Profile, Extras, API keys) and set it"),
        ),
        (403, Some("Wrong Datacenter" | "WrongDatacenter")) => (
            ErrorKind::Auth,
            "mailchimp_wrong_data_centre",
            "the API key belongs to another Mailchimp data centre".into(),
            Some("copy the key again with what follows its hyphen"),
        ),
        (403, Some("User Disabled" | "UserDisabled")) => (
            ErrorKind::Auth,
            "mailchimp_disabled",
            "the Mailchimp account is disabled".into(),
            Some("log in to Mailchimp to see why"),
        ),
        (403, Some(_)) => (
            ErrorKind::Auth,
            "mailchimp_forbidden",
            "the Mailchimp credential may not do this".into(),
            Some("the key's user must be a manager or admin of the account"),
        ),
        (403, None) => (
            ErrorKind::RateLimited {
                scope: LimitScope::Window,
                after,
            },
            "mailchimp_throttled",
            "Mailchimp turns requests away (status 403 without an error of its own)".into(),
            Some("it does so at high volume; if it goes on, look for a proxy or firewall on the way"),
        ),
        (429, title) => (
            ErrorKind::RateLimited {
                scope: if title.is_some() {
                    LimitScope::Concurrency
                } else {
                    LimitScope::Window
                },
                after,
            },
            "mailchimp_rate_limited",
            "Mailchimp's limit of 10 requests at once is reached".into(),
            Some("it is shared by everything that uses the account; lower `limits: { concurrency }`"),
        ),
        (503, Some("Compliance Related" | "ComplianceRelated")) => (
            ErrorKind::Auth,
            "mailchimp_compliance",
            "Mailchimp has disabled this call for the account for reasons of compliance".into(),
            Some("log in to Mailchimp to see why"),
        ),
        // A gateway gave up waiting: the work behind it may well have been done.
        (408 | 504 | 524, _) => (
            ErrorKind::Ambiguous,
            "mailchimp_timeout",
            format!("Mailchimp did not answer in time (status {})", response.status),
            None,
        ),
        (500..=599, _) => (
            ErrorKind::Transient { after },
            "mailchimp_unavailable",
            format!("Mailchimp is unavailable (status {})", response.status),
            Some("see status.mailchimp.com; the run can simply be repeated"),
        ),
        (404, _) => (
            ErrorKind::Config,
            "mailchimp_not_found",
            "Mailchimp does not know this address".into(),
            Some("check base_url, and that the audience and its segments still exist"),
        ),
        (426, _) => (
            ErrorKind::Config,
            "mailchimp_https",
            "Mailchimp takes requests over HTTPS alone".into(),
            Some("let base_url start with https://"),
        ),
        (300..=399, _) => (
            ErrorKind::Config,
            "mailchimp_redirect",
            "base_url answers with a redirect".into(),
            Some("set base_url to the address it leads to"),
        ),
        (status, _) => (
            ErrorKind::Contract,
            "mailchimp_unexpected_status",
            format!("Mailchimp answers with status {status}, which this request should never get"),
            None,
        ),
    };
    let mut error = ConnectorError::new(kind, code, message).with_correlation(correlation(response));
    error.hint = hint.map(str::to_owned);
    error
}

/// An answer 2xx that cannot be read: the request may have been applied.
pub(crate) fn unreadable(response: &HttpResponse) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Ambiguous,
        "mailchimp_unreadable_answer",
        format!(
            "Mailchimp's answer (status {}) is cut short or not what its documentation says",
            response.status
        ),
    )
    .with_correlation(correlation(response))
}

/// A refusal that is no problem document.
pub(crate) fn not_mailchimp(response: &HttpResponse) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Contract,
        "mailchimp_unexpected_answer",
        format!(
            "something that is not Mailchimp answers with status {}",
            response.status
        ),
    )
    .with_hint("check base_url and any proxy on the way")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use outflow_sdk::conformance::script::answer;

    fn classified(status: u16, body: &str) -> (ErrorKind, &'static str) {
        let error = classify(&answer(status, body.to_owned()));
        (error.kind, error.code)
    }

    fn problem(title: &str) -> String {
        json!({ "title": title, "status": 0, "detail": "ann@example.com" }).to_string()
    }

    #[test]
    fn a_403_is_about_rights_only_when_mailchimp_says_so() {
        for (title, code) in [
            ("Forbidden", "mailchimp_forbidden"),
            ("User Disabled", "mailchimp_disabled"),
            ("Wrong Datacenter", "mailchimp_wrong_data_centre"),
        ] {
            assert_eq!(classified(403, &problem(title)), (ErrorKind::Auth, code));
        }
        for body in ["", "<html>Forbidden</html>", "null"] {
            let (kind, code) = classified(403, body);
            assert!(matches!(kind, ErrorKind::RateLimited { .. }), "{body}");
            assert_eq!(code, "mailchimp_throttled");
        }
    }

    #[test]
    fn too_many_connections_ask_for_fewer() {
        let limited = |scope| ErrorKind::RateLimited { scope, after: None };
        assert_eq!(
            classified(429, &problem("Too Many Requests")).0,
            limited(LimitScope::Concurrency)
        );
        assert_eq!(classified(429, "").0, limited(LimitScope::Window));
        let mut told = answer(429, "");
        told.headers.push(("retry-after".into(), "7".into()));
        assert_eq!(
            classify(&told).kind,
            ErrorKind::RateLimited {
                scope: LimitScope::Window,
                after: Some(std::time::Duration::from_secs(7))
            }
        );
    }

    #[test]
    fn outages_pass_and_gateways_that_gave_up_leave_doubt() {
        for status in [500, 502, 503] {
            for body in ["", "<html>Request Blocked</html>", "{}"] {
                assert!(
                    matches!(classified(status, body).0, ErrorKind::Transient { .. }),
                    "{status}"
                );
            }
        }
        for status in [408, 504, 524] {
            assert_eq!(classified(status, "").0, ErrorKind::Ambiguous);
        }
        assert_eq!(
            classified(503, &problem("Compliance Related")),
            (ErrorKind::Auth, "mailchimp_compliance")
        );
    }

    #[test]
    fn other_answers_stop_the_connection() {
        assert_eq!(classified(401, "").0, ErrorKind::Auth);
        for status in [301, 404, 426] {
            assert_eq!(classified(status, "{}").0, ErrorKind::Config, "{status}");
        }
        for status in [405, 414, 418, 422] {
            assert_eq!(classified(status, "{}").0, ErrorKind::Contract, "{status}");
        }
    }

    #[test]
    fn only_mailchimps_own_404_says_that_a_member_is_gone() {
        assert!(is_not_found(&answer(404, problem("Resource Not Found"))));
        assert!(!is_not_found(&answer(404, "<html>Not Found</html>")));
        assert!(!is_not_found(&answer(404, problem("Not Found"))));
        assert!(!is_not_found(&answer(400, problem("Resource Not Found"))));
    }

    #[test]
    fn the_request_id_is_kept_when_it_is_one() {
        let mut response = answer(200, "{}");
        assert_eq!(correlation(&response), None);
        response
            .headers
            .push(("x-request-id".into(), "14c40d88-9b23".into()));
        assert_eq!(correlation(&response).as_deref(), Some("14c40d88-9b23"));
        let odd = json!({ "instance": "ann@example.com" }).to_string();
        assert_eq!(correlation(&answer(400, odd)), None);
        let good = json!({ "instance": "9a-8b" }).to_string();
        assert_eq!(correlation(&answer(400, good)).as_deref(), Some("9a-8b"));
    }
}
