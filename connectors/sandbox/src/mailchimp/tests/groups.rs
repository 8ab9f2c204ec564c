//! Tags, static segments, interests, marketing permissions.

use serde_json::{Value, json};

use super::{AUDIENCE, Bench, list, path};

fn change(name: &str, status: &str) -> Value {
    json!({ "tags": [{ "name": name, "status": status }], "is_syncing": true })
}

#[tokio::test]
async fn tags_are_put_on_and_taken_off_without_a_word() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    let tags = format!("{}/tags", path("ada@domain.tld"));
    for body in [
        change("VIP", "active"),
        change("vip", "active"),
        change("other", "active"),
        change("OTHER", "inactive"),
        change("never", "inactive"),
        json!({ "tags": [] }),
    ] {
        let got = bench.post(&tags, body).await;
        assert_eq!((got.status, got.text.as_str()), (204, ""));
    }
    let got = bench.get(&tags).await.body;
    assert_eq!(
        (&got["total_items"], &got["tags"][0]["name"]),
        (&json!(1), &json!("VIP"))
    );
    assert!(got["tags"][0]["id"].is_u64() && got["tags"][0]["date_added"].is_string());
    for bad in [
        json!({}),
        json!({ "tags": [{ "name": "x" }] }),
        change("x", "on"),
        change(" ", "active"),
    ] {
        assert_eq!(bench.post(&tags, bad).await.problem().1, "Invalid Resource");
    }
    let absent = bench
        .post(&format!("{}/tags", path("b@domain.tld")), change("x", "active"))
        .await;
    assert_eq!(absent.status, 404);
    let by_address = bench
        .post(&list("/members/ada%40domain.tld/tags"), change("x", "active"))
        .await;
    assert_eq!(by_address.status, 404, "writing takes the hash alone");
    bench.delete(&path("ada@domain.tld")).await;
    assert_eq!(bench.post(&tags, change("late", "active")).await.status, 204);
    let found = bench.get(&list("/tag-search?name=v")).await.body;
    assert_eq!(
        (&found["total_items"], &found["tags"][0]["name"]),
        (&json!(1), &json!("VIP"))
    );
}

#[tokio::test]
async fn fifty_tags_are_shown_and_all_are_counted() {
    let bench = Bench::new().await;
    let tags: Vec<String> = (0..60).map(|number| format!("t{number:02}")).collect();
    let body = json!({ "email_address": "ada@domain.tld", "status": "subscribed", "tags": tags });
    let member = bench.post(&list("/members"), body).await.body;
    let shown = member["tags"].as_array().unwrap();
    assert_eq!((shown.len(), &member["tags_count"]), (50, &json!(60)));
    assert!(
        !shown.is_sorted_by_key(|tag| tag["id"].as_u64()),
        "the order means nothing"
    );
}

#[tokio::test]
async fn a_static_segment_is_a_tag() {
    let bench = Bench::new().await;
    for email in ["a@domain.tld", "b@domain.tld", "c@domain.tld"] {
        bench.add(email, json!({})).await;
    }
    let body = json!({ "name": "Buyers", "static_segment": ["A@domain.tld", "nobody@domain.tld"] });
    let segment = bench.post(&list("/segments"), body.clone()).await.body;
    assert_eq!(
        (&segment["member_count"], &segment["type"]),
        (&json!(1), &json!("static"))
    );
    assert_eq!(bench.post(&list("/segments"), body).await.status, 400);
    assert_eq!(bench.twin.member(AUDIENCE, "a@domain.tld").unwrap().tags.len(), 1);
    let one = list(&format!("/segments/{}", segment["id"]));
    let body = json!({
        "members_to_add": ["a@domain.tld", "b@domain.tld", "x@domain.tld"],
        "members_to_remove": ["a@domain.tld", "c@domain.tld"],
    });
    let got = bench.post(&one, body).await.body;
    assert_eq!(
        (&got["total_added"], &got["total_removed"], &got["error_count"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(got["members_added"][0]["email_address"], "b@domain.tld");
    assert_eq!(got["errors"][0]["email_addresses"], json!(["x@domain.tld"]));
    let many: Vec<String> = (0..501).map(|number| format!("m{number}@domain.tld")).collect();
    assert_eq!(
        bench
            .post(&one, json!({ "members_to_add": many }))
            .await
            .problem()
            .0,
        400
    );
    let members = format!("{one}/members");
    assert_eq!(
        bench
            .post(&members, json!({ "email_address": "c@domain.tld" }))
            .await
            .status,
        200
    );
    assert_eq!(bench.get(&members).await.body["total_items"], 2);
    let single = format!("{members}/{}", super::id("c@domain.tld"));
    assert_eq!(bench.delete(&single).await.status, 204);
    assert_eq!(bench.delete(&single).await.status, 404);
    let emptied = bench
        .call("PATCH", &one, json!({ "name": "B", "static_segment": [] }))
        .await
        .body;
    assert_eq!(
        (&emptied["name"], &emptied["member_count"]),
        (&json!("B"), &json!(0))
    );
    assert_eq!(
        bench.get(&list("/segments?type=static")).await.body["total_items"],
        1
    );
    assert_eq!(bench.delete(&one).await.status, 204);
    assert_eq!(bench.get(&one).await.status, 404);
    let both = json!({ "name": "S", "static_segment": [], "options": {} });
    assert_eq!(bench.post(&list("/segments"), both).await.problem().0, 400);
}

#[tokio::test]
async fn interests_are_switched_one_by_one() {
    let bench = Bench::new().await;
    let categories = list("/interest-categories");
    let category = bench
        .post(&categories, json!({ "title": "Topics", "type": "checkboxes" }))
        .await
        .body;
    let interests = format!("{categories}/{}/interests", category["id"].as_str().unwrap());
    let mut ids = Vec::new();
    for name in ["News", "Offers"] {
        let interest = bench.post(&interests, json!({ "name": name })).await.body;
        assert_eq!(interest["subscriber_count"], "0");
        ids.push(interest["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(bench.get(&interests).await.body["total_items"], 2);
    let body =
        json!({ "email_address": "ada@domain.tld", "status": "subscribed", "interests": { &ids[0]: true } });
    let member = bench.post(&list("/members"), body).await.body;
    assert_eq!(member["interests"], json!({ &ids[0]: true, &ids[1]: false }));
    let got = bench
        .put(&path("ada@domain.tld"), json!({ "interests": { &ids[1]: true } }))
        .await;
    assert_eq!(got.body["interests"], json!({ &ids[0]: true, &ids[1]: true }));
    for bad in [json!({ "0000000000": true }), json!({ &ids[0]: "yes" })] {
        let got = bench
            .put(&path("ada@domain.tld"), json!({ "interests": bad }))
            .await;
        assert_eq!(got.problem().1, "Invalid Resource");
    }
    let with = list(&format!("/members?interest_ids={}&interest_match=none", ids[0]));
    assert_eq!(bench.get(&with).await.body["total_items"], 0);
    let one = format!("{interests}/{}", ids[0]);
    assert_eq!(
        bench.call("PATCH", &one, json!({ "name": "All" })).await.body["subscriber_count"],
        "1"
    );
    assert_eq!(bench.delete(&one).await.status, 204);
    let member = bench.get(&path("ada@domain.tld")).await.body;
    assert_eq!(member["interests"], json!({ &ids[1]: true }));
    for bad in [
        json!({ "title": "X" }),
        json!({ "title": "X", "type": "list" }),
        json!({ "title": "Topics", "type": "radio" }),
    ] {
        assert_eq!(bench.post(&categories, bad).await.problem().0, 400);
    }
    let category = format!("{categories}/{}", category["id"].as_str().unwrap());
    assert_eq!(bench.delete(&category).await.status, 204);
    assert!(
        bench
            .get(&path("ada@domain.tld"))
            .await
            .body
            .get("interests")
            .is_none()
    );
}

#[tokio::test]
async fn permissions_are_there_only_where_the_audience_asks_for_them() {
    let bench = Bench::new().await;
    let audience = bench
        .twin
        .define_audience_with_permissions("EU", &["Email", "Post"]);
    let body = json!({ "email_address": "ada@domain.tld", "status": "subscribed" });
    let members = format!("/lists/{audience}/members");
    let member = bench.post(&members, body).await.body;
    let permission = member["marketing_permissions"][1].clone();
    assert_eq!(
        (&permission["text"], &permission["enabled"]),
        (&json!("Post"), &json!(false))
    );
    let id = &permission["marketing_permission_id"];
    let one = format!("{members}/{}", super::id("ada@domain.tld"));
    let change = json!({ "marketing_permissions": [{ "marketing_permission_id": id, "enabled": true }] });
    let got = bench.call("PATCH", &one, change.clone()).await.body;
    assert_eq!(got["marketing_permissions"][1]["enabled"], true);
    let unknown = json!({ "marketing_permissions": [{ "marketing_permission_id": "x", "enabled": true }] });
    assert_eq!(bench.call("PATCH", &one, unknown).await.status, 400);
    let mut item = change;
    item["email_address"] = json!("bob@domain.tld");
    item["status"] = json!("subscribed");
    bench
        .post(&format!("/lists/{audience}"), json!({ "members": [item] }))
        .await;
    assert!(
        bench
            .twin
            .member(&audience, "bob@domain.tld")
            .unwrap()
            .permissions
            .is_empty(),
        "not in batches"
    );
    assert!(
        bench
            .add("ada@domain.tld", json!({}))
            .await
            .body
            .get("marketing_permissions")
            .is_none()
    );
}
