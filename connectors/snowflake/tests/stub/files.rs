//! The files of a result: in order, whole, and behind links that do not last.

use crate::account::table::gzipped;
use crate::account::{Options, What};
use crate::shared::{MANY, account, assert_many, read_counted, refused, source, table};

#[tokio::test]
async fn rows_keep_their_order_over_all_files() {
    for arrow in [true, false] {
        for gzip in [true, false] {
            let options = Options {
                arrow,
                gzip,
                file_rows: 700,
                ..Options::default()
            };
            let running = account(options).await;
            let (batches, receipt) = read_counted(&source(&running), table("shop.many")).await.unwrap();
            assert_many(&batches, &receipt);
            let files = running.account.asked("/files/");
            assert_eq!(files.len(), (MANY - 2).div_ceil(700));
        }
    }
}

#[tokio::test]
async fn links_that_expire_are_asked_for_anew() {
    for links_last in [1, 3] {
        let options = Options {
            file_rows: 1_000,
            links_last,
            ..Options::default()
        };
        let running = account(options).await;
        let (batches, receipt) = read_counted(&source(&running), table("shop.many")).await.unwrap();
        assert_many(&batches, &receipt);
        assert!(running.account.asked("/result").len() >= 3, "links were renewed");
    }
}

#[tokio::test]
async fn a_file_that_stays_refused_is_an_error() {
    let running = account(Options::default()).await;
    running.account.fault("/files/", 3, usize::MAX, What::Html(403));
    let error = refused(&source(&running), table("shop.many")).await;
    assert_eq!(error.code, "result_lost", "{error}");
    assert!(
        error.message.contains("(HTTP 403), with new links as well"),
        "{error}"
    );
    assert!(error.hint.unwrap().contains("SYSTEM$ALLOWLIST"));
}

#[tokio::test]
async fn a_result_that_is_gone_is_an_error() {
    let running = account(Options::default()).await;
    running.account.fault("/files/", 2, 1, What::Html(403));
    running
        .account
        .fault("/result", 0, usize::MAX, What::Code("000612"));
    let error = refused(&source(&running), table("shop.many")).await;
    assert_eq!(error.code, "query_failed", "{error}");
}

#[tokio::test]
async fn a_file_that_comes_at_the_second_try_is_taken() {
    for what in [What::Html(503), What::Cut(0), What::Cut(200), What::Html(429)] {
        let running = account(Options::default()).await;
        running.account.fault("/files/", 4, 1, what.clone());
        let (batches, receipt) = read_counted(&source(&running), table("shop.many"))
            .await
            .unwrap_or_else(|(_, error)| panic!("{what:?}: {error}"));
        assert_many(&batches, &receipt);
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_it_should_be_is_an_error() {
    let json_row = |n: usize| format!("[\"{n}\",\"n\",\"1.00\"]");
    let short: String = (0..999).map(json_row).collect::<Vec<_>>().join(",");
    let narrow = "[\"1\"]".to_owned();
    let packed = gzipped(short.as_bytes());
    let cut = packed[..packed.len() - 9].to_vec();
    for (body, code, words) in [
        (
            b"<html>Sign in</html>".to_vec(),
            "unexpected_answer",
            "do not read as JSON",
        ),
        (Vec::new(), "unexpected_answer", "another number of rows"),
        (
            gzipped(short.as_bytes()),
            "unexpected_answer",
            "another number of rows",
        ),
        (narrow.into_bytes(), "unexpected_answer", "do not read as JSON"),
        (cut, "result_damaged", "damaged or cut short"),
    ] {
        let options = Options {
            arrow: false,
            ..Options::default()
        };
        let running = account(options).await;
        running.account.fault("/files/", 5, 1, What::Body(body));
        let error = refused(&source(&running), table("shop.many")).await;
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert!(error.message.contains("nothing of this read is used"), "{error}");
        assert!(!error.message.contains("Sign in"));
    }
}

#[tokio::test]
async fn an_arrow_file_that_is_cut_or_something_else_is_an_error() {
    let whole = crate::shared::many(1_000);
    let stream = crate::account::table::arrow_file(&whole.columns, &whole.rows);
    let fewer = crate::account::table::arrow_file(&whole.columns, &whole.rows[..999]);
    // Without the mark at its end a stream may still be whole: its rows say so.
    let unmarked = stream[..stream.len() - 8].to_vec();
    let running = account(Options::default()).await;
    running.account.fault("/files/", 1, 1, What::Body(unmarked));
    assert!(read_counted(&source(&running), table("shop.many")).await.is_ok());
    for body in [
        b"<?xml version=\"1.0\"?><Error/>".to_vec(),
        Vec::new(),
        fewer,
        stream[..stream.len() / 2].to_vec(),
        stream[..100].to_vec(),
        vec![0xff; 64],
    ] {
        let running = account(Options::default()).await;
        running.account.fault("/files/", 1, 1, What::Body(body));
        let error = refused(&source(&running), table("shop.many")).await;
        assert_eq!(error.code, "unexpected_answer", "{error}");
    }
}
