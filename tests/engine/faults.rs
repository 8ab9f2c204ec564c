//! What goes wrong on the way: nothing is lost, nothing is taken for done.

use std::sync::Arc;
use std::time::Duration;

use outflow::deliver::{Clock, Policy, SystemClock, VirtualClock};
use outflow::state::{Access, RunStatus};
use outflow::sync::quota::Quotas;
use outflow_sandbox::hubspot::{Fault, FaultKind};

use crate::bench_project::{Bench, MAPPING};

fn model(rows: u32, city: &str) -> String {
    let rows: String = (1..=rows)
        .map(|id| format!("{id},c{id}@example.com,C{id},{city}\n"))
        .collect();
    format!("id,email,first,city\n{rows}")
}

async fn survives(kind: FaultKind) {
    let bench = Bench::new(MAPPING, &model(250, "Oslo")).await;
    bench.twin.inject(Fault::on("/batch/upsert", kind.clone()));
    let report = bench.run().await;
    assert!(report.error.is_none(), "{kind:?}: {:?}", report.error);
    assert_eq!(
        report.tally.created + report.tally.updated,
        250,
        "{kind:?}: {:?}",
        report.tally
    );
    assert_eq!(
        bench.twin.contacts().len(),
        250,
        "{kind:?}: nobody twice, nobody lost"
    );
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (250, 0), "{kind:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transient_fault_is_survived_within_the_run() {
    let status = |code| FaultKind::Status {
        code,
        body: Some("{}".into()),
        headers: Vec::new(),
    };
    for kind in [
        status(500),
        status(503),
        FaultKind::Html { code: 502 },
        FaultKind::Html { code: 200 },
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        FaultKind::Truncated,
        FaultKind::EmptyOk,
    ] {
        survives(kind).await;
    }
}

/// A project whose destination is not waited for longer than a moment.
async fn impatient(mapping: &str, rows: u32) -> Bench {
    let bench = Bench::new(mapping, &model(rows, "Oslo")).await;
    let file = bench.root().join("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}    timeout: 300ms\n")).unwrap();
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_is_waited_for_again_and_nobody_is_there_twice() {
    let time = Duration::from_secs(20);
    let create = MAPPING.replace("mode: upsert", "mode: create");
    for mapping in [MAPPING, &create] {
        // What the destination did before it was too late, nobody knows: nothing, or everything.
        for kind in [FaultKind::Latency { time }, FaultKind::Late { time }] {
            let bench = impatient(mapping, 20).await;
            bench.twin.inject(Fault::on("/batch/", kind.clone()));
            let started = std::time::Instant::now();
            let tally = bench.run_ok().await;
            assert!(started.elapsed() < time, "{kind:?}: it is not waited for");
            assert_eq!((tally.held, tally.rejected), (0, 0), "{kind:?}: {tally:?}");
            assert_eq!(bench.twin.contacts().len(), 20, "{kind:?}: {tally:?}");
            let tally = bench.run_ok().await;
            assert_eq!((tally.unchanged, bench.requests()), (20, 0), "{kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_answers_are_always_too_late_are_in_doubt_until_they_are_sent_again() {
    let bench = impatient(MAPPING, 3).await;
    let late = FaultKind::Late {
        time: Duration::from_secs(20),
    };
    bench.twin.inject(Fault::on("/batch/upsert", late).times(20));
    let twice = Policy {
        attempts: 2,
        ..Policy::default()
    };
    let report = bench.run_with(twice).await;
    assert_eq!(report.tally.held, 3, "{:?} {:?}", report.tally, report.error);
    assert_eq!(report.exit() as u8, 1, "{:?}", report.error);
    let open = bench.store(Access::Read).rejects(None, None, 10).unwrap();
    let codes: Vec<&str> = open.iter().map(|open| open.reject.code.as_str()).collect();
    assert_eq!(codes, ["no_answer"; 3]);
    bench.twin.clear_faults();
    let tally = bench.run_ok().await;
    assert_eq!((tally.created + tally.updated, tally.held), (3, 0), "{tally:?}");
    assert_eq!(bench.twin.contacts().len(), 3);
    assert!(
        bench
            .store(Access::Read)
            .rejects(None, None, 10)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_fields_that_fails_is_asked_again() {
    let bench = Bench::new(MAPPING, &model(20, "Oslo")).await;
    let unavailable = FaultKind::Status {
        code: 503,
        body: None,
        headers: Vec::new(),
    };
    bench.twin.inject(Fault::on("/properties/", unavailable).times(2));
    assert_eq!(bench.run_ok().await.created, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_stops_with_its_own_exit_code_and_nothing_is_remembered() {
    let bench = Bench::new(MAPPING, &model(20, "Oslo")).await;
    std::fs::write(bench.root().join("token"), "pat-na1-wrong").unwrap();
    let report = bench.run().await;
    assert_eq!((report.exit() as u8, report.status), (3, RunStatus::Failed));
    assert_eq!(report.tally.deferred, 20);
    let said = format!("{:?}", report.error);
    assert!(!said.contains("pat-na1-wrong"), "{said}");
    std::fs::write(bench.root().join("token"), "pat-na1-sandbox").unwrap();
    assert_eq!(bench.run_ok().await.created, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_quota_defers_the_rest_to_the_next_run() {
    let bench = Bench::new(MAPPING, &model(350, "Oslo")).await;
    bench
        .twin
        .inject(Fault::on("/batch/upsert", FaultKind::Daily429).skip(1).times(50));
    let report = bench.run().await;
    assert_eq!(
        (report.status, report.exit() as u8),
        (RunStatus::Deferred, 7),
        "{:?}",
        report.error
    );
    assert!(report.tally.deferred >= 50, "{:?}", report.tally);
    assert_eq!(report.tally.created + report.tally.deferred, 350);
    let sent = report.tally.created;
    assert!(sent > 0, "what was sent before it was gone is kept");

    let again = bench.run().await;
    assert_eq!((again.exit() as u8, again.tally.deferred), (7, 350 - sent));
    assert!(bench.writes().is_empty(), "nothing is tried before midnight");

    bench.twin.clear_faults();
    let mut runner = bench.runner();
    let tomorrow = Arc::new(VirtualClock::starting_at(SystemClock.now_ms() + 25 * 3_600_000));
    runner.quotas = Arc::new(Quotas::new(Arc::clone(&runner.stage.store), tomorrow.clone(), 1));
    runner.stage.clock = tomorrow;
    let sync = Arc::clone(&runner.stage.project.syncs[0]);
    let next = runner.run(&sync).await;
    assert!(next.error.is_none(), "{:?}", next.error);
    assert_eq!((next.tally.created, next.tally.unchanged), (350 - sent, sent));
    assert_eq!(bench.twin.contacts().len(), 350);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_stops_before_the_first_write_and_says_which() {
    let bench = Bench::new(
        &MAPPING.replace("  city: city", "  citty: city"),
        &model(3, "Oslo"),
    )
    .await;
    let report = bench.run().await;
    assert_eq!(report.exit() as u8, 2);
    let said = report.error.unwrap().to_string();
    assert!(said.contains("citty"), "{said}");
    assert!(bench.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_column_is_named_with_a_suggestion() {
    let bench = Bench::new(
        &MAPPING.replace("  city: city", "  city: citi"),
        &model(3, "Oslo"),
    )
    .await;
    let report = bench.run().await;
    let error = report.error.as_ref().unwrap();
    assert_eq!(
        (report.exit() as u8, error.code()),
        (4, "missing_column"),
        "the files are asked for the mapping's columns, and say which they lack: {error:?}"
    );
    assert!(bench.writes().is_empty());
    let said = format!("{error} {:?}", error);
    assert!(said.contains("citi") && said.contains("city"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_fields_makes_the_missing_ones() {
    let mapping = format!("create_fields: true{}  plan_name: city\n", MAPPING);
    let bench = Bench::new(&mapping, &model(3, "Oslo")).await;
    assert_eq!(bench.run_ok().await.created, 3);
    assert_eq!(
        bench.field("c1@example.com", "plan_name").as_deref(),
        Some("Oslo")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_behind_the_same_connection_is_noticed_before_the_first_write() {
    let bench = Bench::new(MAPPING, &model(3, "Oslo")).await;
    bench.run_ok().await;
    let other = outflow_sandbox::hubspot::Twin::start(outflow_sandbox::hubspot::Options {
        hub_id: 999,
        ..Default::default()
    })
    .await
    .unwrap();
    let file = bench.root().join("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&bench.twin.base_url(), &other.base_url())).unwrap();
    bench.model(&model(3, "Rome"));
    let report = bench.run().await;
    assert_eq!(report.exit() as u8, 6, "{:?}", report.error);
    assert!(other.contacts().is_empty());
}
