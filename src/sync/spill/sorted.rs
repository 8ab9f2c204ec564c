//! Sorted: rows set aside in any order, taken up again in the order of their keys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{MEMORY, Section, SpillError, unpack};

/// Read buffer of each sorted run while they are merged.
const RUN_BUFFER: usize = 128 << 10;

/// Rows a merging thread hands over in one go, their bytes, and how often it may before they are taken.
const CHUNK: usize = 256;
const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_AHEAD: usize = 1;

/// Rows packed already, by whichever thread made them.
#[derive(Default)]
pub struct PackedRows {
    bytes: Vec<u8>,
    /// Key of each row, and where it ends.
    index: Vec<(u128, usize)>,
}

impl PackedRows {
    /// Adds a row under its key.
    ///
    /// # Errors
    /// When it is larger than memory allows.
    pub fn push<T: Serialize>(&mut self, key: u128, row: &T) -> Result<(), SpillError> {
        self.bytes = postcard::to_extend(row, std::mem::take(&mut self.bytes))?;
        self.index.push((key, self.bytes.len()));
        Ok(())
    }
}

/// Bytes that came in pieces, and are kept so: an offset counts from the start of the first.
#[derive(Default)]
struct Pieces {
    /// Where each begins.
    pieces: Vec<(usize, Vec<u8>)>,
}

impl Pieces {
    /// Size to which rows that come one by one share a piece.
    const ROOM: usize = 256 << 10;

    fn len(&self) -> usize {
        self.pieces.last().map_or(0, |(start, piece)| start + piece.len())
    }

    fn add(&mut self, mut piece: Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        piece.shrink_to_fit();
        self.pieces.push((self.len(), piece));
    }

    /// Packs a row behind what is there; the new end.
    fn extend<T: Serialize>(&mut self, row: &T) -> Result<usize, SpillError> {
        if self
            .pieces
            .last()
            .is_none_or(|(_, piece)| piece.len() >= Self::ROOM)
        {
            self.pieces.push((self.len(), Vec::new()));
        }
        if let Some((_, piece)) = self.pieces.last_mut() {
            *piece = postcard::to_extend(row, std::mem::take(piece))?;
        }
        Ok(self.len())
    }

    /// What lies between two offsets of one piece.
    fn get(&self, from: usize, to: usize) -> &[u8] {
        let after = self.pieces.partition_point(|(start, _)| *start <= from);
        let piece = after.checked_sub(1).and_then(|at| self.pieces.get(at));
        piece.map_or(&[], |(start, piece)| &piece[from - start..to - start])
    }

    fn clear(&mut self) {
        self.pieces.clear();
    }
}

/// Rows collected in any order and given back sorted by key, then by arrival.
pub struct SortedSpill {
    folder: PathBuf,
    bytes: Pieces,
    /// Key, start and end of each row in memory; later rows start later.
    index: Vec<(u128, usize, usize)>,
    file: Option<File>,
    /// Start and end of each sorted run in the file; later runs hold later rows.
    runs: Vec<(u64, u64)>,
    written: u64,
    rows: u64,
}

impl SortedSpill {
    /// An empty spill whose file, if it comes to that, is in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            bytes: Pieces::default(),
            index: Vec::new(),
            file: None,
            runs: Vec::new(),
            written: 0,
            rows: 0,
        }
    }

    /// Number of rows pushed.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a row under its key.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn push<T: Serialize>(&mut self, key: u128, row: &T) -> Result<(), SpillError> {
        let start = self.bytes.len();
        let end = self.bytes.extend(row)?;
        self.index.push((key, start, end));
        self.rows += 1;
        self.write_if_large()
    }

    /// Adds rows in their order.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn append(&mut self, rows: PackedRows) -> Result<(), SpillError> {
        let first = self.bytes.len();
        self.bytes.add(rows.bytes);
        let mut start = first;
        self.index.extend(rows.index.iter().map(|(key, end)| {
            let end = first + end;
            (*key, std::mem::replace(&mut start, end), end)
        }));
        self.rows += rows.index.len() as u64;
        self.write_if_large()
    }

    fn write_if_large(&mut self) -> Result<(), SpillError> {
        if self.bytes.len() + self.index.len() * size_of::<(u128, usize, usize)>() > MEMORY {
            self.write_run()?;
        }
        Ok(())
    }

    fn write_run(&mut self) -> Result<(), SpillError> {
        self.index.sort_unstable();
        let folder = self.folder.clone();
        let failed = |reason| SpillError::File {
            folder: folder.clone(),
            reason,
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.folder).map_err(failed)?,
        };
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let start = self.written;
        for (key, from, to) in self.index.drain(..) {
            let row = self.bytes.get(from, to);
            let length = u32::try_from(row.len()).map_err(|_| postcard::Error::SerializeBufferFull)?;
            let mut head = [0; HEAD];
            head[..16].copy_from_slice(&key.to_le_bytes());
            head[16..].copy_from_slice(&length.to_le_bytes());
            out.write_all(&head).map_err(failed)?;
            out.write_all(row).map_err(failed)?;
            self.written += HEAD as u64 + u64::from(length);
        }
        self.runs.push((start, self.written));
        self.file = Some(out.into_inner().map_err(|error| failed(error.into_error()))?);
        self.bytes.clear();
        Ok(())
    }

    /// The rows in key order. Many are merged by a thread of their own while those before are used.
    ///
    /// # Errors
    /// When the temporary file cannot be written or read.
    pub fn sorted<T>(mut self) -> Result<SortedRows<T>, SpillError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        if !self.runs.is_empty() && !self.index.is_empty() {
            self.write_run()?;
        }
        let Some(file) = self.file else {
            self.index.sort_unstable();
            return Ok(SortedRows(Rows::Held {
                bytes: self.bytes,
                index: self.index.into_iter(),
            }));
        };
        drop((self.bytes, self.index));
        let merge = Merge::new(file, &self.runs, &self.folder)?;
        Ok(SortedRows(Ahead::start(merge, self.rows, self.folder)))
    }
}

/// Key and length of a row in the file.
const HEAD: usize = 20;

/// Rows in key order.
pub struct SortedRows<T>(Rows<T>);

enum Rows<T> {
    Held {
        bytes: Pieces,
        index: std::vec::IntoIter<(u128, usize, usize)>,
    },
    Ahead(Ahead<T>),
}

impl<T: DeserializeOwned> Iterator for SortedRows<T> {
    type Item = Result<T, SpillError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Rows::Held { bytes, index } => {
                let (_, from, to) = index.next()?;
                Some(postcard::from_bytes(bytes.get(from, to)).map_err(SpillError::from))
            }
            Rows::Ahead(rows) => rows.next(),
        }
    }
}

/// What a merging thread hands over.
struct Ahead<T> {
    chunks: mpsc::Receiver<Vec<Result<T, SpillError>>>,
    chunk: std::vec::IntoIter<Result<T, SpillError>>,
    /// Rows that are still to come.
    left: u64,
    folder: PathBuf,
}

impl<T> Ahead<T>
where
    T: DeserializeOwned + Send + 'static,
{
    fn start(mut merge: Merge, left: u64, folder: PathBuf) -> Rows<T> {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS_AHEAD);
        let work = move || {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK);
                let mut bytes = 0;
                while chunk.len() < CHUNK
                    && bytes < CHUNK_BYTES
                    && let Some((row, size)) = merge.next()
                {
                    chunk.push(row);
                    bytes += size;
                }
                // Nobody listens any more when the run was given up.
                if chunk.is_empty() || sender.send(chunk).is_err() {
                    return;
                }
            }
        };
        // Without a thread nothing comes, and the first row asked for says so.
        let started = std::thread::Builder::new().name("merge".into()).spawn(work);
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to merge rows by can be started");
        }
        Rows::Ahead(Ahead {
            chunks,
            chunk: Vec::new().into_iter(),
            left,
            folder,
        })
    }
}

impl<T> Ahead<T> {
    fn next(&mut self) -> Option<Result<T, SpillError>> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some(row) = self.chunk.next() {
                self.left = if row.is_ok() { self.left - 1 } else { 0 };
                return Some(row);
            }
            match self.chunks.recv() {
                Ok(chunk) => self.chunk = chunk.into_iter(),
                Err(_) => {
                    self.left = 0;
                    return Some(Err(SpillError::File {
                        folder: self.folder.clone(),
                        reason: std::io::Error::other("the thread that reads it is gone"),
                    }));
                }
            }
        }
    }
}

/// Sorted runs of a file, merged.
struct Merge {
    runs: Vec<Run>,
    /// Key and number of each run's row at hand, the smallest first. Of equal keys the earlier run has the
    /// earlier rows.
    heads: BinaryHeap<Reverse<(u128, usize)>>,
    folder: PathBuf,
}

struct Run {
    reader: BufReader<Section>,
    /// Bytes of the row it stands at.
    length: usize,
    scratch: Vec<u8>,
}

impl Run {
    /// Goes to the next row, once the one it stood at is read; its key, or none at the end.
    fn advance(&mut self) -> std::io::Result<Option<u128>> {
        if self.reader.buffer().is_empty() && self.reader.get_ref().at == self.reader.get_ref().end {
            return Ok(None);
        }
        let mut head = [0u8; HEAD];
        self.reader.read_exact(&mut head)?;
        let (mut key, mut length) = ([0u8; 16], [0u8; 4]);
        key.copy_from_slice(&head[..16]);
        length.copy_from_slice(&head[16..]);
        self.length = u32::from_le_bytes(length) as usize;
        Ok(Some(u128::from_le_bytes(key)))
    }

    /// The row it stands at, and the key of the next one.
    fn take<T: DeserializeOwned>(&mut self) -> std::io::Result<(Result<T, postcard::Error>, Option<u128>)> {
        let row = unpack(&mut self.reader, self.length, &mut self.scratch)?;
        Ok((row, self.advance()?))
    }
}

impl Merge {
    fn new(file: File, runs: &[(u64, u64)], folder: &Path) -> Result<Self, SpillError> {
        let file = Arc::new(file);
        let mut merge = Self {
            runs: Vec::with_capacity(runs.len()),
            heads: BinaryHeap::with_capacity(runs.len()),
            folder: folder.to_owned(),
        };
        for &(at, end) in runs {
            let file = Arc::clone(&file);
            let reader = BufReader::with_capacity(RUN_BUFFER, Section { file, at, end });
            let mut run = Run {
                reader,
                length: 0,
                scratch: Vec::new(),
            };
            if let Some(key) = run.advance().map_err(|reason| merge.failed(reason))? {
                merge.heads.push(Reverse((key, merge.runs.len())));
            }
            merge.runs.push(run);
        }
        Ok(merge)
    }

    /// The next row, and how many bytes it is packed.
    fn next<T: DeserializeOwned>(&mut self) -> Option<(Result<T, SpillError>, usize)> {
        let mut head = self.heads.peek_mut()?;
        let at = head.0.1;
        let run = &mut self.runs[at];
        let size = run.length;
        let (row, next) = match run.take() {
            Ok(taken) => taken,
            Err(reason) => {
                drop(head);
                return Some((Err(self.failed(reason)), size));
            }
        };
        match next {
            Some(key) => *head = Reverse((key, at)),
            None => {
                PeekMut::pop(head);
            }
        }
        Some((row.map_err(SpillError::from), size))
    }

    fn failed(&self, reason: std::io::Error) -> SpillError {
        SpillError::File {
            folder: self.folder.clone(),
            reason,
        }
    }
}
