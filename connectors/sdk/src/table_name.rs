//! Names of tables as SQL writes them: parts between dots, in double quotes where they are odd.

use crate::error::ConnectorError;

/// What a server makes of the letters of a name without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// `Customers` is `customers`.
    Lower,
    /// `Customers` is `CUSTOMERS`.
    Upper,
}

/// How a kind of warehouse names tables.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// What becomes of names without quotes.
    pub fold: Fold,
    /// The schema of `database..table`, where that may be written.
    pub schema_between_dots: Option<&'static str>,
    /// How a name may be written, for those who wrote another.
    pub hint: &'static str,
}

impl Naming {
    /// The parts of a table's name as the server has them: names in quotes as they are, plain ones folded
    /// as in SQL.
    ///
    /// # Errors
    /// `Config` when a part is empty, a quote is not closed, or there are more than three parts.
    pub fn parts(&self, name: &str) -> Result<Vec<String>, ConnectorError> {
        let wrong = || {
            ConnectorError::config("table_name", format!("'{name}' is no name of a table"))
                .with_hint(self.hint)
        };
        let mut parts: Vec<String> = Vec::new();
        let mut rest = name.trim();
        loop {
            let (part, after) = match rest.strip_prefix('"') {
                Some(inside) => quoted_part(inside).ok_or_else(wrong)?,
                None => {
                    let end = rest.find('.').unwrap_or(rest.len());
                    let (part, after) = rest.split_at(end);
                    (self.folded(part.trim()), after)
                }
            };
            let between_dots = part.is_empty() && parts.len() == 1 && after.starts_with('.');
            match self.schema_between_dots {
                Some(schema) if between_dots => parts.push(schema.to_owned()),
                _ if part.is_empty() || part.contains('\0') => return Err(wrong()),
                _ => parts.push(part),
            }
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() && parts.len() <= 3 => return Ok(parts),
                None => return Err(wrong()),
            }
        }
    }

    /// A name that the server has as a model writes it.
    pub fn written(&self, name: &str) -> String {
        let is_folded = |byte: u8| match self.fold {
            Fold::Lower => byte.is_ascii_lowercase(),
            Fold::Upper => byte.is_ascii_uppercase(),
        };
        let plain = |byte: u8| is_folded(byte) || byte.is_ascii_digit() || byte == b'_';
        if name.bytes().all(plain) {
            name.to_ascii_lowercase()
        } else {
            quoted(name)
        }
    }

    /// SQL folds plain names; a name that could not be written without quotes is meant as it is.
    fn folded(&self, part: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
        match self.fold {
            _ if !part.bytes().all(plain) => part.to_owned(),
            Fold::Lower => part.to_ascii_lowercase(),
            Fold::Upper => part.to_ascii_uppercase(),
        }
    }
}

/// A name as SQL takes it whatever it consists of.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name whose quote was opened, and what follows the quote that closes it.
fn quoted_part(inside: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = inside;
    loop {
        let end = rest.find('"')?;
        name.push_str(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LOWER: Naming = Naming {
        fold: Fold::Lower,
        schema_between_dots: None,
        hint: "write `schema.table`",
    };
    const UPPER: Naming = Naming {
        fold: Fold::Upper,
        schema_between_dots: Some("PUBLIC"),
        hint: "write `schema.table`",
    };

    #[test]
    fn tables_are_named_as_in_sql() {
        for (name, lower, upper) in [
            ("customers", vec!["customers"], vec!["CUSTOMERS"]),
            (
                "Analytics.Customers",
                vec!["analytics", "customers"],
                vec!["ANALYTICS", "CUSTOMERS"],
            ),
            (
                "analytics.\"Customers\"",
                vec!["analytics", "Customers"],
                vec!["ANALYTICS", "Customers"],
            ),
            ("\"a.b\".\"c\"\"d\"", vec!["a.b", "c\"d"], vec!["a.b", "c\"d"]),
            (
                "db.public.orders-2026",
                vec!["db", "public", "orders-2026"],
                vec!["DB", "PUBLIC", "orders-2026"],
            ),
        ] {
            assert_eq!(LOWER.parts(name).unwrap(), lower, "{name}");
            assert_eq!(UPPER.parts(name).unwrap(), upper, "{name}");
        }
        assert_eq!(UPPER.parts("db..t").unwrap(), ["DB", "PUBLIC", "T"]);
        assert_eq!(LOWER.parts("db..t").unwrap_err().code, "table_name");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in [
            "",
            "a.",
            ".a",
            "a...b",
            "\"a",
            "a.b.c.d",
            "\"a\"b",
            "a\0b",
            "x; drop table y.z.w.v",
        ] {
            for naming in [LOWER, UPPER] {
                assert_eq!(naming.parts(name).unwrap_err().code, "table_name", "{name}");
            }
        }
    }

    #[test]
    fn names_are_suggested_as_people_write_them() {
        for (naming, name, written) in [
            (LOWER, "customers_2", "customers_2"),
            (LOWER, "Customers", "\"Customers\""),
            (UPPER, "CUSTOMERS_2", "customers_2"),
            (UPPER, "Customers", "\"Customers\""),
        ] {
            assert_eq!(naming.written(name), written);
            assert_eq!(naming.parts(written).unwrap(), [name]);
        }
        assert_eq!(quoted("a\"; drop"), "\"a\"\"; drop\"");
    }
}
