//! What a mapping may name, how values of every type arrive, and creating missing properties.

use std::sync::Arc;

use outflow_sandbox::hubspot::{Property, PropertyType};
use outflow_sdk::destination::{Destination, Effect, FieldType, Mode};
use outflow_sdk::value::{Decimal, Value};
use serde_json::json;

use crate::drive::*;

#[tokio::test]
async fn problems_are_found_before_the_first_row() {
    let twin = twin().await;
    let mut mapping = spec(
        "contacts",
        "email",
        Mode::Upsert,
        &["email", "fristname", "lastmodifieddate", "date_of_birth"],
    );
    for field in &mut mapping.fields {
        if field.name == "email" {
            field.value_type = Some(FieldType::Bool);
        }
    }
    let problems = hubspot(&twin).bind(mapping, true).await.unwrap().problems();
    let found: Vec<_> = problems
        .iter()
        .map(|problem| (problem.code, problem.field.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("type_mismatch", Some("email")),
            ("unknown_field", Some("fristname")),
            ("read_only_field", Some("lastmodifieddate")),
        ]
    );
    assert_eq!(problems[1].hint.as_deref(), Some("did you mean `firstname`?"));
}

#[tokio::test]
async fn missing_properties_are_created_only_when_asked_and_only_by_a_run() {
    let twin = twin().await;
    let mapping = || {
        let mut mapping = spec(
            "contacts",
            "email",
            Mode::Upsert,
            &["email", "ltv", "is_vip", "first_seen_at"],
        );
        let types = [
            FieldType::Text,
            FieldType::Number,
            FieldType::Bool,
            FieldType::Timestamp,
        ];
        for (field, value_type) in mapping.fields.iter_mut().zip(types) {
            field.value_type = Some(value_type);
        }
        mapping.options = json!({ "create_fields": true });
        mapping
    };
    let looked = hubspot(&twin).bind(mapping(), false).await.unwrap();
    assert_eq!(looked.problems().len(), 3);
    assert!(looked.problems().iter().all(|problem| problem.warning));
    assert!(
        calls(&twin).iter().all(|call| call.starts_with("GET ")),
        "{:?}",
        calls(&twin)
    );
    let binding = hubspot(&twin).bind(mapping(), true).await.unwrap();
    assert!(binding.problems().is_empty());
    let created: Vec<_> = calls(&twin)
        .into_iter()
        .filter(|call| !call.starts_with("GET "))
        .collect();
    assert_eq!(created.len(), 1, "all in one request: {created:?}");
    let mut row = write(1, &["ann@example.com"]);
    row.record = Arc::from([
        Some(Value::text("ann@example.com")),
        Some(Value::Number(Decimal::parse("12.50").unwrap())),
        Some(Value::Bool(true)),
        Some(Value::Timestamp(1_793_607_330_123_000)),
    ]);
    row.pending = vec![0, 1, 2, 3];
    let ends = deliver(&*binding, vec![row]).await;
    let record = twin.record("contacts", ends[0].remote()).unwrap();
    assert_eq!(
        (record.get("ltv"), record.get("is_vip")),
        (Some("12.5"), Some("true"))
    );
    assert_eq!(record.get("first_seen_at"), Some("2026-11-02T08:15:30.123Z"));
    let fields = hubspot(&twin).describe("contacts").await.unwrap();
    let created = fields.iter().find(|field| field.name == "ltv").unwrap();
    assert_eq!((created.field_type, created.writable), (FieldType::Number, true));
}

#[tokio::test]
async fn a_mapping_that_is_wrong_elsewhere_creates_nothing() {
    let twin = twin().await;
    let mut mapping = spec("contacts", "email", Mode::Upsert, &["email", "ltv", "createdate"]);
    mapping.options = json!({ "create_fields": true });
    let binding = hubspot(&twin).bind(mapping, true).await.unwrap();
    let codes: Vec<_> = binding.problems().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["read_only_field"]);
    assert!(
        calls(&twin).iter().all(|call| call.starts_with("GET ")),
        "{:?}",
        calls(&twin)
    );
}

#[tokio::test]
async fn a_property_that_is_refused_is_named_and_the_others_are_created() {
    let twin = twin().await;
    let names: Vec<String> = ["ltv".to_owned(), "x".repeat(101)].into();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fields = [&["email"], names.as_slice()].concat();
    let mut mapping = spec("contacts", "email", Mode::Upsert, &fields);
    mapping.options = json!({ "create_fields": true });
    let error = hubspot(&twin).bind(mapping, true).await.err().unwrap();
    assert_eq!(error.code, "create_field_refused");
    assert!(error.message.contains("xxx"), "{}", error.message);
    let fields = hubspot(&twin).describe("contacts").await.unwrap();
    assert!(fields.iter().any(|field| field.name == "ltv"));
}

#[tokio::test]
async fn a_missing_match_property_is_created_unique() {
    let twin = twin().await;
    let mut mapping = spec("companies", "customer_no", Mode::Upsert, &["customer_no", "name"]);
    mapping.options = json!({ "create_fields": true });
    let binding = bind(&twin, mapping).await;
    let ends = deliver(&*binding, vec![write(1, &["C-1", "Acme"])]).await;
    assert_eq!(ends[0].effect(), Effect::Created);
    let fields = hubspot(&twin).describe("companies").await.unwrap();
    assert!(
        fields
            .iter()
            .any(|field| field.name == "customer_no" && field.unique)
    );
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_explained() {
    let twin = twin().await;
    let mut mapping = spec("contacts", "email", Mode::Upsert, &["email", "ltv"]);
    mapping.options = json!({ "create_fields": true, "group": "nowhere" });
    let error = hubspot(&twin).bind(mapping, true).await.err().unwrap();
    assert_eq!(error.code, "create_field_refused");
    assert!(error.hint.unwrap().contains("group"));
}

#[tokio::test]
async fn values_of_every_type_arrive_as_hubspot_keeps_them() {
    let twin = twin().await;
    twin.define_property(
        "contacts",
        Property::choices("colours", &["red", "green", "blue"]),
    )
    .unwrap();
    twin.define_property("contacts", Property::new("born_on", PropertyType::Date))
        .unwrap();
    let fields = ["email", "colours", "born_on", "city"];
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, &fields)).await;
    let mut row = write(1, &["ann@example.com"]);
    row.record = Arc::from([
        Some(Value::text("ann@example.com")),
        Some(Value::List(vec!["green".into(), "red".into(), "green".into()])),
        Some(Value::Timestamp(20_759 * 86_400_000_000 + 3_600_000_000)),
        Some(Value::text("O'Neil \"Süd\"\nStraße")),
    ]);
    row.pending = vec![0, 1, 2, 3];
    let ends = deliver(&*binding, vec![row.clone()]).await;
    let record = twin.record("contacts", ends[0].remote()).unwrap();
    let mut colours: Vec<_> = record.get("colours").unwrap().split(';').collect();
    colours.sort_unstable();
    assert_eq!(colours, ["green", "red"]);
    assert_eq!(record.get("born_on"), Some("2026-11-02"));
    assert_eq!(record.get("city"), Some("O'Neil \"Süd\"\nStraße"));
    row.record = Arc::from([
        Some(Value::text("ann@example.com")),
        Some(Value::Null),
        Some(Value::Null),
        Some(Value::Null),
    ]);
    deliver(&*binding, vec![row]).await;
    let emptied = twin.record("contacts", ends[0].remote()).unwrap();
    assert_eq!(
        (
            emptied.get("colours"),
            emptied.get("born_on"),
            emptied.get("city")
        ),
        (None, None, None)
    );
}

#[tokio::test]
async fn a_changed_definition_changes_the_schema_print() {
    let twin = twin().await;
    let print = || async {
        let mapping = spec("contacts", "email", Mode::Upsert, &["email", "plan"]);
        hubspot(&twin).bind(mapping, false).await.unwrap().schema_print()
    };
    twin.define_property("contacts", Property::choice("plan", &["basic"]))
        .unwrap();
    let before = print().await;
    assert_eq!(print().await, before);
    twin.define_property("contacts", Property::text("unrelated"))
        .unwrap();
    assert_eq!(print().await, before);
    twin.define_property("contacts", Property::choice("plan", &["basic", "pro"]))
        .unwrap();
    assert_ne!(print().await, before);
}

#[tokio::test]
async fn a_property_that_vanishes_during_a_run_stops_the_sync() {
    let twin = twin().await;
    twin.define_property("contacts", Property::text("plan")).unwrap();
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, &["email", "plan"])).await;
    twin.archive_property("contacts", "plan").unwrap();
    let rows = vec![
        write(1, &["ann@example.com", "x"]),
        write(2, &["bob@example.com", "y"]),
    ];
    let error = try_deliver(&*binding, rows).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            "hubspot_fields_changed",
            "plan does not exist in HubSpot any more"
        )
    );
}

#[tokio::test]
async fn an_accounts_own_rule_on_required_fields_costs_the_row_that_breaks_it() {
    let twin = twin().await;
    twin.require_property("contacts", "city").unwrap();
    let hubspot = hubspot_with(&twin, json!({ "token": "pat-na1-sandbox", "version": "2026-09" }));
    let binding = hubspot
        .bind(spec("contacts", "email", Mode::Upsert, &["email", "city"]), false)
        .await
        .unwrap();
    let ends = deliver(
        &*binding,
        vec![
            write(1, &["ann@example.com", "Bonn"]),
            write(2, &["bob@example.com", ""]),
        ],
    )
    .await;
    assert_eq!(ends[0].effect(), Effect::Created);
    // Items of a 207 may come without codes, and these do.
    assert_eq!(ends[1].code(), "invalid_value");
}
