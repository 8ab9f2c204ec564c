//! How fast rows go out and answers come in, without a network: inspect, identity, route, encode, send
//! over a scripted exchange, interpret. Prints microseconds of one core per row.
//!
//! `cargo run --release -p outflow-hubspot --example throughput`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use outflow_hubspot::HubSpot;
use outflow_sdk::CompactString;
use outflow_sdk::conformance::script::{Script, answer};
use outflow_sdk::destination::{
    Action, Destination, MappedField, Mode, ObjectSpec, Operation, Outcome, Sent,
};
use outflow_sdk::value::{Decimal, Value};
use serde_json::json;

const ROWS: u64 = 100;
const BATCHES: u64 = 5_000;
const FIELDS: [&str; 10] = [
    "email",
    "firstname",
    "lastname",
    "phone",
    "city",
    "zip",
    "country",
    "company",
    "ltv",
    "seen_at",
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let script = Arc::new(Script::new());
    let settings = json!({ "token": "pat-na1-throughput" });
    let hubspot = HubSpot::open(settings, Arc::clone(&script) as Arc<_>).unwrap();
    script
        .then(answer(200, definitions()))
        .then(answer(200, r#"{"portalId":7,"timeZone":"UTC"}"#));
    let spec = ObjectSpec {
        sync: "throughput".into(),
        object: "contacts".into(),
        match_fields: vec!["email".into()],
        mode: Mode::Upsert,
        removed: None,
        fields: FIELDS
            .map(|name| MappedField {
                name: name.into(),
                value_type: None,
            })
            .into(),
        options: serde_json::Value::Null,
    };
    let binding = hubspot.bind(spec, false).await.unwrap();
    let operations: Vec<Operation> = (0..ROWS).map(operation).collect();
    script.always(Ok(answer(200, results())));

    let (mut encoding, mut sending) = (0.0, 0.0);
    for _ in 0..BATCHES {
        let start = Instant::now();
        let mut route = None;
        for operation in &operations {
            binding.inspect(operation).unwrap();
            std::hint::black_box(binding.identity(operation));
            route = Some(binding.route(operation));
        }
        let encoded = binding.encode(route.unwrap(), &operations);
        encoding += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let Sent::Settled(settled) = binding.send(&encoded.request, &operations).await.unwrap() else {
            panic!("HubSpot has no jobs");
        };
        sending += start.elapsed().as_secs_f64();
        let applied = |outcome: &Outcome| matches!(outcome, Outcome::Applied { remote: Some(_), .. });
        assert!(settled.outcomes.iter().all(applied));
        script.take_requests();
    }
    let rows = (ROWS * BATCHES) as f64;
    println!(
        "{rows} rows of {} fields: out {:.2} µs, in {:.2} µs a row",
        FIELDS.len(),
        encoding * 1e6 / rows,
        sending * 1e6 / rows
    );
}

fn operation(row: u64) -> Operation {
    let text = |name: &str| Some(Value::text(&format!("{name} of person {row}")));
    let mut record: Vec<Option<Value>> = FIELDS.iter().map(|name| text(name)).collect();
    record[0] = Some(Value::text(&format!("Person{row}@Example.com")));
    record[8] = Some(Value::Number(Decimal::parse("1234.50").unwrap()));
    record[9] = Some(Value::Timestamp(1_793_607_330_123_000));
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action: Action::Write,
        remote: None,
        pending: (0..10).collect(),
        record: record.into(),
    }
}

fn definitions() -> String {
    let results: Vec<_> = FIELDS
        .iter()
        .map(|name| {
            let kind = match *name {
                "ltv" => "number",
                "seen_at" => "datetime",
                _ => "string",
            };
            json!({ "name": name, "label": name, "type": kind, "fieldType": "text" })
        })
        .collect();
    json!({ "results": results }).to_string()
}

/// As HubSpot answers an upsert: other order, system properties beside those sent.
fn results() -> String {
    let mut body = String::from(r#"{"status":"COMPLETE","results":["#);
    for row in (0..ROWS).rev() {
        let comma = if row + 1 == ROWS { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"id":"{}","new":true,"properties":{{"createdate":"2026-11-02T08:15:30.123Z","email":"person{row}@example.com","firstname":"firstname of person {row}","hs_all_contact_vids":"{row}","hs_email_domain":"example.com","hs_object_id":"{row}","hs_object_source":"INTEGRATION","lastmodifieddate":"2026-11-02T08:15:30.123Z","lifecyclestage":"lead","city":"city of person {row}","phone":"phone of person {row}"}},"createdAt":"2026-11-02T08:15:30.123Z","updatedAt":"2026-11-02T08:15:30.123Z","archived":false}}"#,
            51_000_000_000 + row
        )
        .unwrap();
    }
    body.push_str("]}");
    body
}
