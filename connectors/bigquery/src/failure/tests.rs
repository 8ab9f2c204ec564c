//! BigQuery's refusals and what is told of them.

#![allow(clippy::unwrap_used)]

use outflow_sdk::source::Model;
use serde_json::json;

use super::*;
use crate::query::tests::settings;

fn query() -> Query {
    Query::new(&Model::Sql("select 1".into()), &settings()).unwrap()
}

fn answer(status: u16, reason: &str, message: &str) -> HttpResponse {
    let body = json!({"error": {"code": status, "message": message, "status": "X",
        "errors": [{"reason": reason, "message": message, "domain": "global"}]}});
    HttpResponse {
        status,
        headers: vec![("retry-after".into(), "7".into())],
        body: body.to_string().into(),
    }
}

fn told(doing: Doing<'_>, status: u16, reason: &str, message: &str) -> ConnectorError {
    let refusal = match status {
        200 => Refusal::of_job(&ErrorProto {
            reason: reason.into(),
            message: message.into(),
        }),
        _ => Refusal::of(&answer(status, reason, message)),
    };
    Fault::Refused(refusal).told(&settings(), doing)
}

#[test]
fn what_bigquery_says_of_a_dry_run_is_told_with_its_place() {
    let query = query();
    for (reason, message, code, words) in [
        (
            "invalidQuery",
            "Unrecognized name: emial; Did you mean email? at [2:8]",
            "missing_column",
            "the model's SQL: Unrecognized name: emial; Did you mean email? at line 2, column 8 of the model",
        ),
        (
            "invalidQuery",
            "Syntax error: Unexpected keyword FROM at [1:8]",
            "sql_syntax",
            "the model's SQL: Syntax error: Unexpected keyword FROM at line 1, column 8 of the model",
        ),
        (
            "invalidQuery",
            "Column name id is ambiguous at [1:8]",
            "ambiguous_column",
            "",
        ),
        (
            "invalid",
            "Table \"customers\" must be qualified with a dataset (e.g. dataset.table).",
            "missing_table",
            "",
        ),
        (
            "notFound",
            "Not found: Table acme:shop.peple was not found in location US",
            "missing_table",
            "",
        ),
        (
            "notFound",
            "Not found: Dataset acme:shp was not found in location US",
            "missing_dataset",
            "",
        ),
        ("notFound", "Not found: Project nowhere", "missing_project", ""),
        (
            "invalid",
            "Invalid project ID 'Acme'.",
            "missing_project",
            "'acme' is no project id",
        ),
    ] {
        let error = told(Doing::DryRun(&query), 400, reason, message);
        assert_eq!(error.code, code, "{message}");
        assert!(error.hint.is_some());
        if !words.is_empty() {
            assert_eq!(error.message, words);
        }
    }
}

#[test]
fn what_it_says_of_a_query_that_ran_is_not_repeated() {
    let query = query();
    for (reason, message, code) in [
        ("invalidQuery", "Bad int64 value: ann@example.com", "value_error"),
        (
            "invalidQuery",
            "division by zero: ann@example.com / 0",
            "value_error",
        ),
        (
            "invalidQuery",
            "Scalar subquery produced more than one element: ann@example.com",
            "value_error",
        ),
        (
            "resourcesExceeded",
            "Resources exceeded: ann@example.com",
            "query_too_heavy",
        ),
        (
            "responseTooLarge",
            "Response too large: ann@example.com",
            "result_too_large",
        ),
        (
            "stopped",
            "Job execution was cancelled: Job timed out after 1 sec",
            "query_timeout",
        ),
        (
            "stopped",
            "Job execution was cancelled: User requested cancellation",
            "query_cancelled",
        ),
        ("somethingNew", "ann@example.com", "query_failed"),
    ] {
        let error = told(Doing::Running(&query), 200, reason, message);
        assert_eq!(error.code, code, "{message}");
        assert!(!error.message.contains("ann@example.com"), "{error}");
        assert!(error.hint.is_some_and(|hint| !hint.contains("ann@example.com")));
    }
}

#[test]
fn permissions_name_the_grant() {
    let query = query();
    let of = |doing: Doing<'_>, message: &str| {
        let error = told(doing, 403, "accessDenied", message);
        assert_eq!((error.code, error.kind), ("permission_denied", ErrorKind::Auth));
        error.hint.unwrap()
    };
    let jobs =
        "Access Denied: Project acme: User does not have bigquery.jobs.create permission in project acme.";
    assert!(of(Doing::Looking, jobs).contains("roles/bigquery.jobUser"));
    let table = "Access Denied: Table acme:shop.people: User does not have permission to query table acme:shop.people";
    assert!(of(Doing::DryRun(&query), table).contains("roles/bigquery.dataViewer"));
}

#[test]
fn limits_are_told_apart() {
    let query = query();
    let quota = told(
        Doing::Running(&query),
        403,
        "quotaExceeded",
        "Quota exceeded: bytes scanned",
    );
    assert_eq!(quota.kind, ErrorKind::QuotaExhausted { until: None });
    let rate = told(
        Doing::Running(&query),
        403,
        "rateLimitExceeded",
        "Exceeded rate limits",
    );
    assert_eq!((rate.code, is_passing(&rate)), ("rate_limited", true));
    let message = "Query exceeded limit for bytes billed: 1000. 10485760 or higher required.";
    let bytes = told(Doing::Running(&query), 400, "bytesBilledLimitExceeded", message);
    assert_eq!(
        bytes.message,
        "the model's SQL: would be billed for more than what the project allows: it needs 10485760"
    );
}

#[test]
fn the_status_is_kept_when_the_body_is_not_googles() {
    let query = query();
    for (status, code, again) in [
        (500, "warehouse_unavailable", true),
        (502, "warehouse_unavailable", true),
        (503, "warehouse_unavailable", true),
        (429, "warehouse_unavailable", true),
        (401, "credentials_refused", false),
        (403, "permission_denied", false),
        (404, "not_bigquery", false),
        (418, "unexpected_answer", false),
    ] {
        let html = HttpResponse {
            status,
            headers: Vec::new(),
            body: "<html>ann@example.com</html>".into(),
        };
        let fault = Fault::Refused(Refusal::of(&html));
        assert_eq!(fault.passing().is_some(), again, "{status}");
        let error = fault.told(&settings(), Doing::Reading(&query, 5));
        assert_eq!(error.code, code, "{status}");
        assert!(!error.message.contains("ann@example.com"));
        if again {
            assert_eq!(error.kind, ErrorKind::Source { transient: true });
            assert!(
                error
                    .message
                    .contains("after 5 rows of the model's SQL; nothing of this read is used")
            );
        }
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let fault = Fault::Refused(Refusal::of(&answer(403, "rateLimitExceeded", "slow down")));
    assert_eq!(fault.passing(), Some(Duration::from_secs(7)));
    let fault = Fault::Refused(Refusal::of(&answer(403, "accessDenied", "no")));
    assert_eq!(fault.passing(), None);
}
