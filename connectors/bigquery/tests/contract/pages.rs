//! Results by REST: whatever spoils a page, no short read is taken for a whole one.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use outflow_sdk::ErrorKind;
use serde_json::json;

use crate::cutter::Cutter;
use crate::rest::{Data, Reply, Rest};
use crate::shared::{has_each_once, people, read, read_counted, request, source, text};

const ROWS: usize = 10_000;

#[tokio::test]
async fn pages_are_read_to_the_last_with_their_place_in_time_and_space() {
    let stub = Rest::start(Data::people(ROWS), |_| None).await;
    let (batches, receipt) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
        .await
        .unwrap();
    has_each_once(&batches, ROWS);
    assert!(receipt.complete && receipt.bytes_scanned == Some(1_048_576));
    assert!(receipt.query_id.unwrap().starts_with("outflow_"));
    // Instants came as float seconds, of which no microsecond is lost.
    let seen = batches[0].column(2).as_primitive::<TimestampMicrosecondType>();
    let ids = batches[0].column(0).as_primitive::<Int64Type>();
    for row in 0..batches[0].num_rows() {
        assert_eq!(seen.value(row), 1_710_036_000_000_000 + ids.value(row));
    }
    assert_eq!(text(batches[0].column(1).as_ref(), 7), "name 7 é");
    assert_eq!(text(batches[0].column(3).as_ref(), 7), "7.500000000");
    // Each page was asked for where the data are, and with exact instants.
    let pages = stub.asked("page");
    assert_eq!(pages.len(), 3);
    assert!(
        pages
            .iter()
            .all(|page| page.query["formatOptions.useInt64Timestamp"] == "true")
    );
    let insert = &stub.asked("insert")[0].body;
    assert_eq!(
        insert["configuration"]["labels"],
        json!({"outflow_sync": "customers", "outflow_run": "run-1"})
    );
}

#[tokio::test]
async fn only_the_columns_asked_for_are_selected() {
    let stub = Rest::start(Data::people(0), |_| None).await;
    let columns = ["AMOUNT", "Id"];
    let (_, receipt) = read_counted(&source(stub.port, json!({})), request(people(), &columns))
        .await
        .unwrap();
    assert_eq!(receipt.rows, 0);
    let sent = &stub.asked("insert")[0].body["configuration"]["query"];
    assert_eq!(
        sent["query"],
        "SELECT `id`, `amount` FROM (\nselect * from shop.people\n)"
    );
    assert_eq!(sent["useLegacySql"], false);
}

#[tokio::test]
async fn every_call_survives_what_passes() {
    for route in ["dry_run", "insert", "poll", "job", "page"] {
        for kind in 0..6 {
            let stub = Rest::start(Data::people(100), move |asked| {
                let first = asked.route == route && asked.nth == 0;
                first.then(|| match kind {
                    0 => Reply::html(503),
                    1 => Reply::html(502),
                    2 => Reply::text(429, ""),
                    3 => Reply::refusal(403, "rateLimitExceeded", "Exceeded rate limits"),
                    4 => Reply::nothing(),
                    _ => Reply::text(200, "{\"jobComplete\": true, \"totalRows\": \"10"),
                })
            })
            .await;
            let batches = read(&source(stub.port, json!({})), people()).await;
            has_each_once(
                &batches.unwrap_or_else(|error| panic!("{route} {kind}: {error}")),
                100,
            );
            assert_eq!(stub.asked(route).len(), 2, "{route} {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_cut_at_any_place_are_asked_for_again() {
    let stub = Rest::start(Data::people(ROWS), |_| None).await;
    let whole = Cutter::counting(stub.port).await;
    read(&source(whole.port, json!({})), people()).await.unwrap();
    let total = whole.answered();
    assert!(total > 500_000, "{total}");
    for place in (0..20).map(|part| 1 + total * part / 20) {
        let cutter = Cutter::start(stub.port, place, 1).await;
        let batches = read(&source(cutter.port, json!({})), people()).await;
        has_each_once(&batches.unwrap_or_else(|error| panic!("{place}: {error}")), ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_stays_cut_is_an_error() {
    let read = |(page, cut)| async move {
        let stub = Rest::start(Data::people(ROWS), move |asked| {
            let at = match asked.query.get("pageToken").map(String::as_str) {
                None => 0,
                Some("at-4000") => 1,
                Some(_) => 2,
            };
            let rows = vec![json!({"f": [{"v": "x".repeat(50)}]}); 5_000];
            let whole = json!({"jobComplete": true, "totalRows": "10000", "rows": rows});
            (asked.route == "page" && at == page).then(|| Reply::json(&whole).cut_after(cut))
        })
        .await;
        let (rows, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
            .await
            .unwrap_err();
        assert!(rows < ROWS as u64);
        assert_eq!(
            error.kind,
            ErrorKind::Source { transient: true },
            "{page} {cut}: {error}"
        );
        assert_eq!(error.code, "connection_lost");
    };
    futures::future::join_all([(0, 1), (1, 1), (1, 5_000), (2, 100_000)].map(read)).await;
}

#[tokio::test]
async fn a_page_that_was_cut_and_mended_is_an_error() {
    let stub = Rest::start(Data::people(ROWS), |asked| {
        (asked.route == "page" && asked.nth > 0)
            .then(|| Reply::text(200, "{\"jobComplete\": true, \"rows\": []}"))
    })
    .await;
    let (_, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.kind),
        ("unexpected_answer", ErrorKind::Contract)
    );
}

#[tokio::test]
async fn rows_that_lack_are_noticed() {
    for lacking in [1, 100, 2_000] {
        let stub = Rest::start(Data::people(ROWS), move |asked| {
            // The last page is shorter than it should be, and says that it is the last.
            let last = asked
                .query
                .get("pageToken")
                .is_some_and(|token| token == "at-8000");
            (asked.route == "page" && last).then(|| {
                let rows = &Data::people(ROWS).rows[8_000..ROWS - lacking];
                Reply::json(&json!({"jobComplete": true, "totalRows": "10000", "rows": rows}))
            })
        })
        .await;
        let (_, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code, error.kind.clone()),
            ("unexpected_answer", ErrorKind::Contract)
        );
        assert!(error.message.contains("nothing of this read is used"), "{error}");
    }
}

#[tokio::test]
async fn a_page_token_that_expired_is_replaced_by_the_place() {
    let stub = Rest::start(Data::people(ROWS), |asked| {
        let expired = asked.route == "page" && asked.query.contains_key("pageToken");
        expired.then(|| Reply::refusal(400, "invalid", "Invalid page token"))
    })
    .await;
    has_each_once(
        &read(&source(stub.port, json!({})), people()).await.unwrap(),
        ROWS,
    );
    let starts: Vec<String> = stub
        .asked("page")
        .iter()
        .filter_map(|page| page.query.get("startIndex").cloned())
        .collect();
    assert_eq!(starts, ["0", "4000", "8000"]);
}

#[tokio::test]
async fn pages_that_lead_nowhere_are_an_error() {
    for rows in [
        json!([]),
        json!([{"f": [{"v": "1"}, {"v": "a"}, {"v": "0.0"}, {"v": "1"}]}]),
    ] {
        let stub = Rest::start(Data::people(ROWS), move |asked| {
            (asked.route == "page").then(|| {
                Reply::json(
                    &json!({"jobComplete": true, "totalRows": "10000", "rows": rows, "pageToken": "at-0"}),
                )
            })
        })
        .await;
        let (_, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code, error.kind),
            ("unexpected_answer", ErrorKind::Contract)
        );
    }
}

#[tokio::test]
async fn a_value_of_another_type_names_its_column_and_row() {
    let data = Data::one(json!({"name": "born", "type": "DATE"}), json!("ann@example.com"));
    let stub = Rest::start(data, |_| None).await;
    let (_, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "the model's SQL: column 'born' of row 1 holds something that is no value of its type"
    );
}

#[tokio::test]
async fn a_type_that_is_not_known_is_refused_by_name_where_it_is_wanted() {
    let mut data = Data::people(5);
    data.fields.as_array_mut().unwrap()[1] = json!({"name": "vector", "type": "EMBEDDING"});
    let stub = Rest::start(data, |_| None).await;
    let (_, error) = read_counted(&source(stub.port, json!({})), request(people(), &[]))
        .await
        .unwrap_err();
    assert_eq!(error.code, "unsupported_type");
    assert!(
        error.message.contains("'vector' has the type EMBEDDING"),
        "{error}"
    );
    assert_eq!(stub.asked("insert").len(), 0, "nothing ran for it");
}
