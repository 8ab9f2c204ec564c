//! Values as the emulator's engine computes them and its own code writes them.

use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::array_value_to_string;
use arrow_schema::DataType;
use futures::StreamExt;
use outflow_sdk::ConnectorError;
use outflow_sdk::source::{Model, ReadEvent, ReadReceipt, ReadRequest};

use crate::source;

async fn read(text: &str) -> Result<(Vec<RecordBatch>, ReadReceipt), ConnectorError> {
    let request = ReadRequest {
        model: Model::Sql(text.into()),
        columns: Vec::new(),
        sync: "customers".into(),
        run_id: "run-1".into(),
    };
    let mut reading = source().read(request).await?;
    let mut batches = Vec::new();
    while let Some(event) = reading.events.next().await {
        match event? {
            ReadEvent::Batch(batch) => batches.push(batch),
            ReadEvent::End(receipt) => return Ok((batches, receipt)),
        }
    }
    panic!("the stream ended without a receipt");
}

#[tokio::test]
async fn values_arrive_as_what_they_are() {
    for (expression, arrow_type, value) in [
        ("1::number(9,0)", "Int64", "1"),
        ("-7::bigint", "Decimal128(38, 0)", "-7"),
        ("12.50::number(12,2)", "Decimal128(12, 2)", "12.50"),
        ("(-0.01)::number(38,10)", "Decimal128(38, 10)", "-0.0100000000"),
        ("0.1::float", "Float64", "0.1"),
        ("'é'::text", "Utf8", "é"),
        ("''::text", "Utf8", ""),
        ("true", "Boolean", "true"),
        ("'2026-11-26'::date", "Date32", "2026-11-26"),
        ("'0001-01-01'::date", "Date32", "0001-01-01"),
        ("'10:00:00.5'::time", "Utf8", "10:00:00.5"),
        (
            "'2026-11-26 10:00:00.000001'::timestamp_ntz",
            "Timestamp(µs)",
            "2026-11-26T10:00:00.000001",
        ),
        (
            "'2026-11-26 10:00:00 +0200'::timestamp_tz",
            "Timestamp(µs, \"UTC\")",
            "2026-11-26T08:00:00Z",
        ),
        ("to_binary('00ff', 'hex')", "Binary", "00ff"),
        ("parse_json('[1, null]')", "Utf8", "[1,null]"),
        ("null::text", "Utf8", "NULL"),
        ("null::timestamp_tz", "Timestamp(µs, \"UTC\")", "NULL"),
        ("null::number(12,2)", "Decimal128(12, 2)", "NULL"),
    ] {
        let (batches, receipt) = read(&format!("select {expression} as a"))
            .await
            .unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!((receipt.rows, receipt.complete), (1, true));
        let array = batches[0].column(0);
        let found = array.data_type().to_string();
        // Arrow shows instants in a zone it has by its offset only.
        let readable = match array.data_type() {
            DataType::Timestamp(unit, Some(_)) => {
                cast(array, &DataType::Timestamp(*unit, Some("+00:00".into()))).unwrap()
            }
            _ => std::sync::Arc::clone(array),
        };
        let shown = match readable.is_null(0) {
            true => "NULL".to_owned(),
            false => array_value_to_string(&readable, 0).unwrap(),
        };
        assert_eq!(
            (found.as_str(), shown.as_str()),
            (arrow_type, value),
            "{expression}"
        );
    }
}

#[tokio::test]
async fn a_large_result_comes_in_bounded_batches_and_is_counted() {
    let (batches, receipt) =
        read("select seq4() as id, 'x' as name from table(generator(rowcount => 100000))")
            .await
            .unwrap();
    assert_eq!((receipt.rows, receipt.complete), (100_000, true));
    assert!(receipt.query_id.is_some());
    assert!(batches.iter().all(|batch| batch.num_rows() <= 8_192));
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 100_000);
}

#[tokio::test]
async fn a_missing_table_comes_with_the_one_that_was_meant() {
    let request = ReadRequest {
        model: Model::Table("shop.peple".into()),
        columns: Vec::new(),
        sync: "customers".into(),
        run_id: "run-1".into(),
    };
    let error = source().read(request).await.err().unwrap();
    assert_eq!(
        (error.code, error.hint.as_deref()),
        ("missing_table", Some("did you mean shop.people?"))
    );
}
