//! Where a project's own twins listen and keep what they have.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::failure::Failure;

/// Below the project's folder.
const SETTINGS: &str = "sandbox/sandbox.json";

/// Where a project's own twins listen and keep what they have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// First of their ports.
    pub(crate) port: u16,
    /// Relative to the project's folder.
    pub(crate) data: PathBuf,
}

impl Settings {
    /// The settings of the project in `dir`, if it has twins of its own.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(SETTINGS);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, &error.to_string())),
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| unreadable(&path, &error.to_string()))
    }

    /// Keeps the settings in the project in `dir`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(SETTINGS);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, format!("{}\n", serde_json::to_string(self)?))
    }
}

fn unreadable(path: &Path, reason: &str) -> Failure {
    Failure::config(
        "sandbox_settings",
        format!("the sandbox's settings cannot be read: {reason}"),
    )
    .at(path.display().to_string())
    .hint("delete the file, or run `outflow demo` again")
}
