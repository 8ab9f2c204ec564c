//! Records that more than one row has to do with, and reads that do not say what is gone.

use outflow::deliver::Policy;
use outflow_sandbox::hubspot::{Fault, FaultKind};

use crate::bench_project::{Bench, MAPPING};

fn mirror(rule: &str) -> String {
    MAPPING.replace("mode: upsert", &format!("mode: mirror\nremoved: {rule}"))
}

fn model(rows: &[(&str, &str, &str)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(id, email, city)| format!("{id},{email},Name,{city}\n"))
        .collect();
    format!("id,email,first,city\n{rows}")
}

fn living(bench: &Bench) -> usize {
    bench
        .twin
        .contacts()
        .iter()
        .filter(|contact| !contact.archived)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_another_row_describes_is_not_removed() {
    let bench = Bench::new(
        &mirror("archive"),
        &model(&[
            ("11", "ann@example.com", "Oslo"),
            ("12", "bob@example.com", "Oslo"),
        ]),
    )
    .await;
    bench.run_ok().await;
    // The same person under another key.
    let changed = model(&[
        ("99", "ann@example.com", "Rome"),
        ("12", "bob@example.com", "Oslo"),
    ]);
    bench.model(&changed);
    let report = bench.run().await;
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!((report.tally.removed, report.removals), (0, 0));
    assert_eq!(living(&bench), 2);
    assert_eq!(bench.field("ann@example.com", "city").as_deref(), Some("Rome"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (2, 0));
    // When that row leaves as well, the record goes.
    bench.model(&model(&[("12", "bob@example.com", "Oslo")]));
    assert_eq!(bench.run_ok().await.removed, 1);
    assert_eq!(living(&bench), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_handed_over_without_merging_two_people() {
    for salt in 0..6 {
        let (old, new) = (format!("8{salt}"), format!("9{salt}"));
        let bench = Bench::new(MAPPING, &model(&[(&old, "info@example.com", "Oslo")])).await;
        bench.run_ok().await;
        let before = bench.twin.contact("info@example.com").unwrap().id;
        bench.model(&model(&[
            (&old, "own@example.com", "Oslo"),
            (&new, "info@example.com", "Rome"),
        ]));
        let tally = bench.run_ok().await;
        assert_eq!((tally.updated, tally.created), (1, 1), "{tally:?}");
        assert_eq!(bench.twin.contact("own@example.com").unwrap().id, before);
        assert_eq!(bench.field("own@example.com", "city").as_deref(), Some("Oslo"));
        assert_eq!(bench.field("info@example.com", "city").as_deref(), Some("Rome"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_handed_on_from_row_to_row_in_one_run() {
    let addresses = |shift: usize| -> String {
        let row = |id: usize| format!("{id},p{}@example.com,Name {id},Oslo\n", id + shift);
        let rows: String = (1..=9).map(row).collect();
        format!("id,email,first,city\n{rows}")
    };
    let bench = Bench::new(MAPPING, &addresses(0)).await;
    bench.run_ok().await;
    bench.model(&addresses(1));
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated, tally.rejected), (9, 0), "{tally:?}");
    for id in 1..=9 {
        let address = format!("p{}@example.com", id + 1);
        assert_eq!(bench.field(&address, "firstname"), Some(format!("Name {id}")));
    }
    assert!(bench.twin.contact("p1@example.com").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_while_rows_have_no_key() {
    let bench = Bench::new(
        &mirror("archive"),
        &model(&[("1", "a@example.com", "Oslo"), ("2", "b@example.com", "Oslo")]),
    )
    .await;
    bench.run_ok().await;
    bench.model(&model(&[
        ("", "a@example.com", "Oslo"),
        ("", "b@example.com", "Oslo"),
    ]));
    let report = bench.run().await;
    assert_eq!((report.tally.invalid_key, report.removals), (2, 0));
    assert_eq!(living(&bench), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_model_forgets_nothing_either() {
    let bench = Bench::new(&mirror("keep"), &model(&[("1", "a@example.com", "Oslo")])).await;
    bench.run_ok().await;
    bench.model(&model(&[]));
    assert_eq!(bench.run().await.exit() as u8, 6);
    bench.model(&model(&[("1", "a@example.com", "Oslo")]));
    assert_eq!(bench.run_ok().await.unchanged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_null_means_may_change() {
    let keep = MAPPING.replace("  city: city", "  city: { column: city, null: keep }");
    let bench = Bench::new(&keep, &model(&[("1", "a@example.com", "Oslo")])).await;
    bench.run_ok().await;
    bench.model(&model(&[("1", "a@example.com", "")]));
    assert_eq!(bench.run_ok().await.unchanged, 1);
    bench.map(MAPPING);
    assert_eq!(bench.run_ok().await.updated, 1);
    assert_eq!(bench.field("a@example.com", "city").unwrap_or_default(), "");
    assert_eq!(bench.run_ok().await.unchanged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_is_noticed_even_when_nothing_would_be_sent() {
    let mapping = MAPPING
        .replace("match: email", "match: name")
        .replace("  email: email\n", "  name: email\n");
    let companies = mapping.replace("object: contacts", "object: companies");
    let bench = Bench::new(MAPPING, &model(&[("1", "a@example.com", "Oslo")])).await;
    bench.run_ok().await;
    bench.map(&companies.replace("  firstname: first\n", ""));
    let report = bench.run().await;
    assert_eq!(report.exit() as u8, 6, "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_got_lost_is_sent_again_even_if_it_is_taken_back() {
    let bench = Bench::new(MAPPING, &model(&[("1", "a@example.com", "Oslo")])).await;
    bench.run_ok().await;
    bench.model(&model(&[("1", "a@example.com", "Rome")]));
    // Applied every time, and never answered.
    bench
        .twin
        .inject(Fault::on("/batch/", FaultKind::CutAfter).times(20));
    let twice = Policy {
        attempts: 2,
        ..Policy::default()
    };
    let report = bench.run_with(twice).await;
    assert_eq!(report.tally.held, 1, "{:?} {:?}", report.tally, report.error);
    assert_eq!(bench.field("a@example.com", "city").as_deref(), Some("Rome"));
    bench.twin.clear_faults();
    bench.model(&model(&[("1", "a@example.com", "Oslo")]));
    assert_eq!(bench.run_ok().await.updated, 1);
    assert_eq!(bench.field("a@example.com", "city").as_deref(), Some("Oslo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_refused_sleeps_and_is_accounted_for() {
    let bench = Bench::new(
        &mirror("clear"),
        &model(&[("1", "a@example.com", "Oslo"), ("2", "b@example.com", "Oslo")]),
    )
    .await;
    bench.run_ok().await;
    let gone = bench.twin.contact("a@example.com").unwrap().id;
    bench.twin.archive_record("contacts", &gone).unwrap();
    bench.model(&model(&[("2", "b@example.com", "Oslo")]));
    let first = bench.run().await;
    assert!(first.error.is_none(), "{:?}", first.error);
    let second = bench.run().await;
    assert!(second.error.is_none(), "{:?}", second.error);
    assert_eq!((first.tally.rejected, second.tally.rejected), (1, 1));
    assert!(bench.writes().is_empty(), "it sleeps");
}
