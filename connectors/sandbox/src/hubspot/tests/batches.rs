//! Batch rules: counts, duplicates, all-or-nothing, partial success, shapes of answers.

use serde_json::{Value, json};

use super::{BATCH_UPSERT, Bench, embedded};
use std::time::Duration;

use crate::hubspot::{AllFailed, Fault, FaultKind, Options, Property};

const BATCH_CREATE: &str = "/crm/objects/2026-03/contacts/batch/create";
const BATCH_UPDATE: &str = "/crm/objects/2026-03/contacts/batch/update";
const BATCH_READ: &str = "/crm/objects/2026-03/contacts/batch/read";

#[tokio::test]
async fn an_upsert_creates_and_updates_and_says_which() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com"), ("firstname", "Ann")]);
    let got = bench
        .upsert(&[
            ("ann@example.com", json!({ "lastname": "Lee" })),
            (
                "bob@example.com",
                json!({ "email": "bob@example.com", "firstname": "Bob" }),
            ),
        ])
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(got.body["status"], "COMPLETE");
    assert!(got.body.get("numErrors").is_none());
    let updated = got.result(&ann);
    assert_eq!(updated["new"], false);
    // An update answers with what was written and a few system properties, not the whole record.
    let names: Vec<&str> = updated["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        ["lastname", "createdate", "hs_object_id", "lastmodifieddate"]
    );
    let bob = bench.twin.contact("bob@example.com").unwrap();
    let created = got.result(&bob.id);
    assert_eq!(created["new"], true);
    assert_eq!(created["properties"]["hs_object_source"], "INTEGRATION");
    assert_eq!(created["properties"]["lifecyclestage"], "lead");
    assert_eq!(
        bench.twin.contact("ann@example.com").unwrap().get("firstname"),
        Some("Ann")
    );
}

#[tokio::test]
async fn a_new_record_takes_its_key_even_if_properties_leave_it_out() {
    let bench = Bench::new().await;
    bench
        .upsert(&[("Cy@Example.com", json!({ "firstname": "Cy" }))])
        .await;
    assert_eq!(
        bench.twin.contact("cy@example.com").unwrap().get("email"),
        Some("cy@example.com")
    );
}

#[tokio::test]
async fn a_hundred_inputs_are_the_most() {
    let bench = Bench::new().await;
    let rows = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| json!({ "idProperty": "email", "id": format!("p{n}@example.com"), "properties": {} }))
            .collect()
    };
    let got = bench.post(BATCH_UPSERT, json!({ "inputs": rows(101) })).await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (400, &json!("VALIDATION_ERROR"))
    );
    assert_eq!(bench.twin.count("contacts"), 0);
    let got = bench.post(BATCH_UPSERT, json!({ "inputs": rows(100) })).await;
    assert_eq!((got.status, bench.twin.count("contacts")), (200, 100));
    for path in [BATCH_CREATE, BATCH_UPDATE, BATCH_READ, BATCH_UPSERT] {
        assert_eq!(
            bench.post(path, json!({ "inputs": [] })).await.status,
            400,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_same_id_twice_refuses_the_batch_with_or_without_trace_ids() {
    let bench = Bench::new().await;
    let rows = [
        ("ann@example.com", json!({ "firstname": "A" })),
        ("Ann@example.com", json!({ "firstname": "B" })),
    ];
    for got in [bench.upsert(&rows).await, bench.upsert_traced(&rows).await] {
        assert_eq!(got.status, 400);
        assert_eq!(
            got.body["message"],
            "Duplicate IDs found in batch input: [Ann@example.com]. IDs must be unique"
        );
        assert_eq!(got.body["context"]["ids"], json!(["Ann@example.com"]));
    }
    let id = bench.put(&[("email", "x@example.com")]);
    let twice = json!({ "inputs": [{ "id": id, "properties": {} }, { "id": id, "properties": {} }] });
    assert_eq!(bench.post(BATCH_UPDATE, twice).await.status, 400);
    assert_eq!(bench.twin.count("contacts"), 1);
}

#[tokio::test]
async fn without_trace_ids_one_bad_row_refuses_all_and_nothing_is_written() {
    let bench = Bench::new().await;
    let got = bench
        .upsert(&[
            ("ann@example.com", json!({ "firstname": "Ann" })),
            ("bob@example.com", json!({ "nope": "1", "hs_lead_status": "HOT" })),
            ("cy@example.com", json!({ "nope": "2" })),
        ])
        .await;
    assert_eq!(
        (got.status, &got.body["category"]),
        (400, &json!("VALIDATION_ERROR"))
    );
    let embedded = embedded(&got.body["message"]);
    assert_eq!(embedded[0]["error"], "PROPERTY_DOESNT_EXIST");
    assert_eq!(embedded[0]["isValid"], false);
    assert_eq!(embedded[1]["error"], "INVALID_OPTION");
    // Repeats are collapsed: counts do not tell rows.
    assert_eq!(got.body["errors"].as_array().unwrap().len(), 2);
    assert_eq!(
        got.body["errors"][1]["context"]["propertyName"],
        json!(["hs_lead_status"])
    );
    assert_eq!(bench.twin.count("contacts"), 0);
}

#[tokio::test]
async fn with_trace_ids_on_all_inputs_good_rows_are_written() {
    let bench = Bench::new().await;
    let got = bench
        .upsert_traced(&[
            ("ann@example.com", json!({ "firstname": "Ann" })),
            ("bob@example.com", json!({ "nope": "1" })),
            ("not an address", json!({ "firstname": "Cy" })),
        ])
        .await;
    assert_eq!((got.status, &got.body["numErrors"]), (207, &json!(2)));
    assert_eq!(got.body["results"].as_array().unwrap().len(), 1);
    let error = &got.body["errors"][0];
    assert_eq!(error["context"], json!({ "objectWriteTraceId": ["row-1"] }));
    assert_eq!(
        (&error["status"], &error["category"]),
        (&json!("error"), &json!("VALIDATION_ERROR"))
    );
    assert!(error.get("errors").is_none() && error.get("links").is_none());
    assert_eq!(
        got.body["errors"][1]["context"]["objectWriteTraceId"],
        json!(["row-2"])
    );
    assert_eq!(
        super::embedded(&got.body["errors"][1]["message"])[0]["error"],
        "INVALID_EMAIL"
    );
    assert_eq!(bench.twin.count("contacts"), 1);
}

#[tokio::test]
async fn trace_ids_on_some_inputs_do_not_help_and_repeated_ones_are_refused() {
    let bench = Bench::new().await;
    let some = json!({ "inputs": [
        { "idProperty": "email", "id": "a@example.com", "objectWriteTraceId": "1", "properties": {} },
        { "idProperty": "email", "id": "b@example.com", "properties": { "nope": "1" } },
    ] });
    assert_eq!(bench.post(BATCH_UPSERT, some).await.status, 400);
    let repeated = json!({ "inputs": [
        { "idProperty": "email", "id": "a@example.com", "objectWriteTraceId": "1", "properties": {} },
        { "idProperty": "email", "id": "b@example.com", "objectWriteTraceId": "1", "properties": {} },
    ] });
    assert_eq!(bench.post(BATCH_UPSERT, repeated).await.status, 400);
    assert_eq!(bench.twin.count("contacts"), 0);
}

#[tokio::test]
async fn a_traced_batch_without_a_good_row_is_207_or_400_by_option() {
    let rows = [("ann@example.com", json!({ "nope": "1" }))];
    let got = Bench::new().await.upsert_traced(&rows).await;
    assert_eq!((got.status, &got.body["results"]), (207, &json!([])));
    let options = Options {
        all_failed: AllFailed::BadRequest,
        ..Options::default()
    };
    assert_eq!(Bench::with(options).await.upsert_traced(&rows).await.status, 400);
}

#[tokio::test]
async fn trace_ids_come_back_only_by_option() {
    let rows = [("ann@example.com", json!({}))];
    let got = Bench::new().await.upsert_traced(&rows).await;
    assert!(got.body["results"][0].get("objectWriteTraceId").is_none());
    let options = Options {
        echo_trace_ids: true,
        ..Options::default()
    };
    let got = Bench::with(options).await.upsert_traced(&rows).await;
    assert_eq!(got.body["results"][0]["objectWriteTraceId"], "row-0");
}

#[tokio::test]
async fn results_come_in_another_order() {
    let addresses: Vec<String> = (0..20).map(|n| format!("p{n}@example.com")).collect();
    let rows: Vec<_> = addresses
        .iter()
        .map(|address| (address.as_str(), json!({})))
        .collect();
    let order = |got: &super::Got| -> Vec<String> {
        let results = got.body["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| result["properties"]["email"].as_str().unwrap().to_owned())
            .collect()
    };
    let shuffled = order(&Bench::new().await.upsert(&rows).await);
    assert_ne!(shuffled, addresses);
    let options = Options {
        shuffle: false,
        ..Options::default()
    };
    assert_eq!(order(&Bench::with(options).await.upsert(&rows).await), addresses);
}

#[tokio::test]
async fn creates_answer_201_and_conflicts_name_the_existing_contact() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    let good = json!({ "inputs": [{ "properties": { "email": "bob@example.com" } }] });
    let got = bench.post(BATCH_CREATE, good).await;
    assert_eq!(got.status, 201);
    assert!(got.body["results"][0].get("new").is_none());
    let both = |traced: bool| {
        let mut inputs = json!([
            { "properties": { "email": "cy@example.com" } },
            { "properties": { "email": "ANN@example.com" } },
        ]);
        if traced {
            inputs[0]["objectWriteTraceId"] = json!("c");
            inputs[1]["objectWriteTraceId"] = json!("a");
        }
        json!({ "inputs": inputs })
    };
    let got = bench.post(BATCH_CREATE, both(false)).await;
    assert_eq!((got.status, &got.body["category"]), (409, &json!("CONFLICT")));
    assert_eq!(
        got.body["message"],
        format!("Contact already exists. Existing ID: {ann}")
    );
    assert!(bench.twin.contact("cy@example.com").is_none());
    let got = bench.post(BATCH_CREATE, both(true)).await;
    assert_eq!(got.status, 207);
    assert_eq!(got.body["errors"][0]["category"], "CONFLICT");
    assert_eq!(
        got.body["errors"][0]["context"],
        json!({ "existingId": [ann], "objectWriteTraceId": ["a"] })
    );
    assert!(bench.twin.contact("cy@example.com").is_some());
}

#[tokio::test]
async fn unknown_ids_are_told_in_a_207_even_without_trace_ids() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    let update = json!({ "inputs": [
        { "id": ann, "properties": { "firstname": "Ann" } },
        { "id": "999", "properties": { "firstname": "X" } },
        { "id": "ann@example.com", "properties": { "firstname": "X" } },
    ] });
    let got = bench.post(BATCH_UPDATE, update).await;
    assert_eq!((got.status, &got.body["numErrors"]), (207, &json!(1)));
    assert_eq!(got.body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    assert_eq!(
        got.body["errors"][0]["context"]["ids"],
        json!(["999", "ann@example.com"])
    );
    assert_eq!(
        bench.twin.record("contacts", &ann).unwrap().get("firstname"),
        Some("Ann")
    );
    let read = json!({ "properties": ["firstname"], "inputs": [{ "id": ann }, { "id": "999" }] });
    let got = bench.post(BATCH_READ, read).await;
    assert_eq!(got.status, 207);
    assert_eq!(got.result(&ann)["properties"]["firstname"], "Ann");
    assert_eq!(got.body["errors"][0]["context"]["ids"], json!(["999"]));
}

#[tokio::test]
async fn batch_read_finds_by_address_and_shows_null_for_what_is_unset() {
    let bench = Bench::new().await;
    bench.put(&[("email", "ann@example.com")]);
    let read = json!({
        "idProperty": "email",
        "properties": ["firstname", "no_such_property", "email"],
        "inputs": [{ "id": "ANN@example.com" }],
    });
    let got = bench.post(BATCH_READ, read).await;
    assert_eq!(got.status, 200);
    let properties = got.body["results"][0]["properties"].as_object().unwrap();
    assert_eq!(properties["firstname"], Value::Null);
    assert_eq!(properties["email"], "ann@example.com");
    assert!(!properties.contains_key("no_such_property"));
}

#[tokio::test]
async fn only_unique_properties_key_an_upsert_and_email_keys_no_update() {
    let bench = Bench::new().await;
    let keyed =
        |property: &str| json!({ "inputs": [{ "idProperty": property, "id": "x", "properties": {} }] });
    for property in ["firstname", "no_such_property", "hs_object_id"] {
        let got = bench.post(BATCH_UPSERT, keyed(property)).await;
        assert_eq!(got.status, 400);
        assert_eq!(
            got.body["message"],
            format!("Unable to perform update/upsert by non-unique 0-1 property {property}")
        );
    }
    let got = bench
        .post("/crm/v3/objects/companies/batch/upsert", keyed("domain"))
        .await;
    assert_eq!(
        got.body["message"],
        "Unable to perform update/upsert by non-unique 0-2 property domain"
    );
    assert_eq!(bench.post(BATCH_UPDATE, keyed("email")).await.status, 400);
    let without = json!({ "inputs": [{ "id": "ann@example.com", "properties": {} }] });
    assert_eq!(bench.post(BATCH_UPSERT, without).await.status, 400);
}

#[tokio::test]
async fn a_custom_unique_property_keys_upserts_and_updates() {
    let bench = Bench::new().await;
    bench
        .twin
        .define_property("contacts", Property::unique("customer_id"))
        .unwrap();
    let input = |id: &str, city: &str| json!({ "idProperty": "customer_id", "id": id, "properties": { "city": city, "firstname": "A" } });
    let got = bench
        .post(BATCH_UPSERT, json!({ "inputs": [input("C-1", "Bonn")] }))
        .await;
    assert_eq!((got.status, &got.body["results"][0]["new"]), (200, &json!(true)));
    let got = bench
        .post(BATCH_UPSERT, json!({ "inputs": [input("C-1", "Kiel")] }))
        .await;
    assert_eq!(got.body["results"][0]["new"], false);
    let got = bench
        .post(
            BATCH_UPDATE,
            json!({ "inputs": [input("C-1", "Trier"), input("C-2", "x")] }),
        )
        .await;
    assert_eq!(
        (got.status, &got.body["errors"][0]["context"]["ids"]),
        (207, &json!(["C-2"]))
    );
    let contacts = bench.twin.contacts();
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].get("city"), Some("Trier"));
    assert_eq!(contacts[0].get("customer_id"), Some("C-1"));
}

#[tokio::test]
async fn archive_answers_204_and_ignores_unknown_ids() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    let body = json!({ "inputs": [{ "id": ann }, { "id": "999" }] });
    let got = bench
        .post("/crm/objects/2026-03/contacts/batch/archive", body)
        .await;
    assert_eq!((got.status, got.text.as_str()), (204, ""));
    assert_eq!(bench.twin.count("contacts"), 0);
    // Its address is free again.
    let got = bench.upsert(&[("ann@example.com", json!({}))]).await;
    assert_eq!(got.body["results"][0]["new"], true);
}

#[tokio::test]
async fn records_of_a_write_in_progress_are_locked_by_option() {
    let bench = Bench::with(Options {
        lock_records: true,
        ..Options::default()
    })
    .await;
    bench.twin.inject(Fault::next(FaultKind::Latency {
        time: Duration::from_secs(600),
    }));
    let body = json!({ "inputs": [{ "idProperty": "email", "id": "ann@example.com", "properties": {} }] });
    let slow = tokio::spawn(bench.request("POST", BATCH_UPSERT).json(&body).send());
    bench.until(|twin| twin.request_count() == 1).await;
    let same = [("ANN@example.com", json!({ "firstname": "Ann" }))];
    assert_eq!(bench.upsert(&same).await.status, 423);
    assert_eq!(bench.upsert(&[("bob@example.com", json!({}))]).await.status, 200);
    slow.abort();
    bench.until(|twin| twin.in_flight() == 0).await;
    assert_eq!(bench.upsert(&same).await.status, 200);
}
