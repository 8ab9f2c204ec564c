//! What tables there are.

use std::collections::BTreeSet;
use std::path::Path;

use outflow_sdk::ConnectorError;
use outflow_sdk::names::choices_hint;

use crate::messages;
use crate::open::Format;
use crate::sqlite;
use crate::stamp::FileRef;

/// Where a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file that is one table.
    File { file: FileRef, format: Format },
    /// A table or view in an SQLite database.
    Database { database: Database, table: String },
}

/// An SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    /// The file's stem: its schema name in SQL.
    pub(crate) name: String,
    pub(crate) file: FileRef,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its usual name; not always unique.
    pub(crate) name: String,
    /// Its full name (`contacts.csv`, `shop.contacts`): always unique.
    pub(crate) full_name: String,
    pub(crate) place: Place,
}

/// The tables under one path.
#[derive(Debug)]
pub(crate) struct Catalogue {
    label: String,
    pub(crate) tables: Vec<Table>,
    /// Databases that could not be opened, and why.
    pub(crate) broken: Vec<ConnectorError>,
    /// Names of files that are no tables.
    pub(crate) ignored: Vec<String>,
}

impl Catalogue {
    /// Looks at `path`: a folder, or one file.
    pub(crate) fn open(path: &Path, root: &Path) -> Result<Self, ConnectorError> {
        let label = messages::label(path, root);
        let unreadable = |error: &std::io::Error| messages::unreadable(&label, error);
        let mut catalogue = Self {
            label: label.clone(),
            tables: Vec::new(),
            broken: Vec::new(),
            ignored: Vec::new(),
        };
        if !std::fs::metadata(path)
            .map_err(|error| unreadable(&error))?
            .is_dir()
        {
            catalogue.add(path, root);
            if catalogue.tables.is_empty() && !catalogue.ignored.is_empty() {
                return Err(ConnectorError::config(
                    "unknown_format",
                    format!("{label}: is neither CSV, Parquet, JSON lines nor SQLite by its name"),
                )
                .with_hint("endings are .csv, .parquet, .jsonl, .ndjson, .sqlite, .sqlite3 and .db"));
            }
            return Ok(catalogue);
        }
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|error| unreadable(&error))? {
            paths.push(entry.map_err(|error| unreadable(&error))?.path());
        }
        paths.sort();
        for path in paths.iter().filter(|path| !path.is_dir()) {
            catalogue.add(path, root);
        }
        Ok(catalogue)
    }

    fn add(&mut self, path: &Path, root: &Path) {
        let name = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let (Some(stem), Some(full_name)) = (name(path.file_stem()), name(path.file_name())) else {
            return;
        };
        if full_name.starts_with('.') {
            return;
        }
        let extension = name(path.extension()).unwrap_or_default();
        let file = FileRef::new(path, root);
        if let Some(format) = Format::of_extension(&extension) {
            self.tables.push(Table {
                name: stem,
                full_name,
                place: Place::File { file, format },
            });
        } else if ["sqlite", "sqlite3", "db"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
        {
            self.add_database(Database { name: stem, file });
        } else if !is_sidecar(&extension) {
            self.ignored.push(full_name);
        }
    }

    fn add_database(&mut self, database: Database) {
        match sqlite::table_names(&database.file) {
            Ok(names) => self.tables.extend(names.into_iter().map(|table| Table {
                full_name: format!("{}.{table}", database.name),
                name: table.clone(),
                place: Place::Database {
                    database: database.clone(),
                    table,
                },
            })),
            Err(error) => self.broken.push(error),
        }
    }

    /// Takes out the tables of databases that SQLite cannot read, and says why.
    pub(crate) fn take_unreadable_tables(&mut self) -> Result<Vec<ConnectorError>, ConnectorError> {
        let mut files: Vec<FileRef> = Vec::new();
        for table in &self.tables {
            if let Place::Database { database, .. } = &table.place
                && files.last() != Some(&database.file)
            {
                files.push(database.file.clone());
            }
        }
        let mut errors = Vec::new();
        for file in &files {
            for (name, error) in sqlite::unreadable_tables(file)? {
                self.tables.retain(|table| match &table.place {
                    Place::Database { database, table } => &database.file != file || *table != name,
                    Place::File { .. } => true,
                });
                errors.push(error);
            }
        }
        Ok(errors)
    }

    /// The table called `name`: by full name or usual name, exactly or ignoring case.
    ///
    /// # Errors
    /// `missing_table` with the nearest name, `ambiguous_table` with the full names.
    pub(crate) fn find(&self, name: &str) -> Result<&Table, ConnectorError> {
        let folded = name.to_lowercase();
        let tests: [&dyn Fn(&Table) -> bool; 4] = [
            &|table| table.full_name == name,
            &|table| table.name == name,
            &|table| table.full_name.to_lowercase() == folded,
            &|table| table.name.to_lowercase() == folded,
        ];
        for test in tests {
            let mut found = self.tables.iter().filter(|table| test(table));
            match (found.next(), found.next()) {
                (None, _) => {}
                (Some(only), None) => return Ok(only),
                (Some(_), Some(_)) => return Err(self.ambiguous(name)),
            }
        }
        Err(self.missing(name))
    }

    fn ambiguous(&self, name: &str) -> ConnectorError {
        let folded = name.to_lowercase();
        let names: BTreeSet<&str> = self
            .tables
            .iter()
            .filter(|table| table.name.to_lowercase() == folded || table.full_name.to_lowercase() == folded)
            .map(|table| table.full_name.as_str())
            .collect();
        let names: Vec<&str> = names.into_iter().collect();
        ConnectorError::source(
            "ambiguous_table",
            format!("{}: several tables are called '{name}'", self.label),
        )
        .with_hint(format!("name one of them in full: {}", names.join(", ")))
    }

    /// The error for a table that is not there. A database that cannot be opened comes first: the
    /// table may be in it.
    pub(crate) fn missing(&self, name: &str) -> ConnectorError {
        if let Some(error) = self.broken.first() {
            return error.clone();
        }
        let names = self.tables.iter().map(|table| table.name.as_str());
        let hint = if self.tables.is_empty() {
            "it holds no CSV, Parquet, JSON lines or SQLite files".to_owned()
        } else {
            choices_hint(name, "tables", names)
        };
        ConnectorError::source(
            "missing_table",
            format!("{}: there is no table '{name}'", self.label),
        )
        .with_hint(hint)
    }

    /// Whether a table's usual name is used once only.
    pub(crate) fn is_unique(&self, name: &str) -> bool {
        let folded = name.to_lowercase();
        self.tables
            .iter()
            .filter(|table| table.name.to_lowercase() == folded)
            .nth(1)
            .is_none()
    }

    /// The path in messages.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

/// Files SQLite keeps beside a database.
fn is_sidecar(extension: &str) -> bool {
    ["-wal", "-shm", "-journal"]
        .iter()
        .any(|ending| extension.ends_with(ending))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn catalogue(files: &[&str]) -> (tempfile::TempDir, Catalogue) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "a\n1\n").unwrap();
        }
        let catalogue = Catalogue::open(folder.path(), folder.path().parent().unwrap()).unwrap();
        (folder, catalogue)
    }

    #[test]
    fn tables_are_named_like_files() {
        let (_folder, catalogue) = catalogue(&["contacts.csv", "Orders.JSONL", "notes.txt", ".hidden.csv"]);
        assert_eq!(catalogue.find("contacts").unwrap().full_name, "contacts.csv");
        assert_eq!(catalogue.find("orders").unwrap().full_name, "Orders.JSONL");
        assert_eq!(catalogue.find("contacts.csv").unwrap().name, "contacts");
        assert_eq!(catalogue.ignored, ["notes.txt"]);
        let error = catalogue.find("contcats").unwrap_err();
        assert_eq!(error.code, "missing_table");
        assert_eq!(error.hint.unwrap(), "did you mean 'contacts'?");
    }

    #[test]
    fn one_name_for_two_files_is_ambiguous_until_named_in_full() {
        let (_folder, catalogue) = catalogue(&["a.csv", "a.parquet"]);
        let error = catalogue.find("a").unwrap_err();
        assert_eq!(error.code, "ambiguous_table");
        assert_eq!(error.hint.unwrap(), "name one of them in full: a.csv, a.parquet");
        assert_eq!(catalogue.find("a.csv").unwrap().full_name, "a.csv");
        assert!(!catalogue.is_unique("A"));
    }

    #[test]
    fn a_database_that_is_none_is_told_when_a_table_is_missing() {
        let (_folder, catalogue) = catalogue(&["shop.db", "b.csv"]);
        assert!(catalogue.find("b").is_ok());
        assert_eq!(catalogue.find("orders").unwrap_err().code, "sqlite_corrupt");
    }

    #[test]
    fn a_path_that_leads_nowhere_says_so() {
        let error = Catalogue::open(Path::new("/p/nowhere"), Path::new("/p")).unwrap_err();
        assert_eq!(error.code, "path_not_found");
        assert_eq!(error.message, "nowhere: no such file or folder");
    }
}
