//! The properties API.

use serde_json::{Value, json};

use super::Bench;

const PROPERTIES: &str = "/crm/properties/2026-03/contacts";

fn text(name: &str) -> Value {
    json!({ "name": name, "label": name, "type": "string", "fieldType": "text", "groupName": "contactinformation" })
}

fn with(name: &str, key: &str, value: Value) -> Value {
    let mut body = text(name);
    body[key] = value;
    body
}

#[tokio::test]
async fn a_new_account_has_the_usual_properties() {
    let bench = Bench::new().await;
    let got = bench.get(PROPERTIES).await;
    let all = got.body["results"].as_array().unwrap();
    assert!(all.len() >= 40);
    let find = |name: &str| all.iter().find(|property| property["name"] == name).unwrap();
    assert_eq!(find("email")["hasUniqueValue"], true);
    assert_eq!(find("lifecyclestage")["options"][5]["value"], "customer");
    for name in [
        "lastmodifieddate",
        "hs_object_id",
        "hs_marketable_status",
        "hs_email_optout",
        "hs_additional_emails",
    ] {
        assert_eq!(
            find(name)["modificationMetadata"]["readOnlyValue"],
            true,
            "{name}"
        );
    }
    assert_eq!(find("firstname")["hubspotDefined"], true);
    assert_eq!(
        bench.get("/crm/v3/properties/contacts/firstname").await.body,
        *find("firstname")
    );
    let got = bench.get(&format!("{PROPERTIES}/nope")).await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (404, &json!("OBJECT_NOT_FOUND"))
    );
}

#[tokio::test]
async fn a_property_is_created_used_changed_archived_and_restored() {
    let bench = Bench::new().await;
    let got = bench.post(PROPERTIES, text("plan")).await;
    assert_eq!((got.status, &got.body["name"]), (201, &json!("plan")));
    assert_eq!(
        bench
            .upsert(&[("a@example.com", json!({ "plan": "pro" }))])
            .await
            .status,
        200
    );
    let got = bench.post(PROPERTIES, text("plan")).await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (409, &json!("OBJECT_ALREADY_EXISTS"))
    );
    assert_eq!(got.body["subCategory"], "Properties.PROPERTY_WITH_NAME_EXISTS");
    assert_eq!(got.body["message"], "A property named 'plan' already exists.");
    let path = format!("{PROPERTIES}/plan");
    let got = bench.call("PATCH", &path, json!({ "label": "The plan" })).await;
    assert_eq!((got.status, &got.body["label"]), (200, &json!("The plan")));
    assert_eq!(bench.delete(&path).await.status, 204);
    assert_eq!(bench.get(&path).await.status, 404);
    assert_eq!(
        bench.get(&format!("{path}?archived=true")).await.body["archived"],
        true
    );
    assert_eq!(
        bench
            .upsert(&[("a@example.com", json!({ "plan": "pro" }))])
            .await
            .status,
        400
    );
    assert_eq!(bench.post(PROPERTIES, text("plan")).await.status, 201);
    assert_eq!(
        bench.twin.contact("a@example.com").unwrap().get("plan"),
        Some("pro")
    );
}

#[tokio::test]
async fn bad_definitions_are_refused() {
    let bench = Bench::new().await;
    let mut no_group = text("x");
    no_group.as_object_mut().unwrap().remove("groupName");
    for (why, body) in [
        ("capital", text("Plan")),
        ("digit first", text("1plan")),
        ("space", text("a b")),
        ("no group", no_group),
        ("unknown group", with("x", "groupName", json!("nope"))),
        ("control does not fit", with("x", "fieldType", json!("number"))),
        ("unknown type", with("x", "type", json!("money"))),
        (
            "no options",
            json!({ "name": "x", "label": "x", "type": "enumeration", "fieldType": "select", "groupName": "contactinformation" }),
        ),
        (
            "options twice",
            with(
                "x",
                "options",
                json!([{ "label": "A", "value": "a" }, { "label": "A2", "value": "a" }]),
            ),
        ),
    ] {
        let got = bench.post(PROPERTIES, body).await;
        assert_eq!(
            (got.status, &got.body["category"]),
            (400, &json!("VALIDATION_ERROR")),
            "{why}"
        );
    }
    let got = bench.delete(&format!("{PROPERTIES}/email")).await;
    assert_eq!(
        got.body["subCategory"],
        "PropertyValidationError.CANNOT_DELETE_PROPERTY_IN_USE"
    );
}

#[tokio::test]
async fn options_are_replaced_as_a_whole_or_stay() {
    let bench = Bench::new().await;
    let options = |values: &[&str]| -> Value {
        values
            .iter()
            .map(|value| json!({ "label": value, "value": value }))
            .collect()
    };
    let mut body = text("size");
    body["type"] = json!("enumeration");
    body["fieldType"] = json!("select");
    body["options"] = options(&["s", "m"]);
    assert_eq!(bench.post(PROPERTIES, body).await.status, 201);
    let path = format!("{PROPERTIES}/size");
    let got = bench.call("PATCH", &path, json!({ "label": "Size" })).await;
    assert_eq!(got.body["options"].as_array().unwrap().len(), 2);
    bench
        .call("PATCH", &path, json!({ "options": options(&["l"]) }))
        .await;
    assert_eq!(
        bench
            .upsert(&[("a@example.com", json!({ "size": "l" }))])
            .await
            .status,
        200
    );
    assert_eq!(
        bench
            .upsert(&[("a@example.com", json!({ "size": "s" }))])
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn ten_unique_properties_are_the_most() {
    let bench = Bench::new().await;
    for n in 0..10 {
        let got = bench
            .post(
                PROPERTIES,
                with(&format!("key_{n}"), "hasUniqueValue", json!(true)),
            )
            .await;
        assert_eq!((got.status, &got.body["hasUniqueValue"]), (201, &json!(true)));
    }
    assert_eq!(
        bench
            .post(PROPERTIES, with("key_10", "hasUniqueValue", json!(true)))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn batches_create_read_and_archive() {
    let bench = Bench::new().await;
    let body = json!({ "inputs": [text("a1"), text("a2")] });
    let got = bench.post(&format!("{PROPERTIES}/batch/create"), body).await;
    assert_eq!(
        (got.status, got.body["results"].as_array().unwrap().len()),
        (201, 2)
    );
    let body = json!({ "inputs": [text("a3"), text("a1")] });
    let got = bench.post(&format!("{PROPERTIES}/batch/create"), body).await;
    assert_eq!(
        (got.status, &got.body["errors"][0]["category"]),
        (207, &json!("OBJECT_ALREADY_EXISTS"))
    );
    let body = json!({ "archived": false, "inputs": [{ "name": "a1" }, { "name": "a9" }] });
    let got = bench.post(&format!("{PROPERTIES}/batch/read"), body).await;
    assert_eq!((got.status, &got.body["results"][0]["name"]), (207, &json!("a1")));
    let body = json!({ "inputs": [{ "name": "a1" }, { "name": "a2" }] });
    assert_eq!(
        bench
            .post(&format!("{PROPERTIES}/batch/archive"), body)
            .await
            .status,
        204
    );
    assert_eq!(bench.get(&format!("{PROPERTIES}/a1")).await.status, 404);
}

#[tokio::test]
async fn groups_hold_properties() {
    let bench = Bench::new().await;
    let groups = format!("{PROPERTIES}/groups");
    let got = bench
        .post(&groups, json!({ "name": "outflow", "label": "Outflow" }))
        .await;
    assert_eq!(got.status, 201);
    assert_eq!(
        bench
            .post(&groups, json!({ "name": "outflow", "label": "x" }))
            .await
            .status,
        409
    );
    assert_eq!(
        bench
            .post(PROPERTIES, with("plan", "groupName", json!("outflow")))
            .await
            .status,
        201
    );
    assert_eq!(bench.delete(&format!("{groups}/outflow")).await.status, 400);
    let got = bench
        .call("PATCH", &format!("{groups}/outflow"), json!({ "label": "O" }))
        .await;
    assert_eq!(got.body["label"], "O");
    bench.delete(&format!("{PROPERTIES}/plan")).await;
    assert_eq!(bench.delete(&format!("{groups}/outflow")).await.status, 204);
    assert_eq!(bench.get(&format!("{groups}/outflow")).await.status, 404);
    let got = bench.get(&groups).await;
    assert_eq!(got.body["results"][0]["name"], "contactinformation");
}
