//! Places in a model's SQL, as a warehouse names them, as places in the project's files.

use outflow_sdk::ModelPlace;

use super::file::SourceFile;
use super::load::Loaded;
use super::mapping::Mapping;
use super::placeholder;
use super::problem::{Fault, Problem, Severity};
use super::tree::Span;

impl Loaded {
    /// A problem in a sync's SQL that only the warehouse saw. None when the place cannot be found in the
    /// files: where placeholders were filled in, or YAML escapes and folds the text.
    pub fn model_problem(
        &self,
        sync: &str,
        place: ModelPlace,
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Option<Problem> {
        let mapping = self.mapping(sync)?;
        let (file, span, path) = match &mapping.sql_file {
            Some(sql) => (&sql.file, in_sql_file(&sql.file, place)?, ""),
            None => (&mapping.file, in_mapping(mapping, place)?, "model.sql"),
        };
        let mut fault = Fault::error(span, code, message).maybe_hint(hint).at(path);
        fault.severity = severity;
        Some(file.problem(fault))
    }
}

fn in_sql_file(file: &SourceFile, place: ModelPlace) -> Option<Span> {
    if !placeholder::find(&file.text).is_empty() {
        return None;
    }
    let line = file.text.lines().nth(place.line.checked_sub(1)?)?;
    Some(span(line, place.line, place.column))
}

/// The SQL stands in the mapping line by line, each behind its indentation, the first perhaps behind its key.
fn in_mapping(mapping: &Mapping, place: ModelPlace) -> Option<Span> {
    let node = mapping.tree.as_ref()?.get("model")?.get("sql")?;
    let sql = node.text()?;
    if !placeholder::find(sql).is_empty() {
        return None;
    }
    let wanted: Vec<&str> = sql.trim_end().lines().collect();
    let lines: Vec<&str> = mapping.file.text.lines().collect();
    // A block begins on the line after its mark.
    (node.span.line..=node.span.line + 1).find_map(|first| {
        let written = lines.get(first - 1..first - 1 + wanted.len())?;
        let offsets: Vec<usize> = written
            .iter()
            .zip(&wanted)
            .map(|(written, wanted)| written.find(wanted.trim_end()))
            .collect::<Option<_>>()?;
        let at = place.line.checked_sub(1)?;
        let line = written.get(at)?;
        let before = line.get(..*offsets.get(at)?)?.chars().count();
        Some(span(line, first + at, before + place.column))
    })
}

/// The word that begins at a column, or one character.
fn span(line: &str, number: usize, column: usize) -> Span {
    let word = line.chars().skip(column.saturating_sub(1));
    let length = word.take_while(|c| c.is_alphanumeric() || *c == '_').count();
    Span {
        line: number,
        column,
        length: length.max(1),
        lines: 1,
    }
}
