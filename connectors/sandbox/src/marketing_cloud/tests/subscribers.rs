//! All Subscribers: it can be read, and nothing here writes it.

use serde_json::json;

use super::Bench;
use crate::marketing_cloud::SubscriberStatus;

const SPACE: &str = "http://exacttarget.com/wsdl/partnerAPI";

fn retrieve(properties: &[&str], property: &str, operator: &str, values: &[&str]) -> String {
    let leaf = |name: &str, text: &&str| format!("<{name}>{text}</{name}>");
    let properties: String = properties.iter().map(|text| leaf("Properties", text)).collect();
    let values: String = values.iter().map(|text| leaf("Value", text)).collect();
    format!(
        "<RetrieveRequestMsg xmlns=\"{SPACE}\"><RetrieveRequest><ObjectType>Subscriber</ObjectType>{properties}\
         <Filter xsi:type=\"SimpleFilterPart\"><Property>{property}</Property>\
         <SimpleOperator>{operator}</SimpleOperator>{values}</Filter></RetrieveRequest></RetrieveRequestMsg>"
    )
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    let twin = &bench.twin;
    twin.put_subscriber("1", "a@b.co", SubscriberStatus::Active);
    twin.put_subscriber("2", "b@b.co", SubscriberStatus::Unsubscribed);
    twin.put_subscriber("3", "a@b.co", SubscriberStatus::Held);
    bench
}

#[tokio::test]
async fn subscribers_are_found_by_key_or_address_with_what_was_asked_for() {
    let bench = bench().await;
    let all = ["SubscriberKey", "EmailAddress", "Status"];
    let by_key = retrieve(&all, "SubscriberKey", "IN", &["2", "3", "4"]);
    let got = bench.soap("Retrieve", &by_key).await;
    assert_eq!(got.texts("OverallStatus"), ["OK"]);
    assert_eq!(got.texts("SubscriberKey"), ["2", "3"]);
    assert_eq!(got.texts("Status"), ["Unsubscribed", "Held"]);
    let by_address = retrieve(&all[..1], "EmailAddress", "equals", &["A@B.co"]);
    let got = bench.soap("Retrieve", &by_address).await;
    assert_eq!(got.texts("SubscriberKey"), ["1", "3"]);
    assert!(got.texts("Status").is_empty(), "it was not asked for");
    let nobody = retrieve(&all, "SubscriberKey", "equals", &["9"]);
    let got = bench.soap("Retrieve", &nobody).await;
    assert_eq!(
        (got.texts("OverallStatus").len(), got.texts("Results").len()),
        (1, 0)
    );
    let unknown = retrieve(&["Mood"], "SubscriberKey", "equals", &["1"]);
    let got = bench.soap("Retrieve", &unknown).await;
    assert!(got.texts("OverallStatus")[0].starts_with("Error"));
}

#[tokio::test]
async fn no_request_of_the_api_writes_a_subscriber_and_a_control_does() {
    let bench = bench().await;
    let object =
        "<Objects xsi:type=\"Subscriber\"><SubscriberKey>2</SubscriberKey><Status>Active</Status></Objects>";
    for (action, message) in [
        ("Create", "CreateRequest"),
        ("Update", "UpdateRequest"),
        ("Delete", "DeleteRequest"),
    ] {
        let body = format!("<{message} xmlns=\"{SPACE}\"><Options/>{object}</{message}>");
        let got = bench.soap(action, &body).await;
        assert_eq!(got.texts("StatusCode"), ["Error"], "{action}");
    }
    let status = || bench.twin.subscriber("2").unwrap().status;
    assert_eq!(status(), SubscriberStatus::Unsubscribed);
    let body = json!({ "key": "2", "email": "b@b.co", "status": "Active" });
    let request = bench.outside("PUT", "/_twin/subscribers").json(&body);
    assert_eq!(bench.send(request).await.status, 200);
    assert_eq!(status(), SubscriberStatus::Active);
    let count = bench.send(bench.outside("GET", "/_twin/count")).await.body;
    // A token and three changes: control requests do not count.
    assert_eq!(count["requests"], 4);
}

#[tokio::test]
async fn contacts_are_deleted_by_key_and_once() {
    let bench = bench().await;
    let path = "/contacts/v1/contacts/actions/delete?type=keys";
    let keys =
        |keys: serde_json::Value| json!({ "values": keys, "DeleteOperationType": "ContactAndAttributes" });
    for _ in 0..2 {
        let got = bench.write("POST", path, &keys(json!(["2", "nobody"]))).await;
        assert_eq!((got.status, &got.body["operationInitiated"]), (200, &json!(true)));
    }
    assert_eq!(bench.twin.deleted_contacts(), ["2", "nobody"]);
    assert_eq!(
        bench.twin.subscriber("2").unwrap().status,
        SubscriberStatus::Deleted
    );
    for bad in [json!([]), json!([7]), json!(null)] {
        assert_eq!(bench.write("POST", path, &keys(bad)).await.status, 400);
    }
    let without = path.split('?').next().unwrap();
    assert_eq!(
        bench.write("POST", without, &keys(json!(["1"]))).await.status,
        400
    );
}
