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
        let file = File::open(&self.path).map_err(|error| messages::unreadable(&self.label, &error))?;
        let metadata = file
            .metadata()
            .map_err(|error| messages::unreadable(&self.label, &error))?;
        if metadata.is_dir() {
            return Err(ConnectorError::source(
                "unreadable",
                format!("{}: is a folder, not a file", self.label),
            ));
        }
        Ok((file, Stamp::of(&metadata)))
    }

    /// The stamp of what the path leads to now.
    ///
    /// # Errors
    /// `file_changed` when it leads nowhere.
    pub(crate) fn stamp(&self) -> Result<Stamp, ConnectorError> {
        std::fs::metadata(&self.path)
            .map(|metadata| Stamp::of(&metadata))
            .map_err(|_| messages::file_changed(&self.label))
    }

    /// Fails unless the path still leads to what `before` noted.
    pub(crate) fn unchanged_since(&self, before: Stamp) -> Result<(), ConnectorError> {
        if self.stamp()? == before {
            Ok(())
        } else {
            Err(messages::file_changed(&self.label))
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

    /// Which file it is, whatever it holds.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }
}

/// Device and inode where the system has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

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
