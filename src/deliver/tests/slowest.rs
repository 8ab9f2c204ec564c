//! What a delivery tells of its slowest requests.

use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::destination::Ticket;

use super::super::SlowRequest;
use super::fake::{Fault, Rules, Told, Twin, of_kind};
use super::harness::{EVENING, Trial, unlimited, writes};

fn steady() -> Rules {
    Rules {
        latency_ms: (100, 100),
        ..Rules::default()
    }
}

fn upsert(rows: usize, sent_after_ms: i64) -> SlowRequest {
    SlowRequest {
        route: "upsert",
        rows,
        took: Duration::from_millis(100),
        sent_ms: EVENING + sent_after_ms,
        again: false,
        code: None,
        correlation: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_timed_to_its_answer_and_its_waits_are_not() {
    let mut first = true;
    let twin = Twin::new(steady()).with_faults(move |_, _| {
        let kind = ErrorKind::Transient {
            after: Some(Duration::from_secs(5)),
        };
        match std::mem::take(&mut first) {
            true => Fault::Before(of_kind(kind, "twin_503").with_correlation(Some("trace-1".into()))),
            false => Fault::None,
        }
    });
    let ran = Trial::new(twin, unlimited(1), writes(7)).run().await.check();
    let [refused, again] = ran.report.slowest.requests() else {
        panic!("{:?}", ran.report.slowest)
    };
    let expected = SlowRequest {
        code: Some("twin_503"),
        correlation: Some("trace-1".into()),
        ..upsert(7, 0)
    };
    assert_eq!(refused, &expected);
    assert!(again.sent_ms >= EVENING + 5_100, "{again:?}");
    let expected = SlowRequest {
        again: true,
        sent_ms: again.sent_ms,
        correlation: Some("exchange-2".into()),
        ..upsert(7, 0)
    };
    assert_eq!(again, &expected);
}

#[tokio::test(start_paused = true)]
async fn of_many_requests_at_once_the_slowest_few_are_told_in_order() {
    let ran = Trial::new(Twin::new(Rules::default()), unlimited(8), writes(2_000))
        .run()
        .await
        .check();
    let times: Vec<Duration> = ran.report.slowest.requests().iter().map(|one| one.took).collect();
    assert_eq!((ran.requests(), times.len()), (200, 5));
    assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
    // Of 200 between 20 and 400 ms, most of them about the middle.
    assert!(times[4] > Duration::from_millis(300), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn asking_for_a_jobs_result_is_a_request_of_its_own() {
    let ticket = || Ticket {
        id: "job-1".into(),
        poll_every: Duration::from_secs(5),
        deadline: Duration::from_secs(60),
    };
    let twin = Twin::new(steady())
        .with_faults(move |_, _| Fault::Job(ticket()))
        .with_job(|_| Ok(Told::Done));
    let ran = Trial::new(twin, unlimited(1), writes(10)).run().await.check();
    let sent = SlowRequest {
        correlation: Some("job-1".into()),
        ..upsert(10, 0)
    };
    let asked = SlowRequest {
        route: "job_result",
        took: Duration::from_millis(50),
        sent_ms: EVENING + 5_100,
        ..sent.clone()
    };
    assert_eq!(ran.report.slowest.requests(), [sent, asked]);
}
