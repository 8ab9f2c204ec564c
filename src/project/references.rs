//! `${env:NAME}` and `${file:/path}`: values that do not stand in the file.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::problem::{Severity, quoted};

/// What stands for a value that is not there when the project is checked offline.
const PLACEHOLDER: &str = "unset.invalid";

/// Looks references up and remembers what they gave, so that no message repeats it.
pub(crate) struct References<'a> {
    pub(crate) root: &'a Path,
    pub(crate) offline: bool,
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    resolved: RefCell<Vec<String>>,
    /// Files that were looked at, as they are written.
    files: RefCell<Vec<PathBuf>>,
}

/// What a text with references became.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Resolution {
    pub(crate) value: String,
    /// Some reference had no value and a placeholder stands for it.
    pub(crate) placeholder: bool,
    pub(crate) faults: Vec<ReferenceFault>,
}

/// Why a reference has no value.
#[derive(Debug, PartialEq)]
pub(crate) struct ReferenceFault {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) hint: String,
}

#[derive(Debug, PartialEq)]
enum Part<'t> {
    Text(&'t str),
    Env(&'t str),
    File(&'t str),
    Unknown(&'t str),
    Open,
}

/// Whether a text holds a reference (or something that looks like one).
pub(crate) fn has_reference(text: &str) -> bool {
    parts(text).iter().any(|part| !matches!(part, Part::Text(_)))
}

/// Whether a text is one reference and nothing else.
pub(crate) fn is_reference(text: &str) -> bool {
    matches!(parts(text).as_slice(), [Part::Env(_) | Part::File(_)])
}

/// Splits a text. `$${` stands for `${` itself.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(kept) = before.strip_suffix('$') {
            found.push(Part::Text(kept));
            found.push(Part::Text("${"));
            rest = &from[2..];
            continue;
        }
        if !before.is_empty() {
            found.push(Part::Text(before));
        }
        let Some(end) = from.find('}') else {
            found.push(Part::Open);
            return found;
        };
        let inner = &from[2..end];
        found.push(match inner.split_once(':') {
            Some(("env", name)) if is_env_name(name) => Part::Env(name),
            Some(("file", path)) if !path.trim().is_empty() => Part::File(path.trim()),
            _ => Part::Unknown(inner),
        });
        rest = &from[end + 1..];
    }
    if !rest.is_empty() {
        found.push(Part::Text(rest));
    }
    found
}

fn is_env_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|char: char| char.is_ascii_digit())
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
}

impl<'a> References<'a> {
    pub(crate) fn new(root: &'a Path, offline: bool, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            root,
            offline,
            env,
            resolved: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Replaces the references of a text by their values.
    pub(crate) fn resolve(&self, text: &str) -> Resolution {
        let mut out = Resolution::default();
        for part in parts(text) {
            let looked_up = match part {
                Part::Text(text) => {
                    out.value.push_str(text);
                    continue;
                }
                Part::Env(name) => self.environment(name),
                Part::File(path) => self.file(path),
                Part::Unknown(inner) => Err(unknown(inner)),
                Part::Open => Err(ReferenceFault {
                    code: "bad_reference",
                    severity: Severity::Error,
                    message: "`${` is not closed".into(),
                    hint: "write `${env:NAME}`; `$${` stands for a literal `${`".into(),
                }),
            };
            match looked_up {
                Ok(value) => {
                    out.value.push_str(&value);
                    self.resolved.borrow_mut().push(value);
                }
                Err(fault) => {
                    out.placeholder |= fault.severity == Severity::Warning;
                    out.value.push_str(PLACEHOLDER);
                    out.faults.push(fault);
                }
            }
        }
        out
    }

    fn environment(&self, name: &str) -> Result<String, ReferenceFault> {
        match (self.env)(name) {
            Some(value) if !value.is_empty() => Ok(value),
            given => {
                let state = if given.is_some() { "is empty" } else { "is not set" };
                Err(ReferenceFault {
                    code: "unset_env",
                    severity: self.absent(),
                    message: format!("the environment variable `{name}` {state}"),
                    hint: format!("set it before starting, for example `export {name}=…`"),
                })
            }
        }
    }

    /// Remembers that the project depends on a file.
    pub(crate) fn note_file(&self, path: PathBuf) {
        self.files.borrow_mut().push(path);
    }

    /// The files the project depends on, beside its own YAML.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.files.borrow().clone()
    }

    fn file(&self, path: &str) -> Result<String, ReferenceFault> {
        self.note_file(PathBuf::from(path));
        let reason = match std::fs::read_to_string(self.root.join(path)) {
            Ok(value) => {
                let value = value.strip_suffix('\n').unwrap_or(&value);
                let value = value.strip_suffix('\r').unwrap_or(value);
                if !value.is_empty() {
                    return Ok(value.to_owned());
                }
                "it is empty"
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => "it is not UTF-8 text",
            Err(error) => super::file::io_reason(&error),
        };
        Err(ReferenceFault {
            code: "unreadable_secret",
            severity: self.absent(),
            message: format!("the file {} cannot be used: {reason}", quoted(path)),
            hint: "write the value, and nothing else, into that file".into(),
        })
    }

    /// What an absent value is: offline, secrets may be elsewhere.
    fn absent(&self) -> Severity {
        if self.offline {
            Severity::Warning
        } else {
            Severity::Error
        }
    }

    /// Takes every resolved value out of a message.
    pub(crate) fn scrub(&self, message: &str) -> String {
        let mut clean = message.to_owned();
        for value in self.resolved.borrow().iter() {
            // Very short values would tear words apart and are no secrets; whole words still go.
            if value.chars().count() >= 4 {
                clean = clean.replace(value.as_str(), "***");
            } else {
                let words = clean
                    .split(' ')
                    .map(|word| if word == value { "***" } else { word });
                clean = words.collect::<Vec<_>>().join(" ");
            }
        }
        clean
    }
}

fn unknown(inner: &str) -> ReferenceFault {
    let hint = if is_env_name(inner) {
        format!("write `${{env:{inner}}}`; `$${{` stands for a literal `${{`")
    } else {
        "write `${env:NAME}` or `${file:/path}`; `$${` stands for a literal `${`".into()
    };
    ReferenceFault {
        code: "bad_reference",
        severity: Severity::Error,
        message: format!("{} is no reference", quoted(&format!("${{{inner}}}"))),
        hint,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn resolve(text: &str, offline: bool) -> Resolution {
        let env = |name: &str| match name {
            "HOST" => Some("db.example".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        References::new(Path::new("/nowhere"), offline, &env).resolve(text)
    }

    #[test]
    fn a_reference_may_be_a_part_of_a_text() {
        assert_eq!(
            resolve("https://${env:HOST}/x", false).value,
            "https://db.example/x"
        );
        assert_eq!(resolve("$${env:HOST}", false).value, "${env:HOST}");
        assert!(!has_reference("$${env:HOST}"));
        assert!(is_reference("${env:HOST}"));
        assert!(!is_reference("Bearer ${env:HOST}"));
    }

    #[test]
    fn an_absent_value_is_an_error_online_and_a_warning_offline() {
        for (text, code) in [
            ("${env:NOT_THERE}", "unset_env"),
            ("${env:EMPTY}", "unset_env"),
            ("${file:/nowhere/secret}", "unreadable_secret"),
        ] {
            let fault = |offline| resolve(text, offline).faults.into_iter().next().unwrap();
            assert_eq!(
                (fault(false).code, fault(false).severity),
                (code, Severity::Error)
            );
            assert_eq!(fault(true).severity, Severity::Warning, "{text}");
        }
    }

    #[test]
    fn a_malformed_reference_is_explained() {
        let fault = |text| resolve(text, true).faults.into_iter().next().unwrap();
        assert_eq!(fault("${HOME}").message, "`${HOME}` is no reference");
        assert!(fault("${HOME}").hint.starts_with("write `${env:HOME}`"));
        assert_eq!(fault("a ${env:X").message, "`${` is not closed");
        assert_eq!(fault("${env:1X}").severity, Severity::Error);
    }

    #[test]
    fn a_secret_file_gives_its_text_without_the_last_newline() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "pat-1 \r\n").unwrap();
        let env = |_: &str| None;
        let references = References::new(folder.path(), false, &env);
        assert_eq!(references.resolve("${file:token}").value, "pat-1 ");
        assert_eq!(references.scrub("got pat-1  back"), "got *** back");
    }
}
