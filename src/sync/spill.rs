//! Rows set aside while a run looks at the whole model: in memory while they are few, then in a
//! nameless temporary file, so that memory stays bounded whatever the model's size.
//!
//! The file is unlinked as soon as it is opened: no contact value outlives the process.

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Bytes kept in memory before they go to the file.
const MEMORY: usize = 12 << 20;

/// Read buffer of each sorted run while they are merged.
const RUN_BUFFER: usize = 128 << 10;

/// A spill file cannot be written or read.
#[derive(Debug, Error)]
pub enum SpillError {
    /// The disk is full, the folder is gone, …
    #[error("cannot use a temporary file in {folder}: {reason}; free some space or point `state:` elsewhere")]
    File {
        /// Where the file is.
        folder: PathBuf,
        /// The system's words.
        reason: std::io::Error,
    },
    /// A row cannot be packed or unpacked.
    #[error("a row cannot be set aside: {0}")]
    Codec(#[from] postcard::Error),
}

/// Rows collected in any order and given back sorted by key, then by arrival.
pub struct SortedSpill {
    folder: PathBuf,
    bytes: Vec<u8>,
    index: Vec<(u128, u64, usize, usize)>,
    file: Option<File>,
    runs: Vec<(u64, u64)>,
    written: u64,
    rows: u64,
}

impl SortedSpill {
    /// An empty spill whose file, if it comes to that, is in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            bytes: Vec::new(),
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
        self.bytes = postcard::to_extend(row, std::mem::take(&mut self.bytes))?;
        self.index.push((key, self.rows, start, self.bytes.len()));
        self.rows += 1;
        if self.bytes.len() + self.index.len() * size_of::<(u128, u64, usize, usize)>() > MEMORY {
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
        for (key, order, from, to) in self.index.drain(..) {
            let row = &self.bytes[from..to];
            let length = u32::try_from(row.len()).map_err(|_| postcard::Error::SerializeBufferFull)?;
            out.write_all(&key.to_le_bytes()).map_err(failed)?;
            out.write_all(&order.to_le_bytes()).map_err(failed)?;
            out.write_all(&length.to_le_bytes()).map_err(failed)?;
            out.write_all(row).map_err(failed)?;
            self.written += 28 + u64::from(length);
        }
        self.runs.push((start, self.written));
        self.file = Some(out.into_inner().map_err(|error| failed(error.into_error()))?);
        self.bytes.clear();
        Ok(())
    }

    /// The rows in key order.
    ///
    /// # Errors
    /// When the temporary file cannot be written or read.
    pub fn sorted<T: DeserializeOwned>(mut self) -> Result<SortedRows<T>, SpillError> {
        if self.runs.is_empty() {
            self.index.sort_unstable();
            let memory = std::mem::take(&mut self.bytes);
            return Ok(SortedRows {
                memory,
                index: std::mem::take(&mut self.index).into_iter(),
                heap: BinaryHeap::new(),
                runs: Vec::new(),
                folder: self.folder,
                row: std::marker::PhantomData,
            });
        }
        if !self.index.is_empty() {
            self.write_run()?;
        }
        self.bytes = Vec::new();
        self.index = Vec::new();
        let folder = self.folder;
        let mut rows = SortedRows {
            memory: Vec::new(),
            index: Vec::new().into_iter(),
            heap: BinaryHeap::new(),
            runs: Vec::new(),
            folder,
            row: std::marker::PhantomData,
        };
        if let Some(file) = self.file {
            let file = Arc::new(file);
            for (from, to) in self.runs {
                rows.runs.push(BufReader::with_capacity(
                    RUN_BUFFER,
                    Section {
                        file: Arc::clone(&file),
                        at: from,
                        end: to,
                    },
                ));
                rows.advance(rows.runs.len() - 1)?;
            }
        }
        Ok(rows)
    }
}

/// Part of a file, read without moving the file's own position.
struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.file.read_at(&mut buffer[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Head of one run: the smallest comes out of the heap first.
struct Head {
    key: u128,
    order: u64,
    run: usize,
    row: Vec<u8>,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        (self.key, self.order) == (other.key, other.order)
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.key, other.order).cmp(&(self.key, self.order))
    }
}

/// Rows in key order.
pub struct SortedRows<T> {
    memory: Vec<u8>,
    index: std::vec::IntoIter<(u128, u64, usize, usize)>,
    heap: BinaryHeap<Head>,
    runs: Vec<BufReader<Section>>,
    folder: PathBuf,
    row: std::marker::PhantomData<T>,
}

impl<T> SortedRows<T> {
    fn advance(&mut self, run: usize) -> Result<(), SpillError> {
        let reader = &mut self.runs[run];
        if reader.buffer().is_empty() && reader.get_ref().at == reader.get_ref().end {
            return Ok(());
        }
        let failed = |reason| SpillError::File {
            folder: self.folder.clone(),
            reason,
        };
        let mut head = [0u8; 28];
        reader.read_exact(&mut head).map_err(failed)?;
        let (mut key, mut order, mut length) = ([0u8; 16], [0u8; 8], [0u8; 4]);
        key.copy_from_slice(&head[..16]);
        order.copy_from_slice(&head[16..24]);
        length.copy_from_slice(&head[24..]);
        let mut row = vec![0u8; u32::from_le_bytes(length) as usize];
        reader.read_exact(&mut row).map_err(failed)?;
        self.heap.push(Head {
            key: u128::from_le_bytes(key),
            order: u64::from_le_bytes(order),
            run,
            row,
        });
        Ok(())
    }
}

impl<T: DeserializeOwned> Iterator for SortedRows<T> {
    type Item = Result<T, SpillError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((_, _, from, to)) = self.index.next() {
            return Some(postcard::from_bytes(&self.memory[from..to]).map_err(SpillError::from));
        }
        let head = self.heap.pop()?;
        if let Err(error) = self.advance(head.run) {
            return Some(Err(error));
        }
        Some(postcard::from_bytes(&head.row).map_err(SpillError::from))
    }
}

/// Rows given back in the order they were pushed, as often as wanted.
pub struct Sequence {
    folder: PathBuf,
    bytes: Vec<u8>,
    file: Option<BufWriter<File>>,
    rows: u64,
}

impl Sequence {
    /// An empty sequence whose file, if it comes to that, is in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            bytes: Vec::new(),
            file: None,
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

    /// Adds a row at the end.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn push<T: Serialize>(&mut self, row: &T) -> Result<(), SpillError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes = postcard::to_extend(row, std::mem::take(&mut self.bytes))?;
        let length =
            u32::try_from(self.bytes.len() - start - 4).map_err(|_| postcard::Error::SerializeBufferFull)?;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.rows += 1;
        if self.bytes.len() > MEMORY || self.file.is_some() {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), SpillError> {
        let folder = self.folder.clone();
        let failed = |reason| SpillError::File {
            folder: folder.clone(),
            reason,
        };
        if self.file.is_none() {
            let file = tempfile::tempfile_in(&self.folder).map_err(failed)?;
            self.file = Some(BufWriter::with_capacity(1 << 20, file));
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.bytes).map_err(failed)?;
        }
        if self.bytes.capacity() > 1 << 20 {
            self.bytes = Vec::new()
        } else {
            self.bytes.clear()
        }
        Ok(())
    }

    /// The rows from the start.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn rows<T: DeserializeOwned>(&mut self) -> Result<SequenceRows<'_, T>, SpillError> {
        let failed = |reason| SpillError::File {
            folder: self.folder.clone(),
            reason,
        };
        let reader: Box<dyn Read + Send + '_> = match &mut self.file {
            None => Box::new(&self.bytes[..]),
            Some(file) => {
                file.flush().map_err(failed)?;
                let mut file = file.get_ref();
                file.seek(SeekFrom::End(0)).map_err(failed)?;
                let end = file.metadata().map_err(failed)?.len();
                let section = Section {
                    file: Arc::new(file.try_clone().map_err(failed)?),
                    at: 0,
                    end,
                };
                Box::new(BufReader::with_capacity(1 << 20, section))
            }
        };
        Ok(SequenceRows {
            reader,
            left: self.rows,
            folder: self.folder.clone(),
            buffer: Vec::new(),
            row: std::marker::PhantomData,
        })
    }
}

impl Sequence {
    /// The rows from the start, for a reader that outlives this borrow.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn into_rows<T: DeserializeOwned>(self) -> Result<SequenceRows<'static, T>, SpillError> {
        let folder = self.folder;
        let failed = |reason| SpillError::File {
            folder: folder.clone(),
            reason,
        };
        let reader: Box<dyn Read + Send> = match self.file {
            None => Box::new(std::io::Cursor::new(self.bytes)),
            Some(file) => {
                let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
                let end = file.metadata().map_err(failed)?.len();
                let section = Section {
                    file: Arc::new(file),
                    at: 0,
                    end,
                };
                Box::new(BufReader::with_capacity(1 << 20, section))
            }
        };
        Ok(SequenceRows {
            reader,
            left: self.rows,
            folder,
            buffer: Vec::new(),
            row: std::marker::PhantomData,
        })
    }
}

/// Rows of a [`Sequence`].
pub struct SequenceRows<'a, T> {
    reader: Box<dyn Read + Send + 'a>,
    left: u64,
    folder: PathBuf,
    buffer: Vec<u8>,
    row: std::marker::PhantomData<T>,
}

impl<T: DeserializeOwned> Iterator for SequenceRows<'_, T> {
    type Item = Result<T, SpillError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut read = || -> Result<T, SpillError> {
            let failed = |reason| SpillError::File {
                folder: self.folder.clone(),
                reason,
            };
            let mut length = [0u8; 4];
            self.reader.read_exact(&mut length).map_err(failed)?;
            self.buffer.resize(u32::from_le_bytes(length) as usize, 0);
            self.reader.read_exact(&mut self.buffer).map_err(failed)?;
            Ok(postcard::from_bytes(&self.buffer)?)
        };
        Some(read())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn scrambled(rows: u64) -> impl Iterator<Item = (u128, String)> {
        (0..rows).map(|n| {
            (
                u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % 1_000,
                format!("{n:0>200}"),
            )
        })
    }

    fn sorts(rows: u64) {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = SortedSpill::new(folder.path());
        for (key, text) in scrambled(rows) {
            spill.push(key, &(key, text)).unwrap();
        }
        let mut expected: Vec<_> = scrambled(rows).collect();
        expected.sort_by_key(|(key, _)| *key);
        let got: Vec<(u128, String)> = spill.sorted().unwrap().map(Result::unwrap).collect();
        assert!(got == expected);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "the file has no name"
        );
    }

    #[test]
    fn few_rows_are_sorted_in_memory_and_equal_keys_keep_their_order() {
        sorts(500);
    }

    #[test]
    fn many_rows_are_sorted_through_a_file() {
        sorts(200_000);
    }

    #[test]
    fn a_sequence_is_read_as_often_as_wanted() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0u64, 10, 100_000] {
            let mut sequence = Sequence::new(folder.path());
            for (key, text) in scrambled(count) {
                sequence.push(&(key, text)).unwrap();
            }
            for _ in 0..2 {
                let got: Vec<(u128, String)> = sequence.rows().unwrap().map(Result::unwrap).collect();
                assert!(got == scrambled(count).collect::<Vec<_>>());
            }
            let got: Vec<(u128, String)> = sequence.into_rows().unwrap().map(Result::unwrap).collect();
            assert!(got == scrambled(count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_missing_folder_is_said_with_what_to_do() {
        let mut spill = SortedSpill::new(Path::new("/nonexistent/outflow"));
        let error = (0..)
            .map(|n| spill.push(n, &"x".repeat(100_000)))
            .find_map(Result::err)
            .unwrap();
        assert!(error.to_string().contains("/nonexistent/outflow"), "{error}");
    }
}
