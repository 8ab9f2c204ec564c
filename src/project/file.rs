//! Files of a project: read with limits, shown with secrets masked.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::problem::{Excerpt, Fault, Problem, printable};
use super::tree::Span;

/// Larger files are refused: no hand-written project file comes near it.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// Characters of a line that are shown.
const SHOWN: usize = 120;

/// What stands where a secret was.
const MASK: &str = "***";

/// A text file of the project.
#[derive(Debug, Default)]
pub(crate) struct SourceFile {
    /// Relative to the project's folder.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// Places that must not be shown.
    masks: Vec<Span>,
    /// Whether values are hidden as long as nobody has looked at them: true while a file that may
    /// hold secrets is not understood.
    hide_values: bool,
}

impl SourceFile {
    /// Reads `path` below `root`.
    ///
    /// # Errors
    /// A fault at the place where reading stopped: not there, not readable, too large, not UTF-8.
    pub(crate) fn read(root: &Path, path: PathBuf) -> Result<Self, (Self, Fault)> {
        let fail = |path: PathBuf, fault: Fault| {
            let empty = Self {
                path,
                ..Self::default()
            };
            Err((empty, fault))
        };
        let bytes = match read_limited(&root.join(&path)) {
            Ok(bytes) => bytes,
            Err(fault) => return fail(path, fault),
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self {
                path,
                // YAML breaks lines at these too; as one kind, the parser's lines are ours.
                text: text.replace("\r\n", "\n").replace('\r', "\n"),
                ..Self::default()
            }),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let good = String::from_utf8_lossy(good);
                let last = good.rsplit('\n').next().unwrap_or_default();
                let span = Span {
                    line: good.matches('\n').count() + 1,
                    column: last.chars().count() + 1,
                    length: 1,
                    lines: 1,
                };
                let fault = Fault::error(span, "not_utf8", "this byte is not UTF-8 text")
                    .hint("save the file as UTF-8");
                fail(path, fault)
            }
        }
    }

    /// Never shows these places.
    pub(crate) fn mask(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.masks.extend(spans);
    }

    /// Hides every value of the file, or stops doing so.
    pub(crate) fn hide_values(&mut self, hide: bool) {
        self.hide_values = hide;
    }

    /// The problem with this file's name and the line it is about.
    pub(crate) fn problem(&self, fault: Fault) -> Problem {
        let excerpt = self.excerpt(fault.span);
        Problem {
            file: self.path.clone(),
            line: fault.span.line,
            column: fault.span.column,
            length: excerpt.as_ref().map_or(1, |excerpt| excerpt.width),
            code: fault.code,
            severity: fault.severity,
            message: fault.message,
            hint: fault.hint,
            path: fault.path,
            excerpt,
        }
    }

    fn excerpt(&self, span: Span) -> Option<Excerpt> {
        let line = self.text.lines().nth(span.line.checked_sub(1)?)?;
        let chars: Vec<char> = line.chars().collect();
        let start = (span.column - 1).min(chars.len());
        let end = start.saturating_add(span.length).min(chars.len());
        // Each character of the line, masked ones as the mask in place of their first.
        let mut shown: Vec<char> = Vec::with_capacity(chars.len());
        let mut places = Vec::with_capacity(chars.len() + 1);
        let mut masked_before = false;
        let hidden = self.hidden_characters(span.line, line, chars.len());
        for (char, masked) in chars.iter().zip(hidden) {
            places.push(shown.len());
            match (masked, masked_before) {
                (true, false) => shown.extend(MASK.chars()),
                (true, true) => {}
                (false, _) => shown.push(if *char == '\t' { '\t' } else { printable(*char) }),
            }
            masked_before = masked;
        }
        places.push(shown.len());
        let caret = places.get(start).copied()?;
        let width = places.get(end).copied()?.saturating_sub(caret).max(1);
        let from = caret.saturating_sub(SHOWN / 2);
        let from = if shown.len() <= SHOWN { 0 } else { from };
        let line: String = shown.iter().skip(from).take(SHOWN).collect();
        Some(Excerpt {
            line,
            caret: caret - from,
            width: width.min(SHOWN),
        })
    }

    /// For each of a line's `count` characters, whether it is hidden.
    fn hidden_characters(&self, number: usize, line: &str, count: usize) -> Vec<bool> {
        let mut hidden = vec![false; count];
        let mut hide = |from: usize, to: usize| {
            if let Some(range) = hidden.get_mut(from..to.min(count)) {
                range.fill(true);
            }
        };
        for mask in &self.masks {
            if mask.line == number {
                let from = mask.column - 1;
                hide(from, from.saturating_add(mask.length));
            } else if number > mask.line && number < mask.line + mask.lines {
                hide(0, count);
            }
        }
        if let (true, Some(from)) = (self.hide_values, value_begins(line)) {
            hide(from, count);
        }
        hidden
    }
}

/// Where the first value of a line begins, in characters: behind its first `:`, or at the text of a
/// line that has no key. A comment counts as a value: it may be a secret put aside.
fn value_begins(line: &str) -> Option<usize> {
    let indent = line.chars().take_while(|char| char.is_whitespace()).count();
    match line.find(": ") {
        Some(at) => Some(line.get(..at)?.chars().count() + 2),
        None if line.trim_end().ends_with(':') => None,
        None => Some(indent),
    }
}

fn read_limited(path: &Path) -> Result<Vec<u8>, Fault> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(
            Fault::error(Span::START, "too_large", "this file is larger than 1 MiB")
                .hint("data does not belong here; name a file or a table of a source instead"),
        );
    }
    Ok(bytes)
}

fn unreadable(error: &std::io::Error) -> Fault {
    Fault::error(
        Span::START,
        "unreadable_file",
        format!("this file cannot be read: {}", io_reason(error)),
    )
}

/// Why a file cannot be read, in a few words.
pub(crate) fn io_reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::IsADirectory => "it is a folder",
        _ => "the system reports an input error",
    }
}
