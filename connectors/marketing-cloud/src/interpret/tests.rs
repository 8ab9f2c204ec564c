#![allow(clippy::unwrap_used, clippy::panic)]

use outflow_sdk::conformance::script::answer;
use outflow_sdk::destination::Removed;

use super::*;
use crate::capabilities::{DELETE, ROWS};
use crate::testing::{layout, removal, row};

fn fault(text: &str) -> RowFault {
    row_fault(text, &layout())
}

#[test]
fn texts_about_a_row_become_codes_in_our_words() {
    for (text, code, field) in [
        (
            "Email: The value for column [Email] is not a valid email address. Parse error [InvalidEmailAddress]",
            "invalid_email",
            Some("Email"),
        ),
        (
            "Name: The value for column [Name] exceeds the column's maximum length.",
            "too_long",
            Some("Name"),
        ),
        ("String or binary data would be truncated.", "too_long", None),
        (
            "Cannot insert the value NULL into column 'Plan', table 'C7000.dbo._x'",
            "missing_required",
            Some("Plan"),
        ),
        (
            "Violation of PRIMARY KEY constraint 'PK_x'. The duplicate key value is (ann@secret.example).",
            "duplicate_key",
            None,
        ),
        (
            "Born: The value for column [Born] is not a valid date. ann@secret.example",
            "invalid_date",
            Some("Born"),
        ),
        (
            "Points: something new about ann@secret.example",
            "invalid_value",
            Some("Points"),
        ),
        ("ann@secret.example is odd", "refused", None),
        ("", "refused", None),
    ] {
        let RowFault::Row(rejection) = fault(text) else {
            panic!("{text}");
        };
        assert_eq!(
            (rejection.code.as_str(), rejection.field.as_deref()),
            (code, field),
            "{text}"
        );
        assert!(!rejection.message.contains("secret"), "{rejection:?}");
    }
}

#[test]
fn what_passes_is_tried_again() {
    for (text, code) in [
        (
            "Transaction (Process ID 52) was deadlocked on lock resources. Rerun the transaction.",
            "deadlock",
        ),
        ("Timeout expired. The timeout period elapsed", "row_timeout"),
    ] {
        assert_eq!(fault(text), RowFault::Passing(code));
        assert!(matches!(fault(text).outcome(), Ok(Outcome::Retry { .. })));
    }
}

#[test]
fn a_data_extension_that_changed_stops_the_sync() {
    for text in [
        "This Data Extension does not have any primary keys defined.",
        "Column not found: Emial",
        "Primary key 'x' does not exist.",
        "The data extension does not exist.",
        "At least one existing field is required in the values property",
    ] {
        let error = fault(text).outcome().unwrap_err();
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Config, "marketing_cloud_schema_changed"),
            "{text}"
        );
    }
}

fn direct_of(rows: u64, status: u16, body: &str) -> Result<Vec<Outcome>, ConnectorError> {
    let operations: Vec<Operation> = (1..=rows)
        .map(|number| row(number, &number.to_string(), &[]))
        .collect();
    direct(&layout(), ROWS, &operations, &answer(status, body.to_owned()))
}

const BAD_EMAIL: &str = r#"{"message":"Unable to save rows for data extension ID 5a","errorcode":10006,"documentation":"",
    "additionalErrors":[{"message":"Unable to save ann@secret.example"},
    {"message":"Email: The value for column [Email] is not a valid email address.","errorcode":10000}]}"#;

#[test]
fn a_bad_row_among_others_is_looked_for_and_alone_it_is_refused() {
    let error = direct_of(3, 400, BAD_EMAIL).unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::BatchRejected {
            code: "invalid_email".into(),
            field: Some("Email".into())
        }
    );
    assert!(!format!("{error:?}").contains("secret"));
    let outcomes = direct_of(1, 400, BAD_EMAIL).unwrap();
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Rejected(rejection)] if rejection.code == "invalid_email")
    );
}

#[test]
fn a_storage_fault_without_a_reason_passes() {
    for body in [
        r#"{"message":"Unable to save rows for data extension ID 5a","errorcode":10006,"documentation":""}"#,
        r#"{"message":"Unable to save rows","errorcode":"10006","additionalErrors":[]}"#,
    ] {
        let error = direct_of(3, 400, body).unwrap_err();
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Transient { after: None }, "marketing_cloud_storage")
        );
    }
}

#[test]
fn a_deadlock_named_in_a_refusal_is_no_fault_of_a_row() {
    let body = r#"{"message":"x","errorcode":10006,"additionalErrors":[{"message":"deadlocked. Rerun the transaction."}]}"#;
    assert!(matches!(
        direct_of(1, 400, body).unwrap().as_slice(),
        [Outcome::Retry { .. }]
    ));
}

#[test]
fn a_wrong_request_is_blamed_on_no_row() {
    for code in [10_001, 10_003, 10_004] {
        let error = direct_of(2, 400, &format!("{{\"message\":\"x\",\"errorcode\":{code}}}")).unwrap_err();
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Contract, "marketing_cloud_request")
        );
    }
    assert_eq!(
        direct_of(2, 400, "<html>no</html>").unwrap_err().code,
        "marketing_cloud_foreign_answer"
    );
}

#[test]
fn an_echo_of_other_rows_than_were_sent_is_no_success() {
    for body in ["[]", "{}", "[{}]", "[{},", "", "null"] {
        assert_eq!(
            direct_of(2, 200, body).unwrap_err().kind,
            ErrorKind::Ambiguous,
            "{body}"
        );
    }
    assert!(matches!(
        direct_of(2, 200, "[{},{}]").unwrap().as_slice(),
        [Outcome::Applied { .. }, Outcome::Applied { .. }]
    ));
}

fn result(code: &str, ordinal: Option<usize>, rest: &str) -> String {
    let ordinal = ordinal
        .map(|at| format!("<OrdinalID>{at}</OrdinalID>"))
        .unwrap_or_default();
    format!("<Results><StatusCode>{code}</StatusCode>{ordinal}{rest}</Results>")
}

fn deletions(rows: usize, results: &str) -> Result<Vec<Outcome>, ConnectorError> {
    let operations: Vec<Operation> = (0..rows)
        .map(|at| removal(Removed::Delete, &format!("[\"{at}\"]"), &[]))
        .collect();
    let body = format!(
        "<soap:Envelope xmlns:soap='s'><soap:Body><DeleteResponse>{results}<OverallStatus>Has Errors</OverallStatus></DeleteResponse></soap:Body></soap:Envelope>"
    );
    deleted(&layout(), DELETE, &operations, &answer(200, body))
}

#[test]
fn deletions_are_told_by_their_number_or_their_place() {
    let results = [
        result(
            "Error",
            Some(2),
            "<StatusMessage>ann@secret.example is locked</StatusMessage>",
        ),
        result("OK", Some(0), ""),
        result("OK", Some(1), ""),
    ]
    .concat();
    let outcomes = deletions(3, &results).unwrap();
    assert!(matches!(outcomes[0], Outcome::Applied { .. }));
    assert!(matches!(&outcomes[2], Outcome::Rejected(rejection) if rejection.code == "delete_refused"));
    assert!(!format!("{outcomes:?}").contains("secret"));
    let outcomes = deletions(2, &[result("OK", None, ""), result("Error", None, "")].concat()).unwrap();
    assert!(matches!(
        outcomes.as_slice(),
        [Outcome::Applied { .. }, Outcome::Rejected(_)]
    ));
}

#[test]
fn a_row_that_is_gone_already_is_deleted() {
    for rest in [
        "<ErrorCode>310007</ErrorCode>",
        "<StatusMessage>No matching row found</StatusMessage>",
        "<ErrorMessage>Row not found for key</ErrorMessage>",
    ] {
        let outcomes = deletions(1, &result("Error", Some(0), rest)).unwrap();
        assert!(matches!(outcomes.as_slice(), [Outcome::Applied { .. }]), "{rest}");
    }
}

#[test]
fn rows_an_answer_does_not_tell_of_are_in_doubt() {
    let outcomes = deletions(2, &result("OK", Some(1), "")).unwrap();
    assert!(matches!(
        outcomes.as_slice(),
        [Outcome::InDoubt, Outcome::Applied { .. }]
    ));
    assert_eq!(deletions(2, "").unwrap_err().kind, ErrorKind::Ambiguous);
    assert_eq!(
        deletions(1, &result("OK", Some(9), "")).unwrap_err().kind,
        ErrorKind::Ambiguous
    );
    let odd = deletions(1, &result("Perhaps", Some(0), "")).unwrap_err();
    assert_eq!(odd.kind, ErrorKind::Ambiguous);
}

#[test]
fn a_deletion_that_deadlocked_is_tried_again_and_a_lost_key_column_stops_the_sync() {
    let deadlock = result(
        "Error",
        Some(0),
        "<StatusMessage>Rerun the transaction</StatusMessage>",
    );
    assert!(matches!(
        deletions(1, &deadlock).unwrap().as_slice(),
        [Outcome::Retry { .. }]
    ));
    let lost = result(
        "Error",
        Some(0),
        "<StatusMessage>Primary key 'Id' does not exist.</StatusMessage>",
    );
    assert_eq!(deletions(1, &lost).unwrap_err().kind, ErrorKind::Config);
}
