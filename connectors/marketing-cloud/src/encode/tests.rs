#![allow(clippy::unwrap_used)]

use serde_json::{Value as Json, json};

use super::*;
use crate::capabilities::{JOB_ROWS, ROWS};
use crate::testing::{
    BORN, EMAIL, ID, NAME, PLAN, POINTS, SPENT, VIP, composite, known, layout, number, operation, removal,
    row,
};

fn body(encoded: &Encoded) -> Json {
    serde_json::from_slice(&encoded.request.body).unwrap()
}

fn many(count: u64) -> Vec<Operation> {
    (0..count)
        .map(|number| row(number, &format!("c{number}"), &[]))
        .collect()
}

#[test]
fn a_few_rows_go_out_at_once() {
    let encoded = layout().encode(ROWS, &[row(1, "a", &[(NAME, Value::text("Ann \"A\" <é>"))])]);
    assert_eq!(
        (encoded.request.method, encoded.request.path.as_str()),
        ("POST", "/hub/v1/dataevents/key:customers/rowset")
    );
    assert_eq!(
        body(&encoded),
        json!([{ "keys": { "Id": "a" }, "values": { "Name": "Ann \"A\" <é>", "Plan": "gold" } }])
    );
    assert_eq!(encoded.fields, [vec![ID, NAME, PLAN]]);
}

#[test]
fn many_rows_go_out_as_a_job() {
    assert_eq!(layout().encode(ROWS, &many(50)).request.method, "POST");
    let encoded = layout().encode(ROWS, &many(51));
    assert_eq!(
        (encoded.request.method, encoded.request.path.as_str()),
        ("PUT", "/data/v1/async/dataextensions/key:customers/rows")
    );
    let body = body(&encoded);
    assert_eq!(body["items"].as_array().unwrap().len(), 51);
    assert_eq!(body["items"][0], json!({ "Id": "c0", "Plan": "gold" }));
    assert_eq!(layout().encode(ROWS, &many(3_000)).taken, JOB_ROWS);
}

#[test]
fn every_type_is_written_as_its_column_takes_it() {
    let full = row(
        1,
        "a",
        &[
            (EMAIL, Value::text(" ann@x.example ")),
            (POINTS, number("7")),
            (SPENT, number("12.50")),
            (BORN, Value::Date(0)),
            (VIP, Value::Bool(true)),
        ],
    );
    let values = &body(&layout().encode(ROWS, &[full]))[0]["values"];
    assert_eq!(
        values,
        &json!({ "Email": "ann@x.example", "Points": 7, "Spent": 12.5, "Born": "1970-01-01", "Vip": true, "Plan": "gold" })
    );
}

#[test]
fn a_known_row_carries_what_differs_and_what_every_row_must_have() {
    let changed = known(
        row(1, "a", &[(NAME, Value::text("Bea")), (POINTS, number("7"))]),
        "[\"a\"]",
        &[POINTS],
    );
    let encoded = layout().encode(ROWS, &[changed]);
    assert_eq!(
        body(&encoded),
        json!([{ "keys": { "Id": "a" }, "values": { "Points": 7, "Plan": "gold" } }])
    );
    assert_eq!(encoded.fields, [vec![POINTS, PLAN]]);
}

#[test]
fn emptied_columns_go_as_a_job_because_null_breaks_the_direct_route() {
    let emptied = |field| known(row(1, "a", &[(field, Value::Null)]), "[\"a\"]", &[field]);
    let text = layout().encode(ROWS, &[emptied(NAME)]);
    assert_eq!(text.request.method, "POST");
    assert_eq!(body(&text)[0]["values"]["Name"], json!(""));
    for field in [EMAIL, POINTS, SPENT, BORN, VIP] {
        let encoded = layout().encode(ROWS, &[emptied(field)]);
        assert_eq!(encoded.request.method, "PUT", "{field}");
        let name = layout().column(field).unwrap().name.clone();
        assert_eq!(body(&encoded)["items"][0][name], Json::Null);
        assert!(body(&encoded)["items"][0].as_object().unwrap().len() == 3);
    }
}

#[test]
fn a_row_of_its_key_alone_goes_as_a_job() {
    let key_alone = operation(1, vec![Some(Value::text("north")), Some(number("7"))]);
    let encoded = composite().encode(ROWS, &[key_alone]);
    assert_eq!(encoded.request.method, "PUT");
    assert_eq!(encoded.request.path, "/data/v1/async/dataextensions/5f2e/rows");
    assert_eq!(
        body(&encoded),
        json!({ "items": [{ "Shop": "north", "Number": 7 }] })
    );
}

#[test]
fn a_new_key_takes_the_whole_row_and_keeps_the_key_pending() {
    let renamed = known(row(1, "new", &[(NAME, Value::text("Ann"))]), "[\"old\"]", &[ID]);
    let encoded = layout().encode(ROWS, std::slice::from_ref(&renamed));
    assert_eq!(
        body(&encoded)[0],
        json!({ "keys": { "Id": "new" }, "values": { "Name": "Ann", "Plan": "gold" } })
    );
    assert_eq!(encoded.fields, [vec![NAME, PLAN]]);
    let halfway = known(renamed, "+[\"old\"]", &[ID]);
    let encoded = layout().encode(DELETE, &[halfway]);
    let text = String::from_utf8(encoded.request.body.to_vec()).unwrap();
    assert!(
        text.contains("<Value>old</Value>") && !text.contains("new"),
        "{text}"
    );
    assert_eq!(encoded.fields, [vec![ID]]);
}

#[test]
fn cleared_rows_lose_what_was_written_and_keep_their_key() {
    let mut layout = layout();
    layout.columns.truncate(usize::from(PLAN));
    let cleared = removal(Removed::Clear, "[\"a\"]", &[NAME, POINTS]);
    let encoded = layout.encode(ROWS, &[cleared]);
    assert_eq!(
        body(&encoded),
        json!({ "items": [{ "Id": "a", "Name": "", "Points": null }] })
    );
    assert_eq!(encoded.fields, [vec![NAME, POINTS]]);
}

#[test]
fn rows_beyond_the_body_limit_wait_for_the_next_request() {
    let mut layout = layout();
    layout.columns[usize::from(NAME)].kind = Kind::Text(None);
    let fat = |number: u64, size: usize| {
        row(
            number,
            &format!("c{number}"),
            &[(NAME, Value::text(&"x".repeat(size)))],
        )
    };
    let direct: Vec<Operation> = (0..10).map(|number| fat(number, 1_000_000)).collect();
    let encoded = layout.encode(ROWS, &direct);
    assert_eq!((encoded.taken, encoded.fields.len()), (4, 4));
    assert!(encoded.request.body.len() <= MAX_DIRECT_BODY);
    let job: Vec<Operation> = (0..100).map(|number| fat(number, 100_000)).collect();
    let encoded = layout.encode(ROWS, &job);
    assert_eq!(encoded.taken, 54);
    assert!(encoded.request.body.len() <= MAX_BODY);
    assert!(serde_json::from_slice::<Json>(&encoded.request.body).is_ok());
    // One that is too large for any request goes alone and is refused there.
    assert_eq!(layout.encode(ROWS, &[fat(1, 6_000_000), fat(2, 1)]).taken, 1);
}

#[test]
fn a_wide_row_goes_as_a_job() {
    let mut layout = layout();
    let mut wide = row(1, "a", &[]);
    let mut record: Vec<Option<Value>> = wide.record.to_vec();
    for number in 0..50 {
        let name = format!("Column{number}");
        layout
            .columns
            .push(crate::testing::column(&name, Kind::Text(None)));
        record.push(Some(Value::text("x")));
    }
    wide.record = record.into();
    assert_eq!(layout.encode(ROWS, &[wide]).request.method, "PUT");
}

#[test]
fn deletions_name_every_key_column_and_escape_its_value() {
    let remote = "[\"<north> & \\\"co\\\"\",\"7\"]";
    let encoded = composite().encode(DELETE, &[removal(Removed::Delete, remote, &[])]);
    let text = String::from_utf8(encoded.request.body.to_vec()).unwrap();
    assert!(
        text.contains("<CustomerKey>orders / 2024</CustomerKey>"),
        "{text}"
    );
    assert!(
        text.contains(
            "<Key><Name>Shop</Name><Value>&lt;north&gt; &amp; &quot;co&quot;</Value></Key>\
             <Key><Name>Number</Name><Value>7</Value></Key>"
        ),
        "{text}"
    );
    let many: Vec<Operation> = (0..300).map(|_| removal(Removed::Delete, remote, &[])).collect();
    assert_eq!(composite().encode(DELETE, &many).taken, 200);
}
