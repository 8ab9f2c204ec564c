//! The server, its data, and ways to read it.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, RecordBatch};
use futures::StreamExt;
use outflow_redshift::{POSTGRES, REDSHIFT};
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::{Model, ReadEvent, ReadReceipt, ReadRequest, Source};
use serde_json::{Value as Json, json};

use crate::cluster::Cluster;

/// A role that may read, and its password.
pub const READER: &str = "reader";
pub const READER_PASSWORD: &str = "reader-password-93ab";

/// The server most tests share.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start();
        prepare(&cluster);
        cluster
    })
}

/// Roles and data that tests read.
pub fn prepare(cluster: &Cluster) {
    cluster.sql(&format!(
        "CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}';
         CREATE ROLE writer LOGIN PASSWORD '{READER_PASSWORD}';
         CREATE ROLE stranger LOGIN PASSWORD '{READER_PASSWORD}';
         CREATE SCHEMA shop;
         GRANT USAGE ON SCHEMA shop TO {READER}, writer, stranger;
         CREATE TABLE shop.people (id bigint, name text, note varchar(20), ltv numeric(12,2), born date,
             seen timestamptz, vip boolean, tags jsonb);
         CREATE TABLE shop.nobody (LIKE shop.people);
         INSERT INTO shop.people VALUES
             (0, 'Žofia O''Neil', '', 12.50, '1969-12-31', '2026-01-01 01:00:00.123456+01', false,
              '{{\"b\": 1, \"a\": [true]}}'),
             (7, '007', NULL, -0.01, '2026-11-02', '1970-01-01 00:00:00+00', true, '[]'),
             (9007199254740993, '😀 \"quoted\", and a' || chr(10) || 'line', 'NULL', NULL, NULL, NULL, NULL, NULL);
         CREATE VIEW shop.many AS SELECT n AS id, 'name ' || n AS name, n * 1.25 AS amount
             FROM generate_series(1, 200000) AS n;
         CREATE TABLE shop.private (id int);
         GRANT SELECT ON shop.people, shop.nobody, shop.many TO {READER};
         GRANT SELECT, INSERT ON shop.people TO writer;"
    ));
}

/// Settings of the reader in that server.
pub fn settings(cluster: &Cluster) -> Json {
    json!({
        "host": "127.0.0.1", "port": cluster.port, "database": "postgres",
        "user": READER, "password": READER_PASSWORD,
    })
}

/// Settings with some of them changed; `null` removes one.
pub fn with(mut settings: Json, changes: Json) -> Json {
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            settings.as_object_mut().unwrap().remove(key);
        } else {
            settings[key] = value.clone();
        }
    }
    settings
}

fn context() -> OpenContext {
    OpenContext {
        root: std::env::temp_dir(),
        connection: "warehouse".into(),
    }
}

/// A `postgres` source.
pub fn postgres(settings: Json) -> Arc<dyn Source> {
    (POSTGRES.open)(settings, &context()).unwrap()
}

/// A `redshift` source.
pub fn redshift(settings: Json) -> Arc<dyn Source> {
    (REDSHIFT.open)(with(settings, json!({"tls": "disable"})), &context()).unwrap()
}

/// The reader's source in the shared server.
pub fn reader() -> Arc<dyn Source> {
    postgres(settings(cluster()))
}

pub fn sql(text: &str) -> Model {
    Model::Sql(text.to_owned())
}

pub fn request(model: Model, columns: &[&str]) -> ReadRequest {
    ReadRequest {
        model,
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        sync: "customers".into(),
        run_id: "run-1".into(),
    }
}

/// A read to its end, or what ended it with the rows before.
pub async fn read_counted(
    source: &Arc<dyn Source>,
    model: Model,
) -> Result<(Vec<RecordBatch>, ReadReceipt), (u64, ConnectorError)> {
    let mut reading = source
        .read(request(model, &[]))
        .await
        .map_err(|error| (0, error))?;
    let mut batches = Vec::new();
    let rows = |batches: &[RecordBatch]| batches.iter().map(|batch| batch.num_rows() as u64).sum();
    while let Some(event) = reading.events.next().await {
        match event {
            Ok(ReadEvent::Batch(batch)) => batches.push(batch),
            Ok(ReadEvent::End(receipt)) => return Ok((batches, receipt)),
            Err(error) => return Err((rows(&batches), error)),
        }
    }
    panic!(
        "the stream ended without a receipt or an error after {} rows",
        rows(&batches)
    );
}

/// A read to its end.
pub async fn read(source: &Arc<dyn Source>, model: Model) -> Result<Vec<RecordBatch>, ConnectorError> {
    read_counted(source, model)
        .await
        .map(|(batches, _)| batches)
        .map_err(|(_, error)| error)
}

/// The only column of the only batch of a query.
pub async fn column(source: &Arc<dyn Source>, text: &str) -> ArrayRef {
    let batches = read(source, sql(text)).await.unwrap();
    assert_eq!(batches.len(), 1, "{text}");
    Arc::clone(batches[0].column(0))
}

/// The error of a read.
pub async fn refused(source: &Arc<dyn Source>, model: Model) -> ConnectorError {
    let error = read(source, model).await.expect_err("the read is refused");
    for secret in [READER_PASSWORD, "wrong-password"] {
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    error
}
