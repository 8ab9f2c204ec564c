//! Sequence: rows in the order they were set aside.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{MEMORY, Section, SpillError, unpack};

/// Bytes that go to the file at once, when there is one.
const WRITE: usize = 1 << 20;

/// Rows given back in the order they were pushed, as often as wanted.
pub struct Sequence {
    folder: PathBuf,
    /// Rows that are not in the file.
    bytes: Vec<u8>,
    file: Option<File>,
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
        let room = if self.file.is_some() { WRITE } else { MEMORY };
        if self.bytes.len() > room {
            self.write_out().map_err(|reason| failed(&self.folder, reason))?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> std::io::Result<()> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&self.folder)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.bytes)?;
        }
        self.bytes.clear();
        self.bytes.shrink_to(2 * WRITE);
        Ok(())
    }

    /// The rows from the start.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn rows<T: DeserializeOwned>(&mut self) -> Result<SequenceRows<'_, T>, SpillError> {
        if self.file.is_some() {
            self.write_out().map_err(|reason| failed(&self.folder, reason))?;
        }
        let reader: Box<dyn BufRead + Send + '_> = match &self.file {
            None => Box::new(&self.bytes[..]),
            Some(file) => Box::new(whole(file.try_clone(), &self.folder)?),
        };
        Ok(SequenceRows::new(reader, self.rows, &self.folder))
    }

    /// The rows from the start, for a reader that outlives this borrow.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn into_rows<T: DeserializeOwned>(mut self) -> Result<SequenceRows<'static, T>, SpillError> {
        if self.file.is_some() {
            self.write_out().map_err(|reason| failed(&self.folder, reason))?;
        }
        let reader: Box<dyn BufRead + Send> = match self.file {
            None => Box::new(std::io::Cursor::new(self.bytes)),
            Some(file) => Box::new(whole(Ok(file), &self.folder)?),
        };
        Ok(SequenceRows::new(reader, self.rows, &self.folder))
    }
}

fn failed(folder: &Path, reason: std::io::Error) -> SpillError {
    SpillError::File {
        folder: folder.to_owned(),
        reason,
    }
}

/// Reads a file from its start to its present end, wherever it is being written.
fn whole(file: std::io::Result<File>, folder: &Path) -> Result<BufReader<Section>, SpillError> {
    let section = file.and_then(|file| {
        let end = file.metadata()?.len();
        let file = Arc::new(file);
        Ok(Section { file, at: 0, end })
    });
    let section = section.map_err(|reason| failed(folder, reason))?;
    Ok(BufReader::with_capacity(1 << 20, section))
}

/// Rows of a [`Sequence`].
pub struct SequenceRows<'a, T> {
    reader: Box<dyn BufRead + Send + 'a>,
    left: u64,
    folder: PathBuf,
    scratch: Vec<u8>,
    row: std::marker::PhantomData<T>,
}

impl<'a, T> SequenceRows<'a, T> {
    fn new(reader: Box<dyn BufRead + Send + 'a>, left: u64, folder: &Path) -> Self {
        Self {
            reader,
            left,
            folder: folder.to_owned(),
            scratch: Vec::new(),
            row: std::marker::PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Iterator for SequenceRows<'_, T> {
    type Item = Result<T, SpillError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut read = || -> Result<T, SpillError> {
            let failed = |reason| failed(&self.folder, reason);
            let mut length = [0u8; 4];
            self.reader.read_exact(&mut length).map_err(failed)?;
            let length = u32::from_le_bytes(length) as usize;
            Ok(unpack(&mut *self.reader, length, &mut self.scratch).map_err(failed)??)
        };
        Some(read())
    }
}
