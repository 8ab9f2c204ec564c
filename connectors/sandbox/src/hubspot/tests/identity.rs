//! Who is who: lower-cased addresses, secondary addresses, changed addresses, merges, erasure.

use serde_json::json;

use super::{Bench, CONTACTS, embedded};
use crate::hubspot::{EmailConflict, Options, Property, SecondaryEmail};

#[tokio::test]
async fn addresses_are_stored_in_lower_case() {
    let bench = Bench::new().await;
    let got = bench
        .post(CONTACTS, json!({ "properties": { "email": "Ann@Example.com" } }))
        .await;
    assert_eq!(got.body["properties"]["email"], "ann@example.com");
    let got = bench
        .get(&format!("{CONTACTS}/ANN%40example.com?idProperty=email"))
        .await;
    assert_eq!(got.status, 200);
}

#[tokio::test]
async fn a_secondary_address_leads_to_its_contact_and_stays_unique() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    bench.twin.add_secondary_email(&ann, "a.lee@example.com").unwrap();
    let got = bench
        .get(&format!("{CONTACTS}/a.lee%40example.com?idProperty=email"))
        .await;
    assert_eq!(got.body["id"], ann.as_str());
    // A create with it is refused as a value that another contact already has: the second id.
    let got = bench
        .post(
            CONTACTS,
            json!({ "properties": { "email": "a.lee@example.com" } }),
        )
        .await;
    assert_eq!(got.status, 400);
    let error = &embedded(&got.body["message"])[0];
    assert_eq!(error["error"], "CONFLICTING_UNIQUE_VALUE");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .ends_with(&format!("{ann} already has that value."))
    );
    // An upsert keyed by it updates the owner, whose primary address is not the key sent.
    let rows = [(
        "a.lee@example.com",
        json!({ "email": "a.lee@example.com", "firstname": "Ann" }),
    )];
    let got = bench.upsert(&rows).await;
    assert_eq!((got.status, &got.body["results"][0]["id"]), (200, &json!(ann)));
    let record = bench.twin.record("contacts", &ann).unwrap();
    assert_eq!(
        (record.get("email"), record.get("firstname")),
        (Some("ann@example.com"), Some("Ann"))
    );
    // Primary and secondary in one batch are one record.
    let got = bench
        .upsert(&[("a.lee@example.com", json!({})), ("ann@example.com", json!({}))])
        .await;
    assert_eq!(got.status, 400);
}

#[tokio::test]
async fn an_upsert_by_secondary_address_can_be_refused() {
    let options = Options {
        secondary_email: SecondaryEmail::Refuse,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    bench.twin.add_secondary_email(&ann, "a.lee@example.com").unwrap();
    let got = bench
        .upsert(&[("a.lee@example.com", json!({ "firstname": "Ann" }))])
        .await;
    assert_eq!(got.status, 400);
    assert!(
        got.body["message"]
            .as_str()
            .unwrap()
            .contains("already has that value")
    );
    assert_eq!(bench.upsert(&[("ann@example.com", json!({}))]).await.status, 200);
}

#[tokio::test]
async fn an_address_changes_by_record_id_and_the_old_one_is_free() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    let update = json!({ "inputs": [{ "id": ann, "properties": { "email": "new@example.com" } }] });
    let got = bench.post("/crm/v3/objects/contacts/batch/update", update).await;
    assert_eq!(
        (got.status, &got.body["results"][0]["properties"]["email"]),
        (200, &json!("new@example.com"))
    );
    assert!(bench.twin.contact("ann@example.com").is_none());
    assert_eq!(bench.twin.contact("new@example.com").unwrap().id, ann);
}

#[tokio::test]
async fn anothers_address_is_refused_in_one_of_two_ways() {
    for (email_conflict, status) in [(EmailConflict::Validation, 400), (EmailConflict::Conflict, 409)] {
        let bench = Bench::with(Options {
            email_conflict,
            ..Options::default()
        })
        .await;
        let ann = bench.put(&[("email", "ann@example.com")]);
        let bob = bench.put(&[("email", "bob@example.com")]);
        let path = format!("{CONTACTS}/{bob}");
        let got = bench
            .call(
                "PATCH",
                &path,
                json!({ "properties": { "email": "ann@example.com" } }),
            )
            .await;
        assert_eq!(got.status, status);
        let message = got.body["message"].as_str().unwrap();
        assert!(message.contains(&ann));
        if status == 400 {
            assert!(message.contains(&format!("on {bob}. {ann} already has that value")));
        }
        assert_eq!(
            bench.twin.record("contacts", &bob).unwrap().get("email"),
            Some("bob@example.com")
        );
    }
}

#[tokio::test]
async fn two_rows_of_a_batch_cannot_take_one_address() {
    let bench = Bench::new().await;
    let (ann, bob) = (
        bench.put(&[("email", "ann@example.com")]),
        bench.put(&[("email", "bob@example.com")]),
    );
    let input = |id: &str| json!({ "id": id, "objectWriteTraceId": id, "properties": { "email": "new@example.com" } });
    let body = json!({ "inputs": [input(&ann), input(&bob)] });
    let got = bench.post("/crm/v3/objects/contacts/batch/update", body).await;
    assert_eq!((got.status, &got.body["numErrors"]), (207, &json!(1)));
    assert_eq!(
        got.body["errors"][0]["context"]["objectWriteTraceId"],
        json!([bob])
    );
}

#[tokio::test]
async fn custom_unique_values_are_unique_and_case_counts_unless_told() {
    for (unique_ignores_case, found) in [(false, 404), (true, 200)] {
        let bench = Bench::with(Options {
            unique_ignores_case,
            ..Options::default()
        })
        .await;
        bench
            .twin
            .define_property("contacts", Property::unique("customer_id"))
            .unwrap();
        bench.put(&[("firstname", "Ann"), ("customer_id", "C-1")]);
        let got = bench.get(&format!("{CONTACTS}/c-1?idProperty=customer_id")).await;
        assert_eq!(got.status, found);
        let got = bench
            .post(
                CONTACTS,
                json!({ "properties": { "firstname": "Bob", "customer_id": "C-1" } }),
            )
            .await;
        assert_eq!(
            embedded(&got.body["message"])[0]["error"],
            "CONFLICTING_UNIQUE_VALUE"
        );
    }
}

#[tokio::test]
async fn a_merge_gives_a_new_id_and_old_ids_lead_there_on_single_calls_alone() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com"), ("firstname", "Ann")]);
    let bob = bench.put(&[
        ("email", "bob@example.com"),
        ("firstname", "Bob"),
        ("city", "Bonn"),
    ]);
    let body = json!({ "primaryObjectId": ann, "objectIdToMerge": bob });
    let got = bench.post(&format!("{CONTACTS}/merge"), body).await;
    assert_eq!(got.status, 200);
    let merged = got.body["id"].as_str().unwrap();
    assert!(merged != ann && merged != bob);
    let properties = &got.body["properties"];
    assert_eq!(
        (&properties["firstname"], &properties["city"]),
        (&json!("Ann"), &json!("Bonn"))
    );
    assert_eq!(properties["hs_additional_emails"], "bob@example.com");
    assert_eq!(properties["hs_merged_object_ids"], format!("{ann};{bob}"));
    for old in [&ann, &bob] {
        assert_eq!(bench.get(&format!("{CONTACTS}/{old}")).await.body["id"], merged);
        let path = format!("{CONTACTS}/{old}");
        let got = bench
            .call("PATCH", &path, json!({ "properties": { "city": "Kiel" } }))
            .await;
        assert_eq!(got.body["id"], merged);
        let batch = json!({ "inputs": [{ "id": old, "properties": { "city": "Trier" } }] });
        let got = bench.post("/crm/v3/objects/contacts/batch/update", batch).await;
        assert_eq!(got.body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    }
    assert_eq!(bench.twin.contact("bob@example.com").unwrap().id, merged);
    assert_eq!(bench.twin.count("contacts"), 1);
}

#[tokio::test]
async fn a_merge_may_keep_the_primary_id() {
    let options = Options {
        merge_keeps_primary_id: true,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    let bob = bench.put(&[("email", "bob@example.com")]);
    assert_eq!(bench.twin.merge("contacts", &ann, &bob).unwrap(), ann);
    assert_eq!(bench.twin.contact("bob@example.com").unwrap().id, ann);
}

#[tokio::test]
async fn an_erased_address_cannot_come_back() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    for address in ["ann@example.com", "never@example.com"] {
        let body = json!({ "objectId": address, "idProperty": "email" });
        assert_eq!(
            bench.post(&format!("{CONTACTS}/gdpr-delete"), body).await.status,
            204
        );
        let got = bench.upsert(&[(address, json!({ "firstname": "x" }))]).await;
        assert_eq!(got.status, 400);
        assert_eq!(got.body["errors"][0]["code"], "GDPR_BLACKLISTED_EMAIL");
    }
    assert!(bench.twin.record("contacts", &ann).is_none());
    assert!(bench.twin.records("contacts")[0].properties.is_empty());
}
