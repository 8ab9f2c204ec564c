//! Sources and ways to read them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use futures::StreamExt;
use outflow_bigquery::DESCRIPTOR;
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::{Model, ReadEvent, ReadReceipt, ReadRequest, Source};
use outflow_sdk::value::Value;
use serde_json::{Value as Json, json};

/// A key of nobody, whose tokens the stub gives out.
pub const KEY: &str = include_str!("../../src/jwt/key_of_no_account.pem");

/// A source at the stub's port, with some settings besides.
pub fn source(rest: u16, changes: Json) -> Arc<dyn Source> {
    let mut settings = json!({"project": "acme", "base_url": format!("http://127.0.0.1:{rest}")});
    for (key, value) in changes.as_object().unwrap() {
        settings[key] = value.clone();
    }
    open(settings)
}

pub fn open(settings: Json) -> Arc<dyn Source> {
    let context = OpenContext {
        root: std::env::temp_dir(),
        connection: "warehouse".into(),
    };
    (DESCRIPTOR.open)(settings, &context).unwrap()
}

/// Credentials whose tokens come from the stub.
pub fn credentials(rest: u16) -> String {
    json!({"type": "service_account", "client_email": "reader@acme.iam.gserviceaccount.com",
        "private_key": KEY, "token_uri": format!("http://127.0.0.1:{rest}/token")})
    .to_string()
}

pub fn sql(text: &str) -> Model {
    Model::Sql(text.to_owned())
}

/// A model of the stub's data.
pub fn people() -> Model {
    sql("select * from shop.people")
}

pub fn request(model: Model, columns: &[&str]) -> ReadRequest {
    ReadRequest {
        model,
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        sync: "Customers".into(),
        run_id: "run-1".into(),
    }
}

/// A read to its end, or what ended it with the rows before.
pub async fn read_counted(
    source: &Arc<dyn Source>,
    request: ReadRequest,
) -> Result<(Vec<RecordBatch>, ReadReceipt), (u64, ConnectorError)> {
    let mut reading = source.read(request).await.map_err(|error| (0, error))?;
    let mut batches = Vec::new();
    let rows = |batches: &[RecordBatch]| batches.iter().map(|batch| batch.num_rows() as u64).sum();
    while let Some(event) = reading.events.next().await {
        match event {
            Ok(ReadEvent::Batch(batch)) => batches.push(batch),
            Ok(ReadEvent::End(receipt)) => {
                assert_eq!(receipt.rows, rows(&batches), "the receipt counts otherwise");
                assert!(reading.events.next().await.is_none(), "something after the end");
                return Ok((batches, receipt));
            }
            Err(error) => return Err((rows(&batches), error)),
        }
    }
    panic!("the stream ended without a receipt or an error");
}

pub async fn read(source: &Arc<dyn Source>, model: Model) -> Result<Vec<RecordBatch>, ConnectorError> {
    read_counted(source, request(model, &[]))
        .await
        .map(|(batches, _)| batches)
        .map_err(|(_, error)| error)
}

/// Whether the first column has every number below `rows` once.
pub fn has_each_once(batches: &[RecordBatch], rows: usize) {
    let mut seen = vec![false; rows];
    for batch in batches {
        for id in batch.column(0).as_primitive::<Int64Type>().iter().flatten() {
            let at = usize::try_from(id).unwrap();
            assert!(!seen[at], "row {id} came twice");
            seen[at] = true;
        }
    }
    let lacking = seen.iter().filter(|seen| !**seen).count();
    assert_eq!(lacking, 0, "{lacking} rows lack");
}

/// A cell as text.
pub fn text(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".into();
    }
    match array.data_type() {
        DataType::Timestamp(..) => {
            Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        _ => arrow_cast::display::array_value_to_string(array, row).unwrap(),
    }
}
