//! Promise 1 when a delivery ends early: nothing is lost, and the ledger balances.

use std::time::Duration;

use outflow_sdk::ErrorKind;

use super::super::{End, Failure, Fate};
use super::fake::{Fault, Rules, Twin, of_kind, transient};
use super::harness::{Trial, unlimited, writes};

#[tokio::test(start_paused = true)]
async fn a_credential_that_fails_stops_everything_and_loses_nothing() {
    for kind in [
        ErrorKind::Auth,
        ErrorKind::Config,
        ErrorKind::Contract,
        ErrorKind::Internal,
    ] {
        let mut count = 0;
        let twin = Twin::new(Rules::default()).with_faults({
            let kind = kind.clone();
            move |_, _| {
                count += 1;
                if count >= 5 {
                    Fault::Before(of_kind(kind.clone(), "twin_401"))
                } else {
                    Fault::None
                }
            }
        });
        let ran = Trial::new(twin, unlimited(4), writes(5_000)).run().await.check();
        assert!(
            matches!(&ran.report.end, End::Stopped(error) if error.kind == kind && error.code == "twin_401")
        );
        assert_eq!(ran.applied() + ran.deferred(), 5_000);
        assert_eq!(
            ran.fate(4_999),
            &Fate::Deferred {
                code: "twin_401".into()
            }
        );
        assert!(ran.requests() <= 4 + 4, "{} requests", ran.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_delivery_lets_requests_in_flight_settle() {
    let mut trial = Trial::new(Twin::new(Rules::default()), unlimited(4), writes(5_000));
    trial.cancel_after = Some(Duration::from_secs(3));
    let ran = trial.run().await.check();
    assert!(matches!(ran.report.end, End::Cancelled));
    let written = ran.twin.world().records.len();
    assert_eq!(ran.applied(), written, "what was applied is written down");
    assert_eq!(ran.deferred(), 5_000 - written);
    assert!(
        written > 100 && ran.took < Duration::from_millis(3_401),
        "{written} in {:?}",
        ran.took
    );
}

#[tokio::test(start_paused = true)]
async fn a_delivery_cancelled_during_an_outage_does_not_wait_for_it() {
    let twin = Twin::new(Rules::default()).with_faults(|_, _| Fault::Before(transient("twin_500")));
    let mut trial = Trial::new(twin, unlimited(4), writes(500));
    trial.cancel_after = Some(Duration::from_secs(20));
    let ran = trial.run().await.check();
    assert!(matches!(ran.report.end, End::Cancelled));
    assert_eq!(ran.deferred(), 500);
    assert!(ran.took < Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_fails_stops_the_sending() {
    let mut trial = Trial::new(Twin::new(Rules::default()), unlimited(4), writes(5_000));
    trial.ledger_fails_after = Some(100);
    let ran = trial.run().await;
    let End::Failed(failure @ Failure::Ledger(_)) = &ran.report.end else {
        panic!("{:?}", ran.report.end)
    };
    assert!(failure.to_string().contains("the disk is full"), "{failure}");
    assert!(ran.requests() <= 10 + 8, "{} requests", ran.requests());
    let written = ran.twin.world().records.len();
    assert!(
        written - ran.applied() <= 10 * 8,
        "at most what was in flight is sent again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_ledger_has_written() {
    let mut trial = Trial::new(Twin::new(Rules::default()), unlimited(1), writes(40));
    trial.ledger_takes = Duration::from_secs(5);
    let ran = trial.run().await.check();
    let world = ran.twin.world();
    let apart = world
        .seen
        .windows(2)
        .all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(5));
    assert!(apart, "acknowledged means on disk before the next request");
}

#[tokio::test(start_paused = true)]
async fn a_few_requests_are_ready_before_there_is_a_place_for_them_and_wait_for_it() {
    let mut trial = Trial::new(Twin::new(Rules::default()), unlimited(1), writes(200));
    trial.cancel_after = Some(Duration::from_secs(2));
    let ran = trial.run().await.check();
    let world = ran.twin.world();
    assert_eq!(world.most_in_flight, 1);
    let ahead: Vec<usize> = (1..)
        .zip(&world.seen)
        .map(|(at, seen)| seen.encoded - at)
        .collect();
    assert!(ahead.iter().all(|ahead| *ahead == 3), "{ahead:?}");
    let (sent, never_sent) = (world.seen.len() * 10, 200 - world.seen.len() * 10);
    drop(world);
    assert_eq!((ran.applied(), ran.deferred()), (sent, never_sent));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_breaks_stops_the_run_with_the_reason() {
    let mut trial = Trial::new(Twin::new(Rules::default()), unlimited(4), writes(1_000));
    trial.feed_fails = true;
    let ran = trial.run().await.check();
    let End::Failed(failure @ Failure::Feed(_)) = &ran.report.end else {
        panic!("{:?}", ran.report.end)
    };
    assert!(failure.to_string().contains("the disk is gone"), "{failure}");
    assert_eq!(ran.applied() + ran.deferred(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_loses_no_row() {
    let mut count = 0;
    let twin = Twin::new(Rules::default()).with_faults(move |_, _| {
        count += 1;
        if count == 3 { Fault::Panic } else { Fault::None }
    });
    let ran = Trial::new(twin, unlimited(1), writes(100)).run().await.check();
    assert!(matches!(&ran.report.end, End::Stopped(error) if error.code == "connector_panicked"));
    assert_eq!((ran.applied(), ran.deferred()), (20, 80));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_forgets_a_row_acknowledges_none() {
    let twin = Twin::new(Rules::default()).with_faults(|_, _| Fault::Short);
    let ran = Trial::new(twin, unlimited(1), writes(30)).run().await.check();
    assert!(matches!(&ran.report.end, End::Stopped(error) if error.code == "outcomes_do_not_match"));
    assert_eq!((ran.applied(), ran.deferred()), (0, 30));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_held_when_its_answer_is_not_understood() {
    for kind in [ErrorKind::Contract, ErrorKind::Internal] {
        let rules = Rules {
            replay_safe: false,
            ..Rules::default()
        };
        let odd = kind.clone();
        let twin = Twin::new(rules).with_faults(move |_, _| Fault::After(of_kind(odd.clone(), "twin_odd")));
        let ran = Trial::new(twin, unlimited(1), writes(30)).run().await.check();
        let held = Fate::Held {
            code: "twin_odd".into(),
        };
        assert_eq!((ran.count(|fate| *fate == held), ran.deferred()), (10, 20));
        assert!(matches!(&ran.report.end, End::Stopped(error) if error.kind == kind));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do_is_done_at_once() {
    let ran = Trial::new(Twin::new(Rules::default()), unlimited(1), Vec::new())
        .run()
        .await
        .check();
    assert!(matches!(ran.report.end, End::Done));
    assert_eq!((ran.requests(), ran.took), (0, Duration::ZERO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_several_threads_and_in_real_time_it_is_the_same() {
    let rules = Rules {
        latency_ms: (0, 2),
        bad: [17, 1_234].into(),
        atomic: true,
        ..Rules::default()
    };
    let ran = Trial::new(Twin::new(rules), unlimited(8), writes(5_000))
        .run()
        .await
        .check();
    assert!(matches!(ran.report.end, End::Done));
    assert_eq!(ran.applied(), 4_998);
}
