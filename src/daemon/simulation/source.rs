//! The shop as a source: a read shows a table as it was when the read began, and may fail on the way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::stream;
use outflow_sdk::source::{Advice, Column, Model, ReadEvent, ReadReceipt, ReadRequest, Reading, Source};
use outflow_sdk::{ConnectorError, ErrorKind};
use rand::Rng;
use tokio::time::sleep;

use super::table::Row;
use super::trouble::What;
use super::world::{Around, World};

const PLACE: &str = "shop";
const BATCH: usize = 8;

pub(super) struct Shop(pub(super) Arc<World>);

/// What comes next of a read, after so many milliseconds.
type Step = (u64, Result<ReadEvent, ConnectorError>);

fn gone(message: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Source { transient: true }, "shop_down", message)
}

fn schema() -> SchemaRef {
    let field = |name, kind, nullable| Field::new(name, kind, nullable);
    Arc::new(Schema::new(vec![
        field("id", DataType::Int64, false),
        field("email", DataType::Utf8, false),
        field("name", DataType::Utf8, true),
        field("score", DataType::Int64, false),
        field("rev", DataType::Int64, false),
    ]))
}

fn batch(rows: &[(i64, Row)]) -> RecordBatch {
    let numbers = |of: fn(&(i64, Row)) -> i64| Int64Array::from_iter_values(rows.iter().map(of));
    let emails = rows.iter().map(|(_, row)| row.email());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(numbers(|(id, _)| *id)),
        Arc::new(StringArray::from_iter_values(emails)),
        Arc::new(StringArray::from_iter(rows.iter().map(|(_, row)| row.name()))),
        Arc::new(numbers(|(_, row)| row.score())),
        Arc::new(numbers(|(_, row)| row.rev())),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn receipt(rows: usize, complete: bool) -> ReadEvent {
    ReadEvent::End(ReadReceipt {
        rows: rows as u64,
        complete,
        query_id: None,
        bytes_scanned: None,
    })
}

/// A read from its first batch to its end; whether it shows everything.
fn steps(around: &mut Around, rows: &[(i64, Row)]) -> (Vec<Step>, bool) {
    let pause = if around.hit(PLACE, What::Slow, 0.5) {
        10_000..600_000
    } else {
        50..900
    };
    let mut steps: Vec<Step> = Vec::new();
    for rows in rows.chunks(BATCH) {
        let after = around.random.random_range(pause.clone());
        steps.push((after, Ok(ReadEvent::Batch(batch(rows)))));
    }
    if !around.hit(PLACE, What::Cut, 0.6) {
        steps.push((10, Ok(receipt(rows.len(), true))));
        return (steps, true);
    }
    steps.truncate(around.random.random_range(0..=steps.len()));
    let read: usize = steps
        .iter()
        .map(|(_, step)| match step {
            Ok(ReadEvent::Batch(batch)) => batch.num_rows(),
            _ => 0,
        })
        .sum();
    match around.random.random_range(0..4) {
        0 => {}
        1 => steps.push((10, Err(gone("the shop hung up")))),
        2 => steps.push((10, Ok(receipt(read, false)))),
        _ => steps.push((10, Ok(receipt(read + 1, true)))),
    }
    (steps, false)
}

/// Nobody else reads the table while this lives.
struct Busy(Arc<World>, String);

impl Busy {
    fn new(world: &Arc<World>, sync: &str) -> Self {
        let mut around = world.lock();
        let table = around.tables.get_mut(sync).unwrap();
        if std::mem::replace(&mut table.busy, true) {
            around.wrong(format!("{sync} reads while it reads"));
        }
        Self(Arc::clone(world), sync.to_owned())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.lock().tables.get_mut(&self.1).unwrap().busy = false;
    }
}

#[async_trait]
impl Source for Shop {
    async fn check(&self) -> Result<Vec<Advice>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn describe(&self, _: &Model) -> Result<Vec<Column>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn read(&self, request: ReadRequest) -> Result<Reading, ConnectorError> {
        let world = &self.0;
        let sync = request.sync;
        let busy = Busy::new(world, &sync);
        world.wait(20..2_000).await;
        let mut around = world.lock();
        if around.hit(PLACE, What::Down, 1.0) {
            return Err(gone("the shop does not answer"));
        }
        let empty = around.hit(PLACE, What::Empty, 1.0);
        let table = &around.tables[&sync];
        let rows: Vec<(i64, Row)> = table.rows.clone().into_iter().collect();
        let shown = if empty { &[] } else { rows.as_slice() };
        let (steps, whole) = steps(&mut around, shown);
        drop(around);
        let end: Option<BTreeMap<i64, Row>> = (whole && !empty).then(|| rows.into_iter().collect());
        let reading = (busy, steps.into_iter(), end);
        let events = stream::unfold(reading, async |(busy, mut steps, end)| {
            let (after, step) = steps.next()?;
            sleep(Duration::from_millis(after)).await;
            if let (Ok(ReadEvent::End(_)), Some(rows)) = (&step, &end) {
                let mut around = busy.0.lock();
                around.tables.get_mut(&busy.1)?.read = BTreeMap::clone(rows);
            }
            Some((step, (busy, steps, end)))
        });
        Ok(Reading {
            schema: schema(),
            events: Box::pin(events),
        })
    }
}
