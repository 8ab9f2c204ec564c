//! A running read: messages of the server in, batches and a receipt out.

use std::pin::Pin;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use futures::StreamExt;
use outflow_sdk::keys::Keys;
use outflow_sdk::names::project;
use outflow_sdk::source::{ReadEvent, ReadReceipt, ReadRequest};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::sync::mpsc;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

use crate::batch::Batcher;
use crate::config::Settings;
use crate::dialect::Dialect;
use crate::failure::{Doing, classify};
use crate::kind::Typed;
use crate::layout;
use crate::narrow;
use crate::query::Query;
use crate::session::Session;

/// A query that has given its first row, or its end.
pub(crate) struct Reader {
    settings: Arc<Settings>,
    session: Session,
    query: Query,
    names: Vec<String>,
    messages: Pin<Box<SimpleQueryStream>>,
    first: Option<SimpleQueryMessage>,
    batcher: Batcher,
    /// The row count the server gave.
    confirmed: Option<u64>,
}

impl Reader {
    /// Runs the query in a session of its own until its first row is there.
    ///
    /// # Errors
    /// Whatever goes wrong until then; nothing was given out yet, so it may be tried again.
    pub(crate) async fn start(
        settings: &Arc<Settings>,
        mut session: Session,
        query: Query,
        request: &ReadRequest,
        keys: Option<&Keys>,
    ) -> Result<Self, ConnectorError> {
        session.set_busy(true);
        let all = layout::columns(&session, settings, &query).await?;
        let columns = wanted(&query, all, &request.columns)?;
        let condition = keys.and_then(|keys| narrow::condition(keys, &columns, settings.dialect));
        let query = match condition {
            Some(condition) => query.narrowed(condition),
            None => query,
        };
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let messages = session
            .client()
            .simple_query_raw(&query.select(Some(&names)))
            .await
            .map_err(|error| classify(&error, settings, Doing::Querying(&query, Some(&names), 0)))?;
        let mut reader = Self {
            settings: Arc::clone(settings),
            session,
            messages: Box::pin(messages),
            first: None,
            batcher: Batcher::new(&query.label, &columns),
            names,
            query,
            confirmed: None,
        };
        match reader.next().await? {
            Some(SimpleQueryMessage::RowDescription(columns)) => {
                let same = columns.iter().map(|column| column.name()).eq(reader.names.iter());
                if !same {
                    return Err(reader.changed());
                }
            }
            _ => return Err(reader.astray("no description of the rows")),
        }
        reader.first = reader.next().await?;
        Ok(reader)
    }

    /// Schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.batcher.schema()
    }

    /// Reads to the end; stops when nobody listens any more.
    pub(crate) async fn run(mut self, events: mpsc::Sender<Result<ReadEvent, ConnectorError>>) {
        let end = self.pump(&events).await;
        // If nobody listens any more, nobody needs the end.
        if let Some(end) = end.transpose() {
            let _ = events.send(end.map(ReadEvent::End)).await;
        }
    }

    /// The receipt, or nothing when the other end went away.
    async fn pump(
        &mut self,
        events: &mpsc::Sender<Result<ReadEvent, ConnectorError>>,
    ) -> Result<Option<ReadReceipt>, ConnectorError> {
        let mut message = self.first.take();
        while let Some(current) = message {
            let batch = match current {
                SimpleQueryMessage::Row(row) => self.row(&row)?,
                SimpleQueryMessage::CommandComplete(rows) => {
                    self.confirm(rows)?;
                    self.batcher.rest()?
                }
                _ => return Err(self.astray("something between the rows")),
            };
            if let Some(batch) = batch
                && events.send(Ok(ReadEvent::Batch(batch))).await.is_err()
            {
                return Ok(None);
            }
            message = self.next().await?;
        }
        if self.confirmed.is_none() {
            return Err(self.astray("an end without a row count"));
        }
        self.session.set_busy(false);
        Ok(Some(ReadReceipt {
            rows: self.batcher.total_rows(),
            complete: true,
            query_id: self.query_id().await,
            bytes_scanned: Some(self.batcher.total_bytes()),
        }))
    }

    fn row(&mut self, row: &SimpleQueryRow) -> Result<Option<arrow_array::RecordBatch>, ConnectorError> {
        let (label, names) = (&self.query.label, &self.names);
        self.batcher.row(|at| {
            row.try_get(at).map_err(|_| {
                let name = names.get(at).map_or("", String::as_str);
                ConnectorError::source(
                    "value_encoding",
                    format!("{label}: column '{name}' holds text that is not UTF-8"),
                )
                .with_hint("convert it in a `sql:` model, such as with convert_from")
            })
        })
    }

    /// The server's own count must be ours. Redshift's tag may come without one, which reads as 0.
    fn confirm(&mut self, rows: u64) -> Result<(), ConnectorError> {
        let read = self.batcher.total_rows();
        let untold = rows == 0 && self.settings.dialect == Dialect::Redshift;
        if self.confirmed.is_some() || (rows != read && !untold) {
            return Err(self.astray("another number of rows than the server counted"));
        }
        self.confirmed = Some(rows);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<SimpleQueryMessage>, ConnectorError> {
        match self.messages.next().await {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error)) => {
                let rows = self.batcher.total_rows();
                let doing = Doing::Querying(&self.query, Some(&self.names), rows);
                Err(classify(&error, &self.settings, doing))
            }
        }
    }

    async fn query_id(&self) -> Option<String> {
        let (sql, prefix) = match self.settings.dialect {
            Dialect::Redshift => ("SELECT pg_last_query_id()", ""),
            Dialect::Postgres => ("SELECT pg_backend_pid()", "pid "),
        };
        // The rows are complete without it.
        let row = self.session.one_row(&self.settings, sql).await.ok()?;
        let id = row.into_iter().next().flatten()?;
        Some(format!("{prefix}{id}"))
    }

    fn changed(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Source { transient: true },
            "columns_changed",
            format!(
                "{}: its columns changed while it was being read",
                self.query.label
            ),
        )
        .with_hint("run it again")
    }

    fn astray(&self, what: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Contract,
            "unexpected_answer",
            format!(
                "{}: the server's answer has {what}; nothing of this read is used",
                self.query.label
            ),
        )
        .with_hint("is there a proxy that changes answers? If not, report this")
    }
}

fn wanted(query: &Query, all: Vec<Typed>, wanted: &[String]) -> Result<Vec<Typed>, ConnectorError> {
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
