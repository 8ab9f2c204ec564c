//! Keeping an account between two starts: one JSON file of a folder, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes `content` to the file `name` of a folder, which is made when there is none.
pub(crate) fn write<T: Serialize>(folder: &Path, name: &str, content: &T) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("{name}.new"));
    let mut writer = BufWriter::new(File::create(&new)?);
    serde_json::to_writer(&mut writer, content)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    fs::rename(new, folder.join(name))
}

/// Reads what [`write`] wrote; none when there is no such file.
pub(crate) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> io::Result<Option<T>> {
    let opened = match File::open(folder.join(name)) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    serde_json::from_reader(BufReader::new(opened))
        .map(Some)
        .map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            unreadable(folder, name, &at)
        })
}

/// The error of a file that is not what [`write`] wrote.
pub(crate) fn unreadable(folder: &Path, name: &str, reason: &str) -> io::Error {
    let path = folder.join(name);
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{}: {reason}; delete the file to start afresh", path.display()),
    )
}
