//! Names and globs on the command line to syncs of the project.

use std::sync::Arc;

use fast_glob::glob_match;

use super::failure::Failure;
use super::open::Opened;
use crate::project::{Project, SyncSpec};

/// The syncs that `patterns` name, in the project's order; all of them when there is no pattern.
///
/// # Errors
/// When a pattern fits nothing.
/// A sync that is broken is refused with what is wrong in the project.
pub(crate) fn select(opened: &Opened, patterns: &[String]) -> Result<Vec<Arc<SyncSpec>>, Failure> {
    let excluded = opened.excluded();
    if patterns.iter().any(|pattern| excluded.contains(pattern)) {
        return Err(Failure::problems(opened.broken().into_iter().cloned().collect()));
    }
    let names: Vec<&str> = opened
        .project
        .syncs
        .iter()
        .map(|sync| sync.name.as_str())
        .collect();
    let chosen = matching(&names, patterns)?;
    Ok(opened
        .project
        .syncs
        .iter()
        .zip(chosen)
        .filter(|(_, chosen)| *chosen)
        .map(|(sync, _)| Arc::clone(sync))
        .collect())
}

/// The one sync of that name.
///
/// # Errors
/// When there is none.
pub(crate) fn one(project: &Project, name: &str) -> Result<Arc<SyncSpec>, Failure> {
    project
        .sync(name)
        .cloned()
        .ok_or_else(|| unknown_sync(project, name))
}

/// The project has no sync of this name.
pub(crate) fn unknown_sync(project: &Project, name: &str) -> Failure {
    let names: Vec<&str> = project.syncs.iter().map(|sync| sync.name.as_str()).collect();
    unknown(name, &names)
}

fn matching(names: &[&str], patterns: &[String]) -> Result<Vec<bool>, Failure> {
    if patterns.is_empty() {
        return Ok(vec![true; names.len()]);
    }
    let fits = |pattern: &String, name: &&str| glob_match(pattern, name);
    let in_vain = |pattern: &&String| !names.iter().any(|name| fits(pattern, name));
    if let Some(pattern) = patterns.iter().find(in_vain) {
        return Err(unknown(pattern, names));
    }
    let is_chosen = |name: &&str| patterns.iter().any(|pattern| fits(pattern, name));
    Ok(names.iter().map(is_chosen).collect())
}

/// No sync has this name: says which there are.
pub(crate) fn unknown(name: &str, names: &[&str]) -> Failure {
    let failure = Failure::config("no_such_sync", format!("no sync is named `{name}`"));
    if names.is_empty() {
        return failure.hint("the project has no syncs; add one in mappings/");
    }
    let nearest = names
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), *known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(closeness, _)| *closeness > 0.75);
    match nearest {
        Some((_, known)) => failure.hint(format!("did you mean `{known}`? known: {}", names.join(", "))),
        None => failure.hint(format!("known: {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NAMES: [&str; 3] = ["companies", "customers_eu", "customers_us"];

    fn matched(patterns: &[&str]) -> Vec<&'static str> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).into()).collect();
        let chosen = matching(&NAMES, &patterns).unwrap();
        NAMES
            .into_iter()
            .zip(chosen)
            .filter(|(_, chosen)| *chosen)
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn names_and_globs_choose_and_nothing_means_all() {
        assert_eq!(matched(&[]), NAMES);
        assert_eq!(matched(&["customers_*"]), ["customers_eu", "customers_us"]);
        assert_eq!(matched(&["customers_{eu,us}"]), ["customers_eu", "customers_us"]);
        assert_eq!(matched(&["c*_[!e]?"]), ["customers_us"]);
        assert_eq!(
            matched(&["customers_us", "companies"]),
            ["companies", "customers_us"],
            "the project's order"
        );
    }

    #[test]
    fn a_pattern_that_fits_nothing_names_what_there_is() {
        let failure = matching(&NAMES, &["companys".into()]).unwrap_err();
        assert_eq!(failure.exit as u8, 2);
        assert_eq!(
            failure.hint.as_deref(),
            Some("did you mean `companies`? known: companies, customers_eu, customers_us")
        );
        let failure = matching(&NAMES, &["zzz*".into()]).unwrap_err();
        assert_eq!(
            failure.hint.as_deref(),
            Some("known: companies, customers_eu, customers_us")
        );
        let failure = matching(&NAMES, &["[".into()]).unwrap_err();
        assert_eq!(failure.code, "no_such_sync", "malformed ones fit nothing");
    }
}
