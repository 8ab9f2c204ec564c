//! A batch is answered with 200 whatever became of its members: every row is looked for in the answer.

use serde_json::{Value as Json, json};

use crate::{Given, batch, create, odd_answers, problem, says};

fn member(email: &str) -> Json {
    json!({ "email_address": email, "status": "transactional", "merge_fields": { "FNAME": "x" } })
}

fn error(email: &str, text: &str) -> Json {
    json!({ "email_address": email, "error": text, "error_code": "ERROR_GENERIC", "field": "", "field_message": "" })
}

fn members(new: &[Json], updated: &[Json], errors: &[Json]) -> Given {
    let body = json!({
        "new_members": new, "updated_members": updated, "errors": errors,
        "total_created": new.len(), "total_updated": updated.len(), "error_count": errors.len(),
    });
    says(200, &body)
}

fn three() -> [Json; 3] {
    [member("ann@x.test"), member("bob@x.test"), member("cy@x.test")]
}

const FAKE: &str = "looks fake or invalid, please enter a real email address.";
const COMPLIANCE: &str =
    "ann@x.test is in a compliance state due to unsubscribe, bounce, or compliance review";
const FORGOTTEN: &str = "ann@x.test was permanently deleted and cannot be re-imported.";
const SIGN_UPS: &str =
    "ann@x.test has signed up to a lot of lists very recently; we're not allowing more signups for now";
const EXISTS: &str = "ann@x.test is already a list member, do you want to update?";

odd_answers! {
    every_member_failed_under_a_200:
        batch(members(&[], &[], &[error("ann@x.test", FAKE), error("bob@x.test", FORGOTTEN),
            error("cy@x.test", COMPLIANCE)]))
        => "rejected fake_email, suppressed forgotten, suppressed compliance";
    every_member_failed_with_one_unknown_text:
        batch(members(&[], &[], &["ann", "bob", "cy"].map(|name| error(&format!("{name}@x.test"), "No."))))
        => "rejected refused, rejected refused, rejected refused";
    three_empty_arrays: batch(members(&[], &[], &[])) => "doubt, doubt, doubt";
    no_arrays_at_all: batch(says(200, &json!({}))) => "doubt, doubt, doubt";
    arrays_that_are_null:
        batch(says(200, &json!({ "new_members": null, "updated_members": null, "errors": null })))
        => "doubt, doubt, doubt";
    totals_without_members:
        batch(says(200, &json!({ "total_created": 3, "total_updated": 0, "error_count": 0 })))
        => "doubt, doubt, doubt";
    one_member_missing: batch(members(&three()[..2], &[], &[])) => "created, created, doubt";
    all_but_one_missing: batch(members(&[], &three()[2..], &[])) => "doubt, doubt, updated";
    a_stranger_among_the_members:
        batch(members(&[&three()[..], &[member("stranger@x.test")]].concat(), &[], &[]))
        => "created, created, created";
    a_stranger_in_place_of_a_member:
        batch(members(&[member("ann@x.test"), member("stranger@x.test"), member("cy@x.test")], &[], &[]))
        => "created, doubt, created";
    an_error_about_a_stranger_while_all_are_there:
        batch(members(&three(), &[], &[error("stranger@x.test", FAKE)])) => "created, created, created";
    members_in_another_order:
        batch(members(&[member("cy@x.test"), member("ann@x.test"), member("bob@x.test")], &[], &[]))
        => "created, created, created";
    addresses_in_another_case:
        batch(members(&[member("ANN@x.test"), member("Bob@X.TEST")], &[member(" cy@x.test ")], &[]))
        => "created, created, updated";
    one_address_twice_and_the_same:
        batch(members(&[&three()[..], &three()[..1]].concat(), &[], &[])) => "created, created, created";
    one_address_new_and_updated:
        batch(members(&three(), &three()[..1], &[])) => "doubt, created, created";
    one_address_written_and_refused:
        batch(members(&three(), &[], &[error("bob@x.test", FAKE)])) => "created, doubt, created";
    one_address_refused_twice_for_two_reasons:
        batch(members(&three()[1..], &[], &[error("ann@x.test", FAKE), error("ann@x.test", COMPLIANCE)]))
        => "doubt, created, created";
    an_error_without_an_address_for_the_one_row_left:
        batch(members(&three()[1..], &[], &[json!({ "error": FAKE })])) => "rejected fake_email, created, created";
    an_error_without_an_address_for_one_of_two_rows:
        batch(members(&three()[2..], &[], &[json!({ "error": FAKE })])) => "doubt, doubt, created";
    two_errors_without_an_address_for_one_row:
        batch(members(&three()[1..], &[], &[json!({ "error": FAKE }), json!({ "error": "No." })]))
        => "doubt, created, created";
    an_error_whose_address_has_escaped_quotes:
        batch(members(&three()[1..], &[], &[error("\\\"ann@x.test\\\"", FAKE)]))
        => "rejected fake_email, created, created";
    an_error_with_nothing_in_it:
        batch(members(&three()[1..], &[], &[json!({})])) => "rejected refused, created, created";
    an_error_that_names_a_field_nobody_mapped:
        batch(members(&three()[1..], &[], &[json!({ "email_address": "ann@x.test",
            "error": "Your merge fields were invalid.", "error_code": "ERROR_GENERIC",
            "field": "ADDRESS", "field_message": "Please enter a complete address" })]))
        => "rejected invalid_address, created, created";
    a_sign_up_that_is_throttled:
        batch(members(&three()[1..], &[], &[error("ann@x.test", SIGN_UPS)]))
        => "again signup_throttled, created, created";
    an_internal_error_of_one_member:
        batch(members(&three()[1..], &[], &[error("ann@x.test", "An unexpected internal error has occurred.")]))
        => "again mailchimp_row_unavailable, created, created";
    a_member_that_exists_in_mode_upsert:
        batch(members(&three()[1..], &[], &[error("ann@x.test", EXISTS)]))
        => "rejected value_in_use, created, created";
    a_member_that_exists_in_mode_create:
        create(members(&three()[1..2], &[], &[error("ann@x.test", EXISTS)])) => "untouched, created";
    a_member_with_a_status_nobody_knows:
        batch(members(&[json!({ "email_address": "ann@x.test", "status": "dormant" })], &three()[1..], &[]))
        => "created, updated, updated";
    members_without_an_address_or_an_id:
        batch(members(&[json!({ "status": "transactional" }), json!({}), json!({ "id": "no hash" })], &[], &[]))
        => "doubt, doubt, doubt";
    members_that_are_archived:
        batch(members(&[], &[json!({ "email_address": "ann@x.test", "status": "archived" }), three()[1].clone(),
            three()[2].clone()], &[]))
        => "suppressed archived, updated, updated";
    a_mapped_field_dropped_without_a_word:
        batch(members(&[json!({ "email_address": "ann@x.test", "merge_fields": { "LNAME": "" } })], &three()[1..], &[]))
        => "config: mailchimp_fields_changed";
    a_batch_refused_for_duplicates:
        batch(problem(400, "Invalid Resource",
            "Duplicate items found on the list for the following emails: ann@x.test"))
        => "split refused: mailchimp_batch_refused";
    a_batch_refused_for_a_value:
        batch(problem(400, "Invalid Resource", "Your merge fields were invalid."))
        => "split invalid_value: mailchimp_batch_refused";
    a_batch_refused_as_no_json:
        batch(problem(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error."))
        => "split refused: mailchimp_batch_refused";
    an_audience_that_is_gone:
        batch(problem(404, "Resource Not Found", "The requested resource could not be found."))
        => "config: mailchimp_not_found";
    extra_keys_everywhere:
        batch(says(200, &json!({ "new_members": three().map(|mut one| { one["sms_phone_number"] = json!("+1"); one }),
            "updated_members": [], "errors": [], "_links": [{}], "beta": { "x": [1] } })))
        => "created, created, created";
}
