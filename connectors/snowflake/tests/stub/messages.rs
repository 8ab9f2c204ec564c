//! What people are told when something is wrong: each message whole, with what to do next.

use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::json;

use crate::account::{Options, Running, What};
use crate::shared::{account, open, refused, settings, source, sql, table, with};

async fn running() -> Running {
    account(Options::default()).await
}

pub fn address(running: &Running) -> String {
    running.base_url.trim_start_matches("http://").to_owned()
}

async fn checked(running: &Running, changes: serde_json::Value) -> ConnectorError {
    let source = open(with(settings(running), changes));
    let error = source.check().await.expect_err("the check fails");
    assert!(!format!("{error:?}").contains("secret-"), "{error:?}");
    error
}

#[tokio::test]
async fn a_wrong_host_is_named() {
    let running = running().await;
    // A name that cannot exist, by its standard.
    let error = checked(&running, json!({"base_url": "http://nowhere.invalid"})).await;
    assert_eq!(
        (error.code, error.kind.clone()),
        ("unreachable", ErrorKind::Source { transient: true })
    );
    assert!(
        error.message.starts_with("nowhere.invalid: cannot connect: "),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("`account:`"));
}

#[tokio::test]
async fn an_address_without_an_account_is_told_apart() {
    for status in [403, 404] {
        let running = running().await;
        running
            .account
            .fault("/login-request", 0, usize::MAX, What::Html(status));
        let error = checked(&running, json!({})).await;
        assert_eq!(
            (error.code, error.kind.clone()),
            ("unknown_account", ErrorKind::Config)
        );
        assert_eq!(
            error.message,
            format!(
                "{}: no Snowflake account answers here (HTTP {status})",
                address(&running)
            )
        );
    }
    let running = running().await;
    running
        .account
        .fault("/login-request", 0, usize::MAX, What::Html(200));
    let error = checked(&running, json!({})).await;
    assert_eq!(
        (error.code, error.kind.clone()),
        ("unexpected_answer", ErrorKind::Contract)
    );
}

#[tokio::test]
async fn a_wrong_user_key_or_token_is_refused() {
    let running = running().await;
    let address = address(&running);
    let other_key = json!({"token": null, "private_key": other_key()});
    for (changes, code, message) in [
        (
            json!({"user": "nobody"}),
            "login_refused",
            format!("{address}: user 'nobody' is refused: wrong token, or there is no such user"),
        ),
        (
            json!({"token": null, "password": "secret-wrong"}),
            "login_refused",
            format!("{address}: user 'outflow' is refused: wrong password, or there is no such user"),
        ),
        (
            json!({"token": "secret-wrong"}),
            "token_refused",
            format!(
                "{address}: the access token of user 'outflow' is refused: Programmatic access token is invalid"
            ),
        ),
        (
            other_key,
            "key_refused",
            format!(
                "{address}: user 'outflow' is refused with this key: JWT token is invalid. \
                 [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]"
            ),
        ),
        (
            json!({"token": null, "user": null, "oauth": {"token": "secret-wrong"}}),
            "token_refused",
            format!("{address}: the OAuth access token is refused: Invalid OAuth access token. [0ce9eb56]"),
        ),
    ] {
        let error = checked(&running, changes.clone()).await;
        assert_eq!(
            (error.code, error.kind.clone()),
            (code, ErrorKind::Auth),
            "{changes}"
        );
        assert_eq!(error.message, message);
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_says_why() {
    let running = running().await;
    for (changes, words) in [
        (json!({"private_key": "secret-text"}), "is not in PEM form"),
        (
            json!({"private_key": include_str!("../keys/aes256.p8")}),
            "has a passphrase, and none is given",
        ),
        (
            json!({"private_key": include_str!("../keys/aes256.p8"), "private_key_passphrase": "secret-wrong"}),
            "does not open with its passphrase",
        ),
    ] {
        let mut changes = changes;
        changes["token"] = json!(null);
        let error = checked(&running, changes).await;
        assert_eq!(
            (error.code, error.kind.clone()),
            ("private_key", ErrorKind::Config)
        );
        assert!(error.message.contains(words), "{error}");
    }
}

/// A good key that is not the user's.
fn other_key() -> &'static str {
    include_str!("../keys/other.p8")
}

#[tokio::test]
async fn a_role_warehouse_or_database_that_is_not_there_is_named() {
    let running = running().await;
    for (changes, code, words) in [
        (
            json!({"role": "nowhere"}),
            "missing_role",
            "there is no role nowhere for user 'outflow'",
        ),
        (
            json!({"warehouse": "nowhere"}),
            "missing_object",
            "The requested warehouse does not exist or not authorized",
        ),
        (
            json!({"database": "nowhere"}),
            "missing_object",
            "The requested database does not exist or not authorized",
        ),
    ] {
        let error = checked(&running, changes).await;
        assert_eq!((error.code, error.kind.clone()), (code, ErrorKind::Config));
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_missing_table_comes_with_the_one_that_was_meant() {
    let running = running().await;
    let error = refused(&source(&running), table("shop.peple")).await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            "missing_table",
            "table SHOP.PEPLE: Object 'PEPLE' does not exist or not authorized"
        )
    );
    assert_eq!(error.hint.as_deref(), Some("did you mean shop.people?"));
    assert_eq!(error.correlation.as_deref(), Some("01b2-refused"));
    let error = refused(&source(&running), sql("select * from shop.peple")).await;
    assert_eq!(
        error.message,
        "the model's SQL: Object 'PEPLE' does not exist or not authorized"
    );
}

#[tokio::test]
async fn a_missing_column_comes_with_its_place() {
    let running = running().await;
    let error = refused(&source(&running), sql("select id,\n  emial from shop.people")).await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            "missing_column",
            "the model's SQL: invalid identifier 'EMIAL' at line 2, column 3 of the model"
        )
    );
}

#[tokio::test]
async fn a_syntax_error_comes_with_its_place() {
    let running = running().await;
    let error = refused(&source(&running), sql("select *\nFORM shop.people")).await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            "sql_syntax",
            "the model's SQL: syntax error unexpected 'FORM' at line 2, column 1 of the model"
        )
    );
}

#[tokio::test]
async fn a_text_stays_one_literal() {
    let running = running().await;
    let source = source(&running);
    assert_eq!(source.text_literal(r"it's \' or 1=1"), r"'it''s \\'' or 1=1'");
}

#[tokio::test]
async fn a_missing_permission_names_what_to_grant() {
    let running = running().await;
    running.account.refuse(
        "PRIVATE",
        "003001",
        "42501",
        "SQL access control error:\nInsufficient privileges to operate on table 'PRIVATE'",
    );
    let error = refused(&source(&running), table("shop.private")).await;
    assert_eq!(
        (error.code, error.kind.clone()),
        ("permission_denied", ErrorKind::Auth)
    );
    assert_eq!(
        error.message,
        "table SHOP.PRIVATE: user 'outflow' lacks a permission: Insufficient privileges to operate on table \
         'PRIVATE'"
    );
    assert!(error.hint.unwrap().contains("GRANT SELECT"));
}

#[tokio::test]
async fn whatever_stops_a_query_is_told_apart() {
    let transient = ErrorKind::Source { transient: true };
    let permanent = ErrorKind::Source { transient: false };
    for (code, sql_state, message, expected, kind) in [
        (
            "000630",
            "57014",
            "Statement reached its statement or warehouse timeout of 1 second(s) and was canceled.",
            "query_timeout",
            permanent.clone(),
        ),
        (
            "000604",
            "57014",
            "SQL execution canceled",
            "query_cancelled",
            transient.clone(),
        ),
        (
            "000606",
            "57P03",
            "No active warehouse selected in the current session.",
            "no_warehouse",
            ErrorKind::Config,
        ),
        (
            "090073",
            "22000",
            "Warehouse 'W' cannot be resumed because resource monitor 'M' has exceeded its quota.",
            "resource_monitor",
            ErrorKind::QuotaExhausted { until: None },
        ),
        (
            "090064",
            "22000",
            "Warehouse 'W' is suspended.",
            "warehouse_suspended",
            transient.clone(),
        ),
        (
            "000666",
            "57014",
            "Your account is suspended due to lack of payment method.",
            "account_suspended",
            ErrorKind::Auth,
        ),
        (
            "100038",
            "22018",
            "Numeric value 'Žofia O'Neil' is not recognized",
            "value_error",
            permanent.clone(),
        ),
        (
            "100051",
            "22012",
            "Division by zero",
            "value_error",
            permanent.clone(),
        ),
        (
            "000603",
            "XX000",
            "SQL execution internal error",
            "server_failed",
            transient.clone(),
        ),
        (
            "999999",
            "XX000",
            "Row 'Žofia' broke",
            "query_failed",
            permanent.clone(),
        ),
    ] {
        let running = running().await;
        running.account.refuse("MANY", code, sql_state, message);
        let error = refused(&source(&running), table("shop.many")).await;
        assert_eq!((error.code, &error.kind), (expected, &kind), "{code}: {error}");
        assert!(!format!("{error:?}").contains("Žofia"), "{error:?}");
        assert!(error.hint.is_some(), "{code}");
    }
}
