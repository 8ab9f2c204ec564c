//! Limits: the rolling window per token, the account's day, searches per second, headers.

use std::time::Duration;

use serde_json::json;

use super::{Bench, CONTACTS};
use crate::hubspot::{Fault, FaultKind, Options, Rate, Token};

const SEARCH: &str = "/crm/objects/2026-03/contacts/search";

fn rate(requests: u32, daily: Option<u64>) -> Rate {
    Rate {
        requests,
        per: Duration::from_secs(10),
        daily,
        search_per_second: 5,
    }
}

async fn bench(rate: Rate) -> Bench {
    let tokens = vec![Token::new("pat-na1-sandbox"), Token::new("pat-na1-second")];
    Bench::with(Options {
        rate: Some(rate),
        tokens,
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn the_window_rolls_and_is_each_tokens_own() {
    let mut bench = bench(rate(3, Some(1000))).await;
    for left in ["2", "1", "0"] {
        let got = bench.get(CONTACTS).await;
        assert_eq!(
            (got.status, got.header("x-hubspot-ratelimit-remaining")),
            (200, Some(left))
        );
        assert_eq!(got.header("x-hubspot-ratelimit-max"), Some("3"));
        assert_eq!(
            got.header("x-hubspot-ratelimit-interval-milliseconds"),
            Some("10000")
        );
        assert_eq!(got.header("x-hubspot-ratelimit-daily"), Some("1000"));
        bench.twin.advance_clock(Duration::from_secs(3));
    }
    let got = bench.get(CONTACTS).await;
    assert_eq!(got.status, 429);
    assert_eq!(got.header("retry-after"), None);
    assert_eq!(got.header("x-hubspot-ratelimit-daily-remaining"), Some("997"));
    assert_eq!(
        got.body["message"],
        "You have reached your ten_secondly_rolling limit."
    );
    assert_eq!(got.body["policyName"], "TEN_SECONDLY_ROLLING");
    assert_eq!(got.body["errorType"], "RATE_LIMIT");
    assert!(got.body["requestId"].is_string() && got.body["correlationId"].is_string());
    assert!(got.body.get("category").is_none());
    bench.token = "pat-na1-second".into();
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    bench.token = "pat-na1-sandbox".into();
    // Ten seconds after the first request there is room for one, not for three.
    bench.twin.advance_clock(Duration::from_millis(1500));
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    assert_eq!(bench.get(CONTACTS).await.status, 429);
}

#[tokio::test]
async fn the_day_belongs_to_the_account_and_ends_at_its_midnight() {
    let mut options = Options {
        rate: Some(rate(100, Some(2))),
        time_zone: "Pacific/Auckland".into(),
        ..Options::default()
    };
    options.tokens.push(Token::new("pat-na1-second"));
    let mut bench = Bench::with(options).await;
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    bench.token = "pat-na1-second".into();
    let got = bench.get(CONTACTS).await;
    assert_eq!(
        (got.status, got.header("x-hubspot-ratelimit-daily-remaining")),
        (200, Some("0"))
    );
    for got in [bench.get(CONTACTS).await, bench.post(SEARCH, json!({})).await] {
        assert_eq!((got.status, &got.body["policyName"]), (429, &json!("DAILY")));
        assert_eq!(got.body["message"], "You have reached your daily limit.");
    }
    let now = jiff::Timestamp::now().in_tz("Pacific/Auckland").unwrap();
    let midnight = now.tomorrow().unwrap().start_of_day().unwrap();
    let left = midnight.timestamp().as_millisecond() - now.timestamp().as_millisecond();
    let left = Duration::from_millis(u64::try_from(left).unwrap());
    if left > Duration::from_secs(60) {
        bench.twin.advance_clock(left - Duration::from_secs(30));
        assert_eq!(bench.get(CONTACTS).await.status, 429);
    }
    bench.twin.advance_clock(Duration::from_secs(60));
    assert_eq!(bench.get(CONTACTS).await.status, 200);
}

#[tokio::test]
async fn searches_have_a_limit_of_their_own_and_no_headers() {
    let bench = bench(rate(1, Some(1000))).await;
    for _ in 0..5 {
        let got = bench.post(SEARCH, json!({})).await;
        assert_eq!((got.status, got.header("x-hubspot-ratelimit-max")), (200, None));
    }
    let got = bench.post(SEARCH, json!({})).await;
    assert_eq!((got.status, &got.body["policyName"]), (429, &json!("SECONDLY")));
    assert_eq!(got.body["message"], "You have reached your secondly limit.");
    assert_eq!(got.header("x-hubspot-ratelimit-max"), None);
    // The window of one request is untouched, the day counts all.
    let got = bench.get(CONTACTS).await;
    assert_eq!(
        (got.status, got.header("x-hubspot-ratelimit-daily-remaining")),
        (200, Some("994"))
    );
    bench.twin.advance_clock(Duration::from_secs(1));
    assert_eq!(bench.post(SEARCH, json!({})).await.status, 200);
}

#[tokio::test]
async fn an_oauth_token_sees_no_daily_headers() {
    let mut bench = bench(rate(10, Some(1000))).await;
    let body = "grant_type=refresh_token&client_id=sandbox-client&client_secret=sandbox-secret&refresh_token=na1-sandbox-refresh";
    let request = bench
        .client
        .post(format!("{}/oauth/v1/token", bench.twin.base_url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    bench.token = bench.send(request).await.body["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let got = bench.get(CONTACTS).await;
    assert_eq!(got.header("x-hubspot-ratelimit-remaining"), Some("9"));
    assert_eq!(got.header("x-hubspot-ratelimit-daily"), None);
}

#[tokio::test]
async fn without_limits_there_are_no_headers() {
    let got = Bench::new().await.get(CONTACTS).await;
    assert_eq!(got.header("x-hubspot-ratelimit-max"), None);
}

#[tokio::test]
async fn most_requests_in_flight_are_counted() {
    let bench = Bench::new().await;
    bench.twin.inject(
        Fault::next(FaultKind::Latency {
            time: Duration::from_secs(600),
        })
        .times(3),
    );
    let slow: Vec<_> = (0..3)
        .map(|_| tokio::spawn(bench.request("GET", CONTACTS).send()))
        .collect();
    bench.until(|twin| twin.in_flight() == 3).await;
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    bench.until(|twin| twin.in_flight() == 0).await;
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    assert_eq!((bench.twin.most_in_flight(), bench.twin.request_count()), (3, 4));
}
