//! A connection that is cut at any place, once or for good: never a short read taken for a whole one.

use futures::future::join_all;
use outflow_sdk::ErrorKind;

use crate::account::{Options, What};
use crate::shared::{MANY, account, assert_many, read_counted, source, table};

const PLACES: i64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_at_any_place_is_an_error() {
    join_all([true, false].map(cut_everywhere)).await;
}

async fn cut_everywhere(arrow: bool) {
    let options = Options {
        arrow,
        file_rows: 600,
        polls: 1,
        ..Options::default()
    };
    let whole = account(options.clone()).await;
    let (batches, receipt) = read_counted(&source(&whole), table("shop.many")).await.unwrap();
    assert_many(&batches, &receipt);
    // Behind the last file's last byte come these: statistics of the query, and the session's end.
    let total = whole.account.answered() - 400;
    let reads = (0..PLACES).map(|place| {
        let options = options.clone();
        async move {
            let bytes = total * place / PLACES + 1;
            let running = account(options).await;
            running.account.cut_after(bytes);
            let (rows, error) = read_counted(&source(&running), table("shop.many"))
                .await
                .err()
                .unwrap_or_else(|| panic!("cut after {bytes} of {total} bytes, and called complete"));
            assert!(rows < MANY, "{bytes}");
            assert_eq!(
                error.kind,
                ErrorKind::Source { transient: true },
                "{bytes}: {error}"
            );
            assert!(
                matches!(error.code, "connection_lost" | "unreachable" | "result_lost"),
                "{bytes}: {} {error}",
                error.code
            );
        }
    });
    join_all(reads).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_once_costs_nothing() {
    let reads = ["/login-request", "/query-request", "/result", "/files/"]
        .into_iter()
        .flat_map(|path| {
            [0, 60, 150, 400].map(|bytes| async move {
                let running = account(Options {
                    polls: 1,
                    ..Options::default()
                })
                .await;
                running.account.fault(path, 0, 1, What::Cut(bytes));
                let (batches, receipt) = read_counted(&source(&running), table("shop.many"))
                    .await
                    .unwrap_or_else(|(_, error)| panic!("{path} cut after {bytes} bytes: {error}"));
                assert_many(&batches, &receipt);
            })
        });
    join_all(reads).await;
}
