//! Values through the API: clearing, appending, defaults, null, life-cycle, required properties.

use serde_json::{Value, json};

use super::{BATCH_UPSERT, Bench, CONTACTS, embedded};
use crate::hubspot::{LifecycleBackward, NullValue, Options, Property, PropertyType};

#[tokio::test]
async fn empty_text_clears_and_what_is_left_out_stays() {
    let bench = Bench::new().await;
    let id = bench.put(&[
        ("email", "ann@example.com"),
        ("firstname", "Ann"),
        ("city", "Bonn"),
    ]);
    let got = bench
        .call(
            "PATCH",
            &format!("{CONTACTS}/{id}"),
            json!({ "properties": { "firstname": "" } }),
        )
        .await;
    assert_eq!(
        (got.status, &got.body["properties"]["firstname"]),
        (200, &json!(""))
    );
    let ann = bench.twin.record("contacts", &id).unwrap();
    assert_eq!((ann.get("firstname"), ann.get("city")), (None, Some("Bonn")));
    let got = bench
        .get(&format!("{CONTACTS}/{id}?properties=firstname,city"))
        .await;
    assert_eq!(got.body["properties"]["firstname"], Value::Null);
}

#[tokio::test]
async fn a_leading_semicolon_appends_choices() {
    let bench = Bench::new().await;
    bench
        .twin
        .define_property("contacts", Property::choices("interests", &["a", "b", "c"]))
        .unwrap();
    for (sent, stored) in [("c;a", "a;c"), (";b", "a;b;c"), ("b", "b")] {
        let got = bench
            .upsert(&[("ann@example.com", json!({ "interests": sent }))])
            .await;
        assert_eq!(got.status, 200);
        assert_eq!(
            bench.twin.contact("ann@example.com").unwrap().get("interests"),
            Some(stored),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn every_kind_of_bad_value_has_its_code() {
    let bench = Bench::new().await;
    for property in [
        Property::number("ltv"),
        Property::new("vip", PropertyType::Bool),
        Property::new("born", PropertyType::Date),
        Property::new("seen", PropertyType::Datetime),
        Property::choices("interests", &["a", "b"]),
    ] {
        bench.twin.define_property("contacts", property).unwrap();
    }
    for (name, value, code) in [
        ("ltv", "1,000", "INVALID_INTEGER"),
        ("vip", "yes", "INVALID_OPTION"),
        ("born", "1793607330000", "INVALID_DATE"),
        ("seen", "yesterday", "INVALID_LONG"),
        ("interests", "a;z", "INVALID_OPTION"),
        ("lifecyclestage", "Lead", "INVALID_OPTION"),
        ("email", "nobody@nowhere.invalid", "INVALID_EMAIL"),
        ("lastmodifieddate", "2026-01-01T00:00:00Z", "READ_ONLY_VALUE"),
        ("hs_object_id", "1", "READ_ONLY_VALUE"),
        ("hs_email_optout", "true", "READ_ONLY_VALUE"),
        ("hs_additional_emails", "x@example.com", "READ_ONLY_VALUE"),
        ("FirstName", "Ann", "PROPERTY_DOESNT_EXIST"),
    ] {
        let got = bench
            .post(
                CONTACTS,
                json!({ "properties": { "firstname": "Ann", name: value } }),
            )
            .await;
        assert_eq!(got.status, 400, "{name}");
        assert_eq!(embedded(&got.body["message"])[0]["error"], code, "{name}");
        assert_eq!(got.body["errors"][0]["code"], code, "{name}");
        assert_eq!(got.body["errors"][0]["context"]["propertyName"], json!([name]));
    }
    assert_eq!(bench.twin.count("contacts"), 0);
}

#[tokio::test]
async fn json_numbers_and_booleans_are_taken_for_their_text() {
    let bench = Bench::new().await;
    bench
        .twin
        .define_property("contacts", Property::number("ltv"))
        .unwrap();
    bench
        .twin
        .define_property("contacts", Property::new("vip", PropertyType::Bool))
        .unwrap();
    bench
        .upsert(&[("ann@example.com", json!({ "ltv": 12.5, "vip": true }))])
        .await;
    let ann = bench.twin.contact("ann@example.com").unwrap();
    assert_eq!((ann.get("ltv"), ann.get("vip")), (Some("12.5"), Some("true")));
}

#[tokio::test]
async fn null_is_refused_unless_the_account_clears_or_ignores_it() {
    for (null_value, status, after) in [
        (NullValue::Refuse, 400, Some("Ann")),
        (NullValue::Clear, 200, None),
        (NullValue::Ignore, 200, Some("Ann")),
    ] {
        let bench = Bench::with(Options {
            null_value,
            ..Options::default()
        })
        .await;
        bench.put(&[("email", "ann@example.com"), ("firstname", "Ann")]);
        let got = bench
            .upsert_traced(&[("ann@example.com", json!({ "firstname": null }))])
            .await;
        assert_eq!(got.status, status);
        assert_eq!(
            bench.twin.contact("ann@example.com").unwrap().get("firstname"),
            after
        );
    }
}

#[tokio::test]
async fn a_life_cycle_stage_moves_forward_or_is_cleared_first() {
    for (lifecycle_backward, status) in [(LifecycleBackward::Drop, 200), (LifecycleBackward::Refuse, 400)] {
        let bench = Bench::with(Options {
            lifecycle_backward,
            ..Options::default()
        })
        .await;
        bench.put(&[("email", "ann@example.com"), ("lifecyclestage", "lead")]);
        let stage = |stage: &'static str| [("ann@example.com", json!({ "lifecyclestage": stage }))];
        let stored = || {
            bench
                .twin
                .contact("ann@example.com")
                .unwrap()
                .get("lifecyclestage")
                .map(str::to_owned)
        };
        assert_eq!(bench.upsert(&stage("customer")).await.status, 200);
        assert_eq!(bench.upsert(&stage("lead")).await.status, status);
        assert_eq!(stored().as_deref(), Some("customer"));
        bench.upsert(&stage("")).await;
        bench.upsert(&stage("lead")).await;
        assert_eq!(stored().as_deref(), Some("lead"));
    }
}

#[tokio::test]
async fn texts_end_at_65536_characters() {
    let bench = Bench::new().await;
    let long = "x".repeat(65_536);
    assert_eq!(
        bench
            .upsert(&[("ann@example.com", json!({ "message": long }))])
            .await
            .status,
        200
    );
    let got = bench
        .upsert(&[("ann@example.com", json!({ "message": format!("{long}x") }))])
        .await;
    assert_eq!(got.status, 400);
    assert_eq!(
        got.body["errors"][0]["context"]["propertyName"],
        json!(["message"])
    );
}

#[tokio::test]
async fn a_new_record_needs_something_to_call_it_by() {
    let bench = Bench::new().await;
    let got = bench
        .post(CONTACTS, json!({ "properties": { "city": "Bonn" } }))
        .await;
    assert_eq!(got.status, 400);
    assert_eq!(
        got.body["context"]["properties"],
        json!(["email", "firstname", "lastname"])
    );
    let got = bench
        .post(
            "/crm/v3/objects/companies",
            json!({ "properties": { "city": "Bonn" } }),
        )
        .await;
    assert_eq!(got.body["context"]["properties"], json!(["name", "domain"]));
    let got = bench
        .post(
            "/crm/v3/objects/companies",
            json!({ "properties": { "name": "Acme" } }),
        )
        .await;
    assert_eq!(got.status, 201);
}

#[tokio::test]
async fn rules_of_the_administrator_hold_on_2026_09_paths_alone() {
    let bench = Bench::new().await;
    bench.twin.require_property("contacts", "company").unwrap();
    bench
        .twin
        .require_property_when("contacts", "jobtitle", "lifecyclestage", "customer")
        .unwrap();
    let create = json!({ "properties": { "email": "ann@example.com", "lifecyclestage": "customer" } });
    let got = bench.post("/crm/objects/2026-09/contacts", create.clone()).await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (400, &json!("VALIDATION_ERROR"))
    );
    assert_eq!(got.body["errors"][0]["code"], "MISSING_REQUIRED_PROPERTY");
    assert_eq!(
        got.body["errors"][1]["code"],
        "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
    );
    assert_eq!(
        got.body["errors"][1]["context"]["propertyName"],
        json!(["jobtitle"])
    );
    assert_eq!(bench.post(CONTACTS, create).await.status, 201);
    let id = bench.twin.contacts()[0].id.clone();
    let touch = json!({ "properties": { "city": "Bonn" } });
    let got = bench
        .call(
            "PATCH",
            &format!("/crm/objects/2026-09/contacts/{id}"),
            touch.clone(),
        )
        .await;
    assert_eq!(
        got.body["errors"][0]["code"],
        "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
    );
    assert_eq!(
        bench
            .call("PATCH", &format!("/crm/v3/objects/contacts/{id}"), touch)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn changes_are_dated_per_property() {
    let bench = Bench::new().await;
    bench
        .upsert(&[("ann@example.com", json!({ "firstname": "Ann", "city": "Bonn" }))])
        .await;
    let before = bench.twin.contact("ann@example.com").unwrap();
    bench.twin.advance_clock(std::time::Duration::from_secs(60));
    bench
        .upsert(&[("ann@example.com", json!({ "firstname": "Ann", "city": "Kiel" }))])
        .await;
    let after = bench.twin.contact("ann@example.com").unwrap();
    assert_eq!(after.changed_at["firstname"], before.changed_at["firstname"]);
    assert!(after.changed_at["city"] >= before.changed_at["city"] + 60_000);
    // The record's own time moves with every write.
    assert!(after.updated_at >= before.updated_at + 60_000);
}

#[tokio::test]
async fn archived_properties_can_no_longer_be_written() {
    let bench = Bench::new().await;
    bench.twin.archive_property("contacts", "fax").unwrap();
    let got = bench
        .post(
            BATCH_UPSERT,
            json!({ "inputs": [
        { "idProperty": "email", "id": "a@example.com", "properties": { "fax": "1" } },
    ] }),
        )
        .await;
    assert_eq!(got.body["errors"][0]["code"], "PROPERTY_DOESNT_EXIST");
}
