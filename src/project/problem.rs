//! What is wrong, where, and what to do next: the diagnostics people and editors read.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::tree::Span;

/// Whether a problem stops something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The connection or sync cannot be used.
    Error,
    /// Worth a look; nothing stops.
    Warning,
}

/// One problem in one file. Never holds a secret: the line it shows is cleaned when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, relative to the project.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters it covers on that line.
    pub length: usize,
    /// Stable code such as `unknown_key`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The place in the file's own terms, such as `fields.email`; empty for the whole file.
    pub path: String,
    /// The source line with secrets masked, and the caret's place in it.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

/// A line of a file as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line: secrets masked, control characters replaced, cut to a readable length.
    pub line: String,
    /// Characters before the caret.
    pub caret: usize,
    /// Length of the caret, at least 1.
    pub width: usize,
}

impl Problem {
    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The problem for a person: position, code and message, the line with a caret, the hint.
    pub fn render(&self, colour: bool) -> String {
        let paint = |style: &str, text: &str| {
            if colour {
                format!("\u{1b}[{style}m{text}\u{1b}[0m")
            } else {
                text.to_owned()
            }
        };
        let (word, style) = match self.severity {
            Severity::Error => ("error", "1;31"),
            Severity::Warning => ("warning", "1;33"),
        };
        let mut out = format!(
            "{}:{}:{}: {}: {}\n",
            slashed(&self.file),
            self.line,
            self.column,
            paint(style, &format!("{word}[{}]", self.code)),
            self.message
        );
        if let Some(excerpt) = &self.excerpt {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let pad: String = excerpt
                .line
                .chars()
                .take(excerpt.caret)
                .map(|char| if char == '\t' { '\t' } else { ' ' })
                .collect();
            let caret = paint(style, &"^".repeat(excerpt.width));
            out.push_str(&format!(
                " {number} | {}\n {margin} | {pad}{caret}\n",
                excerpt.line.trim_end()
            ));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("   {} {hint}\n", paint("36", "hint:")));
        }
        out
    }
}

/// A problem that does not know its file yet.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) path: String,
}

impl Fault {
    pub(crate) fn error(span: Span, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            span,
            code,
            severity: Severity::Error,
            message: message.into(),
            hint: None,
            path: String::new(),
        }
    }

    pub(crate) fn warning(span: Span, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, code, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }
}

/// `text` in backticks, short and printable.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text.chars().take(MOST).map(printable).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Names in backticks with commas.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// A character that cannot disturb a terminal.
pub(crate) fn printable(char: char) -> char {
    if char.is_control() { '�' } else { char }
}

/// A path with `/` on every system.
pub(crate) fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/").replacen("//", "/", 1)
}

/// "did you mean", when one of `known` is close to `name`.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(name, known).map(|close| format!("did you mean {}?", quoted(close)))
}

/// The one of `known` that is closest to `name`, if any is close.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace(['-', ' '], "_");
    known
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let allowed = (wanted.chars().count().max(lower.chars().count()) / 3).max(1);
            (distance <= allowed).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
