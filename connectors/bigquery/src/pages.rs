//! Results by REST: page after page of rows as JSON.

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::api::{Api, Call};
use crate::batch::Batcher;
use crate::failure::{Doing, Fault};
use crate::job::Finished;
use crate::kind::Typed;
use crate::query::Query;
use crate::wire::Row;

/// Most rows of a page; the server also ends one at 10 MB.
const PAGE_ROWS: &str = "10000";

/// An answer of `getQueryResults`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow, default)]
    rows: Vec<Row<'a>>,
    #[serde(default)]
    page_token: Option<String>,
    job_complete: bool,
    /// Also there on a page without rows: an answer that was cut and mended has none.
    total_rows: String,
}

/// The result of a job, as far as it was read.
pub(crate) struct Pages {
    api: Arc<Api>,
    query: Query,
    job: Finished,
    batcher: Batcher,
    token: Option<String>,
    /// Rows at the start of the page that `token` gives.
    begins_at: u64,
    ended: bool,
}

impl Pages {
    /// The result of a job whose columns are these.
    pub(crate) fn new(api: &Arc<Api>, query: &Query, job: Finished, columns: &[Typed]) -> Self {
        Self {
            api: Arc::clone(api),
            query: query.clone(),
            batcher: Batcher::new(&query.label, columns),
            ended: job.rows == 0,
            job,
            token: None,
            begins_at: 0,
        }
    }

    /// Id and bytes of the job.
    pub(crate) fn job(&self) -> &Finished {
        &self.job
    }

    /// The batches of the next page; none after the last, when as many rows came as the job has.
    ///
    /// # Errors
    /// When a page cannot be had, a value is not of its type, or rows lack.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<RecordBatch>>, ConnectorError> {
        if self.ended {
            let (read, rows) = (self.batcher.total_rows(), self.job.rows);
            if read != rows {
                return Err(short(&self.query.label, read, rows));
            }
            return Ok(None);
        }
        let body = self.fetch().await?;
        let page = parse(&body).ok_or_else(|| self.failed(&Fault::Malformed("is no page of rows")))?;
        let mut batches = Vec::new();
        for row in &page.rows {
            batches.extend(self.batcher.row(row)?);
        }
        let stuck = page.rows.is_empty() && page.page_token.is_some();
        if stuck || (page.page_token.is_some() && page.page_token == self.token) {
            return Err(self.failed(&Fault::Malformed("promises a page after it and gets no further")));
        }
        self.begins_at = self.batcher.total_rows();
        self.ended = page.page_token.is_none();
        self.token = page.page_token;
        if self.ended {
            batches.extend(self.batcher.rest()?);
        }
        Ok(Some(batches))
    }

    async fn fetch(&self) -> Result<Bytes, ConnectorError> {
        let whole = |body: &Bytes| parse(body).filter(|page| page.job_complete).map(|_| body.clone());
        let first = self.api.read(&self.call(self.token.as_deref()), whole).await;
        let outcome = match first {
            // A token that is too old or was mangled: the place itself is known.
            Err(Fault::Refused(refusal)) if refusal.status == 400 && self.token.is_some() => {
                self.api.read(&self.call(None), whole).await
            }
            other => other,
        };
        outcome.map_err(|fault| self.failed(&fault))
    }

    fn call(&self, token: Option<&str>) -> Call {
        let call = Call::get(&["projects", &self.api.settings.project, "queries", &self.job.id])
            .maybe("location", self.job.location.as_deref())
            .with("maxResults", PAGE_ROWS)
            .with("formatOptions.useInt64Timestamp", "true");
        match token {
            Some(token) => call.with("pageToken", token),
            None => call.with("startIndex", self.begins_at.to_string()),
        }
    }

    fn failed(&self, fault: &Fault) -> ConnectorError {
        let doing = Doing::Reading(&self.query, self.batcher.total_rows());
        fault.told(&self.api.settings, doing)
    }
}

fn parse(body: &Bytes) -> Option<Page<'_>> {
    let page: Page<'_> = serde_json::from_slice(body).ok()?;
    page.total_rows.parse::<u64>().is_ok().then_some(page)
}

/// A read that ended with another number of rows than the job has.
pub(crate) fn short(label: &str, read: u64, rows: u64) -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Contract,
        "unexpected_answer",
        format!("{label}: {read} rows came, and the result has {rows}; nothing of this read is used"),
    )
    .with_hint("run it again; is there a proxy that changes answers? If not, report this")
}
