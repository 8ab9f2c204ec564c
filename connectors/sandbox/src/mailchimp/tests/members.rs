//! Members one by one.

use serde_json::json;

use super::{Bench, id, list, path};

#[tokio::test]
async fn a_new_member_is_answered_whole_and_the_same_again_is_refused() {
    let bench = Bench::new().await;
    let got = bench
        .add("Ada@Domain.tld", json!({ "FNAME": "Ada", "LNAME": "L" }))
        .await;
    let member = &got.body;
    assert_eq!(member["id"], id("ada@domain.tld"));
    assert_eq!(member["email_address"], "Ada@Domain.tld");
    assert_eq!(member["status"], "subscribed");
    assert_eq!(member["full_name"], "Ada L");
    assert_eq!(member["timestamp_signup"], "");
    assert!(member["timestamp_opt"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(member["contact_id"].as_str().unwrap().len(), 32);
    assert_eq!(member["unique_email_id"].as_str().unwrap().len(), 10);
    assert_eq!((&member["tags_count"], &member["tags"]), (&json!(0), &json!([])));
    assert!(member.get("interests").is_none() && member.get("unsubscribe_reason").is_none());
    assert!(!member["_links"].as_array().unwrap().is_empty());
    let body = json!({ "email_address": "ada@domain.tld", "status": "subscribed" });
    let again = bench.post(&list("/members"), body).await;
    assert_eq!(
        again.problem(),
        (
            400,
            "Member Exists",
            "ada@domain.tld is already a list member. Use PUT to insert or update list members."
        )
    );
    assert!(again.body.get("type").is_none());
}

#[tokio::test]
async fn a_member_is_found_by_hash_address_and_contact_id() {
    let bench = Bench::new().await;
    let member = bench.add("ada@domain.tld", json!({})).await.body;
    let contact = member["contact_id"].as_str().unwrap();
    for reference in [&id("ada@domain.tld"), "ADA%40domain.tld", contact] {
        let got = bench.get(&list(&format!("/members/{reference}"))).await;
        assert_eq!((got.status, &got.body["id"]), (200, &member["id"]), "{reference}");
    }
    let upper = id("ada@domain.tld").to_uppercase();
    assert_eq!(bench.get(&list(&format!("/members/{upper}"))).await.status, 404);
}

#[tokio::test]
async fn a_put_changes_what_it_mentions_and_nothing_else() {
    let bench = Bench::new().await;
    bench
        .add(
            "ada@domain.tld",
            json!({ "FNAME": "Ada", "LNAME": "L", "PHONE": "000" }),
        )
        .await;
    let body = json!({ "merge_fields": { "FNAME": "A.", "PHONE": "", "NOPE": "x", "fname": "y" } });
    let got = bench.put(&path("ada@domain.tld"), body).await;
    assert_eq!(got.status, 200);
    assert_eq!(
        got.body["merge_fields"],
        json!({ "FNAME": "A.", "LNAME": "L", "ADDRESS": "", "PHONE": "" })
    );
    assert_eq!(got.body["status"], "subscribed");
}

#[tokio::test]
async fn a_put_creates_with_a_status_of_its_own_or_not_at_all() {
    let bench = Bench::new().await;
    let lacking = bench
        .put(&path("a@domain.tld"), json!({ "email_address": "a@domain.tld" }))
        .await;
    assert_eq!(lacking.problem().0, 400);
    assert!(bench.twin.members(super::AUDIENCE).is_empty());
    let nameless = bench
        .put(&path("a@domain.tld"), json!({ "status": "subscribed" }))
        .await;
    assert_eq!(nameless.status, 400);
    for (email, key) in [("a@domain.tld", "status"), ("b@domain.tld", "status_if_new")] {
        let got = bench
            .put(&path(email), json!({ "email_address": email, key: "pending" }))
            .await;
        assert_eq!((got.status, &got.body["status"]), (200, &json!("pending")));
    }
    let kept = bench
        .put(&path("b@domain.tld"), json!({ "status_if_new": "subscribed" }))
        .await;
    assert_eq!(kept.body["status"], "pending");
}

#[tokio::test]
async fn a_put_to_a_foreign_hash_creates_quietly_and_collides_loudly() {
    let bench = Bench::new().await;
    let body = json!({ "email_address": "ada@domain.tld", "status_if_new": "subscribed" });
    let wrong = path("other@domain.tld");
    let got = bench.put(&wrong, body.clone()).await;
    assert_eq!((got.status, &got.body["id"]), (200, &json!(id("ada@domain.tld"))));
    assert_eq!(bench.put(&wrong, body).await.problem().1, "Member Exists");
}

#[tokio::test]
async fn a_new_address_at_the_old_hash_moves_the_member() {
    let bench = Bench::new().await;
    let old = bench.add("old@domain.tld", json!({ "FNAME": "Ada" })).await.body;
    bench.add("taken@domain.tld", json!({})).await;
    let got = bench
        .call(
            "PATCH",
            &path("old@domain.tld"),
            json!({ "email_address": "New@domain.tld" }),
        )
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(got.body["id"], id("new@domain.tld"));
    for same in ["contact_id", "web_id", "merge_fields", "timestamp_opt"] {
        assert_eq!(got.body[same], old[same], "{same}");
    }
    assert_ne!(got.body["unique_email_id"], old["unique_email_id"]);
    assert_eq!(bench.get(&path("old@domain.tld")).await.status, 404);
    for method in ["PATCH", "PUT"] {
        let got = bench
            .call(
                method,
                &path("new@domain.tld"),
                json!({ "email_address": "taken@domain.tld" }),
            )
            .await;
        assert_eq!(
            got.problem(),
            (
                400,
                "Member Exists",
                "taken@domain.tld is already a list member. Use PUT to insert or update list members."
            )
        );
    }
}

#[tokio::test]
async fn a_patch_needs_a_member() {
    let bench = Bench::new().await;
    let got = bench
        .call("PATCH", &path("a@domain.tld"), json!({ "vip": true }))
        .await;
    assert_eq!(got.status, 404);
}

#[tokio::test]
async fn archiving_keeps_the_member_readable_and_happens_once() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({ "FNAME": "Ada" })).await;
    let got = bench.delete(&path("ada@domain.tld")).await;
    assert_eq!((got.status, got.text.as_str()), (204, ""));
    assert_eq!(
        got.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let read = bench.get(&path("ada@domain.tld")).await;
    assert_eq!((read.status, &read.body["status"]), (200, &json!("archived")));
    let again = bench.delete(&path("ada@domain.tld")).await;
    assert_eq!(
        again.problem(),
        (
            405,
            "Method Not Allowed",
            "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
        )
    );
    assert_eq!(again.header("allow"), Some("GET, PUT"));
    assert_eq!(bench.delete(&path("nobody@domain.tld")).await.status, 404);
}

#[tokio::test]
async fn an_archived_member_comes_back_with_what_it_had() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({ "FNAME": "Ada" })).await;
    bench
        .post(
            &format!("{}/tags", path("ada@domain.tld")),
            json!({ "tags": [{ "name": "vip", "status": "active" }] }),
        )
        .await;
    bench.delete(&path("ada@domain.tld")).await;
    let put = bench
        .put(
            &path("ada@domain.tld"),
            json!({ "status_if_new": "subscribed", "merge_fields": { "LNAME": "L" } }),
        )
        .await;
    assert_eq!(put.body["status"], "archived");
    let revived = bench.add("ada@domain.tld", json!({})).await.body;
    assert_eq!(revived["status"], "subscribed");
    assert_eq!(
        (
            &revived["merge_fields"]["FNAME"],
            &revived["merge_fields"]["LNAME"]
        ),
        (&json!("Ada"), &json!("L"))
    );
    assert_eq!(revived["tags"][0]["name"], "vip");
}

#[tokio::test]
async fn addresses_are_checked() {
    let bench = Bench::new().await;
    for (email, detail) in [
        ("AAAAA", "Please provide a valid email address."),
        (
            "foo@example.com",
            "foo@example.com looks fake or invalid, please enter a real email address.",
        ),
    ] {
        let body = json!({ "email_address": email, "status": "subscribed" });
        let got = bench.post(&list("/members"), body).await;
        assert_eq!(got.problem(), (400, "Invalid Resource", detail));
    }
    let empty = bench
        .post(
            &list("/members"),
            json!({ "email_address": "", "status": "subscribed" }),
        )
        .await;
    assert_eq!(
        empty.body["errors"][0]["message"],
        "This value should not be blank."
    );
}

#[tokio::test]
async fn other_properties_are_written_and_checked() {
    let bench = Bench::new().await;
    let body = json!({
        "email_address": "ada@domain.tld", "status": "transactional", "email_type": "text", "language": "en",
        "vip": true, "location": { "latitude": "50.7", "longitude": 7.1 }, "ip_signup": "192.0.2.1",
        "timestamp_signup": "2024-01-02 03:04:05", "tags": ["a", "b"], "unknown": { "x": 1 },
    });
    let got = bench.post(&list("/members"), body).await.body;
    assert_eq!(got["email_type"], "text");
    assert_eq!((&got["language"], &got["vip"]), (&json!("en"), &json!(true)));
    assert_eq!(got["location"]["latitude"], 50.7);
    assert_eq!(got["timestamp_signup"], "2024-01-02T03:04:05+00:00");
    assert_eq!(got["tags_count"], 2);
    for (key, value, message) in [
        (
            "status",
            json!("archived"),
            "The value you selected is not a valid choice.",
        ),
        (
            "vip",
            json!("yes"),
            "Schema describes boolean, string found instead",
        ),
        (
            "language",
            json!(null),
            "Schema describes string, NULL found instead",
        ),
        (
            "timestamp_opt",
            json!("2024-01-02T03:04:05"),
            "Data did not match any of the schemas described in anyOf.",
        ),
        (
            "merge_fields",
            json!([]),
            "Schema describes object, array found instead",
        ),
        ("tags", json!([1]), "Schema describes string for every item"),
        (
            "email_type",
            json!("pdf"),
            "The value you selected is not a valid choice.",
        ),
    ] {
        let got = bench.put(&path("ada@domain.tld"), json!({ key: value })).await;
        assert_eq!(got.problem().1, "Invalid Resource");
        assert_eq!(got.body["errors"], json!([{ "field": key, "message": message }]));
    }
}

#[tokio::test]
async fn members_are_filtered_sorted_and_paged() {
    let bench = Bench::new().await;
    for number in 0..12 {
        bench.add(&format!("m{number}@domain.tld"), json!({})).await;
        bench.twin.advance_clock(std::time::Duration::from_secs(10));
    }
    bench.delete(&path("m3@domain.tld")).await;
    bench.put(&path("m5@domain.tld"), json!({ "vip": true })).await;
    let page = bench.get(&list("/members")).await.body;
    assert_eq!(
        (page["members"].as_array().unwrap().len(), &page["total_items"]),
        (10, &json!(11))
    );
    let archived = bench
        .get(&list("/members?status=archived&fields=members.email_address"))
        .await
        .body;
    assert_eq!(
        archived,
        json!({ "members": [{ "email_address": "m3@domain.tld" }] })
    );
    assert_eq!(
        bench.get(&list("/members?vip_only=True")).await.body["total_items"],
        1
    );
    let newest = bench
        .get(&list("/members?sort_field=last_changed&sort_dir=DESC&count=2"))
        .await
        .body;
    assert_eq!(newest["members"][0]["email_address"], "m5@domain.tld");
    assert_eq!(newest["members"][1]["email_address"], "m11@domain.tld");
    let since = newest["members"][1]["last_changed"]
        .as_str()
        .unwrap()
        .replace('+', "%2B");
    let changed = bench
        .get(&list(&format!("/members?since_last_changed={since}")))
        .await
        .body;
    assert_eq!(changed["total_items"], 2);
    for bad in [
        "status=nope",
        "sort_field=email",
        "count=1001",
        "since_last_changed=today",
        "unsubscribed_since=2024-01-01T00:00:00Z",
    ] {
        assert_eq!(
            bench.get(&list(&format!("/members?{bad}"))).await.status,
            400,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn events_have_a_name_and_texts() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    let events = format!("{}/events", path("ada@domain.tld"));
    let body = json!({ "name": "purchase", "properties": { "sku": "A1" }, "is_syncing": true, "occurred_at": "2024-01-02T03:04:05Z" });
    assert_eq!(bench.post(&events, body).await.status, 204);
    for bad in [
        json!({ "name": "p" }),
        json!({}),
        json!({ "name": "purchase", "properties": { "n": 1 } }),
    ] {
        assert_eq!(bench.post(&events, bad).await.problem().1, "Invalid Resource");
    }
    let got = bench.get(&events).await.body;
    assert_eq!(
        got["events"],
        json!([{ "occurred_at": "2024-01-02T03:04:05+00:00", "name": "purchase", "properties": { "sku": "A1" } }])
    );
}
