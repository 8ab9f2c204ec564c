//! Batch subscribe.

use serde_json::{Value, json};

use super::{AUDIENCE, Bench, list};
use crate::mailchimp::{Options, Status};

async fn batch(bench: &Bench, query: &str, body: Value) -> Value {
    let got = bench.post(&list(query), body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    for (array, count) in [
        ("new_members", "total_created"),
        ("updated_members", "total_updated"),
        ("errors", "error_count"),
    ] {
        assert_eq!(
            got.body[array].as_array().unwrap().len(),
            got.body[count].as_u64().unwrap() as usize
        );
    }
    got.body
}

fn new(email: &str) -> Value {
    json!({ "email_address": email, "status_if_new": "subscribed" })
}

#[tokio::test]
async fn every_member_gets_a_verdict_and_the_status_is_200_whatever_they_are() {
    let bench = Bench::new().await;
    bench.add("known@domain.tld", json!({})).await;
    bench
        .post(
            &list("/merge-fields"),
            json!({ "name": "LTV", "tag": "LTV", "type": "number" }),
        )
        .await;
    let members = json!([
        { "email_address": "new@domain.tld", "status_if_new": "subscribed", "merge_fields": { "FNAME": "N", "LTV": 1.5 }, "tags": ["t"], "vip": null },
        { "email_address": "KNOWN@domain.tld", "status_if_new": "unsubscribed", "merge_fields": { "FNAME": "K" } },
        new("AAAAA"),
        new("foo@example.com"),
        { "email_address": "bad@domain.tld", "status_if_new": "subscribed", "merge_fields": { "FNAME": "B", "LTV": "x" } },
        { "email_address": "nostatus@domain.tld" },
        { "email_address": "null@domain.tld", "status_if_new": "subscribed", "merge_fields": { "FNAME": null } },
        "nobody",
    ]);
    let body = batch(&bench, "", json!({ "members": members, "update_existing": true })).await;
    assert_eq!(body["new_members"][0]["merge_fields"]["LTV"], 1.5);
    assert_eq!(body["new_members"][0]["tags"][0]["name"], "t");
    assert!(body["new_members"][0].get("full_name").is_none());
    assert_eq!(body["updated_members"][0]["status"], "subscribed");
    assert_eq!(body["updated_members"][0]["merge_fields"]["FNAME"], "K");
    let schema =
        "The resource submitted could not be validated. For field-specific details, see the 'errors' array.";
    let errors: Vec<(&str, &str, &str)> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            assert_eq!(error["error_code"], "ERROR_GENERIC");
            let text = |name: &str| error[name].as_str().unwrap();
            (text("email_address"), text("error"), text("field"))
        })
        .collect();
    assert_eq!(
        errors,
        [
            ("AAAAA", "Please provide a valid email address.", ""),
            (
                "foo@example.com",
                "foo@example.com looks fake or invalid, please enter a real email address.",
                ""
            ),
            ("bad@domain.tld", "Your merge fields were invalid.", "LTV"),
            ("nostatus@domain.tld", schema, "status"),
            ("null@domain.tld", schema, "merge_fields.FNAME"),
            ("", schema, ""),
        ]
    );
    assert_eq!(body["errors"][2]["field_message"], "Please enter a number");
    assert!(bench.twin.member(AUDIENCE, "bad@domain.tld").is_none());
    let none = batch(&bench, "", json!({ "members": [new("BBB")] })).await;
    assert_eq!(
        (&none["error_count"], &none["new_members"]),
        (&json!(1), &json!([]))
    );
}

#[tokio::test]
async fn known_members_are_left_alone_unless_told() {
    let bench = Bench::new().await;
    bench.add("known@domain.tld", json!({})).await;
    let member = json!({ "email_address": "known@domain.tld", "status": "unsubscribed" });
    let body = batch(&bench, "", json!({ "members": [member] })).await;
    assert_eq!(
        body["errors"][0],
        json!({
            "email_address": "known@domain.tld",
            "error": "known@domain.tld is already a list member, do you want to update? please provide update_existing:true in the request body",
            "error_code": "ERROR_CONTACT_EXISTS", "field": "", "field_message": "",
        })
    );
    assert_eq!(bench.twin.count(AUDIENCE, Status::Subscribed), 1);
    let body = batch(
        &bench,
        "",
        json!({ "members": [member], "update_existing": true }),
    )
    .await;
    assert_eq!(body["updated_members"][0]["status"], "unsubscribed");
    assert_eq!(body["total_updated"], 1);
}

#[tokio::test]
async fn consent_holds_in_batches_too() {
    let bench = Bench::new().await;
    for email in ["left@domain.tld", "archived@domain.tld"] {
        bench.add(email, json!({})).await;
    }
    bench.twin.unsubscribe(AUDIENCE, "left@domain.tld").unwrap();
    bench.delete(&super::path("archived@domain.tld")).await;
    let keep =
        json!({ "members": [new("left@domain.tld"), new("archived@domain.tld")], "update_existing": true });
    let body = batch(&bench, "", keep).await;
    let statuses: Vec<_> = body["updated_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["status"])
        .collect();
    assert_eq!(statuses, ["unsubscribed", "archived"]);
    let force = |email: &str| json!({ "email_address": email, "status": "subscribed" });
    let members = json!({ "members": [force("left@domain.tld"), force("archived@domain.tld")], "update_existing": true });
    let body = batch(&bench, "", members).await;
    assert_eq!(body["updated_members"][0]["status"], "subscribed");
    let error = body["errors"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("left@domain.tld is in a compliance state"));
}

#[tokio::test]
async fn tags_are_added_or_replaced() {
    let bench = Bench::new().await;
    let send = |tags: Value, sync: bool| {
        let mut member = new("ada@domain.tld");
        if !tags.is_null() {
            member["tags"] = tags;
        }
        json!({ "members": [member], "update_existing": true, "sync_tags": sync })
    };
    let tags = || {
        bench
            .twin
            .member(AUDIENCE, "ada@domain.tld")
            .unwrap()
            .tags
            .into_iter()
            .collect::<Vec<_>>()
    };
    batch(&bench, "", send(json!(["a"]), false)).await;
    batch(&bench, "", send(json!(["b"]), false)).await;
    assert_eq!(tags(), ["a", "b"]);
    batch(&bench, "", send(json!(["B", "c"]), true)).await;
    assert_eq!(tags(), ["b", "c"], "the first spelling stays");
    batch(&bench, "", send(json!(null), true)).await;
    assert!(tags().is_empty(), "no tags at all means none");
}

#[tokio::test]
async fn an_address_counts_once() {
    let bench = Bench::new().await;
    let first = json!({ "email_address": "ada@domain.tld", "status": "subscribed", "merge_fields": { "FNAME": "1" } });
    let second = json!({ "email_address": "ADA@domain.tld", "status": "subscribed", "merge_fields": { "FNAME": "2" } });
    let body = json!({ "members": [first, second], "update_existing": true });
    let refused = bench.post(&list(""), body.clone()).await;
    assert_eq!(
        refused.problem().2,
        "Duplicate items found on the list for the following emails: ADA@domain.tld"
    );
    assert!(bench.twin.members(AUDIENCE).is_empty());
    let taken = batch(&bench, "?skip_duplicate_check=True", body).await;
    assert_eq!(
        (&taken["total_created"], &taken["total_updated"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        bench
            .twin
            .member(AUDIENCE, "ada@domain.tld")
            .unwrap()
            .get("FNAME"),
        Some("1")
    );
}

#[tokio::test]
async fn five_hundred_members_fit_and_one_more_does_not() {
    let bench = Bench::new().await;
    let members =
        |count: usize| -> Vec<Value> { (0..count).map(|n| new(&format!("m{n}@domain.tld"))).collect() };
    let body = batch(&bench, "", json!({ "members": members(500) })).await;
    assert_eq!(body["total_created"], 500);
    let refused = bench.post(&list(""), json!({ "members": members(501) })).await;
    assert_eq!(
        (refused.problem().1, &refused.body["errors"][0]["field"]),
        ("Invalid Resource", &json!("members"))
    );
    for bad in [
        json!({}),
        json!({ "members": {} }),
        json!({ "members": [], "sync_tags": "no" }),
    ] {
        assert_eq!(bench.post(&list(""), bad).await.problem().0, 400);
    }
}

#[tokio::test]
async fn required_fields_are_asked_of_every_member_unless_skipped() {
    let bench = Bench::new().await;
    bench.twin.require(AUDIENCE, "LNAME", true).unwrap();
    let body = json!({ "members": [new("ada@domain.tld")] });
    let refused = batch(&bench, "", body.clone()).await;
    let error = &refused["errors"][0];
    assert_eq!(
        (&error["field"], &error["field_message"]),
        (&json!("LNAME"), &json!("Please enter a value"))
    );
    let taken = batch(&bench, "?skip_merge_validation=True", body).await;
    assert_eq!(taken["total_created"], 1);
}

#[tokio::test]
async fn addresses_may_come_back_altered() {
    let options = Options {
        escape_error_addresses: true,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let body = batch(&bench, "", json!({ "members": [new("o'neil@example.com")] })).await;
    assert_eq!(body["errors"][0]["email_address"], "o\\'neil@example.com");
}
