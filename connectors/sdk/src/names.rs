//! Names: columns as they are asked for, and what was meant instead.

use crate::error::ConnectorError;

/// Positions of the wanted columns among `names`, in the model's order; all when `wanted` is empty.
/// `label` is what messages call the model. A name that fits exactly wins over those that fit ignoring case.
///
/// # Errors
/// `missing_column` with the nearest name, `ambiguous_column` when several fit.
pub fn project(label: &str, names: &[String], wanted: &[String]) -> Result<Vec<usize>, ConnectorError> {
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
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// "did you mean 'x'?", or the list of what there is.
pub fn choices_hint<'a>(
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
