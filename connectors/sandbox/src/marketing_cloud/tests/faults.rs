//! Faults: what a client must survive.

use serde_json::json;

use super::{Bench, READ};
use crate::marketing_cloud::{Fault, FaultKind};

#[tokio::test]
async fn both_forms_of_429() {
    let bench = Bench::new().await;
    bench
        .twin
        .inject(Fault::next(FaultKind::Throttled { seconds: 5 }));
    let throttled = bench.get(READ).await;
    assert_eq!(throttled.error(), (429, 50_100, "Rate limit exceeded"));
    assert_eq!(
        (
            &throttled.body["retryAfter"],
            throttled.headers["retry-after"].to_str().unwrap()
        ),
        (&json!(5), "5")
    );
    bench.twin.inject(Fault::next(FaultKind::Blocked));
    let blocked = bench.get(READ).await;
    assert_eq!(
        blocked.error(),
        (429, 50_200, "Your requests are temporarily blocked.")
    );
    assert!(blocked.headers.get("retry-after").is_none());
    assert_eq!(bench.get(READ).await.status, 200);
}

#[tokio::test]
async fn a_cut_before_applies_nothing_and_a_cut_after_everything() {
    for (kind, applied) in [
        (FaultKind::CutBefore, 0),
        (FaultKind::CutAfter, 1),
        (FaultKind::Truncated, 1),
    ] {
        let bench = Bench::new().await;
        let name = kind.name();
        bench.twin.inject(Fault::on("/rowset", kind));
        let rows = json!([{ "keys": { "Email": "a@b.co" }, "values": { "Score": 1 } }]);
        let request = bench.outside("POST", super::ROWSET).bearer_auth(&bench.token);
        let lost = match request.json(&rows).send().await {
            Err(_) => true,
            Ok(response) => response.bytes().await.is_err(),
        };
        assert!(lost, "{name}: no whole answer may arrive");
        assert_eq!(bench.twin.count("people"), applied, "{name}");
        let requests = bench.twin.requests();
        assert_eq!(requests.last().unwrap().fault, Some(name));
    }
}

#[tokio::test]
async fn a_storage_failure_has_no_details_and_stores_nothing() {
    let bench = Bench::new().await;
    bench.twin.inject(Fault::on("/rowset", FaultKind::Storage));
    let got = bench.put("a@b.co", json!({ "Score": 1 })).await;
    assert_eq!((got.error().1, got.details()), (10_006, None));
    assert_eq!(bench.twin.count("people"), 0);
    assert_eq!(bench.put("a@b.co", json!({ "Score": 1 })).await.status, 200);
}

#[tokio::test]
async fn an_expired_token_and_a_gateway_on_request() {
    let bench = Bench::new().await;
    bench.twin.inject(Fault::next(FaultKind::TokenExpired).times(2));
    assert_eq!(bench.get(READ).await.error(), (401, 0, "Not Authorized"));
    let soap = bench.soap("Retrieve", "<RetrieveRequestMsg/>").await;
    assert_eq!(
        (soap.status, soap.texts("faultstring")),
        (500, vec!["Token Expired".to_owned()])
    );
    bench.twin.inject(Fault::next(FaultKind::Html { code: 502 }));
    let gateway = bench.get(READ).await;
    assert_eq!(
        (gateway.status, gateway.headers["content-type"].to_str().unwrap()),
        (502, "text/html")
    );
}
