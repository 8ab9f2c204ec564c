//! What a person sees who writes a project wrong, and what the program gets when it is right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod connections;
pub(super) mod double;
mod fields;
mod generated;
mod later;
mod mappings;
mod properties;
mod queries;
mod served;
mod yaml;

use std::path::Path;

use super::{LoadOptions, Loaded, load};

/// A project that has nothing wrong.
pub(super) const PROJECT: &str = r#"
sources:
  files: { type: files, path: ./data }
destinations:
  crm: { type: crm, token: "${env:CRM_TOKEN}" }
  mail: { type: mail, api_key: "${env:MAIL_KEY}" }
"#;

/// A mapping that has nothing wrong.
pub(super) const MAPPING: &str = r#"
sync: customers
source: files
model: { table: customers }
key: customer_id
destination: crm
object: contacts
match: email
fields:
  email: email
  firstname: { column: first_name, null: keep }
"#;

/// A project folder for one test.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text.as_bytes());
        }
        folder
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn load(&self, offline: bool) -> Loaded {
        let registry = double::registry();
        let options = LoadOptions {
            offline,
            env: &|name| match name {
                "CRM_TOKEN" => Some("pat-na1-very-secret".into()),
                "MAIL_KEY" => Some("key-us1".into()),
                "HOST" => Some("crm.example".into()),
                "PORT" => Some("8080".into()),
                _ => None,
            },
            registry: &registry,
        };
        load(self.path(), options)
    }
}

/// The problems as the command line prints them.
pub(super) fn rendered(loaded: &Loaded) -> String {
    loaded
        .problems
        .iter()
        .map(|problem| problem.render(false))
        .collect()
}

/// Problems of a project whose `outflow.yaml` is `text`.
pub(super) fn of_project(text: &str) -> String {
    rendered(&Folder::new(&[("outflow.yaml", text), ("mappings/customers.yaml", MAPPING)]).load(false))
}

/// Problems of a mapping beside a good `outflow.yaml`.
pub(super) fn of_mapping(text: &str) -> String {
    rendered(&Folder::new(&[("outflow.yaml", PROJECT), ("mappings/m.yaml", text)]).load(false))
}

/// Problems of the good mapping with one line replaced.
pub(super) fn with(line: &str, by: &str) -> String {
    assert!(MAPPING.contains(line), "{line}");
    of_mapping(&MAPPING.replace(line, by))
}
