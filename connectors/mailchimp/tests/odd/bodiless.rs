//! Answers that are no answer of the API: throttling, outages, proxies, connections that break.

use outflow_sdk::http::ExchangeError;

use crate::{Given, batch, cut, odd_answers, problem, raw};

const PAGE: &str = "<html><body>Request Blocked. Reference Number: 18.9</body></html>";
const TRUNCATED: &str = r#"{"new_members":[{"id":"62eeb292278cc15f5817cb78f7790b08","email_address":"ann@"#;
const LIMIT: &str = "You have exceeded the limit of 10 simultaneous connections.";

fn with(given: Given, name: &str, value: &str) -> Given {
    given.map(|mut answer| {
        answer.headers.push((name.into(), value.into()));
        answer
    })
}

fn unreachable() -> Given {
    Err(ExchangeError::Unreachable {
        host: "script".into(),
        reason: "connection refused".into(),
    })
}

odd_answers! {
    too_many_connections_without_retry_after:
        batch(problem(429, "Too Many Requests", LIMIT)) => "throttled: mailchimp_rate_limited";
    too_many_connections_with_retry_after:
        batch(with(problem(429, "Too Many Requests", LIMIT), "retry-after", "7"))
        => "throttled for 7 s: mailchimp_rate_limited";
    a_retry_after_that_is_a_date:
        batch(with(raw(429, ""), "retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"))
        => "throttled: mailchimp_rate_limited";
    a_retry_after_of_years:
        batch(with(raw(429, ""), "retry-after", "99999999999")) => "throttled for 86400 s: mailchimp_rate_limited";
    throttled_with_a_page: batch(raw(429, PAGE)) => "throttled: mailchimp_rate_limited";
    throttled_with_nothing: batch(raw(429, "")) => "throttled: mailchimp_rate_limited";
    forbidden_with_a_page_is_throttling: batch(raw(403, PAGE)) => "throttled: mailchimp_throttled";
    forbidden_with_nothing_is_throttling: batch(raw(403, "")) => "throttled: mailchimp_throttled";
    forbidden_by_mailchimp_is_about_rights:
        batch(problem(403, "Forbidden", "You are not permitted to access this resource."))
        => "auth: mailchimp_forbidden";
    an_account_that_is_disabled:
        batch(problem(403, "User Disabled", "This account has been disabled.")) => "auth: mailchimp_disabled";
    a_key_that_was_revoked: batch(problem(401, "API Key Invalid", "")) => "auth: mailchimp_unauthorized";
    a_call_disabled_for_compliance:
        batch(problem(503, "Compliance Related", "This method has been disabled.")) => "auth: mailchimp_compliance";
    blocked_by_the_firewall: batch(raw(503, PAGE)) => "outage: mailchimp_unavailable";
    an_internal_error: batch(problem(500, "Internal Server Error", "")) => "outage: mailchimp_unavailable";
    a_bad_gateway: batch(raw(502, PAGE)) => "outage: mailchimp_unavailable";
    a_gateway_that_gave_up_waiting: batch(raw(504, PAGE)) => "ambiguous: mailchimp_timeout";
    a_timeout_of_the_edge: batch(raw(524, "")) => "ambiguous: mailchimp_timeout";
    json_cut_in_the_middle: batch(raw(200, TRUNCATED)) => "ambiguous: mailchimp_unreadable_answer";
    a_200_with_nothing: batch(raw(200, "")) => "ambiguous: mailchimp_unreadable_answer";
    a_200_with_a_page: batch(raw(200, PAGE)) => "ambiguous: mailchimp_unreadable_answer";
    a_200_with_a_number: batch(raw(200, "200")) => "ambiguous: mailchimp_unreadable_answer";
    a_200_whose_arrays_are_none: batch(raw(200, r#"{"new_members":{}}"#)) => "ambiguous: mailchimp_unreadable_answer";
    a_204_where_an_answer_was_due: batch(raw(204, "")) => "ambiguous: mailchimp_unreadable_answer";
    a_400_with_a_page: batch(raw(400, PAGE)) => "contract: mailchimp_unexpected_answer";
    a_404_with_a_page: batch(raw(404, PAGE)) => "config: mailchimp_not_found";
    a_redirect: batch(raw(302, "")) => "config: mailchimp_redirect";
    plain_http: batch(problem(426, "Upgrade Required", "")) => "config: mailchimp_https";
    a_status_nobody_knows: batch(raw(299, PAGE)) => "ambiguous: mailchimp_unreadable_answer";
    a_connection_cut_after_the_request: batch(cut("connection reset by peer")) => "ambiguous: no_answer";
    a_connection_cut_in_the_answer: batch(cut("end of file before message length reached")) => "ambiguous: no_answer";
    no_answer_in_time: batch(cut("timed out")) => "ambiguous: no_answer";
    no_connection_at_all: batch(unreachable()) => "outage: unreachable";
}
