//! What the connectors of this build make of the schemas, the reference, `init` and the examples.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::built_in;
use crate::committed::{assert_committed, mappings};
use crate::project::{LoadOptions, Loaded, init, json_schema, load, reference, schema_files};

/// A folder with an `outflow.yaml` and one mapping.
fn folder(project: &str, mapping: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("outflow.yaml"), project).unwrap();
    std::fs::create_dir(folder.path().join("mappings")).unwrap();
    std::fs::write(folder.path().join("mappings/example.yaml"), mapping).unwrap();
    folder
}

fn rendered(loaded: &Loaded) -> String {
    let problems = loaded.problems.iter();
    problems.map(|problem| problem.render(false)).collect()
}

fn offline(root: &Path) -> Loaded {
    let registry = built_in();
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
    let registry = built_in();
    for (name, text) in schema_files(&registry) {
        assert_committed(name, &text);
    }
    assert_committed("REFERENCE.md", &reference(&registry));
}

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
    let mut patterns = Vec::new();
    collect(&json_schema(&built_in()), &mut patterns);
    assert!(!patterns.is_empty());
    for pattern in patterns {
        regex_lite::Regex::new(&pattern).unwrap();
    }
}

#[cfg(all(feature = "lake", feature = "hubspot"))]
#[test]
fn init_writes_a_project_that_passes_its_checks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new");
    let written = init(&root, &built_in()).unwrap();
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

#[cfg(all(feature = "lake", feature = "hubspot"))]
#[test]
fn the_hubspot_example_loads() {
    let example = mappings().join("example-hubspot.yaml");
    let project = "sources: { warehouse: { type: lake, path: . } }\ndestinations: { crm: { type: hubspot, token: \"${env:X}\" } }\n";
    let folder = folder(project, &std::fs::read(example).unwrap());
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
    let folder = folder(project, &std::fs::read(example).unwrap());
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
    let folder = folder(project, &std::fs::read(example).unwrap());
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
    let folder = folder(&project, text.as_bytes());
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

#[test]
fn every_object_a_built_in_destination_names_is_one_it_has() {
    for connector in &built_in().destinations {
        assert!(!connector.objects.is_empty(), "{}", connector.type_name);
        for kind in connector.objects {
            let known = (connector.capabilities)(kind.object);
            assert!(known.is_ok_and(|can| !can.routes.is_empty()), "{}", kind.object);
        }
        let key = connector.object_key.map(|key| key.object);
        assert!(key.is_none_or(|object| connector.objects.iter().any(|kind| kind.object == object)));
    }
}
