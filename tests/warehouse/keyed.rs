//! Rows asked for by their keys: every warehouse gives those and no others, whatever a key looks like.

use std::collections::BTreeSet;

use futures::StreamExt;
use outflow::project::{LoadOptions, Project, load};
use outflow::registry;
use outflow::sync::map::Mapping;
use outflow_sdk::keys::Keys;
use outflow_sdk::print::Printer;
use outflow_sdk::source::{Model, ReadEvent, ReadRequest};
use outflow_sdk::value::{Decimal, Value};

use crate::canonical::write_project;
use crate::loader::Warehouse;
use crate::table::{Table, Type};

/// Codes that are more than letters to some SQL.
const CODES: [&str; 7] = [
    "plain",
    "it's",
    "x' OR 1=1 --",
    r"back\slash",
    r"\' OR 1=1 --",
    "two\nlines",
    "\"quoted\" `name`",
];

fn people() -> Table {
    let rows = CODES.iter().enumerate().map(|(at, code)| {
        let row = [
            (at + 1).to_string(),
            format!("p{at}@example.com"),
            (*code).to_owned(),
            format!("19{:02}-02-28", at + 10),
            format!("{at}.50"),
        ];
        row.map(Some).to_vec()
    });
    Table {
        name: "people",
        columns: vec![
            ("id", Type::Integer),
            ("email", Type::Text),
            ("code", Type::Text),
            ("born", Type::Date),
            ("amount", Type::Decimal(12, 2)),
        ],
        rows: rows.collect(),
    }
}

/// Asks for rows of a table and of a statement, by columns of every kind.
pub async fn rows_asked_for(warehouse: &mut dyn Warehouse) {
    let table = people();
    warehouse.load(&table);
    let folder = tempfile::tempdir().unwrap();
    write_project(folder.path(), &table, &warehouse.connection());
    let registry = registry::built_in();
    let loaded = load(folder.path(), LoadOptions::new(&registry, false));
    assert!(!loaded.has_errors());
    let project = loaded.project.unwrap();
    let text = |text: &str| vec![Value::text(text)];
    let number = |text: &str| vec![Value::Number(Decimal::parse(text).unwrap())];
    for model in [
        Model::Table("people".into()),
        Model::Sql("select * from people where id > 0 -- all".into()),
    ] {
        let ids = vec![number("2"), text("3"), text("1 or 1=1"), number("99")];
        assert_eq!(read(&project, &model, &["id"], ids).await, ["2", "3"]);
        for (at, code) in CODES.iter().enumerate() {
            let found = read(&project, &model, &["code"], vec![text(code)]).await;
            assert_eq!(found, [(at + 1).to_string()], "{code}");
        }
        let nobody = vec![text("y' OR '1'='1"), text(r"\"), text("'"), text("")];
        assert!(read(&project, &model, &["code"], nobody).await.is_empty());
        let days = vec![text("1911-02-28"), text("yesterday")];
        assert_eq!(read(&project, &model, &["born"], days).await, ["2"]);
        assert_eq!(
            read(&project, &model, &["amount"], vec![number("3.5")]).await,
            ["4"]
        );
        let pair = |id: &str, code: &str| vec![number(id)[0].clone(), Value::text(code)];
        let pairs = vec![pair("2", "it's"), pair("9", "plain")];
        let found = read(&project, &model, &["id", "code"], pairs).await;
        assert_eq!(found, ["2"]);
    }
}

/// The ids of the rows that a narrowed read gives, which must end complete.
async fn read(project: &Project, model: &Model, columns: &[&str], keys: Vec<Vec<Value>>) -> Vec<String> {
    let sync = &project.syncs[0];
    let request = ReadRequest {
        model: model.clone(),
        columns: Mapping::columns_of(sync),
        sync: sync.name.clone(),
        run_id: "1".into(),
    };
    let keys = Keys {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        keys,
        nulls: false,
    };
    let source = &project.sources[&sync.source].source;
    let mut reading = source.read_keys(request, keys).await.unwrap();
    let mapping = Mapping::compile(sync, &reading.schema, Printer::new(1)).unwrap();
    let mut ids: BTreeSet<String> = BTreeSet::new();
    while let Some(event) = reading.events.next().await {
        let batch = match event.unwrap() {
            ReadEvent::Batch(batch) => batch,
            ReadEvent::End(receipt) => {
                assert!(receipt.complete);
                assert_eq!(receipt.rows, ids.len() as u64);
                return ids.into_iter().collect();
            }
        };
        ids.extend((0..batch.num_rows()).map(|row| mapping.key_text(&batch, row).into()));
    }
    panic!("the read did not end");
}
