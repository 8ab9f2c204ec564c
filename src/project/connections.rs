//! `outflow.yaml`: checked, references resolved, connections opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use serde_json::Value;

use super::access::{self, ApiToken, Hook};
use super::alerts::{self, AlertTarget};
use super::file::SourceFile;
use super::model::{DaemonLimits, DestinationConnection, SourceConnection};
use super::problem::{Fault, Severity, quoted};
use super::project_file::{DEFAULT_STATE, DaemonKeys, ProjectFile, keys_of_later_versions};
use super::references::References;
use super::report::{ReportKeys, ReportTo};
use super::schema::Schemas;
use super::tree::{self, Entry, Node, Span};
use super::validate::{At, Checker};
use outflow_sdk::descriptor::Registry;

/// The name of the project's file.
pub(crate) const PROJECT_FILE: &str = "outflow.yaml";

/// What `outflow.yaml` says.
#[derive(Default)]
pub(crate) struct Connections {
    pub(crate) state: PathBuf,
    pub(crate) sources: BTreeMap<String, SourceConnection>,
    pub(crate) destinations: BTreeMap<String, DestinationConnection>,
    /// Names that are written down, with the `type:` beside them, whether they could be opened or not.
    pub(crate) declared_sources: Vec<String>,
    pub(crate) declared_destinations: Vec<(String, String)>,
    pub(crate) daemon: DaemonLimits,
    pub(crate) tokens: Vec<ApiToken>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) alerts: Vec<AlertTarget>,
    pub(crate) report_to: Option<ReportTo>,
    /// Where each connection stands in the file: `sources.NAME`, `destinations.NAME`.
    pub(crate) places: Vec<(String, Span)>,
    /// No error concerns the file as a whole.
    pub(crate) usable: bool,
    /// The file could be read as YAML, so that a name it does not have is not there.
    pub(crate) understood: bool,
}

/// Reads and opens. The file comes back for its excerpts, with its secrets masked.
pub(crate) fn read(
    root: &Path,
    registry: &Registry,
    schemas: &Schemas,
    references: &References<'_>,
) -> (SourceFile, Connections, Vec<Fault>) {
    let mut file = match SourceFile::read(root, PathBuf::from(PROJECT_FILE)) {
        Ok(file) => file,
        Err((file, fault)) => {
            let fault = match root.join(PROJECT_FILE).exists() {
                true => fault,
                false => Fault::error(
                    Span::START,
                    "no_project",
                    "there is no `outflow.yaml` in this folder",
                )
                .hint("`outflow init` writes one; `-C DIR` picks another folder"),
            };
            return (file, Connections::default(), vec![fault]);
        }
    };
    let parsed = tree::parse(&file.text);
    let mut faults = parsed.faults;
    let Some(tree) = parsed.root else {
        // Nobody knows yet which of its values are secrets.
        file.hide_values(true);
        if faults.is_empty() {
            faults.push(
                Fault::error(Span::START, "empty_file", "this file is empty")
                    .hint("it needs `sources:` and `destinations:`"),
            );
        }
        return (file, Connections::default(), faults);
    };
    let later = keys_of_later_versions();
    let mut checker = Checker::new(&schemas.project, Some(references));
    checker.foreign = &later;
    let value = checker.check(
        &schemas.project,
        &tree,
        At {
            path: "",
            span: tree.span,
        },
    );
    file.mask(checker.hidden(&tree));
    faults.append(&mut checker.faults);
    let mut opener = Opener {
        root,
        registry,
        references,
        tree: &tree,
        faults,
    };
    let connections = opener.open_all(value.unwrap_or_default());
    (file, connections, opener.faults)
}

struct Opener<'a> {
    root: &'a Path,
    registry: &'a Registry,
    references: &'a References<'a>,
    tree: &'a Node,
    faults: Vec<Fault>,
}

impl<'a> Opener<'a> {
    fn open_all(&mut self, value: Value) -> Connections {
        let file: ProjectFile = serde_json::from_value(value).unwrap_or_default();
        let mut connections = Connections {
            understood: true,
            ..Connections::default()
        };
        for section in ["sources", "destinations", "http.tokens", "hooks", "alerts"] {
            self.check_names(section);
            let places = self
                .entries(section)
                .iter()
                .map(|entry| (format!("{section}.{}", entry.key), entry.key_span));
            connections.places.extend(places);
        }
        connections.state = self.state(file.state.as_deref().unwrap_or(DEFAULT_STATE));
        connections.daemon = file.daemon.as_ref().map(DaemonKeys::limits).unwrap_or_default();
        connections.report_to = file.report_to.and_then(|keys| self.report_to(keys));
        connections.usable = !self.faults.iter().any(|fault| {
            let sections = [
                "sources.",
                "destinations.",
                "http.",
                "hooks.",
                "alerts.",
                "report_to.",
            ];
            let inside = sections.iter().any(|section| fault.path.starts_with(section));
            fault.severity == Severity::Error && !inside
        });
        connections.declared_sources = self
            .declared("sources")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        connections.declared_destinations = self.declared("destinations");
        connections.tokens = file.http.unwrap_or_default().tokens();
        self.check_tokens(&connections.tokens);
        connections.hooks = access::hooks(file.hooks.unwrap_or_default());
        let (alerts, faults) = alerts::targets(file.alerts.unwrap_or_default(), self.tree);
        connections.alerts = alerts;
        self.faults.extend(faults);
        for (name, settings) in file.sources.unwrap_or_default().0 {
            if let Some((type_name, settings)) = self.settings("sources", &name, settings)
                && let Some(connector) = self.registry.source(&type_name)
                && let Some(source) =
                    self.opened("sources", &name, |context| (connector.open)(settings, context))
            {
                let type_name = connector.type_name;
                connections
                    .sources
                    .insert(name, SourceConnection { type_name, source });
            }
        }
        for (name, settings) in file.destinations.unwrap_or_default().0 {
            if let Some((type_name, settings)) = self.settings("destinations", &name, settings)
                && let Some(connector) = self.registry.destination(&type_name)
                && let Some(destination) = self.opened("destinations", &name, |context| {
                    (connector.open)(settings, context)
                })
            {
                let type_name = connector.type_name;
                connections.destinations.insert(
                    name,
                    DestinationConnection {
                        type_name,
                        destination,
                    },
                );
            }
        }
        connections
    }

    fn declared(&self, section: &str) -> Vec<(String, String)> {
        let entries = self.tree.get(section).map(Node::entries).unwrap_or_default();
        entries
            .iter()
            .map(|entry| {
                let type_name = entry.value.get("type").and_then(Node::text).unwrap_or_default();
                (entry.key.clone(), type_name.to_owned())
            })
            .collect()
    }

    /// Two callers with one token could not be told apart. Tokens that are not known offline are nobody's.
    fn check_tokens(&mut self, tokens: &[ApiToken]) {
        let tokens: Vec<&ApiToken> = tokens.iter().filter(|token| self.knows(token)).collect();
        for (number, token) in tokens.iter().enumerate() {
            let same = tokens
                .iter()
                .take(number)
                .find(|other| other.digest == token.digest);
            if let Some(other) = same {
                let path = format!("http.tokens.{}.token", token.name);
                let message = format!("the token is that of {} too", quoted(&other.name));
                self.faults.push(
                    Fault::error(self.tree.locate(&path), "repeated_token", message)
                        .hint("give every caller a token of its own")
                        .at(path),
                );
            }
        }
    }

    /// Whether a token's value is there, and no placeholder for it.
    fn knows(&self, token: &ApiToken) -> bool {
        let mut callers = self.entries("http.tokens").iter();
        let keys = callers.find(|entry| entry.key == token.name);
        let text = keys.and_then(|entry| entry.value.get("token")?.text());
        !text.is_some_and(|text| self.references.resolve(text).placeholder)
    }

    /// The entries of a map, named by its dotted path.
    fn entries(&self, section: &str) -> &'a [Entry] {
        let mut node = Some(self.tree);
        for key in section.split('.') {
            node = node.and_then(|node| node.get(key));
        }
        node.map(Node::entries).unwrap_or_default()
    }

    fn check_names(&mut self, section: &str) {
        let what = match section {
            "sources" | "destinations" => "a connection's name",
            _ => "a name",
        };
        for entry in self.entries(section) {
            if let Some(wrong) = wrong_name(&entry.key) {
                let message = format!("{} cannot be {what}: {wrong}", quoted(&entry.key));
                self.faults.push(
                    Fault::error(entry.key_span, "bad_name", message).at(format!("{section}.{}", entry.key)),
                );
            }
        }
    }

    fn state(&mut self, state: &str) -> PathBuf {
        let span = self.tree.locate("state");
        if let Some((scheme, _)) = state.split_once("://") {
            let message = format!(
                "`state` must be a folder: {}:// is not supported by this version",
                scheme
            );
            let fault = match scheme {
                "postgres" | "postgresql" => Fault::error(span, "not_supported", message),
                _ => Fault::error(span, "bad_state", "`state` must be a folder"),
            };
            self.faults
                .push(fault.hint("write `state: .outflow`").at("state"));
        } else if state.trim().is_empty() {
            self.faults.push(
                Fault::error(span, "bad_state", "`state` must be a folder")
                    .hint("write `state: .outflow`")
                    .at("state"),
            );
        }
        self.root.join(state)
    }

    fn report_to(&mut self, keys: ReportKeys) -> Option<ReportTo> {
        if keys.is_elsewhere() {
            let path = "report_to.folder";
            let message = "`report_to.folder` must be a folder of this machine";
            self.faults.push(
                Fault::error(self.tree.locate(path), "bad_folder", message)
                    .hint("copy the folder to where it is read, or mount that place here")
                    .at(path),
            );
            return None;
        }
        keys.report_to(self.root)
    }

    /// The settings without `type`, if no error concerns the connection.
    fn settings(&self, section: &str, name: &str, settings: Value) -> Option<(String, Value)> {
        let path = format!("{section}.{name}");
        let inside = format!("{path}.");
        let broken = self.faults.iter().any(|fault| {
            fault.severity == Severity::Error && (fault.path == path || fault.path.starts_with(&inside))
        });
        let Value::Object(mut settings) = settings else {
            return None;
        };
        let type_name = settings.shift_remove("type")?.as_str()?.to_owned();
        (!broken).then_some((type_name, Value::Object(settings)))
    }

    fn opened<T>(
        &mut self,
        section: &str,
        name: &str,
        open: impl FnOnce(&OpenContext) -> Result<T, ConnectorError>,
    ) -> Option<T> {
        let context = OpenContext {
            root: self.root.to_owned(),
            connection: name.to_owned(),
        };
        match open(&context) {
            Ok(connection) => Some(connection),
            Err(error) => {
                let path = format!("{section}.{name}");
                let span = self.tree.locate(&path);
                let mut fault = Fault::error(span, error.code, self.references.scrub(&error.message))
                    .maybe_hint(error.hint.map(|hint| self.references.scrub(&hint)))
                    .at(path);
                let inside = format!("{section}.{name}.");
                let guessed =
                    |known: &Fault| known.severity == Severity::Warning && known.path.starts_with(&inside);
                if self.faults.iter().any(guessed) {
                    // It may be the stand-in for an absent value that the connector does not like.
                    fault.severity = Severity::Warning;
                }
                self.faults.push(fault);
                None
            }
        }
    }
}

/// Why a text cannot name a sync or a connection.
pub(crate) fn wrong_name(name: &str) -> Option<&'static str> {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if name.is_empty() {
        Some("it is empty")
    } else if name.chars().count() > 100 {
        Some("it is longer than 100 characters")
    } else if !name.starts_with(|char: char| char.is_ascii_alphanumeric()) {
        Some("it must begin with a letter or a digit")
    } else if !name.chars().all(plain) {
        Some("only letters, digits, `_` and `-` may be in it")
    } else {
        None
    }
}
