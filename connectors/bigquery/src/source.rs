//! The source itself: retries before the first row, cancellation by dropping.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::http::{Exchange, Network};
use outflow_sdk::keys::Keys;
use outflow_sdk::source::{Advice, Column, Model, ReadEvent, ReadRequest, Reading, Source};
use tokio::sync::{OnceCell, mpsc};
use tokio::task::AbortHandle;

use crate::api::{Api, internal, jittered};
use crate::check;
use crate::config::{BigQuerySettings, Settings};
use crate::credentials::Credentials;
use crate::failure::is_passing;
use crate::kind::Typed;
use crate::narrow;
use crate::query::Query;
use crate::read::{self, Reader};
use crate::storage::Storage;
use crate::token::Tokens;

/// Batches that may wait for the other end.
const BATCHES_WAITING: usize = 2;
/// Pauses before a read that failed without a row is tried again. Single calls were tried before.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];

/// BigQuery as a source.
pub struct BigQuery {
    settings: Settings,
    exchange: Arc<dyn Exchange>,
    api: OnceCell<Arc<Api>>,
    storage: OnceCell<Option<Storage>>,
}

impl BigQuery {
    /// A source that proves who it is by its settings, or by application default credentials.
    ///
    /// # Errors
    /// `Config` when a setting cannot be.
    pub fn new(settings: BigQuerySettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        Ok(Self {
            settings: Settings::new(settings, context)?,
            exchange: Arc::new(Network::new()?),
            api: OnceCell::new(),
            storage: OnceCell::new(),
        })
    }

    /// The API. Credentials are looked for when they are first needed, so that a project without them can
    /// be checked.
    async fn api(&self) -> Result<&Arc<Api>, ConnectorError> {
        self.api
            .get_or_try_init(|| async {
                let exchange = || Arc::clone(&self.exchange);
                let tokens = Credentials::of(&self.settings, &|name| std::env::var(name).ok())?
                    .map(|credentials| Tokens::new(credentials, exchange()));
                Ok(Arc::new(Api::new(self.settings.clone(), exchange(), tokens)))
            })
            .await
    }

    async fn storage(&self, api: &Arc<Api>) -> Result<Option<&Storage>, ConnectorError> {
        let storage = self
            .storage
            .get_or_try_init(|| async {
                let url = self.settings.storage_url.as_deref();
                url.map(|url| Storage::new(api, url)).transpose()
            })
            .await?;
        Ok(storage.as_ref())
    }

    async fn start(&self, request: &ReadRequest, keys: Option<&Keys>) -> Result<Reader, ConnectorError> {
        let query = Query::new(&request.model, &self.settings)?;
        let api = self.api().await?;
        let storage = self.storage(api).await?;
        Reader::start(api, storage, &query, request, keys).await
    }
}

#[async_trait]
impl Source for BigQuery {
    async fn check(&self) -> Result<Vec<Advice>, ConnectorError> {
        check::advice(self.api().await?).await
    }

    async fn describe(&self, model: &Model) -> Result<Vec<Column>, ConnectorError> {
        let query = Query::new(model, &self.settings)?;
        let columns = read::columns(self.api().await?, &query).await?;
        Ok(columns.iter().map(Typed::described).collect())
    }

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

impl BigQuery {
    async fn reading(&self, request: ReadRequest, keys: Option<Keys>) -> Result<Reading, ConnectorError> {
        let mut pauses = PAUSES.into_iter();
        let reader = loop {
            match self.start(&request, keys.as_ref()).await {
                Ok(reader) => break reader,
                Err(error) => match pauses.next().filter(|_| is_passing(&error)) {
                    Some(pause) => tokio::time::sleep(jittered(pause)).await,
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

type Event = Result<ReadEvent, ConnectorError>;
type State = Option<(mpsc::Receiver<Event>, AbortOnDrop)>;

async fn next_event(state: State) -> Option<(Event, State)> {
    let (mut receiver, guard) = state?;
    match receiver.recv().await {
        Some(Ok(ReadEvent::Batch(batch))) => Some((Ok(ReadEvent::Batch(batch)), Some((receiver, guard)))),
        Some(end) => Some((end, None)),
        None => Some((
            Err(internal("the task that reads stopped without an answer")),
            None,
        )),
    }
}

/// Ends the reading task when whoever reads goes away.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
