//! Which columns of a table are wanted.

use outflow_sdk::ConnectorError;

use crate::messages;

/// Which columns of a file are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Columns<'a> {
    /// These, or all when there are none.
    Wanted(&'a [String]),
    /// All whose values can be sent somewhere.
    Sendable,
}

impl<'a> Columns<'a> {
    /// Their names; none for all.
    pub(crate) fn wanted(self) -> &'a [String] {
        match self {
            Columns::Wanted(names) => names,
            Columns::Sendable => &[],
        }
    }
}

/// Positions of the wanted columns among `names`, in the table's order; all when `wanted` is empty.
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
        (0..names.len())
            .filter(|at| names.get(*at).is_some_and(|name| test(name)))
            .collect()
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
        .with_hint(messages::choices_hint(
            wanted,
            "columns",
            names.iter().map(String::as_str),
        ))),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names() -> Vec<String> {
        ["id", "Email", "email_2", "Ltv", "LTV"]
            .map(String::from)
            .to_vec()
    }

    #[test]
    fn columns_are_found_ignoring_case_and_kept_in_the_tables_order() {
        let wanted = ["EMAIL".into(), "id".into(), "email".into()];
        assert_eq!(project("t", &names(), &wanted).unwrap(), vec![0, 1]);
        assert_eq!(project("t", &names(), &["Ltv".into()]).unwrap(), vec![3]);
        assert_eq!(project("t", &names(), &[]).unwrap().len(), 5);
    }

    #[test]
    fn a_missing_column_says_which_was_meant() {
        let error = project("t.csv", &names(), &["emial".into()]).unwrap_err();
        assert_eq!(error.code, "missing_column");
        assert_eq!(error.hint.unwrap(), "did you mean 'Email'?");
    }

    #[test]
    fn names_that_differ_in_case_only_are_ambiguous() {
        let error = project("t.csv", &names(), &["ltv".into()]).unwrap_err();
        assert_eq!(error.code, "ambiguous_column");
        let twice = ["a".to_owned(), "a".to_owned()];
        assert_eq!(project("t", &twice, &[]).unwrap_err().code, "ambiguous_column");
    }
}
