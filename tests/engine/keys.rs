//! Keys that are missing or shared.

use crate::bench_project::{Bench, MAPPING};

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_or_with_a_shared_one_are_counted_and_never_sent() {
    let model = "id,email,first,city\n0,zero@example.com,Zero,Oslo\n,nokey@example.com,No,\n7,a@example.com,A,\n7,b@example.com,B,\n";
    let bench = Bench::new(MAPPING, model).await;
    let report = bench.run().await;
    assert_eq!((report.tally.created, report.tally.invalid_key), (1, 3));
    assert_eq!(report.duplicate_keys, ["7"]);
    assert_eq!(report.null_key_rows, [2]);
    assert_eq!(report.exit() as u8, 1);
    assert!(bench.twin.contact("zero@example.com").is_some(), "key 0 is a key");
    assert_eq!(bench.twin.contacts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_becomes_shared_is_neither_sent_nor_removed() {
    let one = "id,email,first,city\n1,ann@example.com,Ann,Oslo\n2,bob@example.com,Bob,Rome\n";
    let mirror = MAPPING.replace("mode: upsert", "mode: mirror\nremoved: archive");
    let bench = Bench::new(&mirror, one).await;
    bench.run_ok().await;
    for again in [
        "1,ann@example.com,Ann,Oslo\n",
        "1,ann@example.com,Anna,Oslo\n",
        "1,x@example.com,X,Y\n1,z@example.com,Z,Y\n",
    ] {
        bench.model(&format!("{one}{again}"));
        let tally = bench.run_ok().await;
        let extra = again.lines().count() as u64;
        assert_eq!(
            (tally.invalid_key, tally.unchanged, bench.requests()),
            (1 + extra, 1, 0),
            "{again}"
        );
        assert_eq!(bench.twin.contacts().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_stops_the_sync_until_someone_decides() {
    let model = "id,email,first,city\n1,ann@example.com,Ann,Oslo\n";
    let bench = Bench::new(MAPPING, model).await;
    bench.run_ok().await;
    bench.map(&MAPPING.replace("key: id", "key: [id, email]"));
    let report = bench.run().await;
    assert_eq!(report.exit() as u8, 6);
    assert!(report.error.unwrap().to_string().contains("key is now id, email"));
    assert_eq!(bench.requests(), 0);
    bench
        .store(outflow::state::Access::Write)
        .reset("customers", false)
        .unwrap();
    let tally = bench.run_ok().await;
    assert_eq!(tally.updated + tally.created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_several_columns_tell_rows_apart() {
    let model = "id,email,first,city\n1,ann@example.com,Ann,Oslo\n1,bob@example.com,Bob,Oslo\n";
    let bench = Bench::new(&MAPPING.replace("key: id", "key: [id, first]"), model).await;
    let tally = bench.run_ok().await;
    assert_eq!((tally.created, tally.invalid_key), (2, 0));
}
