//! Asynchronous batches.

use std::io::Read;

use serde_json::{Value, json};

use super::{AUDIENCE, Bench, KEY};

fn operations() -> Value {
    let member = |email: &str| json!({ "email_address": email, "status": "subscribed" }).to_string();
    json!({ "operations": [
        { "method": "POST", "path": format!("/lists/{AUDIENCE}/members"), "body": member("ada@domain.tld"), "operation_id": "one" },
        { "method": "POST", "path": format!("lists/{AUDIENCE}/members"), "body": member("AAAA") },
        { "method": "GET", "path": format!("/lists/{AUDIENCE}/members"), "params": { "count": 5, "fields": "total_items" } },
        { "method": "PUT", "path": "/ping", "body": "{}" },
    ]})
}

#[tokio::test]
async fn a_batch_goes_through_its_statuses_and_leaves_a_packed_result() {
    let bench = Bench::new().await;
    let batch = bench.post("/batches", operations()).await.body;
    assert_eq!(
        (&batch["status"], &batch["total_operations"]),
        (&json!("pending"), &json!(0))
    );
    assert_eq!(
        (&batch["completed_at"], &batch["response_body_url"]),
        (&json!(""), &json!(""))
    );
    let path = format!("/batches/{}", batch["id"].as_str().unwrap());
    let mut last = Value::Null;
    for status in ["preprocessing", "started", "finalizing", "finished"] {
        last = bench.get(&path).await.body;
        assert_eq!(last["status"], status);
    }
    assert_eq!(
        (&last["finished_operations"], &last["errored_operations"]),
        (&json!(4), &json!(2))
    );
    assert_ne!(last["completed_at"], "");
    let url = last["response_body_url"].as_str().unwrap();
    let packed = bench.client.get(url).send().await.unwrap().bytes().await.unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_ref()));
    let mut entries = archive.entries().unwrap();
    let folder = entries.next().unwrap().unwrap();
    assert_eq!(
        (folder.path_bytes().as_ref(), folder.size()),
        (b"./".as_slice(), 0)
    );
    let mut text = String::new();
    entries
        .next()
        .unwrap()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let results: Vec<Value> = serde_json::from_str(&text).unwrap();
    let codes: Vec<_> = results
        .iter()
        .map(|result| result["status_code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [200, 400, 200, 405]);
    assert_eq!(
        (&results[0]["operation_id"], &results[1]["operation_id"]),
        (&json!("one"), &json!(null))
    );
    let response: Value = serde_json::from_str(results[2]["response"].as_str().unwrap()).unwrap();
    assert_eq!(response, json!({ "total_items": 1 }));
    assert!(bench.twin.member(AUDIENCE, "ada@domain.tld").is_some());
}

#[tokio::test]
async fn the_link_is_signed_and_expires() {
    let bench = Bench::new().await;
    let batch = bench.post("/batches", json!({ "operations": [] })).await.body;
    let path = format!("/batches/{}", batch["id"].as_str().unwrap());
    for _ in 0..4 {
        bench.get(&path).await;
    }
    let url = bench.get(&path).await.body["response_body_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let fetch = async |url: &str| bench.client.get(url).send().await.unwrap().status().as_u16();
    assert_eq!(fetch(&url).await, 200);
    let forged = format!("{}0", &url[..url.len() - 1]);
    assert!(fetch(&forged).await == 403 || forged == url);
    bench.twin.advance_clock(std::time::Duration::from_secs(601));
    assert_eq!(fetch(&url).await, 403);
    let fresh = bench.get(&path).await.body["response_body_url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(fetch(&fresh).await, 200);
}

#[tokio::test]
async fn one_batch_runs_at_a_time() {
    let bench = Bench::new().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let batch = bench.post("/batches", operations()).await.body;
        ids.push(batch["id"].as_str().unwrap().to_owned());
    }
    let second = bench.get(&format!("/batches/{}", ids[1])).await.body;
    assert_eq!(second["status"], "pending", "the first one's turn");
    let all = bench.get("/batches").await.body;
    assert_eq!(
        (&all["total_items"], &all["batches"][0]["id"]),
        (&json!(2), &json!(ids[1]))
    );
    assert_eq!(bench.delete(&format!("/batches/{}", ids[0])).await.status, 204);
    assert_eq!(bench.get(&format!("/batches/{}", ids[0])).await.status, 404);
    assert_eq!(
        bench.get(&format!("/batches/{}", ids[1])).await.body["status"],
        "preprocessing"
    );
}

#[tokio::test]
async fn batches_without_the_shape_of_one_are_refused() {
    let bench = Bench::new().await;
    for bad in [
        json!({}),
        json!({ "operations": [{ "path": "/ping" }] }),
        json!({ "operations": [{ "method": "GET" }] }),
        json!({ "operations": [{ "method": "POST", "path": "/lists", "body": {} }] }),
        json!({ "operations": [{ "method": "HEAD", "path": "/ping" }] }),
        json!({ "operations": vec![json!({ "method": "GET", "path": "/ping" }); 1001] }),
    ] {
        assert_eq!(bench.post("/batches", bad).await.problem().1, "Invalid Resource");
    }
    let other = bench
        .send(bench.outside("GET", "/batch-results/x.tar.gz").bearer_auth(KEY))
        .await;
    assert_eq!(other.status, 403);
}
