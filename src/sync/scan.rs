//! Scan: the model is read once; rows that are as acknowledged are counted, the others set aside.

use std::path::Path;

use arrow::array::RecordBatch;
use futures::StreamExt;
use outflow_sdk::print::{KeyHash, Print, Printer};
use outflow_sdk::source::{ReadEvent, ReadReceipt, ReadRequest, Source};

use super::error::RunError;
use super::map::{BatchPrints, Mapping};
use super::progress::Progress;
use super::spill::SortedSpill;
use crate::project::SyncSpec;
use crate::state::{Filter, Probe};

/// Most rows of a kind that a report names.
pub const SAMPLES: usize = 5;

/// What a complete read found.
pub struct Scan {
    /// Rows that differ, have faults, or repeat a key; by key.
    pub candidates: SortedSpill,
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
    let mut lot = Lot::default();
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

/// Rows that are looked up in the filter together: the more there are, the fewer pages of it lie
/// between one and the next.
const LOT_ROWS: usize = 128 << 10;

/// Bytes of batches that are held for it at most.
const LOT_BYTES: usize = 32 << 20;

/// Batches waiting to be looked up.
#[derive(Default)]
struct Lot {
    batches: Vec<RecordBatch>,
    prints: BatchPrints,
    bytes: usize,
    probes: Vec<Probe>,
    /// Rows of the batch at hand that are not as acknowledged, with key and print.
    differ: Vec<(usize, KeyHash, Print)>,
}

impl Lot {
    fn add(&mut self, batch: RecordBatch, mapping: &Mapping) {
        mapping.prints(&batch, &mut self.prints);
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
    }

    fn is_full(&self) -> bool {
        self.prints.prints.len() >= LOT_ROWS || self.bytes >= LOT_BYTES
    }
}

impl Scan {
    /// Nothing read yet.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            candidates: SortedSpill::new(folder),
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
            for (row, key, print) in &lot.differ {
                self.candidates
                    .push(*key, &mapping.record(batch, *row, *key, *print)?)?;
            }
        }
        lot.batches.clear();
        lot.prints.clear();
        lot.bytes = 0;
        Ok(())
    }

    fn finish(self) -> Result<Self, RunError> {
        if !self.receipt.complete || self.receipt.rows != self.read {
            return Err(RunError::cut_read(self.read));
        }
        Ok(self)
    }
}
