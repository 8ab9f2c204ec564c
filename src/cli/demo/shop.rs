//! The demo's source: a shop's database and two CSV files, and what happens in the shop overnight.

use std::io::Write;
use std::path::Path;

use rusqlite::{Connection, params};

use super::super::failure::Failure;
use super::people::{self, customer};
use super::project::not_written;

/// Customers in the shop's database.
pub(super) const CUSTOMERS: u64 = 3_000;

/// Companies in the CSV file.
pub(super) const COMPANIES: u64 = 40;

/// The customer who moves to another city.
pub(super) const MOVES: u32 = 17;

/// The city they move to.
pub(super) const NEW_CITY: &str = "Reykjavík";

/// The customer who changes their address.
pub(super) const RENAMES: u32 = 42;

/// The customer who orders something.
pub(super) const ORDERS: u32 = 7;

/// The customer who leaves.
pub(super) const LEAVES: u32 = 99;

/// The customer whose address becomes nonsense.
pub(super) const BAD_ADDRESS: u32 = 256;

/// The customer whose stage HubSpot and Mailchimp do not know.
pub(super) const BAD_STAGE: u32 = 1_024;

/// The stage they do not know.
pub(super) const NEW_STAGE: &str = "vip";

/// The customer who unsubscribes in Mailchimp, while the shop says that they subscribe.
pub(super) const UNSUBSCRIBES: u32 = 512;

/// What the ordering customer orders, in cents.
const NEW_ORDER: u64 = 24_990;

const TABLES: &str = "
    create table customers (
        customer_id integer primary key, email text not null, first_name text, last_name text not null,
        city text, country text, stage text, birthday date, newsletter boolean not null
    );
    create table orders (
        order_id integer primary key, customer_id integer not null references customers,
        amount decimal(10, 2) not null, ordered_on date not null
    );
    create index orders_of_customer on orders (customer_id);
";

/// Writes `data/`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn create(dir: &Path) -> Result<(), Failure> {
    let data = dir.join("data");
    std::fs::create_dir_all(&data).map_err(|error| not_written(dir, &error))?;
    write_database(&data.join("shop.sqlite")).map_err(|error| not_written(dir, &error))?;
    write_files(&data).map_err(|error| not_written(dir, &error))
}

fn write_database(path: &Path) -> rusqlite::Result<()> {
    let mut database = Connection::open(path)?;
    let transaction = database.transaction()?;
    transaction.execute_batch(TABLES)?;
    {
        let mut add_customer =
            transaction.prepare("insert into customers values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        let mut add_order = transaction
            .prepare("insert into orders (customer_id, amount, ordered_on) values (?1, ?2, ?3)")?;
        for id in 1..=CUSTOMERS {
            let one = customer(id);
            add_customer.execute(params![
                number(one.id),
                one.email,
                one.first_name,
                one.last_name,
                one.city,
                one.country,
                one.stage,
                one.birthday,
                one.newsletter && one.id != u64::from(UNSUBSCRIBES)
            ])?;
            for (cents, day) in one.orders {
                add_order.execute(params![number(id), cents as f64 / 100.0, day])?;
            }
        }
    }
    transaction.commit()
}

/// SQLite's integers are signed.
fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn write_files(data: &Path) -> std::io::Result<()> {
    let mut loyalty = std::io::BufWriter::new(std::fs::File::create(data.join("loyalty.csv"))?);
    writeln!(loyalty, "customer_id,tier")?;
    for id in 1..=CUSTOMERS {
        if let Some(tier) = customer(id).tier {
            writeln!(loyalty, "{id},{tier}")?;
        }
    }
    loyalty.flush()?;
    let mut companies = std::io::BufWriter::new(std::fs::File::create(data.join("companies.csv"))?);
    writeln!(companies, "company_number,name,domain,city,employees")?;
    for id in 1..=COMPANIES {
        let one = people::company(id);
        writeln!(
            companies,
            "{},{},{},{},{}",
            one.number, one.name, one.domain, one.city, one.employees
        )?;
    }
    companies.flush()
}

/// The address the renaming customer has from now on.
pub(super) fn new_address() -> String {
    format!("new.address.{RENAMES}@mail.demo")
}

/// What the ordering customer has ordered in the end, as destinations show it.
pub(super) fn new_sum() -> String {
    let cents: u64 = customer(u64::from(ORDERS))
        .orders
        .iter()
        .map(|(cents, _)| cents)
        .sum();
    let cents = cents + NEW_ORDER;
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What happens overnight in the shop; gives a line for each event.
///
/// # Errors
/// When the database cannot be written.
pub(super) fn change(dir: &Path) -> Result<Vec<String>, Failure> {
    let path = dir.join("data").join("shop.sqlite");
    let change = || -> rusqlite::Result<()> {
        let mut database = Connection::open(&path)?;
        let events = database.transaction()?;
        let update = |column: &str, value: &str, id: u32| {
            let sql = format!("update customers set {column} = ?1 where customer_id = ?2");
            events.execute(&sql, params![value, id])
        };
        update("city", NEW_CITY, MOVES)?;
        update("email", &new_address(), RENAMES)?;
        update("email", "not-an-address", BAD_ADDRESS)?;
        update("stage", NEW_STAGE, BAD_STAGE)?;
        update("newsletter", "1", UNSUBSCRIBES)?;
        events.execute(
            "insert into orders (customer_id, amount, ordered_on) values (?1, ?2, '2026-01-15')",
            params![ORDERS, NEW_ORDER as f64 / 100.0],
        )?;
        events.execute("delete from orders where customer_id = ?1", [LEAVES])?;
        events.execute("delete from customers where customer_id = ?1", [LEAVES])?;
        events.commit()
    };
    change().map_err(|error| not_written(dir, &error))?;
    Ok(vec![
        format!("customer {MOVES} moves to {NEW_CITY}"),
        format!("customer {RENAMES} has a new e-mail address"),
        format!("customer {ORDERS} orders something"),
        format!("customer {LEAVES} leaves"),
        format!("customer {BAD_ADDRESS}'s e-mail address becomes nonsense"),
        format!("customer {BAD_STAGE} gets a stage that HubSpot and Mailchimp do not have"),
        format!("customer {UNSUBSCRIBES} wants the newsletter, says the shop"),
    ])
}
