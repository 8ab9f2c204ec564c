//! `model:` and `vars:`: the query of a sync.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outflow_sdk::destination::Mode;
use outflow_sdk::source::{Model, Source};
use outflow_sdk::value::Value;

use super::file::{SourceFile, io_reason};
use super::mapping_file::{MappingFile, ModelKeys};
use super::model::SyncModel;
use super::placeholder::{self, LAST_SUCCESS, Placeholder};
use super::problem::{Fault, Severity, closest, did_you_mean, listed, quoted, slashed};
use super::scalar;
use super::tree::{Kind, Node, Span};

/// A SQL file that a mapping names, and what is wrong in it.
pub(crate) struct SqlFile {
    pub(crate) file: SourceFile,
    pub(crate) faults: Vec<Fault>,
}

/// What a mapping reads.
#[derive(Default)]
pub(crate) struct Query {
    /// The model; none when something about it is wrong or its source is not known.
    pub(crate) model: Option<SyncModel>,
    pub(crate) sql_file: Option<SqlFile>,
}

impl Query {
    /// Whether an error stands in the SQL file.
    pub(crate) fn is_broken(&self) -> bool {
        let faults = self.sql_file.iter().flat_map(|sql| &sql.faults);
        faults.into_iter().any(|fault| fault.severity == Severity::Error)
    }
}

/// Reads the query of a mapping; `source` is what it is written for, if that is known.
pub(crate) fn read(
    root: &Path,
    file: &SourceFile,
    tree: &Node,
    mapping: &MappingFile,
    source: Option<&dyn Source>,
    faults: &mut Vec<Fault>,
) -> Query {
    let vars = match &mapping.vars {
        Some(_) => variables(tree, faults),
        None => BTreeMap::new(),
    };
    let mut reader = Reader {
        root,
        file,
        tree,
        mode: mapping.mode.unwrap_or(Mode::Upsert),
        source,
        vars,
        faults,
    };
    reader.read(mapping.model.as_ref())
}

/// `vars:`, each with the place of its name. What has a fault is there without a value.
fn variables(tree: &Node, faults: &mut Vec<Fault>) -> BTreeMap<String, (Option<Value>, Span)> {
    let mut vars = BTreeMap::new();
    for entry in tree.get("vars").map(Node::entries).unwrap_or_default() {
        let path = format!("vars.{}", entry.key);
        let mut fault = |span, code, message: String, hint: Option<&str>| {
            let fault = Fault::error(span, code, message).maybe_hint(hint.map(str::to_owned));
            faults.push(fault.at(path.clone()));
        };
        if entry.key == LAST_SUCCESS {
            let message = format!(
                "{} is the time of the last success and cannot be set",
                quoted(LAST_SUCCESS)
            );
            fault(
                entry.key_span,
                "bad_name",
                message,
                Some("give the variable another name"),
            );
        } else if !placeholder::is_name(&entry.key) {
            let message = format!("{} cannot be a variable's name", quoted(&entry.key));
            let hint = "letters, digits and `_`, not beginning with a digit";
            fault(entry.key_span, "bad_name", message, Some(hint));
        }
        let mut value = None;
        if let Kind::Scalar { text, plain } = &entry.value.kind {
            match scalar::constant(text, *plain) {
                Ok(constant) => value = Some(constant),
                // What has no value at all is told by the schema.
                Err(_) if scalar::is_null(text, *plain) => {}
                Err(reason) => fault(
                    entry.value.span,
                    "bad_constant",
                    format!("the variable {} {reason}", quoted(&entry.key)),
                    Some("put quotes around it to make it text"),
                ),
            }
        }
        vars.insert(entry.key.clone(), (value, entry.key_span));
    }
    vars
}

struct Reader<'a> {
    root: &'a Path,
    file: &'a SourceFile,
    tree: &'a Node,
    mode: Mode,
    source: Option<&'a dyn Source>,
    vars: BTreeMap<String, (Option<Value>, Span)>,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, path: &str, code: &'static str, message: impl Into<String>, hint: Option<String>) {
        let span = self.tree.locate(path);
        self.faults
            .push(Fault::error(span, code, message).maybe_hint(hint).at(path));
    }

    fn read(&mut self, keys: Option<&ModelKeys>) -> Query {
        let Some((kind, text)) = self.chosen(keys) else {
            return Query::default();
        };
        match kind {
            "table" => {
                self.unused(&[]);
                Query {
                    model: Some(SyncModel::Fixed(Model::Table(text.trim().to_owned()))),
                    sql_file: None,
                }
            }
            "sql" => {
                let places = self.places_in_mapping(text);
                let (model, mut found) = self.sql(text, "model.sql", &places);
                self.faults.append(&mut found);
                Query {
                    model,
                    sql_file: None,
                }
            }
            _ => {
                let Some(file) = self.sql_file(text.trim()) else {
                    return Query::default();
                };
                let places: Vec<Span> = placeholder::find(&file.text)
                    .iter()
                    .map(|placeholder| placeholder.span(&file.text))
                    .collect();
                let (model, faults) = self.sql(&file.text, "", &places);
                Query {
                    model,
                    sql_file: Some(SqlFile { file, faults }),
                }
            }
        }
    }

    /// The one of `sql`, `file` and `table` that is there, and its text.
    fn chosen<'k>(&mut self, keys: Option<&'k ModelKeys>) -> Option<(&'static str, &'k str)> {
        let node = self.tree.get("model")?;
        let present: Vec<&'static str> = ["sql", "file", "table"]
            .into_iter()
            .filter(|key| node.entry(key).is_some())
            .collect();
        let [kind] = present.as_slice() else {
            if !node.entries().is_empty() || present.is_empty() {
                let message = "`model` needs exactly one of `sql`, `file` and `table`";
                let already = self.faults.iter().any(|fault| fault.path == "model");
                if !already {
                    self.fault("model", "bad_model", message, None);
                }
            }
            return None;
        };
        let path = format!("model.{kind}");
        let text = match *kind {
            "sql" => keys?.sql.as_deref(),
            "table" => keys?.table.as_deref(),
            _ => keys?.file.as_deref(),
        }?;
        if text.trim().is_empty() {
            let message = format!("{} must not be empty", quoted(&path));
            self.fault(&path, "bad_model", message, None);
            return None;
        }
        Some((kind, text))
    }

    /// SQL with its variables put in, and what is wrong with them at these places.
    fn sql(&mut self, text: &str, path: &str, places: &[Span]) -> (Option<SyncModel>, Vec<Fault>) {
        let placeholders = placeholder::find(text);
        let mut faults = Vec::new();
        for (number, found) in placeholders.iter().enumerate() {
            let span = places.get(number).copied().unwrap_or(Span::START);
            if let Some(fault) = self.wrong(found, text, span) {
                faults.push(fault.at(path));
            }
        }
        let names: Vec<&str> = placeholders.iter().map(|found| found.name).collect();
        if faults.is_empty() {
            self.unused(&names);
        }
        let narrowed = names.contains(&LAST_SUCCESS);
        if narrowed
            && self
                .tree
                .get("guards")
                .is_some_and(|guards| guards.entry("min_rows").is_some())
        {
            let message = format!(
                "`min_rows` counts the rows of a whole model, and {} narrows this one",
                written(LAST_SUCCESS)
            );
            self.fault(
                "guards.min_rows",
                "narrowed_model",
                message,
                Some("remove one of the two".into()),
            );
        }
        let broken = |fault: &Fault| fault.severity == Severity::Error;
        let (Some(source), false) = (self.source, faults.iter().any(broken)) else {
            return (None, faults);
        };
        let mut parts = placeholder::fill(text, |name| {
            let (value, _) = self.vars.get(name)?;
            // Without a value the mapping has an error, and its sync does not run.
            Some(
                value
                    .as_ref()
                    .map(|value| literal(value, source))
                    .unwrap_or_default(),
            )
        });
        let model = match parts.pop() {
            Some(whole) if parts.is_empty() => SyncModel::Fixed(Model::Sql(whole)),
            Some(last) => {
                parts.push(last);
                SyncModel::Since(parts)
            }
            None => return (None, faults),
        };
        (Some(model), faults)
    }

    /// What is wrong with a placeholder.
    fn wrong(&self, found: &Placeholder<'_>, text: &str, span: Span) -> Option<Fault> {
        let name = found.name;
        if name == LAST_SUCCESS && self.mode != Mode::Upsert {
            let message = format!(
                "{} narrows what is read, and only mode `upsert` can do without the rest",
                written(name)
            );
            let hint = "read the whole model, or write `mode: upsert`; then rows that leave the model stay as they are";
            return Some(Fault::error(span, "narrowed_model", message).hint(hint));
        }
        if name != LAST_SUCCESS && !self.vars.contains_key(name) {
            let known: Vec<&str> = self
                .vars
                .keys()
                .map(String::as_str)
                .chain([LAST_SUCCESS])
                .collect();
            let hint = did_you_mean(name, known.iter().copied())
                .unwrap_or_else(|| format!("add it to `vars:`; known: {}", listed(known.iter().copied())));
            let message = format!("there is no variable {}", quoted(name));
            return Some(Fault::error(span, "unknown_variable", message).hint(hint));
        }
        if found.is_quoted(text) {
            let message = format!("{} stands in quotes, and text brings its own", written(name));
            let hint = format!("write {} without quotes around it", written(name));
            return Some(Fault::error(span, "quoted_variable", message).hint(hint));
        }
        None
    }

    /// Warns of variables that no placeholder names.
    fn unused(&mut self, names: &[&str]) {
        for (name, (value, span)) in &self.vars {
            let is_good = value.is_some() && placeholder::is_name(name) && name != LAST_SUCCESS;
            if is_good && !names.contains(&name.as_str()) {
                let message = format!("the model does not use the variable {}", quoted(name));
                let fault = Fault::warning(*span, "unused_variable", message).hint(format!(
                    "write it as {} in the model's SQL, or remove it",
                    written(name)
                ));
                self.faults.push(fault.at(format!("vars.{name}")));
            }
        }
    }

    /// The places of the placeholders of `model.sql` in the mapping file. Where the text does not stand
    /// there as it is, for its escapes or line breaks, the text's own place.
    fn places_in_mapping(&self, text: &str) -> Vec<Span> {
        let wanted = placeholder::find(text);
        let Some(node) = self.tree.get("model").and_then(|model| model.get("sql")) else {
            return Vec::new();
        };
        let whole = &self.file.text;
        let line_start = whole
            .split_inclusive('\n')
            .take(node.span.line - 1)
            .map(str::len)
            .sum::<usize>();
        let written: Vec<Placeholder<'_>> = placeholder::find(whole)
            .into_iter()
            .filter(|found| found.range.start >= line_start)
            .take(wanted.len())
            .collect();
        let same = written.len() == wanted.len()
            && written
                .iter()
                .zip(&wanted)
                .all(|(here, there)| here.name == there.name);
        if same {
            written.iter().map(|found| found.span(whole)).collect()
        } else {
            vec![self.tree.locate("model.sql"); wanted.len()]
        }
    }

    fn sql_file(&mut self, name: &str) -> Option<SourceFile> {
        let folder = self.file.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(name);
        let reason = match SourceFile::read(self.root, path.clone()) {
            Ok(mut file) if !file.text.trim().is_empty() => {
                file.path = tidy(&file.path);
                return Some(file);
            }
            Ok(_) => "it is empty".to_owned(),
            Err((_, fault)) if fault.code == "unreadable_file" => {
                match std::fs::File::open(self.root.join(&path)) {
                    Err(error) => io_reason(&error).to_owned(),
                    Ok(_) => "it cannot be read as a file".to_owned(),
                }
            }
            Err((_, fault)) => match fault.code {
                "not_utf8" => format!("line {} is not UTF-8 text", fault.span.line),
                _ => fault.message,
            },
        };
        let hint = self
            .similar_file(&path)
            .unwrap_or_else(|| format!("a relative path starts at `{}`", slashed(folder)));
        self.fault(
            "model.file",
            "bad_model",
            format!("the SQL file {} cannot be used: {reason}", quoted(name)),
            Some(hint),
        );
        None
    }

    /// A file beside the one that is missing, with a name like it.
    fn similar_file(&self, path: &Path) -> Option<String> {
        let wanted = path.file_name()?.to_str()?;
        let beside = std::fs::read_dir(self.root.join(path.parent()?)).ok()?;
        let names: Vec<String> = beside
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name != wanted)
            .collect();
        closest(wanted, names.iter().map(String::as_str))
            .map(|name| format!("did you mean {}?", quoted(name)))
    }
}

/// A value as SQL writes it.
fn literal(value: &Value, source: &dyn Source) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        other => source.text_literal(&other.to_string()),
    }
}

/// A variable as a model names it.
fn written(name: &str) -> String {
    format!("`{{{{ {name} }}}}`")
}

/// `mappings/../models/a.sql` as `models/a.sql`, for people.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        let is_up = part == std::path::Component::ParentDir;
        let has_folder = matches!(
            tidy.components().next_back(),
            Some(std::path::Component::Normal(_))
        );
        if is_up && has_folder {
            tidy.pop();
        } else {
            tidy.push(part);
        }
    }
    tidy
}
