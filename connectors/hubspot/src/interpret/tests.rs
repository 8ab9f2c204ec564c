//! Odd and good answers of the batch endpoints: every operation gets exactly one outcome.

#![allow(clippy::unwrap_used)]

use outflow_sdk::CompactString;
use outflow_sdk::destination::Mode;
use serde_json::json;

use super::*;
use crate::testing::{contacts, contacts_by, op, record};

fn settled(verb: Verb, mode: Mode, body: &serde_json::Value, operations: &[Operation]) -> Vec<Outcome> {
    settled_by(&contacts(mode), verb, body, operations)
}

fn settled_by(
    layout: &Layout,
    verb: Verb,
    body: &serde_json::Value,
    operations: &[Operation],
) -> Vec<Outcome> {
    let body = body.to_string();
    let outcomes = settle(&parse(body.as_bytes()).unwrap(), verb, layout, operations);
    assert_eq!(outcomes.len(), operations.len());
    outcomes
}

fn applied(effect: Effect, remote: Option<&str>) -> Outcome {
    Outcome::Applied {
        effect,
        remote: remote.map(CompactString::from),
    }
}

fn unknown(emails: &[&str]) -> Vec<Operation> {
    (1..)
        .zip(emails)
        .map(|(row, email)| op(row, None, record(email, "A")))
        .collect()
}

fn known(ids: &[&str]) -> Vec<Operation> {
    (1..)
        .zip(ids)
        .map(|(row, id)| op(row, Some(id), record(&format!("p{row}@x.y"), "A")))
        .collect()
}

#[test]
fn results_in_any_order_find_their_rows_by_address_without_case() {
    let body = json!({ "status": "COMPLETE", "results": [
        { "id": "2", "new": false, "properties": { "email": "bob@example.com", "lastname": null } },
        { "id": "1", "new": true, "properties": { "hs_object_id": "1", "email": "ann@example.com" } },
    ]});
    let outcomes = settled(
        Verb::Upsert,
        Mode::Upsert,
        &body,
        &unknown(&["Ann@Example.com", "bob@example.com"]),
    );
    assert_eq!(
        outcomes,
        [
            applied(Effect::Created, Some("1")),
            applied(Effect::Updated, Some("2"))
        ]
    );
}

/// Both rows say in another property what looks like the other's address.
#[test]
fn a_text_that_looks_like_the_address_is_not_taken_for_it() {
    let layout = contacts(Mode::Upsert);
    let operations = unknown(&["a@x.y", "b@x.y"]);
    let expected = [
        applied(Effect::Created, Some("1")),
        applied(Effect::Created, Some("2")),
    ];
    for (a, b) in [
        (
            r#""bio":"\"email\":\"b@x.y\"","email":"a@x.y""#,
            r#""bio":"\"email","email":"b@x.y""#,
        ),
        (
            r#""bio":null,"email" : "a@x.y""#,
            r#""hs_\"email":"a@x.y","email":"b@x.y""#,
        ),
        (r#""email":"\u0061@x.y""#, r#""email":"b\u0040x.y""#),
        (
            r#""my_email":"b@x.y","email":"A@X.Y""#,
            r#""email":null,"hs_additional_emails":"c@x.y;b@x.y""#,
        ),
    ] {
        let body = format!(
            r#"{{"results":[{{"id":"1","new":true,"properties":{{{a}}}}},{{"id":"2","new":true,"properties":{{{b}}}}}]}}"#
        );
        let answer = parse(body.as_bytes()).unwrap();
        let outcomes = settle(&answer, Verb::Upsert, &layout, &operations);
        assert_eq!(outcomes, expected, "{body}");
    }
}

#[test]
fn echoed_trace_ids_are_preferred() {
    let body = json!({ "results": [
        { "id": "9", "new": true, "objectWriteTraceId": "r-2", "properties": { "email": "a@x.y" } },
        { "id": "8", "new": true, "objectWriteTraceId": "r-1", "properties": { "email": "b@x.y" } },
    ]});
    let outcomes = settled(Verb::Upsert, Mode::Upsert, &body, &unknown(&["a@x.y", "b@x.y"]));
    assert_eq!(
        outcomes,
        [
            applied(Effect::Created, Some("8")),
            applied(Effect::Created, Some("9"))
        ]
    );
}

#[test]
fn updates_are_found_by_record_id_since_the_answer_has_only_what_was_written() {
    let body = json!({ "results": [
        { "id": "22", "properties": { "firstname": "A" } },
        { "id": 11, "properties": { "firstname": "A" } },
    ]});
    let outcomes = settled(Verb::Update, Mode::Upsert, &body, &known(&["11", "22"]));
    assert_eq!(
        outcomes,
        [
            applied(Effect::Updated, Some("11")),
            applied(Effect::Updated, Some("22"))
        ]
    );
}

#[test]
fn one_bad_row_of_a_batch_costs_that_row() {
    let body = json!({ "numErrors": 1,
        "results": [{ "id": "1", "new": true, "properties": { "email": "a@x.y" } }],
        "errors": [{ "category": "VALIDATION_ERROR",
            "message": "Property values were not valid: [{\"error\":\"INVALID_OPTION\",\"name\":\"firstname\"}]",
            "context": { "objectWriteTraceId": ["r-2"] } }],
    });
    let outcomes = settled(Verb::Upsert, Mode::Upsert, &body, &unknown(&["a@x.y", "b@x.y"]));
    assert_eq!(outcomes.first(), Some(&applied(Effect::Created, Some("1"))));
    assert!(
        matches!(outcomes.get(1), Some(Outcome::Rejected(rejection)) if rejection.code == "invalid_option")
    );
}

#[test]
fn ids_that_lead_nowhere_are_stale() {
    let body = json!({
        "results": [{ "id": "22", "properties": {} }],
        "errors": [{ "category": "OBJECT_NOT_FOUND", "message": "x", "context": { "ids": ["11", "33"] } }],
    });
    let outcomes = settled(Verb::Update, Mode::Upsert, &body, &known(&["11", "22", "33"]));
    assert_eq!(
        outcomes,
        [
            Outcome::StaleRemote,
            applied(Effect::Updated, Some("22")),
            Outcome::StaleRemote
        ]
    );
}

#[test]
fn an_error_that_names_no_row_leaves_the_unconfirmed_in_doubt() {
    let body = json!({
        "results": [{ "id": "1", "new": true, "properties": { "email": "a@x.y" } }],
        "errors": [{ "category": "VALIDATION_ERROR", "message": "something" }],
    });
    let outcomes = settled(
        Verb::Upsert,
        Mode::Upsert,
        &body,
        &unknown(&["a@x.y", "b@x.y", "c@x.y"]),
    );
    assert_eq!(
        outcomes,
        [
            applied(Effect::Created, Some("1")),
            Outcome::InDoubt,
            Outcome::InDoubt
        ]
    );
}

#[test]
fn errors_counted_but_not_shown_leave_rows_in_doubt() {
    let body = json!({ "numErrors": 2, "results": [{ "id": "1" }], "errors": [
        { "category": "VALIDATION_ERROR", "context": { "objectWriteTraceId": ["r-1"] } }
    ]});
    let outcomes = settled(Verb::Upsert, Mode::Upsert, &body, &unknown(&["a@x.y", "b@x.y"]));
    assert_eq!(outcomes.get(1), Some(&Outcome::InDoubt));
}

#[test]
fn an_answer_that_misses_rows_is_no_success() {
    for body in [
        json!({}),
        json!({ "results": [] }),
        json!({ "results": null, "errors": null }),
        json!({ "status": "PENDING" }),
        json!({ "results": [{ "id": "77", "properties": { "email": "other@x.y" } }] }),
    ] {
        let outcomes = settled(Verb::Upsert, Mode::Upsert, &body, &unknown(&["a@x.y", "b@x.y"]));
        assert_eq!(outcomes, [Outcome::InDoubt, Outcome::InDoubt], "{body}");
    }
}

#[test]
fn as_many_results_as_rows_left_means_success_even_without_keys() {
    let both =
        json!({ "results": [{ "id": "1", "new": true }, { "id": "2", "new": true, "properties": {} }] });
    let outcomes = settled(Verb::Upsert, Mode::Upsert, &both, &unknown(&["a@x.y", "b@x.y"]));
    assert_eq!(
        outcomes,
        [applied(Effect::Created, None), applied(Effect::Created, None)]
    );
    let one = json!({ "results": [{ "id": "5", "new": false, "properties": { "email": "primary@x.y" } }] });
    let outcomes = settled(Verb::Upsert, Mode::Upsert, &one, &unknown(&["secondary@x.y"]));
    assert_eq!(outcomes, [applied(Effect::Updated, Some("5"))]);
}

#[test]
fn a_row_with_both_a_result_and_an_error_is_in_doubt() {
    let body = json!({
        "results": [{ "id": "1", "properties": { "email": "a@x.y" } }],
        "errors": [{ "category": "VALIDATION_ERROR", "context": { "objectWriteTraceId": ["r-1"] } }],
    });
    assert_eq!(
        settled(Verb::Upsert, Mode::Upsert, &body, &unknown(&["a@x.y"])),
        [Outcome::InDoubt]
    );
}

#[test]
fn foreign_trace_ids_name_no_row() {
    let body = json!({ "results": [], "errors": [
        { "category": "VALIDATION_ERROR", "context": { "objectWriteTraceId": ["r-77", "x", "r-"] } }
    ]});
    assert_eq!(
        settled(Verb::Upsert, Mode::Upsert, &body, &unknown(&["a@x.y"])),
        [Outcome::InDoubt]
    );
}

#[test]
fn mode_create_tells_new_records_from_existing_ones() {
    let body = json!({
        "results": [{ "id": "1", "properties": { "email": "a@x.y" } }],
        "errors": [{ "category": "CONFLICT", "message": "Contact already exists. Existing ID: 51201",
            "context": { "existingId": ["51201"], "objectWriteTraceId": ["r-2"] } }],
    });
    let outcomes = settled(Verb::Create, Mode::Create, &body, &unknown(&["a@x.y", "b@x.y"]));
    assert_eq!(
        outcomes,
        [
            applied(Effect::Created, Some("1")),
            applied(Effect::Untouched, Some("51201"))
        ]
    );
}

#[test]
fn a_lookup_resolves_by_primary_or_secondary_address_and_tells_who_is_missing() {
    let body = json!({
        "results": [
            { "id": "1", "properties": { "email": "main@x.y", "hs_additional_emails": "old@x.y;A@x.y" } },
            { "id": "2", "properties": { "email": "b@x.y", "hs_additional_emails": null } },
        ],
        "errors": [{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["C@x.y"] } }],
    });
    let outcomes = settled(
        Verb::Lookup,
        Mode::Update,
        &body,
        &unknown(&["a@x.y", "b@x.y", "c@x.y"]),
    );
    let resolved = |id: &str| Outcome::Resolved {
        remote: CompactString::from(id),
    };
    assert_eq!(
        outcomes,
        [resolved("1"), resolved("2"), applied(Effect::Untouched, None)]
    );
}

#[test]
fn lookups_that_could_be_either_stay_in_doubt() {
    let body = json!({ "results": [{ "id": "1", "properties": {} }, { "id": "2", "properties": {} }] });
    let outcomes = settled(Verb::Lookup, Mode::Update, &body, &unknown(&["a@x.y", "b@x.y"]));
    assert_eq!(outcomes, [Outcome::InDoubt, Outcome::InDoubt]);
}

#[test]
fn removing_what_is_not_there_is_done() {
    let mut gone = unknown(&["a@x.y"]);
    for operation in &mut gone {
        operation.action = Action::Remove(outflow_sdk::destination::Removed::Archive);
    }
    let body = json!({ "errors": [{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["a@x.y"] } }] });
    assert_eq!(
        settled(Verb::Lookup, Mode::Mirror, &body, &gone),
        [applied(Effect::Removed, None)]
    );
}

#[test]
fn clearing_counts_as_removal() {
    let mut clearing = known(&["11"]);
    for operation in &mut clearing {
        operation.action = Action::Remove(outflow_sdk::destination::Removed::Clear);
    }
    let body = json!({ "results": [{ "id": "11" }] });
    assert_eq!(
        settled(Verb::Update, Mode::Mirror, &body, &clearing),
        [applied(Effect::Removed, Some("11"))]
    );
}

#[test]
fn clearing_a_record_that_cannot_be_found_again_is_no_success() {
    let gone = json!({ "errors": [{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["11"] } }] });
    let clearing = |values| {
        let mut operation = op(1, Some("11"), values);
        operation.action = Action::Remove(outflow_sdk::destination::Removed::Clear);
        vec![operation]
    };
    let outcomes = settled(Verb::Update, Mode::Mirror, &gone, &clearing(vec![]));
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Rejected(rejection)] if rejection.code == "record_gone"),
        "{outcomes:?}"
    );
    let findable = clearing(record("ann@example.com", "Ann"));
    assert_eq!(
        settled(Verb::Update, Mode::Mirror, &gone, &findable),
        [Outcome::StaleRemote]
    );
}

#[test]
fn custom_keys_and_record_ids_work_alike() {
    let body = json!({ "results": [{ "id": "1", "new": true, "properties": { "cid": "K-1" } }] });
    let row = [op(1, None, record("k-1", "A"))];
    let outcomes = settled_by(&contacts_by("cid", Mode::Upsert), Verb::Upsert, &body, &row);
    assert_eq!(outcomes, [applied(Effect::Created, Some("1"))]);
    let body = json!({ "results": [{ "id": "5", "properties": {} }, { "id": "6", "properties": {} }] });
    let rows = [op(1, None, record("6", "A")), op(2, None, record("5", "B"))];
    let outcomes = settled_by(
        &contacts_by("hs_object_id", Mode::Update),
        Verb::Lookup,
        &body,
        &rows,
    );
    let resolved = |id: &str| Outcome::Resolved {
        remote: CompactString::from(id),
    };
    assert_eq!(outcomes, [resolved("6"), resolved("5")]);
}

#[test]
fn a_property_that_vanished_is_the_mappings_fault_not_the_rows() {
    let error = json!({ "category": "VALIDATION_ERROR",
        "message": "Property values were not valid: [{\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"ltv\"}]",
        "context": { "objectWriteTraceId": ["r-1"] } });
    let all = json!({ "results": [], "errors": [error] }).to_string();
    assert!(parse(all.as_bytes()).unwrap().mapping_fault().is_some());
    let some = json!({ "results": [{ "id": "1" }], "errors": [error] }).to_string();
    assert!(parse(some.as_bytes()).unwrap().mapping_fault().is_none());
}

#[test]
fn what_is_no_answer_is_not_read_as_one() {
    for body in [
        "",
        "null",
        "{\"results\":[{\"id\":\"1\"",
        "<html></html>",
        "{\"results\":[{}]}",
    ] {
        assert!(parse(body.as_bytes()).is_none(), "{body}");
    }
}
