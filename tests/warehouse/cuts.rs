//! A mirror of a warehouse whose answer is cut short, or loses a row: nothing is removed or written on the
//! word of a part, and the next whole read is right.

use std::path::Path;

use outflow::state::{Access, Store};
use outflow::sync::report::RunReport;
use outflow_sandbox::hubspot::{Options, Twin};

use crate::cutter::{Cutter, Spoil};
use crate::loader::Warehouse;
use crate::postgres::Postgres;
use crate::project::run_all;
use crate::table::{Table, Type};

/// More than one batch, so that a part of the rows is handed on before a cut.
const ROWS: usize = 10_000;
/// Those that leave: fewer than a guard would stop.
const LEAVING: usize = 100;
const CUTS: u64 = 20;

const MAPPING: &str = "\
sync: people
source: warehouse
model: { table: people }
key: id
destination: crm
object: contacts
match: email
mode: mirror
removed: archive
fields:
  email: email
  firstname: name
";

pub async fn remove_nothing() {
    let mut warehouse = Postgres::start("postgres");
    let twin = Twin::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("mappings")).unwrap();
    std::fs::write(root.join("token"), "pat-na1-sandbox\n").unwrap();
    std::fs::write(root.join("mappings/people.yaml"), MAPPING).unwrap();
    warehouse.load(&people(0));
    let whole = Cutter::start(warehouse.port(), vec![Spoil::Nothing]).await;
    connect(root, &warehouse.connection_at(whole.port), &twin);
    let first = run(root).await;
    assert!(first.error.is_none(), "{:?}", first.error);
    assert_eq!(first.tally.created, ROWS as u64);
    let answered = whole.answered();

    warehouse.load(&people(LEAVING));
    twin.clear_requests();
    // The answer is shorter now by what left; the last cut is before its end all the same.
    let most = answered * 97 / 100;
    let mut spoils: Vec<Spoil> = (1..=CUTS)
        .map(|part| Spoil::CutAfter(most * part / CUTS))
        .collect();
    spoils.extend([1, 4_000, ROWS as u64 - 200].map(Spoil::DropRow));
    for spoil in spoils {
        let cutter = Cutter::start(warehouse.port(), vec![spoil]).await;
        connect(root, &warehouse.connection_at(cutter.port), &twin);
        let report = run(root).await;
        assert!(report.error.is_some(), "{spoil:?}: called complete");
        assert_eq!((report.removals, report.tally.accounted()), (0, 0), "{spoil:?}");
        assert_eq!(writes(&twin), 0, "{spoil:?}");
        let state = Store::open(&root.join(".outflow"), Access::Read).unwrap();
        assert_eq!(
            state.sync("people").unwrap().unwrap().rows,
            ROWS as u64,
            "{spoil:?}"
        );
    }
    connect(root, &warehouse.connection(), &twin);
    let last = run(root).await;
    assert!(last.error.is_none(), "{:?}", last.error);
    assert_eq!(
        (last.tally.removed, last.tally.unchanged),
        (LEAVING as u64, (ROWS - LEAVING) as u64)
    );
}

/// People without the first so many.
fn people(left: usize) -> Table {
    let rows = (left..ROWS)
        .map(|id| {
            vec![
                Some(id.to_string()),
                Some(format!("p{id}@example.com")),
                Some(format!("Person {id}")),
            ]
        })
        .collect();
    Table {
        name: "people",
        columns: vec![("id", Type::Integer), ("email", Type::Text), ("name", Type::Text)],
        rows,
    }
}

fn connect(root: &Path, connection: &str, twin: &Twin) {
    let outflow = format!(
        "sources:\n  warehouse: {connection}\ndestinations:\n  crm: {{ type: hubspot, token: \"${{file:token}}\", \
         base_url: \"{}\", limits: none }}\n",
        twin.base_url()
    );
    std::fs::write(root.join("outflow.yaml"), outflow).unwrap();
}

async fn run(root: &Path) -> RunReport {
    run_all(root).await.remove(0)
}

fn writes(twin: &Twin) -> usize {
    let requests = twin.requests();
    requests
        .iter()
        .filter(|request| request.path.contains("/batch/"))
        .count()
}
