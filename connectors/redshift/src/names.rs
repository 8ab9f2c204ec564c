//! Names: tables as they are written, columns as they are asked for, and what was meant instead.

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

/// Positions of the wanted columns among `names`, in the model's order; all when `wanted` is empty.
///
/// # Errors
/// `missing_column` with the nearest name, `ambiguous_column` when several fit.
pub(crate) fn project(
    label: &str,
    names: &[String],
    wanted: &[String],
) -> Result<Vec<usize>, ConnectorError> {
    if wanted.is_empty() {
        for (at, name) in names.iter().enumerate() {
            if names.iter().skip(at + 1).any(|other| other == name) {
                return Err(ambiguous(label, name));
            }
        }
        return Ok((0..names.len()).collect());
    }
    let mut positions = Vec::with_capacity(wanted.len());
    for name in wanted {
        positions.push(find(label, names, name)?);
    }
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}

fn find(label: &str, names: &[String], wanted: &str) -> Result<usize, ConnectorError> {
    let matching = |test: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let found = names.iter().enumerate().filter(|(_, name)| test(name));
        found.map(|(at, _)| at).collect()
    };
    let folded = wanted.to_lowercase();
    let mut found = matching(&|name| name == wanted);
    if found.is_empty() {
        found = matching(&|name| name.to_lowercase() == folded);
    }
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(ConnectorError::source(
            "missing_column",
            format!("{label}: there is no column '{wanted}'"),
        )
        .with_hint(choices_hint(wanted, "columns", names.iter().map(String::as_str)))),
        _ => Err(ambiguous(label, wanted)),
    }
}

fn ambiguous(label: &str, name: &str) -> ConnectorError {
    ConnectorError::source(
        "ambiguous_column",
        format!("{label}: several columns are called '{name}'"),
    )
    .with_hint("rename one of them, in a `sql:` model with AS")
}

/// The nearest of `candidates` to `name`, if near enough to have been meant.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// "did you mean 'x'?", or the list of what there is.
pub(crate) fn choices_hint<'a>(
    name: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    const SHOWN: usize = 12;
    if let Some(near) = did_you_mean(name, candidates.clone()) {
        return format!("did you mean '{near}'?");
    }
    let mut all: Vec<&str> = candidates.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    let shown = all.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match all.len() {
        0 => format!("there are no {what}"),
        count if count <= SHOWN => format!("{what}: {shown}"),
        count => format!("{what}: {shown} and {} more", count - SHOWN),
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

    #[test]
    fn columns_are_found_ignoring_case_unless_two_fit() {
        let names = ["id", "Email", "Ltv", "LTV"].map(String::from);
        let wanted = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            project("t", &names, &wanted(&["EMAIL", "id", "email"])).unwrap(),
            [0, 1]
        );
        assert_eq!(project("t", &names, &wanted(&["Ltv"])).unwrap(), [2]);
        let error = project("t", &names, &wanted(&["ltv"])).unwrap_err();
        assert_eq!(error.code, "ambiguous_column");
        let error = project("t", &names, &wanted(&["emial"])).unwrap_err();
        assert_eq!(
            (error.code, error.hint.as_deref()),
            ("missing_column", Some("did you mean 'Email'?"))
        );
        let twice = wanted(&["a", "a"]);
        assert_eq!(project("t", &twice, &[]).unwrap_err().code, "ambiguous_column");
    }

    #[test]
    fn hints_list_what_there_is() {
        assert_eq!(choices_hint("zzz", "columns", ["b", "a"]), "columns: a, b");
        assert_eq!(choices_hint("zzz", "columns", []), "there are no columns");
    }
}
