//! Promise 10: the account's limits hold over all syncs, with nothing wasted.

use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::destination::Limits;
use outflow_sdk::error::LimitScope;

use super::super::{Account, Accounts, End, Fate, VirtualClock};
use super::fake::{Fault, Rules, Twin, of_kind};
use super::harness::{EVENING, Trial, unlimited, writes};

const TEN: Duration = Duration::from_secs(10);

fn hubspot() -> Limits {
    Limits {
        window: Some((190, TEN)),
        concurrency: 12,
        daily: None,
        reserve_percent: 0,
    }
}

fn windowed(retry_after: Option<Duration>) -> Rules {
    Rules {
        max_rows: 1,
        window: Some((190, TEN)),
        retry_after,
        ..Rules::default()
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_windows_are_used_to_97_percent_without_one_refusal() {
    let requests = 190 * 200;
    let ran = Trial::new(Twin::new(windowed(None)), hubspot(), writes(requests))
        .run()
        .await
        .check();
    assert_eq!(ran.twin.world().throttled, 0);
    assert_eq!(ran.applied() as u64, requests);
    let windows = ran.took.as_secs_f64() / 10.0;
    let used = requests as f64 / (windows * 190.0);
    assert!(used >= 0.97, "used {:.2} % of {windows:.1} windows", used * 100.0);
    assert!(
        ran.report.limiter_wait > ran.took / 3,
        "{:?}",
        ran.report.limiter_wait
    );
}

#[tokio::test(start_paused = true)]
async fn syncs_share_the_accounts_window() {
    let twin = Arc::new(Twin::new(windowed(None)));
    let first = Trial::new(Twin::new(Rules::default()), hubspot(), writes(1_500));
    let mut trials = Vec::new();
    for part in 0..3u64 {
        let operations = writes(1_500)
            .into_iter()
            .skip(part as usize * 500)
            .take(500)
            .collect();
        let mut trial = Trial::new(Twin::new(Rules::default()), hubspot(), operations);
        trial.twin = Arc::clone(&twin);
        trial.account = Arc::clone(&first.account);
        trials.push(tokio::spawn(trial.run()));
    }
    for trial in trials {
        assert!(matches!(trial.await.unwrap().check().report.end, End::Done));
    }
    assert_eq!(twin.world().throttled, 0);
    assert!(twin.world().most_in_flight <= 12, "places are shared, too");
}

#[tokio::test(start_paused = true)]
async fn the_window_survives_a_restart() {
    let twin = Arc::new(Twin::new(windowed(None)));
    let mut before = Trial::new(Twin::new(Rules::default()), hubspot(), writes(190));
    before.twin = Arc::clone(&twin);
    let account = Arc::clone(&before.account);
    before.run().await.check();
    let text = serde_json::to_string(&account.snapshot()).unwrap();

    let operations = writes(380).split_off(190);
    let mut after = Trial::new(Twin::new(Rules::default()), hubspot(), operations);
    after.twin = Arc::clone(&twin);
    let now = EVENING + i64::try_from(tokio::time::Instant::now().elapsed().as_millis()).unwrap();
    let clock = VirtualClock::starting_at(now.max(account.snapshot().answered_ms[189]));
    after.account = Account::new(hubspot(), Arc::new(clock), 1);
    after.account.restore(serde_json::from_str(&text).unwrap());
    let ran = after.run().await.check();
    assert_eq!(twin.world().throttled, 0);
    assert!(
        ran.took > Duration::from_secs(5),
        "it waited for the old requests to leave the window"
    );
}

#[tokio::test(start_paused = true)]
async fn without_limits_nothing_waits() {
    let ran = Trial::new(Twin::new(Rules::default()), unlimited(8), writes(10_000))
        .run()
        .await
        .check();
    assert_eq!(ran.report.limiter_wait, Duration::ZERO);
    assert_eq!((ran.report.requests, ran.report.retries), (1_000, 0));
    assert_eq!(ran.twin.world().most_in_flight, 8, "every place is used");
    // 1,000 requests of 210 ms on average over 8 places.
    assert!(ran.took < Duration::from_secs(28), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn when_others_use_the_account_its_headers_keep_us_from_refusals() {
    let rules = Rules {
        used_by_others: Some(90),
        ..windowed(None)
    };
    let ran = Trial::new(Twin::new(rules), hubspot(), writes(1_000))
        .run()
        .await
        .check();
    assert_eq!(ran.applied(), 1_000);
    assert_eq!(ran.twin.world().throttled, 0);
    assert!(
        ran.took < Duration::from_secs(120),
        "and what they leave is used: {:?}",
        ran.took
    );
}

/// A server whose window is smaller than we think, without headers.
fn smaller(retry_after: Option<Duration>) -> Twin {
    Twin::new(Rules {
        max_rows: 1,
        ..Rules::default()
    })
    .with_faults({
        let mut arrivals: Vec<tokio::time::Instant> = Vec::new();
        move |seen, _| {
            arrivals.retain(|at| *at + TEN > seen.at);
            if arrivals.len() >= 100 {
                let kind = ErrorKind::RateLimited {
                    scope: LimitScope::Window,
                    after: retry_after,
                };
                return Fault::Before(of_kind(kind, "twin_429"));
            }
            arrivals.push(seen.at);
            Fault::None
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_retry_after_is_obeyed_by_the_whole_account() {
    let ran = Trial::new(smaller(Some(TEN)), hubspot(), writes(500))
        .run()
        .await
        .check();
    assert_eq!(ran.applied(), 500, "no row is lost to throttling");
    let world = ran.twin.world();
    let times: Vec<_> = world.seen.iter().map(|seen| seen.at).collect();
    let gaps = times
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > Duration::from_secs(9))
        .count();
    assert!(
        gaps >= 4,
        "nothing goes out for the ten seconds asked for: {gaps} pauses"
    );
    let refused = world.seen.len() - 500;
    assert!(refused <= 12 * 5, "only what was in flight is refused: {refused}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_retry_after_backs_off_further_each_time() {
    let ran = Trial::new(smaller(None), hubspot(), writes(500))
        .run()
        .await
        .check();
    assert_eq!(ran.applied(), 500, "no row is lost to throttling");
    assert!(ran.requests() < 1_000, "{} requests for 500 rows", ran.requests());
}

#[tokio::test(start_paused = true)]
async fn crowding_lowers_the_requests_in_flight() {
    let mut in_flight: Vec<tokio::time::Instant> = Vec::new();
    let rules = Rules {
        max_rows: 1,
        latency_ms: (200, 200),
        ..Rules::default()
    };
    let twin = Twin::new(rules).with_faults(move |seen, _| {
        in_flight.retain(|at| *at + Duration::from_millis(190) > seen.at);
        in_flight.push(seen.at);
        if in_flight.len() > 3 {
            let kind = ErrorKind::RateLimited {
                scope: LimitScope::Concurrency,
                after: Some(Duration::from_secs(2)),
            };
            return Fault::Before(of_kind(kind, "twin_423"));
        }
        Fault::None
    });
    let ran = Trial::new(twin, unlimited(16), writes(1_000)).run().await.check();
    assert_eq!(ran.applied(), 1_000);
    assert!(
        ran.report.retries < 100,
        "{} of 1,000 were refused",
        ran.report.retries
    );
}

#[tokio::test(start_paused = true)]
async fn a_quota_we_count_ourselves_defers_the_rest_and_leaves_the_reserve() {
    let limits = Limits {
        daily: Some(100),
        reserve_percent: 10,
        ..unlimited(4)
    };
    let trial = Trial::new(Twin::new(Rules::default()), limits, writes(2_000));
    let account = Arc::clone(&trial.account);
    assert_eq!(account.quota_remaining(), Some(90));
    let ran = trial.run().await.check();
    assert_eq!(ran.requests(), 90);
    assert_eq!((ran.applied(), ran.deferred()), (900, 1_100));
    let End::Deferred { until: Some(until) } = ran.report.end else {
        panic!("{:?}", ran.report.end)
    };
    assert!(
        until > Duration::from_secs(7_000) && until <= Duration::from_secs(7_200),
        "{until:?} to midnight"
    );
    assert_eq!(account.quota_remaining(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_quota_the_destination_calls_gone_stops_every_sync_of_the_account() {
    let rules = Rules {
        daily: Some(50),
        ..Rules::default()
    };
    let trial = Trial::new(Twin::new(rules), unlimited(4), writes(2_000));
    let account = Arc::clone(&trial.account);
    let ran = trial.run().await.check();
    assert!(matches!(
        ran.report.end,
        End::Deferred { until: Some(_) } | End::Deferred { until: None }
    ));
    assert_eq!((ran.applied(), ran.deferred()), (500, 1_500));
    assert!(
        ran.requests() <= 54,
        "only what was in flight was refused: {}",
        ran.requests()
    );
    assert!(matches!(ran.fate(1_999), Fate::Deferred { .. }));

    let mut other = Trial::new(Twin::new(Rules::default()), unlimited(4), writes(10));
    other.account = account;
    let ran = other.run().await.check();
    assert_eq!((ran.requests(), ran.deferred()), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn a_forecast_is_what_the_limits_hold_back() {
    let account = |limits| Account::new(limits, Arc::new(VirtualClock::starting_at(EVENING)), 1);
    let burst = account(hubspot());
    assert_eq!(burst.forecast(0), Duration::ZERO);
    assert_eq!(burst.forecast(190), Duration::ZERO);
    assert_eq!(burst.forecast(1_900), Duration::from_secs(90));
    assert_eq!(account(unlimited(1)).forecast(1_000_000), Duration::ZERO);
    let daily = account(Limits {
        daily: Some(1_000),
        reserve_percent: 10,
        ..unlimited(1)
    });
    assert_eq!(daily.forecast(900), Duration::ZERO);
    assert_eq!(daily.forecast(901), Duration::from_secs(7_200));
    assert_eq!(daily.forecast(1_801), Duration::from_secs(7_200 + 86_400));
}

#[tokio::test(start_paused = true)]
async fn connections_to_one_account_are_held_to_the_strictest_limits() {
    let accounts = Accounts::new(Arc::new(VirtualClock::starting_at(EVENING)), 1);
    let first = accounts.account("hub-1", &hubspot());
    let same = accounts.account(
        "hub-1",
        &Limits {
            concurrency: 2,
            ..hubspot()
        },
    );
    assert!(Arc::ptr_eq(&first, &same));
    assert_eq!(first.concurrency(), 2);
    assert!(!Arc::ptr_eq(&first, &accounts.account("hub-2", &hubspot())));
}
