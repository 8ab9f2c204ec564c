//! What is committed or written from the types: schemas, the reference page, examples, `init`.

use std::path::{Path, PathBuf};

use super::{Folder, rendered};
use crate::committed::{assert_committed, mappings};
use crate::project::{
    InitError, LoadOptions, Loaded, init, json_schema, load, reference,
    schema::{Schemas, schema_files},
};
use crate::registry::Registry;

fn offline(root: &Path) -> Loaded {
    let registry = Registry::built_in();
    load(
        root,
        LoadOptions {
            offline: true,
            env: &|_| None,
            registry: &registry,
        },
    )
}

#[cfg(all(
    feature = "lake",
    feature = "redshift",
    feature = "bigquery",
    feature = "snowflake",
    feature = "hubspot",
    feature = "mailchimp",
    feature = "marketing-cloud"
))]
#[test]
fn schemas_and_reference_are_committed_as_the_types_say() {
    let registry = Registry::built_in();
    for (name, text) in schema_files(&registry) {
        assert_committed(name, &text);
    }
    assert_committed("REFERENCE.md", &reference(&registry));
}

/// A pattern that does not compile would let everything through.
#[test]
fn every_pattern_of_the_schemas_compiles() {
    fn collect(schema: &serde_json::Value, patterns: &mut Vec<String>) {
        if let Some(pattern) = schema.get("pattern").and_then(serde_json::Value::as_str) {
            patterns.push(pattern.to_owned());
        }
        let parts = schema.as_object().into_iter().flat_map(|keys| keys.values());
        parts
            .chain(schema.as_array().into_iter().flatten())
            .for_each(|part| collect(part, patterns));
    }
    let schemas = Schemas::new(&Registry::built_in());
    let mut patterns = Vec::new();
    for schema in [&schemas.project, &schemas.mapping]
        .into_iter()
        .chain(schemas.mapping_to.values())
    {
        collect(schema, &mut patterns);
    }
    assert!(!patterns.is_empty());
    for pattern in patterns {
        regex_lite::Regex::new(&pattern).unwrap();
    }
}

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

#[cfg(all(feature = "lake", feature = "hubspot"))]
#[test]
fn init_writes_a_project_that_passes_its_checks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new");
    let written = init(&root, &Registry::built_in()).unwrap();
    assert!(written.contains(&PathBuf::from("mappings/customers.yaml")));
    assert!(written.iter().all(|path| root.join(path).is_file()));
    let loaded = offline(&root);
    let shown = rendered(&loaded);
    assert!(!loaded.has_errors(), "{shown}");
    assert!(
        loaded.problems.iter().all(|problem| problem.code == "unset_env"),
        "{shown}"
    );
    let project = loaded.project.unwrap();
    let sync = project.sync("customers").unwrap();
    let data = std::fs::read_to_string(root.join("data/customers.csv")).unwrap();
    assert_eq!(data.lines().count(), 6);
    // Every column the mapping names is in the data.
    let header: Vec<&str> = data.lines().next().unwrap().split(',').collect();
    for column in crate::sync::map::Mapping::columns_of(sync) {
        assert!(header.contains(&column.as_str()), "{column}");
    }
    // The editor finds the schemas.
    for (file, schema) in [
        ("outflow.yaml", "schema/outflow.schema.json"),
        ("mappings/customers.yaml", "schema/mapping.schema.json"),
    ] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let named = text
            .lines()
            .next()
            .unwrap()
            .rsplit('=')
            .next()
            .unwrap()
            .to_owned();
        let target = root.join(file).parent().unwrap().join(named);
        assert_eq!(
            target.canonicalize().unwrap(),
            root.join(schema).canonicalize().unwrap()
        );
    }
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

#[cfg(all(feature = "lake", feature = "hubspot"))]
#[test]
fn the_hubspot_example_loads() {
    let example = mappings().join("example-hubspot.yaml");
    let project = "sources: { warehouse: { type: lake, path: . } }\ndestinations: { crm: { type: hubspot, token: \"${env:X}\" } }\n";
    let folder = Folder::new(&[("outflow.yaml", project)]);
    folder.write("mappings/example.yaml", &std::fs::read(example).unwrap());
    let loaded = offline(folder.path());
    let shown = rendered(&loaded);
    assert!(!loaded.has_errors(), "{shown}");
    assert_eq!(loaded.problems.len(), 1, "{shown}");
    let project = loaded.project.unwrap();
    let sync = project.sync("customers_to_hubspot").unwrap();
    assert_eq!(sync.options, serde_json::json!({ "create_fields": true }));
    assert_eq!(sync.fields.len(), 10);
}

#[cfg(all(feature = "lake", feature = "mailchimp"))]
#[test]
fn the_mailchimp_example_loads() {
    let example = mappings().join("example-mailchimp.yaml");
    let project = "sources: { warehouse: { type: lake, path: . } }\ndestinations: { news: { type: mailchimp, api_key: \"${env:X}\" } }\n";
    let folder = Folder::new(&[("outflow.yaml", project)]);
    folder.write("mappings/example.yaml", &std::fs::read(example).unwrap());
    let loaded = offline(folder.path());
    let shown = rendered(&loaded);
    assert!(!loaded.has_errors(), "{shown}");
    let project = loaded.project.unwrap();
    let sync = project.sync("customers_to_mailchimp").unwrap();
    assert_eq!(sync.options["status_if_new"], "transactional");
    assert_eq!(sync.fields.len(), 11);
}

#[cfg(all(feature = "lake", feature = "marketing-cloud"))]
#[test]
fn the_marketing_cloud_example_loads() {
    let example = mappings().join("example-marketing-cloud.yaml");
    let project = "sources: { warehouse: { type: lake, path: . } }\ndestinations: { sfmc: { type: marketing_cloud, subdomain: mc0000000000000000000000000x, client_id: abc, client_secret: \"${env:X}\", account_id: 7281234 } }\n";
    let folder = Folder::new(&[("outflow.yaml", project)]);
    folder.write("mappings/example.yaml", &std::fs::read(example).unwrap());
    let loaded = offline(folder.path());
    let shown = rendered(&loaded);
    assert!(!loaded.has_errors(), "{shown}");
    let project = loaded.project.unwrap();
    let sync = project.sync("customers_to_marketing_cloud").unwrap();
    assert_eq!(sync.object, "data_extension");
    assert_eq!(sync.options["data_extension"], "customers");
    assert_eq!(sync.fields.len(), 8);
}

/// The project of an example whose connections are in the comment at its top.
#[cfg(any(feature = "redshift", feature = "bigquery", feature = "snowflake"))]
fn example_with_connections(name: &str) -> crate::project::Project {
    let example = mappings().join(name);
    let text = std::fs::read_to_string(example).unwrap();
    let project: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .map(|line| format!("{line}\n"))
        .collect();
    let folder = Folder::new(&[("outflow.yaml", &project)]);
    folder.write("mappings/example.yaml", text.as_bytes());
    let loaded = offline(folder.path());
    let shown = rendered(&loaded);
    assert!(!loaded.has_errors(), "{shown}");
    loaded.project.unwrap()
}

#[cfg(all(feature = "redshift", feature = "hubspot"))]
#[test]
fn the_redshift_example_loads() {
    let project = example_with_connections("example-redshift.yaml");
    assert_eq!(project.sync("warehouse_customers").unwrap().fields.len(), 5);
}

#[cfg(all(feature = "bigquery", feature = "hubspot"))]
#[test]
fn the_bigquery_example_loads() {
    let project = example_with_connections("example-bigquery.yaml");
    assert_eq!(project.sync("warehouse_customers").unwrap().fields.len(), 5);
}

#[cfg(all(feature = "snowflake", feature = "hubspot"))]
#[test]
fn the_snowflake_example_loads() {
    let project = example_with_connections("example-snowflake.yaml");
    assert_eq!(project.sync("snowflake_customers").unwrap().fields.len(), 6);
}
