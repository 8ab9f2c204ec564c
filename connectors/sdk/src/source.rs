//! The source trait: a model in, typed batches out.

use std::pin::Pin;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::Stream;

use crate::error::ConnectorError;
use crate::keys::Keys;

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// One SQL statement (of a `sql:` or `file:` model).
    Sql(String),
    /// A table by name; sources without a catalogue read `name` as they define it.
    Table(String),
}

/// One column of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name as the source spells it.
    pub name: String,
    /// The source's own name of its type, for messages.
    pub type_name: String,
    /// The Arrow type its batches have.
    pub arrow_type: arrow_schema::DataType,
}

/// What to read and for whom.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The model.
    pub model: Model,
    /// The columns wanted (matched ignoring case); empty = all. Sources that can should read no others.
    pub columns: Vec<String>,
    /// Sync name, for query tags.
    pub sync: String,
    /// Run id, for query tags.
    pub run_id: String,
}

/// How a read ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadReceipt {
    /// Rows delivered in the batches before it.
    pub rows: u64,
    /// Whether these are all rows of the model. Removals need `true`.
    pub complete: bool,
    /// The source's id of the query, if it has one.
    pub query_id: Option<String>,
    /// Bytes the source scanned or read, if it knows.
    pub bytes_scanned: Option<u64>,
}

/// One step of a read.
#[derive(Debug)]
pub enum ReadEvent {
    /// Rows. At most a few thousand; never holds the model as a whole.
    Batch(RecordBatch),
    /// The end. A stream that stops without it was cut.
    End(ReadReceipt),
}

/// The batches of a read; dropping it cancels the query.
pub type ReadStream = Pin<Box<dyn Stream<Item = Result<ReadEvent, ConnectorError>> + Send>>;

/// A running read.
pub struct Reading {
    /// Schema of every batch that follows.
    pub schema: SchemaRef,
    /// The batches, then one [`ReadEvent::End`].
    pub events: ReadStream,
}

/// Something worth telling about a connection that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Stable code.
    pub code: &'static str,
    /// Our words.
    pub message: String,
}

/// A place models are read from. Implementations hold no lock or cursor between calls.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whether the source can be reached with these settings.
    async fn check(&self) -> Result<Vec<Advice>, ConnectorError>;

    /// Columns and types of a model, without reading it whole where that is possible.
    async fn describe(&self, model: &Model) -> Result<Vec<Column>, ConnectorError>;

    /// `text` as a literal of the source's SQL. Where more than a quote needs care, such as a backslash,
    /// the source says how.
    fn text_literal(&self, text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// Runs the model. Errors before the first row and after it are both typed; a wrong or
    /// truncated input is an error, never a short read.
    async fn read(&self, request: ReadRequest) -> Result<Reading, ConnectorError>;

    /// Runs the model for the rows with these keys: as [`Source::read`], of the model narrowed to them.
    /// Columns have the types that a whole read gives them. Rows besides may come; none that was asked for
    /// may be missing, unless [`Keys::is_exact`] says that its absence means nothing. A source that cannot
    /// narrow reads the whole.
    async fn read_keys(&self, request: ReadRequest, keys: Keys) -> Result<Reading, ConnectorError> {
        let _ = keys;
        self.read(request).await
    }
}
