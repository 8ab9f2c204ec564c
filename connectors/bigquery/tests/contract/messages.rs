//! What a person reads when a setting, a name or a permission is wrong.

use std::sync::Arc;

use insta::assert_snapshot;
use outflow_sdk::source::{Model, Source};
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::json;

use crate::rest::{Asked, Data, Reply, Rest};
use crate::shared::{credentials, people, read, source, sql};

/// The error with its hint, and the stub's port as `PORT`.
fn told(error: &ConnectorError, port: u16) -> String {
    let hint = error.hint.as_deref().unwrap_or("no hint");
    let text = format!("{:?} {}: {}\n  {hint}", error.kind, error.code, error.message);
    text.replace(&port.to_string(), "PORT")
}

async fn stub(odd: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> (Rest, Arc<dyn Source>) {
    let stub = Rest::start(Data::people(10), odd).await;
    let own = source(stub.port, json!({"credentials": credentials(stub.port)}));
    (stub, own)
}

#[tokio::test]
async fn a_wrong_host() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = source(port, json!({})).check().await.unwrap_err();
    assert_snapshot!(told(&error, port), @r"
    Source { transient: true } unreachable: 127.0.0.1:PORT: cannot connect: Connection refused (os error 111)
      check `base_url:` of the source, proxies and firewalls; BigQuery is at bigquery.googleapis.com
    ");
    let (stub, own) = stub(|asked| (asked.route != "token").then(|| Reply::html(404))).await;
    let error = own.check().await.unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Config not_bigquery: 127.0.0.1:PORT: answers with HTTP 404 and without a word of BigQuery's
      check `base_url:` of the source: scheme and host alone
    ");
}

#[tokio::test]
async fn a_wrong_project() {
    let words =
        "Access Denied: Project acme: User does not have bigquery.jobs.create permission in project acme.";
    let (stub, own) =
        stub(move |asked| (asked.route == "query").then(|| Reply::refusal(403, "accessDenied", words))).await;
    let error = own.check().await.unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Auth permission_denied: 127.0.0.1:PORT: Access Denied: Project acme: User does not have bigquery.jobs.create permission in project acme.
      grant the principal roles/bigquery.jobUser on the project of `project:`, and check its id
    ");
}

#[tokio::test]
async fn a_wrong_key() {
    let (stub, own) = stub(|asked| {
        (asked.route == "token").then(|| {
            Reply::text(
                400,
                json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}).to_string(),
            )
        })
    })
    .await;
    let error = own.check().await.unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Auth credentials_refused: reader@acme.iam.gserviceaccount.com is refused: its key is not one of the account's (HTTP 400)
      the key was deleted or belongs to another account: make a new one
    ");
    let error = source(stub.port, json!({"credentials": "{}"}))
        .check()
        .await
        .unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r#"
    Auth credentials_unreadable: `credentials` is JSON, but no credential: it has no `type`
      a key file of a service account has `"type": "service_account"`
    "#);
}

#[tokio::test]
async fn a_missing_table() {
    let words = "Not found: Table acme:shop.poeple was not found in location US";
    let (stub, own) = stub(move |asked| {
        matches!(asked.route, "table" | "dry_run").then(|| Reply::refusal(404, "notFound", words))
    })
    .await;
    let error = read(&own, Model::Table("shop.poeple".into())).await.unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Source { transient: false } missing_table: table shop.poeple: Not found: Table acme:shop.poeple was not found in location US
      did you mean shop.people?
    ");
    let error = read(&own, sql("select * from shop.poeple")).await.unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Source { transient: false } missing_table: the model's SQL: Not found: Table acme:shop.poeple was not found in location US
      check the table's name and dataset, and that the principal may read it; where it is in a region, give the source its `location:`
    ");
}

#[tokio::test]
async fn a_missing_column() {
    let words = "Unrecognized name: emial; Did you mean email? at [2:3]";
    let (stub, own) =
        stub(move |asked| (asked.route == "dry_run").then(|| Reply::refusal(400, "invalidQuery", words)))
            .await;
    let error = read(&own, sql("select id,\n  emial from shop.people"))
        .await
        .unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Source { transient: false } missing_column: the model's SQL: Unrecognized name: emial; Did you mean email? at line 2, column 3 of the model
      check its name, and which table has it
    ");
}

#[tokio::test]
async fn a_missing_permission() {
    let words = "Access Denied: Table acme:shop.people: User does not have permission to query table acme:shop.people, or perhaps it does not exist in location US.";
    let (stub, own) =
        stub(move |asked| (asked.route == "dry_run").then(|| Reply::refusal(403, "accessDenied", words)))
            .await;
    let error = read(&own, people()).await.unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Auth permission_denied: the model's SQL: Access Denied: Table acme:shop.people: User does not have permission to query table acme:shop.people, or perhaps it does not exist in location US.
      grant the principal roles/bigquery.dataViewer on the dataset; the README of this source lists the grants
    ");
}

#[tokio::test]
async fn a_column_that_the_model_lacks() {
    let (stub, own) = stub(|_| None).await;
    let request = crate::shared::request(people(), &["nmae"]);
    let (_, error) = crate::shared::read_counted(&own, request).await.unwrap_err();
    assert_snapshot!(told(&error, stub.port), @r"
    Source { transient: false } missing_column: the model's SQL: there is no column 'nmae'
      did you mean 'name'?
    ");
}

#[tokio::test]
async fn a_good_connection_tells_who_it_is_and_what_is_too_much() {
    let (stub, own) = stub(|_| None).await;
    let advice = own.check().await.unwrap();
    let lines: Vec<String> = advice
        .iter()
        .map(|advice| format!("{}: {}", advice.code, advice.message))
        .collect();
    assert_snapshot!(lines.join("\n").replace(&stub.port.to_string(), "PORT"), @r"
    identity: 127.0.0.1:PORT: 'reader@acme.iam.gserviceaccount.com' in project 'acme', jobs in the data's location
    role_can_write: 'reader@acme.iam.gserviceaccount.com' can change data of the project (bigquery.tables.updateData): roles/bigquery.jobUser and dataViewer are enough, and safer
    ");
    // Where nobody tells of permissions, nothing is said of them.
    let quiet = Rest::start(Data::people(10), |asked| {
        (asked.route == "permissions").then(|| Reply::html(404))
    })
    .await;
    let own = source(quiet.port, json!({"credentials": credentials(quiet.port)}));
    let codes: Vec<&str> = own
        .check()
        .await
        .unwrap()
        .iter()
        .map(|advice| advice.code)
        .collect();
    assert_eq!(codes, ["identity"]);
}

#[tokio::test]
async fn no_error_says_what_must_stay_secret() {
    for status in [400, 401, 403, 404] {
        let (stub, own) = stub(move |asked| (asked.route != "token").then(|| Reply::html(status))).await;
        let error = read(&own, people()).await.unwrap_err();
        let told = format!("{error:?}");
        assert!(
            !told.contains("token-") && !told.contains("on fire") && !told.contains("PRIVATE"),
            "{told}"
        );
        assert_ne!(error.kind, ErrorKind::Internal);
        assert!(stub.count() > 0);
    }
}
