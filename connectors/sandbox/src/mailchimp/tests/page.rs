//! The page for people.

use serde_json::json;

use super::{Bench, Got};
use crate::mailchimp::{AUDIENCE, Status};

async fn page(bench: &Bench, query: &str) -> Got {
    bench.send(bench.outside("GET", &format!("/{query}"))).await
}

#[tokio::test]
async fn the_page_shows_members_and_requests_without_scripts() {
    let bench = Bench::new().await;
    bench
        .add("ada@domain.tld", json!({ "FNAME": "<script>alert(1)</script>" }))
        .await;
    let address = json!({ "addr1": "1 Main St", "city": "Bonn", "state": "NW", "zip": "53111" });
    let values = [("ADDRESS", address)];
    bench
        .twin
        .put_member(AUDIENCE, "bob@domain.tld", Status::Unsubscribed, &values)
        .unwrap();
    let got = page(&bench, "").await;
    assert_eq!(
        (got.status, got.header("content-type")),
        (200, Some("text/html;charset=utf-8"))
    );
    for part in [
        "Mailchimp twin",
        "ada@domain.tld",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "1 Main St, Bonn, NW, 53111, US",
        "unsubscribed",
        "/3.0/lists/",
    ] {
        assert!(got.text.contains(part), "{part}");
    }
    assert!(!got.text.contains("<script"));
    assert_eq!(
        bench.twin.request_count(),
        1,
        "looking at the page is no request to the API"
    );
    let found = page(&bench, "?q=bonn").await.text;
    assert!(found.contains("bob@domain.tld") && !found.contains("ada@domain.tld"));
    assert!(
        page(&bench, "?q=nobody")
            .await
            .text
            .contains("No member here yet")
    );
    assert_eq!(bench.send(bench.outside("POST", "/")).await.status, 405);
}
