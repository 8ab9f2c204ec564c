#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::registry;

#[test]
fn no_list_holds_a_code_twice_and_every_entry_says_something() {
    for chapter in chapters(&registry::built_in()) {
        let mut seen = BTreeSet::new();
        for code in chapter.codes {
            assert!(
                seen.insert(code.code),
                "{} is twice in {}",
                code.code,
                chapter.title
            );
            assert!(
                code.meaning.ends_with('.') && code.action.ends_with('.'),
                "{}",
                code.code
            );
        }
    }
}

#[cfg(all(
    feature = "lake",
    feature = "redshift",
    feature = "bigquery",
    feature = "snowflake",
    feature = "hubspot",
    feature = "mailchimp",
    feature = "marketing-cloud"
))]
#[test]
fn the_page_is_committed_as_the_lists_say() {
    crate::committed::assert_committed("ERRORS.md", &page(&registry::built_in()));
}
