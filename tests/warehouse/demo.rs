//! The demo's project, read from another warehouse by changing one line of each sync.

use std::path::{Path, PathBuf};

use outflow::sync::report::RunReport;
use outflow_sandbox::hubspot::{Options, Twin};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use crate::loader::Warehouse;
use crate::project::{outflow, run_all};
use crate::table::{Table, Type};

/// Syncs the demo from its own files, then from the warehouse: nothing is new to it, and what changes
/// there is all that is sent.
pub async fn runs_unchanged(warehouse: &mut dyn Warehouse) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    outflow(root, &["demo", "."]).exits(0);
    let options = Options {
        data: Some(root.join("sandbox/hubspot")),
        ..Options::default()
    };
    let twin = Twin::start(options).await.unwrap();
    let mut tables = tables(&root.join("data"));
    for table in &tables {
        warehouse.load(table);
    }
    connect(root, &warehouse.connection(), &twin.base_url());
    for sync in ["companies", "customers"] {
        change_one_line(&root.join(format!("mappings/{sync}.yaml")));
    }
    let reports = run_all_well(root).await;
    let found: Vec<_> = reports
        .iter()
        .map(|report| {
            (
                report.sync.as_str(),
                report.tally.read,
                report.tally.unchanged,
                report.tally.rejected,
            )
        })
        .collect();
    // The demo's story leaves two rows refused; they stay so.
    assert_eq!(found, [("companies", 40, 40, 0), ("customers", 2_999, 2_997, 2)]);
    assert_eq!(writes(&twin), Vec::<Value>::new());

    let customers = &mut tables[0];
    let city = customers.column("city");
    let row = customers
        .rows
        .iter_mut()
        .find(|row| row[0].as_deref() == Some("5"))
        .unwrap();
    row[city] = Some("Tromsø".into());
    warehouse.load(customers);
    let reports = run_all_well(root).await;
    assert_eq!((reports[1].tally.updated, reports[1].tally.unchanged), (1, 2_996));
    assert_eq!(writes(&twin), [json!({"city": "Tromsø"})]);
}

/// What the demo's SQLite database and CSV files hold.
fn tables(data: &Path) -> Vec<Table> {
    let shop = Connection::open(data.join("shop.sqlite")).unwrap();
    let text = |columns: &[&'static str]| {
        columns
            .iter()
            .map(|column| (*column, Type::Text))
            .collect::<Vec<_>>()
    };
    let mut customers = vec![("customer_id", Type::Integer)];
    customers.extend(text(&[
        "email",
        "first_name",
        "last_name",
        "city",
        "country",
        "stage",
    ]));
    customers.push(("birthday", Type::Date));
    let orders = vec![
        ("order_id", Type::Integer),
        ("customer_id", Type::Integer),
        ("amount", Type::Decimal(10, 2)),
        ("ordered_on", Type::Date),
    ];
    vec![
        from_sqlite(&shop, "customers", customers),
        from_sqlite(&shop, "orders", orders),
        from_csv(data, "loyalty", text(&["customer_id", "tier"])),
        from_csv(
            data,
            "companies",
            text(&["company_number", "name", "domain", "city", "employees"]),
        ),
    ]
}

fn from_sqlite(shop: &Connection, name: &'static str, columns: Vec<(&'static str, Type)>) -> Table {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut statement = shop
        .prepare(&format!("SELECT {} FROM {name}", names.join(", ")))
        .unwrap();
    let cell = |value: ValueRef<'_>| match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(_) => panic!("{name} holds a BLOB"),
    };
    let rows = statement
        .query_map([], |row| {
            (0..names.len()).map(|at| Ok(cell(row.get_ref(at)?))).collect()
        })
        .unwrap();
    let rows = rows.map(Result::unwrap).collect();
    Table { name, columns, rows }
}

/// The demo's CSV files quote nothing.
fn from_csv(data: &Path, name: &'static str, columns: Vec<(&'static str, Type)>) -> Table {
    let text = std::fs::read_to_string(data.join(format!("{name}.csv"))).unwrap();
    assert!(!text.contains('"'));
    let rows: Vec<Vec<Option<String>>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| Some(cell.to_owned())).collect())
        .collect();
    assert!(rows.iter().all(|row| row.len() == columns.len()));
    Table { name, columns, rows }
}

/// Names the warehouse beside the demo's own source, and the twin where it listens now.
fn connect(root: &Path, connection: &str, twin: &str) {
    let path = root.join("outflow.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| match line.trim() {
        "sources:" => format!("sources:\n  warehouse: {connection}\n"),
        own if own.starts_with("base_url:") => format!("    base_url: {twin}\n"),
        _ => format!("{line}\n"),
    });
    std::fs::write(&path, lines.collect::<String>()).unwrap();
}

fn change_one_line(path: &PathBuf) {
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.matches("source: shop\n").count(), 1);
    std::fs::write(path, text.replace("source: shop\n", "source: warehouse\n")).unwrap();
}

async fn run_all_well(root: &Path) -> Vec<RunReport> {
    let reports = run_all(root).await;
    for report in &reports {
        assert!(report.error.is_none(), "{}: {:?}", report.sync, report.error);
    }
    reports
}

/// The properties that were written since the twin started or this was asked.
fn writes(twin: &Twin) -> Vec<Value> {
    let requests = twin.requests();
    twin.clear_requests();
    requests
        .iter()
        .filter(|request| request.path.contains("/batch/") && !request.path.ends_with("/read"))
        .filter_map(|request| serde_json::from_slice::<Value>(&request.body).ok())
        .flat_map(|body| body["inputs"].as_array().cloned().unwrap_or_default())
        .map(|input| input["properties"].clone())
        .collect()
}
