//! Tokens: taken once, renewed once, sent to nobody else; and accounts.

use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::conformance::script::{answer, lost};
use outflow_sdk::destination::Destination;
use serde_json::{Value as Json, json};

use crate::world::{
    SECRET, TOKEN, bound, deleted, deletion, fault, found, header, kind, opened, others, retrieved, settings,
    text, token, words,
};

fn unauthorized() -> outflow_sdk::http::HttpResponse {
    answer(
        401,
        r#"{"documentation":"https://x","errorcode":0,"message":"Not Authorized"}"#,
    )
}

#[tokio::test]
async fn a_token_is_asked_for_with_the_client_and_its_business_unit() {
    let (script, cloud) = opened(settings());
    script.then(token(TOKEN));
    let account = cloud.check().await.unwrap();
    assert_eq!(account.label, "business unit 7281234");
    let requests = script.take_requests();
    assert_eq!(requests[0].url, "https://auth.test/v2/token");
    assert_eq!(
        serde_json::from_slice::<Json>(&requests[0].body).unwrap(),
        json!({
            "grant_type": "client_credentials", "client_id": "client", "client_secret": SECRET,
            "account_id": "7281234",
        })
    );
    assert_eq!(header(&requests[0], "authorization"), None);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_and_renewed_ahead_of_its_end() {
    let (script, cloud) = opened(settings());
    script.always(Ok(token(TOKEN)));
    cloud.check().await.unwrap();
    tokio::time::advance(Duration::from_secs(1_079 - 130)).await;
    cloud.check().await.unwrap();
    assert_eq!(script.take_requests().len(), 1);
    tokio::time::advance(Duration::from_secs(20)).await;
    cloud.check().await.unwrap();
    assert_eq!(script.take_requests().len(), 1);
}

#[tokio::test]
async fn all_who_need_a_token_at_once_wait_for_one() {
    let (script, cloud) = opened(settings());
    script.always(Ok(token(TOKEN)));
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(async move { cloud.check().await.is_ok() })
        })
        .collect();
    for asked in asked {
        assert!(asked.await.unwrap());
    }
    assert_eq!(script.take_requests().len(), 1);
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed_and_the_request_sent_again() {
    let world = bound().await;
    world
        .script
        .then(unauthorized())
        .then(token("renewed"))
        .then(answer(200, "[{},{}]"));
    assert_eq!(words(&world.settled(&others(2)).await.unwrap()), ["applied"; 2]);
    let requests = world.script.take_requests();
    let bearer = |at: usize| header(&requests[at], "authorization").unwrap().to_owned();
    assert_eq!(
        (bearer(0), bearer(2)),
        (format!("Bearer {TOKEN}"), "Bearer renewed".into())
    );
    assert_eq!(requests[0].body, requests[2].body);
    assert_eq!(
        requests[0].url,
        "https://t.rest.marketingcloudapis.com/hub/v1/dataevents/key:customers/rowset"
    );

    world
        .script
        .then(fault("Token Expired"))
        .then(token("again"))
        .then(deleted(&[("OK", "Deleted DataExtensionObject")]));
    assert_eq!(
        words(&world.settled(&[deletion(1, "a")]).await.unwrap()),
        ["applied"]
    );
    let requests = world.script.take_requests();
    assert!(text(&requests[0]).contains("<fueloauth xmlns=\"http://exacttarget.com\">renewed</fueloauth>"));
    assert!(text(&requests[2]).contains(">again</fueloauth>"));
    assert_eq!(header(&requests[2], "soapaction"), Some("Delete"));
    assert_eq!(
        requests[2].url,
        "https://t.soap.marketingcloudapis.com/Service.asmx"
    );
}

#[tokio::test]
async fn a_second_refusal_is_final() {
    let world = bound().await;
    world
        .script
        .then(unauthorized())
        .then(token("renewed"))
        .then(unauthorized());
    let error = world.settled(&others(1)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (ErrorKind::Auth, "marketing_cloud_unauthorized")
    );
    assert_eq!(world.script.take_requests().len(), 3);
    world
        .script
        .then(fault("Token Expired"))
        .then(token("renewed"))
        .then(fault("Token Expired"));
    let error = world.settled(&[deletion(1, "a")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
}

#[tokio::test]
async fn refused_credentials_are_told_apart_from_an_outage() {
    let body =
        |error: &str| json!({ "error": error, "error_description": format!("no {SECRET}") }).to_string();
    for (status, body, expected, code) in [
        (401, body("invalid_client"), "auth", "marketing_cloud_client"),
        (400, body("invalid_scope"), "auth", "marketing_cloud_package"),
        (400, body("invalid_grant"), "auth", "marketing_cloud_account"),
        (401, String::new(), "auth", "marketing_cloud_account"),
        (403, "<html>".into(), "auth", "marketing_cloud_account"),
        (429, body("slow"), "limited", "marketing_cloud_throttled"),
        (503, "<html>".into(), "transient", "marketing_cloud_unavailable"),
        (504, String::new(), "transient", "marketing_cloud_timeout"),
        (404, String::new(), "config", "marketing_cloud_not_found"),
        (
            200,
            "<html>".into(),
            "contract",
            "marketing_cloud_unexpected_answer",
        ),
        (
            200,
            "{\"access_token\":\"a\"".into(),
            "contract",
            "marketing_cloud_unexpected_answer",
        ),
    ] {
        let (script, cloud) = opened(settings());
        script.then(answer(status, body));
        let error = cloud.check().await.unwrap_err();
        assert_eq!((kind(&error), error.code), (expected, code), "{status}");
        assert!(!format!("{error:?}").contains(SECRET));
    }
    let (script, cloud) = opened(settings());
    script.then_fail(lost());
    assert_eq!(kind(&cloud.check().await.unwrap_err()), "transient");
}

#[tokio::test]
async fn a_token_is_sent_to_marketing_cloud_or_to_where_it_came_from_and_to_nobody_else() {
    let grant = |rest: &str, soap: &str| {
        let body = json!({ "access_token": "t", "rest_instance_url": rest, "soap_instance_url": soap });
        answer(200, body.to_string())
    };
    let own = "https://t.rest.marketingcloudapis.com/";
    let subdomain = json!({
        "subdomain": "mc000000000000000000000000-x", "client_id": "c", "client_secret": "s",
    });
    let local = json!({ "base_url": "http://127.0.0.1:4000", "client_id": "c", "client_secret": "s" });
    for (settings, base, trusted) in [
        (&subdomain, own, true),
        (&subdomain, "http://t.rest.marketingcloudapis.com/", false),
        (&subdomain, "https://evil.test/", false),
        (&subdomain, "https://marketingcloudapis.com.evil.test/", false),
        (&subdomain, "https://evilmarketingcloudapis.com/", false),
        (&subdomain, "https://t@evil.test/.marketingcloudapis.com/", false),
        (&subdomain, "https://evil.test/.marketingcloudapis.com/", false),
        (&subdomain, "https://evil.test#.marketingcloudapis.com", false),
        (&subdomain, "https://evil.test\\.marketingcloudapis.com/", false),
        (&local, "http://127.0.0.1:4000/", true),
        (&local, "http://127.0.0.1:5000/", true),
        (&local, "http://evil.test/", false),
        (&settings(), "http://auth.test/", false),
    ] {
        for (rest, soap) in [(base, own), (own, base)] {
            let (script, cloud) = opened(settings.clone());
            script.then(grant(rest, soap));
            let checked = cloud.check().await;
            assert_eq!(checked.is_ok(), trusted, "{base}");
            if let Err(error) = checked {
                assert_eq!(error.code, "marketing_cloud_unexpected_answer");
            }
        }
    }
}

#[tokio::test]
async fn connections_to_one_business_unit_share_an_account() {
    let key = |settings: Json| opened(settings).1.account_key();
    let other = |field: &str, value: Json| {
        let mut settings = settings();
        settings[field] = value;
        key(settings)
    };
    assert_eq!(key(settings()), other("client_id", json!("another-package")));
    assert_eq!(key(settings()), other("account_id", json!("7281234")));
    assert_ne!(key(settings()), other("account_id", json!(7_281_235)));
    assert_ne!(key(settings()), other("base_url", json!("https://other.test")));
}

#[tokio::test]
async fn a_soap_service_that_is_throttled_is_asked_again_later() {
    let (script, cloud) = opened(settings());
    script.then(token(TOKEN)).then(fault("The server is too busy"));
    let error = cloud.describe("data_extension:customers").await.unwrap_err();
    assert_eq!(kind(&error), "transient");
    script.then(found("customers")).then(retrieved("OK", ""));
    assert!(
        cloud
            .describe("data_extension:customers")
            .await
            .unwrap()
            .is_empty()
    );
}
