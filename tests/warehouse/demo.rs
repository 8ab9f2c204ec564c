//! The demo's project, read from another warehouse by changing one line of each sync.

use std::path::{Path, PathBuf};

use outflow::state::Tally;
use outflow::sync::report::RunReport;
use outflow_sandbox::{hubspot, mailchimp, marketing_cloud};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::loader::Warehouse;
use crate::project::{outflow, run_all};
use crate::table::{Table, Type};

/// The demo's syncs, in the order they run in.
const SYNCS: [&str; 4] = [
    "companies",
    "customers_hubspot",
    "customers_mailchimp",
    "customers_marketing_cloud",
];

/// Syncs the demo from its own files, then from the warehouse: nothing is new to it, and what changes
/// there is all that is sent.
pub async fn runs_unchanged(warehouse: &mut dyn Warehouse) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    outflow(root, &["demo", "."]).exits(0);
    let twins = Twins::start(root).await;
    let mut tables = tables(&root.join("data"));
    for table in &tables {
        warehouse.load(table);
    }
    connect(root, &warehouse.connection(), &twins);
    // What the demo's story left: some rows are refused and stay so, and nothing is sent.
    let own = run_all_well(root).await;
    assert_eq!(twins.writes(), Vec::<String>::new());
    for sync in SYNCS {
        change_one_line(&root.join(format!("mappings/{sync}.yaml")));
    }
    let reports = run_all_well(root).await;
    let tallies = |reports: &[RunReport]| -> Vec<Tally> {
        let tally = |report: &RunReport| Tally {
            requests: 0,
            ..report.tally
        };
        reports.iter().map(tally).collect()
    };
    assert_eq!(tallies(&reports), tallies(&own));
    assert!(
        reports.iter().all(|report| report.tally.unchanged >= 40),
        "{reports:?}"
    );
    assert_eq!(twins.writes(), Vec::<String>::new());

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
    let updated: Vec<u64> = reports.iter().map(|report| report.tally.updated).collect();
    assert_eq!(updated, [0, 1, 1, 1]);
    let writes = twins.writes();
    assert_eq!(writes.len(), 3, "{writes:?}");
    for body in writes {
        assert!(
            body.contains("Tromsø") && !body.contains("irst"),
            "the city alone: {body}"
        );
    }
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
    customers.push(("newsletter", Type::Boolean));
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
            let read = |at: usize| {
                let cell = cell(row.get_ref(at)?);
                // SQLite keeps truth as a number.
                Ok(match columns[at].1 {
                    Type::Boolean => cell.map(|number| (number != "0").to_string()),
                    _ => cell,
                })
            };
            (0..names.len()).map(read).collect()
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

/// Names the warehouse beside the demo's own source, and the twins where they listen now.
fn connect(root: &Path, connection: &str, twins: &Twins) {
    let path = root.join("outflow.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut destination = String::new();
    let lines = text.lines().map(|line| match line.trim() {
        "sources:" => format!("sources:\n  warehouse: {connection}\n"),
        own if own.starts_with("type:") => {
            destination = own.split_whitespace().nth(1).unwrap().to_owned();
            format!("{line}\n")
        }
        own if own.starts_with("base_url:") => format!("    base_url: {}\n", twins.base_url(&destination)),
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

/// The demo's destinations, with what the demo left in them.
struct Twins {
    crm: hubspot::Twin,
    news: mailchimp::Twin,
    sfmc: marketing_cloud::Twin,
}

impl Twins {
    async fn start(root: &Path) -> Self {
        let data = Some(root.join("sandbox/data"));
        // A Marketing Cloud account is known by its address, so it listens where it did.
        let project = std::fs::read_to_string(root.join("outflow.yaml")).unwrap();
        let (_, rest) = project.split_once("type: marketing_cloud").unwrap();
        let (_, rest) = rest.split_once("http://").unwrap();
        let listen = rest.split_whitespace().next().unwrap().parse().unwrap();
        let crm = hubspot::Options {
            data: data.clone(),
            ..hubspot::Options::default()
        };
        let news = mailchimp::Options {
            data: data.clone(),
            ..mailchimp::Options::default()
        };
        let sfmc = marketing_cloud::Options {
            data,
            listen,
            ..marketing_cloud::Options::default()
        };
        Self {
            crm: hubspot::Twin::start(crm).await.unwrap(),
            news: mailchimp::Twin::start(news).await.unwrap(),
            sfmc: marketing_cloud::Twin::start(sfmc).await.unwrap(),
        }
    }

    fn base_url(&self, destination: &str) -> String {
        match destination {
            "hubspot" => self.crm.base_url(),
            "mailchimp" => self.news.base_url(),
            _ => self.sfmc.base_url(),
        }
    }

    /// Bodies of the requests that may have changed something since this was last asked.
    fn writes(&self) -> Vec<String> {
        let crm = self
            .crm
            .requests()
            .into_iter()
            .map(|one| (one.method, one.path, one.body));
        let news = self
            .news
            .requests()
            .into_iter()
            .map(|one| (one.method, one.path, one.body));
        let sfmc = self
            .sfmc
            .requests()
            .into_iter()
            .map(|one| (one.method, one.path, one.body));
        let bodies = crm.chain(news).chain(sfmc).filter_map(|(method, path, body)| {
            let body = String::from_utf8_lossy(&body).into_owned();
            let reads = method == "GET"
                || path == "/v2/token"
                || path.ends_with("/read")
                || path.ends_with("/search")
                || body.contains("<RetrieveRequest>");
            (!reads).then_some(body)
        });
        let bodies = bodies.collect();
        self.crm.clear_requests();
        self.news.clear_requests();
        self.sfmc.clear_requests();
        bodies
    }
}
