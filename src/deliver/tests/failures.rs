//! Promises 1, 6 and 7: requests that fail as a whole.

use std::time::Duration;

use outflow_sdk::ErrorKind;

use super::super::{End, Fate};
use super::fake::{Fault, Rules, Twin, ambiguous, of_kind, transient};
use super::harness::{Trial, unlimited, writes};

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_sent_again_with_the_same_bytes() {
    let mut first = true;
    let twin = Twin::new(Rules::default()).with_faults(move |_, _| {
        let kind = ErrorKind::Transient {
            after: Some(Duration::from_secs(5)),
        };
        if std::mem::take(&mut first) {
            Fault::Before(of_kind(kind, "twin_503"))
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(1), writes(10)).run().await.check();
    assert_eq!(
        (ran.applied(), ran.report.requests, ran.report.retries),
        (10, 2, 1)
    );
    let world = ran.twin.world();
    assert_eq!(world.seen[0].body, world.seen[1].body);
    assert!(
        world.seen[1].at - world.seen[0].at >= Duration::from_secs(5),
        "the wait asked for is a floor"
    );
}

#[tokio::test(start_paused = true)]
async fn six_attempts_then_its_rows_are_left_to_the_next_run() {
    // Rows 0 to 9 are in a request that always fails; the others keep the breaker closed.
    let twin = Twin::new(Rules::default()).with_faults(|seen, _| {
        if seen.rows[0] == 0 {
            Fault::Before(transient("twin_500"))
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(2), writes(3_000)).run().await.check();
    assert_eq!(
        ran.count(|fate| *fate
            == Fate::Exhausted {
                code: "twin_500".into()
            }),
        10
    );
    assert_eq!(ran.applied(), 2_990);
    let tried = ran
        .twin
        .world()
        .seen
        .iter()
        .filter(|seen| seen.rows[0] == 0)
        .count();
    assert_eq!(tried, 6);
    assert!(
        matches!(ran.report.end, End::Done),
        "one bad request does not stop the run"
    );
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_answer_is_repeated_when_that_is_safe() {
    let mut first = true;
    let twin = Twin::new(Rules::default()).with_faults(move |_, _| {
        if std::mem::take(&mut first) {
            Fault::After(ambiguous())
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(1), writes(10)).run().await.check();
    assert_eq!((ran.applied(), ran.report.retries), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_answer_holds_the_rows_when_it_is_not() {
    let rules = Rules {
        replay_safe: false,
        ..Rules::default()
    };
    let mut first = true;
    let twin = Twin::new(rules).with_faults(move |_, _| {
        if std::mem::take(&mut first) {
            Fault::After(ambiguous())
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(1), writes(20)).run().await.check();
    assert_eq!(
        ran.count(|fate| *fate
            == Fate::Held {
                code: "timed_out".into()
            }),
        10
    );
    assert_eq!((ran.applied(), ran.report.requests), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn a_look_up_is_repeated_even_where_writes_are_not() {
    let rules = Rules {
        replay_safe: false,
        looks_up: true,
        ..Rules::default()
    };
    let mut first = true;
    let twin = Twin::new(rules).with_faults(move |_, _| {
        if std::mem::take(&mut first) {
            Fault::After(ambiguous())
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(1), writes(10)).run().await.check();
    assert_eq!((ran.applied(), ran.report.requests), (10, 3));
}

#[tokio::test(start_paused = true)]
async fn repeated_to_no_avail_it_is_held_not_called_failed() {
    let twin = Twin::new(Rules::default()).with_faults(|seen, _| {
        if seen.rows[0] == 0 {
            Fault::After(ambiguous())
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(2), writes(3_000)).run().await.check();
    assert_eq!(
        ran.count(|fate| *fate
            == Fate::Held {
                code: "timed_out".into()
            }),
        10
    );
    assert_eq!(ran.applied(), 2_990);
}
