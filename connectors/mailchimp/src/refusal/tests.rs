//! Every refusal Mailchimp is known to give, and what it means.

#![allow(clippy::unwrap_used, clippy::panic)]

use outflow_sdk::conformance::script::answer;
use outflow_sdk::destination::Mode;
use serde_json::json;

use super::*;
use crate::testing::members;

fn batch(code: &str, text: &str) -> Outcome {
    batch_with(Verb::Subscribe, code, text, "", "")
}

fn batch_with(verb: Verb, code: &str, text: &str, field: &str, field_text: &str) -> Outcome {
    Refusal::of_batch(code, text, field, field_text).outcome(verb, &members(Mode::Upsert))
}

fn document(body: &Json, verb: Verb) -> Outcome {
    let response = answer(400, body.to_string());
    Refusal::read(&response)
        .unwrap()
        .outcome(verb, &members(Mode::Upsert))
}

fn rejected(outcome: &Outcome) -> (&str, Option<&str>, &str) {
    match outcome {
        Outcome::Rejected(rejection) | Outcome::Suppressed(rejection) => (
            rejection.code.as_str(),
            rejection.field.as_deref(),
            rejection.message.as_str(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_text_of_a_batch_has_its_class() {
    let email = Some("email_address");
    for (text, code, field) in [
        ("Please provide a valid email address.", "invalid_email", email),
        (
            "foo@example.com looks fake or invalid, please enter a real email address.",
            "fake_email",
            email,
        ),
        (
            "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
            "invalid_value",
            None,
        ),
        ("Your merge fields were invalid.", "invalid_value", None),
        ("This value should not be blank.", "missing_required", None),
        (
            "Something nobody has seen yet about foo@example.com",
            "refused",
            None,
        ),
        ("", "refused", None),
    ] {
        let outcome = batch("ERROR_GENERIC", text);
        assert!(matches!(outcome, Outcome::Rejected(_)), "{text}: {outcome:?}");
        let (found, named, message) = rejected(&outcome);
        assert_eq!((found, named), (code, field), "{text}");
        assert!(!message.contains("foo@"), "{message}");
    }
}

#[test]
fn consent_and_compliance_are_suppressed_not_failed() {
    for (title, text, code) in [
        (
            "ERROR_GENERIC",
            "ann@x.test is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed.",
            "compliance",
        ),
        (
            "ERROR_GENERIC",
            "ann@x.test was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list.",
            "forgotten",
        ),
        ("Member In Compliance State", "", "compliance"),
        ("Forgotten Email Not Subscribed", "", "forgotten"),
    ] {
        let outcome = batch(title, text);
        assert!(matches!(outcome, Outcome::Suppressed(_)), "{title}: {outcome:?}");
        assert_eq!(rejected(&outcome).0, code);
        assert!(!format!("{outcome:?}").contains("ann@"));
    }
}

#[test]
fn an_existing_member_is_left_alone_by_create_and_in_the_way_of_a_rename() {
    let text =
        "ann@x.test is already a list member, do you want to update? please provide update_existing:true";
    let untouched = Outcome::Applied {
        effect: Effect::Untouched,
        remote: None,
    };
    assert_eq!(
        batch_with(Verb::Create, "ERROR_CONTACT_EXISTS", text, "", ""),
        untouched
    );
    assert_eq!(batch_with(Verb::Create, "ERROR_GENERIC", text, "", ""), untouched);
    let exists = json!({ "title": "Member Exists", "status": 400,
        "detail": "ann@x.test is already a list member. Use PUT to insert or update list members." });
    let renamed = document(&exists, Verb::Update);
    assert_eq!(rejected(&renamed).0, "value_in_use");
    assert_eq!(document(&exists, Verb::Revive), Outcome::StaleRemote);
}

#[test]
fn what_passes_is_tried_again() {
    for (text, code) in [
        (
            "ann@x.test has signed up to a lot of lists very recently; we're not allowing more signups for now",
            "signup_throttled",
        ),
        (
            "An unexpected internal error has occurred.",
            "mailchimp_row_unavailable",
        ),
    ] {
        let outcome = batch("ERROR_GENERIC", text);
        assert!(
            matches!(&outcome, Outcome::Retry { code: found, .. } if found == code),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_bad_value_names_the_mapped_field_in_our_words() {
    for (text, code) in [
        ("Please enter a number", "invalid_number"),
        ("Please enter the date", "invalid_date"),
        ("Please enter a value", "missing_required"),
        (
            "Please enter a month (01-12) and a day (01-31)",
            "invalid_birthday",
        ),
        ("Please enter a complete address", "invalid_address"),
        (
            "Data did not match any of the schemas described in anyOf.",
            "invalid_address",
        ),
        ("something new", "invalid_value"),
    ] {
        let in_batch = batch_with(
            Verb::Subscribe,
            "ERROR_GENERIC",
            "Your merge fields were invalid.",
            "LTV",
            text,
        );
        let (found, field, message) = rejected(&in_batch);
        assert_eq!((found, field), (code, Some("LTV")), "{text}");
        assert!(message.starts_with("LTV "), "{message}");
        for name in ["LTV", "merge_fields.LTV"] {
            let body = json!({ "title": "Invalid Resource", "detail": "Your merge fields were invalid.",
                "errors": [{ "field": name, "message": text }] });
            assert_eq!(document(&body, Verb::Update), in_batch, "{name} {text}");
        }
    }
}

#[test]
fn fields_that_are_not_mapped_are_not_repeated() {
    let outcome = batch_with(
        Verb::Subscribe,
        "ERROR_GENERIC",
        "x",
        "ann@x.test",
        "Please enter a number",
    );
    let (code, field, message) = rejected(&outcome);
    assert_eq!((code, field), ("invalid_number", None));
    assert_eq!(message, "a merge field takes numbers, this is none");
}

#[test]
fn odd_documents_are_read_as_far_as_they_go() {
    for body in [
        "",
        "<html></html>",
        "[]",
        "null",
        "\"text\"",
        "{",
        r#"{"errors":5}"#,
    ] {
        assert_eq!(Refusal::read(&answer(400, body)), None, "{body}");
    }
    for body in [
        json!({}),
        json!({ "errors": [5, null] }),
        json!({ "title": null }),
    ] {
        assert!(
            matches!(document(&body, Verb::Update), Outcome::Rejected(_)),
            "{body}"
        );
    }
}
