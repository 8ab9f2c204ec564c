//! The connector against the emulator: SQL that is understood, both APIs, types, errors in its words.

use std::process::Command;
use std::sync::{Arc, OnceLock};

use outflow_sdk::ErrorKind;
use outflow_sdk::source::{Model, Source};
use serde_json::{Value as Json, json};

use crate::emulator::{PROJECT, Server, here, python};
use crate::shared::{has_each_once, open, read, read_counted, request, sql, text};

/// The server all tests share.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::start();
        server.dataset("shop");
        // By the API: the emulator calls JSON columns of CREATE TABLE text.
        for table in ["people", "nobody"] {
            server.table(
                "shop",
                table,
                "id:INTEGER,name:STRING,note:STRING,ltv:NUMERIC,born:DATE,seen:TIMESTAMP,vip:BOOLEAN,\
                 tags:STRING:REPEATED,extra:JSON",
            );
        }
        server.sql(
            "INSERT INTO shop.people VALUES
             (0, 'Žofia O\\'Neil', '', NUMERIC '12.50', DATE '1969-12-31',
              TIMESTAMP '2026-01-01 01:00:00.123456+01', false, ['a', 'b'], JSON '{\"b\": 1, \"a\": [true]}'),
             (7, '007', NULL, NUMERIC '-0.01', DATE '2026-11-02', TIMESTAMP '1970-01-01 00:00:00+00', true, [],
              JSON '[]'),
             (9007199254740993, '😀 \"quoted\", and a\\nline', 'NULL', NULL, NULL, NULL, NULL, [], NULL)",
        );
        server.sql(
            "CREATE TABLE shop.many AS SELECT n AS id, CONCAT('name ', CAST(n AS STRING)) AS name
             FROM UNNEST(GENERATE_ARRAY(0, 99999)) AS n",
        );
        server
    })
}

fn settings(server: &Server, changes: Json) -> Json {
    let mut settings = json!({"project": PROJECT, "base_url": format!("http://127.0.0.1:{}", server.rest)});
    for (key, value) in changes.as_object().unwrap() {
        settings[key] = value.clone();
    }
    settings
}

/// A source that reads by REST.
pub fn rest_only(server: &Server, changes: Json) -> Arc<dyn Source> {
    open(settings(server, changes))
}

/// A source that reads by the Storage Read API where it can.
pub fn with_storage(server: &Server, mut changes: Json) -> Arc<dyn Source> {
    changes["storage_base_url"] = json!(format!("http://127.0.0.1:{}", server.grpc));
    open(settings(server, changes))
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_come_by_every_route() {
    let table = || Model::Table("shop.many".into());
    for (source, model) in [
        (with_storage(server(), json!({})), table()),
        (rest_only(server(), json!({})), table()),
        // The emulator knows no sessions over results: these come by REST, after all.
        (with_storage(server(), json!({})), sql("select * from shop.many")),
    ] {
        let (batches, receipt) = read_counted(&source, request(model, &[])).await.unwrap();
        has_each_once(&batches, 100_000);
        assert!(receipt.complete && receipt.query_id.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_the_same_rows_by_both_routes() {
    let row = |n: i64| {
        json!({"id": n.to_string(), "ltv": format!("-{n}.50"), "score": "0.30000000000000004", "born": "9999-12-31",
            "local": "0001-01-01T00:00:00.000001", "seen": "2026-01-01T00:30:00.5+05:30", "at": "10:00:00.25",
            "extra": {"b": [1.50, null], "a": "é"}, "vip": n % 2 == 0, "nothing": null})
    };
    let lines: String = (0..20_000).map(|n| format!("{}\n", row(n))).collect();
    let schema = "id:INTEGER,ltv:NUMERIC,score:FLOAT,born:DATE,local:DATETIME,seen:TIMESTAMP,at:TIME,extra:JSON,\
                  vip:BOOLEAN,nothing:STRING";
    server().load("shop.loaded", schema, &lines);
    let rows = |batches: &[arrow_array::RecordBatch]| {
        let mut rows = Vec::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| text(column.as_ref(), row));
                rows.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        rows.sort();
        rows
    };
    let table = || Model::Table("shop.loaded".into());
    let by_storage = read(&with_storage(server(), json!({})), table()).await.unwrap();
    let by_rest = read(&rest_only(server(), json!({})), table()).await.unwrap();
    assert_eq!(by_storage[0].schema(), by_rest[0].schema());
    let (by_storage, by_rest) = (rows(&by_storage), rows(&by_rest));
    assert_eq!(by_storage.len(), 20_000);
    assert_eq!(by_storage, by_rest);
    assert!(
        by_rest[0].starts_with("0|0.500000000|") || by_rest[0].starts_with("0|-0.500000000|"),
        "{}",
        by_rest[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_arrives_as_it_is() {
    let source = rest_only(server(), json!({}));
    for (expression, expected) in [
        ("true", "true"),
        ("CAST(9007199254740993 AS INT64)", "9007199254740993"),
        ("CAST(0.1 AS FLOAT64)", "0.1"),
        ("NUMERIC '1.50'", "1.500000000"),
        ("'é\\n😀'", "é\n😀"),
        ("b'abc'", "616263"),
        ("DATE '9999-12-31'", "9999-12-31"),
        ("DATETIME '2026-01-01 01:00:00.5'", "2026-01-01T01:00:00.5Z"),
        (
            "TIMESTAMP '2026-01-01 01:00:00.000001+01'",
            "2026-01-01T00:00:00.000001Z",
        ),
        ("TIME '10:00:00.25'", "10:00:00.25"),
        ("JSON '{\"a\": [1]}'", "{\"a\": [1]}"),
        ("[1, 2]", "[1, 2]"),
        ("STRUCT(1 AS a, 'x' AS b)", "{\"a\":1,\"b\":\"x\"}"),
        ("[STRUCT(1 AS a)]", "[{\"a\":1}]"),
        ("INTERVAL 90 MINUTE", "0-0 0 1:30:0"),
        (
            "RANGE(DATE '2026-01-01', DATE '2026-02-01')",
            "[2026-01-01, 2026-02-01)",
        ),
        ("CAST(NULL AS STRING)", "NULL"),
    ] {
        let batches = read(&source, sql(&format!("select {expression} as c"))).await;
        let batches = batches.unwrap_or_else(|error| panic!("{expression}: {error}"));
        let found = text(batches[0].column(0).as_ref(), 0);
        assert_eq!(
            found.replace("\": ", "\":"),
            expected.replace("\": ", "\":"),
            "{expression}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_in_a_model_is_text_whatever_it_holds() {
    let source = rest_only(server(), json!({}));
    for value in [
        "O'Neil",
        "back\\slash",
        "\\'; drop table x; --",
        "two\nlines\r",
        "é \"q\" `b`",
        "",
    ] {
        let literal = source.text_literal(value);
        let batches = read(&source, sql(&format!("select {literal} as c"))).await;
        let batches = batches.unwrap_or_else(|error| panic!("{literal}: {error}"));
        assert_eq!(text(batches[0].column(0).as_ref(), 0), value, "{literal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_model_is_told() {
    let source = with_storage(server(), json!({}));
    for (model, code) in [
        (Model::Table("shop.peple".into()), "missing_table"),
        (sql("select * from shop.peple"), "missing_table"),
        (sql("select nope from shop.people"), "missing_column"),
        (sql("select id form shop.people where"), "sql_syntax"),
    ] {
        let (_, error) = read_counted(&source, request(model.clone(), &[]))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Source { transient: false }, "{model:?}");
        assert_eq!(error.code, code, "{model:?}: {error}");
    }
    let (_, error) = read_counted(&source, request(Model::Table("shop.peple".into()), &[]))
        .await
        .unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("did you mean shop.people?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_checked() {
    let advice = with_storage(server(), json!({})).check().await.unwrap();
    assert_eq!(
        advice.iter().map(|advice| advice.code).collect::<Vec<_>>(),
        ["identity"]
    );
}

/// The official client reads what this one reads: the emulator is no invention of ours.
#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_reads_the_same() {
    let output = Command::new(python())
        .arg(here().join("bigquery_rows.py"))
        .args([
            &server().rest.to_string(),
            PROJECT,
            "select * from shop.people order by id",
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let official: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    let batches = read(
        &rest_only(server(), json!({})),
        sql("select * from shop.people order by id"),
    )
    .await
    .unwrap();
    let own: Vec<Vec<String>> = (0..batches[0].num_rows())
        .map(|row| {
            batches[0]
                .columns()
                .iter()
                .map(|column| text(column.as_ref(), row))
                .collect()
        })
        .collect();
    let plain = |rows: &[Vec<String>]| -> Vec<Vec<String>> {
        let cell = |text: &String| match text.parse::<f64>() {
            Ok(_) if text.contains('.') => text.trim_end_matches('0').to_owned(),
            _ => text.replace("\": ", "\":").replace(", ", ","),
        };
        rows.iter().map(|row| row.iter().map(cell).collect()).collect()
    };
    assert_eq!(plain(&own), plain(&official));
}
