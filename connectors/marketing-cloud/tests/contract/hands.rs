//! Keys that one row gives up and another takes in the same run.

use outflow_sdk::conformance::script::answer;
use outflow_sdk::destination::{Action, Outcome, Removed};
use serde_json::{Value as Json, json};

use crate::world::{
    EMAIL, POINTS, bound, bound_with, deleted, deletion, known, operation, text, words, write,
};

#[tokio::test]
async fn two_rows_that_swap_their_keys_both_stay() {
    let world = bound().await;
    let swapped = [
        known(write(1, "b"), "[\"a\"]", &[0]),
        known(write(2, "a"), "[\"b\"]", &[0]),
    ];
    world.script.then(answer(200, "[{},{}]"));
    let outcomes = world.settled(&swapped).await.unwrap();
    let halfway: Vec<_> = swapped
        .iter()
        .zip(&outcomes)
        .map(|(operation, outcome)| match outcome {
            Outcome::Applied {
                remote: Some(remote), ..
            } => known(operation.clone(), remote, &[0]),
            other => panic!("{other:?}"),
        })
        .collect();
    world.script.take_requests();
    let outcomes = world.settled(&halfway).await.unwrap();
    assert_eq!(words(&outcomes), ["applied"; 2]);
    assert!(matches!(&outcomes[0], Outcome::Applied { remote: Some(remote), .. } if &**remote == "[\"b\"]"));
    assert!(world.script.take_requests().is_empty(), "nothing is deleted");
}

#[tokio::test]
async fn a_row_that_another_wrote_under_the_same_key_is_not_deleted() {
    let world = bound().await;
    world.script.then(answer(200, "[{}]"));
    world.settled(&[write(9, "SAME ")]).await.unwrap();
    world.script.take_requests();
    world
        .script
        .then(deleted(&[("OK", "Deleted DataExtensionObject")]));
    let outcomes = world
        .settled(&[deletion(1, "same"), deletion(2, "other")])
        .await
        .unwrap();
    assert_eq!(words(&outcomes), ["applied"; 2]);
    let requests = world.script.take_requests();
    assert!(text(&requests[0]).contains("<Value>other</Value>"));
    assert!(!text(&requests[0]).contains("<Value>same</Value>"));
}

#[tokio::test]
async fn a_row_that_another_wrote_under_the_same_key_is_not_emptied() {
    let columns = ["Id", "Email", "Points", "Plan"];
    let world = bound_with(outflow_sdk::destination::Mode::Mirror, &columns, json!({})).await;
    world.script.then(answer(200, "[{}]"));
    world.settled(&[write(9, "same")]).await.unwrap();
    world.script.take_requests();
    let clear = |row, id: &str| {
        let mut cleared = operation(
            row,
            Action::Remove(Removed::Clear),
            Some(&json!([id]).to_string()),
            None,
        );
        cleared.pending = vec![EMAIL, POINTS];
        cleared
    };
    world.script.then(answer(202, r#"{"requestId":"2b1c-77"}"#));
    world.send(&[clear(1, "same"), clear(2, "other")]).await.unwrap();
    let body: Json = serde_json::from_slice(&world.script.take_requests()[0].body).unwrap();
    assert_eq!(
        body,
        json!({ "items": [{ "Id": "same" }, { "Id": "other", "Email": null, "Points": null }] })
    );
}
