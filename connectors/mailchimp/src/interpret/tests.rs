//! Odd and good answers of a batch: every operation gets exactly one outcome.

#![allow(clippy::unwrap_used, clippy::panic)]

use outflow_sdk::destination::Mode;
use outflow_sdk::value::Value;
use serde_json::json;

use super::*;
use crate::layout::hash_of;
use crate::testing::{STATUS, VIP_TAG, members, members_with, op, options};

fn settled_by(layout: &Layout, verb: Verb, body: &Json, operations: &[Operation]) -> Vec<Outcome> {
    let body = body.to_string();
    let outcomes = settle(&parse(body.as_bytes()).unwrap(), verb, layout, operations);
    assert_eq!(outcomes.len(), operations.len());
    outcomes
}

fn settled(body: &Json, operations: &[Operation]) -> Vec<Outcome> {
    settled_by(&members(Mode::Upsert), Verb::Subscribe, body, operations)
}

fn rows(emails: &[&str]) -> Vec<Operation> {
    (1..)
        .zip(emails)
        .map(|(row, email)| op(row, email, &[]))
        .collect()
}

fn member(email: &str, status: &str) -> Json {
    json!({ "id": hash_of(email), "email_address": email, "status": status })
}

fn applied(effect: Effect, email: &str) -> Outcome {
    Outcome::Applied {
        effect,
        remote: Some(hash_of(email).into()),
    }
}

fn resolved(email: &str, mark: Mark) -> Outcome {
    Outcome::Resolved {
        remote: marked(&hash_of(email), mark).into(),
    }
}

fn consenting(word: &str) -> Vec<Operation> {
    vec![op(1, "ann@x.test", &[(STATUS, Value::text(word))])]
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected(rejection) | Outcome::Suppressed(rejection) => &rejection.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_in_any_order_find_their_rows_by_address_without_case() {
    let body = json!({
        "new_members": [member("bob@x.test", "subscribed")],
        "updated_members": [member("ANN@x.test", "unsubscribed")],
        "errors": [], "total_created": 1, "total_updated": 1, "error_count": 0,
    });
    assert_eq!(
        settled(&body, &rows(&["Ann@x.test", "bob@x.test"])),
        [
            applied(Effect::Updated, "ann@x.test"),
            applied(Effect::Created, "bob@x.test")
        ]
    );
}

#[test]
fn members_without_an_address_are_found_by_their_hash() {
    let body = json!({ "new_members": [{ "id": hash_of("ann@x.test") }] });
    assert_eq!(
        settled(&body, &rows(&["ann@x.test"])),
        [applied(Effect::Created, "ann@x.test")]
    );
    let odd = json!({ "new_members": [{ "id": "../x", "email_address": "ann@x.test" }] });
    assert_eq!(
        settled(&odd, &rows(&["ann@x.test"])),
        [applied(Effect::Created, "ann@x.test")]
    );
}

#[test]
fn a_batch_in_which_every_member_failed_is_answered_with_200() {
    let body = json!({ "new_members": [], "updated_members": [], "error_count": 2, "errors": [
        { "email_address": "ann@x.test", "error": "Please provide a valid email address.", "error_code": "ERROR_GENERIC" },
        { "email_address": "BOB@X.test", "error": "x was permanently deleted", "error_code": "ERROR_GENERIC", "field": "", "field_message": "" },
    ]});
    let outcomes = settled(&body, &rows(&["ann@x.test", "bob@x.test"]));
    assert_eq!(code(&outcomes[0]), "invalid_email");
    assert!(matches!(outcomes[0], Outcome::Rejected(_)));
    assert_eq!(code(&outcomes[1]), "forgotten");
    assert!(matches!(outcomes[1], Outcome::Suppressed(_)));
}

#[test]
fn one_bad_row_costs_that_row() {
    let body = json!({
        "new_members": [member("ann@x.test", "subscribed"), member("cy@x.test", "subscribed")],
        "errors": [{ "email_address": "bob@x.test", "error": "Your merge fields were invalid.",
            "error_code": "ERROR_GENERIC", "field": "LTV", "field_message": "Please enter a number" }],
    });
    let outcomes = settled(&body, &rows(&["ann@x.test", "bob@x.test", "cy@x.test"]));
    assert_eq!(outcomes[0], applied(Effect::Created, "ann@x.test"));
    assert_eq!(code(&outcomes[1]), "invalid_number");
    assert_eq!(outcomes[2], applied(Effect::Created, "cy@x.test"));
}

#[test]
fn an_answer_that_misses_rows_is_no_success() {
    for body in [
        json!({}),
        json!({ "new_members": null, "updated_members": null, "errors": null }),
        json!({ "new_members": [], "updated_members": [], "errors": [] }),
        json!({ "new_members": [member("other@x.test", "subscribed")] }),
        json!({ "new_members": [{}] }),
        json!({ "total_created": 2 }),
    ] {
        let outcomes = settled(&body, &rows(&["ann@x.test", "bob@x.test"]));
        assert_eq!(outcomes, [Outcome::InDoubt, Outcome::InDoubt], "{body}");
    }
    for torn in [
        "",
        "<html>",
        "null",
        "5",
        r#"{"new_members":[{"id":"1""#,
        r#"{"new_members":5}"#,
    ] {
        assert!(parse(torn.as_bytes()).is_none(), "{torn}");
    }
}

#[test]
fn an_error_with_a_mangled_address_finds_its_row() {
    let error = |email: &str| {
        json!({ "updated_members": [member("ann@x.test", "subscribed")],
            "errors": [{ "email_address": email, "error": "looks fake or invalid", "error_code": "ERROR_GENERIC" }] })
    };
    let operations = rows(&["ann@x.test", "o'bob@x.test"]);
    for email in ["o\\'bob@x.test", "o&#39;bob@x.test", ""] {
        let outcomes = settled(&error(email), &operations);
        assert_eq!(code(&outcomes[1]), "fake_email", "{email}");
    }
}

#[test]
fn an_error_that_could_be_about_either_leaves_both_in_doubt() {
    let body = json!({ "errors": [{ "email_address": "?", "error": "looks fake or invalid" }] });
    let outcomes = settled(&body, &rows(&["ann@x.test", "bob@x.test"]));
    assert_eq!(outcomes, [Outcome::InDoubt, Outcome::InDoubt]);
}

#[test]
fn a_row_with_both_a_member_and_an_error_is_in_doubt() {
    let body = json!({ "new_members": [member("ann@x.test", "subscribed")],
        "errors": [{ "email_address": "ann@x.test", "error": "looks fake or invalid" }] });
    assert_eq!(settled(&body, &rows(&["ann@x.test"])), [Outcome::InDoubt]);
}

#[test]
fn mode_create_tells_new_members_from_those_that_exist() {
    let body = json!({ "new_members": [member("ann@x.test", "transactional")],
        "errors": [{ "email_address": "bob@x.test", "error_code": "ERROR_CONTACT_EXISTS",
            "error": "bob@x.test is already a list member, do you want to update?" }] });
    let operations = rows(&["ann@x.test", "bob@x.test"]);
    let outcomes = settled_by(&members(Mode::Create), Verb::Create, &body, &operations);
    let untouched = Outcome::Applied {
        effect: Effect::Untouched,
        remote: None,
    };
    assert_eq!(outcomes, [applied(Effect::Created, "ann@x.test"), untouched]);
}

#[test]
fn a_field_update_of_an_unsubscribed_member_is_an_update() {
    for status in ["unsubscribed", "cleaned", "pending", "something new"] {
        let body = json!({ "updated_members": [member("ann@x.test", status)] });
        assert_eq!(
            settled(&body, &rows(&["ann@x.test"])),
            [applied(Effect::Updated, "ann@x.test")],
            "{status}"
        );
    }
}

#[test]
fn nobody_who_opted_out_is_subscribed_again() {
    for status in ["unsubscribed", "cleaned"] {
        for wanted in ["subscribed", "pending", "transactional", "true"] {
            let body = json!({ "updated_members": [member("ann@x.test", status)] });
            let outcomes = settled(&body, &consenting(wanted));
            assert_eq!(code(&outcomes[0]), "opted_out", "{status} {wanted}");
            assert!(matches!(outcomes[0], Outcome::Suppressed(_)));
        }
    }
}

#[test]
fn consent_that_is_as_wanted_is_done_and_other_consent_goes_on_to_its_own_request() {
    let done = [applied(Effect::Updated, "ann@x.test")];
    let goes_on = [resolved("ann@x.test", Mark::Seen)];
    for (shown, wanted, expected) in [
        ("subscribed", "subscribed", &done),
        ("cleaned", "unsubscribed", &done),
        ("unsubscribed", "unsubscribed", &done),
        ("transactional", "subscribed", &goes_on),
        ("pending", "subscribed", &goes_on),
        ("subscribed", "unsubscribed", &goes_on),
    ] {
        let body = json!({ "updated_members": [member("ann@x.test", shown)] });
        assert_eq!(&settled(&body, &consenting(wanted)), expected, "{shown} {wanted}");
    }
}

#[test]
fn consent_the_answer_does_not_tell_is_in_doubt() {
    let body = json!({ "updated_members": [{ "email_address": "ann@x.test" }] });
    assert_eq!(settled(&body, &consenting("subscribed")), [Outcome::InDoubt]);
    assert_eq!(
        settled(&body, &rows(&["ann@x.test"])),
        [applied(Effect::Updated, "ann@x.test")]
    );
}

#[test]
fn a_new_member_has_the_consent_it_was_created_with() {
    let body = json!({ "new_members": [member("ann@x.test", "pending")] });
    assert_eq!(
        settled(&body, &consenting("subscribed")),
        [applied(Effect::Created, "ann@x.test")]
    );
}

#[test]
fn archived_members_stay_archived_unless_the_mapping_brings_them_back() {
    let body = json!({ "updated_members": [member("ann@x.test", "archived")] });
    let outcomes = settled(&body, &rows(&["ann@x.test"]));
    assert_eq!(code(&outcomes[0]), "archived");
    assert!(matches!(outcomes[0], Outcome::Suppressed(_)));
    let mut reviving = options();
    reviving.revive_archived = true;
    let layout = members_with(Mode::Upsert, reviving);
    assert_eq!(
        settled_by(&layout, Verb::Subscribe, &body, &rows(&["ann@x.test"])),
        [resolved("ann@x.test", Mark::Archived)]
    );
}

#[test]
fn tags_to_be_removed_cost_a_request_only_where_they_are() {
    let row = [op(1, "ann@x.test", &[(VIP_TAG, Value::Bool(false))])];
    let tagged = |names: &[&str], count: usize| {
        let tags: Vec<Json> = names
            .iter()
            .map(|name| json!({ "id": 1, "name": name }))
            .collect();
        json!({ "updated_members": [{ "id": hash_of("ann@x.test"), "email_address": "ann@x.test",
            "status": "subscribed", "tags": tags, "tags_count": count }] })
    };
    let goes_on = [resolved("ann@x.test", Mark::Seen)];
    assert_eq!(
        settled(&tagged(&["other"], 1), &row),
        [applied(Effect::Updated, "ann@x.test")]
    );
    assert_eq!(settled(&tagged(&["vip"], 1), &row), goes_on);
    assert_eq!(
        settled(&tagged(&["other"], 60), &row),
        goes_on,
        "not all tags are shown"
    );
    let silent = json!({ "updated_members": [member("ann@x.test", "subscribed")] });
    assert_eq!(settled(&silent, &row), goes_on);
    let new = json!({ "new_members": [member("ann@x.test", "subscribed")] });
    assert_eq!(settled(&new, &row), [applied(Effect::Created, "ann@x.test")]);
}

#[test]
fn a_field_the_audience_lost_is_noticed() {
    let layout = members(Mode::Upsert);
    let dropped = |fields: &Json| {
        let body = json!({ "updated_members": [{ "email_address": "a@x.test", "merge_fields": fields }] });
        let body = body.to_string();
        let answer = parse(body.as_bytes()).unwrap();
        answer.dropped_field(&layout).map(str::to_owned)
    };
    assert_eq!(dropped(&json!({ "FNAME": "", "LTV": 1, "PHONE": "" })), None);
    assert_eq!(dropped(&json!({ "FNAME": "" })).as_deref(), Some("LTV"));
    assert_eq!(dropped(&json!({})), None);
    assert_eq!(dropped(&Json::Null), None);
}
