//! One mapping file: checked against its schema and against the rest of the project.

use std::path::{Path, PathBuf};

use outflow_sdk::destination::{Capabilities, Mode, Removed};
use serde::Serialize;
use serde_json::{Map, Value};

use super::connections::{Connections, PROJECT_FILE, wrong_name};
use super::file::SourceFile;
use super::mapping_file::MappingFile;
use super::model::{Guards, Schedule, SyncSpec};
use super::problem::{Fault, Severity, did_you_mean, listed, quoted};
use super::query::{self, SqlFile};
use super::references::References;
use super::schema::Schemas;
use super::tree::{self, Node, Span};
use super::validate::{At, Checker, ForeignKey, first_sentence};
use super::{fields, schedule};

/// A mapping file with what became of it.
pub(crate) struct Mapping {
    pub(crate) file: SourceFile,
    pub(crate) tree: Option<Node>,
    /// `sync:`, if it is there.
    pub(crate) name: Option<String>,
    /// The sync; none when it has errors or its connections do.
    pub(crate) spec: Option<SyncSpec>,
    pub(crate) faults: Vec<Fault>,
    /// The SQL file it names, with its own faults.
    pub(crate) sql_file: Option<SqlFile>,
}

impl Mapping {
    /// Whether an error stands in this file.
    pub(crate) fn is_broken(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }
}

/// Reads the mapping file at `path`, relative to `root`.
pub(crate) fn read(
    root: &Path,
    path: PathBuf,
    connections: &Connections,
    schemas: &Schemas,
    references: &References<'_>,
) -> Mapping {
    let file = match SourceFile::read(root, path) {
        Ok(file) => file,
        Err((file, fault)) => {
            return Mapping {
                file,
                tree: None,
                name: None,
                spec: None,
                faults: vec![fault],
                sql_file: None,
            };
        }
    };
    let parsed = tree::parse(&file.text);
    let mut faults = parsed.faults;
    let (mut spec, mut sql_file) = (None, None);
    if let Some(tree) = &parsed.root {
        let mut reader = Reader {
            root,
            file: &file,
            tree,
            connections,
            schemas,
            references,
            faults,
            sql_file: None,
        };
        spec = reader.read();
        (faults, sql_file) = (reader.faults, reader.sql_file);
    } else if faults.is_empty() {
        faults.push(
            Fault::error(Span::START, "empty_file", "this file is empty")
                .hint("write a mapping into it or remove it"),
        );
    }
    let name = parsed
        .root
        .as_ref()
        .and_then(|tree| tree.get("sync")?.text().map(str::to_owned));
    Mapping {
        file,
        name: name.filter(|name| !name.is_empty()),
        tree: parsed.root,
        spec,
        faults,
        sql_file,
    }
}

struct Reader<'a> {
    root: &'a Path,
    file: &'a SourceFile,
    tree: &'a Node,
    connections: &'a Connections,
    schemas: &'a Schemas,
    references: &'a References<'a>,
    faults: Vec<Fault>,
    sql_file: Option<SqlFile>,
}

impl Reader<'_> {
    fn fault(&mut self, path: &str, code: &'static str, message: impl Into<String>, hint: Option<String>) {
        let span = self.tree.locate(path);
        self.faults
            .push(Fault::error(span, code, message).maybe_hint(hint).at(path));
    }

    fn read(&mut self) -> Option<SyncSpec> {
        let destination_type = self.destination_type();
        let schemas = self.schemas;
        let schema = destination_type
            .as_deref()
            .and_then(|type_name| schemas.mapping_to.get(type_name))
            .unwrap_or(&schemas.mapping);
        let foreign = self.foreign_keys(destination_type.as_deref());
        let mut checker = Checker::new(schema, None);
        checker.foreign = &foreign;
        let at = At {
            path: "",
            span: self.tree.span,
        };
        let value = checker.check(schema, self.tree, at);
        self.faults.append(&mut checker.faults);
        let Some(Value::Object(all)) = value else {
            return None;
        };
        let is_common = |key: &String| self.schemas.common_keys.contains(key);
        let (common, options): (Map<_, _>, Map<_, _>) = all.into_iter().partition(|(key, _)| is_common(key));
        match serde_json::from_value::<MappingFile>(Value::Object(common)) {
            Ok(mapping) => self.check(mapping, Value::Object(options)),
            Err(error) => {
                self.fault(
                    "",
                    "bad_mapping",
                    format!("this mapping cannot be read: {error}"),
                    None,
                );
                None
            }
        }
    }

    fn destination_type(&self) -> Option<String> {
        let name = self.tree.get("destination")?.text()?;
        let declared = self.connections.declared_destinations.iter();
        declared
            .filter(|(known, type_name)| known == name && !type_name.is_empty())
            .map(|(_, type_name)| type_name.clone())
            .next()
    }

    /// Keys of other destinations, with a message that says so.
    fn foreign_keys(&self, destination_type: Option<&str>) -> Vec<ForeignKey> {
        let Some(own) = destination_type else {
            return Vec::new();
        };
        let belongs_elsewhere = |types: &&[&'static str]| !types.contains(&own);
        self.schemas
            .connector_keys
            .iter()
            .map(|(key, types)| (key, types.as_slice()))
            .filter(|(_, types)| belongs_elsewhere(types))
            .map(|(key, types)| ForeignKey {
                key: key.clone(),
                code: "unknown_key",
                message: format!(
                    "`{key}` is a key of {} mappings; this destination is {own}",
                    types.join(", ")
                ),
                hint: Some("remove it".into()),
            })
            .collect()
    }

    fn check(&mut self, mapping: MappingFile, options: Value) -> Option<SyncSpec> {
        if let Some(name) = &mapping.sync
            && let Some(wrong) = wrong_name(name)
        {
            self.fault(
                "sync",
                "bad_name",
                format!("{} cannot be a sync's name: {wrong}", quoted(name)),
                None,
            );
        }
        let connections = self.connections;
        let sources: Vec<&str> = connections.declared_sources.iter().map(String::as_str).collect();
        let destinations: Vec<&str> = connections
            .declared_destinations
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        self.check_connection("source", mapping.source.as_deref(), &sources);
        self.check_connection("destination", mapping.destination.as_deref(), &destinations);
        let source = mapping
            .source
            .as_deref()
            .and_then(|name| connections.sources.get(name));
        let source = source.map(|connection| connection.source.as_ref());
        let query = query::read(
            self.root,
            self.file,
            self.tree,
            &mapping,
            source,
            &mut self.faults,
        );
        let sql_is_broken = query.is_broken();
        self.sql_file = query.sql_file;
        self.check_repeats("key");
        self.check_repeats("match");
        self.check_match();
        let mode = mapping.mode.unwrap_or(Mode::Upsert);
        self.check_removed(mode);
        let tree = self.tree;
        let schedule = match mapping.schedule {
            Some(entry) => schedule::read(entry, tree, &mut self.faults),
            None => Some(Schedule::Manual),
        };
        let fields = fields::read(mapping.fields.unwrap_or_default(), tree, &mut self.faults);
        let guards = mapping.guards.unwrap_or_default();
        if guards.max_removed.is_some() && mode != Mode::Mirror {
            let path = "guards.max_removed";
            let message = format!(
                "`max_removed` guards nothing: mode {} removes nothing",
                quoted(&word(&mode))
            );
            self.faults
                .push(Fault::warning(tree.locate(path), "idle_guard", message).at(path));
        }
        let destination = mapping
            .destination
            .as_deref()
            .and_then(|name| connections.destinations.get(name));
        let object = self.object(mapping.object, &options);
        if let (Some(connection), Some(object)) = (destination, &object) {
            match connection.destination.capabilities(object) {
                Ok(capabilities) => self.check_capabilities(&capabilities, object, mode, mapping.removed),
                Err(error) => {
                    let hint = error.hint.map(|hint| self.references.scrub(&hint));
                    self.fault("object", error.code, self.references.scrub(&error.message), hint);
                }
            }
        }
        let name = mapping.sync?;
        let source = mapping
            .source
            .filter(|name| connections.sources.contains_key(name))?;
        let spec = SyncSpec {
            name,
            file: self.file.path.clone(),
            source,
            model: query.model?,
            key: mapping.key?.0,
            destination: mapping.destination.filter(|_| destination.is_some())?,
            object: object?,
            match_fields: mapping.match_fields?.0,
            mode,
            removed: mapping.removed,
            schedule: schedule?,
            fields,
            guards: Guards {
                max_removed: guards.max_removed.map(|limit| limit.0),
                min_rows: guards.min_rows,
            },
            options,
        };
        let broken = self.faults.iter().any(|fault| fault.severity == Severity::Error);
        (!broken && !sql_is_broken).then_some(spec)
    }

    fn check_connection(&mut self, key: &str, name: Option<&str>, known: &[&str]) {
        let Some(name) = name else {
            return;
        };
        if known.contains(&name) || !self.connections.understood {
            return;
        }
        let hint = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| match known {
            [] => format!("add it to `{key}s:` in `{PROJECT_FILE}`"),
            _ => format!("known: {}", listed(known.iter().copied())),
        });
        let message = format!("`{PROJECT_FILE}` has no {key} {}", quoted(name));
        self.fault(key, "unknown_connection", message, Some(hint));
    }

    /// `object:`, or what the destination's own key stands for.
    fn object(&mut self, named: Option<String>, options: &Value) -> Option<String> {
        let schemas = self.schemas;
        let destination_type = self.destination_type().unwrap_or_default();
        let Some(own) = schemas.object_keys.get(destination_type.as_str()) else {
            let keys = schemas.object_keys.values();
            if named.is_none() && !keys.into_iter().any(|own| options.get(own.key).is_some()) {
                self.missing_object();
            }
            return named;
        };
        match (named, options.get(own.key).is_some()) {
            (Some(named), true) if named != own.object => {
                let message = format!(
                    "`{}` names the object by itself, and `object: {named}` says another",
                    own.key
                );
                let hint = format!("remove one of `object` and `{}`", own.key);
                self.fault("object", "contradicting_keys", message, Some(hint));
                None
            }
            (None, false) => {
                let message = format!("neither `{}` nor `object` is here", own.key);
                self.fault("", "missing_key", message, Some(format!("add `{}: …`", own.key)));
                None
            }
            (None, true) => Some(own.object.to_owned()),
            (named, _) => named,
        }
    }

    fn missing_object(&mut self) {
        let meaning = self.schemas.mapping.pointer("/properties/object/description");
        let hint = meaning.and_then(Value::as_str).map(first_sentence);
        self.fault("", "missing_key", "the key `object` is missing", hint);
    }

    fn check_repeats(&mut self, key: &str) {
        let names = self.tree.get(key).map(Node::texts).unwrap_or_default();
        // Longer lists are a problem of their own.
        for (index, (name, _)) in names.iter().enumerate().take(100) {
            if names.iter().take(index).any(|(earlier, _)| earlier == name) {
                let message = format!("{} stands in `{key}` twice", quoted(name));
                self.fault(&format!("{key}.{index}"), "repeated_name", message, None);
            }
        }
    }

    fn check_match(&mut self) {
        let Some(fields) = self.tree.get("fields") else {
            return;
        };
        let mapped: Vec<&str> = fields.entries().iter().map(|entry| entry.key.as_str()).collect();
        let is_list = self.tree.get("match").is_some_and(|node| node.text().is_none());
        let names = self.tree.get("match").map(Node::texts).unwrap_or_default();
        for (index, (name, _)) in names.into_iter().enumerate() {
            if name.is_empty() || mapped.contains(&name) {
                continue;
            }
            let path = if is_list {
                format!("match.{index}")
            } else {
                "match".into()
            };
            let hint = did_you_mean(name, mapped.iter().copied())
                .unwrap_or_else(|| format!("add it to `fields:`, such as `{name}: COLUMN`"));
            let message = format!("{} identifies records but is not in `fields`", quoted(name));
            self.fault(&path, "match_not_mapped", message, Some(hint));
        }
    }

    fn check_removed(&mut self, mode: Mode) {
        // What stands in the file counts: a misspelt mode is a problem of its own.
        let mode_is_clear = self
            .tree
            .get("mode")
            .is_none_or(|node| node.text() == Some(&word(&mode)));
        if !mode_is_clear {
            return;
        }
        match (mode, self.tree.entry("removed").is_some()) {
            (Mode::Mirror, false) => {
                let hint = "add `removed: keep`, `clear`, `archive`, `delete` or `unsubscribe`".to_owned();
                self.fault("mode", "missing_key", "mode `mirror` needs `removed`", Some(hint));
            }
            (Mode::Mirror, true) | (_, false) => {}
            (_, true) => {
                let message = format!(
                    "`removed` belongs to mode `mirror`; this mode is {}",
                    quoted(&word(&mode))
                );
                let hint = "remove `removed`, or write `mode: mirror`".to_owned();
                self.fault("removed", "misplaced_key", message, Some(hint));
            }
        }
    }

    fn check_capabilities(
        &mut self,
        capabilities: &Capabilities,
        object: &str,
        mode: Mode,
        removed: Option<Removed>,
    ) {
        if !capabilities.modes.contains(&mode) {
            let known: Vec<String> = capabilities.modes.iter().map(word).collect();
            let message = format!(
                "mode {} is not possible for {} at this destination",
                quoted(&word(&mode)),
                quoted(object)
            );
            let hint = format!("possible: {}", listed(known.iter().map(String::as_str)));
            self.fault("mode", "unsupported_mode", message, Some(hint));
        }
        if let Some(removed) = removed
            && mode == Mode::Mirror
            && !capabilities.removed.contains(&removed)
        {
            let known: Vec<String> = capabilities.removed.iter().map(word).collect();
            let message = format!(
                "`removed: {}` is not possible for {} at this destination",
                word(&removed),
                quoted(object)
            );
            let hint = format!("possible: {}", listed(known.iter().map(String::as_str)));
            self.fault("removed", "unsupported_removed", message, Some(hint));
        }
    }
}

/// The word a YAML file has for an enum's value.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The syncs `schedule: { after: … }` names, with their paths.
pub(crate) fn after_of(tree: &Node) -> Vec<(String, String)> {
    let Some(after) = tree.get("schedule").and_then(|schedule| schedule.get("after")) else {
        return Vec::new();
    };
    let is_list = after.text().is_none();
    let names = after.texts().into_iter().map(|(name, _)| name.to_owned());
    names
        .enumerate()
        .map(|(index, name)| {
            let path = if is_list {
                format!("schedule.after.{index}")
            } else {
                "schedule.after".into()
            };
            (name, path)
        })
        .collect()
}
