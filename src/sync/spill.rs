//! Rows set aside while a run looks at the whole model: in memory while they are few, then in a
//! nameless temporary file, so that memory stays bounded whatever the model's size.
//!
//! The file is unlinked as soon as it is opened: no contact value outlives the process.

mod sequence;
mod sorted;

use std::fs::File;
use std::io::{BufRead, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use thiserror::Error;

pub use sequence::{Sequence, SequenceRows};
pub use sorted::{PackedRows, SortedRows, SortedSpill};

/// Bytes kept in memory before they go to the file.
const MEMORY: usize = 8 << 20;

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

/// Unpacks the next so many bytes: where they lie if they came whole, else by way of `scratch`.
fn unpack<T: DeserializeOwned>(
    reader: &mut (impl BufRead + ?Sized),
    length: usize,
    scratch: &mut Vec<u8>,
) -> std::io::Result<Result<T, postcard::Error>> {
    if let Some(bytes) = reader.fill_buf()?.get(..length) {
        let row = postcard::from_bytes(bytes);
        reader.consume(length);
        return Ok(row);
    }
    scratch.resize(length, 0);
    reader.read_exact(scratch)?;
    Ok(postcard::from_bytes(scratch))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

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
        // One by one, and in lots.
        let mut packed = PackedRows::default();
        for (at, (key, text)) in scrambled(rows).enumerate() {
            match at % 1_000 {
                0..100 => spill.push(key, &(key, text)).unwrap(),
                _ => packed.push(key, &(key, text)).unwrap(),
            }
            if at % 1_000 == 999 {
                spill.append(std::mem::take(&mut packed)).unwrap();
            }
        }
        spill.append(packed).unwrap();
        assert_eq!(spill.len(), rows);
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
    fn rows_that_cannot_be_read_are_an_error_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = SortedSpill::new(folder.path());
        for (key, text) in scrambled(200_000) {
            spill.push(key, &(key, text)).unwrap();
        }
        // Another type than what was packed, as after a fault of the disk.
        let mut rows = spill.sorted::<(u128, Vec<Option<bool>>)>().unwrap();
        assert!(rows.next().unwrap().is_err());
        assert!(rows.next().is_none());
    }

    #[test]
    fn rows_may_be_left_in_the_middle() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = SortedSpill::new(folder.path());
        for (key, text) in scrambled(200_000) {
            spill.push(key, &(key, text)).unwrap();
        }
        let rows = spill.sorted::<(u128, String)>().unwrap();
        assert_eq!(rows.take(1_000).filter_map(Result::ok).count(), 1_000);
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
