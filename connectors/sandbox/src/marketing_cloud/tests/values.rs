//! What each type of column takes, and the words with which it refuses.

use serde_json::{Value, json};

use super::Bench;

#[tokio::test]
async fn values_are_read_back_as_the_server_writes_them() {
    let bench = Bench::new().await;
    for (column, value, shown) in [
        ("First", json!("Ada"), "Ada"),
        ("First", json!(""), ""),
        ("First", json!(5), "5"),
        ("Score", json!(-2_147_483_648_i64), "-2147483648"),
        ("Score", json!("42"), "42"),
        ("Score", json!(""), ""),
        ("Spent", json!("1234.50"), "1234.50"),
        ("Vip", json!(true), "True"),
        ("Vip", json!("FALSE"), "False"),
        ("Vip", json!(1), "True"),
        ("Born", json!("1815-12-10"), "12/10/1815 12:00:00 AM"),
        ("Born", json!("2026-07-01T13:05:09"), "7/1/2026 1:05:09 PM"),
        // Server time is UTC-6 all year.
        ("Born", json!("2026-07-01T03:00:00Z"), "6/30/2026 9:00:00 PM"),
        (
            "Born",
            json!("2026-01-01T00:30:00-05:00"),
            "12/31/2025 11:30:00 PM",
        ),
        ("Born", json!("7/4/2026"), "7/4/2026 12:00:00 AM"),
        ("Born", json!("7/4/2026 1:05:09 PM"), "7/4/2026 1:05:09 PM"),
        ("Phone", json!("+49 30 1234567"), "+49 30 1234567"),
        ("Locale", json!("en-us"), "en-us"),
    ] {
        let got = bench.put("a@b.co", json!({ column: value })).await;
        assert_eq!(got.status, 200, "{column}: {}", got.text);
        assert_eq!(bench.value("a@b.co", column).as_deref(), Some(shown), "{column}");
    }
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_in_the_servers_words() {
    let bench = Bench::new().await;
    let phone = "valid phone number. Parse error [ExactTarget.Core.Validation.ValidationResult[]]";
    for (column, value, words) in [
        ("First", json!("Adaaaa"), "exceeds the column's maximum length."),
        ("Score", json!(2_147_483_648_i64), "is not a valid number"),
        ("Score", json!(1.5), "is not a valid number"),
        ("Score", json!("many"), "is not a valid number"),
        ("Spent", json!("1.234"), "is not a valid decimal"),
        ("Spent", json!(12_345), "is not a valid decimal"),
        ("Vip", json!("perhaps"), "is not a valid boolean"),
        ("Born", json!("1752-12-31"), "is not a valid date"),
        ("Born", json!("2026-02-30"), "is not a valid date"),
        ("Born", json!("13/1/2026"), "is not a valid date"),
        ("Born", json!("7/4/2026 noon"), "is not a valid date"),
        ("Phone", json!("12"), phone),
        ("Locale", json!("en-us-x"), "is not a valid locale"),
        ("First", json!(["a"]), "is not valid"),
    ] {
        let got = bench.put("a@b.co", json!({ column: value })).await;
        let details = got.details().unwrap();
        let begin = format!("{column}: The value for column [{column}] ");
        assert_eq!((got.status, details.len()), (400, 1), "{column}");
        assert!(
            details[0].starts_with(&begin) && details[0].contains(words),
            "{}",
            details[0]
        );
    }
    for address in ["nobody", "@b.co", "a@b", "a b@c.co", "a@b@c.co"] {
        let got = bench.put(address, json!({ "Score": 1 })).await;
        let words = "Email: The value for column [Email] is not a valid email address. Parse error [InvalidEmailAddress]";
        assert_eq!(got.details().unwrap(), [words], "{address}");
    }
    assert_eq!(bench.twin.count("people"), 0);
}

#[tokio::test]
async fn a_null_clears_a_value_in_a_job_and_breaks_the_synchronous_route() {
    let bench = Bench::new().await;
    bench.put("a@b.co", json!({ "Score": 1, "First": "Ada" })).await;
    let got = bench.put("a@b.co", json!({ "Score": null })).await;
    assert_eq!((got.error().1, got.details()), (10_006, None));
    assert_eq!(bench.value("a@b.co", "Score").as_deref(), Some("1"));
    let job = bench
        .submit("PUT", json!([{ "Email": "a@b.co", "Score": null }]))
        .await;
    assert_eq!(bench.results(&job, 1).await, [("OK".into(), String::new())]);
    assert_eq!(bench.value("a@b.co", "Score").as_deref(), Some(""));
    assert_eq!(bench.value("a@b.co", "First").as_deref(), Some("Ada"));
    let job = bench
        .submit("PUT", json!([{ "Email": Value::Null, "Score": 1 }]))
        .await;
    let results = bench.results(&job, 1).await;
    assert!(
        results[0]
            .1
            .starts_with("Cannot insert the value NULL into column 'Email'")
    );
}
