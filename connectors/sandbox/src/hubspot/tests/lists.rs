//! The lists API.

use serde_json::json;

use super::Bench;
use crate::hubspot::ProcessingType;

const LISTS: &str = "/crm/lists/2026-03";

#[tokio::test]
async fn a_list_is_created_found_renamed_deleted_and_restored() {
    let bench = Bench::new().await;
    let manual = |name: &str| json!({ "name": name, "objectTypeId": "0-1", "processingType": "MANUAL" });
    let got = bench.post(LISTS, manual("News & more")).await;
    assert_eq!(got.status, 200);
    let id = got.body["list"]["listId"].as_str().unwrap().to_owned();
    assert_eq!(got.body["list"]["processingType"], "MANUAL");
    assert_eq!(
        bench.post("/crm/v3/lists/", manual("news & MORE")).await.status,
        400
    );
    let by_name = format!("{LISTS}/object-type-id/0-1/name/News%20%26%20more");
    assert_eq!(bench.get(&by_name).await.body["list"]["listId"], id.as_str());
    let got = bench
        .post(&format!("{LISTS}/search"), json!({ "query": "news", "count": 5 }))
        .await;
    assert_eq!(
        (&got.body["total"], &got.body["lists"][0]["listId"]),
        (&json!(1), &json!(id))
    );
    assert_eq!(
        bench
            .post(&format!("{LISTS}/search"), json!({ "count": 501 }))
            .await
            .status,
        400
    );
    let path = format!("{LISTS}/{id}");
    let rename = bench.request("PUT", &format!("{path}/update-list-name?listName=Letters"));
    assert_eq!(bench.send(rename).await.status, 200);
    assert_eq!(bench.get(&path).await.body["list"]["name"], "Letters");
    assert_eq!(bench.delete(&path).await.status, 204);
    assert_eq!(bench.get(&path).await.status, 404);
    assert_eq!(
        bench
            .send(bench.request("PUT", &format!("{path}/restore")))
            .await
            .status,
        204
    );
    assert_eq!(bench.get(&path).await.status, 200);
    for bad in [
        json!({ "name": "x", "objectTypeId": "0-99", "processingType": "MANUAL" }),
        json!({ "name": "x", "objectTypeId": "0-1", "processingType": "DYNAMIC" }),
        json!({ "name": " ", "objectTypeId": "0-1", "processingType": "MANUAL" }),
        json!({ "name": "x", "objectTypeId": "0-1" }),
    ] {
        assert_eq!(bench.post(LISTS, bad).await.status, 400);
    }
}

#[tokio::test]
async fn memberships_tell_added_removed_and_missing() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    let bob = bench.put(&[("email", "bob@example.com")]);
    let list = bench.twin.define_list("News", ProcessingType::Manual);
    let path = format!("{LISTS}/{list}/memberships");
    let got = bench
        .call("PUT", &format!("{path}/add"), json!([ann, "999"]))
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(
        got.body,
        json!({ "recordsIdsAdded": [ann], "recordIdsRemoved": [], "recordIdsMissing": ["999"] })
    );
    // Who is on the list already is in neither.
    let got = bench.call("PUT", &format!("{path}/add"), json!([ann])).await;
    assert_eq!(
        (&got.body["recordsIdsAdded"], &got.body["recordIdsMissing"]),
        (&json!([]), &json!([]))
    );
    let both = json!({ "recordIdsToAdd": [bob], "recordIdsToRemove": [ann] });
    let got = bench.call("PUT", &format!("{path}/add-and-remove"), both).await;
    assert_eq!(
        (&got.body["recordsIdsAdded"], &got.body["recordIdsRemoved"]),
        (&json!([bob]), &json!([ann]))
    );
    assert_eq!(bench.twin.lists()[0].members, std::slice::from_ref(&bob));
    let got = bench.get(&path).await;
    assert_eq!(
        (&got.body["results"][0]["recordId"], &got.body["total"]),
        (&json!(bob), &json!(1))
    );
    let got = bench.get(&format!("{LISTS}/records/0-1/{bob}/memberships")).await;
    assert_eq!(got.body["results"][0]["listId"], list.as_str());
    let got = bench.call("PUT", &format!("{path}/remove"), json!([bob])).await;
    assert_eq!(got.body["recordIdsRemoved"], json!([bob]));
    for bad in [
        json!({ "inputs": [bob] }),
        json!(["ann@example.com"]),
        json!([null]),
    ] {
        assert_eq!(bench.call("PUT", &format!("{path}/add"), bad).await.status, 400);
    }
    let one_key = json!({ "recordIdsToAdd": [bob] });
    assert_eq!(
        bench
            .call("PUT", &format!("{path}/add-and-remove"), one_key)
            .await
            .status,
        400
    );
    assert_eq!(
        bench
            .call("PUT", &format!("{LISTS}/77/memberships/add"), json!([bob]))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_dynamic_list_refuses_members_and_a_snapshot_takes_them() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    for (processing, status) in [(ProcessingType::Dynamic, 400), (ProcessingType::Snapshot, 200)] {
        let list = bench.twin.define_list(&format!("{processing:?}"), processing);
        let path = format!("{LISTS}/{list}/memberships/add");
        assert_eq!(bench.call("PUT", &path, json!([ann])).await.status, status);
    }
}

#[tokio::test]
async fn members_are_paged_copied_and_emptied() {
    let bench = Bench::new().await;
    let ids: Vec<String> = (0..5)
        .map(|n| bench.put(&[("email", &format!("p{n}@example.com"))]))
        .collect();
    let first = bench.twin.define_list("First", ProcessingType::Manual);
    let second = bench.twin.define_list("Second", ProcessingType::Manual);
    let path = format!("{LISTS}/{first}/memberships");
    bench.call("PUT", &format!("{path}/add"), json!(ids)).await;
    let got = bench.get(&format!("{path}?limit=3")).await;
    assert_eq!(got.body["results"].as_array().unwrap().len(), 3);
    let after = got.body["paging"]["next"]["after"].as_str().unwrap();
    let got = bench.get(&format!("{path}?limit=3&after={after}")).await;
    assert_eq!(got.body["results"].as_array().unwrap().len(), 2);
    assert!(got.body.get("paging").is_none());
    let copy = bench.request("PUT", &format!("{LISTS}/{second}/memberships/add-from/{first}"));
    assert_eq!(bench.send(copy).await.status, 204);
    assert_eq!(bench.delete(&path).await.status, 204);
    let sizes: Vec<usize> = bench.twin.lists().iter().map(|list| list.members.len()).collect();
    assert_eq!(sizes, [0, 5]);
}

#[tokio::test]
async fn a_merged_member_stays_under_its_new_id() {
    let bench = Bench::new().await;
    let ann = bench.put(&[("email", "ann@example.com")]);
    let bob = bench.put(&[("email", "bob@example.com")]);
    let list = bench.twin.define_list("News", ProcessingType::Manual);
    bench
        .call("PUT", &format!("{LISTS}/{list}/memberships/add"), json!([bob]))
        .await;
    let merged = bench.twin.merge("contacts", &ann, &bob).unwrap();
    assert_eq!(bench.twin.lists()[0].members, [merged]);
}
