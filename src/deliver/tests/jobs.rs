//! Jobs: accepted now, done later.

use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::destination::Ticket;

use super::super::{End, Fate};
use super::fake::{Fault, Rules, Twin, of_kind, transient};
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
        1 => Ok(None),
        2 => Err(transient("twin_503")),
        3 => Ok(None),
        _ => Ok(Some(())),
    });
    let ran = run(twin).await;
    assert_eq!(
        (ran.applied(), ran.report.requests, ran.report.retries),
        (10, 5, 0)
    );
    assert!(
        ran.took >= Duration::from_secs(40) && ran.took < Duration::from_secs(44),
        "{:?}",
        ran.took
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_leaves_its_rows_in_doubt() {
    let ran = run(jobs(false).with_job(|_| Ok(None))).await;
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
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_fails_while_asking_holds_the_rows_and_stops() {
    let ran = run(jobs(true).with_job(|_| Err(of_kind(ErrorKind::Auth, "twin_401")))).await;
    assert_eq!(
        ran.count(|fate| *fate
            == Fate::Held {
                code: "twin_401".into()
            }),
        10
    );
    assert!(matches!(&ran.report.end, End::Stopped(error) if error.kind == ErrorKind::Auth));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_delivery_does_not_wait_for_its_job() {
    let mut trial = Trial::new(jobs(true).with_job(|_| Ok(None)), unlimited(1), writes(30));
    trial.cancel_after = Some(Duration::from_secs(12));
    let ran = trial.run().await.check();
    assert_eq!(
        ran.count(|fate| *fate
            == Fate::Held {
                code: "job_unfinished".into()
            }),
        10
    );
    assert_eq!(ran.deferred(), 20);
    assert!(ran.took < Duration::from_secs(13), "{:?}", ran.took);
}
