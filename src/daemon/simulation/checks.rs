//! What must hold when thirty days are over.

use std::collections::BTreeMap;

use super::lateness::{balanced, gaps};
use super::life::Daemons;
use super::server::Account;
use super::table::Table;
use super::times::{Ran, Times, runs};
use super::trouble::What;
use super::world::{Around, DAY, HOUR};
use crate::state::RunStatus;

/// See the module.
pub(super) fn all(daemons: &Daemons, end_ms: i64) {
    let runs = runs(daemons);
    let around = daemons.world.lock();
    assert!(around.violations.is_empty(), "{:#?}", around.violations);
    Times {
        runs: &runs,
        lives: &daemons.lives,
        end_ms,
    }
    .check();
    balanced(&around.told);
    let told = runs
        .iter()
        .map(|(sync, runs)| gaps(sync, runs, &daemons.lives, &around.told, end_ms));
    let late: usize = told.sum();
    for (sync, table) in &around.tables {
        let account = if sync == "readers" { "news" } else { "crm" };
        equal(sync, table, &around.accounts[account]);
        at_rest(sync, table, &runs[sync], end_ms);
    }
    if end_ms - daemons.lives[0].start >= 20 * DAY {
        seen_it_all(&around, &runs, daemons.lives.len(), late);
    }
}

/// The destination's records are the model's rows, value by value. Where nothing is removed, there may be
/// others: of rows that left.
fn equal(sync: &str, table: &Table, account: &Account) {
    let mut found: BTreeMap<i64, &BTreeMap<String, String>> = BTreeMap::new();
    for record in account.records.values().filter(|record| record.object == sync) {
        let id = record.fields["customer"].parse().unwrap();
        let other = found.insert(id, &record.fields);
        assert!(other.is_none(), "{sync} {id} has two records");
    }
    for (id, row) in &table.rows {
        let (record, expected) = (found.remove(id), row.expected(*id));
        let touching = |line: &&String| {
            line.contains(&format!("\"{id}\"")) || line.contains(&format!("\"{}\"", expected["email"]))
        };
        let history = || account.written.iter().filter(touching).collect::<Vec<_>>();
        assert_eq!(record, Some(&expected), "{sync} {id}: {:#?}", history());
    }
    for id in found.keys() {
        let may_stay = sync == "visits" && table.gone.contains_key(id);
        assert!(may_stay, "{sync} {id} left the model and stayed");
    }
}

/// The last runs found nothing to do.
fn at_rest(sync: &str, table: &Table, runs: &[Ran], end_ms: i64) {
    let last: Vec<&Ran> = runs
        .iter()
        .filter(|run| run.span.start > end_ms - 4 * HOUR)
        .collect();
    assert!(last.len() >= 3, "{sync}: {} runs in the last hours", last.len());
    for run in last {
        let tally = &run.record.tally;
        assert_eq!(run.record.status, RunStatus::Ok, "{sync}: {:?}", run.record);
        assert_eq!(tally.requests, 0, "{sync}: {:?}", run.record);
        assert_eq!(
            (tally.read, tally.unchanged),
            (table.rows.len() as u64, tally.read),
            "{sync}"
        );
    }
}

/// Whatever can go wrong did: or nothing of the above says much.
fn seen_it_all(around: &Around, runs: &BTreeMap<String, Vec<Ran>>, lives: usize, late: usize) {
    use What::{Cut, Down, Empty, Exhausted, Failing, Locked, Lossy, Picky, Slow, Throttling};
    for what in [
        Cut, Down, Empty, Exhausted, Failing, Locked, Lossy, Picky, Slow, Throttling,
    ] {
        assert!(around.met.contains_key(&what), "no {what:?}: {:?}", around.met);
    }
    let all = || runs.values().flatten();
    for status in [
        RunStatus::Ok,
        RunStatus::Rejects,
        RunStatus::Deferred,
        RunStatus::Failed,
        RunStatus::Guarded,
    ] {
        assert!(
            all().any(|run| run.record.status == status),
            "no run ended {status:?}"
        );
    }
    assert!(
        all().any(|run| run.record.finished_ms.is_none()),
        "no run was cut off"
    );
    let sum = |of: fn(&Ran) -> u64| all().map(of).sum::<u64>();
    assert!(sum(|run| run.record.tally.created) > 100, "records were created");
    assert!(sum(|run| run.record.tally.removed) > 20, "records were removed");
    assert!(sum(|run| run.record.tally.held) > 0, "rows were in doubt");
    assert!(lives > 5 && late > 3, "{lives} processes, {late} gaps");
}
