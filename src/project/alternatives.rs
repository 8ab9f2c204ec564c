//! Which part of a schema a node is meant to follow, and what a scalar is under it.

use serde_json::Value;

use super::problem::{Fault, did_you_mean, listed, quoted};
use super::scalar;
use super::tree::{Kind, Node, Span};

/// The three shapes of YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Scalar,
    Sequence,
    Mapping,
}

impl Shape {
    pub(crate) fn of(node: &Node) -> Self {
        match node.kind {
            Kind::Scalar { .. } => Shape::Scalar,
            Kind::Sequence(_) => Shape::Sequence,
            Kind::Mapping(_) => Shape::Mapping,
        }
    }

    /// Whether a schema (without alternatives) has room for this shape.
    pub(crate) fn fits(self, schema: &Value) -> bool {
        let types = types(schema);
        if types.is_empty() {
            let is_enum = schema.get("const").is_some() || schema.get("enum").is_some();
            let is_object = schema.get("properties").is_some();
            return match self {
                Shape::Scalar => !is_object,
                Shape::Mapping => !is_enum,
                Shape::Sequence => !is_enum && !is_object,
            };
        }
        types.iter().any(|name| match self {
            Shape::Mapping => *name == "object",
            Shape::Sequence => *name == "array",
            Shape::Scalar => !matches!(*name, "object" | "array" | "null"),
        })
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The alternatives of a schema without `null`: nothing is written by leaving the key out.
pub(crate) fn of(schema: &Value) -> Option<Vec<&Value>> {
    let branches = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let not_null = |branch: &&Value| branch.get("type").and_then(Value::as_str) != Some("null");
    Some(branches.iter().filter(not_null).collect())
}

/// What several schemas expect, in words.
pub(crate) fn expected(branches: &[&Value]) -> String {
    let mut words: Vec<String> = Vec::new();
    for branch in branches {
        let names: Vec<String> = if let Some(words) = words_of(branch) {
            vec![format!("one of {}", listed(words))]
        } else if let Some(inner) = of(branch) {
            vec![expected(&inner)]
        } else {
            types(branch)
                .into_iter()
                .filter_map(type_word)
                .map(str::to_owned)
                .collect()
        };
        for name in names {
            if !words.contains(&name) {
                words.push(name);
            }
        }
    }
    if words.is_empty() {
        "something else".into()
    } else {
        words.join(" or ")
    }
}

fn type_word(name: &str) -> Option<&'static str> {
    Some(match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a map of keys",
        _ => return None,
    })
}

/// The words an enum allows.
fn words_of(schema: &Value) -> Option<Vec<&str>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(word), _) => Some(word.as_str().into_iter().collect()),
        (None, Some(Value::Array(words))) => Some(words.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

/// Which of several alternatives of one shape is meant.
pub(crate) enum Choice<'a> {
    Branch(&'a Value),
    /// None can be meant; `{}` stands for the node's name and an empty span for its place.
    Fault(Fault),
    /// Only trying shows it.
    Try,
}

/// Chooses by what tells the alternatives apart: the words of an enum, a key such as `type` with one
/// word each, or the keys each requires.
pub(crate) fn chosen<'a>(branches: &[&'a Value], node: &Node) -> Choice<'a> {
    match &node.kind {
        Kind::Scalar { text, .. } => {
            let words: Vec<&str> = branches
                .iter()
                .filter_map(|branch| words_of(branch))
                .flatten()
                .collect();
            let named = branches
                .iter()
                .find(|branch| words_of(branch).is_some_and(|words| words.contains(&text.as_str())));
            match named {
                Some(branch) => Choice::Branch(branch),
                None if branches.iter().all(|branch| words_of(branch).is_some()) => {
                    let wrong = not_a_word(text, &words);
                    Choice::Fault(
                        Fault::error(node.span, wrong.code, format!("{{}} {}", wrong.message))
                            .maybe_hint(wrong.hint),
                    )
                }
                None => Choice::Try,
            }
        }
        Kind::Mapping(_) => by_discriminator(branches, node).unwrap_or_else(|| by_required(branches, node)),
        Kind::Sequence(_) => Choice::Try,
    }
}

fn by_discriminator<'a>(branches: &[&'a Value], node: &Node) -> Option<Choice<'a>> {
    let properties = branches.first()?.get("properties")?.as_object()?;
    let word = |branch: &'a Value, key: &str| branch.pointer(&format!("/properties/{key}/const"))?.as_str();
    let key = properties
        .keys()
        .find(|key| branches.iter().all(|branch| word(branch, key).is_some()))?;
    let words: Vec<&str> = branches.iter().filter_map(|branch| word(branch, key)).collect();
    let Some(entry) = node.entry(key) else {
        let fault = Fault::error(
            Span::default(),
            "missing_key",
            format!("the key {} is missing in {{}}", quoted(key)),
        );
        return Some(Choice::Fault(fault.hint(format!("known: {}", listed(words)))));
    };
    let text = entry.value.text().unwrap_or_default();
    if let Some(branch) = branches.iter().find(|branch| word(branch, key) == Some(text)) {
        return Some(Choice::Branch(branch));
    }
    let hint =
        did_you_mean(text, words.iter().copied()).unwrap_or_else(|| format!("known: {}", listed(words)));
    let span = if entry.value.text().is_some_and(|text| !text.is_empty()) {
        entry.value.span
    } else {
        entry.key_span
    };
    let message = format!("there is no {key} {}", quoted(text));
    Some(Choice::Fault(
        Fault::error(span, "unknown_type", message).hint(hint),
    ))
}

fn by_required<'a>(branches: &[&'a Value], node: &Node) -> Choice<'a> {
    let satisfied = |branch: &&&'a Value| {
        let required = branch.get("required").and_then(Value::as_array);
        required.is_some_and(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .all(|name| node.entry(name).is_some())
        })
    };
    let mut complete = branches.iter().filter(satisfied);
    match (complete.next(), complete.next()) {
        (Some(only), None) => Choice::Branch(only),
        _ => Choice::Try,
    }
}

/// Why a scalar is not what its schema says. Messages continue "`path` …".
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The message without any part of the value.
    pub(crate) unquoted: String,
    pub(crate) hint: Option<String>,
}

impl Wrong {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            unquoted: message.clone(),
            message,
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The value of a scalar as it stands in the file.
pub(crate) fn interpret(schema: &Value, text: &str, plain: bool) -> Result<Value, Wrong> {
    if let Some(words) = words_of(schema) {
        return if words.contains(&text) {
            Ok(Value::String(text.to_owned()))
        } else {
            Err(not_a_word(text, &words))
        };
    }
    let types = types(schema);
    let takes = |name: &str| types.is_empty() || types.contains(&name);
    let text_wanted = takes("string");
    if (plain || !text_wanted)
        && let Some(value) = typed(&types, text)
    {
        if plain {
            check_bounds(schema, &value)?;
            return Ok(value);
        }
        let wanted = expected(&[schema]);
        return Err(Wrong::new("wrong_type", format!("must be {wanted}, not text")).hint("remove the quotes"));
    }
    if text_wanted {
        return check_text(schema, text).map(|()| Value::String(text.to_owned()));
    }
    let wrong = Wrong::new("wrong_type", format!("must be {}", expected(&[schema])));
    if takes("boolean") && scalar::looks_boolean(text) {
        return Err(wrong.hint("write `true` or `false`"));
    }
    Err(wrong)
}

/// The value of a text that came from outside: quotes say nothing about it.
pub(crate) fn interpret_resolved(schema: &Value, text: &str) -> Result<Value, Wrong> {
    let types = types(schema);
    if words_of(schema).is_none()
        && !types.is_empty()
        && !types.contains(&"string")
        && let Some(value) = typed(&types, text)
    {
        check_bounds(schema, &value)?;
        return Ok(value);
    }
    interpret(schema, text, false)
}

fn typed(types: &[&str], text: &str) -> Option<Value> {
    let takes = |name: &str| types.is_empty() || types.contains(&name);
    let boolean = || {
        scalar::boolean(text)
            .filter(|_| takes("boolean"))
            .map(Value::Bool)
    };
    let integer = || scalar::integer(text).filter(|_| takes("integer") || takes("number"));
    let number = || scalar::number(text).filter(|_| takes("number"));
    boolean().or_else(|| integer().or_else(number).map(Value::Number))
}

fn not_a_word(text: &str, words: &[&str]) -> Wrong {
    let known = listed(words.iter().copied());
    Wrong {
        code: "unknown_word",
        message: format!("cannot be {}", quoted(text)),
        unquoted: format!("is none of {known}"),
        hint: Some(
            did_you_mean(text, words.iter().copied()).unwrap_or_else(|| match words {
                [only] => format!("the one word it can be is {}", quoted(only)),
                _ => format!("one of {known}"),
            }),
        ),
    }
}

fn check_bounds(schema: &Value, value: &Value) -> Result<(), Wrong> {
    let Some(number) = value.as_f64() else {
        return Ok(());
    };
    let bound = |name: &str| Some((schema.get(name)?.as_f64()?, schema.get(name)?.to_string()));
    let wrong = |words: String| Err(Wrong::new("out_of_range", format!("must be {words}")));
    if let Some((least, shown)) = bound("minimum")
        && number < least
    {
        return wrong(format!("at least {shown}"));
    }
    if let Some((most, shown)) = bound("maximum")
        && number > most
    {
        return wrong(format!("at most {shown}"));
    }
    if let Some((least, shown)) = bound("exclusiveMinimum")
        && number <= least
    {
        return wrong(format!("more than {shown}"));
    }
    if let Some((most, shown)) = bound("exclusiveMaximum")
        && number >= most
    {
        return wrong(format!("less than {shown}"));
    }
    Ok(())
}

fn check_text(schema: &Value, text: &str) -> Result<(), Wrong> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    let length = text.chars().count() as u64;
    if bound("minLength").is_some_and(|least| length < least) {
        return Err(Wrong::new("too_short", "must not be empty"));
    }
    if bound("maxLength").is_some_and(|most| length > most) {
        let most = bound("maxLength").unwrap_or_default();
        return Err(Wrong::new(
            "too_long",
            format!("is longer than {most} characters"),
        ));
    }
    let pattern = schema.get("pattern").and_then(Value::as_str);
    if let Some(Ok(pattern)) = pattern.map(regex_lite::Regex::new)
        && !pattern.is_match(text)
    {
        let wrong = Wrong {
            unquoted: "does not have the right form".into(),
            ..Wrong::new("wrong_form", format!("cannot be {}", quoted(text)))
        };
        return Err(match form(schema) {
            Some(form) => wrong.hint(form),
            None => wrong,
        });
    }
    Ok(())
}

/// How a text with a pattern is written: the first examples, else the description.
fn form(schema: &Value) -> Option<String> {
    let examples = schema.get("examples").and_then(Value::as_array);
    let shown: Vec<&str> = examples
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .take(3)
        .collect();
    if shown.is_empty() {
        let text = schema.get("description")?.as_str()?;
        return Some(super::validate::first_sentence(text));
    }
    Some(format!("write it like {}", listed(shown)))
}

/// A value that follows the schema, for a reference that has no value offline.
pub(crate) fn placeholder(schema: &Value) -> Option<Value> {
    let word = words_of(schema).and_then(|words| words.first().map(|word| Value::String((*word).to_owned())));
    let default = schema.get("default").filter(|value| !value.is_null()).cloned();
    let least = schema.get("minimum").cloned();
    let fallback = || match types(schema).first().copied() {
        Some("boolean") => Some(Value::Bool(false)),
        Some("integer" | "number") => Some(Value::from(1)),
        _ => None,
    };
    word.or(default).or(least).or_else(fallback)
}
