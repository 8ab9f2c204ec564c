//! Batches whose inputs do not look alike: other properties, another order, the same one twice, texts that
//! JSON escapes.

use serde_json::{Value, json};

use super::{BATCH_UPSERT, Bench, Got, embedded};
use crate::hubspot::Options;

/// Values of contacts, by address and property.
fn stored(bench: &Bench, email: &str, names: &[&str]) -> Vec<Option<String>> {
    let contact = bench.twin.contact(email).unwrap();
    names
        .iter()
        .map(|name| contact.get(name).map(str::to_owned))
        .collect()
}

/// Upserts a body as it is written: JSON values cannot name a member twice.
async fn upsert_raw(bench: &Bench, body: &str) -> Got {
    let request = bench
        .request("POST", BATCH_UPSERT)
        .header("content-type", "application/json")
        .body(body.to_owned());
    bench.send(request).await
}

#[tokio::test]
async fn each_input_has_properties_and_an_order_of_its_own() {
    let bench = Bench::new().await;
    let got = bench
        .upsert_traced(&[
            (
                "a@example.com",
                json!({ "firstname": "A", "city": "Bonn", "lastname": "Lee" }),
            ),
            (
                "b@example.com",
                json!({ "lastname": "May", "firstname": "B", "city": "Kiel" }),
            ),
            (
                "c@example.com",
                json!({ "firstname": "C", "nope": "1", "city": "Ulm" }),
            ),
            ("d@example.com", json!({ "city": "Trier" })),
            (
                "e@example.com",
                json!({ "firstname": "E", "hs_object_id": "1", "lastname": "Ott" }),
            ),
            (
                "f@example.com",
                json!({ "firstname": "F", "city": "Jena", "lastname": "Poe", "phone": "1" }),
            ),
        ])
        .await;
    assert_eq!((got.status, &got.body["numErrors"]), (207, &json!(2)));
    let bad = |error: usize| {
        let error = &got.body["errors"][error];
        let embedded = embedded(&error["message"]);
        let only = embedded.as_array().unwrap();
        assert_eq!(only.len(), 1);
        (
            error["context"]["objectWriteTraceId"][0].clone(),
            only[0]["name"].clone(),
        )
    };
    assert_eq!(bad(0), (json!("row-2"), json!("nope")));
    assert_eq!(bad(1), (json!("row-4"), json!("hs_object_id")));
    let names = ["firstname", "lastname", "city", "phone"];
    for (email, values) in [
        ("a@example.com", [Some("A"), Some("Lee"), Some("Bonn"), None]),
        ("b@example.com", [Some("B"), Some("May"), Some("Kiel"), None]),
        ("d@example.com", [None, None, Some("Trier"), None]),
        ("f@example.com", [Some("F"), Some("Poe"), Some("Jena"), Some("1")]),
    ] {
        let values = values.map(|value| value.map(str::to_owned));
        assert_eq!(stored(&bench, email, &names), values, "{email}");
    }
    assert_eq!(bench.twin.count("contacts"), 4);
}

#[tokio::test]
async fn of_a_property_sent_twice_the_last_value_counts_in_the_place_of_the_first() {
    let bench = Bench::new().await;
    // An input before them that writes the same properties makes no difference.
    let got = upsert_raw(
        &bench,
        r#"{"inputs":[
            {"idProperty":"email","id":"a@example.com","properties":{"city":"Ulm","firstname":"A"}},
            {"idProperty":"email","id":"b@example.com","properties":{"city":"Bonn","firstname":"B","city":"Kiel"}}
        ]}"#,
    )
    .await;
    assert_eq!(got.status, 200);
    let id = bench.twin.contact("b@example.com").unwrap().id;
    let properties = got.result(&id)["properties"].as_object().unwrap();
    let names: Vec<&str> = properties.keys().map(String::as_str).take(3).collect();
    assert_eq!(names, ["email", "city", "firstname"]);
    assert_eq!(properties["city"], "Kiel");
    assert_eq!(got.text.matches("\"city\":").count(), 2);
    let names = ["city", "firstname"];
    assert_eq!(
        stored(&bench, "a@example.com", &names),
        [Some("Ulm".to_owned()), Some("A".to_owned())]
    );
    assert_eq!(
        stored(&bench, "b@example.com", &names),
        [Some("Kiel".to_owned()), Some("B".to_owned())]
    );
}

#[tokio::test]
async fn a_key_may_be_among_the_properties_in_another_case_or_as_another_address() {
    let bench = Bench::new().await;
    let got = bench
        .upsert(&[
            (
                "Ann@example.com",
                json!({ "firstname": "Ann", "email": "ann@EXAMPLE.com" }),
            ),
            (
                "bob@example.com",
                json!({ "email": "rob@example.com", "firstname": "Rob" }),
            ),
        ])
        .await;
    assert_eq!(got.status, 200);
    assert!(bench.twin.contact("ann@example.com").is_some());
    assert!(bench.twin.contact("rob@example.com").is_some());
    assert!(bench.twin.contact("bob@example.com").is_none());
    // First another address, then the key again.
    let got = upsert_raw(
        &bench,
        r#"{"inputs":[{"idProperty":"email","id":"cy@example.com",
            "properties":{"email":"sy@example.com","email":"cy@example.com"}}]}"#,
    )
    .await;
    assert_eq!(got.body["results"][0]["properties"]["email"], "cy@example.com");
    // A key that is no address is told once, though it is looked at twice.
    let got = bench.upsert(&[("nobody", json!({ "email": "nobody" }))]).await;
    assert_eq!(got.status, 400);
    let embedded = embedded(&got.body["message"]);
    assert_eq!(embedded.as_array().unwrap().len(), 1);
    assert_eq!(embedded[0]["error"], "INVALID_EMAIL");
}

#[tokio::test]
async fn texts_come_back_as_sent_whatever_json_escapes_in_them() {
    let bench = Bench::with(Options {
        shuffle: false,
        ..Options::default()
    })
    .await;
    let texts = [
        "plain",
        "Zoë Ōta 🎉",
        "say \"hi\"",
        "C:\\temp\\",
        "two\nlines\tand\r\u{8}\u{c}\u{1}\u{1f}\u{7f}",
        "</script>/\u{2028}",
        "\"",
    ];
    let emails: Vec<String> = (0..texts.len()).map(|n| format!("p{n}@example.com")).collect();
    let rows: Vec<(&str, Value)> = emails
        .iter()
        .zip(texts)
        .map(|(email, text)| {
            (
                email.as_str(),
                json!({ "city": text, "firstname": "plain", "lastname": text }),
            )
        })
        .collect();
    for answer in [bench.upsert(&rows).await, bench.upsert(&rows).await] {
        assert_eq!(answer.status, 200);
        for (position, text) in texts.iter().enumerate() {
            let properties = &answer.body["results"][position]["properties"];
            assert_eq!(properties["city"], *text);
            assert_eq!(properties["firstname"], "plain");
            let member = format!("\"city\":{}", serde_json::to_string(text).unwrap());
            assert!(answer.text.contains(&member), "{member}");
        }
    }
    let cleared = bench
        .upsert(&[(&emails[2], json!({ "city": "", "lastname": "Lee" }))])
        .await;
    let properties = &cleared.body["results"][0]["properties"];
    assert_eq!(
        (&properties["city"], &properties["lastname"]),
        (&json!(""), &json!("Lee"))
    );
}
