//! Pages and schemas that are made from the types and committed.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// The repository's `mappings/`, from whichever crate this is.
pub(crate) fn mappings() -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut mappings = folders.map(|folder| folder.join("mappings"));
    mappings.find(|folder| folder.is_dir()).unwrap()
}

/// Compares a committed file with what the types say now, or renews it.
pub(crate) fn assert_committed(name: &str, text: &str) {
    let path = mappings().join(name);
    if std::env::var_os("OUTFLOW_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "mappings/{name} is stale; renew it with: OUTFLOW_BLESS=1 cargo test --workspace --lib committed"
    );
}
