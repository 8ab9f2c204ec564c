//! Consent: who can be subscribed again, and by whom.

use serde_json::json;

use super::{AUDIENCE, Bench, list, path};

#[tokio::test]
async fn whoever_left_through_the_api_can_be_subscribed_again() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    let left = bench
        .put(&path("ada@domain.tld"), json!({ "status": "unsubscribed" }))
        .await;
    assert_eq!(left.body["unsubscribe_reason"], "N/A (Unsubscribed by admin)");
    let back = bench
        .put(&path("ada@domain.tld"), json!({ "status": "subscribed" }))
        .await;
    assert_eq!((back.status, &back.body["status"]), (200, &json!("subscribed")));
    assert!(back.body.get("unsubscribe_reason").is_none());
}

#[tokio::test]
async fn whoever_left_by_themselves_or_bounced_cannot() {
    for deed in ["unsubscribe", "clean"] {
        let bench = Bench::new().await;
        bench.add("ada@domain.tld", json!({})).await;
        let body = json!({ "list_id": AUDIENCE, "email_address": "ada@domain.tld" });
        assert_eq!(
            bench
                .control("POST", &format!("members/{deed}"), body)
                .await
                .status,
            200
        );
        let before = bench.twin.member(AUDIENCE, "ada@domain.tld").unwrap().status;
        for method in ["PUT", "PATCH"] {
            let body = json!({ "status": "subscribed", "merge_fields": { "FNAME": "Ada" } });
            let got = bench.call(method, &path("ada@domain.tld"), body).await;
            assert_eq!(
                got.problem(),
                (
                    400,
                    "Member In Compliance State",
                    "ada@domain.tld is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
                )
            );
            assert!(got.body.get("type").is_none());
        }
        let member = bench.twin.member(AUDIENCE, "ada@domain.tld").unwrap();
        assert_eq!((member.status, member.get("FNAME")), (before, None));
        let fields = json!({ "status_if_new": "subscribed", "merge_fields": { "FNAME": "Ada" } });
        let got = bench.put(&path("ada@domain.tld"), fields).await;
        assert_eq!((got.status, &got.body["status"]), (200, &json!(before.name())));
        let pending = bench
            .put(&path("ada@domain.tld"), json!({ "status": "pending" }))
            .await;
        assert_eq!(
            (pending.status, &pending.body["status"]),
            (200, &json!("pending"))
        );
        let forced = bench
            .put(&path("ada@domain.tld"), json!({ "status": "subscribed" }))
            .await;
        assert_eq!(forced.status, 400, "only the contact confirms");
        bench.twin.confirm(AUDIENCE, "ada@domain.tld").unwrap();
        let free = bench
            .put(&path("ada@domain.tld"), json!({ "status": "subscribed" }))
            .await;
        assert_eq!(free.status, 200);
    }
}

#[tokio::test]
async fn archiving_is_no_way_around_consent() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    bench.twin.unsubscribe(AUDIENCE, "ada@domain.tld").unwrap();
    assert_eq!(bench.delete(&path("ada@domain.tld")).await.status, 204);
    let body = json!({ "email_address": "ada@domain.tld", "status": "subscribed" });
    assert_eq!(
        bench.post(&list("/members"), body).await.problem().1,
        "Member In Compliance State"
    );
}

#[tokio::test]
async fn whoever_was_deleted_for_good_stays_away() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    bench.add("old@domain.tld", json!({})).await;
    let delete = format!("{}/actions/delete-permanent", path("ada@domain.tld"));
    assert_eq!(bench.post(&delete, json!({})).await.status, 204);
    assert_eq!(bench.post(&delete, json!({})).await.status, 404);
    assert_eq!(bench.get(&path("ada@domain.tld")).await.status, 404);
    let detail = "ada@domain.tld was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list.";
    for status in ["subscribed", "pending"] {
        let body = json!({ "email_address": "ada@domain.tld", "status": status });
        let got = bench.post(&list("/members"), body.clone()).await;
        assert_eq!(got.problem(), (400, "Forgotten Email Not Subscribed", detail));
        let batch = bench.post(&list(""), json!({ "members": [body] })).await;
        assert_eq!(batch.body["errors"][0]["error"], detail);
    }
    let moved = bench
        .call(
            "PATCH",
            &path("old@domain.tld"),
            json!({ "email_address": "ada@domain.tld" }),
        )
        .await;
    assert_eq!(moved.problem().1, "Forgotten Email Not Subscribed");
}

#[tokio::test]
async fn an_address_can_have_signed_up_too_often() {
    let bench = Bench::new().await;
    bench.twin.throttle_signups(AUDIENCE, "ada@domain.tld").unwrap();
    let body = json!({ "email_address": "ada@domain.tld", "status": "subscribed" });
    assert_eq!(
        bench.post(&list("/members"), body).await.problem(),
        (
            400,
            "Invalid Resource",
            "ada@domain.tld has signed up to a lot of lists very recently; we're not allowing more signups for now"
        )
    );
}
