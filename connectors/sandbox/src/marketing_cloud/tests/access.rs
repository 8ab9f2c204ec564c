//! Tokens, business units, paths.

use std::time::Duration;

use serde_json::json;

use super::{Bench, READ};
use crate::marketing_cloud::Options;

#[tokio::test]
async fn a_token_is_given_for_json_and_for_a_form() {
    let bench = Bench::new().await;
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "sandbox-client"),
        ("client_secret", "sandbox-secret"),
        ("account_id", "7281235"),
    ];
    let form = bench.send(bench.outside("POST", "/v2/token").form(&fields)).await;
    let map: serde_json::Map<_, _> = fields
        .iter()
        .map(|(name, value)| ((*name).into(), json!(value)))
        .collect();
    let json = bench.send(bench.outside("POST", "/v2/token").json(&map)).await;
    let base = format!("{}/", bench.twin.base_url());
    for got in [form, json] {
        assert_eq!((got.status, &got.body["expires_in"]), (200, &json!(1_079)));
        assert_eq!(got.body["token_type"], "Bearer");
        assert_eq!(
            (&got.body["rest_instance_url"], &got.body["soap_instance_url"]),
            (&json!(base), &json!(base))
        );
        assert!(got.body.get("refresh_token").is_none());
    }
    assert_eq!(bench.twin.tokens_given(), 3);
}

#[tokio::test]
async fn credentials_that_are_wrong_give_no_token() {
    let bench = Bench::new().await;
    let right = json!({
        "grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret",
    });
    for (name, value, status, error) in [
        ("client_secret", json!("nope"), 401, "invalid_client"),
        ("client_id", json!("nope"), 401, "invalid_client"),
        ("grant_type", json!("password"), 400, "unsupported_grant_type"),
        ("account_id", json!(1), 400, "invalid_grant"),
        ("account_id", json!("x"), 400, "invalid_grant"),
    ] {
        let mut body = right.clone();
        body[name] = value;
        let got = bench.send(bench.outside("POST", "/v2/token").json(&body)).await;
        assert_eq!(
            (got.status, &got.body["error"]),
            (status, &json!(error)),
            "{name}"
        );
        assert!(got.body["error_description"].is_string() && got.body["error_uri"].is_string());
    }
    let got = bench.send(bench.outside("POST", "/v2/token").body("{")).await;
    assert_eq!((got.status, &got.body["error"]), (400, &json!("invalid_request")));
    assert_eq!(bench.twin.tokens_given(), 1);
}

#[tokio::test]
async fn a_token_expires_for_rest_and_for_soap() {
    let life = Duration::from_secs(30);
    let bench = Bench::with(Options {
        token_life: life,
        ..Options::default()
    })
    .await;
    assert_eq!(bench.get(READ).await.status, 200);
    bench.twin.advance_clock(life);
    assert_eq!(bench.get(READ).await.error(), (401, 0, "Not Authorized"));
    let soap = bench.soap("Retrieve", "<RetrieveRequestMsg/>").await;
    assert_eq!(
        (soap.status, soap.texts("faultstring")),
        (500, vec!["Token Expired".to_owned()])
    );
    assert_eq!(soap.texts("faultcode"), ["q0:Security"]);
    let none = bench.send(bench.outside("GET", READ)).await;
    assert_eq!(none.status, 401);
}

#[tokio::test]
async fn a_business_unit_sees_its_own_data_extensions_alone() {
    let mut bench = Bench::new().await;
    bench.token = bench.token_of(7_281_235).await;
    assert_eq!(bench.get(READ).await.status, 404);
    assert_eq!(bench.put("a@b.co", json!({ "Score": 1 })).await.error().1, 10_001);
}

#[tokio::test]
async fn paths_and_queries_are_matched_in_any_case() {
    let bench = Bench::new().await;
    bench.put("a@b.co", json!({ "Score": 1 })).await;
    let path = "/DATA/v1/CustomObjectData/key/PEOPLE/rowset?$PAGESIZE=1&$Page=1";
    let got = bench.get(path).await;
    assert_eq!(
        (&got.body["count"], &got.body["pageSize"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        bench.get("/data/v1/nothing").await.error(),
        (404, 404, "Not Found")
    );
}
