//! Sessions that end while they are needed.

use futures::StreamExt;
use outflow_sdk::source::ReadEvent;
use serde_json::json;

use crate::account::{ACCESS_TOKEN, OAUTH_TOKEN, Options, PASSWORD, What};
use crate::shared::{
    MANY, account, assert_many, open, read_counted, refused, request, settings, source, table, with,
};

#[tokio::test]
async fn a_session_whose_hour_is_over_is_renewed() {
    for (path, skip) in [
        ("/query-request", 0),
        ("/query-request", 1),
        ("/result", 0),
        ("/result", 1),
    ] {
        let running = account(Options {
            polls: 3,
            ..Options::default()
        })
        .await;
        running.account.fault(path, skip, 1, What::Code("390112"));
        let (batches, receipt) = read_counted(&source(&running), table("shop.many"))
            .await
            .unwrap_or_else(|(_, error)| panic!("{path}: {error}"));
        assert_many(&batches, &receipt);
        assert_eq!(running.account.asked("/session/token-request").len(), 1, "{path}");
        assert_eq!(running.account.asked("/login-request").len(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_session_that_is_gone_is_replaced_by_a_new_one() {
    for (code, master, renewals) in [("390112", false, 0), ("390114", true, 0), ("390104", true, 0)] {
        let running = account(Options {
            polls: 2,
            master,
            ..Options::default()
        })
        .await;
        running.account.fault("/result", 0, 1, What::Code(code));
        let (batches, receipt) = read_counted(&source(&running), table("shop.many")).await.unwrap();
        assert_many(&batches, &receipt);
        assert_eq!(
            running.account.asked("/session/token-request").len(),
            renewals,
            "{code}"
        );
        assert_eq!(running.account.asked("/login-request").len(), 2, "{code}");
    }
}

#[tokio::test]
async fn a_master_token_that_is_refused_too_means_logging_in() {
    let running = account(Options {
        polls: 2,
        ..Options::default()
    })
    .await;
    running.account.fault("/result", 0, 1, What::Code("390112"));
    running
        .account
        .fault("/session/token-request", 0, 1, What::Code("390114"));
    let (batches, receipt) = read_counted(&source(&running), table("shop.many")).await.unwrap();
    assert_many(&batches, &receipt);
    assert_eq!(running.account.asked("/login-request").len(), 2);
}

#[tokio::test]
async fn links_are_renewed_in_a_new_session_when_the_old_one_has_ended() {
    let running = account(Options {
        file_rows: 500,
        links_last: 6,
        ..Options::default()
    })
    .await;
    let mut reading = source(&running)
        .read(request(table("shop.many"), &[]))
        .await
        .unwrap();
    let mut rows = 0;
    let mut ended = false;
    let mut forgotten = false;
    while let Some(event) = reading.events.next().await {
        match event.unwrap() {
            ReadEvent::Batch(batch) => rows += batch.num_rows(),
            ReadEvent::End(receipt) => ended = receipt.complete,
        }
        // Once: a session that never holds is another test's.
        if !std::mem::replace(&mut forgotten, true) {
            running.account.forget_sessions();
        }
    }
    assert_eq!((rows, ended), (MANY, true));
    assert!(running.account.asked("/login-request").len() > 1);
}

#[tokio::test]
async fn a_session_that_never_holds_is_given_up() {
    let running = account(Options::default()).await;
    running
        .account
        .fault("/query-request", 0, usize::MAX, What::Code("390112"));
    let error = refused(&source(&running), table("shop.many")).await;
    assert_eq!(error.code, "session_gone", "{error}");
}

#[tokio::test]
async fn every_credential_logs_in() {
    let running = account(Options::default()).await;
    let sealed = include_str!("../keys/aes256.p8");
    for credential in [
        json!({"token": ACCESS_TOKEN}),
        json!({"token": null, "password": PASSWORD}),
        json!({"token": null, "oauth": {"token": OAUTH_TOKEN}, "user": null}),
        json!({"token": null, "private_key": include_str!("../keys/plain.p8")}),
        json!({"token": null, "private_key": sealed, "private_key_passphrase": "kept-in-a-test"}),
    ] {
        let source = open(with(settings(&running), credential));
        source.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_session_says_what_it_is_for() {
    let running = account(Options::default()).await;
    let placed = json!({
        "role": "\"Read only\"", "warehouse": "loading", "database": "db", "schema": "shop",
        "statement_timeout": "90s",
    });
    let source = open(with(settings(&running), placed));
    read_counted(&source, table("people")).await.unwrap();
    let login = running.account.asked("/login-request").remove(0);
    for (parameter, value) in [
        ("roleName", "\"Read only\""),
        ("warehouse", "loading"),
        ("databaseName", "db"),
        ("schemaName", "shop"),
    ] {
        assert_eq!(login.parameter(parameter).as_deref(), Some(value));
    }
    let parameters = &login.json()["data"]["SESSION_PARAMETERS"];
    assert_eq!(parameters["QUERY_TAG"], "outflow/customers/run-1");
    assert_eq!(parameters["STATEMENT_TIMEOUT_IN_SECONDS"], 90);
    assert_eq!(parameters["TIMEZONE"], "UTC");
}
