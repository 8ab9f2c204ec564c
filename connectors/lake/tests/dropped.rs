//! A read that nobody wants any more ends. One test: it counts the threads of the process, where Linux lists them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod folder;

use std::time::Duration;

use folder::{Folder, start};
use futures::StreamExt;
use outflow_sdk::source::{Model, ReadEvent};

/// Reader threads of this process.
fn readers() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "lake-read")
        .count()
}

async fn all_readers_end() {
    for _ in 0..1_000 {
        if readers() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} readers go on", readers());
}

#[tokio::test]
async fn a_dropped_read_ends_its_thread() {
    let rows: String = (0..300_000).map(|row| format!("{row},x\n")).collect();
    let folder = Folder::new().with("t.csv", format!("id,name\n{rows}"));
    // Waiting for room in the channel.
    let mut reading = start(&folder.lake(), Model::Table("t".into()), &[])
        .await
        .unwrap();
    assert!(matches!(
        reading.events.next().await,
        Some(Ok(ReadEvent::Batch(_)))
    ));
    assert_eq!(readers(), 1);
    drop(reading);
    all_readers_end().await;
    // Inside a statement that never gives a row.
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let lake = folder.lake();
    let read = start(&lake, Model::Sql(endless.into()), &[]);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), read)
            .await
            .is_err()
    );
    all_readers_end().await;
}
