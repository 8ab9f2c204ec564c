//! The page for people.

use std::time::Duration;

use serde_json::json;

use super::{Bench, Got};
use crate::hubspot::ProcessingType;
use crate::hubspot::json::iso;

async fn page(bench: &Bench, query: &str) -> Got {
    bench
        .send(bench.client.get(format!("{}/{query}", bench.twin.base_url())))
        .await
}

#[tokio::test]
async fn the_page_shows_contacts_lists_and_requests_without_scripts() {
    let bench = Bench::new().await;
    bench
        .upsert(&[("ann@example.com", json!({ "firstname": "Ann" }))])
        .await;
    let id = bench.twin.contacts()[0].id.clone();
    let list = bench.twin.define_list("Newsletter", ProcessingType::Manual);
    bench
        .call(
            "PUT",
            &format!("/crm/v3/lists/{list}/memberships/add"),
            json!([id]),
        )
        .await;
    let got = page(&bench, "").await;
    assert_eq!(
        (got.status, got.header("content-type")),
        (200, Some("text/html;charset=utf-8"))
    );
    for part in [
        "ann@example.com",
        "<dt>firstname</dt><dd>Ann</dd>",
        "Newsletter",
        "1 members",
        "batch/upsert",
    ] {
        assert!(got.text.contains(part), "{part}");
    }
    assert!(got.text.contains("prefers-color-scheme: dark") && got.text.contains("width=device-width"));
    assert!(!got.text.contains("<script") && !got.text.contains("http://") && !got.text.contains("https://"));
    assert_eq!(
        bench.twin.request_count(),
        2,
        "looking at the page is no request to the API"
    );
}

#[tokio::test]
async fn each_field_is_shown_with_the_moment_it_last_changed() {
    let bench = Bench::new().await;
    let ann = |values| [("ann@example.com", values)];
    bench
        .upsert(&ann(json!({ "firstname": "Ann", "city": "Bonn" })))
        .await;
    bench.twin.advance_clock(Duration::from_secs(3 * 3_600));
    bench.upsert(&ann(json!({ "city": "Oslo" }))).await;
    let changed_at = bench.twin.contact("ann@example.com").unwrap().changed_at;
    let (city, firstname) = (changed_at["city"], changed_at["firstname"]);
    assert!(city - firstname >= 3 * 3_600_000, "{city} {firstname}");
    let text = page(&bench, "").await.text;
    for (field, value, at, ago) in [
        ("city", "Oslo", city, "now"),
        ("firstname", "Ann", firstname, "3 h ago"),
    ] {
        let iso = iso(at);
        let shown = format!(
            "<dt>{field}</dt><dd>{value}</dd><dd><time datetime=\"{iso}\" title=\"{iso}\">{ago}</time></dd>"
        );
        assert!(text.contains(&shown), "{shown} is missing in {text}");
    }
}

#[tokio::test]
async fn nothing_on_the_page_counts_as_markup() {
    let bench = Bench::new().await;
    bench.put(&[("firstname", "<script>alert(1)</script>"), ("lastname", "\"'&")]);
    bench.twin.define_list("<b>bold</b>", ProcessingType::Manual);
    bench.get("/crm/v3/objects/contacts/%3Cimg%20src=x%3E").await;
    let got = page(&bench, "?q=%3Cscript%3E").await;
    assert!(got.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(got.text.contains("&quot;&#39;&amp;"));
    for raw in ["<script>", "<b>bold", "<img"] {
        assert!(!got.text.contains(raw), "{raw}");
    }
}

#[tokio::test]
async fn contacts_are_searched_and_paged() {
    let bench = Bench::new().await;
    for n in 0..30 {
        bench.put(&[
            ("email", &format!("p{n}@example.com")),
            ("city", if n == 3 { "Bonn" } else { "Kiel" }),
        ]);
    }
    let got = page(&bench, "?q=bonn").await;
    assert!(got.text.contains("p3@example.com") && !got.text.contains("p4@example.com"));
    let first = page(&bench, "").await.text;
    assert!(first.contains("Page 1 of 2") && first.contains("p29@example.com"));
    let second = page(&bench, "?page=2").await.text;
    assert!(second.contains("p0@example.com") && !second.contains("p29@example.com"));
    assert!(page(&bench, "?page=99").await.text.contains("Page 2 of 2"));
    assert!(
        page(&bench, "?q=nobody")
            .await
            .text
            .contains("No contact here yet")
    );
}
