//! The demo's project files, and clearing away those of an earlier demo.

use std::io;
use std::path::Path;

use super::super::failure::Failure;
use super::super::sandbox::{Settings, TOKEN};
use super::settings;

/// Where the twin keeps its records, below the demo's folder.
pub(super) const TWIN_DATA: &str = "sandbox/hubspot";

/// What a demo makes, and clears away when it is repeated.
const FOLDERS: [&str; 5] = ["data", "models", "mappings", "sandbox", ".outflow"];

const CUSTOMERS_SQL: &str = include_str!("files/customers.sql");
const CUSTOMERS_YAML: &str = include_str!("files/customers.yaml");
const COMPANIES_YAML: &str = include_str!("files/companies.yaml");
const OUTFLOW_YAML: &str = include_str!("files/outflow.yaml");

/// Makes room in `dir`: an earlier demo there is cleared away, anything else is left alone.
///
/// # Errors
/// When the folder holds something that no demo made.
pub(super) fn clear(dir: &Path) -> Result<Option<Settings>, Failure> {
    let earlier = Settings::read(dir)?;
    if earlier.is_none() && holds_something(dir) {
        return Err(Failure::config(
            "demo_folder",
            "the folder is not empty and was not made by the demo, so it is left alone",
        )
        .at(dir.display().to_string())
        .hint("name another folder: outflow demo DIR"));
    }
    for folder in FOLDERS {
        match std::fs::remove_dir_all(dir.join(folder)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(not_written(dir, &error)),
        }
    }
    Ok(earlier)
}

fn holds_something(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

/// Writes the project.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write(dir: &Path, port: u16) -> Result<(), Failure> {
    let outflow = OUTFLOW_YAML.replace("{port}", &port.to_string());
    let files = [
        ("outflow.yaml", outflow.as_str()),
        ("models/customers.sql", CUSTOMERS_SQL),
        ("mappings/customers.yaml", CUSTOMERS_YAML),
        ("mappings/companies.yaml", COMPANIES_YAML),
        ("sandbox/token", TOKEN),
    ];
    let all = || {
        for (name, text) in files {
            let path = dir.join(name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, text)?;
        }
        settings(port).write(dir)
    };
    all().map_err(|error: io::Error| not_written(dir, &error))
}

/// The demo's folder cannot be written.
pub(super) fn not_written(dir: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::config(
        "demo_folder",
        format!("the demo's files cannot be written: {error}"),
    )
    .at(dir.display().to_string())
    .hint("name a folder that can be written: outflow demo DIR")
}
