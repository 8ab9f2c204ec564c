//! Rows that leave the model.

use crate::bench_project::{Bench, MAPPING, properties};

fn model(ids: impl IntoIterator<Item = u32>) -> String {
    let rows: String = ids
        .into_iter()
        .map(|id| format!("{id},c{id}@example.com,C{id},Oslo\n"))
        .collect();
    format!("id,email,first,city\n{rows}")
}

fn mirror(rule: &str) -> String {
    MAPPING.replace("mode: upsert", &format!("mode: mirror\nremoved: {rule}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_removes_the_record_and_only_records_of_this_sync() {
    let bench = Bench::new(&mirror("archive"), &model(1..=10)).await;
    bench
        .twin
        .put_record("contacts", &[("email", "stranger@example.com")])
        .unwrap();
    bench.run_ok().await;
    bench.model(&model(2..=10));
    let report = bench.run().await;
    assert_eq!(
        (report.tally.removed, report.removals, report.tally.unchanged),
        (1, 1, 9)
    );
    let left = bench
        .twin
        .contacts()
        .iter()
        .filter(|contact| !contact.archived)
        .count();
    assert_eq!(left, 10, "nine of ours and the stranger");
    assert!(bench.run_ok().await.removed == 0 && bench.requests() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_empties_what_this_sync_wrote_but_not_the_match() {
    let bench = Bench::new(&mirror("clear"), &model(1..=3)).await;
    bench.run_ok().await;
    bench.model(&model(2..=3));
    let tally = bench.run_ok().await;
    assert_eq!(tally.removed, 1);
    assert_eq!(
        properties(&bench.writes()),
        [serde_json::json!({"firstname": "", "city": ""})]
    );
    assert!(bench.twin.contact("c1@example.com").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_also_leaves_the_lists() {
    let mapping = format!("{}  \"list:Friends\": {{ value: true }}\n", mirror("clear"));
    let bench = Bench::new(&mirror("clear"), &model(1..=3)).await;
    bench
        .twin
        .define_list("Friends", outflow_sandbox::hubspot::ProcessingType::Manual);
    bench.map(&mapping);
    bench.run_ok().await;
    assert_eq!(bench.twin.lists()[0].members.len(), 3);
    bench.model(&model(2..=3));
    let tally = bench.run_ok().await;
    assert_eq!((tally.removed, bench.twin.lists()[0].members.len()), (1, 2));
    assert_eq!(bench.field("c1@example.com", "city"), None);
    assert_eq!(bench.run_ok().await.unchanged, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_forgets_the_row_without_a_request_and_a_return_sends_it_whole() {
    let bench = Bench::new(&mirror("keep"), &model(1..=3)).await;
    bench.run_ok().await;
    bench.model(&model(2..=3));
    let tally = bench.run_ok().await;
    assert_eq!((tally.removed, tally.unchanged, bench.requests()), (0, 2, 0));
    bench.model(&model(1..=3));
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated + tally.created, tally.unchanged), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_removals_and_an_empty_model_stop_before_the_first_write() {
    let bench = Bench::new(&mirror("archive"), &model(1..=400)).await;
    bench.run_ok().await;
    for rows in [200, 0] {
        bench.model(&model(1..=rows));
        let report = bench.run().await;
        assert_eq!(report.exit() as u8, 6, "{:?}", report.error);
        assert_eq!(bench.requests(), 0);
    }
    assert_eq!(
        bench
            .twin
            .contacts()
            .iter()
            .filter(|contact| !contact.archived)
            .count(),
        400
    );
    bench.model(&model(1..=400));
    let tally = bench.run_ok().await;
    assert_eq!(tally.unchanged, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_read_to_its_end_removes_nothing() {
    let bench = Bench::new(&mirror("archive"), &model(1..=50)).await;
    bench.run_ok().await;
    let cut = model(1..=30).into_bytes();
    for broken in [
        [&cut[..], b"31,\"never closed"].concat(),
        [&cut[..], b"31,c31@example.com,\xff\xfe,Oslo\n"].concat(),
    ] {
        std::fs::write(bench.root().join("data/customers.csv"), broken).unwrap();
        let report = bench.run().await;
        assert_eq!(report.exit() as u8, 4, "{:?}", report.error);
        assert_eq!(bench.requests(), 0);
    }
    bench.model(&model(1..=50));
    assert_eq!(bench.run_ok().await.unchanged, 50);
}
