//! Single-record calls, paging, versions, custom objects, and what survives a restart.

use serde_json::json;

use super::{Bench, CONTACTS};
use crate::hubspot::{Options, ProcessingType, Property, Twin};

#[tokio::test]
async fn versions_share_one_store_and_others_do_not_exist() {
    let bench = Bench::new().await;
    let id = bench.put(&[("email", "ann@example.com")]);
    for base in ["/crm/v3/objects", "/crm/objects/2026-03", "/crm/objects/2026-09"] {
        for object in ["contacts", "0-1"] {
            let got = bench.get(&format!("{base}/{object}/{id}")).await;
            assert_eq!(
                (got.status, &got.body["id"]),
                (200, &json!(id)),
                "{base}/{object}"
            );
        }
    }
    for path in [
        "/crm/objects/2025-09/contacts",
        "/crm/v4/objects/contacts",
        "/contacts/v1/lists",
        "/nope",
    ] {
        let got = bench.get(path).await;
        assert_eq!(got.status, 404, "{path}");
        assert_eq!(got.body["status"], "error");
    }
}

#[tokio::test]
async fn an_unknown_object_type_is_a_400() {
    let got = Bench::new().await.get("/crm/v3/objects/persons").await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (400, &json!("VALIDATION_ERROR"))
    );
    assert_eq!(got.body["message"], "Unable to infer object type from: persons");
}

#[tokio::test]
async fn create_read_update_archive() {
    let bench = Bench::new().await;
    let got = bench
        .post(CONTACTS, json!({ "properties": { "email": "ann@example.com" } }))
        .await;
    assert_eq!(got.status, 201);
    assert_eq!(got.header("content-type"), Some("application/json;charset=utf-8"));
    let id = got.body["id"].as_str().unwrap().to_owned();
    assert!(got.body["createdAt"].as_str().unwrap().ends_with('Z'));
    let got = bench
        .post(CONTACTS, json!({ "properties": { "email": "ann@example.com" } }))
        .await;
    assert_eq!((got.status, &got.body["category"]), (409, &json!("CONFLICT")));
    assert_eq!(
        got.body["message"],
        format!("Contact already exists. Existing ID: {id}")
    );
    let got = bench.get(&format!("{CONTACTS}/{id}")).await;
    let mut names: Vec<&String> = got.body["properties"].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "createdate",
            "email",
            "firstname",
            "hs_object_id",
            "lastmodifieddate",
            "lastname"
        ]
    );
    let path = format!("{CONTACTS}/ann%40example.com?idProperty=email");
    let got = bench
        .call("PATCH", &path, json!({ "properties": { "firstname": "Ann" } }))
        .await;
    assert_eq!(
        (got.status, &got.body["properties"]["firstname"]),
        (200, &json!("Ann"))
    );
    assert_eq!(bench.delete(&format!("{CONTACTS}/{id}")).await.status, 204);
    let got = bench.get(&format!("{CONTACTS}/{id}")).await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (404, &json!("OBJECT_NOT_FOUND"))
    );
    let got = bench.get(&format!("{CONTACTS}/{id}?archived=true")).await;
    assert_eq!((got.status, &got.body["archived"]), (200, &json!(true)));
}

#[tokio::test]
async fn records_are_listed_page_by_page() {
    let bench = Bench::new().await;
    let ids: Vec<String> = (0..25)
        .map(|n| bench.put(&[("email", &format!("p{n}@example.com"))]))
        .collect();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let got = bench.get(&format!("{CONTACTS}?properties=email{after}")).await;
        let page = got.body["results"].as_array().unwrap();
        assert!(page.len() <= 10);
        seen.extend(
            page.iter()
                .map(|record| record["id"].as_str().unwrap().to_owned()),
        );
        match got.body["paging"]["next"]["after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    for bad in ["limit=0", "limit=101", "limit=x", "after=x"] {
        assert_eq!(bench.get(&format!("{CONTACTS}?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn wrong_methods_content_types_and_bodies_are_refused() {
    let bench = Bench::new().await;
    assert_eq!(
        bench.get("/crm/v3/objects/contacts/batch/upsert").await.status,
        405
    );
    assert_eq!(bench.call("PUT", CONTACTS, json!({})).await.status, 405);
    assert_eq!(bench.get("/crm/v3/objects/contacts/batch/nope").await.status, 404);
    let text = bench
        .request("POST", CONTACTS)
        .header("content-type", "text/plain")
        .body("{}");
    assert_eq!(bench.send(text).await.status, 415);
    let none = bench.request("POST", CONTACTS).body("{}");
    assert_eq!(bench.send(none).await.status, 415);
    let json = |body: &'static str| {
        bench
            .request("POST", CONTACTS)
            .header("content-type", "application/json; charset=utf-8")
            .body(body)
    };
    let secret = "{\"properties\":{\"email\":\"ann@example.com\",}";
    for bad in ["", "{", "[]", "{\"properties\":[]}", "{}", secret] {
        let got = bench.send(json(bad)).await;
        assert_eq!(
            (got.status, &got.body["category"]),
            (400, &json!("VALIDATION_ERROR")),
            "{bad}"
        );
        assert!(
            !got.text.contains("ann@"),
            "a message never repeats what was sent"
        );
    }
    let associations = json!({ "properties": { "firstname": "A" }, "associations": [{}] });
    assert_eq!(bench.post(CONTACTS, associations).await.status, 400);
}

#[tokio::test]
async fn every_answer_names_its_exchange() {
    let bench = Bench::new().await;
    let got = bench.get("/crm/v3/objects/contacts/1").await;
    let correlation = got.body["correlationId"].as_str().unwrap();
    assert_eq!(got.header("x-hubspot-correlation-id"), Some(correlation));
    assert_eq!(correlation.len(), 36);
    let other = bench.get("/crm/v3/objects/contacts/1").await;
    assert_ne!(other.body["correlationId"], correlation);
}

#[tokio::test]
async fn custom_objects_are_defined_through_the_schemas_api() {
    let bench = Bench::new().await;
    let schema = json!({
        "name": "car",
        "labels": { "singular": "Car", "plural": "Cars" },
        "requiredProperties": ["vin"],
        "primaryDisplayProperty": "vin",
        "properties": [
            { "name": "vin", "label": "VIN", "type": "string", "fieldType": "text", "hasUniqueValue": true },
            { "name": "doors", "label": "Doors", "type": "number", "fieldType": "number" },
        ],
    });
    let got = bench
        .post("/crm-object-schemas/2026-03/schemas", schema.clone())
        .await;
    assert_eq!(got.status, 201);
    let type_id = got.body["objectTypeId"].as_str().unwrap().to_owned();
    let name = got.body["fullyQualifiedName"].as_str().unwrap().to_owned();
    assert!(type_id.starts_with("2-"));
    assert_eq!(name, "p4720001_car");
    assert_eq!(
        bench.post("/crm-object-schemas/v3/schemas", schema).await.status,
        409
    );
    let upsert = json!({ "inputs": [{ "idProperty": "vin", "id": "V1", "properties": { "doors": "4" } }] });
    let got = bench
        .post(&format!("/crm/objects/2026-03/{type_id}/batch/upsert"), upsert)
        .await;
    assert_eq!((got.status, &got.body["results"][0]["new"]), (200, &json!(true)));
    let got = bench
        .get(&format!(
            "/crm/v3/objects/{name}/V1?idProperty=vin&properties=doors"
        ))
        .await;
    assert_eq!(got.body["properties"]["doors"], "4");
    let missing = json!({ "properties": { "doors": "2" } });
    let got = bench.post(&format!("/crm/v3/objects/{name}"), missing).await;
    assert_eq!(
        (got.status, &got.body["context"]["properties"]),
        (400, &json!(["vin"]))
    );
    let got = bench.get("/crm-object-schemas/v3/schemas").await;
    assert_eq!(got.body["results"][0]["requiredProperties"], json!(["vin"]));
    let bad = json!({ "name": "boat", "labels": { "singular": "Boat" }, "requiredProperties": [],
        "properties": [{ "name": "x", "label": "X", "type": "string", "fieldType": "number" }] });
    assert_eq!(
        bench.post("/crm-object-schemas/v3/schemas", bad).await.status,
        400
    );
    assert_eq!(
        bench
            .get("/crm-object-schemas/v3/schemas/p4720001_boat")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_data_folder_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        data: Some(folder.path().join("twin")),
        ..Options::default()
    };
    let before = {
        let twin = Twin::start(options()).await.unwrap();
        twin.define_property("contacts", Property::unique("customer_id"))
            .unwrap();
        twin.define_object_type("car", vec![Property::unique("vin")], &["vin"])
            .unwrap();
        twin.put_record("p4720001_car", &[("vin", "V1")]).unwrap();
        let ann = twin
            .put_record("contacts", &[("email", "ann@example.com"), ("customer_id", "C1")])
            .unwrap();
        let bob = twin
            .put_record("contacts", &[("email", "bob@example.com")])
            .unwrap();
        let cy = twin
            .put_record("contacts", &[("email", "cy@example.com")])
            .unwrap();
        twin.set_record("contacts", &ann, &[("customer_id", "")]).unwrap();
        twin.merge("contacts", &ann, &bob).unwrap();
        twin.archive_record("contacts", &cy).unwrap();
        twin.define_list("Newsletter", ProcessingType::Manual);
        (
            twin.records("contacts"),
            twin.records("p4720001_car"),
            twin.lists(),
        )
    };
    let twin = Twin::start(options()).await.unwrap();
    assert_eq!(
        (
            twin.records("contacts"),
            twin.records("p4720001_car"),
            twin.lists()
        ),
        before
    );
    assert_eq!(
        twin.contact("bob@example.com").unwrap().id,
        before.0.last().unwrap().id
    );
    let next = twin
        .put_record("contacts", &[("email", "dan@example.com"), ("customer_id", "C2")])
        .unwrap();
    assert!(before.0.iter().all(|record| record.id != next));
}

#[tokio::test]
async fn damaged_saved_data_is_told_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hubspot.json");
    std::fs::write(&file, "{\"format\":1,").unwrap();
    let options = Options {
        data: Some(folder.path().into()),
        ..Options::default()
    };
    let error = Twin::start(options).await.err().unwrap().to_string();
    assert!(
        error.contains("hubspot.json") && error.contains("delete the file"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"format\":1,");
}
