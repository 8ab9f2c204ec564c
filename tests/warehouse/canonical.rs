//! Rows as canonical bytes: what they must be, and what they are once a connector has read them.

use std::collections::BTreeMap;
use std::path::Path;

use futures::StreamExt;
use outflow::project::{LoadOptions, load};
use outflow::registry;
use outflow::sync::map::{BatchPrints, Mapping, Room};
use outflow_sdk::print::{Printer, encode};
use outflow_sdk::source::{ReadEvent, ReadRequest};
use outflow_sdk::value::Value;

use crate::customers::{ROWS, customers};
use crate::loader::Warehouse;
use crate::table::{Table, value};

/// A row: its key's hash, its print, and the canonical bytes of every field.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    key: u128,
    fields: Vec<Vec<u8>>,
}

/// Reads the customers as a run does, in each way there is, and compares every row, byte by byte, with
/// what it must be.
pub async fn compare(warehouse: &mut dyn Warehouse) {
    let table = customers();
    warehouse.load(&table);
    let expected = expected(&table, warehouse);
    assert_eq!(expected.len(), ROWS, "no key twice");
    for connection in warehouse.ways() {
        let read = read(&table, &connection).await;
        assert_eq!(read.len(), ROWS, "no key twice: {connection}");
        same(&table, &read, &expected, &connection);
    }
}

fn same(table: &Table, read: &BTreeMap<String, Row>, expected: &BTreeMap<String, Row>, connection: &str) {
    let mut wrong: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for (id, expected) in expected {
        let row = read
            .get(id)
            .unwrap_or_else(|| panic!("customer {id} did not arrive from {connection}"));
        assert_eq!(row.key, expected.key, "the key of customer {id}");
        let fields = table.columns.iter().zip(row.fields.iter().zip(&expected.fields));
        for ((column, _), (found, wanted)) in fields {
            if found != wanted {
                let first = || (0, format!("customer {id}: {found:02x?}, not {wanted:02x?}"));
                wrong.entry(column).or_insert_with(first).0 += 1;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{connection}: cells that differ, by column, with the first: {wrong:#?}"
    );
}

/// The rows as they are defined, but for what the warehouse is known to change.
fn expected(table: &Table, warehouse: &dyn Warehouse) -> BTreeMap<String, Row> {
    let printer = Printer::new(1);
    let differences = warehouse.differences();
    let mut changed = vec![0; differences.len()];
    let mut scratch = Vec::new();
    let mut rows = BTreeMap::new();
    for row in &table.rows {
        let mut values: Vec<Value> = table
            .columns
            .iter()
            .zip(row)
            .map(|((_, kind), cell)| value(*kind, cell.as_deref()))
            .collect();
        for (difference, changed) in differences.iter().zip(&mut changed) {
            let at = table.column(difference.column);
            let instead = (difference.instead)(&values[at]);
            *changed += usize::from(instead != values[at]);
            values[at] = instead;
        }
        let key = printer.key(&values[..1], &mut scratch);
        rows.insert(
            values[0].to_string(),
            Row {
                key,
                fields: values.iter().map(bytes).collect(),
            },
        );
    }
    for (difference, changed) in differences.iter().zip(changed) {
        assert!(
            changed > 0,
            "{}: '{}' changes nothing",
            difference.column,
            difference.because
        );
    }
    rows
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

/// The rows through a project whose one sync maps every column.
async fn read(table: &Table, connection: &str) -> BTreeMap<String, Row> {
    let folder = tempfile::tempdir().unwrap();
    write_project(folder.path(), table, connection);
    let registry = registry::built_in();
    let loaded = load(folder.path(), LoadOptions::new(&registry, false));
    let problems: Vec<String> = loaded
        .problems
        .iter()
        .map(|problem| problem.render(false))
        .collect();
    assert!(!loaded.has_errors(), "{problems:#?}");
    let project = loaded.project.unwrap();
    let sync = &project.syncs[0];
    let request = ReadRequest {
        model: sync.model.at(jiff::Timestamp::UNIX_EPOCH),
        columns: Mapping::columns_of(sync),
        sync: sync.name.clone(),
        run_id: "1".into(),
    };
    let mut reading = project.sources[&sync.source].source.read(request).await.unwrap();
    let mapping = Mapping::compile(sync, &reading.schema, Printer::new(1)).unwrap();
    let mut rows = BTreeMap::new();
    while let Some(event) = reading.events.next().await {
        let batch = match event.unwrap() {
            ReadEvent::Batch(batch) => batch,
            ReadEvent::End(receipt) => {
                assert!(receipt.complete);
                assert_eq!(receipt.rows, ROWS as u64);
                return rows;
            }
        };
        let mut prints = BatchPrints::default();
        mapping.prints(&batch, &mut prints);
        let mut room = Room::default();
        for (at, (key, print)) in prints.keys.iter().zip(&prints.prints).enumerate() {
            let record = mapping
                .record(&batch, at, key.unwrap(), *print, &mut room)
                .unwrap();
            assert_eq!(record.fault, None, "customer {}", record.key_text);
            let fields = record.values.unpack().unwrap();
            let fields = fields
                .iter()
                .map(|value| bytes(value.as_ref().unwrap()))
                .collect();
            rows.insert(
                record.key_text.to_string(),
                Row {
                    key: key.unwrap(),
                    fields,
                },
            );
        }
    }
    panic!("the read did not end");
}

/// A project whose one sync maps every column of a table.
pub fn write_project(root: &Path, table: &Table, connection: &str) {
    std::fs::create_dir_all(root.join("mappings")).unwrap();
    std::fs::write(root.join("token"), "pat-na1-unused\n").unwrap();
    let outflow = format!(
        "sources:\n  warehouse: {connection}\ndestinations:\n  crm: {{ type: hubspot, token: \"${{file:token}}\" }}\n"
    );
    std::fs::write(root.join("outflow.yaml"), outflow).unwrap();
    let fields: String = table
        .columns
        .iter()
        .map(|(column, _)| format!("  {column}: {column}\n"))
        .collect();
    let mapping = format!(
        "sync: everything\nsource: warehouse\nmodel: {{ table: {} }}\nkey: id\ndestination: crm\nobject: contacts\n\
         match: email\nfields:\n{fields}",
        table.name
    );
    std::fs::write(root.join("mappings/everything.yaml"), mapping).unwrap();
}
