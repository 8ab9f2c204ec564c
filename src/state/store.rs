//! Opening the store: one folder, one SQLite file, one writer.
//!
//! A writer holds an operating-system lock on the file `lock` for as long as it lives, so a second
//! one is told at once and a dead one leaves nothing behind. Readers take no lock: the write-ahead
//! log shows them the last committed state while a run goes on.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outflow_sdk::print::Printer;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tempfile::TempDir;

use super::StateError;
use super::schema::{self, Header};

/// The SQLite file in the state's folder.
pub(super) const FILE: &str = "state.db";

/// How long a statement waits for another process that creates or migrates the file.
const BUSY: Duration = Duration::from_secs(5);

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Runs, resets, imports: one process at a time.
    Write,
    /// Plans, status, history: any number, also while a run goes on.
    Read,
}

/// How connections beyond the first are opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// The usual one.
    ReadWrite,
    /// The file may not be written.
    ReadOnly,
    /// Nor may its folder, so no other process can be writing.
    Immutable,
}

/// The open store.
pub struct Store {
    dir: PathBuf,
    path: PathBuf,
    header: Header,
    opening: Opening,
    writer: Option<Mutex<Connection>>,
    reader: Mutex<Connection>,
    // Dropped after the connections.
    _lock: Option<File>,
    _temporary: Option<TempDir>,
}

impl Store {
    /// Opens the store in `dir`; makes the folder (0700) and the file (0600) if they are missing.
    ///
    /// For reading, a store that neither exists nor can be made counts as empty.
    ///
    /// # Errors
    /// [`StateError::Busy`] at once when another process writes; [`StateError::Newer`],
    /// [`StateError::Corrupt`] without touching the file; otherwise what the system says.
    pub fn open(dir: &Path, access: Access) -> Result<Self, StateError> {
        match access {
            Access::Write => Self::open_to_write(dir),
            Access::Read => Self::open_to_read(dir),
        }
    }

    fn open_to_write(dir: &Path) -> Result<Self, StateError> {
        make_folder(dir)?;
        let lock = lock(dir)?;
        let path = dir.join(FILE);
        make_file(&path)?;
        share_permissions(&path);
        check_untouched(&path)?;
        let mut writer = connect(&path, Opening::ReadWrite)?;
        tune_writer(&writer).map_err(|error| StateError::sql(&path, &error))?;
        schema::migrate(&mut writer, &path, schema::STEPS)?;
        let header = schema::header(&writer, &path)?;
        let reader = connect_reader(&path, Opening::ReadWrite)?;
        Ok(Self {
            dir: dir.to_owned(),
            path,
            header,
            opening: Opening::ReadWrite,
            writer: Some(Mutex::new(writer)),
            reader: Mutex::new(reader),
            _lock: Some(lock),
            _temporary: None,
        })
    }

    fn open_to_read(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join(FILE);
        let created = make_folder(dir).and_then(|()| make_file(&path));
        if !path.exists() {
            return match created {
                Ok(()) => Err(StateError::open(&path, &std::io::ErrorKind::NotFound.into())),
                Err(_) => Self::nothing_yet(dir),
            };
        }
        let found = check_untouched(&path)?;
        if found < schema::version() {
            // A writer of an earlier version must not have its tables changed under it.
            let _lock = if found > 0 { Some(lock(dir)?) } else { None };
            let mut writer = connect(&path, Opening::ReadWrite)?;
            tune_writer(&writer).map_err(|error| StateError::sql(&path, &error))?;
            match schema::migrate(&mut writer, &path, schema::STEPS) {
                Err(StateError::ReadOnly { .. }) if found == 0 => return Self::nothing_yet(dir),
                other => other?,
            }
        }
        let (reader, opening) = connect_as_possible(&path)?;
        let header = schema::header(&reader, &path)?;
        Ok(Self {
            dir: dir.to_owned(),
            path,
            header,
            opening,
            writer: None,
            reader: Mutex::new(reader),
            _lock: None,
            _temporary: None,
        })
    }

    /// An empty store for readers where nothing can be written: its secret is 0, so that what they
    /// print is the same every time.
    fn nothing_yet(dir: &Path) -> Result<Self, StateError> {
        let temporary = tempfile::tempdir().map_err(|error| StateError::open(dir, &error))?;
        let mut store = Self::open_to_read(temporary.path())?;
        store.header.seed = 0;
        store._temporary = Some(temporary);
        Ok(store)
    }

    /// Hashes values with this project's secret.
    pub fn printer(&self) -> Printer {
        Printer::new(self.header.seed)
    }

    /// The state's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The SQLite file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Version of the tables.
    pub fn schema_version(&self) -> i64 {
        schema::version()
    }

    /// Bytes on disk, caches included; files that vanish meanwhile count as nothing.
    pub fn disk_bytes(&self) -> u64 {
        fn folder(dir: &Path) -> u64 {
            let Ok(entries) = std::fs::read_dir(dir) else {
                return 0;
            };
            entries
                .flatten()
                .filter_map(|entry| {
                    let meta = entry.metadata().ok()?;
                    Some(if meta.is_dir() {
                        folder(&entry.path())
                    } else {
                        meta.len()
                    })
                })
                .sum()
        }
        self.path.parent().map_or(0, folder)
    }

    /// Whether this store may be written.
    pub fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    /// Random number of this store, for caches made from it.
    pub(super) fn number(&self) -> u64 {
        self.header.store
    }

    /// The secret, for an export.
    pub(super) fn seed(&self) -> u64 {
        self.header.seed
    }

    /// One more connection, for a reader that goes on while others read and write: it sees what was
    /// committed at its first look, and takes the file's locks once instead of for every statement.
    pub(super) fn snapshot(&self) -> Result<Connection, StateError> {
        let connection = connect_reader(&self.path, self.opening)?;
        connection
            .execute_batch("BEGIN")
            .map_err(|error| self.sql(&error))?;
        Ok(connection)
    }

    /// Everything `work` writes, or nothing of it.
    pub(super) fn transact<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        self.transaction(|transaction| work(transaction).map_err(|error| self.sql(&error)))
    }

    /// The same for work that can fail for reasons of its own.
    pub(super) fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let Some(writer) = &self.writer else {
            return Err(StateError::ReadOnly {
                path: self.path.clone(),
            });
        };
        let mut writer = locked(writer);
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| self.sql(&error))?;
        let done = work(&transaction)?;
        transaction.commit().map_err(|error| self.sql(&error))?;
        Ok(done)
    }

    /// Reads what is committed.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        work(&locked(&self.reader)).map_err(|error| self.sql(&error))
    }

    pub(super) fn sql(&self, error: &rusqlite::Error) -> StateError {
        StateError::sql(&self.path, error)
    }

    /// Moves the write-ahead log into the file and empties it, so that neither grows without end and
    /// erased contact values stay in neither. Does not wait for readers; the next call catches up.
    /// To be called between runs.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn checkpoint(&self) -> Result<(), StateError> {
        let Some(writer) = &self.writer else { return Ok(()) };
        self.scrub()?;
        let writer = locked(writer);
        let truncate = || {
            writer.busy_timeout(Duration::ZERO)?;
            let done = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
            writer.busy_timeout(BUSY)?;
            done
        };
        truncate().map_err(|error| self.sql(&error))
    }
}

fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic rolled the transaction back; the connection is as good as before.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_folder(dir: &Path) -> Result<(), StateError> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| StateError::open(dir, &error))
}

/// SQLite gives its other files the permissions of this one.
fn make_file(path: &Path) -> Result<(), StateError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StateError::open(path, &error))
}

/// A reader that met a read-only file has left its log and index read-only as well. Whoever has given the
/// file back need not know of them. What cannot be changed, SQLite complains of.
fn share_permissions(path: &Path) {
    let Ok(file) = std::fs::metadata(path) else { return };
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        if std::fs::metadata(&beside).is_ok_and(|found| found.permissions() != file.permissions()) {
            let _ = std::fs::set_permissions(&beside, file.permissions());
        }
    }
}

/// Takes the folder's lock, which the system gives back when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, StateError> {
    let path = dir.join("lock");
    let open = |error: &std::io::Error| StateError::open(&path, error);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| open(&error))?;
    match file.try_lock() {
        Ok(()) => {
            let mut name_us = || {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", std::process::id())
            };
            name_us().map_err(|error| open(&error))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file
                .read_to_string(&mut text)
                .ok()
                .and_then(|_| text.trim().parse().ok());
            Err(StateError::Busy {
                pid,
                path: dir.to_owned(),
            })
        }
        Err(TryLockError::Error(error)) => Err(open(&error)),
    }
}

/// The version of the file, read without changing anything.
fn check_untouched(path: &Path) -> Result<i64, StateError> {
    let look =
        |opening| connect(path, opening).and_then(|file| schema::check(&file, path, schema::version()));
    match look(Opening::ReadOnly) {
        // Without write permission in the folder the log's index cannot be made.
        Err(StateError::Open { .. } | StateError::ReadOnly { .. }) => look(Opening::Immutable),
        other => other,
    }
}

fn connect_as_possible(path: &Path) -> Result<(Connection, Opening), StateError> {
    let mut last = None;
    for opening in [Opening::ReadWrite, Opening::ReadOnly, Opening::Immutable] {
        let reader = connect_reader(path, opening).and_then(|reader| {
            schema::check(&reader, path, schema::version())?;
            Ok(reader)
        });
        match reader {
            Ok(reader) => return Ok((reader, opening)),
            Err(error @ (StateError::Open { .. } | StateError::ReadOnly { .. })) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| StateError::Internal("no way to open a file".to_owned())))
}

fn connect(path: &Path, opening: Opening) -> Result<Connection, StateError> {
    let sql = |error: rusqlite::Error| StateError::sql(path, &error);
    let connection = match opening {
        Opening::ReadWrite => Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        ),
        Opening::ReadOnly => Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        ),
        Opening::Immutable => Connection::open_with_flags(
            immutable_uri(path),
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI,
        ),
    }
    .map_err(sql)?;
    connection.busy_timeout(BUSY).map_err(sql)?;
    // Plans do not depend on the values bound; without this a range is planned anew for every look-up.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(sql)?;
    Ok(connection)
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

fn connect_reader(path: &Path, opening: Opening) -> Result<Connection, StateError> {
    let connection = connect(path, opening)?;
    let tune = || {
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -8_000)
    };
    tune().map_err(|error| StateError::sql(path, &error))?;
    Ok(connection)
}

/// The same for one who has only the path of a store that is open for writing.
pub(super) fn snapshot_of(path: &Path) -> Result<Connection, StateError> {
    let connection = connect_reader(path, Opening::ReadWrite)?;
    let begun = connection.execute_batch("BEGIN");
    begun.map_err(|error| StateError::sql(path, &error))?;
    Ok(connection)
}

fn tune_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Erased text is overwritten, not just forgotten.
    connection.query_row("PRAGMA secure_delete = ON", (), |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.query_row("PRAGMA wal_autocheckpoint = 4000", (), |_| Ok(()))?;
    connection.query_row("PRAGMA journal_size_limit = 67108864", (), |_| Ok(()))?;
    Ok(())
}

#[cfg(test)]
mod tests;
