//! A first project that passes its checks: what `outflow init` writes.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::file::io_reason;
use super::problem::slashed;
use super::schema::schema_files;
use outflow_sdk::descriptor::Registry;

const FILES: [(&str, &str); 3] = [
    ("outflow.yaml", include_str!("template/outflow.yaml")),
    (
        "mappings/customers.yaml",
        include_str!("template/mappings/customers.yaml"),
    ),
    ("data/customers.csv", include_str!("template/data/customers.csv")),
];

/// Written only where there is none: a repository has its own.
const GITIGNORE: (&str, &str) = (".gitignore", include_str!("template/gitignore"));

/// Why no project was written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InitError {
    /// Files that would be overwritten.
    #[error("{} already there; nothing was written", present(.0))]
    Exists(Vec<PathBuf>),
    /// A file or folder that cannot be written.
    #[error("{} cannot be written: {reason}", slashed(.path))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
}

fn present(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| slashed(path)).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

/// Writes a project into `dir`, creating it if need be, and says which files, relative to it.
///
/// # Errors
/// When a file is there already (then nothing is written), or when one cannot be written.
pub fn init(dir: &Path, registry: &Registry) -> Result<Vec<PathBuf>, InitError> {
    let schemas = schema_files(registry);
    let schemas = schemas
        .iter()
        .map(|(name, text)| (format!("schema/{name}"), text.as_str()));
    let mut files: Vec<(PathBuf, &str)> = FILES
        .iter()
        .map(|(name, text)| (PathBuf::from(name), *text))
        .collect();
    files.extend(schemas.map(|(name, text)| (PathBuf::from(name), text)));
    let there = |path: &Path| dir.join(path).symlink_metadata().is_ok();
    let present: Vec<PathBuf> = files
        .iter()
        .map(|(path, _)| path.clone())
        .filter(|path| there(path))
        .collect();
    if !present.is_empty() {
        return Err(InitError::Exists(present));
    }
    if !there(Path::new(GITIGNORE.0)) {
        files.push((PathBuf::from(GITIGNORE.0), GITIGNORE.1));
    }
    for (path, text) in &files {
        write_new(&dir.join(path), text).map_err(|error| InitError::Write {
            path: path.clone(),
            reason: io_reason(&error),
        })?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Never over a file that appeared in the meantime.
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}
