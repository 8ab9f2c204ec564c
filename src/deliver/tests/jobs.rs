//! Jobs: accepted now, done later.

use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::destination::Ticket;

use super::super::{End, Failure, Fate};
use super::fake::{Fault, Rules, Told, Twin, of_kind, transient};
use super::harness::{Ran, Trial, unlimited, writes};

fn ticket() -> Ticket {
    Ticket {
        id: "job-1".into(),
        poll_every: Duration::from_secs(5),
        deadline: Duration::from_secs(60),
    }
}

fn jobs(replay_safe: bool) -> Twin {
    let rules = Rules {
        replay_safe,
        ..Rules::default()
    };
    Twin::new(rules).with_faults(|_, _| Fault::Job(ticket()))
}

async fn run(twin: Twin) -> Ran {
    // One place in flight: asking must not wait for a second one.
    Trial::new(twin, unlimited(1), writes(10)).run().await.check()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_asked_about_until_it_is_done() {
    let twin = jobs(true).with_job(|asks| match asks {
        1 => Ok(Told::Running),
        2 => Err(transient("twin_503")),
        3 => Ok(Told::Running),
        _ => Ok(Told::Done),
    });
    let ran = run(twin).await;
    assert_eq!(
        (ran.applied(), ran.report.requests, ran.report.retries),
        (10, 5, 0)
    );
    assert_eq!(
        ran.jobs,
        (1, 0),
        "it was written down, and forgotten with its result"
    );
    assert!(
        ran.took >= Duration::from_secs(40) && ran.took < Duration::from_secs(44),
        "{:?}",
        ran.took
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_leaves_its_rows_in_doubt() {
    let ran = run(jobs(false).with_job(|_| Ok(Told::Running))).await;
    assert_eq!(
        ran.count(|fate| *fate
            == Fate::Held {
                code: "unconfirmed".into()
            }),
        10
    );
    assert!(
        ran.took >= Duration::from_secs(60) && ran.took < Duration::from_secs(62),
        "{:?}",
        ran.took
    );
    assert!(matches!(ran.report.end, End::Done));
    assert_eq!(ran.jobs, (1, 0), "nothing more is to be heard of it");
}

#[tokio::test(start_paused = true)]
async fn a_lost_job_that_may_be_repeated_is_sent_again() {
    let mut sent = 0;
    let twin = Twin::new(Rules::default()).with_faults(move |_, _| {
        sent += 1;
        if sent == 1 {
            Fault::Job(ticket())
        } else {
            Fault::None
        }
    });
    let ran = run(twin.with_job(|_| Ok(Told::Running))).await;
    assert_eq!((ran.applied(), ran.jobs), (10, (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_being_read_at_the_deadline_is_read_to_its_end() {
    let twin = jobs(false).with_job(|asks| match asks {
        1..=4 => Ok(Told::Running),
        5..=12 => Ok(Told::Partly),
        _ => Ok(Told::Done),
    });
    assert_eq!(run(twin).await.applied(), 10);
    let endless = run(jobs(false).with_job(|_| Ok(Told::Partly))).await;
    assert_eq!(endless.applied(), 0, "a result has no more parts than rows");
    assert!(endless.took < Duration::from_secs(130), "{:?}", endless.took);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_fails_just_at_the_deadline_is_asked_once_more() {
    let twin = jobs(false).with_job(|asks| match asks {
        1..=4 => Ok(Told::Running),
        5 => Err(transient("twin_503")),
        _ => Ok(Told::Done),
    });
    assert_eq!(run(twin).await.applied(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_written_down_stops_everything_and_is_not_asked_about() {
    let mut trial = Trial::new(jobs(true), unlimited(1), writes(30));
    trial.ledger_fails_after = Some(0);
    let ran = trial.run().await;
    assert!(
        matches!(&ran.report.end, End::Failed(Failure::Ledger(_))),
        "{:?}",
        ran.report.end
    );
    assert_eq!(ran.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_counts_against_the_requests_an_object_takes_until_it_is_settled() {
    let rules = Rules {
        parallel: 2,
        ..Rules::default()
    };
    let twin = Twin::new(rules).with_faults(|_, _| Fault::Job(ticket()));
    let ran = Trial::new(twin, unlimited(8), writes(60)).run().await.check();
    assert_eq!((ran.applied(), ran.jobs), (60, (6, 0)));
    let (mut open, mut most) = (0i32, 0);
    for seen in &ran.twin.world().seen {
        open += if seen.route == "settle" { -1 } else { 1 };
        most = most.max(open);
    }
    assert_eq!(most, 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_takes_one_request_at_a_time_gets_one() {
    let rules = Rules {
        parallel: 1,
        ..Rules::default()
    };
    let ran = Trial::new(Twin::new(rules), unlimited(8), writes(200))
        .run()
        .await
        .check();
    assert_eq!((ran.applied(), ran.twin.world().most_in_flight), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_fails_while_asking_leaves_the_job_open_and_stops() {
    let ran = run(jobs(true).with_job(|_| Err(of_kind(ErrorKind::Auth, "twin_401")))).await;
    assert_eq!((ran.count(|fate| *fate == Fate::JobOpen), ran.jobs), (10, (1, 1)));
    assert!(matches!(&ran.report.end, End::Stopped(error) if error.kind == ErrorKind::Auth));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_delivery_leaves_its_job_to_the_next() {
    let mut trial = Trial::new(
        jobs(true).with_job(|_| Ok(Told::Running)),
        unlimited(1),
        writes(30),
    );
    trial.cancel_after = Some(Duration::from_secs(12));
    let ran = trial.run().await.check();
    assert_eq!((ran.count(|fate| *fate == Fate::JobOpen), ran.jobs), (10, (1, 1)));
    assert!(matches!(ran.report.end, End::Cancelled));
    assert_eq!(ran.deferred(), 20);
    assert!(ran.took < Duration::from_secs(13), "{:?}", ran.took);
}
