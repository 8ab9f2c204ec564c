//! The columns of both tables. Their names and types are a contract: columns may be added, none changes.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use Kind::{Integer, Text, Time};
use There::{Always, Sometimes};

use crate::project::SyncSpec;
use crate::state::{Reject, RunRecord, WHEN_ASKED};

/// One of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Runs,
    RowErrors,
}

impl Table {
    pub(super) const ALL: [Self; 2] = [Self::Runs, Self::RowErrors];

    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Runs => "outflow_runs",
            Table::RowErrors => "outflow_row_errors",
        }
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Table::Runs => RUNS,
            Table::RowErrors => ROW_ERRORS,
        }
    }

    pub(super) fn schema(self) -> SchemaRef {
        let fields = self.columns().iter().map(|column| {
            let nullable = matches!(column.there, There::Sometimes);
            Field::new(column.name, column.kind.data_type(), nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) there: There,
    pub(super) meaning: &'static str,
}

/// Whether a column has a value in every row.
#[derive(Clone, Copy)]
pub(super) enum There {
    Always,
    Sometimes,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Integer,
    /// An instant, milliseconds, UTC.
    Time,
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Kind::Text => DataType::Utf8,
            Kind::Integer => DataType::Int64,
            Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        }
    }

    /// The type as Parquet names it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Text => "STRING",
            Kind::Integer => "INT64",
            Kind::Time => "TIMESTAMP(MILLIS, UTC)",
        }
    }

    /// The type in an external table of Redshift.
    pub(super) fn redshift(self) -> &'static str {
        match self {
            Kind::Text => "varchar(65535)",
            Kind::Integer => "bigint",
            Kind::Time => "timestamp",
        }
    }
}

const fn column(name: &'static str, kind: Kind, there: There, meaning: &'static str) -> Column {
    Column {
        name,
        kind,
        there,
        meaning,
    }
}

#[rustfmt::skip]
const RUNS: &[Column] = &[
    column("run_id", Integer, Always, "Number of the run, as in `outflow history`; starts again with another state."),
    column("sync", Text, Always, "The sync."),
    column("status", Text, Always, "`ok`, `rejects` (done, some rows refused), `failed`, `guarded` or `deferred`."),
    column("started_at", Time, Always, "When it started."),
    column("finished_at", Time, Sometimes, "When it ended; null when it was cut off."),
    column("duration_ms", Integer, Sometimes, "How long it took, milliseconds."),
    column("source", Text, Sometimes, "The connection it read from, as its mapping says; null when the mapping is gone."),
    column("destination", Text, Sometimes, "The connection it wrote to."),
    column("object", Text, Sometimes, "The destination's object."),
    column("rows_read", Integer, Always, "Rows the model gave. With `rows_removed`, those below add up to it and the removals tried."),
    column("rows_unchanged", Integer, Always, "At the destination already."),
    column("rows_created", Integer, Always, "Records created."),
    column("rows_updated", Integer, Always, "Records updated."),
    column("rows_removed", Integer, Always, "Records removed."),
    column("rows_rejected", Integer, Always, "Refused, now or before."),
    column("rows_suppressed", Integer, Always, "Refused for consent or compliance."),
    column("rows_invalid_key", Integer, Always, "Without a key of their own."),
    column("rows_deferred", Integer, Always, "Not sent for want of quota, or because the run stopped."),
    column("rows_held", Integer, Always, "In doubt."),
    column("requests", Integer, Always, "HTTP requests, retries included."),
    column("error_code", Text, Sometimes, "Why it failed or stopped; see [ERRORS.md](ERRORS.md)."),
    column("error_message", Text, Sometimes, "The same in words."),
    column("keys_asked", Integer, Sometimes, "Of a run that was asked for some rows alone, by how many keys; null for the whole model. Freshness goes by the whole model."),
];

#[rustfmt::skip]
const ROW_ERRORS: &[Column] = &[
    column("run_id", Integer, Always, "The run that refused the row."),
    column("sync", Text, Always, "The sync."),
    column("seen_at", Time, Always, "When the run refused it."),
    column("first_seen_at", Time, Always, "When a run refused it first."),
    column("key_hash", Text, Always, "Hash of the row's key, made with the state's secret: the same row has the same one. The key itself is in `outflow rejects`."),
    column("class", Text, Always, "`permanent`, `transient`, `suppressed` (consent) or `in_doubt`."),
    column("code", Text, Always, "Stable code; see [ERRORS.md](ERRORS.md)."),
    column("field", Text, Sometimes, "The destination's field, when one is named."),
    column("message", Text, Always, "What is wrong, without the value."),
    column("attempts", Integer, Always, "Runs that tried it so far."),
    column("next_retry_at", Time, Sometimes, "Not tried again before; null when something else than time decides."),
];

/// A value of a column.
enum Cell {
    Text(Option<String>),
    Integer(Option<i64>),
    Time(Option<i64>),
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(Some(text.into()))
}

fn count(number: u64) -> Cell {
    Cell::Integer(Some(i64::try_from(number).unwrap_or(i64::MAX)))
}

/// The row of a run. `sync` is its mapping, if there still is one.
pub(super) fn run(run: &RunRecord, sync: Option<&SyncSpec>) -> Result<RecordBatch, ArrowError> {
    let tally = &run.tally;
    let took = run
        .finished_ms
        .map(|finished| finished.saturating_sub(run.started_ms).max(0));
    let (code, message) = run.error.clone().unzip();
    let row = vec![
        Cell::Integer(Some(run.id)),
        text(&run.sync),
        text(run.status.word()),
        Cell::Time(Some(run.started_ms)),
        Cell::Time(run.finished_ms),
        Cell::Integer(took),
        Cell::Text(sync.map(|sync| sync.source.clone())),
        Cell::Text(sync.map(|sync| sync.destination.clone())),
        Cell::Text(sync.map(|sync| sync.object.clone())),
        count(tally.read),
        count(tally.unchanged),
        count(tally.created),
        count(tally.updated),
        count(tally.removed),
        count(tally.rejected),
        count(tally.suppressed),
        count(tally.invalid_key),
        count(tally.deferred),
        count(tally.held),
        count(tally.requests),
        Cell::Text(code),
        Cell::Text(message),
        Cell::Integer(run.keys.and_then(|keys| i64::try_from(keys).ok())),
    ];
    batch(Table::Runs, &[row])
}

/// Rows a run refused, without their keys and values.
pub(super) fn row_errors(run: &RunRecord, rejects: &[Reject]) -> Result<RecordBatch, ArrowError> {
    let rows: Vec<Vec<Cell>> = rejects
        .iter()
        .map(|reject| {
            vec![
                Cell::Integer(Some(run.id)),
                text(&run.sync),
                Cell::Time(Some(reject.last_seen_ms)),
                Cell::Time(Some(reject.first_seen_ms)),
                text(format!("{:032x}", reject.key)),
                text(reject.class.word()),
                text(&reject.code),
                Cell::Text(reject.field.clone()),
                text(&reject.message),
                Cell::Integer(Some(reject.attempts.into())),
                Cell::Time(reject.next_retry_ms.filter(|at| *at != WHEN_ASKED)),
            ]
        })
        .collect();
    batch(Table::RowErrors, &rows)
}

fn batch(table: Table, rows: &[Vec<Cell>]) -> Result<RecordBatch, ArrowError> {
    let arrays = table.columns().iter().enumerate().map(|(index, column)| {
        let cells = || rows.iter().map(|row| row.get(index));
        let number = |cell: Option<&Cell>| match cell {
            Some(Cell::Integer(number) | Cell::Time(number)) => *number,
            _ => None,
        };
        match column.kind {
            Kind::Text => Arc::new(StringArray::from_iter(cells().map(|cell| match cell {
                Some(Cell::Text(text)) => text.as_deref(),
                _ => None,
            }))) as ArrayRef,
            Kind::Integer => Arc::new(Int64Array::from_iter(cells().map(number))),
            Kind::Time => {
                Arc::new(TimestampMillisecondArray::from_iter(cells().map(number)).with_timezone("UTC"))
            }
        }
    });
    RecordBatch::try_new(table.schema(), arrays.collect())
}
