//! Whether a file is still the one whose reading began.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use outflow_sdk::ConnectorError;

use crate::messages;

/// A file on disk and its name in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRef {
    pub(crate) path: PathBuf,
    pub(crate) label: String,
}

impl FileRef {
    pub(crate) fn new(path: &Path, root: &Path) -> Self {
        Self {
            path: path.to_owned(),
            label: messages::label(path, root),
        }
    }

    /// Opens the file and notes what it is.
    pub(crate) fn open(&self) -> Result<(File, Stamp), ConnectorError> {
        // Before it is opened, since opening a pipe would wait for its other end.
        self.stamp()?;
        let unreadable = |error: std::io::Error| messages::unreadable(&self.label, &error);
        let file = File::open(&self.path).map_err(unreadable)?;
        let stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
        Ok((file, stamp))
    }

    /// The stamp of what the path leads to now.
    ///
    /// # Errors
    /// When it leads to no regular file.
    pub(crate) fn stamp(&self) -> Result<Stamp, ConnectorError> {
        let metadata =
            std::fs::metadata(&self.path).map_err(|error| messages::unreadable(&self.label, &error))?;
        if !metadata.is_file() {
            return Err(ConnectorError::source(
                "unreadable",
                format!("{}: is no regular file", self.label),
            ));
        }
        Ok(Stamp::of(&metadata))
    }

    /// Fails unless the path still leads to what `before` noted.
    pub(crate) fn unchanged_since(&self, before: Stamp) -> Result<(), ConnectorError> {
        match self.stamp() {
            Ok(now) if now == before => Ok(()),
            _ => Err(messages::file_changed(&self.label)),
        }
    }

    /// Fails unless the path still leads to the same file, whatever was written to it.
    pub(crate) fn same_file_as(&self, before: Stamp) -> Result<(), ConnectorError> {
        match self.stamp() {
            Ok(now) if now.identity == before.identity => Ok(()),
            _ => Err(messages::file_changed(&self.label)),
        }
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            identity: Identity::of(metadata),
        }
    }
}

/// Device and inode where the system has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self(0, 0)
    }
}
