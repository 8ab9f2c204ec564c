//! A project folder → a typed project and every problem in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::connections::{self, Connections, PROJECT_FILE};
use super::file::SourceFile;
use super::hook_keys;
use super::mapping::{self, Mapping};
use super::model::{Project, SyncSpec};
use super::problem::{Fault, Problem, Severity, did_you_mean, quoted, slashed};
use super::references::References;
use super::schema::Schemas;
use super::tree::{Node, Span};
use outflow_sdk::descriptor::Registry;

/// The folder of the mapping files.
const MAPPINGS: &str = "mappings";

/// How a project is read.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// A secret that is not there is a warning instead of an error.
    pub offline: bool,
    /// Looks an environment variable up.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The connectors a project may name.
    pub registry: &'a Registry,
}

impl<'a> LoadOptions<'a> {
    /// With the environment of this process.
    pub fn new(registry: &'a Registry, offline: bool) -> Self {
        Self {
            offline,
            env: &|name| std::env::var(name).ok(),
            registry,
        }
    }
}

/// What a folder gave.
#[derive(Default)]
pub struct Loaded {
    /// The project: without the connections and syncs that have errors, and not at all when an error
    /// concerns `outflow.yaml` as a whole.
    pub project: Option<Project>,
    /// Every problem, by file and line.
    pub problems: Vec<Problem>,
    /// Names of syncs that are written down but cannot run, because of errors of their own or of a
    /// connection.
    pub excluded: Vec<String>,
    /// Every file this depends on, whether it could be read or not; a relative one starts at the
    /// project's folder.
    pub files: Vec<PathBuf>,
    mappings: Vec<Mapping>,
    file: SourceFile,
    places: Vec<(String, Span)>,
}

/// Reads the project in `root`.
pub fn load(root: &Path, options: LoadOptions<'_>) -> Loaded {
    let schemas = Schemas::new(options.registry);
    let references = References::new(root, options.offline, options.env);
    let (file, connections, mut faults) = connections::read(root, options.registry, &schemas, &references);
    let mut mappings: Vec<Mapping> = mapping_files(root)
        .into_iter()
        .map(|path| mapping::read(root, path, &connections, &schemas, &references))
        .collect();
    if mappings.is_empty() && connections.usable {
        faults.push(
            Fault::warning(
                Span::START,
                "no_mappings",
                "there is no mapping file in `mappings/`",
            )
            .hint("write one sync per file, such as `mappings/customers.yaml`"),
        );
    }
    check_names(&mut mappings);
    check_order(&mut mappings);
    check_named_syncs(&connections, &mappings, &mut faults);
    hook_keys::check(&connections, &mappings, &mut faults);
    let mut problems: Vec<Problem> = few(faults).into_iter().map(|fault| file.problem(fault)).collect();
    for mapping in &mut mappings {
        if mapping.is_broken() {
            mapping.spec = None;
        }
        let faults = std::mem::take(&mut mapping.faults);
        problems.extend(few(faults).into_iter().map(|fault| mapping.file.problem(fault)));
        if let Some(sql) = &mut mapping.sql_file {
            let faults = few(std::mem::take(&mut sql.faults));
            problems.extend(faults.into_iter().map(|fault| sql.file.problem(fault)));
        }
    }
    // `outflow.yaml` first: what is wrong there explains what follows.
    problems.sort_by(|a, b| {
        let key = |problem: &Problem| {
            (
                problem.file != file.path,
                problem.file.clone(),
                problem.line,
                problem.column,
            )
        };
        key(a).cmp(&key(b))
    });
    problems.dedup();
    let mut loaded = Loaded {
        project: None,
        problems,
        excluded: Vec::new(),
        files: references.files(),
        mappings,
        places: connections.places.clone(),
        file,
    };
    loaded.files.extend(project_files(root));
    loaded.files.sort();
    loaded.files.dedup();
    loaded.assemble(root, connections);
    loaded
}

/// The project's own YAML files as they are now, relative to its folder.
pub fn project_files(root: &Path) -> Vec<PathBuf> {
    let mut files = mapping_files(root);
    files.insert(0, PathBuf::from(PROJECT_FILE));
    files
}

/// At most so many problems of one file are shown: nobody reads more.
const MOST_PROBLEMS: usize = 100;

/// The first problems of a file, and a last one that counts the others.
fn few(mut faults: Vec<Fault>) -> Vec<Fault> {
    if faults.len() <= MOST_PROBLEMS {
        return faults;
    }
    faults.sort_by_key(|fault| fault.severity);
    let others = faults.split_off(MOST_PROBLEMS);
    let Some(first) = others.first() else {
        return faults;
    };
    let mut last = first.clone();
    last.code = "more_problems";
    last.message = format!(
        "{} more problems in this file, this one the first of them",
        others.len()
    );
    last.hint = Some("fix those above first".into());
    faults.push(last);
    faults
}

/// YAML files of the mappings folder in the order of their names.
fn mapping_files(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join(MAPPINGS)).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(Path::new(MAPPINGS).join(entry.ok()?.file_name())))
        .filter(|path| {
            let yaml = path
                .extension()
                .is_some_and(|ending| ending == "yaml" || ending == "yml");
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            yaml && !hidden
        })
        .collect();
    paths.sort();
    paths
}

/// Two files with one sync name: neither can run, and both say where the other is.
fn check_names(mappings: &mut [Mapping]) {
    let places: Vec<(String, Span, String)> = mappings
        .iter()
        .filter_map(|mapping| {
            let span = mapping.tree.as_ref()?.locate("sync");
            Some((mapping.name.clone()?, span, slashed(&mapping.file.path)))
        })
        .collect();
    for mapping in mappings {
        let path = slashed(&mapping.file.path);
        let (Some(name), Some(tree)) = (&mapping.name, &mapping.tree) else {
            continue;
        };
        let other = places
            .iter()
            .find(|(known, _, file)| known == name && *file != path);
        if let Some((_, span, file)) = other {
            let message = format!(
                "a second sync is named {}, at {file}:{}:{}",
                quoted(name),
                span.line,
                span.column
            );
            mapping.faults.push(
                Fault::error(tree.locate("sync"), "repeated_sync", message)
                    .hint("rename one of the two; state goes by the name")
                    .at("sync"),
            );
        }
    }
}

/// `after:` must name syncs that exist, and no circle of them.
fn check_order(mappings: &mut [Mapping]) {
    let names: Vec<String> = mappings
        .iter()
        .filter_map(|mapping| mapping.name.clone())
        .collect();
    let edges: Vec<(String, Vec<String>)> = mappings
        .iter()
        .filter_map(|mapping| {
            let after = mapping::after_of(mapping.tree.as_ref()?);
            Some((
                mapping.name.clone()?,
                after.into_iter().map(|(name, _)| name).collect(),
            ))
        })
        .collect();
    for mapping in mappings {
        let (Some(name), Some(tree)) = (&mapping.name, &mapping.tree) else {
            continue;
        };
        for (earlier, path) in mapping::after_of(tree) {
            let fault = if !names.contains(&earlier) {
                Fault::error(
                    tree.locate(&path),
                    "unknown_sync",
                    format!("there is no sync {}", quoted(&earlier)),
                )
                .maybe_hint(did_you_mean(&earlier, names.iter().map(String::as_str)))
            } else if reaches(&edges, &earlier, name) {
                let message = format!(
                    "{} waits for {}, which waits for it in turn",
                    quoted(name),
                    quoted(&earlier)
                );
                Fault::error(tree.locate(&path), "circular_schedule", message).hint("break the circle")
            } else {
                continue;
            };
            mapping.faults.push(fault.at(path));
        }
    }
}

/// Hooks start, and alerts tell of, syncs that are written down.
fn check_named_syncs(connections: &Connections, mappings: &[Mapping], faults: &mut Vec<Fault>) {
    let names: Vec<&str> = mappings
        .iter()
        .filter_map(|mapping| mapping.name.as_deref())
        .collect();
    let hooks = connections
        .hooks
        .iter()
        .map(|hook| (format!("hooks.{}", hook.name), &hook.syncs));
    let alerts = connections
        .alerts
        .iter()
        .filter_map(|target| Some((format!("alerts.{}", target.name), target.syncs.as_ref()?)));
    for (path, syncs) in hooks.chain(alerts) {
        let span = connections.places.iter().find(|(known, _)| *known == path);
        for sync in syncs.iter().filter(|sync| !names.contains(&sync.as_str())) {
            faults.push(
                Fault::error(
                    span.map_or(Span::START, |(_, span)| *span),
                    "unknown_sync",
                    format!("there is no sync {}, which {} names", quoted(sync), quoted(&path)),
                )
                .maybe_hint(did_you_mean(sync, names.iter().copied()))
                .at(format!("{path}.syncs")),
            );
        }
    }
}

/// Whether `from` comes, over any number of steps, after `to`; a sync reaches itself.
fn reaches(edges: &[(String, Vec<String>)], from: &str, to: &str) -> bool {
    let mut open = vec![from];
    let mut seen: Vec<&str> = Vec::new();
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let next = edges.iter().filter(|(known, _)| known == name);
        open.extend(next.flat_map(|(_, after)| after.iter().map(String::as_str)));
    }
    false
}

impl Loaded {
    fn assemble(&mut self, root: &Path, connections: Connections) {
        let mut syncs: Vec<Arc<SyncSpec>> = self
            .mappings
            .iter_mut()
            .filter_map(|mapping| mapping.spec.take())
            .map(Arc::new)
            .collect();
        syncs.sort_by(|a, b| a.name.cmp(&b.name));
        let usable = connections.usable;
        self.excluded = self
            .mappings
            .iter()
            .filter_map(|mapping| mapping.name.clone())
            .filter(|name| !usable || !syncs.iter().any(|sync| sync.name == *name))
            .collect();
        self.excluded.sort();
        self.excluded.dedup();
        self.project = usable.then(|| Project {
            root: root.to_owned(),
            state: connections.state,
            sources: connections.sources,
            destinations: connections.destinations,
            syncs,
            daemon: connections.daemon,
            tokens: connections.tokens,
            hooks: connections.hooks,
            alerts: connections.alerts,
            report_to: connections.report_to,
        });
    }

    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    /// Where `path` of a sync stands in its mapping file, or the nearest thing above it. Paths are
    /// `key`, `key.1`, `match`, `object`, `model.sql`, `fields.email`, `fields.email.column`, …
    pub fn locate(&self, sync: &str, path: &str) -> Option<Span> {
        let tree = self.mapping(sync)?.tree.as_ref()?;
        Some(match path.strip_prefix("fields.") {
            Some(field) => tree.locate(&format!("{path}{}", column_key(tree, field))),
            None => tree.locate(path),
        })
    }

    /// A problem of a sync that only showed later: a column that is not there, a field the
    /// destination does not have. None when there is no such sync.
    pub fn problem_at(
        &self,
        sync: &str,
        path: &str,
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Option<Problem> {
        let span = self.locate(sync, path)?;
        let mut fault = Fault::error(span, code, message).maybe_hint(hint).at(path);
        fault.severity = severity;
        Some(self.mapping(sync)?.file.problem(fault))
    }

    /// A problem of a connection that only showed later: a credential that is refused. `path` is
    /// `sources.NAME` or `destinations.NAME`; none when there is no such connection.
    pub fn connection_problem(
        &self,
        path: &str,
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Option<Problem> {
        let (_, span) = self.places.iter().find(|(known, _)| known == path)?;
        let mut fault = Fault::error(*span, code, message).maybe_hint(hint).at(path);
        fault.severity = severity;
        Some(self.file.problem(fault))
    }

    pub(super) fn mapping(&self, sync: &str) -> Option<&Mapping> {
        self.mappings
            .iter()
            .find(|mapping| mapping.name.as_deref() == Some(sync))
    }
}

/// For a field written as a map, the key that says where its value comes from.
fn column_key(tree: &Node, field: &str) -> String {
    let entry = tree.get("fields").and_then(|fields| fields.entry(field));
    let kinds = ["column", "template", "value"];
    let kind = kinds
        .into_iter()
        .find(|kind| entry.is_some_and(|entry| entry.value.entry(kind).is_some()));
    kind.map(|kind| format!(".{kind}")).unwrap_or_default()
}
