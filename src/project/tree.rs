//! YAML text → a tree that remembers where everything stands.
//!
//! Scalars stay text with their style. What a scalar means is decided where a type is expected, so
//! `NO` never becomes false behind anyone's back.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::problem::Fault;

/// Nesting beyond this is refused: no project file needs it.
const MAX_DEPTH: usize = 32;

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters on that line; at least 1 once shown.
    pub length: usize,
    /// Lines it covers.
    pub lines: usize,
}

impl Span {
    /// The beginning of a file.
    pub(crate) const START: Span = Span {
        line: 1,
        column: 1,
        length: 1,
        lines: 1,
    };
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text, and whether it stood there without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// The entries of a mapping; nothing for other nodes.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of `key`.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The texts of a scalar or of a list of scalars, with their places.
    pub(crate) fn texts(&self) -> Vec<(&str, Span)> {
        match &self.kind {
            Kind::Scalar { text, .. } => vec![(text.as_str(), self.span)],
            Kind::Sequence(items) => items
                .iter()
                .filter_map(|item| Some((item.text()?, item.span)))
                .collect(),
            Kind::Mapping(_) => Vec::new(),
        }
    }

    /// Where `path` (`fields.email.column`, `key.1`) stands, or the nearest thing above it that
    /// exists. Scalars are shown at their value, everything else at its key.
    pub(crate) fn locate(&self, path: &str) -> Span {
        let mut best = self.span;
        let mut node = self;
        let mut rest = path;
        while !rest.is_empty() {
            let Some((span, child, tail)) = node.step(rest) else {
                break;
            };
            best = match child.kind {
                Kind::Scalar { .. } if child.span.length > 0 => child.span,
                _ => span,
            };
            node = child;
            rest = tail;
        }
        best
    }

    /// The child that `path` begins with. Field names may hold dots, so the longest key wins.
    fn step<'a, 'p>(&'a self, path: &'p str) -> Option<(Span, &'a Node, &'p str)> {
        let tail_of = |name: &str| {
            let tail = path.strip_prefix(name)?;
            if tail.is_empty() {
                Some("")
            } else {
                tail.strip_prefix('.')
            }
        };
        match &self.kind {
            Kind::Scalar { .. } => None,
            Kind::Sequence(items) => {
                let (index, tail) = path.split_once('.').unwrap_or((path, ""));
                let item = items.get(index.parse::<usize>().ok()?)?;
                Some((item.span, item, tail))
            }
            Kind::Mapping(entries) => entries
                .iter()
                .filter_map(|entry| Some((entry, tail_of(&entry.key)?)))
                .max_by_key(|(entry, _)| entry.key.len())
                .map(|(entry, tail)| (entry.key_span, &entry.value, tail)),
        }
    }
}

/// A file's tree, as far as it has one, and what is wrong with its YAML.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) root: Option<Node>,
    pub(crate) faults: Vec<Fault>,
}

enum Frame {
    Sequence {
        span: Span,
        items: Vec<Node>,
    },
    Mapping {
        span: Span,
        entries: Vec<Entry>,
        key: Option<(String, Span)>,
        /// Lines of the keys so far.
        seen: HashMap<String, usize>,
    },
}

/// Parses one YAML document.
pub(crate) fn parse(text: &str) -> Parsed {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(step) = parser.next_event() {
        let outcome = match step {
            Ok((event, span)) => builder.event(event, convert(span)),
            Err(error) => Err(syntax_fault(&error, text)),
        };
        if let Err(fault) = outcome {
            builder.faults.push(fault);
            return Parsed {
                root: None,
                faults: builder.faults,
            };
        }
    }
    Parsed {
        root: builder.root,
        faults: builder.faults,
    }
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    stack: Vec<Frame>,
    documents: usize,
    faults: Vec<Fault>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::error(
                        span,
                        "several_documents",
                        "a second YAML document begins here",
                    )
                    .hint("keep one document per file; write one mapping file per sync"));
                }
                Ok(())
            }
            Event::Alias(_) => Err(alias_fault(span)),
            Event::Scalar(text, style, anchor, tag) => {
                self.check_marks(span, anchor, tag.is_some())?;
                let plain = style == ScalarStyle::Plain;
                self.place(Node {
                    span,
                    kind: Kind::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                })
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_marks(span, anchor, tag.is_some())?;
                self.open(Frame::Sequence {
                    span,
                    items: Vec::new(),
                })
            }
            Event::MappingStart(anchor, tag) => {
                self.check_marks(span, anchor, tag.is_some())?;
                self.open(Frame::Mapping {
                    span,
                    entries: Vec::new(),
                    key: None,
                    seen: HashMap::new(),
                })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Frame::Sequence { span, items }) => self.place(Node {
                    span,
                    kind: Kind::Sequence(items),
                }),
                Some(Frame::Mapping { span, entries, .. }) => self.place(Node {
                    span,
                    kind: Kind::Mapping(entries),
                }),
                None => Ok(()),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn check_marks(&mut self, span: Span, anchor: usize, tagged: bool) -> Result<(), Fault> {
        if anchor > 0 {
            return Err(alias_fault(span));
        }
        if tagged {
            self.faults.push(
                Fault::error(span, "yaml_tag", "YAML tags such as `!name` are not supported")
                    .hint("remove the tag; put quotes around a value to make it text"),
            );
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame) -> Result<(), Fault> {
        let span = match &frame {
            Frame::Sequence { span, .. } | Frame::Mapping { span, .. } => *span,
        };
        if let Some(Frame::Mapping { key: None, .. }) = self.stack.last() {
            return Err(key_fault(span));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(Fault::error(
                span,
                "too_deep",
                format!("nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        self.stack.push(frame);
        Ok(())
    }

    fn place(&mut self, node: Node) -> Result<(), Fault> {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::Sequence { items, .. }) => items.push(node),
            Some(Frame::Mapping {
                entries, key, seen, ..
            }) => match key.take() {
                Some((name, key_span)) => entries.push(Entry {
                    key: name,
                    key_span,
                    value: node,
                }),
                None => {
                    let Kind::Scalar { text, .. } = node.kind else {
                        return Err(key_fault(node.span));
                    };
                    if let Some(first) = seen.insert(text.clone(), node.span.line) {
                        // Not quoted: it may be a secret in the wrong place.
                        let message = format!("this key stands here a second time, earlier on line {first}");
                        self.faults.push(
                            Fault::error(node.span, "duplicate_key", message).hint("keep one of the two"),
                        );
                    }
                    *key = Some((text, node.span));
                }
            },
        }
        Ok(())
    }
}

fn alias_fault(span: Span) -> Fault {
    Fault::error(
        span,
        "yaml_alias",
        "YAML anchors and aliases (`&name`, `*name`) are not supported",
    )
    .hint("write the value out; put quotes around text that begins with `&` or `*`")
}

fn key_fault(span: Span) -> Fault {
    Fault::error(span, "bad_key", "a key must be plain text")
        .hint("put quotes around a value that begins with `{` or `[`")
}

fn convert(span: saphyr_parser::Span) -> Span {
    let length = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        // The rest of the line; cut to it when shown.
        usize::MAX
    };
    let last = span.end.line() - usize::from(span.end.col() == 0 && span.end.line() > span.start.line());
    Span {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
        length,
        lines: last.saturating_sub(span.start.line()) + 1,
    }
}

fn syntax_fault(error: &ScanError, text: &str) -> Fault {
    let marker = error.marker();
    let span = Span {
        line: marker.line().max(1),
        column: marker.col() + 1,
        length: 1,
        lines: 1,
    };
    // A tab breaks the line it stands in, but the parser may notice one line before.
    let tabbed = (span.line..=span.line + 1).find_map(|line| {
        let content = text.lines().nth(line - 1)?;
        let indent = content.len() - content.trim_start().len();
        let at = content.get(..indent)?.chars().position(|char| char == '\t')?;
        Some((line, at + 1))
    });
    if let (true, Some((line, column))) = (error.info().contains("tab"), tabbed) {
        let span = Span {
            line,
            column,
            length: 1,
            lines: 1,
        };
        return Fault::error(span, "yaml_tab", "this line is indented with a tab")
            .hint("YAML wants spaces; set the editor to insert them");
    }
    if error.info().contains("unknown anchor") {
        return alias_fault(span);
    }
    let fault = Fault::error(
        span,
        "yaml_syntax",
        format!("this is not valid YAML: {}", error.info()),
    );
    match error.info() {
        info if info.contains("mapping values are not allowed") || info.contains("placement of ':'") => {
            fault.hint("check the indentation, and put quotes around text that holds `: `")
        }
        info if info.contains("did not find expected key") => {
            fault.hint("keys of one block must begin in the same column")
        }
        info if info.contains("expected node content") => {
            fault.hint("a value or a closing bracket is missing")
        }
        info if info.contains("unexpected character") => {
            fault.hint("put quotes around text that begins with this character")
        }
        info if info.contains("quoted scalar") => fault.hint("close the quotes"),
        info if info.contains("end of stream") || info.contains("expected ',' or") => {
            fault.hint("close the bracket")
        }
        _ => fault,
    }
}
