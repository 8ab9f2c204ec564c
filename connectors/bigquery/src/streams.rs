//! The streams of a session, read at once into one channel.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{StreamDecoder, StreamReader};
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;
use gcloud_googleapis::cloud::bigquery::storage::v1 as proto;
use outflow_sdk::source::ReadEvent;
use outflow_sdk::{ConnectorError, ErrorKind};
use proto::read_rows_response::Rows;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::api::jittered;
use crate::columns::Layout;
use crate::kind::Typed;
use crate::pages::short;
use crate::storage::{MESSAGE, PAUSES, Session, Storage, StreamFault, is_passing, told};

/// What the other end takes.
pub(crate) type Events = mpsc::Sender<Result<ReadEvent, ConnectorError>>;

/// A session that is about to be read.
pub(crate) struct Streams {
    storage: Storage,
    session: Session,
    layout: Layout,
    label: String,
    /// Rows there are, where that is known.
    expected: Option<u64>,
}

/// Why a stream ended early.
enum Halt {
    /// Nobody listens any more.
    Unheard,
    Failed(ConnectorError),
}

impl Streams {
    /// The streams of a session whose rows become these columns.
    ///
    /// # Errors
    /// When the session's schema does not have them, or cannot be read.
    pub(crate) fn new(
        storage: Storage,
        session: Session,
        label: &str,
        columns: &[Typed],
        expected: Option<u64>,
    ) -> Result<Self, ConnectorError> {
        let schema =
            schema_of(&session.schema).map_err(|_| garbled(label, "an Arrow schema that cannot be read"))?;
        Ok(Self {
            layout: Layout::new(label, &schema, columns)?,
            storage,
            session,
            label: label.to_owned(),
            expected,
        })
    }

    /// The session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Reads every stream to its end; gives the rows, or none when nobody listens any more.
    ///
    /// # Errors
    /// When a stream breaks for good, or rows lack at the end.
    pub(crate) async fn pump(self, events: &Events) -> Result<Option<u64>, ConnectorError> {
        let rows = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for name in &self.session.streams {
            let stream = Stream {
                storage: self.storage.clone(),
                schema: self.session.schema.clone(),
                layout: self.layout.clone(),
                label: self.label.clone(),
                name: name.clone(),
                events: events.clone(),
                offset: 0,
                total: Arc::clone(&rows),
            };
            tasks.spawn(stream.run());
        }
        // Dropping the set ends the streams that are left.
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(Halt::Unheard)) => return Ok(None),
                Ok(Err(Halt::Failed(error))) => return Err(error),
                Err(_) => return Err(crate::api::internal("a task that reads a stream broke down")),
            }
        }
        let rows = rows.load(Ordering::Relaxed);
        match self.expected {
            Some(expected) if expected != rows => Err(short(&self.label, rows, expected)),
            _ => Ok(Some(rows)),
        }
    }
}

/// One stream.
struct Stream {
    storage: Storage,
    /// As a message.
    schema: Buffer,
    layout: Layout,
    label: String,
    name: String,
    events: Events,
    /// Rows of it that were passed on: where to take it up again.
    offset: u64,
    /// Rows of all streams.
    total: Arc<AtomicU64>,
}

impl Stream {
    async fn run(mut self) -> Result<(), Halt> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let before = self.offset;
            let fault = match self.follow().await {
                Ok(()) => return Ok(()),
                Err(Broken::Halt(halt)) => return Err(halt),
                Err(Broken::Fault(fault)) => fault,
            };
            if self.offset > before {
                pauses = PAUSES.into_iter();
            }
            let (again, error) = match fault {
                StreamFault::Told(error) => (crate::failure::is_passing(&error), error),
                StreamFault::Status(status) => {
                    let stale = status.code() == Code::Unauthenticated;
                    if stale {
                        self.storage.forget_token().await;
                    }
                    let again = is_passing(&status) || stale;
                    (again, told(&status, self.storage.host()))
                }
            };
            match pauses.next().filter(|_| again) {
                Some(pause) => tokio::time::sleep(jittered(pause)).await,
                None => return Err(Halt::Failed(self.told(error))),
            }
        }
    }

    /// Reads from `offset` on until the server says that this was all.
    async fn follow(&mut self) -> Result<(), Broken> {
        let mut streaming = self.storage.rows(&self.name, self.offset).await?;
        loop {
            let message = match tokio::time::timeout(MESSAGE, streaming.message()).await {
                Ok(message) => message.map_err(StreamFault::Status)?,
                Err(_) => return Err(StreamFault::Status(Status::deadline_exceeded("no message")).into()),
            };
            let Some(message) = message else {
                return Ok(());
            };
            let declared = u64::try_from(message.row_count).unwrap_or_default();
            let bytes = match message.rows {
                Some(Rows::ArrowRecordBatch(batch)) => batch.serialized_record_batch,
                Some(Rows::AvroRows(_)) => return Err(self.garbled().into()),
                // A sign of life.
                None if declared == 0 => continue,
                None => return Err(self.garbled().into()),
            };
            self.batch(bytes, declared).await?;
        }
    }

    async fn batch(&mut self, bytes: Vec<u8>, declared: u64) -> Result<(), Halt> {
        let batches = batches_of(&self.schema, bytes, declared).map_err(|_| self.garbled())?;
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows != declared {
            return Err(self.garbled());
        }
        for batch in batches {
            for part in self.layout.convert(&batch) {
                self.events
                    .send(Ok(ReadEvent::Batch(part.map_err(Halt::Failed)?)))
                    .await
                    .map_err(|_| Halt::Unheard)?;
            }
        }
        self.offset += rows;
        self.total.fetch_add(rows, Ordering::Relaxed);
        Ok(())
    }

    fn garbled(&self) -> Halt {
        Halt::Failed(garbled(&self.label, "rows that are not what their message says"))
    }

    fn told(&self, mut error: ConnectorError) -> ConnectorError {
        let rows = self.total.load(Ordering::Relaxed);
        if rows > 0 {
            let label = &self.label;
            error.message = format!(
                "{} after {rows} rows of {label}; nothing of this read is used",
                error.message
            );
        }
        error
    }
}

enum Broken {
    Fault(StreamFault),
    Halt(Halt),
}

impl From<StreamFault> for Broken {
    fn from(fault: StreamFault) -> Self {
        Broken::Fault(fault)
    }
}

impl From<Halt> for Broken {
    fn from(halt: Halt) -> Self {
        Broken::Halt(halt)
    }
}

fn schema_of(message: &Buffer) -> Result<SchemaRef, ArrowError> {
    Ok(StreamReader::try_new(message.as_slice(), None)?.schema())
}

/// The batches of a message. They lie in its bytes: copies of a message of many thousand rows, for each
/// of several streams, would be most of a read's memory.
fn batches_of(schema: &Buffer, message: Vec<u8>, declared: u64) -> Result<Vec<RecordBatch>, ArrowError> {
    if declared == 0 {
        // The decoder waits for the body of a batch, and one without rows may have none.
        return StreamReader::try_new(schema.chain(message.as_slice()), None)?.collect();
    }
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    // Schema and batches come apart, and are a stream of Arrow together.
    for mut part in [schema.clone(), Buffer::from_vec(message)] {
        while !part.is_empty() {
            batches.extend(decoder.decode(&mut part)?);
        }
    }
    decoder.finish()?;
    Ok(batches)
}

fn garbled(label: &str, what: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Contract,
        "unexpected_answer",
        format!("{label}: the Storage Read API gave {what}; nothing of this read is used"),
    )
    .with_hint("is there a proxy that changes answers? If not, report this")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::Int64Array;
    use arrow_ipc::writer::StreamWriter;
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    /// Schema and batch of so many rows, as the messages they come in.
    fn messages(rows: i64) -> (Buffer, Vec<u8>) {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let array = Int64Array::from_iter_values(0..rows);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(array)]).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        let first = writer.get_ref().len();
        writer.write(&batch).unwrap();
        let bytes = writer.get_ref();
        (Buffer::from(&bytes[..first]), bytes[first..].to_vec())
    }

    fn rows(schema: &Buffer, message: &[u8], declared: u64) -> Result<usize, ArrowError> {
        let batches = batches_of(schema, message.to_vec(), declared)?;
        Ok(batches.iter().map(RecordBatch::num_rows).sum())
    }

    #[test]
    fn a_message_is_its_rows_whole_or_an_error() {
        let (schema, message) = messages(1_000);
        assert_eq!(rows(&schema, &message, 1_000).unwrap(), 1_000);
        for end in [1, 8, message.len() / 2, message.len() - 1] {
            assert!(rows(&schema, &message[..end], 1_000).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn messages_without_rows_are_signs_of_life() {
        let (schema, message) = messages(0);
        assert_eq!(rows(&schema, &message, 0).unwrap(), 0);
        assert_eq!(rows(&schema, &[], 0).unwrap(), 0);
    }
}
