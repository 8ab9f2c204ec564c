//! Reads by way of S3: the same values as over the connection, or an error.

mod bucket;
mod cluster;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use futures::StreamExt;
use outflow_sdk::conformance::source::run;
use outflow_sdk::source::{Model, ReadEvent, Source};
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::conformance::fixture;
use crate::cutter::{Cutter, Spoil};
use crate::shared::{cluster as server, read_counted, redshift, request, settings, sql, with};
use bucket::s3;
use cluster::Unloading;

/// Every type that UNLOAD writes to Parquet, with odd values.
const TYPES: &str = "\
SELECT n AS id, (n % 32767)::smallint AS small, n::integer AS whole, n % 1000 * 9007199254740993 AS large, \
  (n * 1.005)::numeric(12,2) AS money, ('-12345678901234567890123456789.123456789')::numeric(38,9) AS exact, \
  (n / 3.0)::real AS narrow, (n / 7.0)::double precision AS wide, n % 2 = 0 AS flag, \
  CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'O''Neil \\\\ \"x\"' WHEN 3 THEN 'Zo' || chr(235) || chr(10) \
    ELSE ' padded ' END::varchar(40) AS words, \
  ('a' || n)::char(9) AS padded, DATE '1970-01-01' + n - 20000 AS born, \
  TIMESTAMP '1969-12-31 23:59:59.999999' + n * INTERVAL '1 hour' AS local, \
  TIMESTAMPTZ '2026-03-29 02:30:00.000001+02' - n * INTERVAL '1 day' AS seen, \
  ('{\"b\": ' || n || ', \"a\": [true, null, 1.50]}')::jsonb AS tags \
FROM generate_series(0, 9999) AS n ORDER BY n";

fn source(port: u16, s3_port: u16, bucket: &str) -> Arc<dyn Source> {
    let unload = json!({
        "to": format!("s3://{bucket}/out"), "iam_role": "default", "region": "eu-west-1",
        "access_key_id": "AKIASECRET", "secret_access_key": "a-secret-key",
        "endpoint": format!("http://127.0.0.1:{s3_port}"),
    });
    redshift(with(settings(server()), json!({"port": port, "unload": unload})))
}

fn new_bucket(name: &str) -> String {
    s3().ask(&json!({"do": "bucket", "bucket": name}));
    name.to_owned()
}

async fn read(source: &Arc<dyn Source>, model: Model) -> Result<(RecordBatch, bool), ConnectorError> {
    let (batches, receipt) = read_counted(source, model).await.map_err(|(_, error)| error)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(receipt.rows, rows as u64);
    let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
    Ok((whole, receipt.complete))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_give_the_same_values_as_the_connection() {
    let proxy = Unloading::start(server(), "").await;
    let bucket = new_bucket("same-values");
    let own = source(proxy.port, s3().port, &bucket);
    let (files, complete) = read(&own, sql(TYPES)).await.unwrap();
    assert!(complete);
    assert_eq!(proxy.unloads(), 1);
    let (rows, _) = read(&redshift(settings(server())), sql(TYPES)).await.unwrap();
    assert_eq!(files.schema(), rows.schema());
    assert_eq!(files.num_rows(), 10_000);
    for (at, field) in rows.schema().fields().iter().enumerate() {
        assert_eq!(files.column(at), rows.column(at), "{}", field.name());
    }
    assert_eq!(s3().keys(&bucket), Vec::<String>::new(), "files stay behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_unload_keeps_every_rule() {
    let proxy = Unloading::start(server(), "").await;
    let bucket = new_bucket("every-rule");
    let violations = run(&fixture(source(proxy.port, s3().port, &bucket))).await;
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(proxy.unloads() > 3, "{}", proxy.unloads());
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_files_cannot_hold_come_over_the_connection() {
    let proxy = Unloading::start(server(), "").await;
    let own = source(proxy.port, s3().port, &new_bucket("over-the-connection"));
    let model = sql("SELECT 1 AS a, TIME '10:00' AS b, '\\x00ff'::bytea AS c");
    let (rows, complete) = read(&own, model).await.unwrap();
    assert!(complete);
    assert_eq!((rows.num_rows(), proxy.unloads()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unload_that_went_wrong_is_an_error_and_leaves_no_files() {
    for (fault, code, words) in [
        (
            "missing file",
            "unload_file_missing",
            "file 2 of 3 of the model's SQL is not there",
        ),
        (
            "truncated file",
            "unload_file_damaged",
            "file 2 of 3 of the model's SQL has",
        ),
        ("damaged end", "unload_file_damaged", "is no whole Parquet file"),
        (
            "other columns",
            "unload_file_damaged",
            "has other columns than the model",
        ),
        (
            "wrong count",
            "unexpected_answer",
            "another number of rows than the statement wrote",
        ),
        (
            "other count",
            "unexpected_answer",
            "another number of rows than the statement wrote",
        ),
        (
            "cut manifest",
            "unexpected_answer",
            "has no sum of rows at its end",
        ),
        (
            "missing manifest",
            "unload_file_missing",
            "the list of files of the model's SQL is not there",
        ),
    ] {
        let proxy = Unloading::start(server(), fault).await;
        let bucket = new_bucket(&fault.replace(' ', "-"));
        let error = read(&source(proxy.port, s3().port, &bucket), sql(TYPES))
            .await
            .unwrap_err();
        assert_eq!(error.code, code, "{fault}: {error}");
        assert!(
            error.message.contains(words) && error.message.contains("nothing of this read is used"),
            "{fault}: {error}"
        );
        assert!(error.hint.is_some(), "{fault}");
        emptied(&bucket).await;
    }
}

/// Files of a read that failed are removed a little later.
async fn emptied(bucket: &str) {
    for _ in 0..100 {
        if s3().keys(bucket).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("files stay behind: {:?}", s3().keys(bucket));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_manifest_does_not_name_is_not_read() {
    let proxy = Unloading::start(server(), "foreign file").await;
    let own = source(proxy.port, s3().port, &new_bucket("foreign"));
    let (rows, complete) = read(&own, sql(TYPES)).await.unwrap();
    assert_eq!((rows.num_rows(), complete), (10_000, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_rows_is_read_whole() {
    for fault in ["", "missing manifest"] {
        let proxy = Unloading::start(server(), fault).await;
        let own = source(
            proxy.port,
            s3().port,
            &new_bucket(&format!("nobody-{}", fault.len())),
        );
        let (batches, receipt) = read_counted(&own, Model::Table("shop.nobody".into()))
            .await
            .unwrap();
        assert!(batches.is_empty());
        assert_eq!((receipt.rows, receipt.complete), (0, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_write_is_told_with_what_to_do() {
    let proxy = Unloading::start(server(), "denied").await;
    let error = read(&source(proxy.port, s3().port, "nobody-s"), sql(TYPES))
        .await
        .unwrap_err();
    assert_eq!((error.code, error.kind), ("unload_denied", ErrorKind::Auth));
    assert_eq!(
        error.message,
        "the model's SQL: Redshift may not write to s3://nobody-s/out as default"
    );
    assert!(error.hint.unwrap().contains("s3:PutObject"));
}

/// A server that answers every request with a refusal of S3's.
async fn refusing() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message>\
                            <AWSAccessKeyId>AKIASECRET</AWSAccessKeyId></Error>";
                while let Ok(1..) = stream.read(&mut [0; 16 << 10]).await {
                    let answer = format!(
                        "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_may_not_be_read_is_told_by_check_and_by_a_read() {
    let proxy = Unloading::start(server(), "").await;
    new_bucket("denied");
    let own = source(proxy.port, refusing().await, "denied");
    let checked = own.check().await.unwrap_err();
    let error = read(&own, sql(TYPES)).await.unwrap_err();
    for error in [checked, error] {
        assert_eq!(
            (error.code, error.kind.clone()),
            ("bucket_denied", ErrorKind::Auth),
            "{error}"
        );
        let told = format!("{error:?}");
        assert!(
            !told.contains("AKIASECRET") && !told.contains("a-secret-key"),
            "{told}"
        );
        assert!(error.hint.unwrap().contains("s3:GetObject"));
    }
    let advice = source(proxy.port, s3().port, "denied").check().await.unwrap();
    assert!(advice.iter().any(|advice| advice.code == "unload"), "{advice:?}");
    let nowhere = source(proxy.port, s3().port, "no-such-bucket")
        .check()
        .await
        .unwrap_err();
    assert_eq!(nowhere.code, "missing_bucket", "{nowhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_the_bucket_that_is_cut_is_an_error() {
    let proxy = Unloading::start(server(), "").await;
    let bucket = new_bucket("cut");
    // In the manifest, and in the files.
    for place in [300, 40_000] {
        let cutter = Cutter::start(s3().port, vec![Spoil::CutAfter(place)]).await;
        let error = read(&source(proxy.port, cutter.port, &bucket), sql(TYPES))
            .await
            .unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::Source { transient: true },
            "{place}: {error}"
        );
        assert_eq!(error.code, "bucket_unreachable", "{place}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_given_up_removes_its_files() {
    let proxy = Unloading::start(server(), "").await;
    let bucket = new_bucket("given-up");
    let mut reading = source(proxy.port, s3().port, &bucket)
        .read(request(sql(TYPES), &["id"]))
        .await
        .unwrap();
    assert!(matches!(
        reading.events.next().await,
        Some(Ok(ReadEvent::Batch(_)))
    ));
    assert!(!s3().keys(&bucket).is_empty());
    drop(reading);
    emptied(&bucket).await;
}
