//! Models that read only what changed since the last success.

use std::sync::Arc;

use jiff::Timestamp;
use outflow::deliver::VirtualClock;
use outflow::state::Access;
use outflow::sync::report::RunReport;

use crate::bench_project::{Bench, MAPPING, properties};

const HEAD: &str = "id,email,first,city,updated_at\n";
const ANN: &str = "1,ann@example.com,Ann,Oslo,2026-01-01\n";
const BOB: &str = "2,bob@example.com,Bob,Rome,2026-01-01\n";

fn mapping() -> String {
    MAPPING.replace(
        "{ table: customers }",
        "{ sql: \"select * from customers where datetime(updated_at) >= datetime({{ last_success }})\" }",
    )
}

/// A run that begins at midnight of a day of January 2026, or an error's name.
async fn run_on(bench: &Bench, day: u32) -> RunReport {
    bench.twin.clear_requests();
    let mut runner = bench.runner();
    let start: Timestamp = format!("2026-01-{day:02}T00:00:00Z").parse().unwrap();
    runner.stage.clock = Arc::new(VirtualClock::starting_at(start.as_millisecond()));
    let sync = Arc::clone(&runner.stage.project.syncs[0]);
    runner.run(&sync).await
}

/// Rows read, created and updated by a run that must end well.
async fn read_on(bench: &Bench, day: u32) -> (u64, u64, u64) {
    let report = run_on(bench, day).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    (report.tally.read, report.tally.created, report.tally.updated)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_since_the_last_success_is_read_and_nothing_else_is_touched() {
    let bench = Bench::new(&mapping(), &format!("{HEAD}{ANN}{BOB}")).await;
    assert_eq!(
        read_on(&bench, 10).await,
        (2, 2, 0),
        "everything before the first success"
    );
    assert_eq!(read_on(&bench, 11).await, (0, 0, 0));
    assert_eq!(bench.requests(), 0);
    let moved = ANN.replace("Oslo", "Bergen").replace("01-01", "01-11");
    bench.model(&format!("{HEAD}{moved}{BOB}"));
    assert_eq!(read_on(&bench, 12).await, (1, 0, 1));
    assert_eq!(
        properties(&bench.writes()),
        [serde_json::json!({"city": "Bergen"})]
    );
    // Bob is not in what is read any more, and not in the table either.
    bench.model(&format!("{HEAD}{moved}"));
    assert_eq!(read_on(&bench, 13).await, (0, 0, 0));
    assert!(
        bench
            .twin
            .contact("bob@example.com")
            .is_some_and(|bob| !bob.archived)
    );
    assert_eq!(
        bench.store(Access::Read).sync("customers").unwrap().unwrap().rows,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_left_something_undone_is_no_success() {
    let bob = BOB
        .replace("bob@example.com", "not an address")
        .replace("01-01", "01-10");
    let bench = Bench::new(&mapping(), &format!("{HEAD}{ANN}")).await;
    assert_eq!(read_on(&bench, 10).await, (1, 1, 0));
    bench.model(&format!("{HEAD}{ANN}{bob}"));
    let report = run_on(&bench, 11).await;
    assert_eq!((report.tally.read, report.tally.rejected), (1, 1));
    // The refused row is read until it is accepted.
    let report = run_on(&bench, 12).await;
    assert_eq!((report.tally.read, report.tally.rejected), (1, 1));
    // A refused row that is not read is not settled by that.
    bench.model(&format!("{HEAD}{ANN}"));
    assert_eq!(read_on(&bench, 13).await, (0, 0, 0));
    let rejects = bench.store(Access::Read).rejects(None, None, 10).unwrap();
    assert_eq!(rejects.len(), 1);
    // A source that fails moves nothing, a day later as little.
    bench.model(&format!("{HEAD}{ANN}{}", BOB.replace("01-01", "01-13")));
    let data = bench.root().join("data/customers.csv");
    std::fs::rename(&data, data.with_extension("away")).unwrap();
    assert!(run_on(&bench, 14).await.error.is_some());
    std::fs::rename(data.with_extension("away"), &data).unwrap();
    assert_eq!(read_on(&bench, 15).await, (1, 1, 0));
    assert_eq!(read_on(&bench, 16).await, (0, 0, 0));
    assert!(
        bench
            .store(Access::Read)
            .rejects(None, None, 10)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_mapping_and_a_reset_read_everything_once_more() {
    let bench = Bench::new(&mapping(), &format!("{HEAD}{ANN}{BOB}")).await;
    assert_eq!(read_on(&bench, 10).await, (2, 2, 0));
    bench.map(&format!("{}  lastname: {{ value: Smith }}\n", mapping()));
    assert_eq!(
        read_on(&bench, 11).await,
        (2, 0, 2),
        "a new field reaches old rows"
    );
    assert_eq!(read_on(&bench, 12).await, (0, 0, 0));
    bench.store(Access::Write).reset("customers", false).unwrap();
    assert_eq!(run_on(&bench, 13).await.tally.read, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_reach_the_source() {
    let mapping = MAPPING.replace(
        "{ table: customers }",
        "{ sql: \"select * from customers where first = {{ name }} and id < {{ most }}\" }\nvars: { name: \"D'Arcy\", most: 5 }",
    );
    let model = "id,email,first,city\n1,a@example.com,D'Arcy,Oslo\n2,b@example.com,Bob,Rome\n9,c@example.com,D'Arcy,Rome\n";
    let bench = Bench::new(&mapping, model).await;
    assert_eq!(bench.run_ok().await.created, 1);
    assert!(bench.twin.contact("a@example.com").is_some());
}
