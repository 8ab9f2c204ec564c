//! A folder of files with a lake over it.
#![allow(dead_code, unreachable_pub)]

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use futures::StreamExt;
use outflow_lake::DESCRIPTOR;
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::{Model, ReadEvent, ReadReceipt, ReadRequest, Reading, Source};
use tempfile::TempDir;

pub struct Folder {
    directory: TempDir,
}

pub struct Rows {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    pub receipt: ReadReceipt,
}

impl Rows {
    /// All cells as text: `a|b` a row, `~` for NULL.
    pub fn lines(&self) -> Vec<String> {
        let options = FormatOptions::default().with_null("~");
        let mut lines = Vec::new();
        for batch in &self.batches {
            // A zone's name cannot be formatted, its offset can.
            let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
            let columns: Vec<ArrayRef> = batch
                .columns()
                .iter()
                .map(|column| match column.data_type() {
                    DataType::Timestamp(..) => arrow_cast::cast(column, &utc).unwrap(),
                    _ => Arc::clone(column),
                })
                .collect();
            let columns: Vec<_> = columns
                .iter()
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                let cells: Vec<String> = columns
                    .iter()
                    .map(|column| column.value(row).to_string())
                    .collect();
                lines.push(cells.join("|"));
            }
        }
        lines
    }

    /// Column types, in order.
    pub fn types(&self) -> Vec<String> {
        self.schema
            .fields()
            .iter()
            .map(|field| field.data_type().to_string())
            .collect()
    }
}

impl Folder {
    pub fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn with(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path(name), contents).unwrap();
        self
    }

    pub fn with_database(self, name: &str, sql: &str) -> Self {
        rusqlite::Connection::open(self.path(name))
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        self
    }

    pub fn with_parquet(self, name: &str, batch: &RecordBatch) -> Self {
        let file = std::fs::File::create(self.path(name)).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        self
    }

    pub fn lake(&self) -> Arc<dyn Source> {
        self.lake_at(serde_json::json!({ "path": "." }))
    }

    pub fn lake_at(&self, settings: serde_json::Value) -> Arc<dyn Source> {
        (DESCRIPTOR.open)(settings, &self.context()).unwrap()
    }

    pub fn context(&self) -> OpenContext {
        OpenContext {
            root: self.directory.path().to_owned(),
            connection: "lake".into(),
        }
    }

    pub async fn table(&self, name: &str, columns: &[&str]) -> Result<Rows, ConnectorError> {
        read(&self.lake(), Model::Table(name.into()), columns).await
    }

    pub async fn sql(&self, sql: &str) -> Result<Rows, ConnectorError> {
        read(&self.lake(), Model::Sql(sql.into()), &[]).await
    }

    pub async fn refusal(&self, model: Model) -> ConnectorError {
        match read(&self.lake(), model, &[]).await {
            Ok(rows) => panic!("read {} rows", rows.receipt.rows),
            Err(error) => error,
        }
    }
}

pub async fn start(
    lake: &Arc<dyn Source>,
    model: Model,
    columns: &[&str],
) -> Result<Reading, ConnectorError> {
    lake.read(ReadRequest {
        model,
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        sync: "test".into(),
        run_id: "1".into(),
    })
    .await
}

pub async fn read(lake: &Arc<dyn Source>, model: Model, columns: &[&str]) -> Result<Rows, ConnectorError> {
    let mut reading = start(lake, model, columns).await?;
    let mut batches = Vec::new();
    loop {
        match reading
            .events
            .next()
            .await
            .expect("the stream ends with a receipt or an error")?
        {
            ReadEvent::Batch(batch) => batches.push(batch),
            ReadEvent::End(receipt) => {
                return Ok(Rows {
                    schema: reading.schema,
                    batches,
                    receipt,
                });
            }
        }
    }
}
