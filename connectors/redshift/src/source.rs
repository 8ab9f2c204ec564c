//! The source itself: a session a call, retries before the first row, cancellation by dropping.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::stream;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::http::{Exchange, Network};
use outflow_sdk::keys::Keys;
use outflow_sdk::names::did_you_mean;
use outflow_sdk::source::{Advice, Column, Model, ReadEvent, ReadRequest, Reading, Source};
use outflow_sdk::tag::Tag;
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::check;
use crate::config::{Login, PostgresSettings, RedshiftSettings, Settings};
use crate::failure::is_passing;
use crate::kind::Typed;
use crate::layout;
use crate::names::NAMING;
use crate::query::Query;
use crate::read::Reader;
use crate::session::Session;
use crate::unload::{FileReader, Unload, Unloaded};

/// Batches that may wait for the other end.
const BATCHES_WAITING: usize = 2;
/// Pauses before a read that failed without a row is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// The longest pause a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tables and views the role may see, for suggestions.
const TABLES: &str = "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg!_%' ESCAPE '!' \
     AND n.nspname <> 'information_schema' ORDER BY 1, 2 LIMIT 5000";

/// A Redshift or PostgreSQL database as a source.
#[derive(Clone)]
pub struct Warehouse {
    settings: Arc<Settings>,
    /// The way to AWS, where credentials come from there.
    exchange: Option<Arc<dyn Exchange>>,
    /// The way by S3, where rows take it.
    unload: Option<Unload>,
}

impl Warehouse {
    /// A Redshift cluster or workgroup.
    ///
    /// # Errors
    /// `Config` when the settings contradict each other.
    pub fn redshift(mut settings: RedshiftSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        let unload = settings.unload.take();
        let unload = unload.map(|unload| Unload::new(unload, context)).transpose()?;
        Self::new(Settings::redshift(settings, context)?, unload)
    }

    /// A PostgreSQL database.
    ///
    /// # Errors
    /// `Config` when the settings contradict each other.
    pub fn postgres(settings: PostgresSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        Self::new(Settings::postgres(settings, context)?, None)
    }

    fn new(settings: Settings, unload: Option<Unload>) -> Result<Self, ConnectorError> {
        let exchange = match &settings.login {
            Login::Password { .. } => None,
            Login::Iam { .. } => Some(Arc::new(Network::new()?) as Arc<dyn Exchange>),
        };
        Ok(Self {
            settings: Arc::new(settings),
            exchange,
            unload,
        })
    }

    async fn session(&self, tag: Option<&Tag>) -> Result<Session, ConnectorError> {
        Session::open(&self.settings, self.exchange.as_deref(), tag).await
    }

    async fn start(&self, request: &ReadRequest, keys: Option<&Keys>) -> Result<Started, ConnectorError> {
        let tag = Tag::new(&request.sync, &request.run_id);
        let query = Query::new(&request.model, self.settings.dialect, Some(&tag))?;
        let session = self.session(Some(&tag)).await?;
        match self.start_in(session, &query, request, keys).await {
            Err(error) if error.code == "missing_table" => Err(self.suggest(error, &query).await),
            other => other,
        }
    }

    async fn start_in(
        &self,
        mut session: Session,
        query: &Query,
        request: &ReadRequest,
        keys: Option<&Keys>,
    ) -> Result<Started, ConnectorError> {
        // A few rows are here sooner than their files would be written.
        if let Some(unload) = &self.unload
            && keys.is_none()
        {
            match unload.start(&self.settings, session, query, request).await? {
                Unloaded::Files(files) => return Ok(Started::InFiles(files)),
                Unloaded::NotWritable(kept) => session = *kept,
            }
        }
        let reader = Reader::start(&self.settings, session, query.clone(), request, keys).await?;
        Ok(Started::Streaming(Box::new(reader)))
    }

    /// Adds the name of the table that may have been meant.
    async fn suggest(&self, error: ConnectorError, query: &Query) -> ConnectorError {
        let Some(wanted) = query.table() else {
            return error;
        };
        let Ok(session) = self.session(None).await else {
            return error;
        };
        // A suggestion is no reason for another error.
        let rows = session.rows(&self.settings, TABLES).await.unwrap_or_default();
        let tables: Vec<(&str, &str)> = rows
            .iter()
            .filter_map(|row| Some((row.first()?.as_deref()?, row.get(1)?.as_deref()?)))
            .collect();
        let near = did_you_mean(wanted, tables.iter().map(|(_, table)| *table));
        let Some((schema, table)) = near.and_then(|near| tables.iter().find(|(_, table)| *table == near))
        else {
            return error;
        };
        error.with_hint(format!(
            "did you mean {}.{}?",
            NAMING.written(schema),
            NAMING.written(table)
        ))
    }
}

/// A read whose first row, or end, is there.
enum Started {
    Streaming(Box<Reader>),
    InFiles(FileReader),
}

impl Started {
    fn schema(&self) -> &SchemaRef {
        match self {
            Started::Streaming(reader) => reader.schema(),
            Started::InFiles(files) => files.schema(),
        }
    }

    async fn run(self, events: mpsc::Sender<Event>) {
        match self {
            Started::Streaming(reader) => reader.run(events).await,
            Started::InFiles(files) => files.run(events).await,
        }
    }
}

#[async_trait]
impl Source for Warehouse {
    async fn check(&self) -> Result<Vec<Advice>, ConnectorError> {
        let session = self.session(None).await?;
        let mut advice = check::advice(&session, &self.settings).await?;
        if let Some(unload) = &self.unload {
            let address = unload.check().await?;
            advice.push(Advice {
                code: "unload",
                message: format!("rows come by way of {address}"),
            });
        }
        Ok(advice)
    }

    async fn describe(&self, model: &Model) -> Result<Vec<Column>, ConnectorError> {
        let query = Query::new(model, self.settings.dialect, None)?;
        let mut session = self.session(None).await?;
        session.set_busy(true);
        let columns = match layout::columns(&session, &self.settings, &query).await {
            Ok(columns) => layout::permitted(&session, &self.settings, &query)
                .await
                .map(|()| columns),
            Err(error) => Err(error),
        };
        session.set_busy(false);
        match columns {
            Ok(columns) => Ok(columns.iter().map(Typed::described).collect()),
            Err(error) if error.code == "missing_table" => Err(self.suggest(error, &query).await),
            Err(error) => Err(error),
        }
    }

    fn text_literal(&self, text: &str) -> String {
        self.settings.dialect.text_literal(text)
    }

    async fn read(&self, request: ReadRequest) -> Result<Reading, ConnectorError> {
        self.reading(request, None).await
    }

    async fn read_keys(&self, request: ReadRequest, keys: Keys) -> Result<Reading, ConnectorError> {
        self.reading(request, Some(keys)).await
    }
}

impl Warehouse {
    async fn reading(&self, request: ReadRequest, keys: Option<Keys>) -> Result<Reading, ConnectorError> {
        let mut pauses = PAUSES.into_iter();
        let reader = loop {
            match self.start(&request, keys.as_ref()).await {
                Ok(reader) => break reader,
                Err(error) => match pauses.next().filter(|_| is_passing(&error)) {
                    Some(pause) => tokio::time::sleep(pause.max(asked(&error))).await,
                    None => return Err(error),
                },
            }
        };
        let schema = Arc::clone(reader.schema());
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let task = tokio::spawn(reader.run(sender));
        let guard = AbortOnDrop(task.abort_handle());
        Ok(Reading {
            schema,
            events: Box::pin(stream::unfold(Some((receiver, guard)), next_event)),
        })
    }
}

/// The pause a server asked for.
fn asked(error: &ConnectorError) -> Duration {
    match error.kind {
        ErrorKind::Transient { after: Some(after) } => after.min(LONGEST_PAUSE),
        _ => Duration::ZERO,
    }
}

type Event = Result<ReadEvent, ConnectorError>;
type State = Option<(mpsc::Receiver<Event>, AbortOnDrop)>;

async fn next_event(state: State) -> Option<(Event, State)> {
    let (mut receiver, guard) = state?;
    match receiver.recv().await {
        Some(Ok(ReadEvent::Batch(batch))) => Some((Ok(ReadEvent::Batch(batch)), Some((receiver, guard)))),
        Some(end) => Some((end, None)),
        None => {
            let error = ConnectorError::new(
                ErrorKind::Internal,
                "warehouse_reader",
                "the task that reads the warehouse stopped without an answer",
            );
            Some((Err(error), None))
        }
    }
}

/// Ends the reading task, and with its session the query, when whoever reads goes away.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
