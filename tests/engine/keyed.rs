//! Runs of some rows alone, asked for by their keys.

use std::sync::Arc;

use jiff::Timestamp;
use outflow::deliver::VirtualClock;
use outflow::state::{Access, RunStatus};
use outflow::sync::asked::AskedKeys;
use outflow::sync::report::RunReport;
use outflow::sync::run::Runner;

use crate::bench_project::{Bench, MAPPING, properties};

const HEAD: &str = "id,email,first,city\n";
const ANN: &str = "1,ann@example.com,Ann,Oslo\n";
const BOB: &str = "2,bob@example.com,Bob,Rome\n";
const CID: &str = "3,cid@example.com,Cid,Bonn\n";

/// A run for these keys, in a process of its own; every row must be accounted for.
pub async fn run_keys(bench: &Bench, keys: &[&str]) -> RunReport {
    run_keys_of(bench, bench.runner(), keys).await
}

async fn run_keys_of(bench: &Bench, runner: Runner, keys: &[&str]) -> RunReport {
    bench.twin.clear_requests();
    let sync = Arc::clone(&runner.stage.project.syncs[0]);
    let mut asked = AskedKeys::new(&sync.key);
    for key in keys {
        asked.add_text(key).unwrap();
    }
    let report = runner.run_keys(&sync, &asked).await;
    assert_eq!(
        report.tally.accounted(),
        report.tally.read + report.removals,
        "{:?}",
        report.tally
    );
    report
}

/// A keyed run that must end well.
pub async fn keys_ok(bench: &Bench, keys: &[&str]) -> RunReport {
    let report = run_keys(bench, keys).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    report
}

/// A project of three rows that are all at the destination.
async fn three(mapping: &str) -> Bench {
    let bench = Bench::new(mapping, &format!("{HEAD}{ANN}{BOB}{CID}")).await;
    assert_eq!(bench.run_ok().await.created, 3);
    bench
}

fn mirror() -> String {
    MAPPING.replace("mode: upsert", "mode: mirror\nremoved: archive")
}

fn is_there(bench: &Bench, email: &str) -> bool {
    bench.twin.contact(email).is_some_and(|contact| !contact.archived)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_rows_that_were_asked_for_are_sent_and_only_their_changed_fields() {
    let bench = three(MAPPING).await;
    let dan = "4,dan@example.com,Dan,Kiev\n";
    bench.model(&format!(
        "{HEAD}{}{}{CID}{dan}",
        ANN.replace("Oslo", "Bergen"),
        BOB.replace("Rome", "Turin")
    ));
    let report = keys_ok(&bench, &["1", "4", "3"]).await;
    let tally = report.tally;
    assert_eq!(
        (
            report.keys,
            tally.read,
            tally.updated,
            tally.created,
            tally.unchanged
        ),
        (Some(3), 3, 1, 1, 1)
    );
    assert!(properties(&bench.writes()).contains(&serde_json::json!({ "city": "Bergen" })));
    assert_eq!(bench.field("bob@example.com", "city").as_deref(), Some("Rome"));
    assert_eq!(
        keys_ok(&bench, &["1", "4"]).await.tally.requests,
        0,
        "nothing changed since"
    );
    // The run of the whole model finds what the others left, and sends nothing twice.
    let tally = bench.run_ok().await;
    assert_eq!((tally.read, tally.updated, tally.unchanged), (4, 1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_may_be_of_some_rows() {
    let bench = Bench::new(MAPPING, &format!("{HEAD}{ANN}{BOB}")).await;
    assert_eq!(keys_ok(&bench, &["2"]).await.tally.created, 1);
    let tally = bench.run_ok().await;
    assert_eq!((tally.created, tally.unchanged), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_gone_is_removed_by_the_mappings_rule_and_no_other() {
    let bench = three(&mirror()).await;
    bench.model(&format!("{HEAD}{ANN}"));
    let report = keys_ok(&bench, &["1", "2", "9"]).await;
    assert_eq!(
        (report.tally.read, report.tally.removed, report.removals),
        (1, 1, 1)
    );
    assert!(!is_there(&bench, "bob@example.com"));
    assert!(is_there(&bench, "cid@example.com"), "nobody asked for it");
    let known = bench.store(Access::Read).sync("customers").unwrap().unwrap().rows;
    assert_eq!(known, 2);
    assert_eq!(bench.run_ok().await.removed, 1, "the whole run takes the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mirror_nothing_is_removed() {
    for mode in ["upsert", "update", "create"] {
        let bench = Bench::new(
            &MAPPING.replace("mode: upsert", &format!("mode: {mode}")),
            &format!("{HEAD}{ANN}{BOB}"),
        )
        .await;
        bench.run_ok().await;
        let known = bench.store(Access::Read).sync("customers").unwrap().unwrap().rows;
        let contacts = bench.twin.contacts().len();
        bench.model(&format!("{HEAD}{ANN}"));
        let report = keys_ok(&bench, &["1", "2"]).await;
        assert_eq!((report.tally.read, report.removals), (1, 0), "{mode}");
        assert_eq!(bench.twin.contacts().len(), contacts, "{mode}");
        let after = bench.store(Access::Read).sync("customers").unwrap().unwrap().rows;
        assert_eq!(after, known, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guards_of_removals_hold_for_some_rows_too() {
    let bench = three(&mirror()).await;
    // An emptied model.
    bench.model(HEAD);
    assert_eq!(run_keys(&bench, &["1"]).await.removals, 0);
    assert!(is_there(&bench, "ann@example.com"));
    // A share that the mapping does not allow.
    bench.map(&format!("{}guards: {{ max_removed: 10% }}\n", mirror()));
    bench.model(&format!("{HEAD}{BOB}{CID}"));
    let report = run_keys(&bench, &["1"]).await;
    assert_eq!(report.error.unwrap().code(), "too_many_removed");
    assert!(is_there(&bench, "ann@example.com"));
    // The number of rows of a whole model is not that of a part.
    bench.map(&format!("{}guards: {{ min_rows: 2 }}\n", mirror()));
    assert_eq!(keys_ok(&bench, &["1", "2"]).await.tally.removed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_of_a_few_rows_remove_no_more_than_one_may() {
    let bench = three(&format!("{}guards: {{ max_removed: 1 }}\n", mirror())).await;
    bench.model(&format!("{HEAD}{ANN}"));
    assert_eq!(keys_ok(&bench, &["2"]).await.tally.removed, 1);
    let stopped = run_keys(&bench, &["3"]).await;
    assert_eq!((stopped.status, bench.requests()), (RunStatus::Guarded, 0));
    let said = stopped.error.unwrap().to_string();
    assert!(said.contains("after 1 that runs of some keys removed"), "{said}");
    assert!(is_there(&bench, "cid@example.com"));
    assert_eq!(
        keys_ok(&bench, &["1"]).await.tally.unchanged,
        1,
        "what removes nothing goes on"
    );
    // The whole model is judged by itself, and then it begins anew.
    assert_eq!(bench.run_ok().await.removed, 1);
    let (dan, eve) = ("4,dan@example.com,Dan,Kiev\n", "5,eve@example.com,Eve,Lviv\n");
    bench.model(&format!("{HEAD}{ANN}{dan}{eve}"));
    assert_eq!(bench.run_ok().await.created, 2);
    bench.model(&format!("{HEAD}{ANN}{eve}"));
    assert_eq!(keys_ok(&bench, &["4"]).await.tally.removed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_key_may_be_the_one_that_seems_to_be_gone() {
    let bench = three(&mirror()).await;
    bench.model(&format!("{HEAD}{}{BOB}{CID}", ANN.replacen('1', "", 1)));
    let report = keys_ok(&bench, &["1", "2"]).await;
    assert_eq!(
        (report.tally.read, report.removals, report.tally.invalid_key),
        (1, 0, 0)
    );
    assert!(is_there(&bench, "ann@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_key_that_several_rows_have_none_is_sent_or_removed() {
    let bench = three(&mirror()).await;
    bench.model(&format!("{HEAD}{ANN}{}{BOB}{CID}", ANN.replace("Oslo", "Bergen")));
    let report = run_keys(&bench, &["1"]).await;
    assert_eq!((report.tally.invalid_key, report.removals), (2, 0));
    assert_eq!(report.duplicate_keys, ["1"]);
    assert_eq!((report.status, bench.requests()), (RunStatus::Rejects, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_of_the_rows_asked_for_open_sleep_and_close_and_others_stay() {
    let bad = BOB.replace("bob@example.com", "not an address");
    let worse = CID.replace("cid@example.com", "no address either");
    let bench = Bench::new(MAPPING, &format!("{HEAD}{ANN}{bad}{worse}")).await;
    assert_eq!(bench.run().await.tally.rejected, 2);
    let rejects = || bench.store(Access::Read).rejects(None, None, 10).unwrap().len();
    let report = run_keys(&bench, &["2"]).await;
    assert_eq!((report.tally.rejected, bench.writes().len()), (1, 0), "it sleeps");
    bench.model(&format!("{HEAD}{ANN}{BOB}{worse}"));
    assert_eq!(keys_ok(&bench, &["2"]).await.tally.created, 1);
    assert_eq!(rejects(), 1);
    // A refused row that leaves the model is settled by that.
    bench.model(&format!("{HEAD}{ANN}{BOB}"));
    keys_ok(&bench, &["1"]).await;
    assert_eq!(rejects(), 1);
    keys_ok(&bench, &["3"]).await;
    assert_eq!(rejects(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_keys_are_keys_that_no_row_has() {
    let bench =
        three(&mirror().replace("{ table: customers }", "{ sql: \"select * from customers\" }")).await;
    for key in [
        "1' OR '1'='1",
        "1) OR 1=1 --",
        "1; DROP TABLE customers",
        "\\' OR 1=1 --",
        "\"id\"",
        "1\n2",
        "e\u{301}",
    ] {
        let report = keys_ok(&bench, &[key]).await;
        assert_eq!(
            (report.tally.read, report.removals, bench.requests()),
            (0, 0, 0),
            "{key}"
        );
    }
    assert_eq!(bench.run_ok().await.unchanged, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_reads_what_changed_gives_the_row_asked_for_whenever_it_changed() {
    let mapping = MAPPING.replace(
        "{ table: customers }",
        "{ sql: \"select * from customers where datetime(changed) >= datetime({{ last_success }})\" }",
    );
    let head = "id,email,first,city,changed\n";
    let ann = "1,ann@example.com,Ann,Oslo,2026-01-01\n";
    let bench = Bench::new(&mapping, &format!("{head}{ann}")).await;
    let on = |day: u32| {
        let mut runner = bench.runner();
        let start: Timestamp = format!("2026-01-{day:02}T00:00:00Z").parse().unwrap();
        runner.stage.clock = Arc::new(VirtualClock::starting_at(start.as_millisecond()));
        runner
    };
    let whole = async |day: u32| {
        let runner = on(day);
        let sync = Arc::clone(&runner.stage.project.syncs[0]);
        runner.run(&sync).await.tally
    };
    assert_eq!(whole(10).await.created, 1);
    // Its time of change says nothing, and yet its value is another.
    bench.model(&format!(
        "{head}{}2,bob@example.com,Bob,Rome,2026-01-11\n",
        ann.replace("Oslo", "Bergen")
    ));
    let report = run_keys_of(&bench, on(12), &["1", "7"]).await;
    assert_eq!(
        (report.tally.read, report.tally.updated, report.removals),
        (1, 1, 0)
    );
    // Bob changed before that run, and was not asked for.
    assert_eq!(whole(13).await.created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_run_of_the_history_and_says_nothing_of_freshness() {
    let bench = three(MAPPING).await;
    let whole = bench
        .store(Access::Read)
        .last_completed("customers")
        .unwrap()
        .unwrap();
    bench.model(&format!("{HEAD}{}{BOB}{CID}", ANN.replace("Oslo", "Bergen")));
    let report = keys_ok(&bench, &["1"]).await;
    let store = bench.store(Access::Read);
    let run = store.history(None, 1).unwrap().remove(0);
    assert_eq!(
        (run.id, run.keys, run.tally),
        (report.run_id, Some(1), report.tally)
    );
    assert_eq!(store.last_completed("customers").unwrap(), Some(whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_moves_nothing() {
    let bench = three(&mirror()).await;
    let data = bench.root().join("data/customers.csv");
    std::fs::rename(&data, data.with_extension("away")).unwrap();
    let report = run_keys(&bench, &["1"]).await;
    assert_eq!((report.status, bench.requests()), (RunStatus::Failed, 0));
    assert_eq!(
        bench.store(Access::Read).sync("customers").unwrap().unwrap().rows,
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_several_columns_are_asked_for_by_all_of_them() {
    let bench = three(&mirror().replace("key: id", "key: [id, first]")).await;
    bench.model(&format!("{HEAD}{}{BOB}{CID}", ANN.replace("Oslo", "Bergen")));
    let report = keys_ok(&bench, &["1/Ann", "2/Ann", "3/Bob"]).await;
    assert_eq!(
        (report.tally.read, report.tally.updated, report.removals),
        (1, 1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_adopts_goes_on_to_until_a_whole_run() {
    let bench = three(MAPPING).await;
    bench.store(Access::Write).reset("customers", true).unwrap();
    assert_eq!(keys_ok(&bench, &["1"]).await.tally.unchanged, 1);
    let tally = bench.run_ok().await;
    assert_eq!(
        (tally.unchanged, bench.requests()),
        (3, 0),
        "the others are adopted too"
    );
}
