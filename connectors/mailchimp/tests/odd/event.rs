//! An event is never sent twice: whatever may have arrived is in doubt, not an outage.

use outflow_sdk::http::ExchangeError;

use crate::{cut, event, odd_answers, problem, raw};

odd_answers! {
    an_event_that_arrived: event(raw(204, "")) => "created";
    an_event_of_nobody: event(problem(404, "Resource Not Found", "The requested resource could not be found."))
        => "rejected unknown_member";
    an_event_refused: event(problem(400, "Invalid Resource", "ann@x.test: not valid")) => "rejected invalid_event";
    an_event_and_a_page: event(raw(200, "<html>Log in</html>")) => "ambiguous: mailchimp_unreadable_answer";
    an_event_and_a_member: event(raw(200, r#"{"id":"1"}"#)) => "ambiguous: mailchimp_unreadable_answer";
    an_event_and_an_internal_error: event(problem(500, "Internal Server Error", ""))
        => "ambiguous: mailchimp_unavailable";
    an_event_and_a_bad_gateway: event(raw(502, "<html>")) => "ambiguous: mailchimp_unavailable";
    an_event_and_a_gateway_that_gave_up: event(raw(504, "")) => "ambiguous: mailchimp_timeout";
    an_event_cut_after_it_was_sent: event(cut("connection reset by peer")) => "ambiguous: no_answer";
    an_event_without_an_answer_in_time: event(cut("timed out")) => "ambiguous: no_answer";
    an_event_that_never_left:
        event(Err(ExchangeError::Unreachable { host: "script".into(), reason: "connection refused".into() }))
        => "outage: unreachable";
    an_event_throttled: event(problem(429, "Too Many Requests", "")) => "throttled: mailchimp_rate_limited";
    an_event_throttled_by_a_page: event(raw(403, "<html>")) => "throttled: mailchimp_throttled";
    an_event_and_a_404_that_is_not_mailchimps: event(raw(404, "<html>")) => "config: mailchimp_not_found";
    an_event_and_a_400_that_is_not_mailchimps: event(raw(400, "<html>"))
        => "contract: mailchimp_unexpected_answer";
}
