//! Jobs that an earlier delivery left open.

use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::destination::{Limits, Outcome, Ticket};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::{Account, End, JobResult, OpenJob, Policy, Slowest, VirtualClock, resume};
use super::fake::{Rules, Told, Twin, of_kind, transient};
use super::harness::{EVENING, unlimited, writes};

struct Left {
    twin: Twin,
    limits: Limits,
    time_left: Duration,
    cancel_after: Option<Duration>,
}

struct Heard {
    result: JobResult,
    requests: u64,
    slowest: Slowest,
    took: Duration,
}

impl Left {
    fn new(twin: Twin) -> Self {
        Self {
            twin,
            limits: unlimited(1),
            time_left: Duration::from_secs(600),
            cancel_after: None,
        }
    }

    fn overdue(twin: Twin) -> Self {
        Self {
            time_left: Duration::ZERO,
            ..Self::new(twin)
        }
    }

    async fn resume(self) -> Heard {
        let account = Account::new(self.limits, Arc::new(VirtualClock::starting_at(EVENING)), 42);
        let ticket = Ticket {
            id: "job-1".into(),
            poll_every: Duration::from_secs(5),
            deadline: Duration::from_secs(600),
        };
        let job = OpenJob {
            ticket,
            operations: writes(10),
            time_left: self.time_left,
        };
        let (cancel, stop) = watch::channel(false);
        if let Some(after) = self.cancel_after {
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                cancel.send_replace(true);
            });
        }
        let start = Instant::now();
        let resumed = resume(&self.twin, &account, &job, Policy::default(), stop, &()).await;
        Heard {
            result: resumed.result,
            requests: resumed.requests,
            slowest: resumed.slowest,
            took: start.elapsed(),
        }
    }
}

fn twin(job: impl FnMut(u32) -> Result<Told, outflow_sdk::ConnectorError> + Send + 'static) -> Twin {
    Twin::new(Rules::default()).with_job(job)
}

fn done(asks: u32, after: u32) -> Told {
    if asks > after { Told::Done } else { Told::Running }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_done_by_now_is_heard_of_at_once() {
    for left in [
        Left::new(twin(|_| Ok(Told::Done))),
        Left::overdue(twin(|_| Ok(Told::Done))),
    ] {
        let heard = left.resume().await;
        let JobResult::Answered(answer) = &heard.result else {
            panic!("{:?}", heard.result)
        };
        assert_eq!((answer.outcomes.len(), heard.requests), (10, 1));
        let slowest = &heard.slowest.requests()[0];
        assert_eq!((slowest.route, slowest.rows), ("job_result", 10));
        assert_eq!(slowest.correlation.as_deref(), Some("job-1"));
        assert!(heard.took < Duration::from_secs(1), "{:?}", heard.took);
    }
}

#[tokio::test(start_paused = true)]
async fn rows_are_told_apart_by_their_place() {
    let rules = Rules {
        bad: [3].into(),
        ..Rules::default()
    };
    let heard = Left::new(Twin::new(rules)).resume().await;
    let JobResult::Answered(answer) = &heard.result else {
        panic!("{:?}", heard.result)
    };
    let refused = |(_, outcome): &(usize, &Outcome)| matches!(outcome, Outcome::Rejected(_));
    let refused: Vec<usize> = answer
        .outcomes
        .iter()
        .enumerate()
        .filter(refused)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(refused, [3]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_still_runs_is_asked_about_ever_more_slowly_until_it_is_lost() {
    let heard = Left::new(twin(|_| Ok(Told::Running))).resume().await;
    assert!(matches!(heard.result, JobResult::Lost), "{:?}", heard.result);
    assert!(heard.took >= Duration::from_secs(600) && heard.took < Duration::from_secs(602));
    assert!((15..30).contains(&heard.requests), "{} requests", heard.requests);
    let late = Left::overdue(twin(|_| Ok(Told::Running))).resume().await;
    assert!(matches!(late.result, JobResult::Lost), "{:?}", late.result);
    assert_eq!(late.requests, 1, "asked once, and no longer waited for");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_fails_for_a_moment_does_not_lose_an_overdue_job() {
    let shaky = twin(|asks| {
        if asks < 4 {
            Err(transient("twin_503"))
        } else {
            Ok(Told::Done)
        }
    });
    let heard = Left::overdue(shaky).resume().await;
    assert!(
        matches!(heard.result, JobResult::Answered(_)),
        "{:?}",
        heard.result
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_stays_open_when_the_destination_is_down() {
    let heard = Left::overdue(twin(|_| Err(transient("twin_503")))).resume().await;
    let JobResult::Open(End::Stopped(error)) = &heard.result else {
        panic!("{:?}", heard.result)
    };
    assert_eq!(error.code, "destination_down");
}

#[tokio::test(start_paused = true)]
async fn a_job_stays_open_when_it_cannot_be_asked_about() {
    let denied = Left::new(twin(|_| Err(of_kind(ErrorKind::Auth, "twin_401"))))
        .resume()
        .await;
    assert!(
        matches!(&denied.result, JobResult::Open(End::Stopped(error)) if error.code == "twin_401"),
        "{:?}",
        denied.result
    );
    let until = Some(Duration::from_secs(3_600));
    let quota = move |_| Err(of_kind(ErrorKind::QuotaExhausted { until }, "twin_daily"));
    let out_of_quota = Left::new(twin(quota)).resume().await;
    assert!(
        matches!(&out_of_quota.result, JobResult::Open(End::Deferred { until: at }) if *at == until),
        "{:?}",
        out_of_quota.result
    );
    let mut asked_to_stop = Left::new(twin(|_| Ok(Told::Running)));
    asked_to_stop.cancel_after = Some(Duration::from_secs(7));
    let stopped = asked_to_stop.resume().await;
    assert!(
        matches!(&stopped.result, JobResult::Open(End::Cancelled)),
        "{:?}",
        stopped.result
    );
    assert!(stopped.took < Duration::from_secs(8), "{:?}", stopped.took);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_refused_as_a_whole_applied_nothing() {
    let kind = ErrorKind::BatchRejected {
        code: "bad_batch".into(),
        field: None,
    };
    let heard = Left::new(twin(move |_| Err(of_kind(kind.clone(), "twin_400"))))
        .resume()
        .await;
    assert!(
        matches!(&heard.result, JobResult::Refused(error) if error.code == "twin_400"),
        "{:?}",
        heard.result
    );
}

#[tokio::test(start_paused = true)]
async fn a_result_that_forgets_a_row_acknowledges_none_and_does_not_stand_in_the_way_for_ever() {
    let heard = Left::new(twin(|_| Ok(Told::Short))).resume().await;
    assert!(
        matches!(&heard.result, JobResult::Open(End::Stopped(error)) if error.code == "outcomes_do_not_match"),
        "{:?}",
        heard.result
    );
    let late = Left::overdue(twin(|_| Ok(Told::Short))).resume().await;
    assert!(matches!(late.result, JobResult::Lost), "{:?}", late.result);
    let odd = |_| Err(of_kind(ErrorKind::Contract, "twin_odd"));
    assert!(matches!(
        Left::new(twin(odd)).resume().await.result,
        JobResult::Open(_)
    ));
    assert!(matches!(
        Left::overdue(twin(odd)).resume().await.result,
        JobResult::Lost
    ));
}

#[tokio::test(start_paused = true)]
async fn asks_take_their_slots_in_the_accounts_window() {
    let mut left = Left::new(twin(|asks| Ok(done(asks, 3))));
    left.limits.window = Some((1, Duration::from_secs(100)));
    let heard = left.resume().await;
    assert!(
        matches!(heard.result, JobResult::Answered(_)),
        "{:?}",
        heard.result
    );
    assert_eq!(heard.requests, 4);
    assert!(heard.took >= Duration::from_secs(300), "{:?}", heard.took);
}
