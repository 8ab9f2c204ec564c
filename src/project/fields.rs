//! `fields:`: where each destination field's value comes from.

use minijinja::{Environment, ErrorKind, UndefinedBehavior};

use super::mapping_file::{FieldEntry, FieldKeys, Fields};
use super::model::{FieldMapping, FieldSource, NullPolicy};
use super::problem::{Fault, quoted};
use super::scalar;
use super::tree::{Kind, Node};
use outflow_sdk::cast::{Cast, cast};

/// No destination's object has nearly as many; operations number fields with 16 bits.
const MOST: usize = 2_000;

/// The mapped fields in the file's order. Entries with a fault are left out.
pub(crate) fn read(fields: Fields, tree: &Node, faults: &mut Vec<Fault>) -> Vec<FieldMapping> {
    if fields.0.len() > MOST {
        let message = format!("more than {MOST} fields");
        faults.push(Fault::error(tree.locate("fields"), "too_many", message).at("fields"));
        return Vec::new();
    }
    let mut mappings = Vec::with_capacity(fields.0.len());
    for (field, entry) in fields.0 {
        let path = format!("fields.{field}");
        if field.trim().is_empty() {
            let fault = Fault::error(tree.locate("fields"), "bad_name", "a field has an empty name");
            faults.push(fault.at("fields"));
            continue;
        }
        match entry {
            FieldEntry::Column(column) => mappings.push(FieldMapping {
                field,
                source: FieldSource::Column(column),
                cast: None,
                scale: None,
                null: NullPolicy::default(),
            }),
            FieldEntry::Keys(keys) => {
                let written = tree.get("fields").and_then(|fields| fields.entry(&field));
                let Some(written) = written else {
                    continue;
                };
                let mut reader = Reader {
                    path: &path,
                    node: &written.value,
                    tree,
                    faults,
                };
                mappings.extend(reader.read(field, keys));
            }
        }
    }
    mappings
}

struct Reader<'a> {
    path: &'a str,
    node: &'a Node,
    tree: &'a Node,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn has(&self, key: &str) -> bool {
        self.node.entry(key).is_some()
    }

    fn fault(&mut self, key: &str, code: &'static str, message: String, hint: Option<&str>) {
        let path = if key.is_empty() {
            self.path.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        let fault = Fault::error(self.tree.locate(&path), code, message);
        self.faults
            .push(fault.maybe_hint(hint.map(str::to_owned)).at(path));
    }

    fn read(&mut self, field: String, keys: FieldKeys) -> Option<FieldMapping> {
        let before = self.faults.len();
        let kinds = ["column", "value", "template"];
        let count = kinds.into_iter().filter(|kind| self.has(kind)).count();
        let inside = format!("{}.", self.path);
        let misspelt = |fault: &Fault| fault.code == "unknown_key" && fault.path.starts_with(&inside);
        if count == 0 && self.faults.iter().any(misspelt) {
            return None;
        }
        if count != 1 {
            let message = format!(
                "{} needs exactly one of `column`, `value` and `template`",
                quoted(self.path)
            );
            self.fault("", "bad_field", message, None);
            return None;
        }
        if self.has("scale") && keys.cast != Some(Cast::Number) {
            self.fault(
                "scale",
                "misplaced_key",
                "`scale` belongs to `as: number`".into(),
                None,
            );
        }
        if self.has("as") && self.has("template") {
            let hint = "a template gives text; the destination reads it as its own type";
            self.fault(
                "as",
                "misplaced_key",
                "`as` does not go with `template`".into(),
                Some(hint),
            );
        }
        if self.has("null") && self.has("value") {
            self.fault(
                "null",
                "misplaced_key",
                "`null` does not go with `value`: a constant is never NULL".into(),
                None,
            );
        }
        let source = self.source(&keys)?;
        (self.faults.len() == before).then_some(FieldMapping {
            field,
            source,
            cast: keys.cast,
            scale: keys.scale,
            null: keys.null.unwrap_or_default(),
        })
    }

    fn source(&mut self, keys: &FieldKeys) -> Option<FieldSource> {
        if let Some(column) = &keys.column {
            return Some(FieldSource::Column(column.clone()));
        }
        if let Some(text) = &keys.template {
            return self.template(text);
        }
        keys.value.as_ref()?;
        let Kind::Scalar { text, plain } = &self.node.get("value")?.kind else {
            return None;
        };
        let given = scalar::constant(text, *plain).and_then(|value| match keys.cast {
            Some(to) => cast(value, to, keys.scale),
            None => Ok(value),
        });
        match given {
            Ok(value) => Some(FieldSource::Constant(value)),
            Err(reason) => {
                let message = format!("the constant {} {reason}", quoted(text));
                let hint = (*plain && keys.cast.is_none()).then_some("put quotes around it to make it text");
                self.fault("value", "bad_constant", message, hint);
                None
            }
        }
    }

    fn template(&mut self, text: &str) -> Option<FieldSource> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let template = match environment.template_from_str(text) {
            Ok(template) => template,
            Err(error) => {
                let detail = error
                    .detail()
                    .map(str::to_owned)
                    .unwrap_or_else(|| error.kind().to_string());
                self.fault(
                    "template",
                    "bad_template",
                    format!("the template cannot be read: {detail}"),
                    None,
                );
                return None;
            }
        };
        let globals: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
        let mut columns: Vec<String> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !globals.contains(&name.as_str()))
            .collect();
        columns.sort_unstable();
        if columns.is_empty() {
            let hint = "write `value:` for a constant, or name a column as `{{ column }}`";
            self.fault(
                "template",
                "bad_template",
                "the template names no column".into(),
                Some(hint),
            );
            return None;
        }
        // Unknown filters and tests only show when a template is rendered. Loops are not tried: they
        // may be long.
        let sample: std::collections::BTreeMap<&str, &str> =
            columns.iter().map(|name| (name.as_str(), "")).collect();
        let tried = (!text.contains("for")).then(|| template.render(sample));
        if let Some(Err(error)) = tried
            && matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
            )
        {
            let detail = error
                .detail()
                .map(str::to_owned)
                .unwrap_or_else(|| error.kind().to_string());
            self.fault(
                "template",
                "bad_template",
                format!("the template cannot be used: {detail}"),
                None,
            );
            return None;
        }
        Some(FieldSource::Template {
            text: text.to_owned(),
            columns,
        })
    }
}
