//! Names of tables as they are written.

use outflow_sdk::ConnectorError;

/// A name as SQL takes it whatever it consists of.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The parts of `schema.table` as the server has them: names in quotes as they are, plain ones in lower
/// case as in SQL.
///
/// # Errors
/// `Config` when a part is empty, a quote is not closed, or there are more than three parts.
pub(crate) fn table_parts(name: &str) -> Result<Vec<String>, ConnectorError> {
    let wrong = || {
        ConnectorError::config("table_name", format!("'{name}' is no name of a table")).with_hint(
            "write `table`, `schema.table` or, where a name has capitals or dots, `schema.\"Table\"`",
        )
    };
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted_part(inside).ok_or_else(wrong)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                (folded(part.trim()), after)
            }
        };
        if part.is_empty() || part.contains('\0') {
            return Err(wrong());
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() && parts.len() <= 3 => return Ok(parts),
            None => return Err(wrong()),
        }
    }
}

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

/// SQL folds plain names; a name that could not be written without quotes is meant as it is.
fn folded(part: &str) -> String {
    let plain = part
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'));
    if plain {
        part.to_ascii_lowercase()
    } else {
        part.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tables_are_named_as_in_sql() {
        for (name, parts) in [
            ("customers", vec!["customers"]),
            ("Analytics.Customers", vec!["analytics", "customers"]),
            ("analytics.\"Customers\"", vec!["analytics", "Customers"]),
            ("\"a.b\".\"c\"\"d\"", vec!["a.b", "c\"d"]),
            ("db.public.orders-2026", vec!["db", "public", "orders-2026"]),
        ] {
            assert_eq!(table_parts(name).unwrap(), parts, "{name}");
        }
        for name in ["", "a..b", "\"a", "a.b.c.d", "\"a\"b", "x; drop table y.z.w.v"] {
            assert_eq!(table_parts(name).unwrap_err().code, "table_name", "{name}");
        }
        assert_eq!(quoted("a\"; drop"), "\"a\"\"; drop\"");
    }
}
