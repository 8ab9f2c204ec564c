//! The print filter: says "as acknowledged" of a row from memory, without a look at the store.
//!
//! The 64-bit prints of a sync's rows lie in one array, in buckets by the top bits of the key's
//! hash; a directory says where each bucket starts. With 8 to 16 rows a bucket that is 8.3 to 8.6
//! bytes a row, a bit for "seen" included. A print is bound to its key, so comparing it inside the
//! key's bucket is as good as comparing key and print.
//!
//! A row of which not every field is acknowledged has the stored print `0`. In the array it has a
//! placeholder made from its key, which no row of a model has as its print but by a chance of
//! 2⁻⁶⁴: such a row is always looked up, and still can be marked as seen.

use std::ops::Range;
use std::sync::Arc;

use outflow_sdk::print::{KeyHash, Print, bind_to_key};

use super::StoredRow;
use super::prefetch::prefetch;
use super::prints::Prints;

/// What the placeholder of a row is made from, beside its key.
const INCOMPLETE: Print = 0x6f75_7466_6c6f_7721;

/// Rows a bucket has at most on average when it is laid out.
const FULL: u64 = 16;

/// Rows a bucket may have on average before the array is laid out anew.
pub(super) const OVERFULL: u64 = 32;

/// Rows whose buckets are fetched together, so that the memory's latencies overlap.
const TOGETHER: usize = 64;

/// Regions the array is taken by, as bits of the bucket.
const REGION_BITS: u32 = 10;

/// What the filter says of a row of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// As acknowledged, and seen for the first time.
    Seen,
    /// As acknowledged, and seen before: its key is in the model more than once.
    SeenTwice,
    /// Not as acknowledged, or without a key.
    Miss,
}

/// The array and its directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cells {
    /// The number of buckets is two to this power.
    pub(super) bits: u32,
    /// Where each bucket starts, and the number of rows at the end.
    pub(super) directory: Vec<u32>,
    /// The prints.
    pub(super) prints: Prints,
}

/// The stored print as the array holds it: never 0.
pub(super) fn cell(key: KeyHash, print: Print) -> Print {
    if print == 0 {
        bind_to_key(INCOMPLETE, key).max(1)
    } else {
        print
    }
}

/// The number of bits for so many rows: 8 to 16 rows a bucket.
pub(super) fn bits_for(rows: u64) -> u32 {
    rows.div_ceil(FULL)
        .max(1)
        .next_power_of_two()
        .trailing_zeros()
        .clamp(4, 28)
}

#[inline]
fn bucket_of(bits: u32, key: KeyHash) -> usize {
    (key >> (KeyHash::BITS - bits)) as usize
}

impl Cells {
    /// An empty array for about `rows` rows, which are then [pushed](CellsBuilder::push).
    pub(super) fn builder(rows: u64) -> CellsBuilder {
        let bits = bits_for(rows);
        let mut directory = Vec::with_capacity((1 << bits) + 1);
        directory.push(0);
        CellsBuilder {
            cells: Cells {
                bits,
                directory,
                prints: Prints::with_capacity(usize::try_from(rows).unwrap_or(0)),
            },
        }
    }

    pub(super) fn buckets(&self) -> usize {
        1 << self.bits
    }

    #[inline]
    pub(super) fn bucket(&self, key: KeyHash) -> usize {
        bucket_of(self.bits, key)
    }

    /// Where the rows of a bucket are.
    #[inline]
    pub(super) fn positions(&self, bucket: usize) -> Range<usize> {
        match self.directory.get(bucket..bucket + 2) {
            Some(&[from, to]) => from as usize..to as usize,
            _ => 0..0,
        }
    }

    /// The prints of a bucket.
    #[inline]
    pub(super) fn prints_of(&self, bucket: usize) -> &[Print] {
        self.prints.get(self.positions(bucket)).unwrap_or(&[])
    }

    /// The first key a bucket can hold.
    pub(super) fn first_key(&self, bucket: usize) -> KeyHash {
        (bucket as KeyHash) << (KeyHash::BITS - self.bits)
    }

    /// The last key a bucket can hold.
    pub(super) fn last_key(&self, bucket: usize) -> KeyHash {
        self.first_key(bucket) | (KeyHash::MAX >> self.bits)
    }

    /// Where the row of `key` with this stored print is.
    pub(super) fn find(&self, key: KeyHash, print: Print) -> Option<usize> {
        self.find_cell(self.bucket(key), cell(key, print))
    }

    #[inline]
    fn find_cell(&self, bucket: usize, cell: Print) -> Option<usize> {
        let positions = self.positions(bucket);
        let prints = self.prints.get(positions.clone())?;
        prints
            .iter()
            .position(|print| *print == cell)
            .map(|at| positions.start + at)
    }

    /// Whether the directory fits the prints: a file that says otherwise is not used.
    pub(super) fn is_sound(&self) -> bool {
        self.directory.len() == self.buckets() + 1
            && self.directory.first() == Some(&0)
            && self.directory.is_sorted()
            && self.directory.last().map(|last| *last as usize) == Some(self.prints.len())
    }
}

/// Lays rows out as they come, in the order of their keys.
pub(super) struct CellsBuilder {
    cells: Cells,
}

impl CellsBuilder {
    /// Adds the next row.
    pub(super) fn push(&mut self, key: KeyHash, print: Print) {
        self.start_buckets(self.cells.bucket(key));
        self.cells.prints.push(cell(key, print));
    }

    /// Buckets up to this one start no later than here.
    fn start_buckets(&mut self, bucket: usize) {
        let here = u32::try_from(self.cells.prints.len()).unwrap_or(u32::MAX);
        if self.cells.directory.len() <= bucket {
            self.cells.directory.resize(bucket + 1, here);
        }
    }

    pub(super) fn finish(mut self) -> Cells {
        self.start_buckets(self.cells.buckets());
        self.cells
    }
}

/// One bit a position.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    words: Vec<u64>,
}

impl Seen {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            words: vec![0; rows.div_ceil(64)],
        }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> bool {
        self.words
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Sets a bit and tells whether it was set.
    #[inline]
    fn set(&mut self, at: usize) -> bool {
        let Some(word) = self.words.get_mut(at / 64) else {
            return false;
        };
        let bit = 1u64 << (at % 64);
        let was = *word & bit != 0;
        *word |= bit;
        was
    }

    fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// The print filter of one sync for the length of one run.
pub struct Filter {
    pub(super) cells: Arc<Cells>,
    seen: Seen,
    pub(super) origin: super::filter_file::Origin,
    /// The store's generation the array was made from.
    pub(super) generation: u64,
    /// Whether the cache file holds this array already.
    pub(super) is_kept: bool,
    pub(super) changes: Vec<super::FilterChange>,
    /// Buckets and rows of the batch at hand; kept for the next.
    order: Vec<(u32, u32)>,
}

/// Prints in a line of the processor's cache.
const LINE: usize = 64 / size_of::<Print>();

/// Sends for what leads from rows to their buckets.
#[inline(always)]
fn send_for(directory: &[u32], prints: &[Print], rows: Option<&[(u32, u32)]>) {
    for (bucket, row) in rows.unwrap_or_default() {
        prefetch(directory, *bucket as usize);
        prefetch(prints, *row as usize);
    }
}

/// Looks for a print among those of its bucket, which start at `start`, and marks it as seen.
#[inline(always)]
fn probe_in(prints: &[Print], start: usize, print: Print, seen: &mut Seen) -> Probe {
    match prints.iter().position(|known| *known == print) {
        None => Probe::Miss,
        Some(at) if seen.set(start + at) => Probe::SeenTwice,
        Some(_) => Probe::Seen,
    }
}

impl Filter {
    pub(super) fn new(
        cells: Cells,
        origin: super::filter_file::Origin,
        generation: u64,
        is_kept: bool,
    ) -> Self {
        Self {
            seen: Seen::new(cells.prints.len()),
            cells: Arc::new(cells),
            origin,
            generation,
            is_kept,
            changes: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Rows the filter holds.
    pub fn len(&self) -> u64 {
        self.cells.prints.len() as u64
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.cells.prints.is_empty()
    }

    /// Rows not seen so far.
    pub fn unseen_len(&self) -> u64 {
        self.len() - self.seen.count()
    }

    /// Whether a row of the model is as acknowledged; marks it as seen.
    pub fn probe(&mut self, key: KeyHash, print: Print) -> Probe {
        self.probe_bucket(self.cells.bucket(key), print)
    }

    #[inline]
    fn probe_bucket(&mut self, bucket: usize, print: Print) -> Probe {
        let prints = self.cells.prints_of(bucket);
        let start = self.cells.positions(bucket).start;
        probe_in(prints, start, print, &mut self.seen)
    }

    /// Probes many rows; a row without a key is a miss. `out` has one answer per row afterwards.
    ///
    /// The rows are taken region by region of the array: in the model's order every probe would go to
    /// a page of its own, and wait for the page tables longer than for the prints.
    pub fn probe_batch(&mut self, keys: &[Option<KeyHash>], prints: &[Print], out: &mut Vec<Probe>) {
        out.clear();
        out.resize(keys.len(), Probe::Miss);
        self.order_by_region(keys);
        let Self {
            cells, seen, order, ..
        } = self;
        let all: &[Print] = &cells.prints;
        let mut places = [(0usize, 0usize); TOGETHER];
        let mut ahead = order.chunks(TOGETHER);
        send_for(&cells.directory, prints, ahead.next());
        for rows in order.chunks(TOGETHER) {
            // All buckets are sent for before the first is looked at, and their places in the
            // directory one round earlier: the memory answers many requests in the time of one.
            send_for(&cells.directory, prints, ahead.next());
            for (place, (bucket, _)) in places.iter_mut().zip(rows) {
                let positions = cells.positions(*bucket as usize);
                *place = (positions.start, positions.end);
                positions.step_by(LINE).for_each(|at| prefetch(all, at));
            }
            for ((from, to), (_, row)) in places.iter().zip(rows) {
                let (row, bucket) = (*row as usize, all.get(*from..*to).unwrap_or(&[]));
                if let (Some(print), Some(answer)) = (prints.get(row), out.get_mut(row)) {
                    *answer = probe_in(bucket, *from, *print, seen);
                }
            }
        }
    }

    /// Buckets and rows of a batch, by regions of the array; rows of a region keep their order, so
    /// that of two rows with one key the later is the repeated one.
    fn order_by_region(&mut self, keys: &[Option<KeyHash>]) {
        let shift = self.cells.bits.saturating_sub(REGION_BITS);
        let mut starts = [0u32; (1 << REGION_BITS) + 1];
        let buckets = || keys.iter().map(|key| key.map(|key| self.cells.bucket(key)));
        for bucket in buckets().flatten() {
            starts[(bucket >> shift) + 1] += 1;
        }
        for region in 0..1 << REGION_BITS {
            starts[region + 1] += starts[region];
        }
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.resize(starts[1 << REGION_BITS] as usize, (0, 0));
        for (row, bucket) in (0u32..).zip(buckets()) {
            let Some(bucket) = bucket else { continue };
            let place = &mut starts[bucket >> shift];
            if let Some(slot) = order.get_mut(*place as usize) {
                // Buckets are numbered by at most 28 bits.
                *slot = (bucket as u32, row);
            }
            *place += 1;
        }
        self.order = order;
    }

    /// Marks a stored row as seen; true if it was already. A row the filter does not hold is left out.
    pub fn mark(&mut self, row: &StoredRow) -> bool {
        match self.cells.find(row.key, row.print) {
            Some(at) => self.seen.set(at),
            None => false,
        }
    }

    /// Notes what became of rows since the filter was loaded, in the order it happened.
    pub fn apply(&mut self, changes: &[super::FilterChange]) {
        self.changes.extend_from_slice(changes);
    }

    /// The array and what of it was seen so far, for a reader that goes on meanwhile.
    pub(super) fn snapshot(&self) -> (Arc<Cells>, Seen) {
        (Arc::clone(&self.cells), self.seen.clone())
    }
}
