//! What an answer outside 2xx means for the request as a whole.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use outflow_sdk::destination::RateObservation;
use outflow_sdk::error::LimitScope;
use outflow_sdk::http::HttpResponse;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::Value as Json;

/// How long HubSpot holds the lock behind a 423.
const LOCK: Duration = Duration::from_secs(2);
/// Length of the rolling window behind most 429s.
const WINDOW: Duration = Duration::from_secs(10);

/// HubSpot's id of the exchange, from the headers.
pub(crate) fn correlation(response: &HttpResponse) -> Option<&str> {
    response
        .header("x-hubspot-correlation-id")
        .filter(|id| is_plain(id))
}

/// Whether it looks like an id: it is logged and kept, and a proxy may have put anything there.
fn is_plain(id: &str) -> bool {
    id.len() <= 64
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// HubSpot's id of the exchange, from headers or body.
pub(crate) fn correlation_of(response: &HttpResponse, body: &Json) -> Option<String> {
    let told = || body.get("correlationId")?.as_str().filter(|id| is_plain(id));
    correlation(response).or_else(told).map(str::to_owned)
}

/// What the headers say about the limits.
pub(crate) fn observe(response: &HttpResponse) -> Option<RateObservation> {
    let number = |name: &str| response.header(name)?.trim().parse::<u64>().ok();
    let small = |name: &str| number(name).and_then(|value| u32::try_from(value).ok());
    let window = small("x-hubspot-ratelimit-max").map(|max| {
        let millis = number("x-hubspot-ratelimit-interval-milliseconds");
        (max, millis.map_or(WINDOW, Duration::from_millis))
    });
    let observed = RateObservation {
        window,
        window_remaining: small("x-hubspot-ratelimit-remaining"),
        daily: number("x-hubspot-ratelimit-daily"),
        daily_remaining: number("x-hubspot-ratelimit-daily-remaining"),
    };
    (observed != RateObservation::default()).then_some(observed)
}

/// Classifies an answer that is neither a success nor a refusal of rows. `zone` is the account's time
/// zone, whose midnight resets the daily quota.
pub(crate) fn classify(response: &HttpResponse, zone: Option<&str>, now: Timestamp) -> ConnectorError {
    // Bodies from the edge are HTML; then only the status speaks.
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let after = response.retry_after();
    let (kind, code, message, hint): (_, _, String, Option<String>) = match response.status {
        401 => (
            ErrorKind::Auth,
            "hubspot_unauthorized",
            "HubSpot does not accept the credential".into(),
            Some("create a new service key or token in the account and set it".into()),
        ),
        403 => forbidden(&body),
        404 => (
            ErrorKind::Config,
            "hubspot_not_found",
            "HubSpot does not know this address".into(),
            Some("check base_url and version, and that the object or list still exists".into()),
        ),
        423 => (
            ErrorKind::RateLimited {
                scope: LimitScope::Concurrency,
                after: Some(after.map_or(LOCK, |given| given.max(LOCK))),
            },
            "hubspot_locked",
            "HubSpot has locked the records for a moment because of heavy writing".into(),
            None,
        ),
        429 => limited(response, &body, zone, now),
        477 => (
            ErrorKind::Transient { after },
            "hubspot_migrating",
            "HubSpot is moving the account between data centres".into(),
            Some("it takes up to a day; the run can simply be repeated".into()),
        ),
        // The edge or a gateway gave up waiting: the work behind it may well have been done.
        408 | 504 | 524 => (
            ErrorKind::Ambiguous,
            "hubspot_timeout",
            format!("HubSpot did not answer in time (status {})", response.status),
            None,
        ),
        500..=599 => (
            ErrorKind::Transient { after },
            "hubspot_unavailable",
            format!("HubSpot is unavailable (status {})", response.status),
            Some("see status.hubspot.com; the run can simply be repeated".into()),
        ),
        300..=399 => (
            ErrorKind::Config,
            "hubspot_redirect",
            "base_url answers with a redirect".into(),
            Some("set base_url to the address it leads to".into()),
        ),
        status => (
            ErrorKind::Contract,
            "hubspot_unexpected_status",
            format!("HubSpot answers with status {status}, which this request should never get"),
            None,
        ),
    };
    let mut error =
        ConnectorError::new(kind, code, message).with_correlation(correlation_of(response, &body));
    error.hint = hint;
    error
}

type Verdict = (ErrorKind, &'static str, String, Option<String>);

fn forbidden(body: &Json) -> Verdict {
    let scopes = required_scopes(body);
    if scopes.is_empty() {
        let hint = "give the key or app the scopes of the objects it reads and writes, then try again";
        return (
            ErrorKind::Auth,
            "hubspot_forbidden",
            "the HubSpot credential may not do this".into(),
            Some(hint.into()),
        );
    }
    (
        ErrorKind::Auth,
        "hubspot_missing_scopes",
        "the HubSpot credential lacks a scope".into(),
        Some(format!(
            "add one of these scopes to the key or app: {}",
            scopes.join(", ")
        )),
    )
}

fn required_scopes(body: &Json) -> Vec<&str> {
    let plain = |scope: &&str| {
        scope.len() <= 80
            && scope
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    let errors = body.get("errors").and_then(Json::as_array);
    errors
        .into_iter()
        .flatten()
        .filter_map(|error| error.get("context")?.get("requiredGranularScopes")?.as_array())
        .flatten()
        .filter_map(Json::as_str)
        .filter(plain)
        .collect()
}

fn limited(response: &HttpResponse, body: &Json, zone: Option<&str>, now: Timestamp) -> Verdict {
    let policy = body.get("policyName").and_then(Json::as_str).unwrap_or_default();
    let daily_is_gone = response.header("x-hubspot-ratelimit-daily-remaining") == Some("0");
    let after = response.retry_after();
    let window = |default: Duration| ErrorKind::RateLimited {
        scope: LimitScope::Window,
        after: Some(after.unwrap_or(default)),
    };
    match policy {
        "DAILY" => daily(zone, now),
        "" if daily_is_gone => daily(zone, now),
        "SECONDLY" => (
            window(Duration::from_secs(1)),
            "hubspot_rate_limited",
            "HubSpot's limit of requests per second is reached".into(),
            None,
        ),
        _ => (
            window(WINDOW),
            "hubspot_rate_limited",
            "HubSpot's limit of requests per 10 seconds is reached".into(),
            None,
        ),
    }
}

fn daily(zone: Option<&str>, now: Timestamp) -> Verdict {
    (
        ErrorKind::QuotaExhausted {
            until: zone.and_then(|zone| until_midnight(zone, now)),
        },
        "hubspot_daily_quota",
        "the HubSpot account's requests for today are used up".into(),
        Some(
            "the quota is shared by every app of the account and resets at midnight in its time zone".into(),
        ),
    )
}

/// Time from `now` to the next midnight in `zone` (an IANA name).
fn until_midnight(zone: &str, now: Timestamp) -> Option<Duration> {
    let now = now.to_zoned_datetime(TimeZone::get(zone).ok()?);
    let midnight = now.tomorrow().ok()?.start_of_day().ok()?;
    Duration::try_from(now.duration_until(&midnight)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        HttpResponse {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn kind(status: u16, headers: &[(&str, &str)], body: &Json) -> ErrorKind {
        let now: Timestamp = "2026-11-02T22:30:00Z".parse().unwrap();
        classify(
            &answer(status, headers, &body.to_string()),
            Some("Europe/Berlin"),
            now,
        )
        .kind
    }

    #[test]
    fn the_daily_quota_waits_for_midnight_where_the_account_lives() {
        let body = json!({ "policyName": "DAILY", "errorType": "RATE_LIMIT" });
        // 23:30 in Berlin.
        assert_eq!(
            kind(429, &[], &body),
            ErrorKind::QuotaExhausted {
                until: Some(Duration::from_secs(1_800))
            }
        );
        let now: Timestamp = "2026-11-02T22:30:00Z".parse().unwrap();
        let unknown = classify(&answer(429, &[], &body.to_string()), None, now);
        assert_eq!(unknown.kind, ErrorKind::QuotaExhausted { until: None });
        let header = [("x-hubspot-ratelimit-daily-remaining", "0")];
        assert!(matches!(
            kind(429, &header, &json!({})),
            ErrorKind::QuotaExhausted { .. }
        ));
    }

    #[test]
    fn the_day_clocks_change_still_ends_at_midnight() {
        let now: Timestamp = "2026-10-24T22:00:00Z".parse().unwrap();
        assert_eq!(
            until_midnight("Europe/Berlin", now),
            Some(Duration::from_secs(25 * 3_600))
        );
        assert_eq!(until_midnight("Nowhere/Town", now), None);
    }

    #[test]
    fn a_429_waits_as_long_as_its_policy() {
        let window = |seconds| ErrorKind::RateLimited {
            scope: LimitScope::Window,
            after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(
            kind(429, &[], &json!({ "policyName": "TEN_SECONDLY_ROLLING" })),
            window(10)
        );
        assert_eq!(kind(429, &[], &json!({ "policyName": "SECONDLY" })), window(1));
        assert_eq!(kind(429, &[("retry-after", "3")], &json!({})), window(3));
        assert_eq!(kind(429, &[], &json!("text")), window(10));
    }

    #[test]
    fn a_lock_asks_for_less_concurrency() {
        let locked = |seconds| ErrorKind::RateLimited {
            scope: LimitScope::Concurrency,
            after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(kind(423, &[], &json!({})), locked(2));
        assert_eq!(kind(423, &[("retry-after", "1")], &json!({})), locked(2));
        assert_eq!(kind(423, &[("retry-after", "5")], &json!({})), locked(5));
    }

    #[test]
    fn a_moving_account_says_when_to_come_back() {
        assert_eq!(
            kind(477, &[("retry-after", "3600")], &json!({})),
            ErrorKind::Transient {
                after: Some(Duration::from_secs(3_600))
            }
        );
    }

    #[test]
    fn the_edge_speaks_html_and_is_understood() {
        let now = Timestamp::UNIX_EPOCH;
        for status in [500, 502, 503, 521, 523] {
            let error = classify(&answer(status, &[], "<html>sorry</html>"), None, now);
            assert!(matches!(error.kind, ErrorKind::Transient { .. }), "{status}");
        }
        for status in [408, 504, 524] {
            let error = classify(&answer(status, &[], "<html>timeout</html>"), None, now);
            assert_eq!(error.kind, ErrorKind::Ambiguous, "{status}");
        }
    }

    #[test]
    fn missing_scopes_are_named() {
        let body = json!({ "category": "MISSING_SCOPES", "errors": [
            { "context": { "requiredGranularScopes": ["crm.objects.contacts.write", "odd scope"] } }
        ]});
        let error = classify(&answer(403, &[], &body.to_string()), None, Timestamp::UNIX_EPOCH);
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Auth, "hubspot_missing_scopes")
        );
        let hint = error.hint.unwrap();
        assert!(hint.ends_with(": crm.objects.contacts.write"), "{hint}");
        assert_eq!(kind(403, &[], &json!({})), ErrorKind::Auth);
        assert_eq!(kind(401, &[], &json!({})), ErrorKind::Auth);
    }

    #[test]
    fn other_answers_stop_the_connection() {
        assert_eq!(kind(404, &[], &json!({})), ErrorKind::Config);
        assert_eq!(kind(301, &[], &json!({})), ErrorKind::Config);
        assert_eq!(kind(415, &[], &json!({})), ErrorKind::Contract);
    }

    #[test]
    fn limits_are_read_from_the_headers() {
        let response = answer(
            200,
            &[
                ("x-hubspot-ratelimit-max", "190"),
                ("x-hubspot-ratelimit-remaining", "180"),
                ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
                ("x-hubspot-ratelimit-daily", "625000"),
                ("x-hubspot-ratelimit-daily-remaining", "624000"),
            ],
            "",
        );
        let observed = observe(&response).unwrap();
        assert_eq!(observed.window, Some((190, Duration::from_secs(10))));
        assert_eq!(
            (observed.window_remaining, observed.daily),
            (Some(180), Some(625_000))
        );
        assert_eq!(observed.daily_remaining, Some(624_000));
        assert_eq!(observe(&answer(200, &[], "")), None);
    }

    #[test]
    fn the_correlation_id_is_kept_when_it_is_one() {
        let body = json!({ "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf" });
        let response = answer(500, &[], "");
        assert!(correlation_of(&response, &body).is_some());
        assert_eq!(
            correlation_of(&response, &json!({ "correlationId": "ann@example.com" })),
            None
        );
    }
}
