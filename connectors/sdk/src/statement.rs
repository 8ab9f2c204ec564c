//! Whether a model is one statement that reads, by a warehouse's rules for quotes and comments.
//!
//! The server has the last word on what SQL means; this reading only makes sure that what it is sent
//! as a subquery cannot end there.

mod dialect;
#[cfg(test)]
mod tests;

use crate::error::{ConnectorError, ModelPlace};

pub use dialect::{Backslash, Dialect, DollarStrings};

/// The statement of a model, from its start to where it ends (a `;` and what follows are cut off).
///
/// # Errors
/// `Config` with the place, when it is none, several, or does not read.
pub fn single<'a>(sql: &'a str, dialect: &Dialect) -> Result<&'a str, ConnectorError> {
    let escapes = dialect.backslash == Backslash::Escapes;
    let body = Scan::new(sql, dialect, escapes)
        .run()
        .map_err(|fault| fault.told(sql))?;
    if dialect.backslash == Backslash::Either
        && let Err(fault @ Fault::Several(_)) = Scan::new(sql, dialect, true).run()
    {
        return Err(fault.told(sql));
    }
    Ok(body)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault<'a> {
    Nothing,
    Several(usize),
    NotAQuery(&'a str),
    Unterminated(&'static str, usize),
    Unbalanced(usize),
    Parameter(usize),
    Zero(usize),
}

impl Fault<'_> {
    fn told(self, sql: &str) -> ConnectorError {
        let at = |offset: usize| place_of(sql, offset);
        let (code, message, hint) = match self {
            Fault::Nothing => (
                "no_statement",
                "the model's SQL has no statement in it".to_owned(),
                "write a SELECT",
            ),
            Fault::Several(offset) => (
                "several_statements",
                format!("a second statement begins at {}", at(offset)),
                "a model is one SELECT; use WITH for steps before it",
            ),
            Fault::NotAQuery(word) => (
                "not_a_query",
                format!("the model begins with {} and is no query", word.to_uppercase()),
                "a model is one SELECT that only reads",
            ),
            Fault::Unterminated(what, offset) => (
                "sql_syntax",
                format!("{what} that begins at {} does not end", at(offset)),
                "close it",
            ),
            Fault::Unbalanced(offset) => (
                "sql_syntax",
                format!("a parenthesis is closed at {} that was not opened", at(offset)),
                "remove it",
            ),
            Fault::Parameter(offset) => (
                "sql_parameter",
                format!("there is a parameter at {}, and models have none", at(offset)),
                "write the value itself",
            ),
            Fault::Zero(offset) => (
                "sql_syntax",
                format!("there is a zero byte at {}", at(offset)),
                "remove it",
            ),
        };
        let place = self.offset().map(at);
        ConnectorError::config(code, message)
            .with_hint(hint)
            .with_place(place)
    }

    fn offset(self) -> Option<usize> {
        match self {
            Fault::Nothing | Fault::NotAQuery(_) => None,
            Fault::Several(offset)
            | Fault::Unterminated(_, offset)
            | Fault::Unbalanced(offset)
            | Fault::Parameter(offset)
            | Fault::Zero(offset) => Some(offset),
        }
    }
}

/// The place of a byte of a model's SQL.
pub fn place_of(text: &str, offset: usize) -> ModelPlace {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    ModelPlace { line, column }
}

struct Scan<'a, 'd> {
    sql: &'a str,
    bytes: &'a [u8],
    at: usize,
    dialect: &'d Dialect,
    /// Whether a backslash escapes in every string.
    escapes: bool,
}

impl<'a, 'd> Scan<'a, 'd> {
    fn new(sql: &'a str, dialect: &'d Dialect, escapes: bool) -> Self {
        Self {
            sql,
            bytes: sql.as_bytes(),
            at: 0,
            dialect,
            escapes,
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(mut self) -> Result<&'a str, Fault<'a>> {
        let mut first: Option<&'a str> = None;
        let mut end = None;
        let mut depth = 0usize;
        while self.at < self.bytes.len() {
            let start = self.at;
            if self.skip_blank()? {
                continue;
            }
            if end.is_some() && self.byte(0) != b';' {
                return Err(Fault::Several(start));
            }
            match self.byte(0) {
                b';' => {
                    if first.is_some() && end.is_none() {
                        end = Some(start);
                    }
                    self.at += 1;
                    continue;
                }
                b'(' => {
                    depth += 1;
                    self.at += 1;
                }
                b')' => {
                    depth = depth.checked_sub(1).ok_or(Fault::Unbalanced(start))?;
                    self.at += 1;
                }
                0 => return Err(Fault::Zero(start)),
                _ => self.token()?,
            }
            // A parenthesis in front of a SELECT is none of its words.
            let token = self.sql.get(start..self.at).unwrap_or_default();
            if first.is_none() && token != "(" {
                let reads = self.dialect.first_words;
                if !reads.iter().any(|word| token.eq_ignore_ascii_case(word)) {
                    return Err(Fault::NotAQuery(token));
                }
                first = Some(token);
            }
        }
        match first {
            Some(_) => Ok(self.sql.get(..end.unwrap_or(self.sql.len())).unwrap_or(self.sql)),
            None => Err(Fault::Nothing),
        }
    }

    /// Skips white space or one comment.
    fn skip_blank(&mut self) -> Result<bool, Fault<'a>> {
        let start = self.at;
        match (self.byte(0), self.byte(1)) {
            (byte, _) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
            (b'-', b'-') => self.skip_line(),
            _ if self.dialect.line_comment.is_some_and(|mark| self.is_next(mark)) => self.skip_line(),
            (b'/', b'*') => {
                self.at += 2;
                let mut depth = 1;
                while depth > 0 {
                    match (self.byte(0), self.byte(1)) {
                        _ if self.at >= self.bytes.len() => {
                            return Err(Fault::Unterminated("a comment", start));
                        }
                        (b'/', b'*') if self.dialect.nested_comments => {
                            depth += 1;
                            self.at += 2;
                        }
                        (b'*', b'/') => {
                            depth -= 1;
                            self.at += 2;
                        }
                        _ => self.at += 1,
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn skip_line(&mut self) {
        while self.at < self.bytes.len() && self.byte(0) != b'\n' {
            self.at += 1;
        }
    }

    fn is_next(&self, text: &str) -> bool {
        self.bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(text.as_bytes()))
    }

    /// Skips one token that is neither `;` nor a parenthesis.
    fn token(&mut self) -> Result<(), Fault<'a>> {
        let start = self.at;
        let dialect = self.dialect;
        match self.byte(0) {
            b'\'' => self.string(b'\''),
            b'"' if dialect.double_quoted_strings => self.string(b'"'),
            b'"' => self.quoted(b'"', false, "a quoted name"),
            b'`' if dialect.backtick_names => self.quoted(b'`', self.escapes, "a quoted name"),
            b'e' | b'E' if dialect.escape_strings && self.byte(1) == b'\'' => {
                self.at += 1;
                self.quoted(b'\'', true, "a string")
            }
            b'$' if dialect.dollar_parameters && self.byte(1).is_ascii_digit() => {
                Err(Fault::Parameter(start))
            }
            b'$' if dialect.dollar_strings != DollarStrings::No => self.dollar_quoted(),
            byte if is_word_start(byte) => {
                while is_word(self.byte(0)) {
                    self.at += 1;
                }
                Ok(())
            }
            byte if byte.is_ascii_digit() => {
                // Digits and what may cling to them: `1e5`, `0x1f`; never a dollar sign.
                while is_word(self.byte(0)) && self.byte(0) != b'$' {
                    self.at += 1;
                }
                Ok(())
            }
            _ => {
                self.at += 1;
                Ok(())
            }
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool, what: &'static str) -> Result<(), Fault<'a>> {
        let start = self.at;
        // Where three quotes are one, two are an empty string.
        let doubles = !self.dialect.triple_quotes;
        self.at += 1;
        loop {
            match self.byte(0) {
                _ if self.at >= self.bytes.len() => return Err(Fault::Unterminated(what, start)),
                b'\\' if escapes => self.at += 2,
                byte if byte == quote && self.byte(1) == quote && doubles => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn string(&mut self, quote: u8) -> Result<(), Fault<'a>> {
        let is_triple = self.byte(1) == quote && self.byte(2) == quote;
        if !(self.dialect.triple_quotes && is_triple) {
            return self.quoted(quote, self.escapes, "a string");
        }
        let start = self.at;
        self.at += 3;
        loop {
            match self.byte(0) {
                _ if self.at >= self.bytes.len() => return Err(Fault::Unterminated("a string", start)),
                b'\\' => self.at += 2,
                byte if byte == quote && self.byte(1) == quote && self.byte(2) == quote => {
                    self.at += 3;
                    return Ok(());
                }
                _ => self.at += 1,
            }
        }
    }

    fn dollar_quoted(&mut self) -> Result<(), Fault<'a>> {
        let start = self.at;
        let mut end = start + 1;
        while self.dialect.dollar_strings == DollarStrings::Tagged
            && self
                .bytes
                .get(end)
                .is_some_and(|byte| is_word(*byte) && *byte != b'$')
        {
            end += 1;
        }
        if self.bytes.get(end) != Some(&b'$') {
            self.at += 1;
            return Ok(());
        }
        let tag = self.sql.get(start..=end).unwrap_or_default();
        let rest = self.sql.get(end + 1..).unwrap_or_default();
        let closing = rest.find(tag).ok_or(Fault::Unterminated("a string", start))?;
        self.at = end + 1 + closing + tag.len();
        Ok(())
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}
