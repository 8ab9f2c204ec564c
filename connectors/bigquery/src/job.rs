//! Query jobs: what one would do, running one under an id of ours, waiting for its end, cancelling it.
//!
//! The id is chosen here, so inserting the job again after an answer that was lost cannot run it twice:
//! BigQuery says that it has the job (409), and that is as good.

use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::source::ReadRequest;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::api::{Api, Call, internal, jittered};
use crate::failure::{Doing, ErrorProto, Fault, Refusal};
use crate::kind::{TableSchema, Typed};
use crate::query::Query;

/// How long the server may think before it says that a job still runs.
const POLL: Duration = Duration::from_secs(10);
/// The first and the longest pause between polls that were answered at once.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A job that BigQuery has not ended so long after its time-out is given up.
const GRACE: Duration = Duration::from_secs(15);

/// A job as the API has it (<https://cloud.google.com/bigquery/docs/reference/rest/v2/Job>).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Job {
    job_reference: Reference,
    configuration: Configuration,
    status: State,
    statistics: Statistics,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reference {
    location: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    query: QueryConfiguration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct QueryConfiguration {
    destination_table: Option<Destination>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Destination {
    project_id: String,
    dataset_id: String,
    table_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct State {
    error_result: Option<ErrorProto>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Statistics {
    total_bytes_processed: Option<String>,
    query: QueryStatistics,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct QueryStatistics {
    total_bytes_processed: Option<String>,
    statement_type: Option<String>,
    schema: Option<TableSchema>,
}

impl Statistics {
    fn bytes(&self) -> Option<u64> {
        let text = self
            .total_bytes_processed
            .as_ref()
            .or(self.query.total_bytes_processed.as_ref());
        text?.parse().ok()
    }
}

/// An answer of `getQueryResults` without its rows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    job_complete: bool,
    #[serde(default)]
    total_rows: Option<String>,
    #[serde(default)]
    schema: TableSchema,
}

/// What a query would do.
pub(crate) struct Planned {
    pub(crate) columns: Vec<Typed>,
    /// Where it would run: BigQuery finds that out from the tables in it.
    pub(crate) location: Option<String>,
}

/// Columns and location of a query, without running it.
///
/// # Errors
/// Whatever keeps BigQuery from understanding it, with its position; `not_a_query` when it is none.
pub(crate) async fn dry_run(api: &Api, query: &Query) -> Result<Planned, ConnectorError> {
    let mut body = body(api, &query.whole(), api.settings.location.as_deref());
    body["configuration"]["dryRun"] = json!(true);
    let call = Call::post(&["projects", &api.settings.project, "jobs"], &body);
    let failed = |fault: Fault| fault.told(&api.settings, Doing::DryRun(query));
    let job: Job = api.json(&call).await.map_err(failed)?;
    if let Some(error) = &job.status.error_result {
        return Err(failed(Fault::Refused(Refusal::of_job(error))));
    }
    // The server's word on what kind of statement it is.
    match job.statistics.query.statement_type.as_deref() {
        None | Some("SELECT") => {}
        Some(other) => {
            return Err(ConnectorError::config(
                "not_a_query",
                format!("{}: BigQuery calls it {other}, and models only read", query.label),
            )
            .with_hint("a model is one SELECT"));
        }
    }
    match job.statistics.query.schema {
        Some(schema) => Ok(Planned {
            columns: schema.columns(),
            location: job.job_reference.location,
        }),
        None => Err(failed(Fault::Malformed("to a dry run has no schema"))),
    }
}

fn body(api: &Api, sql: &str, location: Option<&str>) -> Json {
    let settings = &api.settings;
    let mut query = json!({"query": sql, "useLegacySql": false});
    if let Some(dataset) = &settings.dataset {
        query["defaultDataset"] = json!({"projectId": settings.project, "datasetId": dataset});
    }
    if let Some(bytes) = settings.maximum_bytes_billed {
        query["maximumBytesBilled"] = json!(bytes.to_string());
    }
    let mut reference = json!({"projectId": settings.project});
    if let Some(location) = location {
        reference["location"] = json!(location);
    }
    json!({"jobReference": reference, "configuration": {"query": query}})
}

/// A job that runs; dropping it cancels it.
pub(crate) struct Running {
    api: Arc<Api>,
    runtime: Handle,
    id: String,
    location: Option<String>,
    started: Instant,
    done: bool,
}

/// A job that succeeded.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) id: String,
    pub(crate) location: Option<String>,
    /// Rows of its result.
    pub(crate) rows: u64,
    pub(crate) columns: Vec<Typed>,
    /// The table that holds the result, as the Storage API names it.
    pub(crate) table: Option<String>,
    /// Bytes processed.
    pub(crate) bytes: Option<u64>,
}

impl Running {
    /// Starts `sql` as a job of a sync's run. Without a location an answer that is lost cannot be asked for
    /// again, since jobs are found in their location alone.
    ///
    /// # Errors
    /// Whatever keeps the job from being inserted.
    pub(crate) async fn start(
        api: &Arc<Api>,
        query: &Query,
        sql: &str,
        location: Option<String>,
        request: &ReadRequest,
    ) -> Result<Self, ConnectorError> {
        let runtime = Handle::try_current().map_err(|_| internal("there is no runtime to read in"))?;
        let mut running = Self {
            api: Arc::clone(api),
            runtime,
            id: format!("outflow_{:032x}", rand::random::<u128>()),
            location: api.settings.location.clone().or(location),
            started: Instant::now(),
            done: false,
        };
        let mut body = body(api, sql, running.location.as_deref());
        body["jobReference"]["jobId"] = json!(running.id);
        let configuration = &mut body["configuration"];
        configuration["labels"] = json!({
            "outflow_sync": label(&request.sync), "outflow_run": label(&request.run_id),
        });
        if let Some(limit) = api.settings.job_timeout {
            configuration["jobTimeoutMs"] = json!(limit.as_millis().to_string());
        }
        let call = Call::post(&["projects", &api.settings.project, "jobs"], &body);
        let job = match api.json::<Job>(&call).await {
            Err(Fault::Refused(refusal)) if refusal.status == 409 => running.job().await,
            other => other,
        };
        let failed = |fault: Fault| fault.told(&api.settings, Doing::Running(query));
        let job = match job {
            Ok(job) => job,
            // A refusal is an answer: there is no job then, and nothing to cancel.
            Err(fault @ Fault::Refused(_)) => {
                running.done = true;
                return Err(failed(fault));
            }
            Err(fault) => return Err(failed(fault)),
        };
        running.location = job.job_reference.location.or(running.location.take());
        if let Some(error) = &job.status.error_result {
            running.done = true;
            return Err(failed(Fault::Refused(Refusal::of_job(error))));
        }
        Ok(running)
    }

    async fn job(&self) -> Result<Job, Fault> {
        let call = Call::get(&["projects", &self.api.settings.project, "jobs", &self.id])
            .maybe("location", self.location.as_deref());
        self.api.json(&call).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What the job failed with; `query_timeout` when it does not end in time.
    pub(crate) async fn finish(mut self, query: &Query) -> Result<Finished, ConnectorError> {
        let api = Arc::clone(&self.api);
        let failed = |fault: Fault| fault.told(&api.settings, Doing::Running(query));
        let progress = match self.wait().await {
            Ok(Some(progress)) => progress,
            Ok(None) => {
                let refusal = Refusal {
                    reason: "timeout".to_owned(),
                    ..Refusal::default()
                };
                return Err(failed(Fault::Refused(refusal)));
            }
            Err(fault) => {
                // A job's failure comes as a refusal to give its results; it runs no more then.
                self.done = matches!(&fault, Fault::Refused(refusal) if !refusal.is_passing());
                return Err(failed(fault));
            }
        };
        self.done = true;
        let job = self.job().await.map_err(failed)?;
        if let Some(error) = &job.status.error_result {
            return Err(failed(Fault::Refused(Refusal::of_job(error))));
        }
        let rows = progress.total_rows.as_deref().and_then(|rows| rows.parse().ok());
        let rows = rows.ok_or_else(|| failed(Fault::Malformed("about the end of a job has no row count")))?;
        let table = job.configuration.query.destination_table;
        Ok(Finished {
            id: self.id.clone(),
            location: self.location.clone(),
            rows,
            columns: progress.schema.columns(),
            table: table.map(|table| {
                format!(
                    "projects/{}/datasets/{}/tables/{}",
                    table.project_id, table.dataset_id, table.table_id
                )
            }),
            bytes: job.statistics.bytes(),
        })
    }

    /// Asks until the job is complete; none when it takes longer than it may.
    async fn wait(&self) -> Result<Option<Progress>, Fault> {
        let call = Call::get(&["projects", &self.api.settings.project, "queries", &self.id])
            .maybe("location", self.location.as_deref())
            .with("maxResults", "0")
            .waiting(POLL);
        let mut pause = PAUSE;
        loop {
            let asked = Instant::now();
            let progress: Progress = self.api.json(&call).await?;
            if progress.job_complete {
                return Ok(Some(progress));
            }
            if let Some(limit) = self.api.settings.job_timeout
                && self.started.elapsed() > limit + GRACE
            {
                return Ok(None);
            }
            // A server that waited itself is asked again at once.
            if asked.elapsed() < POLL / 2 {
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let api = Arc::clone(&self.api);
        let (id, location) = (self.id.clone(), self.location.clone());
        self.runtime.spawn(async move {
            let call = Call::post(
                &["projects", &api.settings.project, "jobs", &id, "cancel"],
                &json!({}),
            )
            .maybe("location", location.as_deref());
            if api.json::<Json>(&call).await.is_err() {
                tracing::warn!(
                    job = id,
                    "the query could not be cancelled; it ends by itself or by its time-out"
                );
            }
        });
    }
}

/// A label's value: lower case, digits, `_` and `-`, at most 63
/// (<https://cloud.google.com/bigquery/docs/labels-intro#requirements>).
fn label(text: &str) -> String {
    let safe = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
            c
        } else {
            '_'
        }
    };
    text.chars().map(safe).take(63).collect()
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_are_what_bigquery_takes() {
        assert_eq!(label("Customers to HubSpot"), "customers_to_hubspot");
        assert_eq!(label(&"é".repeat(100)), "_".repeat(63));
    }
}
