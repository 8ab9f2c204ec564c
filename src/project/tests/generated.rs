//! What is made from the types: schemas, the reference page, and what `init` writes.

use std::path::{Path, PathBuf};

use super::Folder;
use crate::{InitError, init, json_schema, reference};

#[test]
fn the_schema_covers_both_files_and_every_connector() {
    let schema = json_schema(&super::double::registry());
    let types = |kind: &str| -> Vec<String> {
        let branches = schema.pointer(&format!("/outflow/$defs/{kind}/oneOf")).unwrap();
        let word = |branch: &serde_json::Value| {
            branch
                .pointer("/properties/type/const")
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        branches.as_array().unwrap().iter().map(word).collect()
    };
    assert_eq!(types("source"), ["files"]);
    assert_eq!(types("destination"), ["crm", "mail", "tables"]);
    for key in ["sync", "fields", "create_fields", "audience"] {
        assert!(
            schema
                .pointer(&format!("/mapping/properties/{key}/description"))
                .is_some(),
            "{key}"
        );
    }
    // What one destination requires must not be demanded of mappings to others.
    let required = schema.pointer("/mapping/required").unwrap().as_array().unwrap();
    assert!(required.contains(&"match".into()) && !required.contains(&"audience".into()));
    // Every reference leads somewhere.
    for file in ["outflow", "mapping"] {
        let document = &schema[file];
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{file}: {pointer}");
        }
    }
}

#[test]
fn the_reference_names_every_key() {
    let page = reference(&super::double::registry());
    for key in [
        "`state`",
        "`oauth.client_secret`",
        "`model.sql`",
        "`schedule.every`",
        "`fields.FIELD.as`",
        "`guards.min_rows`",
        "`audience`",
    ] {
        assert!(page.contains(&format!("| {key} |")), "{key}\n{page}");
    }
    assert!(page.contains("| `token` | *secret* |"), "{page}");
}

#[test]
fn init_overwrites_nothing() {
    let folder = Folder::new(&[("outflow.yaml", "mine"), (".gitignore", "mine")]);
    let registry = super::double::registry();
    let error = init(folder.path(), &registry).unwrap_err();
    assert_eq!(error, InitError::Exists(vec!["outflow.yaml".into()]));
    assert_eq!(
        error.to_string(),
        "outflow.yaml is already there; nothing was written"
    );
    assert!(!folder.path().join("data").exists());
    std::fs::remove_file(folder.path().join("outflow.yaml")).unwrap();
    let written = init(folder.path(), &registry).unwrap();
    assert!(!written.contains(&PathBuf::from(".gitignore")));
    assert_eq!(
        std::fs::read_to_string(folder.path().join(".gitignore")).unwrap(),
        "mine"
    );
    assert!(matches!(init(folder.path(), &registry), Err(InitError::Exists(paths)) if paths.len() == 5));
}

#[test]
fn init_says_what_it_cannot_write() {
    let folder = Folder::new(&[("mappings", "a file where a folder should be")]);
    let error = init(folder.path(), &super::double::registry()).unwrap_err();
    assert!(
        matches!(&error, InitError::Write { path, .. } if path == Path::new("mappings/customers.yaml")),
        "{error}"
    );
}
