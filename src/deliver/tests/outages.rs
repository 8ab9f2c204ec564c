//! Delivery policy: an outage is noticed, waited out, and not amplified.

use std::time::Duration;

use outflow_sdk::ErrorKind;
use tokio::time::Instant;

use super::super::{End, Fate};
use super::fake::{Fault, Rules, Twin, transient};
use super::harness::{Trial, unlimited, writes};

#[tokio::test(start_paused = true)]
async fn a_destination_that_stays_down_stops_the_run_and_keeps_the_rows() {
    let twin = Twin::new(Rules::default()).with_faults(|_, _| Fault::Before(transient("twin_500")));
    let ran = Trial::new(twin, unlimited(8), writes(5_000)).run().await.check();
    let End::Stopped(error) = &ran.report.end else {
        panic!("{:?}", ran.report.end)
    };
    assert_eq!(error.code, "destination_down");
    assert_eq!(error.kind, ErrorKind::Transient { after: None });
    assert!(error.message.contains("twin_500"), "{error}");
    assert!(
        ran.took >= Duration::from_secs(300) && ran.took < Duration::from_secs(310),
        "{:?}",
        ran.took
    );
    assert!(
        ran.requests() <= 8 + 5 + 4,
        "an outage is probed, not stormed: {} requests",
        ran.requests()
    );
    assert_eq!(ran.applied(), 0);
    assert_eq!(
        ran.fate(4_999),
        &Fate::Deferred {
            code: "destination_down".into()
        }
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_two_minutes_costs_no_row() {
    let start = Instant::now();
    let down = (Duration::from_secs(5), Duration::from_secs(125));
    let twin = Twin::new(Rules::default()).with_faults(move |seen, _| {
        let at = seen.at - start;
        if at > down.0 && at < down.1 {
            Fault::Before(transient("twin_503"))
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(4), writes(5_000)).run().await.check();
    assert!(matches!(ran.report.end, End::Done), "{:?}", ran.report.end);
    assert_eq!(ran.applied(), 5_000);
    assert!(ran.requests() < 500 + 15, "{} requests", ran.requests());
    assert!(ran.report.limiter_wait > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn an_outage_before_the_run_is_given_its_time_anew() {
    let twin = Twin::new(Rules::default()).with_faults(|_, _| Fault::Before(transient("twin_500")));
    let trial = Trial::new(twin, unlimited(8), writes(100));
    let account = std::sync::Arc::clone(&trial.account);
    trial.run().await.check();
    let mut later = Trial::new(Twin::new(Rules::default()), unlimited(8), writes(100));
    later.account = account;
    let ran = later.run().await.check();
    assert_eq!(ran.applied(), 100, "it probes before it gives up");
}

#[tokio::test(start_paused = true)]
async fn retries_stay_within_the_accounts_budget() {
    // Every other request fails: never five in a row, so the breaker stays closed.
    let mut fails = false;
    let twin = Twin::new(Rules::default()).with_faults(move |_, _| {
        fails = !fails;
        if fails {
            Fault::Before(transient("twin_500"))
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(4), writes(3_000)).run().await.check();
    let first = ran.report.requests - ran.report.retries;
    let allowed = 10.0 + 0.2 * first as f64 + ran.took.as_secs_f64() + 1.0;
    assert!(
        (ran.report.retries as f64) <= allowed,
        "{} retries, {allowed} allowed",
        ran.report.retries
    );
    assert_eq!(
        ran.applied(),
        3_000,
        "beyond the budget retries are paced, not dropped"
    );
}
