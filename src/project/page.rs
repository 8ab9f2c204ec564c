//! The reference page: every key of every file, from the same schemas the files are checked with.

use std::collections::HashSet;

use outflow_sdk::descriptor::DestinationDescriptor;
use schemars::Schema;
use serde_json::{Map, Value};

use super::schema::{Schemas, keys_of};
use super::{alternatives, capabilities};
use outflow_sdk::descriptor::Registry;

const INTRODUCTION: &str = "# Reference\n\n\
Every key of `outflow.yaml` and of the mapping files. This page is generated from the types that read the files: \
renew it with `OUTFLOW_BLESS=1 cargo test --workspace --lib committed`.\n\n\
Text needs no quotes unless YAML would read it otherwise. Only `true` and `false` are booleans: `NO` is text. \
Anchors, aliases and tags are not supported. Lengths of time are written `500ms`, `2s`, `15m`, `1h30m`, `1d`.\n";

const REFERENCES: &str = "\nAny value in `outflow.yaml` may hold `${env:NAME}`, an environment variable, or `${file:/path}`, the text of a \
file without its last line end; a relative path starts at the project's folder. Keys of type *secret* must be one such \
reference. `$${` stands for a literal `${`.\n";

/// The reference page, in Markdown.
pub fn reference(registry: &Registry) -> String {
    let schemas = Schemas::new(registry);
    let mut page = String::from(INTRODUCTION);
    let project = Tables {
        document: &schemas.project,
    };
    page.push_str("\n## `outflow.yaml`\n\n");
    page.push_str(&description(&schemas.project));
    page.push('\n');
    page.push_str(REFERENCES);
    page.push_str(&project.table(&schemas.project, &|_| true, &own_to_the_file));
    page.push_str("\n## Sources\n");
    project.connections(&mut page, "source");
    page.push_str("\n## Destinations\n");
    project.connections(&mut page, "destination");
    page.push_str(&capabilities::chapter(registry));
    page.push_str("\n## `mappings/*.yaml`\n\n");
    page.push_str(&description(&schemas.mapping));
    page.push('\n');
    let mapping = Tables {
        document: &schemas.mapping,
    };
    let common = |key: &str| schemas.common_keys.iter().any(|known| known == key);
    page.push_str(&mapping.table(&schemas.mapping, &common, &everything));
    for connector in &registry.destinations {
        own_keys(&mut page, connector, &schemas);
    }
    page
}

/// Connections have chapters of their own.
fn own_to_the_file(key: &str) -> bool {
    !matches!(key, "sources" | "destinations")
}

fn everything(_: &str) -> bool {
    true
}

/// The mapping keys of one destination.
fn own_keys(page: &mut String, connector: &DestinationDescriptor, schemas: &Schemas) {
    let own: Schema = (connector.mapping_schema)();
    let keys = keys_of(&own);
    let Some(schema) = schemas
        .mapping_to
        .get(connector.type_name)
        .filter(|_| !keys.is_empty())
    else {
        return;
    };
    page.push_str(&format!(
        "\n### Keys of mappings to `{}` alone\n",
        connector.type_name
    ));
    let tables = Tables { document: schema };
    page.push_str(&tables.table(schema, &|key| keys.iter().any(|own| own == key), &everything));
}

struct Tables<'a> {
    document: &'a Value,
}

impl Tables<'_> {
    fn connections(&self, page: &mut String, kind: &str) {
        let branches = self
            .document
            .pointer(&format!("/$defs/{kind}/oneOf"))
            .and_then(Value::as_array);
        for branch in branches.into_iter().flatten() {
            let word = |part: &str| {
                branch
                    .pointer(&format!("/properties/type/{part}"))
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            page.push_str(&format!(
                "\n### `type: {}`\n\n{}.\n\n",
                word("const"),
                word("description")
            ));
            page.push_str(&description(branch));
            page.push('\n');
            page.push_str(&self.table(branch, &|key| key != "type", &everything));
        }
    }

    /// One row for each key, those of maps inside below their own.
    fn table(&self, schema: &Value, wanted: &dyn Fn(&str) -> bool, deep: &dyn Fn(&str) -> bool) -> String {
        let mut table = String::from("\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n");
        self.rows(schema, "", wanted, deep, 0, &mut table);
        table
    }

    fn rows(
        &self,
        schema: &Value,
        prefix: &str,
        wanted: &dyn Fn(&str) -> bool,
        deep: &dyn Fn(&str) -> bool,
        depth: usize,
        table: &mut String,
    ) {
        let empty = Map::new();
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        for (key, property) in properties.iter().filter(|(key, _)| wanted(key)) {
            let required = schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|name| name == key));
            table.push_str(&self.row(&format!("{prefix}{key}"), property, required));
            // Settings are flat; the bound is for a schema that refers to itself.
            if !deep(key) || depth >= 4 {
                continue;
            }
            for branch in self.branches(property) {
                let inner = format!("{prefix}{key}.");
                self.rows(branch, &inner, &|_| true, deep, depth + 1, table);
                if let Some(value) = branch
                    .get("additionalProperties")
                    .filter(|value| value.is_object())
                {
                    let name = if key == "fields" { "FIELD" } else { "NAME" };
                    let inner = format!("{inner}{name}.");
                    let mut rows = String::new();
                    for field in self.branches(value) {
                        self.rows(field, &inner, &|_| true, deep, depth + 1, &mut rows);
                    }
                    table.push_str(&without_repeats(&rows));
                }
            }
        }
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let pointer = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|target| target.strip_prefix('#'));
        pointer
            .and_then(|pointer| self.document.pointer(pointer))
            .unwrap_or(schema)
    }

    /// A schema's alternatives, those of alternatives among them; itself when it has none.
    fn branches<'s>(&'s self, schema: &'s Value) -> Vec<&'s Value> {
        let schema = self.resolve(schema);
        match alternatives::of(schema) {
            Some(branches) => branches
                .into_iter()
                .flat_map(|branch| self.branches(branch))
                .collect(),
            None => vec![schema],
        }
    }

    fn row(&self, key: &str, property: &Value, required: bool) -> String {
        let branches = self.branches(property);
        let secret = branches.iter().any(|branch| branch.get("x-secret").is_some());
        let kind = if secret {
            "*secret*".to_owned()
        } else {
            one_list_of_words(&alternatives::expected(&branches))
        };
        let default = match property
            .get("default")
            .or_else(|| self.resolve(property).get("default"))
        {
            _ if required => "required".to_owned(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => format!("`{value}`"),
            _ => String::new(),
        };
        let mut meaning = description(property);
        if meaning.is_empty() {
            meaning = description(self.resolve(property));
        }
        // A key that can be one word alone is described itself.
        for branch in branches.iter().filter(|_| branches.len() > 1) {
            if let (Some(word), text) = (branch.get("const").and_then(Value::as_str), description(branch))
                && !text.is_empty()
            {
                meaning.push_str(&format!(" `{word}`: {text}"));
            }
        }
        let examples = property
            .get("examples")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let shown: Vec<String> = examples
            .iter()
            .filter_map(Value::as_str)
            .map(|text| format!("`{}`", text.escape_debug()))
            .collect();
        if !shown.is_empty() {
            meaning.push_str(&format!(" Example: {}.", shown.join(", ")));
        }
        format!(
            "| `{key}` | {} | {default} | {} |\n",
            cell(&kind),
            cell(meaning.trim())
        )
    }
}

/// Alternatives may share keys: each row once.
fn without_repeats(rows: &str) -> String {
    let mut seen = HashSet::new();
    rows.split_inclusive('\n')
        .filter(|row| seen.insert(*row))
        .collect()
}

/// `one of a or one of b` reads better as `a, b`.
fn one_list_of_words(kinds: &str) -> String {
    kinds.replace(" or one of ", ", ").replace("one of ", "")
}

fn description(schema: &Value) -> String {
    let text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    if text.is_empty() || text.ends_with(['.', ':', '`']) {
        text
    } else {
        format!("{text}.")
    }
}

pub(super) fn cell(text: &str) -> String {
    text.replace("\n\n", "<br>").replace('|', "\\|")
}
