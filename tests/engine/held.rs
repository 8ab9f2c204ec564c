//! Match values that another record has still.

use crate::bench_project::{Bench, MAPPING};

fn model(rows: &[(&str, &str, &str)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(id, email, stage)| format!("{id},{email},Name {id},{stage}\n"))
        .collect();
    format!("id,email,first,city\n{rows}")
}

fn staged() -> String {
    MAPPING.replace("  city: city", "  lifecyclestage: city")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_takes_the_address_of_one_that_left_gets_it_at_the_next_run() {
    let mirror = MAPPING.replace("mode: upsert", "mode: mirror\nremoved: archive");
    let before = [("1", "ann@example.com", "Oslo"), ("2", "bob@example.com", "Rome")];
    let bench = Bench::new(&mirror, &model(&before)).await;
    bench.run_ok().await;
    bench.model(&model(&[("2", "ann@example.com", "Rome")]));
    let report = bench.run().await;
    assert_eq!((report.tally.removed, report.tally.rejected), (1, 1));
    assert_eq!(report.exit() as u8, 1, "it is told");
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated, tally.rejected), (1, 0));
    assert_eq!(bench.twin.contacts().len(), 1);
    assert_eq!(
        bench.field("ann@example.com", "firstname").as_deref(),
        Some("Name 2")
    );
    assert_eq!((bench.run_ok().await.unchanged, bench.requests()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_does_not_overwrite_the_record_of_one_that_could_not_give_its_address_up() {
    let bench = Bench::new(&staged(), &model(&[("1", "ann@example.com", "lead")])).await;
    bench.run_ok().await;
    let change = |stage| model(&[("1", "anna@example.com", stage), ("2", "ann@example.com", "lead")]);
    bench.model(&change("nonsense"));
    for _ in 0..2 {
        let report = bench.run().await;
        assert_eq!((report.tally.rejected, report.tally.created), (2, 0));
        assert_eq!(
            bench.field("ann@example.com", "firstname").as_deref(),
            Some("Name 1")
        );
        assert!(bench.writes().is_empty(), "nothing is tried in vain");
    }
    bench.model(&change("customer"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated, tally.created, tally.rejected), (1, 1, 0));
    assert_eq!(
        bench.field("anna@example.com", "firstname").as_deref(),
        Some("Name 1")
    );
    assert_eq!(
        bench.field("ann@example.com", "firstname").as_deref(),
        Some("Name 2")
    );
    assert_eq!((bench.run_ok().await.unchanged, bench.requests()), (2, 0));
}
