//! Results on stdout: tables, colours with fixed meaning, and JSON documents.
//!
//! Colour only repeats what the words say: green success, red error, yellow warning, cyan hint.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::failure::Failure;
pub(crate) use crate::documents::time::{moment, span};
pub(crate) use outflow_sdk::numbers::count;

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Success,
    Error,
    Warning,
    Hint,
    Strong,
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Success => "32",
            Tone::Error => "31",
            Tone::Warning => "33",
            Tone::Hint => "36",
            Tone::Strong => "1",
            Tone::Faint => "2",
        }
    }
}

/// Where results go.
pub(crate) struct Output {
    out: Box<dyn Write>,
    /// Whether colours are used.
    pub(crate) colour: bool,
    width: Option<u16>,
    failed: Option<io::Error>,
}

impl Output {
    /// The process's stdout.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self {
            colour: colour_wanted(terminal),
            width: if terminal { None } else { Some(u16::MAX) },
            out: Box::new(stdout),
            failed: None,
        }
    }

    /// One line.
    pub(crate) fn line(&mut self, text: impl Display) {
        let written = writeln!(self.out, "{text}");
        self.keep(written);
    }

    /// Text as it is, for documents written piece by piece.
    pub(crate) fn raw(&mut self, text: &str) {
        let written = self.out.write_all(text.as_bytes());
        self.keep(written);
    }

    /// A headline with an empty line before it.
    pub(crate) fn headline(&mut self, text: impl Display) {
        let text = self.paint(Tone::Strong, text);
        self.line(format_args!("\n{text}"));
    }

    /// A JSON document.
    ///
    /// # Errors
    /// When the value has no JSON form, which is a bug.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::bug(error.to_string()))?;
        self.line(text);
        Ok(())
    }

    /// A table: a row of headings and rows of cells.
    pub(crate) fn table(&mut self, rows: &Rows) {
        let text = rows.draw(self.colour, self.width);
        self.line(text);
    }

    /// `text` in the colour of its meaning.
    pub(crate) fn paint(&self, tone: Tone, text: impl Display) -> String {
        paint(self.colour, tone, text)
    }

    /// Sends what was written so far on its way, for whoever reads along.
    pub(crate) fn flush(&mut self) {
        let flushed = self.out.flush();
        self.keep(flushed);
    }

    /// Makes sure everything was written. A reader that closed the pipe (`| head`) is no error.
    ///
    /// # Errors
    /// When stdout could not be written.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        let flushed = self.out.flush();
        self.keep(flushed);
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::config(
                "output",
                format!("cannot write to stdout: {error}"),
            )),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }
}

/// Whether a stream shows colours: a terminal does, unless `NO_COLOR` or `TERM=dumb` say no.
pub(crate) fn colour_wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// `text` in the colour of its meaning, when colours are on.
pub(crate) fn paint(colour: bool, tone: Tone, text: impl Display) -> String {
    if colour {
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    } else {
        text.to_string()
    }
}

/// Rows of a table under construction.
pub(crate) struct Rows {
    headings: Vec<&'static str>,
    rows: Vec<Vec<(String, Option<Tone>)>>,
    numeric: Vec<usize>,
}

impl Rows {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
            numeric: Vec::new(),
        }
    }

    /// Aligns these columns to the right.
    pub(crate) fn numeric(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.numeric.extend(columns);
        self
    }

    /// Adds a row.
    pub(crate) fn add<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push(cells.into_iter().map(|cell| (cell, None)).collect());
    }

    /// Adds a row whose cells may have a tone.
    pub(crate) fn add_toned(&mut self, cells: Vec<(String, Option<Tone>)>) {
        self.rows.push(cells);
    }

    fn draw(&self, colour: bool, width: Option<u16>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match width {
            Some(_) => table.set_content_arrangement(ContentArrangement::Disabled),
            None => table.set_content_arrangement(ContentArrangement::Dynamic),
        };
        if colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(
            self.headings
                .iter()
                .map(|heading| Cell::new(heading).add_attribute(comfy_table::Attribute::Bold)),
        );
        for row in &self.rows {
            table.add_row(row.iter().map(|(text, tone)| cell(&printable(text), *tone)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for &column in &self.numeric {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.trim_fmt()
    }
}

fn cell(text: &str, tone: Option<Tone>) -> Cell {
    use comfy_table::{Attribute, Color};
    let cell = Cell::new(text);
    match tone {
        None => cell,
        Some(Tone::Success) => cell.fg(Color::DarkGreen),
        Some(Tone::Error) => cell.fg(Color::DarkRed),
        Some(Tone::Warning) => cell.fg(Color::DarkYellow),
        Some(Tone::Hint) => cell.fg(Color::DarkCyan),
        Some(Tone::Strong) => cell.add_attribute(Attribute::Bold),
        Some(Tone::Faint) => cell.add_attribute(Attribute::Dim),
    }
}

/// `text` without anything that could steer a terminal: values come from outside.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

/// `1 request`, `2 requests`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number))
}

/// How long ago an instant was.
pub(crate) fn ago(now_ms: i64, ms: i64) -> String {
    let passed = u64::try_from(now_ms.saturating_sub(ms)).unwrap_or(0);
    if passed < 1_000 {
        return "just now".into();
    }
    let seconds = Duration::from_secs(passed / 1_000);
    let text = if seconds.as_secs() < 60 {
        format!("{} s", seconds.as_secs())
    } else {
        span(Duration::from_secs(seconds.as_secs() / 60 * 60))
    };
    format!("{text} ago")
}

/// A size in bytes as people read it.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} bytes");
    }
    let mut amount = bytes as f64 / 1_024.0;
    let mut unit = units[0];
    for next in &units[1..] {
        if amount < 1_024.0 {
            break;
        }
        amount /= 1_024.0;
        unit = next;
    }
    format!("{amount:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_like_speech() {
        assert_eq!(counted(1, "request"), "1 request");
        assert_eq!(counted(0, "request"), "0 requests");
        assert_eq!(span(Duration::from_millis(40)), "40 ms");
        assert_eq!(span(Duration::from_millis(3_200)), "3.2 s");
        assert_eq!(span(Duration::from_secs(720)), "12 min");
        assert_eq!(span(Duration::from_secs(725)), "12 min 5 s");
        assert_eq!(span(Duration::from_secs(18_600)), "5 h 10 min");
        assert_eq!(span(Duration::from_secs(86_400 * 3)), "3 days");
        assert_eq!(size(12), "12 bytes");
        assert_eq!(size(5 << 20), "5.0 MiB");
    }

    #[test]
    fn instants_are_utc() {
        assert_eq!(moment(0), "1970-01-01 00:00:00Z");
        assert_eq!(ago(100_000, 99_900), "just now");
        assert_eq!(ago(100_000, 40_000), "1 min ago");
        assert_eq!(ago(0, 5_000), "just now", "a clock that went back is no error");
    }

    #[test]
    fn a_table_is_plain_text_without_colours() {
        let mut rows = Rows::new(&["NAME", "ROWS"]).numeric([1]);
        rows.add(["a".into(), "12".into()]);
        rows.add_toned(vec![("long name".into(), Some(Tone::Error)), ("3".into(), None)]);
        let drawn = rows.draw(false, Some(u16::MAX));
        assert!(!drawn.contains('\u{1b}'), "{drawn:?}");
        assert!(drawn.lines().count() == 3, "{drawn}");
    }

    #[test]
    fn values_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }
}
