//! Results by the Storage Read API: streams that break are taken up where they broke, and nothing that
//! lacks is taken for the whole.

use std::sync::Arc;

use outflow_sdk::ErrorKind;
use outflow_sdk::source::{Model, Source};
use serde_json::json;

use crate::cutter::Cutter;
use crate::grpc::{Fault, Storage};
use crate::rest::{Data, Rest};
use crate::shared::{credentials, has_each_once, people, read, read_counted, request, source};

const ROWS: usize = 12_000;

/// Both APIs, and a source on them.
async fn both(rows: usize, faults: Vec<Fault>) -> (Rest, Storage, Arc<dyn Source>) {
    let rest = Rest::start(Data::people(rows), |_| None).await;
    let storage = Storage::start(rows, 3, faults).await;
    let own = source(rest.port, json!({"storage_base_url": storage.url()}));
    (rest, storage, own)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_comes_as_arrow_with_the_values_of_rest() {
    let (rest, storage, own) = both(ROWS, Vec::new()).await;
    let (batches, receipt) = read_counted(&own, request(people(), &[])).await.unwrap();
    has_each_once(&batches, ROWS);
    assert_eq!(
        (receipt.rows, receipt.bytes_scanned),
        (ROWS as u64, Some(1_048_576))
    );
    assert_eq!(rest.asked("page").len(), 0);
    assert_eq!(storage.asked().len(), 3);
    let session = &storage.sessions()[0];
    assert_eq!(session.table, "projects/acme/datasets/_anonymous/tables/result");
    // The same by REST alone.
    let by_rest = read(&source(rest.port, json!({})), people()).await.unwrap();
    let sorted = |batches: &[arrow_array::RecordBatch]| {
        let mut rows: Vec<String> = Vec::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let cells = batch
                    .columns()
                    .iter()
                    .map(|column| crate::shared::text(column.as_ref(), row));
                rows.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        rows.sort();
        rows
    };
    assert_eq!(sorted(&batches), sorted(&by_rest));
    assert_eq!(batches[0].schema(), by_rest[0].schema());
}

#[tokio::test]
async fn a_small_result_needs_no_session() {
    let (rest, storage, own) = both(10_000, Vec::new()).await;
    has_each_once(&read(&own, people()).await.unwrap(), 10_000);
    assert_eq!((rest.asked("page").len(), storage.sessions().len()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_read_without_a_query() {
    let mut data = Data::people(ROWS);
    data.table_kind = "TABLE";
    let rest = Rest::start(data, |_| None).await;
    let storage = Storage::start(ROWS, 3, Vec::new()).await;
    let settings = json!({"storage_base_url": storage.url(), "credentials": credentials(rest.port),
        "maximum_bytes_billed": 5_000});
    let own = source(rest.port, settings);
    let asked = request(Model::Table("shop.people".into()), &["NAME", "id"]);
    let (batches, receipt) = read_counted(&own, asked.clone()).await.unwrap();
    has_each_once(&batches, ROWS);
    assert_eq!(batches[0].num_columns(), 2);
    assert_eq!(receipt.bytes_scanned, Some(4_096));
    assert_eq!(
        receipt.query_id.as_deref(),
        Some("projects/acme/locations/eu/sessions/s1")
    );
    assert_eq!((rest.asked("insert").len(), rest.asked("dry_run").len()), (0, 0));
    let session = &storage.sessions()[0];
    assert_eq!(session.table, "projects/acme/datasets/shop/tables/people");
    assert_eq!(
        session.read_options.as_ref().unwrap().selected_fields,
        ["id", "name"]
    );
    assert!(
        storage
            .authorizations()
            .iter()
            .all(|token| token.as_deref() == Some("Bearer token-0"))
    );
    let settings = json!({"storage_base_url": storage.url(), "maximum_bytes_billed": 1_000});
    let (_, error) = read_counted(&source(rest.port, settings), asked)
        .await
        .unwrap_err();
    assert_eq!(error.code, "bytes_billed_limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_the_rows_come_by_rest() {
    for code in [5, 7, 12] {
        let message = "no bigquery.readsessions.create";
        let faults = vec![Fault::Session {
            code,
            message,
            times: 99,
        }];
        let (rest, _storage, own) = both(ROWS, faults).await;
        has_each_once(&read(&own, people()).await.unwrap(), ROWS);
        assert!(rest.asked("page").len() > 1, "{code}");
        assert_eq!(rest.asked("insert").len(), 1, "the query ran once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_break_are_taken_up_where_they_broke() {
    // Unavailable, Internal, Unknown, Cancelled, ResourceExhausted, DeadlineExceeded.
    for code in [14, 13, 2, 1, 8, 4] {
        for after in [0, 1, 7] {
            let faults = vec![Fault::Rows {
                code,
                after,
                times: 2,
            }];
            let (_rest, storage, own) = both(ROWS, faults).await;
            has_each_once(&read(&own, people()).await.unwrap(), ROWS);
            let offset = i64::try_from(after * 500).unwrap();
            let again = storage
                .asked()
                .iter()
                .filter(|rows| rows.offset == offset)
                .count();
            assert!(
                storage.asked().len() == 5 && again >= 2,
                "{code} {after}: {:?}",
                storage.asked()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_end_without_a_word_have_not_ended() {
    let (_rest, storage, own) = both(ROWS, vec![Fault::NoStatus { after: 5, times: 1 }]).await;
    has_each_once(&read(&own, people()).await.unwrap(), ROWS);
    assert_eq!(storage.asked().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_at_any_place_lose_and_repeat_nothing() {
    let rest = Rest::start(Data::people(ROWS), |_| None).await;
    let storage = Storage::start(ROWS, 3, Vec::new()).await;
    let through = |cutter: &Cutter| {
        let url = format!("http://127.0.0.1:{}", cutter.port);
        source(rest.port, json!({"storage_base_url": url}))
    };
    let whole = Cutter::counting(storage.port).await;
    read(&through(&whole), people()).await.unwrap();
    let total = whole.answered();
    assert!(total > 300_000, "{total}");
    for place in (0..20).map(|part| 1 + total * part / 20) {
        let cutter = Cutter::start(storage.port, place, 1).await;
        let batches = read(&through(&cutter), people()).await;
        has_each_once(&batches.unwrap_or_else(|error| panic!("{place}: {error}")), ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stays_broken_is_an_error() {
    let faults = vec![
        Fault::Rows {
            code: 14,
            after: 3,
            times: 1,
        },
        Fault::Rows {
            code: 14,
            after: 0,
            times: 99,
        },
    ];
    let (_rest, _storage, own) = both(ROWS, faults).await;
    let (rows, error) = read_counted(&own, request(people(), &[])).await.unwrap_err();
    assert!(rows < ROWS as u64);
    assert_eq!(
        (error.code, error.kind.clone()),
        ("storage_unavailable", ErrorKind::Source { transient: true })
    );
    assert!(!error.message.contains("ann@example.com"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expired_is_an_error() {
    for code in [5, 9] {
        let (_rest, _storage, own) = both(
            ROWS,
            vec![Fault::Rows {
                code,
                after: 2,
                times: 99,
            }],
        )
        .await;
        let (rows, error) = read_counted(&own, request(people(), &[])).await.unwrap_err();
        assert!(rows < ROWS as u64);
        assert_eq!(error.code, "storage_refused", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_lack_or_lie_are_noticed() {
    for faults in [
        vec![Fault::Short(1)],
        vec![Fault::Short(7)],
        vec![Fault::Lie],
        vec![Fault::Garble],
    ] {
        let shown = format!("{faults:?}");
        let (_rest, _storage, own) = both(ROWS, faults).await;
        let (_, error) = read_counted(&own, request(people(), &[])).await.unwrap_err();
        assert_eq!(
            (error.code, error.kind.clone()),
            ("unexpected_answer", ErrorKind::Contract),
            "{shown}"
        );
        assert!(
            error.message.contains("nothing of this read is used"),
            "{shown}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_renewed() {
    let rest = Rest::start(Data::people(ROWS), |_| None).await;
    let faults = vec![
        Fault::Session {
            code: 16,
            message: "",
            times: 1,
        },
        Fault::Rows {
            code: 16,
            after: 0,
            times: 1,
        },
    ];
    let storage = Storage::start(ROWS, 1, faults).await;
    let settings = json!({"storage_base_url": storage.url(), "credentials": credentials(rest.port)});
    has_each_once(&read(&source(rest.port, settings), people()).await.unwrap(), ROWS);
    let tokens: Vec<String> = storage.authorizations().into_iter().flatten().collect();
    assert_eq!(
        tokens,
        [
            "Bearer token-0",
            "Bearer token-1",
            "Bearer token-1",
            "Bearer token-2"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_tried_again_while_that_may_help() {
    let faults = vec![Fault::Session {
        code: 14,
        message: "later",
        times: 2,
    }];
    let (rest, storage, own) = both(ROWS, faults).await;
    has_each_once(&read(&own, people()).await.unwrap(), ROWS);
    assert_eq!((storage.sessions().len(), rest.asked("page").len()), (3, 0));
}
