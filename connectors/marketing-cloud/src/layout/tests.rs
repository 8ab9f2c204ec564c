#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::testing::{
    EMAIL, ID, NAME, PLAN, POINTS, composite, known, layout, number, operation, removal, row,
};

fn code(layout: &Layout, operation: &Operation) -> String {
    layout.inspect(operation).unwrap_err().code
}

#[test]
fn good_rows_pass() {
    let layout = layout();
    let full = row(
        1,
        "a",
        &[(EMAIL, Value::text("ann@x.example")), (POINTS, number("7"))],
    );
    assert_eq!(layout.inspect(&full), Ok(()));
    assert_eq!(layout.inspect(&row(1, "a", &[(POINTS, Value::Null)])), Ok(()));
    assert_eq!(layout.inspect(&removal(Removed::Delete, "[\"a\"]", &[])), Ok(()));
}

#[test]
fn rows_that_cannot_be_valid_are_refused_without_repeating_their_values() {
    let layout = layout();
    for (operation, expected, field) in [
        (row(1, "", &[]), "missing_match", "Id"),
        (row(1, &"x".repeat(37), &[]), "too_long", "Id"),
        (row(1, "a\u{1}", &[]), "invalid_text", "Id"),
        (row(1, "a", &[(PLAN, Value::Null)]), "missing_required", "Plan"),
        (
            row(1, "a", &[(EMAIL, Value::text("secret at x"))]),
            "invalid_email",
            "Email",
        ),
        (
            row(1, "a", &[(POINTS, number("4000000000"))]),
            "invalid_number",
            "Points",
        ),
        (
            row(1, "a", &[(NAME, Value::text(&"secret ".repeat(10)))]),
            "too_long",
            "Name",
        ),
    ] {
        let rejection = layout.inspect(&operation).unwrap_err();
        assert_eq!(
            (rejection.code.as_str(), rejection.field.as_deref()),
            (expected, Some(field))
        );
        assert!(!rejection.message.contains("secret"), "{rejection:?}");
        assert!(rejection.message.starts_with(field), "{rejection:?}");
    }
}

#[test]
fn a_key_that_its_column_cannot_hold_is_told_from_one_that_is_missing() {
    let layout = composite();
    let of = |number: Value| operation(1, vec![Some(Value::text("north")), Some(number), None]);
    assert_eq!(code(&layout, &of(Value::text("seven"))), "invalid_key");
    assert_eq!(code(&layout, &of(Value::Null)), "missing_match");
    assert_eq!(layout.inspect(&of(number("7"))), Ok(()));
}

#[test]
fn keys_that_marketing_cloud_takes_for_one_are_one_row() {
    let layout = layout();
    let identity = |id: &str| layout.identity(&row(1, id, &[]));
    assert_eq!(identity("Ann"), identity("ANN  "));
    assert_ne!(identity("Ann"), identity(" Ann"));
    let removed = removal(Removed::Delete, "[\"ann\"]", &[]);
    assert_eq!(layout.identity(&removed), identity("Ann"));
}

#[test]
fn an_address_and_its_row_are_one_record_halfway_through_a_new_key_too() {
    let layout = layout();
    let ann = layout.identity(&row(1, "Ann", &[]));
    assert_eq!(layout.record_of("[\"ANN \"]"), ann);
    assert_eq!(layout.record_of("+[\"ann\"]"), ann);
    assert_ne!(layout.record_of("[\"bob\"]"), ann);
}

#[test]
fn parts_of_a_composite_key_do_not_run_into_each_other() {
    let layout = composite();
    let of = |shop: &str, other: &str| {
        layout.identity(&operation(
            1,
            vec![Some(Value::text(shop)), Some(number(other)), None],
        ))
    };
    assert_ne!(of("a1", "2"), of("a", "12"));
}

#[test]
fn a_new_key_is_written_whole_and_its_old_row_deleted() {
    let layout = layout();
    let renamed = known(row(1, "new", &[]), "[\"old\"]", &[ID, NAME]);
    assert_eq!(layout.route(&renamed), ROWS);
    let Outcome::Applied { effect, remote } = layout.applied(ROWS, &renamed) else {
        panic!("not applied");
    };
    assert_eq!((effect, remote.as_deref()), (Effect::Updated, Some("+[\"old\"]")));
    let halfway = known(renamed, "+[\"old\"]", &[ID]);
    assert_eq!(layout.route(&halfway), DELETE);
    assert_eq!(layout.given_up(&halfway), layout.identity(&row(1, "old", &[])));
    let Outcome::Applied { remote, .. } = layout.applied(DELETE, &halfway) else {
        panic!("not applied");
    };
    assert_eq!(remote.as_deref(), Some("[\"new\"]"));
}

#[test]
fn another_spelling_of_a_key_is_no_new_key() {
    let same = known(row(1, "ANN ", &[]), "[\"ann\"]", &[ID]);
    assert!(!layout().is_renamed(&same));
    assert_eq!(layout().route(&same), ROWS);
}

#[test]
fn an_address_that_is_none_counts_as_unknown() {
    for remote in ["", "12", "[1]", "[\"a\",\"b\"]", "+", "{"] {
        let odd = known(row(1, "a", &[]), remote, &[NAME]);
        assert_eq!(layout().stored(&odd), None, "{remote}");
        assert_eq!(layout().route(&odd), ROWS);
    }
}

#[test]
fn column_names_are_found_in_a_text_only_as_it_quotes_them() {
    let layout = layout();
    assert_eq!(
        layout.named_in("value for column [Email] is not valid"),
        Some("Email")
    );
    assert_eq!(layout.named_in("into column 'Plan', table"), Some("Plan"));
    assert_eq!(layout.named_in("Name: too long"), Some("Name"));
    assert_eq!(layout.named_in("Name is a word, [Other] a column"), None);
}
