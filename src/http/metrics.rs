//! Metrics in the text format that Prometheus reads.
//!
//! What adds up since the daemon started is counted as it happens; what is a fact about the state
//! (freshness, open rejects, quota) is looked up when someone asks. The only labels are `sync`,
//! `connection` and `outcome`, and the version; none ever holds a value of a contact.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus::{
    Counter, CounterVec, Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry,
    TextEncoder,
};

use super::app::App;
use super::refusal::Refusal;
use crate::daemon::{Ended, Handle};
use crate::project::Project;
use crate::state::{StateError, Store, Tally};

/// Bounds of run durations, seconds: from a run with nothing to do to a first run of millions.
const DURATIONS: [f64; 12] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 10_800.0, 43_200.0,
];

/// What has been counted since the daemon started.
pub struct Metrics {
    registry: Registry,
    runs: IntCounterVec,
    rows: IntCounterVec,
    durations: HistogramVec,
    requests: IntCounterVec,
    retries: IntCounterVec,
    limiter_wait: CounterVec,
    hooks: IntCounterVec,
    refusals: IntCounterVec,
}

impl Metrics {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// When a metric's name or labels are not allowed, which is a bug.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let by_account = ["sync", "connection"];
        let metrics = Self {
            runs: counter("outflow_runs_total", "Runs that ended.", &["sync", "outcome"])?,
            rows: counter(
                "outflow_rows_total",
                "Rows of runs by what became of them.",
                &["sync", "outcome"],
            )?,
            requests: counter(
                "outflow_requests_total",
                "Requests to destinations, retries included.",
                &by_account,
            )?,
            retries: counter(
                "outflow_request_retries_total",
                "Requests to destinations that were sent again.",
                &by_account,
            )?,
            hooks: counter(
                "outflow_hook_calls_total",
                "Calls of hooks, taken or refused.",
                &["outcome"],
            )?,
            refusals: counter(
                "outflow_http_refusals_total",
                "API requests refused for want of a right.",
                &["outcome"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new("outflow_run_duration_seconds", "How long runs took.")
                    .buckets(DURATIONS.to_vec()),
                &["sync"],
            )?,
            limiter_wait: CounterVec::new(
                Opts::new(
                    "outflow_limiter_wait_seconds_total",
                    "Time in which a request was ready and the account's limits held it back.",
                ),
                &by_account,
            )?,
            registry: registry.clone(),
        };
        registry.register(Box::new(metrics.durations.clone()))?;
        registry.register(Box::new(metrics.limiter_wait.clone()))?;
        Ok(metrics)
    }

    /// Counts a run that ended.
    pub fn ended(&self, ended: &Ended) {
        let report = &ended.report;
        let sync = report.sync.as_str();
        let account = [sync, ended.destination.as_str()];
        self.runs.with_label_values(&[sync, report.status.word()]).inc();
        for (outcome, rows) in buckets(&report.tally) {
            self.rows.with_label_values(&[sync, outcome]).inc_by(rows);
        }
        self.durations
            .with_label_values(&[sync])
            .observe(report.duration.as_secs_f64());
        self.requests
            .with_label_values(&account)
            .inc_by(report.tally.requests);
        self.retries.with_label_values(&account).inc_by(report.retries);
        let wait: Counter = self.limiter_wait.with_label_values(&account);
        wait.inc_by(report.limiter_wait.as_secs_f64());
    }

    /// Counts a hook's call by what became of it.
    pub(super) fn hook(&self, outcome: &str) {
        self.hooks.with_label_values(&[outcome]).inc();
    }

    /// Counts a request that was refused.
    pub(super) fn refused(&self, outcome: &str) {
        self.refusals.with_label_values(&[outcome]).inc();
    }
}

/// The buckets of a ledger, by name.
fn buckets(tally: &Tally) -> [(&'static str, u64); 9] {
    [
        ("unchanged", tally.unchanged),
        ("created", tally.created),
        ("updated", tally.updated),
        ("removed", tally.removed),
        ("rejected", tally.rejected),
        ("suppressed", tally.suppressed),
        ("invalid_key", tally.invalid_key),
        ("deferred", tally.deferred),
        ("held", tally.held),
    ]
}

/// Gauges as of now.
struct Facts {
    registry: Registry,
}

impl Facts {
    fn new() -> Self {
        Self {
            registry: Registry::new(),
        }
    }

    /// Adds a gauge with one label, or none.
    fn add(
        &self,
        name: &str,
        help: &str,
        label: Option<&str>,
        values: impl IntoIterator<Item = (String, f64)>,
    ) -> Result<(), prometheus::Error> {
        let labels: Vec<&str> = label.into_iter().collect();
        let gauge = GaugeVec::new(Opts::new(name, help), &labels)?;
        for (value, number) in values {
            let values: Vec<&str> = label.map(|_| value.as_str()).into_iter().collect();
            gauge.with_label_values(&values).set(number);
        }
        self.registry.register(Box::new(gauge))
    }

    fn one(&self, name: &str, help: &str, number: f64) -> Result<(), prometheus::Error> {
        self.add(name, help, None, [(String::new(), number)])
    }
}

/// What the state says of one sync.
struct SyncFacts {
    sync: String,
    fresh_ms: Option<i64>,
    rejects: u64,
    rows: u64,
    paused: bool,
}

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Refusal> {
    let project = Arc::clone(&app.handle.edition().project);
    let names: Vec<String> = project.syncs.iter().map(|sync| sync.name.clone()).collect();
    let syncs = app.read(move |store| sync_facts(store, &names)).await?;
    let standings = app.handle.standings().await?;
    let waiting = standings
        .iter()
        .filter(|(_, one)| one.queued_ms.is_some())
        .count();
    let text = facts(&app.handle, &project, &syncs, waiting)
        .and_then(|facts| {
            let mut families = app.metrics.registry.gather();
            families.extend(facts.registry.gather());
            let mut text = Vec::new();
            TextEncoder::new().encode(&families, &mut text)?;
            Ok(text)
        })
        .map_err(|error| {
            tracing::error!(%error, "metrics cannot be written");
            Refusal::bug()
        })?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

fn sync_facts(store: &Store, names: &[String]) -> Result<Vec<SyncFacts>, StateError> {
    names
        .iter()
        .map(|name| {
            let state = store.sync(name)?;
            Ok(SyncFacts {
                sync: name.clone(),
                fresh_ms: store.last_completed(name)?.and_then(|run| run.finished_ms),
                rejects: state.as_ref().map_or(0, |state| state.rejects),
                rows: state.as_ref().map_or(0, |state| state.rows),
                paused: store.timing(name)?.is_some_and(|timing| timing.paused.is_some()),
            })
        })
        .collect()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "metrics are floats; nobody has 2^53 rows"
)]
fn facts(
    daemon: &Handle,
    project: &Project,
    syncs: &[SyncFacts],
    waiting: usize,
) -> Result<Facts, prometheus::Error> {
    let now_ms = daemon.clock.now_ms();
    let facts = Facts::new();
    let of_syncs = |value: fn(&SyncFacts) -> f64| syncs.iter().map(move |one| (one.sync.clone(), value(one)));
    facts.add(
        "outflow_build_info",
        "The version that runs.",
        Some("version"),
        [(env!("CARGO_PKG_VERSION").to_owned(), 1.0)],
    )?;
    facts.one(
        "outflow_lease_held",
        "Whether this process may write to the project's state.",
        1.0,
    )?;
    facts.add(
        "outflow_last_success_timestamp_seconds",
        "When a run of the sync last went through, with rejects or without.",
        Some("sync"),
        syncs
            .iter()
            .filter_map(|one| Some((one.sync.clone(), one.fresh_ms? as f64 / 1e3))),
    )?;
    facts.add(
        "outflow_freshness_seconds",
        "How long ago a run of the sync last went through.",
        Some("sync"),
        syncs.iter().filter_map(|one| {
            let age = now_ms.saturating_sub(one.fresh_ms?).max(0);
            Some((one.sync.clone(), age as f64 / 1e3))
        }),
    )?;
    facts.add(
        "outflow_rejects_open",
        "Open rejects of the sync.",
        Some("sync"),
        of_syncs(|one| one.rejects as f64),
    )?;
    facts.add(
        "outflow_rows_known",
        "Rows of the sync that are known to be at the destination.",
        Some("sync"),
        of_syncs(|one| one.rows as f64),
    )?;
    facts.add(
        "outflow_sync_paused",
        "Whether the sync is paused.",
        Some("sync"),
        of_syncs(|one| f64::from(u8::from(one.paused))),
    )?;
    facts.one(
        "outflow_runs_running",
        "Runs under way.",
        daemon.live.now().len() as f64,
    )?;
    facts.one(
        "outflow_syncs_waiting",
        "Syncs that are due and wait for a free place.",
        waiting as f64,
    )?;
    let mut left = BTreeMap::new();
    for (name, connection) in &project.destinations {
        let account = daemon.quotas.account(connection.destination.as_ref());
        if let Some(requests) = account.ok().and_then(|account| account.quota_remaining()) {
            left.insert(name.clone(), requests as f64);
        }
    }
    facts.add(
        "outflow_quota_remaining_requests",
        "Requests the account has left today, the reserve left out.",
        Some("connection"),
        left,
    )?;
    Ok(facts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::daemon::timetable::Cause;
    use crate::deliver::Slowest;
    use crate::state::RunStatus;
    use crate::sync::report::RunReport;

    #[test]
    fn a_run_counts_its_rows_requests_and_time() {
        let metrics = Metrics::new().unwrap();
        let report = RunReport {
            sync: "customers".into(),
            run_id: 7,
            status: RunStatus::Rejects,
            keys: None,
            tally: Tally {
                read: 12,
                created: 9,
                rejected: 3,
                requests: 4,
                ..Tally::default()
            },
            removals: 0,
            duration: Duration::from_millis(700),
            limiter_wait: Duration::from_millis(250),
            retries: 1,
            slowest: Slowest::default(),
            resumes_in: None,
            error: None,
            duplicate_keys: Vec::new(),
            null_key_rows: Vec::new(),
        };
        metrics.ended(&Ended {
            cause: Cause::Schedule,
            destination: "crm".into(),
            finished_ms: 0,
            report,
        });
        metrics.hook("hook_signature");
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&metrics.registry.gather(), &mut text)
            .unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            r#"outflow_runs_total{outcome="rejects",sync="customers"} 1"#,
            r#"outflow_rows_total{outcome="created",sync="customers"} 9"#,
            r#"outflow_rows_total{outcome="rejected",sync="customers"} 3"#,
            r#"outflow_requests_total{connection="crm",sync="customers"} 4"#,
            r#"outflow_request_retries_total{connection="crm",sync="customers"} 1"#,
            r#"outflow_limiter_wait_seconds_total{connection="crm",sync="customers"} 0.25"#,
            r#"outflow_run_duration_seconds_bucket{sync="customers",le="1"} 1"#,
            r#"outflow_hook_calls_total{outcome="hook_signature"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
