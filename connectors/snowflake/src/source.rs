//! The source itself: a session a call, retries before the first row, cancellation by dropping.

use std::sync::Arc;
use std::time::Duration;

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

use crate::check::{self, Looking};
use crate::config::{Settings, SnowflakeSettings};
use crate::failure::is_passing;
use crate::fetch::Fetcher;
use crate::kind::Typed;
use crate::names::NAMING;
use crate::narrow;
use crate::query::Query;
use crate::read::{Reader, describe};
use crate::session::Session;

/// Batches that may wait for the other end.
const BATCHES_WAITING: usize = 2;
/// Pause before a query whose session ended, or that the server itself failed, is run once more.
const PAUSE: Duration = Duration::from_secs(1);

/// A Snowflake account as a source.
#[derive(Clone)]
pub struct Snowflake {
    settings: Arc<Settings>,
    exchange: Arc<dyn Exchange>,
    fetcher: Fetcher,
}

impl Snowflake {
    /// An account.
    ///
    /// # Errors
    /// `Config` when the settings contradict each other.
    pub fn new(settings: SnowflakeSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        Ok(Self {
            settings: Arc::new(Settings::new(settings, context)?),
            exchange: Arc::new(Network::new()?),
            fetcher: Fetcher::new()?,
        })
    }

    async fn session(&self, tag: Option<Tag>) -> Result<Session, ConnectorError> {
        Session::open(&self.settings, &self.exchange, tag).await
    }

    async fn start(&self, request: &ReadRequest, keys: Option<&Keys>) -> Result<Reader, ConnectorError> {
        let query = Query::new(&request.model)?;
        let tag = Tag::new(&request.sync, &request.run_id);
        let session = self.session(Some(tag)).await?;
        let fetcher = self.fetcher.clone();
        match Reader::start(session, fetcher, query.clone(), &request.columns, keys).await {
            Err(error) if error.code == "missing_table" => Err(self.suggest(error, &query).await),
            other => other,
        }
    }

    /// Adds the name of the table that may have been meant.
    async fn suggest(&self, error: ConnectorError, query: &Query) -> ConnectorError {
        let Some(parts) = query.table() else {
            return error;
        };
        // A suggestion is no reason for another error.
        let Ok(session) = self.session(None).await else {
            return error;
        };
        let database = (parts.len() == 3)
            .then(|| parts.first().map(String::as_str))
            .flatten();
        let looking = Looking {
            session: &Arc::new(session),
            fetcher: &self.fetcher,
        };
        let tables = check::tables(&looking, database).await.unwrap_or_default();
        let wanted = parts.last().map_or("", String::as_str);
        let near = did_you_mean(wanted, tables.iter().map(|(_, table)| table.as_str()));
        let Some((schema, table)) = near.and_then(|near| tables.iter().find(|(_, table)| table == near))
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

#[async_trait]
impl Source for Snowflake {
    async fn check(&self) -> Result<Vec<Advice>, ConnectorError> {
        let session = Arc::new(self.session(None).await?);
        let looking = Looking {
            session: &session,
            fetcher: &self.fetcher,
        };
        check::advice(&looking).await
    }

    async fn describe(&self, model: &Model) -> Result<Vec<Column>, ConnectorError> {
        let query = Query::new(model)?;
        let session = self.session(None).await?;
        match describe(&session, &query).await {
            Ok(columns) => Ok(columns.iter().map(Typed::described).collect()),
            Err(error) if error.code == "missing_table" => Err(self.suggest(error, &query).await),
            Err(error) => Err(error),
        }
    }

    /// A backslash escapes what follows it.
    fn text_literal(&self, text: &str) -> String {
        narrow::text_literal(text)
    }

    async fn read(&self, request: ReadRequest) -> Result<Reading, ConnectorError> {
        self.reading(request, None).await
    }

    async fn read_keys(&self, request: ReadRequest, keys: Keys) -> Result<Reading, ConnectorError> {
        self.reading(request, Some(keys)).await
    }
}

impl Snowflake {
    async fn reading(&self, request: ReadRequest, keys: Option<Keys>) -> Result<Reading, ConnectorError> {
        let keys = keys.as_ref();
        let reader = match self.start(&request, keys).await {
            Err(error) if is_passing(&error) => {
                tokio::time::sleep(PAUSE).await;
                self.start(&request, keys).await?
            }
            other => other?,
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

/// Ends the reading task, and with it the session, when whoever reads goes away.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
