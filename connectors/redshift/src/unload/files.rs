//! The files of an UNLOAD: fetched ahead in order, decoded, counted, and removed at the end.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use outflow_sdk::source::{ReadEvent, ReadReceipt};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::bucket::Bucket;
use super::convert::{Parts, Unfit};
use super::manifest::{File, Manifest};
use crate::kind::Typed;

/// Files fetched ahead of the one that is decoded; each has some 32 MB.
const AT_A_TIME: usize = 2;

type Events = mpsc::Sender<Result<ReadEvent, ConnectorError>>;

/// The folder of one read. Its files are removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    bucket: Arc<Bucket>,
    name: String,
    runtime: Handle,
    removed: bool,
}

impl Folder {
    pub(crate) fn new(bucket: Arc<Bucket>, name: String, runtime: Handle) -> Self {
        Self {
            bucket,
            name,
            runtime,
            removed: false,
        }
    }

    pub(crate) fn bucket(&self) -> &Arc<Bucket> {
        &self.bucket
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Removes its files now.
    async fn remove(&mut self) {
        self.bucket.remove(&self.name).await;
        self.removed = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.removed {
            let (bucket, name) = (Arc::clone(&self.bucket), std::mem::take(&mut self.name));
            self.runtime.spawn(async move { bucket.remove(&name).await });
        }
    }
}

/// An UNLOAD whose files are there.
pub(crate) struct FileReader {
    pub(crate) label: String,
    pub(crate) folder: Folder,
    pub(crate) manifest: Manifest,
    pub(crate) columns: Arc<[Typed]>,
    pub(crate) schema: SchemaRef,
    pub(crate) query_id: Option<String>,
}

impl FileReader {
    /// Schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads to the end; stops when nobody listens any more.
    pub(crate) async fn run(mut self, events: Events) {
        let end = self.pump(&events).await;
        self.folder.remove().await;
        // If nobody listens any more, nobody needs the end.
        if let Some(end) = end.transpose() {
            let _ = events.send(end.map(ReadEvent::End)).await;
        }
    }

    /// The receipt, or nothing when the other end went away.
    async fn pump(&self, events: &Events) -> Result<Option<ReadReceipt>, ConnectorError> {
        let bucket = Arc::clone(self.folder.bucket());
        let files = self.manifest.files.clone();
        let mut fetched = stream::iter(files)
            .map(|file| {
                let bucket = Arc::clone(&bucket);
                async move { (bucket.file(&file.key, file.bytes).await, file) }
            })
            .buffered(AT_A_TIME);
        let (mut rows, mut bytes, mut number) = (0, 0, 0);
        while let Some((content, file)) = fetched.next().await {
            number += 1;
            let content = content.map_err(|why| bucket.told(&self.named(number), &why))?;
            bytes += content.len() as u64;
            rows += file.rows;
            match self.hand_on(content, &file, events).await? {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(unfit) => return Err(self.unfit(number, &unfit)),
            }
        }
        Ok(Some(ReadReceipt {
            rows,
            complete: rows == self.manifest.rows(),
            query_id: self.query_id.clone(),
            bytes_scanned: Some(bytes),
        }))
    }

    /// Decodes a file off the workers; false when nobody listens any more.
    async fn hand_on(
        &self,
        content: Bytes,
        file: &File,
        events: &Events,
    ) -> Result<Result<bool, Unfit>, ConnectorError> {
        let (columns, schema) = (Arc::clone(&self.columns), Arc::clone(&self.schema));
        let (rows, events) = (file.rows, events.clone());
        let decoding = tokio::task::spawn_blocking(move || {
            let mut parts = Parts::open(content, &columns, &schema, rows)?;
            while let Some(batch) = parts.next()? {
                if events.blocking_send(Ok(ReadEvent::Batch(batch))).is_err() {
                    return Ok(false);
                }
            }
            Ok(true)
        });
        decoding.await.map_err(|_| {
            ConnectorError::new(
                ErrorKind::Internal,
                "warehouse_reader",
                "the task that decodes files stopped without an answer",
            )
        })
    }

    fn named(&self, number: usize) -> String {
        format!("file {number} of {} of {}", self.manifest.files.len(), self.label)
    }

    fn unfit(&self, number: usize, unfit: &Unfit) -> ConnectorError {
        let what = match unfit {
            Unfit::Damaged => "is no whole Parquet file".to_owned(),
            Unfit::Columns => "has other columns than the model".to_owned(),
            Unfit::Column(name) => format!("has a column '{name}' that does not fit the model's"),
            Unfit::Rows(rows) => format!("has {rows} rows, and Redshift counted another number"),
        };
        ConnectorError::new(
            ErrorKind::Source { transient: true },
            "unload_file_damaged",
            format!("{} {what}; nothing of this read is used", self.named(number)),
        )
        .with_hint("run it again; if it stays so, leave `unload:` out and report this")
    }
}
