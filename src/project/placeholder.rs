//! `{{ name }}` in a model's SQL.
//!
//! Only a name between double braces is a placeholder. SQL has `{{`, `{%` and `{#` of its own, in arrays,
//! patterns and JSON paths, so a template language would spoil models that are right as they stand.

use std::ops::Range;

use super::tree::Span;

/// The placeholder of the time that a narrowed model reads from.
pub(crate) const LAST_SUCCESS: &str = "last_success";

/// A placeholder in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder<'t> {
    pub(crate) name: &'t str,
    /// Its bytes, braces included.
    pub(crate) range: Range<usize>,
}

impl Placeholder<'_> {
    /// Whether it stands in quotes of its own. Values bring theirs, so it would close them.
    pub(crate) fn is_quoted(&self, text: &str) -> bool {
        let before = text.get(..self.range.start).unwrap_or_default();
        let after = text.get(self.range.end..).unwrap_or_default();
        before.ends_with('\'') && after.starts_with('\'')
    }

    /// Where it stands in its text.
    pub(crate) fn span(&self, text: &str) -> Span {
        let before = text.get(..self.range.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let own = text.get(self.range.clone()).unwrap_or_default();
        Span {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            length: own.chars().count(),
            lines: 1,
        }
    }
}

/// The placeholders of a text, in order.
pub(crate) fn find(text: &str) -> Vec<Placeholder<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text
        .get(at..)
        .and_then(|rest| rest.find("{{"))
        .map(|near| at + near)
    {
        match name_at(text, start + 2) {
            Some((name, end)) => {
                found.push(Placeholder {
                    name,
                    range: start..end,
                });
                at = end;
            }
            // The second brace may be the first of a pair.
            None => at = start + 1,
        }
    }
    found
}

/// The name that stands alone from `start` to the closing braces, and where those end.
fn name_at(text: &str, start: usize) -> Option<(&str, usize)> {
    let blank = |c: char| c == ' ' || c == '\t';
    let rest = text.get(start..)?;
    let inner = rest.trim_start_matches(blank);
    let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (name, after) = inner.split_at(end);
    let after = after.trim_start_matches(blank).strip_prefix("}}")?;
    is_name(name).then(|| (name, text.len() - after.len()))
}

/// Whether `name` may be a variable's: letters, digits and `_`, no digit first.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `text` with what `value` gives for each placeholder, cut where it gives nothing.
pub(crate) fn fill(text: &str, mut value: impl FnMut(&str) -> Option<String>) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut at = 0;
    let add = |parts: &mut Vec<String>, piece: &str| {
        if let Some(last) = parts.last_mut() {
            last.push_str(piece);
        }
    };
    for placeholder in find(text) {
        add(
            &mut parts,
            text.get(at..placeholder.range.start).unwrap_or_default(),
        );
        match value(placeholder.name) {
            Some(value) => add(&mut parts, &value),
            None => parts.push(String::new()),
        }
        at = placeholder.range.end;
    }
    add(&mut parts, text.get(at..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<&str> {
        find(text)
            .into_iter()
            .map(|placeholder| placeholder.name)
            .collect()
    }

    #[test]
    fn a_name_between_double_braces_is_a_placeholder_and_nothing_else_is() {
        assert_eq!(names("a = {{ one }} and b = {{two}}"), ["one", "two"]);
        assert_eq!(names("{{{ x }}"), ["x"]);
        for own in [
            "select '{{1,2},{3,4}}'::int[]",
            "select '{{a,b},{c,d}}'::text[]",
            "x like '{%'",
            "tags #> '{a}'",
            "{{ a | upper }}",
            "{{ a.b }}",
            "{{ 1a }}",
            "{{ }}",
            "{{ a",
            "{{",
            "{{ a }",
        ] {
            assert!(names(own).is_empty(), "{own}");
        }
    }

    #[test]
    fn a_placeholder_knows_its_place_and_its_quotes() {
        let text = "select é,\n  '{{ a }}', {{ b }}";
        let found = find(text);
        let places: Vec<_> = found
            .iter()
            .map(|placeholder| placeholder.span(text))
            .map(|span| (span.line, span.column, span.length))
            .collect();
        assert_eq!(places, [(2, 4, 7), (2, 14, 7)]);
        let quoted: Vec<_> = found
            .iter()
            .map(|placeholder| placeholder.is_quoted(text))
            .collect();
        assert_eq!(quoted, [true, false]);
    }

    #[test]
    fn a_text_is_cut_where_a_value_is_not_known_yet() {
        let parts = fill("a {{ x }} b {{ later }} c {{ later }}", |name| {
            (name == "x").then(|| "1".to_owned())
        });
        assert_eq!(parts, ["a 1 b ", " c ", ""]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "[{} a-z_1é\n']{0,40}") {
            prop_assert_eq!(fill(&text, |name| Some(format!("{{{{{name}}}}}"))).len(), 1);
            for placeholder in find(&text) {
                placeholder.span(&text);
            }
        }

        #[test]
        fn what_is_put_in_is_not_looked_at_again(value in "[{} a-z]{0,12}") {
            prop_assert_eq!(fill("<{{ a }}>", |_| Some(value.clone())), [format!("<{value}>")]);
        }
    }
}
