//! The emulator `bqemulator`, loaded by Google's own client and read by the `bigquery` source.

use crate::bigquery_server::{PROJECT, Server};
use crate::loader::Warehouse;
use crate::table::{Table, Type};

/// Where tables are made.
const DATASET: &str = "shop";

pub struct BigQuery(Server);

impl BigQuery {
    pub fn start() -> Self {
        Self(Server::start())
    }

    /// A connection that reads by the Storage Read API, or by REST.
    fn way(&self, by_storage: bool) -> String {
        let storage = match by_storage {
            true => format!(", storage_base_url: \"http://127.0.0.1:{}\"", self.0.grpc),
            false => String::new(),
        };
        format!(
            "{{ type: bigquery, project: {PROJECT}, dataset: {DATASET}, base_url: \"http://127.0.0.1:{}\"{storage} }}",
            self.0.rest
        )
    }
}

impl Warehouse for BigQuery {
    fn load(&mut self, table: &Table) {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| format!("{name}:{}", declared(*kind)))
            .collect();
        let mut lines = String::new();
        for row in &table.rows {
            let cells = table.columns.iter().zip(row);
            let object: serde_json::Map<String, serde_json::Value> = cells
                .map(|((name, kind), cell)| ((*name).to_owned(), json(*kind, cell.as_deref())))
                .collect();
            lines.push_str(&serde_json::Value::Object(object).to_string());
            lines.push('\n');
        }
        let name = format!("{DATASET}.{}", table.name);
        self.0.load(&name, &columns.join(","), &lines);
    }

    fn connection(&self) -> String {
        self.way(true)
    }

    fn ways(&self) -> Vec<String> {
        vec![self.way(true), self.way(false)]
    }
}

fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Small | Type::Integer => "INTEGER",
        Type::Decimal(..) => "NUMERIC",
        Type::Float => "FLOAT",
        Type::Boolean => "BOOLEAN",
        Type::Text => "STRING",
        Type::Date => "DATE",
        Type::Timestamp => "DATETIME",
        Type::Instant => "TIMESTAMP",
        Type::Json => "JSON",
    }
}

/// The cell as a line of JSON has it: numbers as text, of which no digit is lost.
fn json(kind: Type, cell: Option<&str>) -> serde_json::Value {
    match (kind, cell) {
        (_, None) => serde_json::Value::Null,
        (Type::Json, Some(text)) => serde_json::from_str(text).unwrap(),
        (Type::Boolean, Some(text)) => (text == "true").into(),
        (_, Some(text)) => text.into(),
    }
}
