//! Measures the store; run by hand: `cargo test --release -p outflow-state --lib state::measure -- --ignored
//! --nocapture --test-threads 1`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use outflow_sdk::print::{KeyHash, Print};

use super::filter::{Cells, Probe};
use super::fixtures::{Fixture, fixture, key, print};
use super::{Changes, Filter, FilterChange, StoredRow};

const FIELDS: usize = 15;

/// Rows with 15 fields, as a run acknowledges them: in the order of their keys.
fn acknowledged(numbers: std::ops::Range<i128>) -> Vec<StoredRow> {
    let mut rows: Vec<StoredRow> = numbers
        .map(|number| StoredRow {
            key: key(number),
            print: print(number, 1),
            layout: 1,
            prints: (0..FIELDS as u64).map(|field| print(number, 2 + field)).collect(),
            remote: Some(format!("{}", 51_000_000_000_i128 + number).into()),
            key_text: None,
            match_text: None,
            applied_ms: 1_700_000_000_000,
            run: 3,
        })
        .collect();
    rows.sort_unstable_by_key(|row| row.key);
    rows
}

fn commit(fixture: &Fixture, rows: &[StoredRow]) {
    for group in rows.chunks(500) {
        let batches: Vec<Changes> = group
            .chunks(100)
            .map(|rows| Changes {
                rows: rows.to_vec(),
                ..Changes::default()
            })
            .collect();
        let batches: Vec<&Changes> = batches.iter().collect();
        fixture.store.commit(fixture.sync.id, batches).unwrap();
    }
}

/// Wall time and this thread's time on a core: the machine may have other work.
struct Watch {
    wall: Instant,
    core: Duration,
}

impl Watch {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            core: Self::core(),
        }
    }

    fn core() -> Duration {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }

    fn tell(&self, what: &str, rows: usize) {
        let (wall, core) = (self.wall.elapsed(), Self::core() - self.core);
        println!(
            "{what}: {:.0} ms, {:.0} ms on a core, {:.0} rows/s, {:.0} ns of core a row",
            wall.as_secs_f64() * 1e3,
            core.as_secs_f64() * 1e3,
            rows as f64 / wall.as_secs_f64(),
            core.as_nanos() as f64 / rows as f64,
        );
    }
}

/// Resident memory, MiB.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / f64::from(1 << 20)
}

#[test]
#[ignore = "measures for a minute"]
fn a_million_rows_in_the_store() {
    let fixture = fixture();
    let mut rows = acknowledged(0..1_000_000);
    let watch = Watch::start();
    commit(&fixture, &rows);
    watch.tell("first commit, 5 batches of 100 rows each", rows.len());
    let watch = Watch::start();
    fixture.store.checkpoint().unwrap();
    watch.tell("checkpoint", rows.len());
    println!(
        "{:.0} bytes a row on disk",
        fixture.store.disk_bytes() as f64 / rows.len() as f64
    );

    let watch = Watch::start();
    Filter::rebuild(&fixture.store, fixture.sync.id).unwrap();
    watch.tell("filter from one scan", rows.len());
    for step in [100, 1] {
        let watch = Watch::start();
        let mut lookup = fixture.store.lookup(fixture.sync.id).unwrap();
        let keys: Vec<KeyHash> = rows.iter().step_by(step).map(|row| row.key).collect();
        let found = keys
            .iter()
            .filter(|key| lookup.get(**key).unwrap().is_some())
            .count();
        assert_eq!(found, keys.len());
        watch.tell(&format!("look-up of every {step}. row"), found);
    }
    for row in &mut rows {
        row.print ^= 1;
    }
    let changed: Vec<StoredRow> = rows.iter().step_by(100).cloned().collect();
    let watch = Watch::start();
    commit(&fixture, &changed);
    watch.tell("commit of 1 % changed", changed.len());
    let filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
    let watch = Watch::start();
    let unseen = fixture.store.unseen(fixture.sync.id, &filter).unwrap().count();
    watch.tell("listing of all rows as unseen", unseen);
    assert_eq!(unseen, rows.len());
}

#[test]
#[ignore = "measures for a minute"]
fn ten_million_rows_in_the_filter() {
    const ROWS: i128 = 10_000_000;
    let fixture = fixture();
    let cells = {
        let mut rows: Vec<(KeyHash, Print)> =
            (0..ROWS).map(|number| (key(number), print(number, 1))).collect();
        rows.sort_unstable();
        let mut cells = Cells::builder(rows.len() as u64);
        rows.iter().for_each(|(key, print)| cells.push(*key, *print));
        cells.finish()
    };
    fixture
        .store
        .transact(|connection| connection.execute("UPDATE sync SET rows = ?1", [ROWS as i64]))
        .unwrap();
    let mut filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
    filter.cells = std::sync::Arc::new(cells);
    filter.keep(fixture.state().generation).unwrap();
    drop(filter);

    let before = resident();
    let watch = Watch::start();
    let mut filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
    watch.tell("load", ROWS as usize);
    let more = resident() - before;
    println!(
        "{more:.1} MiB more resident, {:.2} bytes a row",
        more * f64::from(1 << 20) / ROWS as f64
    );
    assert!(filter.is_kept);

    let keys: Vec<Option<KeyHash>> = (0..ROWS).map(|number| Some(key(number))).collect();
    let prints: Vec<Print> = (0..ROWS).map(|number| print(number, 1)).collect();
    let mut probes = Vec::new();
    let watch = Watch::start();
    let mut seen = 0;
    for (keys, prints) in keys.chunks(8_192).zip(prints.chunks(8_192)) {
        filter.probe_batch(keys, prints, &mut probes);
        seen += probes.iter().filter(|probe| **probe == Probe::Seen).count();
    }
    watch.tell("probe", ROWS as usize);
    assert_eq!((seen as i128, filter.unseen_len()), (ROWS, 0));

    let changes: Vec<FilterChange> = (0..ROWS)
        .step_by(100)
        .map(|number| FilterChange {
            key: key(number),
            before: Some(print(number, 1)),
            after: Some(print(number, 2)),
        })
        .collect();
    let watch = Watch::start();
    let before = resident();
    filter.apply(&changes);
    filter.save(fixture.state().generation).unwrap();
    watch.tell("save with 1 % changed", ROWS as usize);
    println!("{:.1} MiB more resident", resident() - before);
    let mut filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
    assert!(filter.is_kept);
    assert_eq!(filter.probe(key(100), print(100, 2)), Probe::Seen);
}
