//! Rows of SQLite that are asked for by their keys: no others are read, and types are those of a whole
//! read.

use std::sync::Arc;

use outflow::state::RunStatus;
use outflow::sync::asked::AskedKeys;
use rusqlite::Connection;

use crate::bench_project::{Bench, MAPPING};
use crate::keyed::{keys_ok, run_keys};

const SHOP: &str = "
CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, first TEXT, city TEXT);
INSERT INTO people VALUES (1, 'ann@example.com', 'Ann', 'Oslo'), (2, 'bob@example.com', 'Bob', 'Rome');
CREATE TABLE loose (id, email, first, city);
INSERT INTO loose VALUES (1, 'ann@example.com', 'Ann', 'Oslo'), ('x-2', 'bob@example.com', 'Bob', 'Rome');
CREATE TABLE words (id TEXT COLLATE NOCASE, email TEXT, first TEXT, city TEXT);
INSERT INTO words VALUES ('a', 'ann@example.com', 'Ann', 'Oslo'), ('A', 'bob@example.com', 'Bob', 'Rome');
";

async fn bench(model: &str) -> (Bench, Connection) {
    let mapping = MAPPING
        .replace("{ table: customers }", model)
        .replace("mode: upsert", "mode: mirror\nremoved: archive");
    let bench = Bench::new(&mapping, "id\n").await;
    let shop = Connection::open(bench.root().join("data/shop.db")).unwrap();
    shop.execute_batch(SHOP).unwrap();
    assert_eq!(bench.run_ok().await.created, 2);
    (bench, shop)
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_statements_are_narrowed_to_the_keys() {
    for model in [
        "{ table: people }",
        "{ sql: \"select * from people where id > 0 -- all; of them\" }",
        "{ sql: \"with all_of_them as (select * from people) select * from all_of_them order by id;\" }",
    ] {
        let (bench, shop) = bench(model).await;
        shop.execute("UPDATE people SET city = 'Lima'", ()).unwrap();
        let tally = keys_ok(&bench, &["1", "77"]).await.tally;
        assert_eq!((tally.read, tally.updated), (1, 1), "{model}");
        assert_eq!(bench.field("bob@example.com", "city").as_deref(), Some("Rome"));
        shop.execute("DELETE FROM people WHERE id = 2", ()).unwrap();
        let report = keys_ok(&bench, &["2"]).await;
        assert_eq!((report.tally.read, report.tally.removed), (0, 1), "{model}");
        let tally = bench.run_ok().await;
        assert_eq!((tally.unchanged, tally.removed), (1, 0), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_among_texts_is_the_same_key_as_in_a_whole_read() {
    for model in ["{ table: loose }", "{ sql: \"select * from loose\" }"] {
        let (bench, shop) = bench(model).await;
        shop.execute("UPDATE loose SET city = 'Lima'", ()).unwrap();
        // Another process, then one that has read the whole before.
        let tally = keys_ok(&bench, &["1"]).await.tally;
        assert_eq!((tally.updated, tally.created), (1, 0), "{model}");
        shop.execute("UPDATE loose SET city = 'Cork'", ()).unwrap();
        let runner = bench.runner();
        let sync = Arc::clone(&runner.stage.project.syncs[0]);
        assert_eq!(runner.run(&sync).await.tally.updated, 2);
        shop.execute("UPDATE loose SET city = 'Bari'", ()).unwrap();
        let mut asked = AskedKeys::new(&sync.key);
        asked.add_text("1").unwrap();
        let tally = runner.run_keys(&sync, &asked).await.tally;
        assert_eq!((tally.read, tally.updated), (1, 1), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_only_the_collation_finds_is_passed_over() {
    let (bench, shop) = bench("{ table: words }").await;
    shop.execute("UPDATE words SET city = 'Lima'", ()).unwrap();
    let tally = keys_ok(&bench, &["a"]).await.tally;
    assert_eq!((tally.read, tally.updated), (1, 1));
    assert_eq!(bench.field("bob@example.com", "city").as_deref(), Some("Rome"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_absence_is_not_certain_is_left_to_the_next_whole_run() {
    let (bench, shop) = bench("{ table: loose }").await;
    shop.execute("UPDATE loose SET id = 'é' WHERE id = 'x-2'", ())
        .unwrap();
    bench.run_ok().await;
    shop.execute("DELETE FROM loose WHERE id = 'é'", ()).unwrap();
    let report = keys_ok(&bench, &["é"]).await;
    assert_eq!((report.tally.read, report.removals), (0, 0));
    assert_eq!(bench.run_ok().await.removed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_table_removes_nothing() {
    let (bench, shop) = bench("{ table: people }").await;
    shop.execute("DELETE FROM people", ()).unwrap();
    let report = run_keys(&bench, &["1"]).await;
    assert_eq!(report.status, RunStatus::Guarded);
    assert_eq!(report.error.unwrap().code(), "empty_model");
    let ann = bench.twin.contact("ann@example.com");
    assert!(ann.is_some_and(|ann| !ann.archived));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_key_is_lost_is_not_removed() {
    for model in ["{ table: loose }", "{ sql: \"select * from loose\" }"] {
        let (bench, shop) = bench(model).await;
        shop.execute("UPDATE loose SET id = NULL WHERE id = 1", ())
            .unwrap();
        let report = keys_ok(&bench, &["1", "x-2"]).await;
        assert_eq!((report.tally.read, report.removals), (1, 0), "{model}");
        shop.execute("DELETE FROM loose WHERE id IS NULL", ()).unwrap();
        assert_eq!(keys_ok(&bench, &["1"]).await.tally.removed, 1, "{model}");
    }
}
