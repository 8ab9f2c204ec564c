//! The project in force, and noticing when its files change.

use std::hash::Hasher as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::project::{Loaded, Problem, Project, project_files};

/// A project without errors, and the files it was read from.
#[derive(Clone)]
pub struct Edition {
    /// The project.
    pub project: Arc<Project>,
    /// What it depends on; a relative path starts at the project's folder.
    files: Vec<PathBuf>,
}

/// A project that has errors: nothing of it is used.
#[derive(Debug)]
pub struct Broken {
    /// What is wrong.
    pub problems: Vec<Problem>,
    files: Vec<PathBuf>,
}

impl Edition {
    /// Takes a project that was read, if it is good as a whole.
    ///
    /// # Errors
    /// When there is any error in it, even in one sync alone.
    pub fn of(mut loaded: Loaded) -> Result<Self, Broken> {
        let files = std::mem::take(&mut loaded.files);
        let wrong = loaded.has_errors();
        match loaded.project.take() {
            Some(project) if !wrong => Ok(Self {
                project: Arc::new(project),
                files,
            }),
            _ => Err(Broken {
                problems: loaded.problems.into_iter().filter(Problem::is_error).collect(),
                files,
            }),
        }
    }
}

/// Tells when the files of a project are not what they were.
///
/// Length, time and inode of each file are compared, so that a file that is replaced (as editors,
/// `git` and mounted configuration do) counts as changed. A change counts once it stays for a second
/// look, so that a file that is just being written is not read half.
pub(super) struct Watch {
    root: PathBuf,
    files: Vec<PathBuf>,
    /// The print of the files that were last read.
    read: u64,
    /// The print at the last look.
    seen: u64,
}

impl Watch {
    pub(super) fn new(root: &Path, edition: &Edition) -> Self {
        let print = print(root, &edition.files);
        Self {
            root: root.to_owned(),
            files: edition.files.clone(),
            read: print,
            seen: print,
        }
    }

    /// Whether the files have changed since they were last read, and rest.
    pub(super) fn changed(&mut self) -> bool {
        let now = print(&self.root, &self.files);
        let rests = now == self.seen;
        self.seen = now;
        rests && now != self.read
    }

    /// The files were read just now. To be called before they are read: what changes meanwhile is
    /// seen by the next look.
    pub(super) fn reading(&mut self) {
        self.read = print(&self.root, &self.files);
        self.seen = self.read;
    }

    /// What was read depends on these files.
    pub(super) fn depends(&mut self, read: &Result<Edition, Broken>) {
        let files = match read {
            Ok(edition) => &edition.files,
            Err(broken) => &broken.files,
        };
        if *files != self.files {
            self.files.clone_from(files);
            self.reading();
        }
    }
}

fn print(root: &Path, files: &[PathBuf]) -> u64 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    // A new mapping is in no list yet.
    let own = project_files(root);
    for file in files.iter().chain(&own) {
        hash.update(file.as_os_str().as_encoded_bytes());
        if let Ok(found) = std::fs::metadata(root.join(file)) {
            hash.write_u64(found.len());
            hash.write_i64(found.mtime());
            hash.write_i64(found.mtime_nsec());
            hash.write_u64(found.ino());
        }
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mappings")).unwrap();
        for file in ["outflow.yaml", "mappings/a.yaml", "a.sql"] {
            std::fs::write(folder.path().join(file), "one").unwrap();
        }
        folder
    }

    fn watch(root: &Path) -> Watch {
        let files = vec!["outflow.yaml".into(), "mappings/a.yaml".into(), "a.sql".into()];
        let print = print(root, &files);
        Watch {
            root: root.to_owned(),
            files,
            read: print,
            seen: print,
        }
    }

    #[test]
    fn a_changed_new_removed_or_replaced_file_is_noticed_at_the_second_look() {
        let folder = folder();
        let root = folder.path();
        let mut watch = watch(root);
        assert!(!watch.changed() && !watch.changed());
        let changes: [&dyn Fn(); 4] = [
            &|| std::fs::write(root.join("a.sql"), "three").unwrap(),
            &|| std::fs::write(root.join("mappings/b.yml"), "new").unwrap(),
            &|| std::fs::remove_file(root.join("mappings/b.yml")).unwrap(),
            &|| {
                std::fs::write(root.join("next"), "one").unwrap();
                std::fs::rename(root.join("next"), root.join("outflow.yaml")).unwrap();
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            change();
            assert!(!watch.changed(), "{number}: it may still be written to");
            assert!(watch.changed(), "{number}");
            watch.reading();
            assert!(!watch.changed() && !watch.changed(), "{number}: told once");
        }
    }

    #[test]
    fn a_change_back_to_what_was_read_is_none() {
        let folder = folder();
        let mut watch = watch(folder.path());
        let aside = folder.path().join("mappings/aside");
        let file = folder.path().join("mappings/a.yaml");
        std::fs::rename(&file, &aside).unwrap();
        assert!(!watch.changed());
        std::fs::rename(&aside, &file).unwrap();
        assert!(!watch.changed() && !watch.changed());
    }
}
