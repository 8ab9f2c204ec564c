//! Whether a model is one statement that reads, by the server's rules for quotes and comments.
//!
//! The server has the last word on what SQL means; this reading only makes sure that what it is sent
//! as a subquery cannot end there. Redshift reads a backslash in a string as an escape and PostgreSQL
//! does not, so for Redshift a second statement under either reading is refused.

use outflow_sdk::ConnectorError;

use crate::dialect::Dialect;

/// The statement of a model, from its start to where it ends (a `;` and what follows are cut off).
///
/// # Errors
/// `Config` with the place, when it is none, several, or does not read.
pub(crate) fn single(sql: &str, dialect: Dialect) -> Result<&str, ConnectorError> {
    let body = Scan::new(sql, false).run().map_err(|fault| fault.told(sql))?;
    if dialect == Dialect::Redshift
        && let Err(fault @ Fault::Several(_)) = Scan::new(sql, true).run()
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
        let at = |offset: usize| {
            let (line, column) = line_and_column(sql, offset);
            format!("line {line}, column {column} of the model")
        };
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
        ConnectorError::config(code, message).with_hint(hint)
    }
}

/// Line and column, from 1 and in characters, of a byte of `text`.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

struct Scan<'a> {
    sql: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Whether a backslash escapes in every string.
    escapes: bool,
}

impl<'a> Scan<'a> {
    fn new(sql: &'a str, escapes: bool) -> Self {
        Self {
            sql,
            bytes: sql.as_bytes(),
            at: 0,
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
                let reads = ["select", "with", "values", "table"];
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
            (b'-', b'-') => {
                while self.at < self.bytes.len() && self.byte(0) != b'\n' {
                    self.at += 1;
                }
            }
            (b'/', b'*') => {
                self.at += 2;
                let mut depth = 1;
                while depth > 0 {
                    match (self.byte(0), self.byte(1)) {
                        _ if self.at >= self.bytes.len() => {
                            return Err(Fault::Unterminated("a comment", start));
                        }
                        (b'/', b'*') => {
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

    /// Skips one token that is neither `;` nor a parenthesis.
    fn token(&mut self) -> Result<(), Fault<'a>> {
        let start = self.at;
        match self.byte(0) {
            b'\'' => self.quoted(b'\'', self.escapes, "a string"),
            b'"' => self.quoted(b'"', false, "a quoted name"),
            b'e' | b'E' if self.byte(1) == b'\'' => {
                self.at += 1;
                self.quoted(b'\'', true, "a string")
            }
            b'$' if self.byte(1).is_ascii_digit() => Err(Fault::Parameter(start)),
            b'$' => self.dollar_quoted(),
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
        self.at += 1;
        loop {
            match self.byte(0) {
                _ if self.at >= self.bytes.len() => return Err(Fault::Unterminated(what, start)),
                b'\\' if escapes => self.at += 2,
                byte if byte == quote && self.byte(1) == quote => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn dollar_quoted(&mut self) -> Result<(), Fault<'a>> {
        let start = self.at;
        let mut end = start + 1;
        while self
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn code(sql: &str) -> &'static str {
        single(sql, Dialect::Postgres).map_or_else(|error| error.code, |_| "one")
    }

    #[test]
    fn one_query_is_taken_up_to_its_semicolon() {
        let sql = "SELECT 1 ; -- done;\n ; /* ; */";
        assert_eq!(single(sql, Dialect::Postgres).unwrap(), "SELECT 1 ");
        for sql in [
            "select ';', \"a;b\", $$;$$, $t$ $$ ; $t$, E'\\';' -- ;",
            "/* a /* nested; */ one */ with x as (select 1) select * from x",
            "((select 1))",
            "values (1)",
            "TABLE t",
            "select a$1 from t where b = 'it''s; fine'",
            ";select 1",
        ] {
            assert_eq!(code(sql), "one", "{sql}");
        }
    }

    #[test]
    fn whatever_else_is_refused_by_name() {
        for (sql, expected) in [
            ("", "no_statement"),
            (" -- only a comment", "no_statement"),
            (";", "no_statement"),
            ("select 1; select 2", "several_statements"),
            ("select 1;'x'", "several_statements"),
            ("delete from t", "not_a_query"),
            ("COMMIT", "not_a_query"),
            ("(delete from t)", "not_a_query"),
            (
                "select 1) as a; drop table t; select * from (select 1",
                "sql_syntax",
            ),
            ("select 'a", "sql_syntax"),
            ("select \"a", "sql_syntax"),
            ("select $x$ a $y$", "sql_syntax"),
            ("select 1 /* a", "sql_syntax"),
            ("select * from t where id = $1", "sql_parameter"),
            ("select 1\0", "sql_syntax"),
        ] {
            assert_eq!(code(sql), expected, "{sql}");
        }
        let error = single("select 1;\n  drop table t", Dialect::Postgres).unwrap_err();
        assert_eq!(
            error.message,
            "a second statement begins at line 2, column 3 of the model"
        );
    }

    #[test]
    fn a_backslash_hides_no_second_statement_from_redshift() {
        // One string in PostgreSQL; where a backslash escapes, the string ends earlier.
        let sql = r"select '\''; drop table t; --'";
        assert_eq!(
            single(sql, Dialect::Redshift).unwrap_err().code,
            "several_statements"
        );
        let sql = r"select 'C:\' as path";
        assert!(single(sql, Dialect::Redshift).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(sql in "[ -~\n;'\"$()é\\\\]{0,40}") {
            let _ = single(&sql, Dialect::Redshift);
            let _ = single(&format!("select {sql}"), Dialect::Postgres);
        }

        #[test]
        fn a_quoted_text_is_never_a_statement(text in "[ -~\n;é]{0,20}") {
            let sql = format!("select '{}'", text.replace('\'', "''"));
            prop_assert!(single(&sql, Dialect::Postgres).is_ok());
        }
    }
}
