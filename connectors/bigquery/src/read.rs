//! A read: which way its rows come, and what it says at its end.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use outflow_sdk::keys::Keys;
use outflow_sdk::names::project;
use outflow_sdk::source::{ReadEvent, ReadReceipt, ReadRequest};
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::api::Api;
use crate::batch::schema;
use crate::columns::columns_changed;
use crate::failure::too_many_bytes;
use crate::job::{self, Finished, Running};
use crate::kind::Typed;
use crate::narrow;
use crate::pages::Pages;
use crate::query::Query;
use crate::storage::Storage;
use crate::streams::{Events, Streams};
use crate::table;

/// Results of so few rows come by REST: one page is there sooner than a session.
const SMALL: u64 = 10_000;

/// A read whose first rows are ready to be taken.
pub(crate) struct Reader {
    schema: SchemaRef,
    rows: Rows,
}

enum Rows {
    Pages(Box<Pages>),
    Streams {
        streams: Box<Streams>,
        /// The job whose result it is; none for a table that is read as it is.
        job: Option<Finished>,
    },
}

/// Columns of a model, as its batches have them.
pub(crate) async fn columns(api: &Api, query: &Query) -> Result<Vec<Typed>, ConnectorError> {
    match query.table().filter(|table| !table.is_wildcard()) {
        Some(name) => Ok(table::describe(api, query, name).await?.columns),
        None => Ok(job::dry_run(api, query).await?.columns),
    }
}

impl Reader {
    /// Begins to read a model.
    ///
    /// # Errors
    /// Whatever goes wrong before the first row; nothing was given out yet, so it may be tried again.
    pub(crate) async fn start(
        api: &Arc<Api>,
        storage: Option<&Storage>,
        query: &Query,
        request: &ReadRequest,
        keys: Option<&Keys>,
    ) -> Result<Self, ConnectorError> {
        let Some(name) = query.table().filter(|table| !table.is_wildcard()) else {
            let planned = job::dry_run(api, query).await?;
            let columns = wanted(query, planned.columns, request)?;
            let query = &narrowed(query, keys, &columns);
            return Self::of_query(api, storage, query, request, columns, planned.location).await;
        };
        let table = table::describe(api, query, name).await?;
        let columns = wanted(query, table.columns, request)?;
        let narrowed = narrowed(query, keys, &columns);
        if narrowed != *query {
            return Self::of_query(api, storage, &narrowed, request, columns, table.location).await;
        }
        if let Some(storage) = storage.filter(|_| table.is_stored) {
            match Self::of_table(api, storage, query, &name.resource(), &columns).await {
                Err(error) if may_come_otherwise(&error) => fell_back(&error),
                other => return other,
            }
        }
        // A view may be broken, a partition asked for: told before anything runs.
        job::dry_run(api, query).await?;
        Self::of_query(api, storage, query, request, columns, table.location).await
    }

    /// A table's rows as they lie there, without a query.
    async fn of_table(
        api: &Api,
        storage: &Storage,
        query: &Query,
        resource: &str,
        columns: &[Typed],
    ) -> Result<Self, ConnectorError> {
        let session = storage.open(resource, &names(columns)).await?;
        if let (Some(limit), Some(bytes)) = (api.settings.maximum_bytes_billed, session.bytes)
            && bytes > limit
        {
            return Err(too_many_bytes(&query.label, &api.settings, Some(bytes)));
        }
        let streams = Streams::new(storage.clone(), session, &query.label, columns, None)?;
        Ok(Self {
            schema: schema(columns),
            rows: Rows::Streams {
                streams: Box::new(streams),
                job: None,
            },
        })
    }

    /// The result of a query.
    async fn of_query(
        api: &Arc<Api>,
        storage: Option<&Storage>,
        query: &Query,
        request: &ReadRequest,
        columns: Vec<Typed>,
        location: Option<String>,
    ) -> Result<Self, ConnectorError> {
        let sql = query.select(&names(&columns));
        let running = Running::start(api, query, &sql, location, request).await?;
        let job = running.finish(query).await?;
        let same = |(a, b): (&Typed, &Typed)| a.name.eq_ignore_ascii_case(&b.name);
        if job.columns.len() != columns.len() || !job.columns.iter().zip(&columns).all(same) {
            return Err(columns_changed(&query.label));
        }
        let schema = schema(&columns);
        if let (Some(storage), Some(table)) = (storage.filter(|_| job.rows > SMALL), &job.table) {
            match storage.open(table, &[]).await {
                Ok(session) => {
                    let rows = Some(job.rows);
                    let streams = Streams::new(storage.clone(), session, &query.label, &columns, rows)?;
                    let (streams, job) = (Box::new(streams), Some(job));
                    return Ok(Self {
                        schema,
                        rows: Rows::Streams { streams, job },
                    });
                }
                Err(error) if may_come_otherwise(&error) => fell_back(&error),
                Err(error) => return Err(error),
            }
        }
        let pages = Pages::new(api, query, job, &columns);
        Ok(Self {
            schema,
            rows: Rows::Pages(Box::new(pages)),
        })
    }

    /// Schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads to the end; stops when nobody listens any more.
    pub(crate) async fn run(self, events: Events) {
        let end = self.pump(&events).await;
        // If nobody listens any more, nobody needs the end.
        if let Some(end) = end.transpose() {
            let _ = events.send(end.map(ReadEvent::End)).await;
        }
    }

    /// The receipt, or nothing when the other end went away.
    async fn pump(self, events: &Events) -> Result<Option<ReadReceipt>, ConnectorError> {
        match self.rows {
            Rows::Pages(mut pages) => {
                while let Some(batches) = pages.next().await? {
                    for batch in batches {
                        if events.send(Ok(ReadEvent::Batch(batch))).await.is_err() {
                            return Ok(None);
                        }
                    }
                }
                let job = pages.job();
                Ok(Some(receipt(job.rows, job.id.clone(), job.bytes)))
            }
            Rows::Streams { streams, job } => {
                let (name, bytes) = (streams.session().name.clone(), streams.session().bytes);
                let Some(rows) = streams.pump(events).await? else {
                    return Ok(None);
                };
                Ok(Some(match job {
                    Some(job) => receipt(rows, job.id, job.bytes),
                    None => receipt(rows, name, bytes),
                }))
            }
        }
    }
}

fn receipt(rows: u64, query_id: String, bytes_scanned: Option<u64>) -> ReadReceipt {
    ReadReceipt {
        rows,
        complete: true,
        query_id: Some(query_id),
        bytes_scanned,
    }
}

/// The query of the rows that are asked for, where it can be narrowed to them.
fn narrowed(query: &Query, keys: Option<&Keys>, columns: &[Typed]) -> Query {
    match keys.and_then(|keys| narrow::condition(keys, columns)) {
        Some(condition) => query.clone().narrowed(condition),
        None => query.clone(),
    }
}

fn names(columns: &[Typed]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// Whether another way may give the rows that the Storage Read API does not: all but what is wrong with
/// the model or the settings.
fn may_come_otherwise(error: &ConnectorError) -> bool {
    error.code != "bytes_billed_limit"
        && error.code != "credentials_refused"
        && matches!(error.kind, ErrorKind::Auth | ErrorKind::Source { .. })
}

fn fell_back(error: &ConnectorError) {
    tracing::warn!(
        code = error.code,
        "{error}; the rows come by REST instead, which is slower"
    );
}

fn wanted(query: &Query, all: Vec<Typed>, request: &ReadRequest) -> Result<Vec<Typed>, ConnectorError> {
    let names: Vec<String> = all.iter().map(|column| column.name.clone()).collect();
    let positions = project(&query.label, &names, &request.columns)?;
    let columns: Vec<Typed> = all
        .into_iter()
        .enumerate()
        .filter(|(at, _)| positions.contains(at))
        .map(|(_, column)| column)
        .collect();
    for column in &columns {
        if let Some(unknown) = column.kind.unknown() {
            let message = format!(
                "{}: column '{}' has the type {unknown}, which cannot be read",
                query.label, column.name
            );
            return Err(
                ConnectorError::source("unsupported_type", message).with_hint(format!(
                    "turn it into text in a `sql:` model: TO_JSON_STRING({0}) AS {0}",
                    column.name
                )),
            );
        }
    }
    Ok(columns)
}
