//! Merge fields and their values.

use serde_json::{Value, json};

use super::{AUDIENCE, Bench, list, path};
use crate::mailchimp::{BadTag, MergeField, MergeType, NullValue, Options};

async fn define(bench: &Bench, body: Value) -> Value {
    let got = bench.post(&list("/merge-fields"), body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    got.body
}

#[tokio::test]
async fn a_new_audience_has_four_fields_listed_by_tag() {
    let bench = Bench::new().await;
    let got = bench
        .get(&list("/merge-fields?exclude_fields=merge_fields._links,_links"))
        .await
        .body;
    let fields: Vec<(&str, u64)> = got["merge_fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            (
                field["tag"].as_str().unwrap(),
                field["merge_id"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(fields, [("ADDRESS", 3), ("FNAME", 1), ("LNAME", 2), ("PHONE", 4)]);
    assert_eq!(
        (&got["total_items"], &got["merge_field_limit"]),
        (&json!(4), &json!(30))
    );
    assert_eq!(
        got["merge_fields"][0]["options"],
        json!({ "default_country": 164 })
    );
    assert_eq!(got["merge_fields"][1]["options"], json!({ "size": 25 }));
    assert_eq!(
        got["merge_fields"][3]["options"],
        json!({ "phone_format": "none" })
    );
    assert_eq!(got["merge_fields"][1]["list_id"], AUDIENCE);
}

#[tokio::test]
async fn ten_fields_are_shown_unless_more_are_asked_for() {
    let bench = Bench::new().await;
    for number in 0..8 {
        define(
            &bench,
            json!({ "name": "F", "type": "text", "tag": format!("F{number}") }),
        )
        .await;
    }
    let shown = |got: &Value| got["merge_fields"].as_array().unwrap().len();
    let first = bench.get(&list("/merge-fields")).await.body;
    assert_eq!((shown(&first), &first["total_items"]), (10, &json!(12)));
    assert_eq!(
        shown(&bench.get(&list("/merge-fields?count=1000")).await.body),
        12
    );
    assert_eq!(shown(&bench.get(&list("/merge-fields?type=phone")).await.body), 1);
    assert_eq!(
        shown(&bench.get(&list("/merge-fields?required=True")).await.body),
        0
    );
}

#[tokio::test]
async fn fields_are_created_changed_and_deleted() {
    let bench = Bench::new().await;
    let field = define(&bench, json!({ "name": "Tier", "type": "dropdown", "tag": "TIER", "options": { "choices": ["Gold", "Silver"] } })).await;
    assert_eq!(
        (&field["merge_id"], &field["required"], &field["default_value"]),
        (&json!(5), &json!(false), &json!(""))
    );
    let one = list("/merge-fields/5");
    let patched = bench
        .call(
            "PATCH",
            &one,
            json!({ "required": true, "type": "number", "options": { "choices": ["Gold"], "size": 99 } }),
        )
        .await
        .body;
    assert_eq!(
        (&patched["required"], &patched["type"]),
        (&json!(true), &json!("dropdown"))
    );
    assert_eq!(patched["options"], json!({ "choices": ["Gold"] }));
    bench.add("ada@domain.tld", json!({ "TIER": "Gold" })).await;
    assert_eq!(bench.delete(&one).await.status, 204);
    assert_eq!(bench.get(&one).await.status, 404);
    let member = bench.get(&path("ada@domain.tld")).await.body;
    assert!(member["merge_fields"].get("TIER").is_none());
    let next = define(&bench, json!({ "name": "Next", "type": "text" })).await;
    assert_eq!((&next["merge_id"], &next["tag"]), (&json!(6), &json!("MMERGE6")));
}

#[tokio::test]
async fn a_tag_may_not_be_what_was_asked_for() {
    let bench = Bench::new().await;
    let field = define(
        &bench,
        json!({ "name": "L", "type": "number", "tag": "lifetime-value" }),
    )
    .await;
    assert_eq!(field["tag"], "LIFETIMEVA");
    for taken in ["FNAME", "fname", "EMAIL"] {
        let got = bench
            .post(
                &list("/merge-fields"),
                json!({ "name": "X", "type": "text", "tag": taken }),
            )
            .await;
        assert!(
            got.problem().2.ends_with("already exists for this list."),
            "{taken}"
        );
    }
    let strict = Bench::with(Options {
        bad_tag: BadTag::Refuse,
        ..Options::default()
    })
    .await;
    let got = strict
        .post(
            &list("/merge-fields"),
            json!({ "name": "L", "type": "number", "tag": "lifetime-value" }),
        )
        .await;
    assert_eq!(got.body["errors"][0]["field"], "tag");
}

#[tokio::test]
async fn fields_that_cannot_be_are_refused() {
    let bench = Bench::new().await;
    for (body, field) in [
        (json!({ "type": "text" }), "name"),
        (json!({ "name": "X" }), "type"),
        (json!({ "name": "X", "type": "boolean" }), "type"),
        (json!({ "name": "X", "type": "radio" }), "options.choices"),
        (
            json!({ "name": "X", "type": "date", "options": { "date_format": "YYYY" } }),
            "options.date_format",
        ),
        (json!({ "name": "X".repeat(51), "type": "text" }), "name"),
        (json!({ "name": "X", "type": "text", "required": 1 }), "required"),
    ] {
        let got = bench.post(&list("/merge-fields"), body).await;
        assert_eq!(
            (got.problem().1, &got.body["errors"][0]["field"]),
            ("Invalid Resource", &json!(field))
        );
    }
    let full = Bench::with(Options {
        merge_field_limit: 4,
        ..Options::default()
    })
    .await;
    let got = full
        .post(&list("/merge-fields"), json!({ "name": "X", "type": "text" }))
        .await;
    assert_eq!(got.problem().0, 400);
}

#[tokio::test]
async fn one_bad_value_refuses_the_whole_member() {
    let bench = Bench::new().await;
    define(&bench, json!({ "name": "LTV", "type": "number", "tag": "LTV" })).await;
    bench
        .add("ada@domain.tld", json!({ "FNAME": "Ada", "LTV": "100" }))
        .await;
    let got = bench
        .put(
            &path("ada@domain.tld"),
            json!({ "merge_fields": { "FNAME": "B", "LTV": "AAAAA", "PHONE": "000" } }),
        )
        .await;
    assert_eq!(
        got.problem(),
        (400, "Invalid Resource", "Your merge fields were invalid.")
    );
    assert_eq!(
        got.body["errors"],
        json!([{ "field": "LTV", "message": "Please enter a number" }])
    );
    let member = bench.twin.member(AUDIENCE, "ada@domain.tld").unwrap();
    assert_eq!(
        (member.get("FNAME"), &member.merge_fields["LTV"]),
        (Some("Ada"), &json!(100))
    );
    let schema = bench
        .put(
            &path("ada@domain.tld"),
            json!({ "merge_fields": { "ADDRESS": { "addr1": "x" }, "FNAME": true } }),
        )
        .await;
    assert_eq!(
        schema.body["errors"],
        json!([
            { "field": "merge_fields.ADDRESS", "message": "Data did not match any of the schemas described in anyOf." },
            { "field": "merge_fields.FNAME", "message": "Data did not match any of the schemas described in anyOf." },
        ])
    );
}

#[tokio::test]
async fn a_required_field_stands_in_the_way_of_every_write() {
    let bench = Bench::new().await;
    bench.add("ada@domain.tld", json!({})).await;
    bench.add("bob@domain.tld", json!({ "LNAME": "B" })).await;
    bench.twin.require(AUDIENCE, "LNAME", true).unwrap();
    let unrelated = json!({ "vip": true });
    let got = bench.put(&path("ada@domain.tld"), unrelated.clone()).await;
    assert_eq!(
        got.body["errors"],
        json!([{ "field": "LNAME", "message": "Please enter a value" }])
    );
    assert_eq!(
        bench.put(&path("bob@domain.tld"), unrelated.clone()).await.status,
        200
    );
    let cleared = bench
        .put(
            &path("bob@domain.tld"),
            json!({ "merge_fields": { "LNAME": "" } }),
        )
        .await;
    assert_eq!(cleared.status, 400);
    for flag in ["true", "True"] {
        let skipping = format!("{}?skip_merge_validation={flag}", path("ada@domain.tld"));
        assert_eq!(bench.put(&skipping, unrelated.clone()).await.status, 200);
    }
    let typed = format!("{}?skip_merge_validation=true", path("ada@domain.tld"));
    let got = bench
        .put(&typed, json!({ "merge_fields": { "ADDRESS": "x" } }))
        .await;
    assert_eq!(
        got.body["errors"][0]["message"],
        "Please enter a complete address"
    );
}

#[tokio::test]
async fn null_can_be_taken_for_nothing_at_all() {
    let bench = Bench::with(Options {
        null_value: NullValue::Ignore,
        ..Options::default()
    })
    .await;
    bench.add("ada@domain.tld", json!({ "FNAME": "Ada" })).await;
    let got = bench
        .put(
            &path("ada@domain.tld"),
            json!({ "merge_fields": { "FNAME": null } }),
        )
        .await;
    assert_eq!(got.body["merge_fields"]["FNAME"], "Ada");
}

#[tokio::test]
async fn values_read_back_in_the_audiences_order_and_their_own_types() {
    let bench = Bench::new().await;
    for field in [
        MergeField::new("ZED", "Z", MergeType::Number),
        MergeField::new("BORN", "B", MergeType::Birthday),
        MergeField::new("AT", "A", MergeType::Date),
    ] {
        bench.twin.define_merge_field(AUDIENCE, field).unwrap();
    }
    let got = bench
        .add(
            "ada@domain.tld",
            json!({ "AT": "01/31/2024", "ZED": 0.5, "BORN": "12/24" }),
        )
        .await;
    let wanted = json!({ "FNAME": "", "LNAME": "", "ADDRESS": "", "PHONE": "", "ZED": 0.5, "BORN": "12/24", "AT": "2024-01-31" });
    assert_eq!(got.body["merge_fields"].to_string(), wanted.to_string());
}
