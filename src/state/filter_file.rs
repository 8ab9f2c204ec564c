//! The filter's cache file: `filters/<sync>.prints` beside the store.
//!
//! It holds nothing that is not in the store, says which generation of the store it was made from,
//! and is checked as a whole: whatever does not fit is made anew from one scan of the store. A file
//! that could not be written costs that scan the next time and nothing else.
//!
//! Layout, little endian: 64 bytes of header (magic, store, sync, generation, rows, bits, checksum
//! of the rest of the file, checksum of the header), the directory as 32-bit numbers, the prints.

use std::fs::{DirBuilder, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use outflow_sdk::print::Print;
use rusqlite::Connection;
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::filter::{Cells, Filter, OVERFULL, bits_for, cell};
use super::filter_journal;
use super::prints::Prints;
use super::rows::key_of;
use super::store::snapshot_of;
use super::{FilterChange, StateError, Store, SyncId, SyncState};

const FOLDER: &str = "filters";
const MAGIC: u64 = u64::from_le_bytes(*b"OUTFPRN1");
const HEADER: usize = 64;
const CHUNK: usize = 256 << 10;

/// Pages a scan of the store keeps, as SQLite's `cache_size`: less than zero, so in KiB.
const SCAN_CACHE: i64 = -500;

/// Where a filter comes from and where it is kept.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The SQLite file.
    database: PathBuf,
    /// The cache file.
    file: PathBuf,
    /// The store's number.
    store: u64,
    /// The sync.
    sync: SyncId,
}

impl Origin {
    /// The cache file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The store's number.
    pub(super) fn store(&self) -> u64 {
        self.store
    }

    /// The sync.
    pub(super) fn sync(&self) -> SyncId {
        self.sync
    }

    pub(super) fn of(store: &Store, sync: SyncId) -> Self {
        Self {
            database: store.path().to_owned(),
            file: store.dir().join(FOLDER).join(format!("{sync}.prints")),
            store: store.number(),
            sync,
        }
    }
}

impl Filter {
    /// The filter of a sync: from its cache file if that fits the store, else from one scan.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(store: &Store, state: &SyncState) -> Result<Self, StateError> {
        let origin = Origin::of(store, state.id);
        let wanted = Wanted {
            generation: state.generation,
            rows: state.rows,
        };
        match read_cells(&origin, wanted) {
            Ok(cells) => Ok(Self::new(cells, origin, state.generation, true)),
            Err(reason) => {
                if store.is_writable()
                    && let Some(cells) = catch_up(&origin, wanted)
                {
                    return Ok(Self::new(cells, origin, state.generation, true));
                }
                tracing::debug!(sync = %state.name, %reason, "the print cache is made anew");
                let (generation, cells) = scan(&store.snapshot()?, &origin)?;
                Ok(Self::new(cells, origin, generation, false))
            }
        }
    }

    /// Makes the cache file anew from one scan of the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rebuild(store: &Store, sync: SyncId) -> Result<(), StateError> {
        let origin = Origin::of(store, sync);
        let (generation, cells) = scan(&store.snapshot()?, &origin)?;
        write_or_warn(&origin, generation, &cells);
        Ok(())
    }

    /// Keeps an array that had to be made anew, after a run that changed nothing.
    ///
    /// # Errors
    /// None today: a cache that cannot be written is a warning.
    pub fn keep(&mut self, generation: u64) -> Result<(), StateError> {
        if !self.is_kept && self.generation == generation && self.changes.is_empty() {
            self.is_kept = write_or_warn(&self.origin, generation, &self.cells);
        }
        Ok(())
    }

    /// Writes the cache file for `generation`: the array with every change [applied](Self::apply).
    /// The filter in memory stays as it is; load it again for the next run.
    ///
    /// # Errors
    /// When the array must be laid out anew and the store cannot be read.
    pub fn save(&mut self, generation: u64) -> Result<(), StateError> {
        let changes = net(std::mem::take(&mut self.changes));
        self.is_kept = true;
        if self.cells.prints.is_empty() {
            let mut cells = Cells::builder(changes.len() as u64);
            for change in &changes {
                if let Some(print) = change.after {
                    cells.push(change.key, print);
                }
            }
            write_or_warn(&self.origin, generation, &cells.finish());
            return Ok(());
        }
        match merged_directory(&self.cells, &changes) {
            Some(directory) => {
                let merge = Merge {
                    cells: &self.cells,
                    directory: &directory,
                    changes: &changes,
                };
                warn(write_file(&self.origin, generation, &merge), &self.origin);
                Ok(())
            }
            None => {
                tracing::debug!("the print cache is laid out anew");
                let (generation, cells) = scan(&snapshot_of(&self.origin.database)?, &self.origin)?;
                write_or_warn(&self.origin, generation, &cells);
                Ok(())
            }
        }
    }
}

/// The cache file brought up to date by what small runs noted; none when that does not lead there.
fn catch_up(origin: &Origin, wanted: Wanted) -> Option<Cells> {
    let mut head = [0u8; HEADER];
    File::open(&origin.file).ok()?.read_exact(&mut head).ok()?;
    let mut fields = head
        .as_chunks::<8>()
        .0
        .iter()
        .map(|field| u64::from_le_bytes(*field));
    let (generation, rows) = (fields.nth(3)?, fields.next()?);
    let changes = filter_journal::steps(origin, generation, wanted.generation)?;
    let cells = read_cells(origin, Wanted { generation, rows }).ok()?;
    let mut filter = Filter::new(cells, origin.clone(), generation, true);
    filter.apply(&changes);
    filter.save(wanted.generation).ok()?;
    read_cells(origin, wanted).ok()
}

/// Every row's key and print, and the generation they are of, from a connection's snapshot.
fn scan(connection: &Connection, origin: &Origin) -> Result<(u64, Cells), StateError> {
    let scan = || {
        // Every page is read once: those kept of them would be memory for nothing, at the end of a long run.
        connection.pragma_update(None, "cache_size", SCAN_CACHE)?;
        let (generation, rows) = connection
            .prepare("SELECT generation, rows FROM sync WHERE id = ?1")?
            .query_map([origin.sync], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })?
            .next()
            .transpose()?
            .unwrap_or((0, 0));
        let mut cells = Cells::builder(rows.cast_unsigned());
        let mut statement = connection.prepare("SELECT key, print FROM row WHERE sync = ?1 ORDER BY key")?;
        let mut rows = statement.query([origin.sync])?;
        while let Some(row) = rows.next()? {
            cells.push(key_of(row, 0)?, row.get::<_, i64>(1)?.cast_unsigned());
        }
        Ok((generation.cast_unsigned(), cells.finish()))
    };
    scan().map_err(|error| StateError::sql(&origin.database, &error))
}

/// One change per key, by key: what the first found and what the last left.
fn net(mut changes: Vec<FilterChange>) -> Vec<FilterChange> {
    changes.sort_by_key(|change| change.key);
    changes.dedup_by(|later, first| {
        let same = later.key == first.key;
        if same {
            first.after = later.after;
        }
        same
    });
    changes.retain(|change| change.before != change.after);
    changes
}

/// Where buckets start once the changes are in; none when the array does not hold what the changes
/// found, or would be overfull.
fn merged_directory(cells: &Cells, changes: &[FilterChange]) -> Option<Vec<u32>> {
    let mut sizes = vec![0i32; cells.buckets()];
    let mut rows = cells.prints.len() as i64;
    for change in changes {
        let size = sizes.get_mut(cells.bucket(change.key))?;
        if let Some(before) = change.before {
            cells.find(change.key, before)?;
            *size -= 1;
            rows -= 1;
        }
        if change.after.is_some() {
            *size += 1;
            rows += 1;
        }
    }
    let rows = u64::try_from(rows).ok()?;
    if rows > OVERFULL * cells.buckets() as u64 && bits_for(rows) != cells.bits {
        return None;
    }
    let mut directory = Vec::with_capacity(sizes.len() + 1);
    let mut at = 0u32;
    directory.push(at);
    for (bucket, size) in sizes.into_iter().enumerate() {
        let before = u32::try_from(cells.positions(bucket).len()).ok()?;
        at = at.checked_add(before.checked_add_signed(size)?)?;
        directory.push(at);
    }
    Some(directory)
}

/// What goes into the file.
trait Body {
    fn bits(&self) -> u32;
    fn rows(&self) -> u64;
    fn write(&self, out: &mut Summed<'_>) -> std::io::Result<()>;
}

impl Body for Cells {
    fn bits(&self) -> u32 {
        self.bits
    }

    fn rows(&self) -> u64 {
        self.prints.len() as u64
    }

    fn write(&self, out: &mut Summed<'_>) -> std::io::Result<()> {
        out.directory(&self.directory)?;
        out.prints(&self.prints)
    }
}

struct Merge<'a> {
    cells: &'a Cells,
    directory: &'a [u32],
    changes: &'a [FilterChange],
}

impl Body for Merge<'_> {
    fn bits(&self) -> u32 {
        self.cells.bits
    }

    fn rows(&self) -> u64 {
        self.directory.last().map_or(0, |rows| u64::from(*rows))
    }

    fn write(&self, out: &mut Summed<'_>) -> std::io::Result<()> {
        out.directory(self.directory)?;
        let mut copied = 0;
        for group in self
            .changes
            .chunk_by(|a, b| self.cells.bucket(a.key) == self.cells.bucket(b.key))
        {
            let Some(first) = group.first() else { continue };
            let bucket = self.cells.bucket(first.key);
            let here = self.cells.positions(bucket);
            out.prints(self.cells.prints.get(copied..here.start).unwrap_or(&[]))?;
            copied = here.end;
            let mut prints = self.cells.prints_of(bucket).to_vec();
            for change in group {
                if let Some(before) = change.before
                    && let Some(at) = prints.iter().position(|print| *print == cell(change.key, before))
                {
                    prints.swap_remove(at);
                }
                if let Some(after) = change.after {
                    prints.push(cell(change.key, after));
                }
            }
            out.prints(&prints)?;
        }
        out.prints(self.cells.prints.get(copied..).unwrap_or(&[]))
    }
}

/// A writer that sums up what goes through it.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Xxh3,
    buffer: Vec<u8>,
}

impl Summed<'_> {
    fn directory(&mut self, directory: &[u32]) -> std::io::Result<()> {
        self.numbers(directory, |number, out| {
            out.extend_from_slice(&number.to_le_bytes())
        })
    }

    fn prints(&mut self, prints: &[Print]) -> std::io::Result<()> {
        self.numbers(prints, |print, out| out.extend_from_slice(&print.to_le_bytes()))
    }

    fn numbers<T: Copy>(&mut self, numbers: &[T], write: impl Fn(T, &mut Vec<u8>)) -> std::io::Result<()> {
        for chunk in numbers.chunks(CHUNK / 8) {
            self.buffer.clear();
            for number in chunk {
                write(*number, &mut self.buffer);
            }
            self.sum.update(&self.buffer);
            self.out.write_all(&self.buffer)?;
        }
        Ok(())
    }
}

fn header(origin: &Origin, generation: u64, rows: u64, bits: u32, sum: u64) -> [u8; HEADER] {
    let mut header = [0u8; HEADER];
    let fields = [
        MAGIC,
        origin.store,
        origin.sync.cast_unsigned(),
        generation,
        rows,
        u64::from(bits),
        sum,
    ];
    for (at, field) in header.chunks_exact_mut(8).zip(fields) {
        at.copy_from_slice(&field.to_le_bytes());
    }
    let sum = xxh3_64(&header[..HEADER - 8]);
    header[HEADER - 8..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// Writes beside the old file and takes its place in one step.
fn write_file(origin: &Origin, generation: u64, body: &dyn Body) -> std::io::Result<()> {
    let folder = origin.file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    let mut out = BufWriter::with_capacity(CHUNK, file.as_file_mut());
    out.write_all(&[0; HEADER])?;
    let mut summed = Summed {
        out: &mut out,
        sum: Xxh3::new(),
        buffer: Vec::with_capacity(CHUNK),
    };
    body.write(&mut summed)?;
    let sum = summed.sum.digest();
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header(origin, generation, body.rows(), body.bits(), sum))?;
    out.flush()?;
    drop(out);
    file.persist(&origin.file).map_err(|error| error.error)?;
    // What was noted meanwhile is in it, or of no use to it.
    match std::fs::remove_file(filter_journal::file_of(&origin.file)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_or_warn(origin: &Origin, generation: u64, cells: &Cells) -> bool {
    warn(write_file(origin, generation, cells), origin)
}

/// The cache is no reason to fail a run whose rows are all in the store.
fn warn(written: std::io::Result<()>, origin: &Origin) -> bool {
    if let Err(error) = &written {
        tracing::warn!(file = %origin.file.display(), %error, "the print cache cannot be written; the next run reads the whole state instead");
    }
    written.is_ok()
}

/// What the store says the cache must be of.
#[derive(Clone, Copy)]
struct Wanted {
    generation: u64,
    rows: u64,
}

/// Reads the cache file, or says why it does not do.
fn read_cells(origin: &Origin, wanted: Wanted) -> Result<Cells, String> {
    let words = |error: std::io::Error| error.to_string();
    let mut file = File::open(&origin.file).map_err(words)?;
    let mut head = [0u8; HEADER];
    file.read_exact(&mut head).map_err(words)?;
    let mut fields = head
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes));
    let (bits, sum) = match (fields.by_ref().nth(5), fields.next()) {
        (Some(bits), Some(sum)) => (u32::try_from(bits).map_err(|_| "bits")?, sum),
        _ => return Err("header".to_owned()),
    };
    // The header is as it would be written, or it is of another store, sync or generation, or torn.
    if head != header(origin, wanted.generation, wanted.rows, bits, sum) || !(1..=28).contains(&bits) {
        return Err("it is of another generation".to_owned());
    }
    let rows = usize::try_from(wanted.rows).map_err(|_| "rows")?;
    let length = HEADER as u64 + 4 * ((1 << bits) + 1) + 8 * wanted.rows;
    if file.metadata().map_err(words)?.len() != length {
        return Err("it is cut off".to_owned());
    }
    let mut summed = Xxh3::new();
    let mut directory = Vec::with_capacity((1 << bits) + 1);
    numbers(&mut file, (1 << bits) + 1, &mut summed, |bytes| {
        directory.push(u32::from_le_bytes(bytes));
    })
    .map_err(words)?;
    let mut prints = Prints::with_capacity(rows);
    numbers(&mut file, rows, &mut summed, |bytes| {
        prints.push(Print::from_le_bytes(bytes))
    })
    .map_err(words)?;
    let cells = Cells {
        bits,
        directory,
        prints,
    };
    if summed.digest() == sum && cells.is_sound() {
        Ok(cells)
    } else {
        Err("it is damaged".to_owned())
    }
}

fn numbers<const N: usize>(
    file: &mut File,
    count: usize,
    sum: &mut Xxh3,
    mut number: impl FnMut([u8; N]),
) -> std::io::Result<()> {
    let mut left = count * N;
    let mut buffer = vec![0u8; CHUNK];
    while left > 0 {
        let chunk = &mut buffer[..left.min(CHUNK)];
        file.read_exact(chunk)?;
        sum.update(chunk);
        chunk.as_chunks::<N>().0.iter().for_each(|bytes| number(*bytes));
        left -= chunk.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
