//! No credential, token, link or row in any log, at any level.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::account::{Options, What};
use crate::shared::{account, read_counted, refused, source, sql, table};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().extend_from_slice(line.as_bytes());
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn nothing_that_is_secret_is_logged() {
    let sink = Sink::default();
    log::set_boxed_logger(Box::new(sink.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(sink.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let running = account(Options {
        polls: 2,
        links_last: 3,
        ..Options::default()
    })
    .await;
    running.account.fault("/result", 1, 1, What::Code("390112"));
    running.account.fault("/files/", 1, 1, What::Html(503));
    let source = source(&running);
    read_counted(&source, table("shop.many")).await.unwrap();
    source.check().await.unwrap();
    refused(&source, sql("select emial from people")).await;
    let logged = sink.text();
    assert!(logged.contains("connection"), "something is logged: {logged}");
    for secret in ["secret-", "sig=", "Snowflake Token", "name 17", "Žofia"] {
        assert!(!logged.contains(secret), "'{secret}' was logged");
    }
}
