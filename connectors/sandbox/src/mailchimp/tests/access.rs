//! Credentials, paths, headers, partial answers.

use serde_json::json;

use super::{AUDIENCE, Bench, KEY, list};

#[tokio::test]
async fn every_call_needs_a_credential_the_health_check_too() {
    let bench = Bench::new().await;
    let got = bench.send(bench.outside("GET", "/3.0/ping")).await;
    assert_eq!(
        got.problem(),
        (401, "API Key Missing", "Your request did not include an API key.")
    );
    let wrong = bench
        .send(bench.outside("GET", "/3.0/ping").bearer_auth("nope-us1"))
        .await;
    assert_eq!(wrong.problem().1, "API Key Invalid");
    for bearer in [KEY, "sandbox-token"] {
        let got = bench
            .send(bench.outside("GET", "/3.0/ping").bearer_auth(bearer))
            .await;
        assert_eq!(
            (got.status, &got.body),
            (200, &json!({ "health_status": "Everything's Chimpy!" }))
        );
    }
    assert_eq!(bench.get("/ping").await.status, 200);
    bench.twin.revoke(KEY);
    assert_eq!(bench.get("/ping").await.status, 401);
}

#[tokio::test]
async fn the_account_is_at_the_root() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    for path in ["", "/"] {
        let got = bench.get(path).await;
        assert_eq!(
            (got.status, &got.body["total_subscribers"]),
            (200, &json!(1)),
            "{path}"
        );
        assert_eq!(got.body["account_timezone"], "UTC");
    }
}

#[tokio::test]
async fn the_metadata_tells_where_an_access_token_lives() {
    let bench = Bench::new().await;
    let ask = |scheme: &str| {
        bench
            .outside("GET", "/oauth2/metadata")
            .header("authorization", format!("{scheme} sandbox-token"))
    };
    let got = bench.send(ask("OAuth")).await;
    assert_eq!(
        (got.status, &got.body["dc"], &got.body["login"]["avatar"]),
        (200, &json!("us1"), &json!(null))
    );
    assert_eq!(got.body["api_endpoint"], bench.twin.base_url());
    let refused = bench.send(ask("Bearer")).await;
    assert_eq!(
        (refused.status, &refused.body["error"]),
        (200, &json!("invalid_token"))
    );
}

#[tokio::test]
async fn paths_nobody_serves_and_methods_nobody_has() {
    let bench = Bench::new().await;
    for path in ["/nope", "/lists/0000000000", "/lists/0000000000/members"] {
        assert_eq!(
            bench.get(path).await.problem(),
            (
                404,
                "Resource Not Found",
                "The requested resource could not be found."
            ),
            "{path}"
        );
    }
    let got = bench
        .send(bench.outside("GET", "/2.0/ping").bearer_auth(KEY))
        .await;
    assert_eq!(got.status, 404);
    let got = bench.post("/ping", json!({})).await;
    assert_eq!((got.problem().0, got.header("allow")), (405, Some("GET")));
    let deep = bench.get("/lists/a/b/c/d/e/f/g/h").await;
    assert_eq!(deep.problem().1, "Resource Nesting Too Deep");
    let action = bench.post(&list("/members/x/actions/explode"), json!({})).await;
    assert_eq!(action.problem().1, "Invalid Action");
}

#[tokio::test]
async fn the_method_can_be_overridden_on_post_alone() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    let path = super::path("ada@domain.tld");
    let over = |method| {
        bench
            .request(method, &path)
            .header("x-http-method-override", "PATCH")
            .json(&json!({ "vip": true }))
    };
    assert_eq!(bench.send(over("POST")).await.body["vip"], true);
    assert_eq!(
        bench.send(over("PUT")).await.problem().1,
        "Invalid Method Override"
    );
}

#[tokio::test]
async fn answers_have_the_vendors_headers_and_none_about_limits() {
    let bench = Bench::new().await;
    let got = bench.get(&list("")).await;
    assert_eq!(
        got.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(got.header("server"), Some("openresty"));
    assert!(got.header("link").unwrap().contains("describedBy"));
    assert!(got.header("x-request-id").is_some());
    let limits = got
        .headers
        .keys()
        .filter(|name| name.as_str().contains("limit") || name.as_str() == "retry-after");
    assert_eq!(limits.count(), 0);
}

#[tokio::test]
async fn bodies_that_are_no_objects_are_refused() {
    let bench = Bench::new().await;
    let broken = bench
        .send(bench.request("POST", &list("/members")).body("{"))
        .await;
    assert_eq!(
        broken.problem(),
        (
            400,
            "JSON Parse Error",
            "We encountered an unspecified JSON parsing error."
        )
    );
    let array = bench.post(&list(""), json!([])).await;
    assert_eq!(array.problem().1, "Invalid Resource");
    assert_eq!(
        array.body["errors"],
        json!([{ "field": "", "message": "Schema describes object, array found instead" }])
    );
}

#[tokio::test]
async fn audiences_are_listed_created_changed_and_deleted() {
    let bench = Bench::new().await;
    let lacking = bench.post("/lists", json!({ "name": "News" })).await;
    assert_eq!(lacking.status, 400);
    let body = json!({
        "name": "News", "permission_reminder": "You asked.", "email_type_option": true,
        "contact": { "company": "A" }, "campaign_defaults": { "from_name": "A" },
    });
    let created = bench.post("/lists", body).await;
    let other = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (created.status, other.len(), &created.body["email_type_option"]),
        (200, 10, &json!(true))
    );
    bench.add("ada@domain.tld", json!({})).await;
    let all = bench
        .get("/lists?fields=lists.id,lists.stats.merge_field_count,total_items")
        .await;
    assert_eq!(
        all.body,
        json!({
            "lists": [
                { "id": AUDIENCE, "stats": { "merge_field_count": 4 } },
                { "id": other, "stats": { "merge_field_count": 4 } },
            ],
            "total_items": 2,
        })
    );
    assert_eq!(
        bench.get("/lists?count=1&offset=1").await.body["lists"][0]["id"],
        other
    );
    let holding = bench.get("/lists?email=ADA%40domain.tld").await;
    assert_eq!(holding.body["lists"][0]["id"], AUDIENCE);
    assert_eq!(holding.body["total_items"], 1);
    let one = bench.get(&list("?include_total_contacts=True")).await;
    assert_eq!(one.body["stats"]["member_count"], 1);
    assert_eq!(one.body["stats"]["total_contacts"], 1);
    assert_eq!(one.body["stats"]["campaign_last_sent"], "");
    let renamed = bench
        .call("PATCH", &format!("/lists/{other}"), json!({ "name": "Mail" }))
        .await;
    assert_eq!(renamed.body["name"], "Mail");
    assert_eq!(bench.delete(&format!("/lists/{other}")).await.status, 204);
    assert_eq!(bench.get(&format!("/lists/{other}")).await.status, 404);
}
