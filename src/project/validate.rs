//! A positioned tree against a JSON Schema, as schemars writes it: every problem at its place, and
//! the value for serde at the end.
//!
//! It covers what schemars emits for settings: objects with closed keys, maps, lists, scalars with
//! bounds and patterns, enums, and alternatives. Fields marked `x-secret` must be references.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::alternatives::{self, Shape};
use super::problem::{Fault, Severity, did_you_mean, listed, quoted};
use super::references::{References, has_reference, is_reference};
use super::scalar;
use super::tree::{Entry, Kind, Node, Span};

/// The schema that allows everything.
static ANYTHING: Value = Value::Bool(true);

/// A key that is known but not for this file.
pub(crate) struct ForeignKey {
    pub(crate) key: String,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Checks nodes against one schema document.
pub(crate) struct Checker<'a> {
    /// The document that `$ref`s point into.
    pub(crate) document: &'a Value,
    /// How references are looked up; none where they have no place.
    pub(crate) references: Option<&'a References<'a>>,
    /// Keys of the top level with a message of their own.
    pub(crate) foreign: &'a [ForeignKey],
    pub(crate) faults: Vec<Fault>,
    /// Scalars that are known not to be secrets.
    pub(crate) public: HashSet<(usize, usize)>,
    /// Keys that may be secrets in the wrong place.
    pub(crate) doubtful: Vec<Span>,
    /// A placeholder stands for some value.
    pub(crate) placeholder: bool,
}

/// Where a node stands: its dotted path and the place to show when something is missing in it.
#[derive(Clone, Copy)]
pub(crate) struct At<'p> {
    pub(crate) path: &'p str,
    pub(crate) span: Span,
}

impl At<'_> {
    /// The node as messages name it.
    fn name(&self) -> String {
        if self.path.is_empty() {
            "this file".into()
        } else {
            quoted(self.path)
        }
    }

    fn child(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

impl<'a> Checker<'a> {
    pub(crate) fn new(document: &'a Value, references: Option<&'a References<'a>>) -> Self {
        Self {
            document,
            references,
            foreign: &[],
            faults: Vec::new(),
            public: HashSet::new(),
            doubtful: Vec::new(),
            placeholder: false,
        }
    }

    /// How many errors were found so far.
    pub(crate) fn errors(&self) -> usize {
        self.faults
            .iter()
            .filter(|fault| fault.severity == Severity::Error)
            .count()
    }

    /// The value of `node` as far as it follows `schema`: what does not is left out and reported.
    pub(crate) fn check(&mut self, schema: &'a Value, node: &Node, at: At<'_>) -> Option<Value> {
        let schema = self.resolve(schema);
        if let Kind::Scalar { text, plain } = &node.kind
            && scalar::is_null(text, *plain)
        {
            self.fault(
                Fault::error(at.span, "no_value", format!("{} has no value", at.name()))
                    .hint("give it a value or remove the key"),
                at,
            );
            return None;
        }
        if let Some(branches) = alternatives::of(schema) {
            return self.check_alternatives(branches, node, at);
        }
        match &node.kind {
            Kind::Scalar { text, plain } => self.check_scalar(schema, text, *plain, node.span, at),
            Kind::Mapping(entries) if Shape::Mapping.fits(schema) => {
                Some(self.check_mapping(schema, entries, at))
            }
            Kind::Sequence(items) if Shape::Sequence.fits(schema) => self.check_list(schema, items, node, at),
            _ => {
                self.wrong_shape(&[schema], node, at);
                None
            }
        }
    }

    /// Follows `$ref`s; a reference that leads nowhere allows everything.
    pub(crate) fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        // A chain of references is short; the bound keeps a circular one from hanging.
        for _ in 0..16 {
            let Some(target) = schema.get("$ref").and_then(Value::as_str) else {
                return schema;
            };
            match target
                .strip_prefix('#')
                .and_then(|pointer| self.document.pointer(pointer))
            {
                Some(found) => schema = found,
                None => return schema,
            }
        }
        schema
    }

    fn fault(&mut self, fault: Fault, at: At<'_>) {
        let fault = if fault.path.is_empty() {
            fault.at(at.path)
        } else {
            fault
        };
        self.faults.push(fault);
    }

    fn wrong_shape(&mut self, branches: &[&Value], node: &Node, at: At<'_>) {
        let found = match &node.kind {
            Kind::Scalar { .. } => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a map of keys",
        };
        let message = format!(
            "{} must be {}, not {found}",
            at.name(),
            alternatives::expected(branches)
        );
        let span = if matches!(node.kind, Kind::Scalar { .. }) {
            node.span
        } else {
            at.span
        };
        self.fault(Fault::error(span, "wrong_type", message), at);
    }

    fn check_mapping(&mut self, schema: &'a Value, entries: &[Entry], at: At<'_>) -> Value {
        let empty = Map::new();
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let others = schema.get("additionalProperties");
        let mut object = Map::new();
        let least = schema.get("minProperties").and_then(Value::as_u64);
        if least.is_some_and(|least| (entries.len() as u64) < least) {
            let message = format!("{} must not be empty", at.name());
            self.fault(Fault::error(at.span, "too_few", message), at);
        }
        for entry in entries {
            let path = at.child(&entry.key);
            let inner = At {
                path: &path,
                span: entry.key_span,
            };
            let property = schema
                .get("properties")
                .and_then(|properties| properties.get(&entry.key))
                .or_else(|| others.filter(|others| others.is_object()));
            match property {
                Some(property) => {
                    if let Some(value) = self.check(property, &entry.value, inner) {
                        object.insert(entry.key.clone(), value);
                    }
                }
                None if others == Some(&Value::Bool(false)) && self.is_doubtful(entry) => {
                    self.doubtful.push(entry.key_span);
                    let fault = Fault::error(entry.key_span, "unknown_key", "this is no key here");
                    self.fault(
                        fault.hint("write `key: value`, and `${env:NAME}` for a secret"),
                        at,
                    );
                }
                None if others == Some(&Value::Bool(false)) => {
                    let fault = self.unknown_key(entry, at, properties);
                    self.fault(fault, inner);
                }
                None => {
                    let value = self.check(&ANYTHING, &entry.value, inner);
                    object.extend(value.map(|value| (entry.key.clone(), value)));
                }
            }
        }
        self.check_required(schema, entries, at);
        Value::Object(object)
    }

    /// Whether an unknown key may be a secret that slipped out of its place: one without a value, or
    /// one that does not look like a key.
    fn is_doubtful(&self, entry: &Entry) -> bool {
        let like_a_key = entry
            .key
            .chars()
            .all(|char| char.is_ascii_alphabetic() || char == '_');
        let empty = entry.value.text().is_some_and(str::is_empty);
        self.references.is_some() && (empty || !like_a_key)
    }

    fn unknown_key(&self, entry: &Entry, at: At<'_>, properties: &Map<String, Value>) -> Fault {
        let foreign = self.foreign.iter().find(|foreign| foreign.key == entry.key);
        if let (true, Some(foreign)) = (at.path.is_empty(), foreign) {
            return Fault::error(entry.key_span, foreign.code, foreign.message.clone())
                .maybe_hint(foreign.hint.clone());
        }
        let place = if at.path.is_empty() {
            String::new()
        } else {
            format!(" in {}", quoted(at.path))
        };
        let known = || properties.keys().map(String::as_str);
        let hint = did_you_mean(&entry.key, known())
            .or_else(|| (!properties.is_empty()).then(|| format!("known keys: {}", listed(known()))));
        Fault::error(
            entry.key_span,
            "unknown_key",
            format!("{} is no key{place}", quoted(&entry.key)),
        )
        .maybe_hint(hint)
    }

    fn check_required(&mut self, schema: &Value, entries: &[Entry], at: At<'_>) {
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if entries.iter().any(|entry| entry.key == name) {
                continue;
            }
            let place = if at.path.is_empty() {
                String::new()
            } else {
                format!(" in {}", quoted(at.path))
            };
            let meaning = schema
                .pointer(&format!("/properties/{name}/description"))
                .and_then(Value::as_str)
                .map(first_sentence);
            let fault = Fault::error(
                at.span,
                "missing_key",
                format!("the key {} is missing{place}", quoted(name)),
            )
            .maybe_hint(meaning);
            self.fault(fault, at);
        }
    }

    fn check_list(&mut self, schema: &'a Value, items: &[Node], node: &Node, at: At<'_>) -> Option<Value> {
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        let count = items.len() as u64;
        if bound("minItems").is_some_and(|least| count < least) {
            let message = format!("{} must not be empty", at.name());
            self.fault(Fault::error(node.span, "too_few", message), at);
            return None;
        }
        if bound("maxItems").is_some_and(|most| count > most) {
            let message = format!(
                "{} has more than {} items",
                at.name(),
                bound("maxItems").unwrap_or_default()
            );
            self.fault(Fault::error(node.span, "too_many", message), at);
            return None;
        }
        let item_schema = schema.get("items").unwrap_or(&ANYTHING);
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = at.child(&index.to_string());
            let inner = At {
                path: &path,
                span: item.span,
            };
            values.extend(self.check(item_schema, item, inner));
        }
        Some(Value::Array(values))
    }

    fn check_scalar(
        &mut self,
        schema: &'a Value,
        text: &str,
        plain: bool,
        span: Span,
        at: At<'_>,
    ) -> Option<Value> {
        if schema.get("x-secret") == Some(&Value::Bool(true)) {
            return self.check_secret(text, span, at);
        }
        if !Shape::Scalar.fits(schema) {
            let node = Node {
                span,
                kind: Kind::Scalar {
                    text: String::new(),
                    plain,
                },
            };
            self.wrong_shape(&[schema], &node, at);
            return None;
        }
        self.public.insert((span.line, span.column));
        if !has_reference(text) {
            return match alternatives::interpret(schema, text, plain) {
                Ok(value) => Some(value),
                Err(wrong) => {
                    let fault = Fault::error(span, wrong.code, format!("{} {}", at.name(), wrong.message));
                    self.fault(fault.maybe_hint(wrong.hint), at);
                    None
                }
            };
        }
        let value = self.look_up(text, span, at)?;
        match alternatives::interpret_resolved(schema, &value) {
            Ok(value) => Some(value),
            Err(_) if self.placeholder => alternatives::placeholder(schema),
            Err(wrong) => {
                // The value itself came from elsewhere and is not repeated.
                let message = format!("the value that {} refers to {}", at.name(), wrong.unquoted);
                self.fault(Fault::error(span, wrong.code, message), at);
                None
            }
        }
    }

    fn check_secret(&mut self, text: &str, span: Span, at: At<'_>) -> Option<Value> {
        if is_reference(text) {
            self.public.insert((span.line, span.column));
            return self.look_up(text, span, at).map(Value::String);
        }
        let name = at.path.rsplit('.').next().unwrap_or_default();
        let fault = Fault::error(
            span,
            "literal_secret",
            format!("{} holds a secret in the file itself", at.name()),
        )
        .hint(format!(
            "write `\"${{env:{}}}\"` or `\"${{file:/path}}\"` instead, and replace the secret that stood here: it may have been copied",
            name.to_uppercase()
        ));
        self.fault(fault, at);
        None
    }

    /// The text with its references replaced; none when one is wrong or absent.
    fn look_up(&mut self, text: &str, span: Span, at: At<'_>) -> Option<String> {
        let Some(references) = self.references else {
            let fault = Fault::error(span, "misplaced_reference", "references belong to `outflow.yaml` alone")
                .hint("name a connection here and keep its secrets in `outflow.yaml`; `$${` stands for a literal `${`");
            self.fault(fault, at);
            return None;
        };
        let resolution = references.resolve(text);
        self.placeholder |= resolution.placeholder;
        let mut usable = true;
        for found in resolution.faults {
            usable &= found.severity == Severity::Warning;
            let mut fault = Fault::error(span, found.code, found.message).hint(found.hint);
            fault.severity = found.severity;
            self.fault(fault, at);
        }
        usable.then_some(resolution.value)
    }

    fn check_alternatives(&mut self, branches: Vec<&'a Value>, node: &Node, at: At<'_>) -> Option<Value> {
        let branches: Vec<&'a Value> = branches.into_iter().map(|branch| self.resolve(branch)).collect();
        let shape = Shape::of(node);
        let fitting: Vec<&'a Value> = branches
            .iter()
            .copied()
            .filter(|branch| alternatives::of(branch).is_some() || shape.fits(branch))
            .collect();
        let open = |branch: &&Value| branch.get("x-secret").is_none() && alternatives::of(branch).is_none();
        if shape == Shape::Scalar && !fitting.is_empty() && fitting.iter().all(open) {
            self.public.insert((node.span.line, node.span.column));
        }
        match fitting.as_slice() {
            [] => {
                self.wrong_shape(&branches, node, at);
                None
            }
            [only] => self.check(only, node, at),
            several => match alternatives::chosen(several, node) {
                alternatives::Choice::Branch(branch) => self.check(branch, node, at),
                alternatives::Choice::Fault(fault) => {
                    if fault.code == "unknown_type" {
                        self.public.insert((fault.span.line, fault.span.column));
                    }
                    let fault = Fault {
                        span: if fault.span == Span::default() {
                            at.span
                        } else {
                            fault.span
                        },
                        ..fault
                    };
                    let message = fault.message.replace("{}", &at.name());
                    self.fault(Fault { message, ..fault }, at);
                    None
                }
                alternatives::Choice::Try => self.check_each(several, node, at),
            },
        }
    }

    /// Takes the first alternative without error, else reports those of the closest one.
    fn check_each(&mut self, branches: &[&'a Value], node: &Node, at: At<'_>) -> Option<Value> {
        let mut best: Option<(Checker<'a>, Option<Value>)> = None;
        for branch in branches {
            let mut trial = Checker::new(self.document, self.references);
            let value = trial.check(branch, node, at);
            let closer = best
                .as_ref()
                .is_none_or(|(known, _)| trial.errors() < known.errors());
            if closer {
                best = Some((trial, value));
            }
        }
        let (trial, value) = best?;
        self.faults.extend(trial.faults);
        self.public.extend(trial.public);
        self.doubtful.extend(trial.doubtful);
        self.placeholder |= trial.placeholder;
        value
    }

    /// What may be a secret in a tree: every scalar that was not recognised as something else.
    pub(crate) fn hidden(&self, node: &Node) -> Vec<Span> {
        let mut found = self.doubtful.clone();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            match &node.kind {
                Kind::Scalar { text, .. }
                    if text.is_empty() || self.public.contains(&(node.span.line, node.span.column)) => {}
                Kind::Scalar { .. } => found.push(node.span),
                Kind::Sequence(items) => open.extend(items),
                Kind::Mapping(entries) => open.extend(entries.iter().map(|entry| &entry.value)),
            }
        }
        found
    }
}

/// The first sentence of a description, on one line.
pub(crate) fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.find(". ") {
        Some(at) => line.get(..at).unwrap_or(&line).to_owned(),
        None => line.trim_end_matches('.').to_owned(),
    }
}
