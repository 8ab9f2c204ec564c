//! Scan: the model is read once; rows that are as acknowledged are counted, the others set aside.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{Array, ArrayRef, RecordBatch};
use futures::StreamExt;
use outflow_project::SyncSpec;
use outflow_sdk::print::{KeyHash, Print, Printer};
use outflow_sdk::source::{ReadEvent, ReadReceipt, ReadRequest, Source};
use outflow_state::{Filter, Probe};

use super::error::RunError;
use super::map::{BatchPrints, Mapping, Room};
use super::progress::Progress;
use super::spill::{PackedRows, SortedSpill, SpillError};

/// Most rows of a kind that a report names.
pub const SAMPLES: usize = 5;

/// What a complete read found.
pub struct Scan {
    /// Rows that differ, have faults, or repeat a key; by key.
    pub candidates: SortedSpill,
    /// Records of the last batch, to be set aside while the next ones are made.
    made: Vec<PackedRows>,
    /// Rows read.
    pub read: u64,
    /// Rows that are as acknowledged (each key once).
    pub unchanged: u64,
    /// Rows with NULL in their key.
    pub null_keys: u64,
    /// Where the first of them stand in the model, counted from 1.
    pub null_key_rows: Vec<u64>,
    /// How the read ended.
    pub receipt: ReadReceipt,
}

/// Reads what a sync asks for at this run to its end.
///
/// # Errors
/// Anything that keeps the read from being complete, and columns the mapping names in vain.
pub async fn scan(
    source: &dyn Source,
    sync: &SyncSpec,
    request: ReadRequest,
    printer: Printer,
    filter: &mut Filter,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Scan, RunError> {
    let mut reading = source.read(request).await.map_err(RunError::Source)?;
    let mapping = Mapping::compile(sync, &reading.schema, printer).map_err(RunError::Columns)?;
    let mut scan = Scan::new(folder);
    let mut lot = Lot::for_filter(filter);
    while let Some(event) = reading.events.next().await {
        match event.map_err(RunError::Source)? {
            ReadEvent::Batch(batch) => {
                lot.add(batch, &mapping);
                if lot.is_full() {
                    scan.take(&mut lot, &mapping, filter)?;
                    progress.read(&sync.name, scan.read);
                }
            }
            ReadEvent::End(receipt) => {
                scan.take(&mut lot, &mapping, filter)?;
                progress.read(&sync.name, scan.read);
                scan.receipt = receipt;
                return scan.finish();
            }
        }
    }
    Err(RunError::cut_read(scan.read))
}

/// Most rows that are looked up in the filter together: the more there are, the fewer pages of it lie
/// between one and the next. A small filter has few pages, and needs no more than the fewest.
const LOT_ROWS: std::ops::RangeInclusive<u64> = 16 << 10..=128 << 10;

/// Rows of a filter for one of a lot.
const FILTER_ROWS: u64 = 64;

/// Bytes of batches that are held for it at most.
const LOT_BYTES: usize = 32 << 20;

/// Batches waiting to be looked up.
struct Lot {
    rows: usize,
    batches: Vec<RecordBatch>,
    prints: BatchPrints,
    bytes: usize,
    probes: Vec<Probe>,
    /// Rows of the batch at hand that are not as acknowledged, with key and print.
    differ: Vec<(usize, KeyHash, Print)>,
}

impl Lot {
    fn for_filter(filter: &Filter) -> Self {
        let rows = (filter.len() / FILTER_ROWS).clamp(*LOT_ROWS.start(), *LOT_ROWS.end());
        Self {
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
            batches: Vec::new(),
            prints: BatchPrints::default(),
            bytes: 0,
            probes: Vec::new(),
            differ: Vec::new(),
        }
    }

    fn add(&mut self, batch: RecordBatch, mapping: &Mapping) {
        mapping.prints(&batch, &mut self.prints);
        // Of a slice, only what it shows: the buffers of its columns may be a whole message each.
        let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
        self.bytes += batch.columns().iter().map(bytes).sum::<usize>();
        self.batches.push(batch);
    }

    fn is_full(&self) -> bool {
        self.prints.prints.len() >= self.rows || self.bytes >= LOT_BYTES
    }
}

impl Scan {
    /// Nothing read yet.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            candidates: SortedSpill::new(folder),
            made: Vec::new(),
            read: 0,
            unchanged: 0,
            null_keys: 0,
            null_key_rows: Vec::new(),
            receipt: ReadReceipt {
                rows: 0,
                complete: false,
                query_id: None,
                bytes_scanned: None,
            },
        }
    }

    /// Looks a lot up; what is not as acknowledged becomes a candidate.
    fn take(&mut self, lot: &mut Lot, mapping: &Mapping, filter: &mut Filter) -> Result<(), RunError> {
        filter.probe_batch(&lot.prints.keys, &lot.prints.prints, &mut lot.probes);
        let mut answers = lot.prints.keys.iter().zip(&lot.prints.prints).zip(&lot.probes);
        for batch in &lot.batches {
            lot.differ.clear();
            for (row, ((key, print), probe)) in answers.by_ref().take(batch.num_rows()).enumerate() {
                self.read += 1;
                match (key, probe) {
                    (None, _) => {
                        self.null_keys += 1;
                        if self.null_key_rows.len() < SAMPLES {
                            self.null_key_rows.push(self.read);
                        }
                    }
                    (Some(_), Probe::Seen) => self.unchanged += 1,
                    // A second row of a key is looked at with the others of that key.
                    (Some(key), Probe::SeenTwice | Probe::Miss) => lot.differ.push((row, *key, *print)),
                }
            }
            mapping.send_for(batch, &lot.differ);
            let before = std::mem::take(&mut self.made);
            let set_aside = || {
                before
                    .into_iter()
                    .try_for_each(|rows| self.candidates.append(rows))
            };
            self.made = records(mapping, batch, &lot.differ, set_aside)?;
        }
        lot.batches.clear();
        lot.prints.clear();
        lot.bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Self, RunError> {
        for rows in std::mem::take(&mut self.made) {
            self.candidates.append(rows)?;
        }
        if !self.receipt.complete || self.receipt.rows != self.read {
            return Err(RunError::cut_read(self.read));
        }
        Ok(self)
    }
}

/// Rows that a thread makes the records of before it takes more: about two milliseconds of work, for
/// which another thread is worth its start.
const SHARE: usize = 512;

/// The records of some rows of a batch, in their order, made on every core: in a first run these are
/// all rows, and they cost more than all else that is done with them before they are sent. This thread
/// does something else first.
fn records(
    mapping: &Mapping,
    batch: &RecordBatch,
    rows: &[(usize, KeyHash, Print)],
    first: impl FnOnce() -> Result<(), SpillError>,
) -> Result<Vec<PackedRows>, SpillError> {
    let make = |rows: &[(usize, KeyHash, Print)]| -> Result<PackedRows, SpillError> {
        let mut packed = PackedRows::default();
        let mut room = Room::default();
        for (row, key, print) in rows {
            packed.push(*key, mapping.record(batch, *row, *key, *print, &mut room)?)?;
        }
        Ok(packed)
    };
    if rows.len() <= SHARE {
        first()?;
        return rows.chunks(SHARE).map(make).collect();
    }
    let shares: Vec<_> = rows.chunks(SHARE).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(place) else {
                return made;
            };
            made.push((place, make(share)));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let made = std::thread::scope(|scope| {
        let start = |_| {
            let thread = std::thread::Builder::new().name("map".into());
            thread.spawn_scoped(scope, work).ok()
        };
        let others: Vec<_> = (1..cores.min(shares.len())).filter_map(start).collect();
        let done = first();
        let own = work();
        let others = others.into_iter().filter_map(|thread| thread.join().ok());
        done.map(|()| others.flatten().chain(own).collect::<BTreeMap<_, _>>())
    });
    let mut made = made?;
    // Whoever broke off is stood in for, which then tells why.
    let share = |(place, share): (usize, &&[_])| made.remove(&place).unwrap_or_else(|| make(share));
    shares.iter().enumerate().map(share).collect()
}
