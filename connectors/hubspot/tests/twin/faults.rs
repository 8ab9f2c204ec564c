//! What goes wrong between here and HubSpot, and what it is taken for.

use std::time::Duration;

use outflow_sandbox::hubspot::{Fault, FaultKind, Options, Rate, Token};
use outflow_sdk::ErrorKind;
use outflow_sdk::destination::{Destination, Effect, Mode, Sent};
use outflow_sdk::error::LimitScope;
use serde_json::json;

use crate::drive::*;

const FIELDS: &[&str] = &["email", "firstname"];

async fn kind_under(fault: FaultKind) -> (ErrorKind, usize) {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    twin.inject(Fault::next(fault));
    let error = try_deliver(&*binding, vec![write(1, &["ann@example.com", "Ann"])])
        .await
        .unwrap_err();
    assert_eq!(twin.requests().len(), 1, "sent more than once");
    (error.kind, twin.contacts().len())
}

#[tokio::test]
async fn every_fault_is_classified_by_what_may_have_happened() {
    let seconds = Duration::from_secs;
    let locked = ErrorKind::RateLimited {
        scope: LimitScope::Concurrency,
        after: Some(seconds(2)),
    };
    let window = ErrorKind::RateLimited {
        scope: LimitScope::Window,
        after: Some(seconds(10)),
    };
    for (fault, expected, written) in [
        (FaultKind::Locked423, locked, 0),
        (FaultKind::Window429, window, 0),
        (
            FaultKind::Migrating477 { retry_after: 90 },
            ErrorKind::Transient {
                after: Some(seconds(90)),
            },
            0,
        ),
        (
            FaultKind::Html { code: 502 },
            ErrorKind::Transient { after: None },
            0,
        ),
        (FaultKind::Html { code: 524 }, ErrorKind::Ambiguous, 0),
        (FaultKind::CutBefore, ErrorKind::Ambiguous, 0),
        (FaultKind::CutAfter, ErrorKind::Ambiguous, 1),
        (FaultKind::Truncated, ErrorKind::Ambiguous, 1),
    ] {
        let name = fault.name();
        assert_eq!(kind_under(fault).await, (expected, written), "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_the_timeout_is_in_doubt_if_something_was_written() {
    let twin = twin().await;
    let hubspot = hubspot_with(&twin, json!({ "token": "pat-na1-sandbox", "timeout": "500ms" }));
    let binding = hubspot
        .bind(spec("contacts", "email", Mode::Upsert, FIELDS), false)
        .await
        .unwrap();
    let time = Duration::from_secs(20);
    for (fault, written) in [(FaultKind::Latency { time }, 0), (FaultKind::Late { time }, 1)] {
        twin.inject(Fault::next(fault));
        let error = try_deliver(&*binding, vec![write(1, &["ann@example.com", "Ann"])])
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Ambiguous, "no_answer"));
        assert!(error.message.ends_with("timed out"), "{}", error.message);
        assert_eq!(twin.contacts().len(), written);
    }
    // To have asked in vain changes nothing.
    twin.inject(Fault::next(FaultKind::Latency { time }));
    let error = hubspot.describe("contacts").await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Transient { after: None }, "no_answer")
    );
}

#[tokio::test]
async fn the_daily_quota_names_the_time_until_midnight() {
    let (kind, _) = kind_under(FaultKind::Daily429).await;
    let ErrorKind::QuotaExhausted { until: Some(until) } = kind else {
        panic!("{kind:?}");
    };
    assert!(until <= Duration::from_secs(24 * 3_600), "{until:?}");
}

#[tokio::test]
async fn a_success_that_says_nothing_is_in_doubt() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    twin.inject(Fault::next(FaultKind::EmptyOk));
    let ends = deliver(
        &*binding,
        vec![
            write(1, &["ann@example.com", "Ann"]),
            write(2, &["b@example.com", "B"]),
        ],
    )
    .await;
    assert_eq!(ends, [End::InDoubt, End::InDoubt]);
}

#[tokio::test]
async fn sending_again_after_a_lost_answer_makes_no_second_contact() {
    let twin = twin().await;
    for mode in [Mode::Upsert, Mode::Create] {
        let binding = bind(&twin, spec("contacts", "email", mode, FIELDS)).await;
        twin.inject(Fault::next(FaultKind::CutAfter));
        let rows = || vec![write(1, &[&format!("{mode:?}@example.com"), "Ann"])];
        try_deliver(&*binding, rows()).await.unwrap_err();
        let again = deliver(&*binding, rows()).await;
        assert_ne!(again[0].effect(), Effect::Created);
    }
    assert_eq!(twin.contacts().len(), 2);
}

#[tokio::test]
async fn limits_are_observed_from_the_headers() {
    let twin = twin_with(Options {
        rate: Some(Rate::professional()),
        ..Options::default()
    })
    .await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let rows = [write(1, &["ann@example.com", "Ann"])];
    let encoded = binding.encode(binding.route(&rows[0]), &rows);
    let Sent::Settled(answer) = binding.send(&encoded.request, &rows).await.unwrap() else {
        panic!("no jobs here");
    };
    let observed = answer.observed.unwrap();
    assert_eq!(observed.window, Some((190, Duration::from_secs(10))));
    assert_eq!(observed.daily, Some(625_000));
    assert!(observed.window_remaining.unwrap() < 190);
    assert!(answer.correlation.is_some());
}

#[tokio::test]
async fn a_wrong_token_and_a_missing_scope_are_told_apart() {
    let twin = twin().await;
    twin.add_token(&Token::with_scopes(
        "pat-na1-reader",
        ["crm.objects.contacts.read", "crm.schemas.contacts.read"],
    ));
    let wrong = hubspot_with(&twin, json!({ "token": "pat-na1-wrong" }))
        .check()
        .await
        .unwrap_err();
    assert_eq!(
        (wrong.kind, wrong.code),
        (ErrorKind::Auth, "hubspot_unauthorized")
    );
    let reader = hubspot_with(&twin, json!({ "token": "pat-na1-reader" }));
    let binding = reader
        .bind(spec("contacts", "email", Mode::Upsert, FIELDS), false)
        .await
        .unwrap();
    let error = try_deliver(&*binding, vec![write(1, &["ann@example.com", "Ann"])])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Auth, "hubspot_missing_scopes")
    );
    assert!(error.hint.unwrap().contains("crm.objects.contacts.write"));
}

fn oauth(refresh_token: &str) -> serde_json::Value {
    json!({ "oauth": {
        "client_id": "sandbox-client", "client_secret": "sandbox-secret", "refresh_token": refresh_token
    }})
}

#[tokio::test]
async fn oauth_fetches_one_token_for_everybody_and_renews_a_refused_one() {
    let twin = twin().await;
    let hubspot = hubspot_with(&twin, oauth("na1-sandbox-refresh"));
    let (one, other) = tokio::join!(hubspot.describe("contacts"), hubspot.describe("companies"));
    one.unwrap();
    other.unwrap();
    let renewals = || {
        calls(&twin)
            .iter()
            .filter(|call| call.contains("/oauth/"))
            .count()
    };
    assert_eq!(renewals(), 1);
    // Access tokens live half an hour at the twin; ours still looks good here.
    twin.advance_clock(Duration::from_secs(3_600));
    hubspot.describe("contacts").await.unwrap();
    assert_eq!(renewals(), 2);
}

#[tokio::test]
async fn a_dead_grant_says_what_to_do() {
    let twin = twin().await;
    let error = hubspot_with(&twin, oauth("na1-other")).check().await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Auth, "hubspot_oauth_grant"));
    assert!(error.hint.unwrap().contains("install the app"));
    let mut settings = oauth("na1-sandbox-refresh");
    settings["oauth"]["client_secret"] = json!("wrong");
    let error = hubspot_with(&twin, settings).check().await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Auth, "hubspot_oauth_client")
    );
}

#[tokio::test]
async fn a_service_that_is_down_before_anything_was_sent_is_transient() {
    let twin = twin().await;
    let hubspot = hubspot(&twin);
    drop(twin);
    let error = hubspot.check().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transient { .. }), "{error:?}");
}
