//! Queries that take longer than a request, and reads that nobody wants any more.

use std::time::{Duration, Instant};

use futures::StreamExt;
use outflow_sdk::source::ReadEvent;

use crate::account::{Options, Running, What};
use crate::shared::{account, assert_many, read_counted, refused, request, source, sql, table};

#[tokio::test]
async fn a_query_that_runs_on_is_asked_for_until_it_ends() {
    let running = account(Options {
        polls: 4,
        ..Options::default()
    })
    .await;
    let (batches, receipt) = read_counted(&source(&running), table("shop.many")).await.unwrap();
    assert_many(&batches, &receipt);
    let polls = running.account.asked("/result");
    assert_eq!(polls.len(), 4);
    assert_eq!(receipt.query_id.as_deref(), Some("01b2-2"));
    assert_eq!(receipt.bytes_scanned, Some(4_096));
}

#[tokio::test]
async fn a_request_sent_twice_runs_one_query() {
    let running = account(Options::default()).await;
    // Described, then run: the answer to the run is lost, and its repetition meets a busy server.
    running.account.fault("/query-request", 1, 1, What::Cut(100));
    running.account.fault("/query-request", 2, 1, What::Html(503));
    let (batches, receipt) = read_counted(&source(&running), table("shop.many")).await.unwrap();
    assert_many(&batches, &receipt);
    let runs: Vec<_> = running
        .account
        .asked("/query-request")
        .into_iter()
        .filter(|asked| asked.json()["describeOnly"] == false)
        .collect();
    assert_eq!(runs.len(), 3);
    let id = |at: usize| runs[at].parameter("requestId").unwrap();
    assert_eq!((id(0), id(1)), (id(1), id(2)));
    assert_eq!(runs[2].parameter("retryCount").as_deref(), Some("2"));
    assert_eq!(receipt.query_id.as_deref(), Some("01b2-2"), "one query was run");
}

/// Waits until it holds, for ten seconds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn run_id(running: &Running) -> Option<String> {
    let runs = running.account.asked("/query-request");
    let run = runs.iter().find(|asked| asked.json()["describeOnly"] == false)?;
    run.parameter("requestId")
}

#[tokio::test]
async fn a_query_nobody_waits_for_is_aborted_and_its_session_ended() {
    let running = account(Options {
        polls: usize::MAX,
        ..Options::default()
    })
    .await;
    let source = source(&running);
    let reading =
        tokio::spawn(async move { source.read(request(table("shop.many"), &[])).await.map(|_| ()) });
    eventually("the query never ran", || {
        !running.account.asked("/result").is_empty()
    })
    .await;
    reading.abort();
    eventually("the query was not aborted", || {
        running.account.aborted() == [run_id(&running).unwrap()]
    })
    .await;
    eventually("the session was not ended", || {
        running.account.open_sessions() == 0
    })
    .await;
}

#[tokio::test]
async fn a_result_nobody_reads_is_left_where_it_is() {
    let running = account(Options {
        file_rows: 100,
        ..Options::default()
    })
    .await;
    let mut reading = source(&running)
        .read(request(table("shop.many"), &[]))
        .await
        .unwrap();
    assert!(matches!(
        reading.events.next().await,
        Some(Ok(ReadEvent::Batch(_)))
    ));
    tokio::time::sleep(Duration::from_millis(300)).await;
    // A reader that waits holds the rest back: two batches, a part, and what is fetched ahead.
    let fetched = running.account.asked("/files/").len();
    assert!(fetched <= 10, "{fetched} of 100 files were fetched ahead");
    drop(reading);
    eventually("the session was not ended", || {
        running.account.open_sessions() == 0
    })
    .await;
    assert!(running.account.aborted().is_empty(), "the query had ended");
}

#[tokio::test]
async fn every_session_is_ended_whatever_it_was_for() {
    let running = account(Options::default()).await;
    let source = source(&running);
    source.check().await.unwrap();
    source.describe(&table("shop.people")).await.unwrap();
    read_counted(&source, table("shop.people")).await.unwrap();
    refused(&source, sql("select emial from people")).await;
    eventually("a session was left open", || running.account.open_sessions() == 0).await;
    assert_eq!(running.account.asked("/session?").len(), 4);
}
