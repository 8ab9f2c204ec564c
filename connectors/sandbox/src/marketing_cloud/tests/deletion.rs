//! Rows that go: SOAP deletion and ClearData.

use serde_json::json;

use super::Bench;
use crate::marketing_cloud::{Column, ColumnType};

fn object(extension: &str, keys: &[(&str, &str)]) -> String {
    let keys: String = keys
        .iter()
        .map(|(name, value)| format!("<Key><Name>{name}</Name><Value>{value}</Value></Key>"))
        .collect();
    format!(
        "<Objects xsi:type=\"DataExtensionObject\"><CustomerKey>{extension}</CustomerKey><Keys>{keys}</Keys></Objects>"
    )
}

fn request(objects: &str) -> String {
    format!(
        "<DeleteRequest xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><Options/>{objects}</DeleteRequest>"
    )
}

#[tokio::test]
async fn each_object_has_its_result_in_order() {
    let bench = Bench::new().await;
    for email in ["a@b.co", "b@b.co"] {
        bench.put(email, json!({ "Score": 1 })).await;
    }
    let objects = object("people", &[("email", "A@b.co")])
        + &object("people", &[("Email", "c@b.co")])
        + &object("people", &[("Score", "1")])
        + &object("people", &[("Email", "b@b.co"), ("Score", "1")])
        + &object("nope", &[("Email", "b@b.co")]);
    let got = bench.soap("Delete", &request(&objects)).await;
    assert_eq!(
        (got.status, got.texts("OverallStatus")),
        (200, vec!["Has Errors".to_owned()])
    );
    assert_eq!(
        got.texts("StatusCode"),
        ["OK", "Error", "Error", "Error", "Error"]
    );
    assert_eq!(got.texts("OrdinalID"), ["0", "1", "2", "3", "4"]);
    assert_eq!(got.texts("ErrorCode"), ["310007", "310005", "310005", "310003"]);
    assert_eq!(got.texts("StatusMessage")[0], "Deleted DataExtensionObject");
    assert_eq!(
        (bench.twin.count("people"), bench.value("a@b.co", "Score")),
        (1, None)
    );
    // A row made again is a row of its own.
    bench.put("a@b.co", json!({ "First": "Ada" })).await;
    assert_eq!(bench.value("a@b.co", "Score").as_deref(), Some(""));
}

#[tokio::test]
async fn all_gone_wrong_and_all_gone_well_have_their_own_words() {
    let bench = Bench::new().await;
    let body = request(&object("people", &[("Email", "a@b.co")]));
    assert_eq!(
        bench.soap("Delete", &body).await.texts("OverallStatus"),
        ["Error"]
    );
    bench.put("a@b.co", json!({ "Score": 1 })).await;
    assert_eq!(bench.soap("Delete", &body).await.texts("OverallStatus"), ["OK"]);
}

#[tokio::test]
async fn rows_without_a_key_cannot_be_deleted() {
    let bench = Bench::new().await;
    bench
        .twin
        .define("log", vec![Column::new("Line", ColumnType::Text)]);
    let got = bench
        .soap("Delete", &request(&object("log", &[("Line", "a")])))
        .await;
    assert_eq!(got.texts("ErrorCode"), ["310005"]);
}

#[tokio::test]
async fn clear_data_takes_every_row_of_one_data_extension() {
    let bench = Bench::new().await;
    bench.put("a@b.co", json!({ "Score": 1 })).await;
    let perform = |action: &str, key: &str| {
        format!(
            "<PerformRequestMsg xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><Action>{action}</Action><Definitions>\
             <Definition xsi:type=\"DataExtension\"><CustomerKey>{key}</CustomerKey></Definition></Definitions>\
             </PerformRequestMsg>"
        )
    };
    for (action, key) in [("ClearData", "nope"), ("Start", "people")] {
        let got = bench.soap("Perform", &perform(action, key)).await;
        assert_eq!(got.texts("OverallStatus"), ["Error"]);
        assert_eq!(bench.twin.count("people"), 1);
    }
    let got = bench.soap("Perform", &perform("ClearData", "People")).await;
    assert_eq!(
        (got.texts("OverallStatus"), got.texts("StatusCode")),
        (vec!["OK".to_owned()], vec!["OK".to_owned()])
    );
    assert_eq!(bench.twin.count("people"), 0);
    assert_eq!(bench.put("a@b.co", json!({ "Score": 1 })).await.status, 200);
    assert_eq!(bench.twin.count("people"), 1);
}
