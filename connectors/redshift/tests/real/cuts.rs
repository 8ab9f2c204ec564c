//! Whatever ends a read early: an error, and never a short read taken for a whole one.

use futures::StreamExt;
use outflow_sdk::ErrorKind;
use outflow_sdk::source::{Model, ReadEvent, Source};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::cutter::{Cutter, Spoil};
use crate::shared::{cluster, postgres, prepare, read_counted, request, settings, sql, with};

const ROWS: u64 = 200_000;

fn through(cutter: &Cutter) -> Arc<dyn Source> {
    postgres(with(settings(cluster()), json!({"port": cutter.port})))
}

fn many() -> Model {
    Model::Table("shop.many".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_at_any_place_is_an_error() {
    let whole = Cutter::start(cluster().port, vec![Spoil::Nothing]).await;
    let (_, receipt) = read_counted(&through(&whole), many()).await.unwrap();
    assert_eq!((receipt.rows, receipt.complete), (ROWS, true));
    let total = whole.answered();
    assert!(total > 4_000_000, "{total}");
    // From the first rows to the last byte of the answer before the goodbye.
    let last = total - 80;
    let mut places: Vec<u64> = (1..=19).map(|part| last * part / 19).collect();
    places.push(6_000);
    for place in places {
        let cutter = Cutter::start(cluster().port, vec![Spoil::CutAfter(place)]).await;
        let (rows, error) = read_counted(&through(&cutter), many())
            .await
            .err()
            .unwrap_or_else(|| {
                panic!("the connection was cut after {place} of {total} bytes and the read called complete")
            });
        assert_eq!(
            error.kind,
            ErrorKind::Source { transient: true },
            "{place}: {error}"
        );
        assert_eq!(error.code, "connection_lost", "{place}: {error}");
        // At the last place every row has come, and the server's word that it is done has not.
        assert!(
            rows <= ROWS && error.message.contains("nothing of this read is used"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_connection_cut_before_the_first_row_is_tried_again() {
    for place in [0, 30, 700] {
        let cutter = Cutter::start(cluster().port, vec![Spoil::CutAfter(place), Spoil::Nothing]).await;
        let (_, receipt) = read_counted(&through(&cutter), Model::Table("shop.people".into()))
            .await
            .unwrap();
        assert_eq!(receipt.rows, 3, "cut after {place} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_lost_on_the_way_is_noticed() {
    for row in [1, 10_000, 199_999, 100_000] {
        // Rows are counted over the whole connection; looking around took none.
        let cutter = Cutter::start(cluster().port, vec![Spoil::DropRow(row)]).await;
        let (_, error) = read_counted(&through(&cutter), many()).await.unwrap_err();
        assert_eq!(
            (error.code, error.kind.clone()),
            ("unexpected_answer", ErrorKind::Contract),
            "{row}: {error}"
        );
        assert!(error.message.contains("another number of rows"), "{error}");
    }
}

/// Reads some batches, does something to the server, and reads on to the error.
async fn interrupted(
    source: &Arc<dyn Source>,
    batches: usize,
    interrupt: impl FnOnce(),
) -> (u64, outflow_sdk::ConnectorError) {
    let model = sql("select n as id, repeat('x', 200) as pad from generate_series(1, 1000000) n");
    let mut reading = source.read(request(model, &[])).await.unwrap();
    let mut rows = 0;
    let mut interrupt = Some(interrupt);
    let mut seen = 0;
    loop {
        if seen == batches
            && let Some(interrupt) = interrupt.take()
        {
            tokio::task::block_in_place(interrupt);
        }
        match reading.events.next().await {
            Some(Ok(ReadEvent::Batch(batch))) => {
                seen += 1;
                rows += batch.num_rows() as u64;
            }
            Some(Ok(ReadEvent::End(_))) => panic!("interrupted after {batches} batches, and called complete"),
            Some(Err(error)) => return (rows, error),
            None => panic!("the stream just stopped"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_cancelled_or_killed_is_an_error() {
    let source = postgres(with(settings(cluster()), json!({"user": "stranger"})));
    for (function, code) in [
        ("pg_cancel_backend", "query_cancelled"),
        ("pg_terminate_backend", "server_restarting"),
    ] {
        for batches in [0, 1, 2, 5, 20] {
            let (rows, error) = interrupted(&source, batches, || {
                let killed = cluster().sql(&format!(
                    "SELECT count({function}(pid)) FROM pg_stat_activity \
                     WHERE usename = 'stranger' AND state = 'active'"
                ));
                assert_eq!(killed, "1");
            })
            .await;
            assert!(rows < 1_000_000);
            assert!(
                error.code == code || error.code == "connection_lost",
                "{function} after {batches} batches: {} {error}",
                error.code
            );
            assert_eq!(error.kind, ErrorKind::Source { transient: true });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_an_error_and_may_come_back() {
    let mut own = Cluster::start();
    prepare(&own);
    for batches in [0, 1, 10] {
        let source = postgres(settings(&own));
        let (rows, error) = interrupted(&source, batches, || own.kill()).await;
        assert!(rows < 1_000_000);
        assert_eq!(error.kind, ErrorKind::Source { transient: true });
        assert!(
            matches!(error.code, "connection_lost" | "server_restarting"),
            "{} {error}",
            error.code
        );
        let error = source.check().await.unwrap_err();
        assert_eq!(error.code, "unreachable", "{error}");
        own.restart();
        let (_, receipt) = read_counted(&source, Model::Table("shop.people".into()))
            .await
            .unwrap();
        assert_eq!(receipt.rows, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_nobody_wants_any_more_is_cancelled_at_the_server() {
    let running = "SELECT count(*) FROM pg_stat_activity \
                   WHERE application_name = 'outflow/dropped/run-1' AND state = 'active'";
    for text in [
        // Rows without end, and a wait without a row. The first stands in the select list: in FROM the server
        // would write all its rows to disk before it gave one.
        "select generate_series(1, 1000000000000) as id",
        "select n as id, pg_sleep(case n when 10001 then 600 else 0 end) as b from generate_series(1, 20000) n",
    ] {
        let mut asked = request(sql(text), &[]);
        asked.sync = "dropped".into();
        let mut reading = cluster_reader().read(asked).await.unwrap();
        assert!(matches!(
            reading.events.next().await,
            Some(Ok(ReadEvent::Batch(_)))
        ));
        assert_eq!(cluster().sql(running), "1", "{text}");
        drop(reading);
        let patience = Instant::now() + Duration::from_secs(20);
        while cluster().sql(running) != "0" {
            assert!(Instant::now() < patience, "still running: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn cluster_reader() -> Arc<dyn Source> {
    postgres(settings(cluster()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_holds_the_server_back() {
    let source = cluster_reader();
    let model = sql("select n as id, repeat('x', 1000) as pad from generate_series(1, 1000000) n");
    let mut asked = request(model, &[]);
    asked.sync = "patient".into();
    let mut reading = source.read(asked).await.unwrap();
    assert!(matches!(
        reading.events.next().await,
        Some(Ok(ReadEvent::Batch(_)))
    ));
    // The server is stuck in sending: a gigabyte is on its way and nobody takes it.
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE application_name = 'outflow/patient/run-1' AND wait_event = 'ClientWrite'";
    let patience = Instant::now() + Duration::from_secs(20);
    while cluster().sql(waiting) != "1" {
        assert!(Instant::now() < patience, "the server was not held back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
