//! Files of the tables: written aside and put in their place whole, so that no reader ever sees half of
//! one. Temporary files begin with a dot, which readers of such folders pass over.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tempfile::{Builder, NamedTempFile};

use super::ReportError;
use super::columns::Table;
use crate::state::RunRecord;

/// Rows a reader must hold at a time.
const ROW_GROUP: usize = 50_000;

/// Where a run's file is within each table: by the time it started, so that a state that starts anew
/// overwrites nothing.
pub(super) fn place(run: &RunRecord, by_day: bool) -> PathBuf {
    let started = Timestamp::from_millisecond(run.started_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let name = format!(
        "{}-{}-{}.parquet",
        started.strftime("%Y%m%dT%H%M%SZ"),
        run.sync,
        run.id
    );
    if by_day {
        PathBuf::from(format!("date={}", started.strftime("%Y-%m-%d"))).join(name)
    } else {
        name.into()
    }
}

/// A Parquet file in the making.
pub(super) struct TableFile {
    writer: ArrowWriter<NamedTempFile>,
    path: PathBuf,
}

impl TableFile {
    pub(super) fn create(folder: &Path, table: Table, place: &Path) -> Result<Self, ReportError> {
        let path = folder.join(table.name()).join(place);
        let file = temporary(&path).map_err(|error| ReportError::folder(&path, error))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_size(ROW_GROUP)
            .set_created_by(format!("outflow {}", env!("CARGO_PKG_VERSION")))
            .build();
        let writer = ArrowWriter::try_new(file, table.schema(), Some(properties))?;
        Ok(Self { writer, path })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ReportError> {
        self.writer
            .write(batch)
            .map_err(|error| ReportError::folder(&self.path, io::Error::other(error)))
    }

    pub(super) fn close(self) -> Result<(), ReportError> {
        let path = self.path;
        let file = self
            .writer
            .into_inner()
            .map_err(|error| ReportError::folder(&path, io::Error::other(error)))?;
        put(file, &path).map_err(|error| ReportError::folder(&path, error))
    }
}

/// A file beside `path`; its folder is made if it is not there.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    Builder::new()
        .prefix(".outflow-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
}

/// Puts a file in its place for good: its bytes are on the disk before its name is, and its name is before
/// this returns.
fn put(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Moves every file of `from` to the same place in `to`; gives how many there were.
pub(super) fn move_all(from: &Path, to: &Path) -> Result<usize, ReportError> {
    let mut moved = 0;
    for table in Table::ALL {
        let tree = from.join(table.name());
        for file in files(&tree).map_err(|error| ReportError::folder(&tree, error))? {
            let Ok(place) = file.strip_prefix(from) else {
                continue;
            };
            let target = to.join(place);
            move_one(&file, &target).map_err(|error| ReportError::folder(&target, error))?;
            std::fs::remove_file(&file).map_err(|error| ReportError::folder(&file, error))?;
            moved += 1;
        }
    }
    Ok(moved)
}

/// Removes what a process that was killed left half written. To be called while nothing is written.
pub(super) fn sweep(tree: &Path) -> io::Result<()> {
    for table in Table::ALL {
        let folder = tree.join(table.name());
        for path in entries(&folder)? {
            let inside = if path.is_dir() {
                entries(&path)?
            } else {
                vec![path]
            };
            for half in inside
                .iter()
                .filter(|path| path.extension().is_some_and(|ending| ending == "tmp"))
            {
                std::fs::remove_file(half)?;
            }
        }
    }
    Ok(())
}

/// By copying: the two may be on different disks.
fn move_one(file: &Path, target: &Path) -> io::Result<()> {
    let mut copy = temporary(target)?;
    io::copy(&mut File::open(file)?, &mut copy)?;
    put(copy, target)
}

/// Finished files of a table, in the order of their names. Folders are at most one deep.
fn files(tree: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(tree)? {
        if path.is_dir() {
            found.extend(entries(&path)?);
        } else {
            found.push(path);
        }
    }
    found.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    found.sort();
    Ok(found)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
