//! Credentials, scopes, OAuth and the account probe.

use std::time::Duration;

use serde_json::json;

use super::{Bench, CONTACTS};
use crate::hubspot::{Grant, Options, Token};

fn refresh(secret: &str, token: &str) -> Vec<(String, String)> {
    [
        ("grant_type", "refresh_token"),
        ("client_id", "sandbox-client"),
        ("client_secret", secret),
        ("refresh_token", token),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

async fn form(bench: &Bench, path: &str, fields: &[(String, String)]) -> super::Got {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let request = bench
        .client
        .post(format!("{}{path}", bench.twin.base_url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    bench.send(request).await
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered() {
    let mut bench = Bench::new().await;
    let url = format!("{}{CONTACTS}", bench.twin.base_url());
    for request in [
        bench.client.get(&url),
        bench.client.get(format!("{url}?hapikey=pat-na1-sandbox")),
        bench.client.get(&url).header("authorization", "pat-na1-sandbox"),
        bench
            .client
            .get(&url)
            .header("authorization", "Basic pat-na1-sandbox"),
        bench.client.get(&url).bearer_auth("pat-na1-other"),
    ] {
        let got = bench.send(request).await;
        assert_eq!(
            (got.status, &got.body["category"]),
            (401, &json!("INVALID_AUTHENTICATION"))
        );
        assert!(!got.text.contains("pat-na1"));
    }
    bench.twin.expire_token("pat-na1-sandbox");
    let got = bench.get(CONTACTS).await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (401, &json!("EXPIRED_AUTHENTICATION"))
    );
    bench.twin.add_token(&Token::new("pat-na1-new"));
    bench.token = "pat-na1-new".into();
    assert_eq!(bench.get(CONTACTS).await.status, 200);
}

#[tokio::test]
async fn each_token_can_do_what_its_scopes_say() {
    let scopes = ["crm.objects.contacts.read", "crm.lists.write"];
    let options = Options {
        tokens: vec![Token::with_scopes("pat-na1-sandbox", scopes)],
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    assert_eq!(bench.get("/account-info/2026-03/details").await.status, 200);
    let cases = [
        (
            bench.upsert(&[("a@example.com", json!({}))]).await,
            "crm.objects.contacts.write",
        ),
        (
            bench.get("/crm/v3/objects/companies").await,
            "crm.objects.companies.read",
        ),
        (
            bench.get("/crm/v3/properties/contacts").await,
            "crm.schemas.contacts.read",
        ),
        (
            bench.post("/crm/v3/properties/contacts", json!({})).await,
            "crm.schemas.contacts.write",
        ),
        (
            bench.get("/crm-object-schemas/v3/schemas").await,
            "crm.schemas.custom.read",
        ),
        // Membership changes ask for both list scopes.
        (
            bench
                .call("PUT", "/crm/v3/lists/1/memberships/add", json!([]))
                .await,
            "crm.lists.read",
        ),
    ];
    for (got, scope) in cases {
        assert_eq!(
            (got.status, &got.body["category"]),
            (403, &json!("MISSING_SCOPES")),
            "{scope}"
        );
        assert_eq!(
            got.body["errors"][0]["context"]["requiredGranularScopes"],
            json!([scope])
        );
        assert_eq!(
            got.body["links"]["scopes"],
            "https://developers.hubspot.com/scopes"
        );
    }
    assert_eq!(bench.twin.count("contacts"), 0);
}

#[tokio::test]
async fn a_refresh_token_gives_an_access_token_that_expires() {
    let mut bench = Bench::new().await;
    for path in [
        "/oauth/2026-03/token",
        "/oauth/2026-09/token",
        "/oauth/v3/token",
        "/oauth/v1/token",
    ] {
        let got = form(&bench, path, &refresh("sandbox-secret", "na1-sandbox-refresh")).await;
        assert_eq!(got.status, 200, "{path}");
        assert_eq!(
            (&got.body["token_type"], &got.body["expires_in"]),
            (&json!("bearer"), &json!(1800))
        );
        assert_eq!(got.body["refresh_token"], "na1-sandbox-refresh");
        assert_eq!(got.body.get("hub_id").is_some(), path != "/oauth/v1/token");
        bench.token = got.body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(bench.get(CONTACTS).await.status, 200);
    }
    bench.twin.advance_clock(Duration::from_secs(1799));
    assert_eq!(bench.get(CONTACTS).await.status, 200);
    bench.twin.advance_clock(Duration::from_secs(2));
    assert_eq!(
        bench.get(CONTACTS).await.body["category"],
        "EXPIRED_AUTHENTICATION"
    );
}

#[tokio::test]
async fn the_token_endpoint_says_what_is_wrong() {
    let bench = Bench::new().await;
    let path = "/oauth/2026-03/token";
    let with = |key: &str, value: &str| {
        let mut fields = refresh("sandbox-secret", "na1-sandbox-refresh");
        fields
            .iter_mut()
            .filter(|(name, _)| name == key)
            .for_each(|(_, old)| value.clone_into(old));
        fields
    };
    for (fields, status, error) in [
        (with("client_id", "x"), "BAD_CLIENT_ID", "invalid_client"),
        (with("client_secret", "x"), "BAD_CLIENT_SECRET", "invalid_client"),
        (with("refresh_token", "x"), "BAD_REFRESH_TOKEN", "invalid_grant"),
        (
            with("grant_type", "x"),
            "BAD_GRANT_TYPE",
            "unsupported_grant_type",
        ),
    ] {
        let got = form(&bench, path, &fields).await;
        assert_eq!(got.status, 400);
        assert_eq!(
            (&got.body["status"], &got.body["error"]),
            (&json!(status), &json!(error))
        );
        assert!(got.body["message"].is_string() && got.body["error_description"].is_string());
    }
    // All fields go in a form body, not in JSON and not in the query.
    assert_eq!(bench.post(path, json!({})).await.status, 415);
    assert_eq!(bench.get(path).await.status, 405);
    assert_eq!(form(&bench, "/oauth/2025-09/token", &[]).await.status, 404);
    // A dead grant: issued access tokens stay valid.
    let got = form(&bench, path, &refresh("sandbox-secret", "na1-sandbox-refresh")).await;
    let access = got.body["access_token"].as_str().unwrap().to_owned();
    bench.twin.revoke_grant("na1-sandbox-refresh");
    let got = form(&bench, path, &refresh("sandbox-secret", "na1-sandbox-refresh")).await;
    assert_eq!(got.body["error"], "invalid_grant");
    let request = bench
        .client
        .get(format!("{}{CONTACTS}", bench.twin.base_url()))
        .bearer_auth(access);
    assert_eq!(bench.send(request).await.status, 200);
}

#[tokio::test]
async fn a_code_is_exchanged_once_and_tokens_can_be_introspected() {
    let grant = Grant {
        code: Some("code-1".into()),
        ..Grant::new("sandbox-client", "s", "r")
    };
    let bench = Bench::with(Options {
        grants: vec![grant],
        ..Options::default()
    })
    .await;
    let pairs = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        fields
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let fields = pairs(&[
        ("grant_type", "authorization_code"),
        ("client_id", "sandbox-client"),
        ("client_secret", "s"),
        ("code", "code-1"),
        ("redirect_uri", "http://127.0.0.1/callback"),
    ]);
    let got = form(&bench, "/oauth/v3/token", &fields).await;
    assert_eq!(got.status, 200);
    let access = got.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        form(&bench, "/oauth/v3/token", &fields).await.body["status"],
        "BAD_AUTH_CODE"
    );
    let ask = pairs(&[
        ("client_id", "sandbox-client"),
        ("client_secret", "s"),
        ("token", &access),
    ]);
    let got = form(&bench, "/oauth/2026-03/token/introspect", &ask).await;
    assert_eq!(
        (&got.body["active"], &got.body["client_id"]),
        (&json!(true), &json!("sandbox-client"))
    );
    assert_eq!(
        form(&bench, "/oauth/2026-03/token/revoke", &ask).await.status,
        200
    );
    let got = form(&bench, "/oauth/2026-03/token/introspect", &ask).await;
    assert_eq!(got.body, json!({ "active": false }));
}

#[tokio::test]
async fn the_probe_tells_account_and_zone() {
    let options = Options {
        time_zone: "Asia/Kolkata".into(),
        hub_id: 99,
        ..Options::default()
    };
    let got = Bench::with(options).await.get("/account-info/v3/details").await;
    assert_eq!(
        (&got.body["portalId"], &got.body["timeZone"]),
        (&json!(99), &json!("Asia/Kolkata"))
    );
    assert_eq!(got.body["utcOffset"], "+05:30");
    assert_eq!(got.body["utcOffsetMilliseconds"], 19_800_000);
}

#[tokio::test]
async fn an_unknown_zone_does_not_start() {
    let options = Options {
        time_zone: "Mars/Olympus".into(),
        ..Options::default()
    };
    let error = crate::hubspot::Twin::start(options).await.err().unwrap();
    assert!(error.to_string().contains("Mars/Olympus"));
}
