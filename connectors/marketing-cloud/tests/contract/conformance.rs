//! The rules of every destination.

use std::sync::Arc;

use outflow_sdk::conformance::destination::{Fixture, run};
use outflow_sdk::destination::{Action, Destination, Mode, Operation, Removed};
use serde_json::json;

use crate::world::{
    EMAIL, FIELDS, SECRET, TOKEN, World, another, bound_with, deletion, known, opened, operation, settings,
    spec, token, write,
};

fn operations() -> Vec<Operation> {
    // With the key alone pending, the first request of the two acknowledges nothing yet.
    let renamed = known(write(3, "new"), "[\"old\"]", &[0, EMAIL]);
    let halfway = known(write(4, "newer"), "+[\"older\"]", &[0]);
    let mut cleared = operation(6, Action::Remove(Removed::Clear), Some("[\"f\"]"), None);
    cleared.pending = vec![EMAIL];
    let mut unknown = operation(7, Action::Remove(Removed::Delete), None, Some("g"));
    unknown.pending.clear();
    vec![
        another(1),
        known(write(2, "b"), "[\"b\"]", &[EMAIL]),
        renamed,
        halfway,
        deletion(5, "e"),
        cleared,
        unknown,
    ]
}

fn fixture(world: World) -> Fixture {
    Fixture {
        script: world.script,
        destination: world.cloud,
        binding: world.binding,
        object: "data_extension".into(),
        secrets: vec![SECRET.into(), TOKEN.into()],
        operations: operations(),
        another,
        without_match: write(99, ""),
        same_record: Some((write(1, "Ann"), write(2, "ANN  "))),
        renewals: 2,
        silent_success: Vec::new(),
        impossible_object: "contacts".into(),
    }
}

#[tokio::test]
async fn rows_keep_every_rule() {
    for mode in [Mode::Upsert, Mode::Mirror] {
        let violations = run(&fixture(bound_with(mode, &FIELDS, json!({})).await)).await;
        assert!(violations.is_empty(), "{mode:?}: {violations:#?}");
    }
}

fn event(row: u64, contact: &str) -> Operation {
    let mut operation = write(row, contact);
    operation.record = operation.record[..2].to_vec().into();
    operation.pending = vec![0, 1];
    operation
}

#[tokio::test]
async fn entry_events_keep_every_rule() {
    let (script, cloud) = opened(settings());
    script.then(token(TOKEN));
    cloud.check().await.unwrap();
    let mut spec = spec(
        Mode::Append,
        &["ContactKey", "Email"],
        json!({ "event_definition_key": "APIEvent-1" }),
    );
    spec.object = "journey_event".into();
    spec.match_fields = vec!["ContactKey".into()];
    let binding = cloud.bind(spec, false).await.unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    let world = World {
        script,
        cloud: Arc::clone(&cloud),
        binding,
    };
    let fixture = Fixture {
        object: "journey_event".into(),
        operations: vec![event(1, "c1"), event(2, "c2")],
        another: |row| event(row, &format!("c{row}")),
        without_match: event(99, ""),
        same_record: None,
        ..fixture(world)
    };
    let violations = run(&fixture).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
