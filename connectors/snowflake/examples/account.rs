//! Serves an account with one table, MANY, of as many rows of twelve columns as asked for.
//!
//! ```sh
//! cargo run --release -p outflow-snowflake --example account -- 18080 1000000 arrow
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../tests/account/mod.rs"]
#[allow(dead_code, reason = "faults are for the tests")]
mod account;

use account::table::Table;
use account::{Account, Options};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(18_080, |port| port.parse().unwrap());
    let rows = arguments.next().map_or(1_000_000, |rows| rows.parse().unwrap());
    let options = Options {
        arrow: arguments.next().as_deref() != Some("json"),
        inline_rows: 500,
        // Some ten mebibytes each before they are packed, as Snowflake makes them.
        file_rows: 80_000,
        kept: true,
        ..Options::default()
    };
    let running = Account::start_at(port, options).await;
    running.account.table("MANY", many(rows));
    std::future::pending::<()>().await;
}

fn many(rows: usize) -> Table {
    let columns = [
        ("ID", "fixed", 38, 0),
        ("EMAIL", "text", 0, 0),
        ("FIRST_NAME", "text", 0, 0),
        ("LAST_NAME", "text", 0, 0),
        ("CITY", "text", 0, 0),
        ("LTV", "fixed", 12, 2),
        ("ORDERS", "fixed", 9, 0),
        ("SCORE", "real", 0, 0),
        ("BORN", "date", 0, 0),
        ("SEEN", "timestamp_ntz", 0, 9),
        ("UPDATED", "timestamp_tz", 0, 9),
        ("VIP", "boolean", 0, 0),
    ];
    let cities = ["Praha", "São Paulo", "München", "東京", "Oslo"];
    let rows = (0..rows).map(|n| {
        let cells = [
            n.to_string(),
            format!("customer.{n}@example.com"),
            format!("First {}", n % 5_000),
            format!("Last {}", n % 50_000),
            cities[n % cities.len()].to_owned(),
            format!("{}.{:02}", n % 10_000, n % 100),
            (n % 300).to_string(),
            format!("{}.5", n % 1_000),
            (n % 20_000).to_string(),
            format!("{}.{:09}", 1_700_000_000 + n, n % 1_000 * 1_000),
            format!("{}.{:09} 1440", 1_700_000_000 + n, n % 1_000 * 1_000),
            (n % 2).to_string(),
        ];
        // Every tenth city is unknown.
        let city_unknown = n % 10 == 0;
        let cell = |(at, cell)| (at != 4 || !city_unknown).then_some(cell);
        cells.into_iter().enumerate().map(cell).collect()
    });
    Table::new(&columns, rows.collect())
}
