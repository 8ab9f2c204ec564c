//! A running read: parts of the result in, batches and a receipt out.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::StreamExt;
use outflow_sdk::keys::Keys;
use outflow_sdk::names::project;
use outflow_sdk::source::{ReadEvent, ReadReceipt};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::sync::mpsc;

use crate::chunks::Chunks;
use crate::decode::{Decoder, Part};
use crate::failure::{Doing, astray};
use crate::fetch::Fetcher;
use crate::kind::Typed;
use crate::narrow;
use crate::query::Query;
use crate::result::{QueryResult, columns};
use crate::rowset::{Stop, Taken};
use crate::session::Session;
use crate::wire::QueryData;

/// Files that may wait for the decoder, besides those that are being fetched.
const PARTS_WAITING: usize = 1;

type Events = mpsc::Sender<Result<ReadEvent, ConnectorError>>;

/// A query that has ended, with its result still to be taken.
pub(crate) struct Reader {
    session: Arc<Session>,
    query_id: String,
    total: u64,
    inline: Part,
    chunks: Arc<Chunks>,
    decoder: Decoder,
}

/// The columns of a query, without running it.
///
/// # Errors
/// Whatever keeps the server from understanding it, with its own position.
pub(crate) async fn describe(session: &Session, query: &Query) -> Result<Vec<Typed>, ConnectorError> {
    let doing = Doing::Querying(query, 0);
    let answer = session.run(&query.select(None), true, doing).await?;
    let data: Option<QueryData<'_>> = answer.data();
    data.ok_or("no result")
        .and_then(|data| columns(&data))
        .map_err(|what| astray(session.settings(), doing, what))
}

/// Every batch of a result that fits into memory, such as one that tells of the account.
///
/// # Errors
/// As a read.
pub(crate) async fn small(
    session: &Arc<Session>,
    fetcher: &Fetcher,
    sql: &str,
) -> Result<Vec<RecordBatch>, ConnectorError> {
    let settings = session.settings();
    let query = Query::look(settings.address());
    let answer = session.run(sql, false, Doing::Looking).await?;
    let result = QueryResult::new(&answer).map_err(|what| astray(settings, Doing::Looking, what))?;
    let mut decoder = Decoder::new(&query.label, result.columns, result.format);
    let chunks = Chunks::new(
        Arc::clone(session),
        fetcher.clone(),
        query,
        result.query_id,
        result.inline.rows,
        result.files,
    );
    let mut batches = decoder.whole(result.inline)?;
    let mut parts = Box::pin(Arc::new(chunks).parts());
    while let Some(part) = parts.next().await {
        batches.extend(decoder.whole(part?)?);
    }
    Ok(batches)
}

impl Reader {
    /// Runs the query in a session of its own until its result is there.
    ///
    /// # Errors
    /// Whatever goes wrong until then; nothing was given out yet, so it may be tried again.
    pub(crate) async fn start(
        session: Session,
        fetcher: Fetcher,
        query: Query,
        wanted: &[String],
        keys: Option<&Keys>,
    ) -> Result<Self, ConnectorError> {
        let columns = chosen(&query, describe(&session, &query).await?, wanted)?;
        let query = match keys.and_then(|keys| narrow::condition(keys, &columns)) {
            Some(condition) => query.narrowed(condition),
            None => query,
        };
        let doing = Doing::Querying(&query, 0);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let answer = session.run(&query.select(Some(&names)), false, doing).await?;
        let result = QueryResult::new(&answer).map_err(|what| astray(session.settings(), doing, what))?;
        drop(answer);
        if result.columns != columns {
            return Err(changed(&query));
        }
        session.keep_alive();
        let session = Arc::new(session);
        Ok(Self {
            decoder: Decoder::new(&query.label, result.columns, result.format),
            chunks: Arc::new(Chunks::new(
                Arc::clone(&session),
                fetcher,
                query,
                result.query_id.clone(),
                result.inline.rows,
                result.files,
            )),
            session,
            query_id: result.query_id,
            total: result.total,
            inline: result.inline,
        })
    }

    /// Schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.decoder.schema()
    }

    /// Reads to the end; stops when nobody listens any more.
    pub(crate) async fn run(self, events: Events) {
        // If nobody listens any more, nobody needs the end.
        if let Some(end) = self.pump(&events).await.transpose() {
            let _ = events.send(end.map(ReadEvent::End)).await;
        }
    }

    /// The receipt, or nothing when the other end went away.
    async fn pump(self, events: &Events) -> Result<Option<ReadReceipt>, ConnectorError> {
        let (sender, parts) = mpsc::channel(PARTS_WAITING);
        let (decoder, inline, events) = (self.decoder, self.inline, events.clone());
        // Unpacking and decoding are work, not waiting: they have a thread of their own.
        let decoding = tokio::task::spawn_blocking(move || decode(decoder, inline, parts, &events));
        let mut fetched = Box::pin(self.chunks.parts());
        while let Some(part) = fetched.next().await {
            let failed = part.is_err();
            // The decoder that takes no more says itself why.
            if sender.send(part).await.is_err() || failed {
                break;
            }
        }
        drop(sender);
        let decoded = decoding.await.map_err(|_| {
            ConnectorError::new(
                ErrorKind::Internal,
                "warehouse_reader",
                "the thread that decodes a result stopped without an answer",
            )
        })?;
        let rows = match decoded {
            Ok(rows) => rows,
            Err(Stop::Failed(error)) => return Err(error.with_correlation(Some(self.query_id))),
            Err(Stop::Unwanted | Stop::Malformed) => return Ok(None),
        };
        // Every part had its rows; this is for a part that never came.
        if rows != self.total {
            return Err(ConnectorError::new(
                ErrorKind::Internal,
                "warehouse_reader",
                format!("{rows} rows were read of {}", self.total),
            ));
        }
        Ok(Some(ReadReceipt {
            rows,
            complete: true,
            bytes_scanned: self.session.bytes_scanned(&self.query_id).await,
            query_id: Some(self.query_id),
        }))
    }
}

/// Decodes the parts until there are no more; gives the rows that were in them.
fn decode(
    mut decoder: Decoder,
    inline: Part,
    mut parts: mpsc::Receiver<Result<Part, ConnectorError>>,
    events: &Events,
) -> Result<u64, Stop> {
    let mut take = |batch| match events.blocking_send(Ok(ReadEvent::Batch(batch))) {
        Ok(()) => Taken::Continue(()),
        Err(_) => Taken::Break(()),
    };
    decoder.part(inline, &mut take)?;
    while let Some(part) = parts.blocking_recv() {
        decoder.part(part.map_err(Stop::Failed)?, &mut take)?;
    }
    decoder.rest(&mut take)?;
    Ok(decoder.rows())
}

fn chosen(query: &Query, all: Vec<Typed>, wanted: &[String]) -> Result<Vec<Typed>, ConnectorError> {
    let names: Vec<String> = all.iter().map(|column| column.name.clone()).collect();
    let positions = project(&query.label, &names, wanted)?;
    let columns: Vec<Typed> = all
        .into_iter()
        .enumerate()
        .filter(|(at, _)| positions.contains(at))
        .map(|(_, column)| column)
        .collect();
    for column in &columns {
        if let Some((what, hint)) = column.kind.refusal() {
            let message = format!("{}: column '{}' {what}", query.label, column.name);
            return Err(ConnectorError::source("unsupported_type", message).with_hint(hint));
        }
    }
    Ok(columns)
}

fn changed(query: &Query) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Source { transient: true },
        "columns_changed",
        format!("{}: its columns changed while it was being read", query.label),
    )
    .with_hint("run it again")
}
